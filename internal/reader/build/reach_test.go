package build

import (
	"fmt"
	"testing"
)

// TestKeyOfManyParticipants computes the key of an export with more participants than the
// key is made from: their order does not matter.
func TestKeyOfManyParticipants(t *testing.T) {
	var up, down Export
	const n = 3 * exportParticipants
	for i := range n {
		up.participant(fmt.Sprint(i), "n")
		down.participant(fmt.Sprint(n-1-i), "n")
	}
	if len(up.participants) != exportParticipants || up.Key() != down.Key() {
		t.Errorf("%d participants, %s and %s", len(up.participants), up.Key(), down.Key())
	}
}

package embedded

import (
	"testing"

	"github.com/argus-evidence/argus"
)

// TestStatementHasFieldsThatQueriesRead checks that two copies are different documents if
// they differ only in a field that queries read, and one document if they differ in another.
func TestStatementHasFieldsThatQueriesRead(t *testing.T) {
	with := func(name, value string) [16]byte {
		return statement(&argus.Record{Kind: argus.KindMessage, Message: &argus.Message{
			Service: "sky", From: "a", Text: "call 0612345678", Extra: []argus.Field{{Name: name, Value: value}},
		}})
	}
	for name, differ := range map[string]bool{"country": true, "Country": true, argus.NationalNumber: true, "imei": false} {
		if got := with(name, "nl") != with(name, "be"); got != differ {
			t.Errorf("%s: different documents: %v", name, got)
		}
	}
}

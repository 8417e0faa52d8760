package privilege

import (
	"sync"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
)

var testKey = Key{1, 2, 3}

var defaultRules = sync.OnceValues(DefaultRules)

func testRules(t testing.TB) *Rules {
	t.Helper()
	r, err := defaultRules()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testRecogniser makes a recogniser whose directory has one lawyer for each identifier.
func testRecogniser(t testing.TB, people ...Identifier) *Recogniser {
	t.Helper()
	var entries []Entry
	for _, p := range people {
		entries = append(entries, Entry{Profession: Lawyer, Identifiers: []Identifier{p}})
	}
	set, err := NewSet(NewDirectory(entries), testKey)
	if err != nil {
		t.Fatal(err)
	}
	return NewRecogniser(NewMatcher(set), testRules(t), NewState())
}

func parseSent(t testing.TB, s string) argus.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return argus.At(at, s, argus.ZoneStated, argus.Second)
}

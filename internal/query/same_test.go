package query

import (
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/same"
)

func mailed(change func(*argus.Message)) *argus.Message {
	m := &argus.Message{
		Service: "email", Conversation: "c", Title: "Schedule", From: "ann@x.example", To: []string{"bo@x.example"}, ServiceID: "30965995.1@x.example",
		Sent: argus.At(time.Date(2000, 12, 14, 2, 41, 0, 0, time.UTC), "", argus.ZoneStated, argus.Second), Text: "the café\nis open",
	}
	change(m)
	return m
}

// The key of a message with several copies does not depend on their order: it is the
// lowest key among the copies with its sent time.
func TestSameKeyOfCopies(t *testing.T) {
	var a same.Hasher
	copies := []Sighting{
		{Message: mailed(func(m *argus.Message) { m.Text = "one" })},
		{Message: mailed(func(m *argus.Message) { m.Text = "two" })},
		{Message: mailed(func(m *argus.Message) { m.Sent.Precision = argus.Minute })},
		{Message: mailed(func(m *argus.Message) { m.State, m.Locked, m.Text = argus.StateLocked, &argus.Locked{}, "" })},
	}
	want := min(a.Key(copies[0].Message).String(), a.Key(copies[1].Message).String())
	for i := range copies {
		for j := range copies {
			turned := []Sighting{copies[i], copies[j], copies[0], copies[1], copies[2], copies[3]}
			if got := (&Doc{turned}).SameKey().String(); got != want {
				t.Errorf("copies %d and %d first: %s, want %s", i, j, got, want)
			}
		}
	}
	if key := (&Doc{copies[2:]}).SameKey(); key != (same.Key{}) {
		t.Errorf("the only copy with the sent time is locked, and the key is %v", key)
	}
}

func TestSameField(t *testing.T) {
	m := mailed(func(*argus.Message) {})
	field := Field{Same, One(m).SameKey().String(), false}
	n, err := Parse("schedule OR -("+field.String()+" boat)", Options{})
	if err != nil || !HasSame(n) || n.String() != "schedule OR -("+field.String()+" boat)" {
		t.Errorf("printed back: %v, %v", n, err)
	}
	if !Match(field, One(m)) || Match(field, One(mailed(func(m *argus.Message) { m.Text = "x" }))) || Match(Field{Same, "abcdef12", false}, One(m)) {
		t.Error("a content matches another, or a reference matches")
	}
}

// Package evidencetest invents records for tests of the evidence.
package evidencetest

import (
	"fmt"

	"github.com/argus-evidence/argus"
)

// Message returns the n-th message. All messages are different.
func Message(n int) *argus.Message {
	return &argus.Message{
		Service: "sky", Conversation: fmt.Sprintf("group-%d", n%7), From: fmt.Sprintf("PIN%03d", n%50), ServiceID: fmt.Sprint(n),
		Sent: argus.Time{Micros: int64(1_600_000_000+n) * 1e6, Precision: argus.Second},
		Text: fmt.Sprintf("message %d about nothing in particular, but with some words", n),
	}
}

// Batch returns records of the messages with the numbers in [from, to).
func Batch(from, to int) []*argus.Record {
	var batch []*argus.Record
	for n := from; n < to; n++ {
		batch = append(batch, &argus.Record{Kind: argus.KindMessage, Message: Message(n)})
	}
	return batch
}

// EveryKind returns the record sealed, and one record of each other kind that a caller can
// append, except the kinds that Batch returns. It expects record 1 to be the opening, 2 an
// original and 3 a locked message.
func EveryKind(sealed *argus.Record) []*argus.Record {
	file := &argus.Original{Size: 3, Path: "derived/a.db"}
	act := &argus.Act{Order: "Rb 1", Reason: "unlawful", Records: []argus.Span{{First: 3, Last: 3}, {First: 5, Last: 9}}}
	return []*argus.Record{
		{Kind: argus.KindKey, Key: &argus.Key{Sort: "session", KeyID: "k1", From: "server", Fingerprint: argus.Hash{1}}, Where: argus.Where{Original: 2, Record: 1}},
		sealed,
		{Kind: argus.KindDerived, Original: file, Derived: &argus.Derived{Parent: 2, By: "crypt15/1"}},
		{Kind: argus.KindWithdrawn, Act: act},
		{Kind: argus.KindReleased, Act: act},
		{Kind: argus.KindDestroyed, Act: act},
		{Kind: argus.KindReading, Reading: &argus.Reading{Of: 1, Reason: "a newer reader"}},
		{Kind: argus.KindStated, Stated: &argus.Stated{What: "count", Count: 7}},
		{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "x", Raw: []byte("y")}},
		{Kind: argus.KindAttachment, Original: file},
	}
}

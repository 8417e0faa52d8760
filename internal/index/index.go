// Package index states what a search index promises. An index follows the evidence: it takes
// records with rising sequence numbers, and can be thrown away and rebuilt. It makes no access
// decisions; its caller, the desk, passes a scope with every request.
//
// The unit is the message. A scope selects sightings ([query.Matcher.Select]). The
// query is evaluated on the union of a message's selected sightings ([query.Match]),
// and every number counts messages.
package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// ErrOutdated means that an index was written by another version of Argus, with a
// different file format or text analysis.
var ErrOutdated = errors.New("written by a different version of Argus; `argus reindex` rebuilds the index from the evidence")

// Open opens the index in a directory, and creates it if there is none, unless ReadOnly. It
// returns [argus.ErrLocked] if another process is writing, an [argus.ErrDamaged] if files are
// damaged, and [ErrOutdated] if another version wrote them. Rebuild repairs the last two.
type Open func(dir string, o Options) (Index, error)

// Options of an index. All but Evidence are optional.
type Options struct {
	// Evidence provides the messages for regular expressions and for further copies of a
	// message. Without it, both fail with an error.
	Evidence Evidence
	// Mark returns a name for the evidence up to a record; the index keeps the name.
	// before is the name that the index has so far, or "" if it is empty. Default none.
	Mark func(seq uint64, before string) (string, error)
	// ReadOnly opens an index that another process may be writing. Default false.
	ReadOnly bool
	// Rebuild discards the content of the index. Default false.
	Rebuild bool
}

// Index finds messages. The suite in index/indextest checks that each implementation does
// as described here. All methods may be called concurrently, except that only one
// goroutine may call Add, Remove, Begin and Flush. On a read-only index, those four
// return errors.
type Index interface {
	// Position returns the sequence number of the last searchable record.
	Position() uint64
	// Mark returns the position and its name from Options.Mark.
	Mark() (position uint64, mark string)
	// Readings returns the newest reading that the index began with, or 0 if there is
	// none.
	Readings() argus.DeliveryNumber
	// Begin discards the content of the index, durably and at once, to follow the evidence
	// from its first record with the given readings.
	Begin(readings argus.DeliveryNumber) error
	// Refresh makes data that another process flushed searchable. In the writing process,
	// it does nothing.
	Refresh() error
	// Settle waits for the background work on flushed data, and returns that work's
	// error.
	Settle(ctx context.Context) error
	// Add takes records in order, beginning right after the last one given.
	// They need not be searchable or durable before Flush.
	Add(ctx context.Context, records []*argus.Record) error
	// Flush makes the added records searchable and durable.
	Flush(ctx context.Context) error
	// Remove durably deletes the copies in these records, together with later copies that have
	// the same content and statement. When it returns, they no longer appear in any answer;
	// their data eventually disappears from the files. A rebuilt index has them again if the
	// evidence does.
	Remove(ctx context.Context, seqs []uint64) error
	// Search answers a request. If it returns an error, there is no answer.
	Search(ctx context.Context, req Request) (*Result, error)
	// Stream yields all messages that match both, oldest first, as of one moment of the
	// index, without a limit. It ends at the first error.
	Stream(ctx context.Context, query, scope query.Node) iter.Seq2[Hit, error]
	// Page returns a page of one conversation, oldest first.
	Page(ctx context.Context, req PageRequest) (*Page, error)
	// Stats returns the size of the index.
	Stats() Stats
	// Check reads everything stored and yields a [Damage] for each damaged part.
	Check(ctx context.Context) iter.Seq[error]
	// Strays returns the files in the index's folder that do not belong to it.
	Strays() ([]string, error)
	// Compare begins to compare the index with the evidence by making everything from which the
	// index answers a second time. Compare itself reports a [Damage] for each file that this
	// index would write differently; if there is any, nothing is compared, and the comparison
	// is nil.
	Compare(ctx context.Context, report func(error)) (Comparison, error)
	Close() error
}

// Comparison compares an index with the evidence. It is for one goroutine.
type Comparison interface {
	// Readings returns the reading that the index began with: Add needs the evidence as
	// of that reading.
	Readings() argus.DeliveryNumber
	// Follow sets the source for further copies of messages.
	Follow(evidence Evidence)
	// Add takes the records that the index has followed, in order from record 1. It
	// ignores later records.
	Add(ctx context.Context, r *argus.Record) error
	// Differences returns the ranges of records about which the index is wrong. All records
	// must have been added before.
	Differences(ctx context.Context) ([]*Differs, error)
}

// Damage means that bytes of the index differ from those written. It matches
// [argus.ErrDamaged]. Nothing is lost: the index can be rebuilt.
type Damage struct {
	File   string // relative to the index's folder
	Offset int64  // in the file, of the damage or of the damaged section
	Reason string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("index file %s is damaged at byte %d: %s; `argus reindex` rebuilds the index from the evidence",
		d.File, d.Offset, d.Reason)
}

func (d *Damage) Unwrap() error { return argus.ErrDamaged }

// Differs means that the index and the evidence disagree. It matches [argus.ErrDamaged].
// Nothing is lost: the index can be rebuilt.
type Differs struct {
	// First and Last delimit the range of records that contains the difference.
	First, Last uint64
}

func (d *Differs) Error() string {
	return fmt.Sprintf("the index differs from the evidence at records %d to %d; `argus reindex` rebuilds it from the evidence", d.First, d.Last)
}

func (d *Differs) Unwrap() error { return argus.ErrDamaged }

// Evidence provides messages to an index when the index's own data is not enough: for an
// expression over the text as written, for example, or when another copy of a message arrives.
type Evidence interface {
	// Whole returns the record of a copy with the copy's complete statement and
	// content.
	Whole(ctx context.Context, seq uint64) (*argus.Record, error)
	// Copies returns the numbers of the records that carry the message first
	// stored under an id ([argus.Record.MessageID]), in order.
	Copies(ctx context.Context, id argus.ID) ([]uint64, error)
}

// Request asks for messages that match both Query and Scope.
type Request struct {
	Query query.Node // nil is All
	Scope query.Node // nil is All
	// Limit is the maximum number of hits. They come newest first, in descending order of
	// [query.Compare], with messages without a time last. With 0, there are only counts.
	Limit int
	// After continues after the last hit of an earlier answer.
	After *Cursor
	// Distinct finds only one of the messages with the same content ([query.Doc.SameKey]): the
	// one that comes first in Hits. Facets, Histogram and Pairs also count only that one.
	Distinct bool
	// Facets names fields to count by: from, to, in, service, delivery, is (not
	// is:message), lang, country (with Found after it, if not stated), entity (identifiers, not their kinds), same (contents).
	Facets []query.FieldName
	// FacetSize is the maximum number of values of a facet, ordered by falling frequency
	// and then by name. Default 20.
	FacetSize int
	// Histogram is the interval by which to count over time, or "" for none.
	Histogram Interval
	// Zone is the time zone of the histogram's bars. Default UTC.
	Zone *time.Location
	// Pairs is the maximum number of pairs of sender and receiver in the answer, or 0 for
	// none.
	Pairs int
	// Budget bounds the work. An answer that exceeds it is cut short and marked as
	// partial. Default no bound.
	Budget Budget
}

// Interval is the width of a histogram's bars.
type Interval string

const (
	ByHour  Interval = "hour"
	ByDay   Interval = "day"
	ByMonth Interval = "month"
	ByYear  Interval = "year"
	// ByWeekHour folds all weeks into one of 168 hours.
	ByWeekHour Interval = "weekhour"
)

// Budget bounds the work for an answer. A zero value means no bound.
type Budget struct {
	// Time from the call to the answer, approximately.
	Time time.Duration
	// Texts is the maximum number of messages whose text may be read for expressions that
	// cannot be decided otherwise.
	Texts int64
}

// Cursor is a position in the order of hits.
type Cursor struct {
	Micros   int64  `json:"micros"`
	Known    bool   `json:"known"`
	Sequence uint64 `json:"sequence"`
	// ID is the first eight bytes, big-endian, of the id of the copy that has
	// the sent time.
	ID uint64 `json:"id"`
}

// CursorOf returns the position of a message in the order of hits.
func CursorOf(d *query.Doc) Cursor {
	lead := d.Lead()
	c := Cursor{Sequence: lead.Message.Sequence, ID: binary.BigEndian.Uint64(lead.ID[:8])}
	if sent := lead.Message.Sent; sent.Known() {
		c.Micros, c.Known = sent.Micros, true
	}
	return c
}

// Hit is a message that was found.
type Hit struct {
	// Seq is the record of a copy of the message in the evidence, possibly one
	// outside the scope.
	Seq    uint64
	Cursor Cursor
}

// Result is an answer as of one moment of the index.
type Result struct {
	Hits []Hit
	// Total counts everything found. Messages counts the texts, media and polls among it,
	// and Beside the other types, under their words and in the order of the types.
	Total    uint64
	Messages uint64
	Beside   []Count
	// Distinct is like Messages, but counts messages with the same content once. It is set only
	// if the request asks for it.
	Distinct uint64
	// Differing counts the messages whose copies in the scope say different things.
	Differing uint64
	// Facets has the counts for each requested field. A message with several values
	// counts for each of them.
	Facets map[query.FieldName][]Count
	// Histogram has the bars that are not empty, oldest first, keyed by their
	// start as 2021-02-14T15, 2021-02-14, 2021-02 or 2021; for hours of the week,
	// Mon 00 to Sun 23.
	Histogram []Count
	// Pairs has the pairs, ordered by falling frequency and then by name.
	Pairs []Pair
	// Partial is nil if the answer is complete.
	Partial *Partial
	// Position is the last record of the evidence that the answer covers.
	Position uint64
}

// Count is a value with the number of messages that have it.
type Count = argus.Tally

// Pair counts the messages and calls ([query.Turns]) that one account sent to
// another, or into a conversation if they name no receiver or several.
type Pair struct {
	Service string `json:"service"`
	From    string `json:"from"`
	// To is the receiving account, or empty if Conversation is set.
	To           string `json:"to,omitempty"`
	Conversation string `json:"conversation,omitempty"`
	Count        uint64 `json:"count"`
	// First and Last are the earliest and the latest sent time, or zero if none is known.
	First time.Time `json:"first,omitzero"`
	Last  time.Time `json:"last,omitzero"`
}

// Partial describes how much is covered by an answer that exceeded its budget.
type Partial struct {
	// Since is the moment from which on all messages are counted, and all requested hits
	// among them are there; older messages may be missing. It is the beginning of a day
	// in UTC, so that it does not reveal the time of a message outside the scope. Zero
	// means that no period is completely counted.
	Since time.Time `json:"since,omitzero"`
	// Why names the bound that ended it.
	Why string `json:"why"`
}

// PageRequest asks for messages of one conversation inside Scope, with those that begin it
// ([argus.Message.Begun]).
type PageRequest struct {
	Service, Conversation string
	Scope                 query.Node
	// Around is the message in the middle; nil for the end of the conversation.
	Around *Cursor
	// Before and After are the maximum numbers of messages on either side of Around,
	// which is added to them.
	Before, After int
}

// Page is part of a conversation.
type Page struct {
	Hits []Hit
	// Earlier and Later count the messages in scope beyond the page.
	Earlier, Later uint64
}

// Stats describes the size of an index.
type Stats struct {
	// Messages counts records of all types.
	Messages uint64 `json:"messages"`
	Bytes    int64  `json:"bytes"`
	Segments int    `json:"segments"`
}

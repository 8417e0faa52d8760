// Package index is what a search index promises.
//
// An index follows the evidence: records go in with rising sequence numbers,
// and what it holds can be thrown away and rebuilt. It decides nothing about
// who may see what; its caller, the desk, gives a scope with every request,
// and everything in the answer is inside that scope.
package index

import (
	"context"
	"iter"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// Index finds messages. The suite in index/indextest holds each implementation
// to this text. All methods may be called at the same time; Add and Remove by
// one goroutine only.
type Index interface {
	// Position is the sequence number of the last record that is searchable.
	Position() uint64
	// Add takes records in order, beginning right after the last one given.
	// They need not be searchable or durable before Flush.
	Add(ctx context.Context, records []*argus.Record) error
	// Flush makes what was added searchable and durable.
	Flush(ctx context.Context) error
	// Search answers a request. With an error there is no answer.
	Search(ctx context.Context, req Request) (*Result, error)
	// Page returns a page of one conversation, oldest first.
	Page(ctx context.Context, req PageRequest) (*Page, error)
	// Stats says what the index holds.
	Stats() Stats
	// Check reads everything that is stored and yields what is damaged.
	Check(ctx context.Context) iter.Seq[error]
	Close() error
}

// Text gives an index the messages back, for what it cannot decide from its
// own data: an expression over the text as written. The evidence implements it.
type Text interface {
	// Get returns the record with the sequence number.
	Get(ctx context.Context, seq uint64) (*argus.Record, error)
}

// Request asks for messages that match both Query and Scope.
type Request struct {
	Query query.Node // nil is All
	Scope query.Node // nil is All
	// Limit is the most hits, newest first: by (sent time, service sequence,
	// place in the evidence) descending, messages without a time last. 0 for counts only.
	Limit int
	// After continues behind the last hit of an earlier answer.
	After *Cursor
	// Facets names fields to count by: from, in, service, delivery, is, lang.
	Facets []query.FieldName
	// FacetSize is the most values a facet, most frequent first, then by
	// name. Default 20.
	FacetSize int
	// Histogram counts by time; "" for none.
	Histogram Interval
}

// Interval is the width of a histogram's bars, in UTC.
type Interval string

const (
	ByHour  Interval = "hour"
	ByDay   Interval = "day"
	ByMonth Interval = "month"
	ByYear  Interval = "year"
)

// Cursor is a place in the order of hits.
type Cursor struct {
	Micros   int64  `json:"micros"`
	Known    bool   `json:"known"`
	Sequence uint64 `json:"sequence"`
	Seq      uint64 `json:"seq"`
}

// Hit is a message that was found. Each copy that differs is a hit of its own.
type Hit struct {
	// Seq is its record in the evidence.
	Seq    uint64
	Cursor Cursor
}

// Result is an answer, of one moment of the index.
type Result struct {
	Hits  []Hit
	Total uint64 // exact
	// Facets has the counts of each field asked for. A message with several
	// values counts for each.
	Facets map[query.FieldName][]Count
	// Histogram has the bars that are not empty, oldest first, keyed by their
	// start as 2021-02-14T15, 2021-02-14, 2021-02 or 2021.
	Histogram []Count
	// Position is up to which record of the evidence the answer speaks.
	Position uint64
}

// Count is a value with the number of messages that have it.
type Count = argus.Tally

// PageRequest asks for messages of one conversation inside Scope.
type PageRequest struct {
	Service, Conversation string
	Scope                 query.Node
	// Around is the message in the middle; nil for the end of it.
	Around *Cursor
	// Before and After are the most messages on either side of Around, which
	// itself comes on top.
	Before, After int
}

// Page is a piece of a conversation.
type Page struct {
	Hits []Hit
	// Earlier and Later count the messages in scope beyond the page.
	Earlier, Later uint64
}

// Stats says what an index holds.
type Stats struct {
	Messages uint64 `json:"messages"`
	Bytes    int64  `json:"bytes"`
	Segments int    `json:"segments"`
}

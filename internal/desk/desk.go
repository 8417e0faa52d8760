// Package desk is the one way out: it asks the authority, writes the ledger,
// then reads.
//
// Each act names who asks, under which authority and for which purpose. The
// act is in the ledger, durably, before any data leaves. Everything in an
// answer is inside the authority's scope; what lies outside it and what does
// not exist look the same. The one exception to silence is the refusal itself:
// an asker without an active authority is told so.
//
// What reads is a [Permit], which an act gets from [Desk.Act] and loses when it ends.
// The desk's own methods are acts with one question; what is built on the desk acts
// itself, or stands ([Desk.Stand]), and has its permit and nothing else.
//
// A scope selects sightings of a message ([query.Matcher.Select]). What the asker
// sees, searches and counts is the union of those, and nothing tells of the others.
package desk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// ErrRequest says that a request cannot be answered as it stands, whoever asks.
var ErrRequest = errors.New("bad request")

// Desk answers. Its methods may be called at the same time. They return
// argus.ErrRefused, with a sentence for the asker, when no active authority
// allows the act, ErrRequest, and argus.ErrNotFound when nothing was found in what the
// asker may read. An error of any kind comes without data.
type Desk struct {
	parts    Parts
	mu       sync.Mutex
	openings map[argus.DeliveryNumber]argus.Opening // once read, they do not change
	sealed   map[argus.DeliveryNumber]bool          // the same: those with a seal
}

// Parts are what a desk joins. All without a default are required.
type Parts struct {
	Evidence store
	Index    finder
	Ledger   recorder
	// Beside says that acts are recorded in another ledger than the one that is
	// read. Default: they are not.
	Beside      func() bool
	Authorities *authority.Store
	// Inside reads bytes of a file that lies inside an original that is an
	// archive. Default none: such records are not shown raw.
	Inside func(ctx context.Context, original argus.Original, file io.ReaderAt, where argus.Where, data []byte) error
	// Lists finds the lists that queries name, as in query.Options. Default:
	// there are none.
	Lists func(name, hash string) (*query.WordList, error)
}

// store is the evidence as far as the desk needs it.
type store interface {
	Last() uint64
	Refresh() error
	Get(ctx context.Context, seq uint64) (*argus.Record, error)
	// Whole returns the message as the copy of a record says it.
	Whole(ctx context.Context, seq uint64) (*argus.Message, error)
	Find(id argus.ID) ([]evidence.Entry, error)
	FindPrefix(digits string, limit int) ([]argus.ID, error)
	Deliveries(ctx context.Context) ([]evidence.Delivery, error)
	// Sealed says whether a delivery has a seal.
	Sealed(d argus.DeliveryNumber) (bool, error)
	// Records yields what counts as the records of a delivery, AsSealed those that
	// it was sealed with, whoever read it again.
	Records(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error]
	AsSealed(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error]
	// Known is the newest second reading that counts.
	Known() argus.DeliveryNumber
	OpenOriginal(o argus.Original) (*evidence.OriginalFile, error)
}

// finder is the index as far as the desk needs it.
type finder interface {
	Position() uint64
	Search(ctx context.Context, req index.Request) (*index.Result, error)
	Stream(ctx context.Context, query, scope query.Node) iter.Seq2[index.Hit, error]
	Page(ctx context.Context, req index.PageRequest) (*index.Page, error)
}

// recorder is the ledger. What Append returned without an error is durable.
type recorder interface {
	// Now is when authorities begin and end: the later of the clock and the last
	// entry, so that a clock that is set back brings none back.
	Now() (time.Time, error)
	Append(ctx context.Context, act ledger.Act) (ledger.Entry, error)
	Entries(ctx context.Context, from uint64, limit int) iter.Seq2[ledger.Entry, error]
}

// New returns a desk. It owns none of its parts.
func New(parts Parts) *Desk {
	if parts.Beside == nil {
		parts.Beside = func() bool { return false }
	}
	return &Desk{parts: parts, openings: map[argus.DeliveryNumber]argus.Opening{}, sealed: map[argus.DeliveryNumber]bool{}}
}

// Who asks, on which legal basis, and what for.
type Who struct {
	Actor     string `json:"actor"`
	Authority string `json:"authority"` // A-0001
	Purpose   string `json:"purpose"`
}

// Interval is the width of a histogram's bars: hour, day, month or year, or
// weekhour for the hours of a week.
type Interval = index.Interval

// Entry is an act that the ledger has.
type Entry = ledger.Entry

// SearchRequest asks for messages.
type SearchRequest struct {
	Query string `json:"query"`
	// Limit is the most hits, default 20, at most 1000; below 0 there are
	// counts only.
	Limit int `json:"limit,omitempty"`
	// Next continues an earlier answer: its Next, unchanged.
	Next   string            `json:"next,omitempty"`
	Facets []query.FieldName `json:"facets,omitempty"`
	// FacetSize is the most values a facet, most frequent first; below 0 all of them.
	// Default 20.
	FacetSize int            `json:"facet_size,omitempty"`
	Histogram index.Interval `json:"histogram,omitempty"`
	// Pairs is the most pairs to count, of who wrote to whom; below 0 all of them.
	// Default 0.
	Pairs int `json:"pairs,omitempty"`
	// Zone reads the days of sent: and on:, and is where the bars of the
	// histogram begin (IANA name). Default UTC.
	Zone string `json:"zone,omitempty"`
	// MaxSeconds is about the longest to search; then the answer is partial.
	// Default 30, at most 3600.
	MaxSeconds float64 `json:"max_seconds,omitempty"`
}

// SearchResult is an answer.
type SearchResult struct {
	// Query is what was understood, printed back in the query language.
	Query string `json:"query"`
	Hits  []Hit  `json:"hits"`
	// Total counts everything that was found: Messages, which are texts, media and
	// polls, and Beside by their types: calls, contacts, rooms and others.
	Total    uint64        `json:"total"`
	Messages uint64        `json:"messages"`
	Beside   []index.Count `json:"beside,omitempty"`
	// Differing counts those of Total of which copies in the scope say different
	// things.
	Differing uint64 `json:"differing,omitempty"`
	// Facets and Histogram hold what was asked for; each message counts once for
	// each value. The most frequent accounts and conversations ([namedValues]) have the
	// name that a message in the scope shows.
	Facets map[query.FieldName][]index.Count `json:"facets,omitempty"`
	// Histogram has the bars between the first and the last, those without a message
	// with 0; of weekhour, or if Sparse, those with messages only.
	Histogram []index.Count `json:"histogram,omitempty"`
	// Sparse says that the empty bars are left out, because there are too many.
	Sparse bool `json:"histogram_sparse,omitempty"`
	// Pairs has who wrote to whom, most frequent first.
	Pairs []Pair `json:"pairs,omitempty"`
	// Partial says how far the answer goes if it ran out of time.
	Partial *index.Partial `json:"partial,omitempty"`
	// Narrowed is what the query demands and excludes as a whole.
	Narrowed query.Narrowed `json:"narrowed,omitzero"`
	// Next asks for the hits behind these; empty when there are none.
	Next string `json:"next,omitempty"`
	// Behind counts the records of the evidence that the index has not seen.
	// Under an authority with a scope, 1 stands for any number.
	Behind uint64 `json:"behind"`
	// Entry is the ledger entry of this act.
	Entry uint64 `json:"entry"`
}

// ChangeRequest asks for a query that is narrowed or widened.
type ChangeRequest struct {
	Query string `json:"query"`
	// Zone reads the days of sent: and on: (IANA name). Default UTC.
	Zone string `json:"zone,omitempty"`
	query.Change
}

// Changed is a query that was changed, and what it demands and excludes as a whole.
type Changed struct {
	Query    string         `json:"query"`
	Narrowed query.Narrowed `json:"narrowed,omitzero"`
}

// Pair is who wrote to whom, with their names as in Facets.
type Pair struct {
	index.Pair
	FromName string `json:"from_name,omitempty"`
	// ToName is the name of the receiver, or of the conversation.
	ToName string `json:"to_name,omitempty"`
}

// Hit is a message with the places that made it match.
type Hit struct {
	// Ref is what show takes: the lowest id of the message's copies in the scope.
	Ref argus.ID `json:"ref"`
	// Version is the one whose content is in Message.
	Version argus.Version `json:"version"`
	// Message is the union of the copies in the scope ([query.Doc.Union]).
	Message *argus.Message `json:"message"`
	// Marks are the byte ranges [start, end) of Message.Text that matched, in
	// order, not overlapping.
	Marks      [][2]int               `json:"marks,omitempty"`
	Deliveries []argus.DeliveryNumber `json:"deliveries"`
	// Unsealed are those of Deliveries that are not sealed: nothing is signed yet of
	// what they say.
	Unsealed []argus.DeliveryNumber `json:"unsealed,omitempty"`
	// Sightings counts the copies in the scope, and Versions what they say: more
	// than 1 if they differ.
	Sightings int `json:"sightings"`
	Versions  int `json:"versions"`
	// AlsoLocked says that a readable message is also held locked.
	AlsoLocked bool `json:"also_locked,omitempty"`
}

// Shown is one message with its versions and where each was found.
type Shown struct {
	Ref argus.ID `json:"ref"`
	// Message is the union of the copies in the scope.
	Message *argus.Message `json:"message"`
	// Versions are what copies say, the one shown first in front.
	Versions []Version `json:"versions"`
	Entry    uint64    `json:"entry"`
}

// Version is what copies of a message say in the same words, and where they were
// found.
type Version struct {
	Version argus.Version `json:"version"`
	// Message is the union of the sightings of this version.
	Message *argus.Message `json:"message"`
	// Entities are the identifiers in its text, as this version of Argus finds them.
	Entities  []entity.Entity `json:"entities,omitempty"`
	Sightings []Sighting      `json:"sightings"`
}

// Sighting is one place where a copy was found.
type Sighting struct {
	Seq uint64 `json:"seq"`
	// ID is the copy's own.
	ID       argus.ID             `json:"id,omitzero"`
	Delivery argus.DeliveryNumber `json:"delivery"`
	// Unsealed says that the delivery is not sealed: nothing of it is signed yet.
	Unsealed bool `json:"unsealed,omitempty"`
	// ReadIn is the delivery that read the original of Delivery again and found the
	// copy, 0 for none.
	ReadIn   argus.DeliveryNumber `json:"read_in,omitempty"`
	Reader   string               `json:"reader"`
	Original argus.Original       `json:"original"`
	Where    argus.Where          `json:"where"`
	// States is what this copy says but for its content.
	States *argus.Message `json:"states,omitempty"`
	// Raw is the record as it stands in the original, at most its first 64
	// KiB, when it was asked for and has a place in it: not for formats without
	// places, and not where something outside the scope lies inside it.
	Raw []byte `json:"raw,omitempty"`
	// RawWithheld says that something lies inside the record that the asker may
	// not read.
	RawWithheld bool `json:"raw_withheld,omitempty"`
}

// PageRequest asks for a piece of the conversation around a message, or for
// the end of a conversation.
type PageRequest struct {
	// Ref is the message in the middle, as in show; or Service and
	// Conversation name the conversation.
	Ref          string `json:"ref,omitempty"`
	Service      string `json:"service,omitempty"`
	Conversation string `json:"conversation,omitempty"`
	// Before and After are the most messages on either side; default 20, at
	// most 500; below 0 there are none.
	Before int `json:"before,omitempty"`
	After  int `json:"after,omitempty"`
}

// Page is a piece of a conversation, oldest first.
type Page struct {
	Service      string `json:"service"`
	Conversation string `json:"conversation"`
	Title        string `json:"title,omitempty"`
	Hits         []Hit  `json:"hits"`
	Earlier      uint64 `json:"earlier"`
	Later        uint64 `json:"later"`
	Entry        uint64 `json:"entry"`
}

// Delivery is a hand-over with its account, as far as the asker may see it.
// Its files are filled by Receipt only.
type Delivery struct {
	argus.Receipt
	// Partial says that the scope does not cover the whole delivery: its seal
	// and its account, which count everything, are withheld.
	Partial bool `json:"partial,omitempty"`
	// Limited says that the scope covers the delivery and not all others: what
	// tells how much of it they have, too, is withheld, and its counts are of what
	// was read and quarantined only.
	Limited bool `json:"limited,omitempty"`
	// Holds counts the messages that it has copies of, where the receipt is asked for
	// and the scope covers it: those of the account are copies.
	Holds *Holding `json:"holds,omitempty"`
}

// Holding counts messages, each once, and what is none beside them.
type Holding struct {
	Messages uint64        `json:"messages"`
	Beside   []index.Count `json:"beside,omitempty"`
}

// longestSubject is the longest query that the ledger keeps as it was written,
// in bytes. The place to decide that only hashes are kept is here.
const longestSubject = 4 << 10

// subject is what the ledger says of a query.
func subject(text string) string {
	if len(text) <= longestSubject {
		return text
	}
	return fmt.Sprintf("sha256:%x (%d bytes)", sha256.Sum256([]byte(text)), len(text))
}

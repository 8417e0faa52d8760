// Package desk is the one way out: it asks the authority, writes the ledger, then reads.
//
// Each act names the asker, the authority and the purpose. The act is durably in the
// ledger before any data leaves. Everything in an answer is inside the authority's scope;
// data outside the scope and data that does not exist look the same. The one exception to
// silence is the refusal itself: an asker without an active authority is told so.
//
// All reading goes through a [Permit], which an act gets from [Desk.Act] and loses when
// it ends. Each of the desk's own methods is an act that asks one question. Packages
// built on the desk call Act, or [Desk.Stand] for a standing act, and get only a permit.
//
// A scope selects sightings of a message ([query.Matcher.Select]). The asker sees, searches
// and counts the union of those, and no answer reveals the others.
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

// ErrRequest means that a request is invalid, no matter who asks.
var ErrRequest = errors.New("bad request")

// Desk answers questions. Its methods are safe for concurrent use. They return
// argus.ErrRefused, with a sentence for the asker, if no active authority allows the act,
// ErrRequest if the request is invalid, and argus.ErrNotFound if nothing was found in the
// data that the asker may read. An answer that comes with an error contains no data.
type Desk struct {
	parts    Parts
	mu       sync.Mutex
	openings map[argus.DeliveryNumber]argus.Opening // read once, never changed
	sealed   map[argus.DeliveryNumber]bool          // the deliveries known to have a seal
}

// Parts are the parts of a desk. Those without a default are required.
type Parts struct {
	Evidence store
	Index    finder
	Ledger   recorder
	// Beside reports whether acts are recorded in a different ledger from the one that is read.
	// Default: they are not.
	Beside      func() bool
	Authorities *authority.Store
	// May returns argus.ErrRefused if an actor may not do an act that needs no authority.
	// Default: nobody may do any.
	May func(actor, action string) error
	// MayRead returns which entries an actor may read by an act of the ledger (ledger,
	// ledger.oversee, ledger.words), under an authority or, if that is nil, without one; nil if
	// there is no rule about it. The error is argus.ErrRefused if the actor may read none.
	// Default: no rule about the act ledger, and nobody may do the others.
	MayRead func(actor, action string, under *authority.Authority) (func(*ledger.Entry) bool, error)
	// Inside reads bytes of a file inside an original that is an archive. Default: none;
	// such records are not shown raw.
	Inside func(ctx context.Context, original argus.Original, file io.ReaderAt, where argus.Where, data []byte) error
	// Sealing reports whether protected communication is sealed in the store. Then no answer
	// shows raw bytes of originals, since it would tell which files have some. Default: none
	// is sealed.
	Sealing func() (bool, error)
	// Lists finds the lists that queries name, as in query.Options. Default: no lists.
	Lists func(name, hash string) (*query.WordList, error)
}

// store is the evidence, reduced to the methods that the desk calls.
type store interface {
	Last() uint64
	Refresh() error
	From(ctx context.Context, seq uint64) iter.Seq2[*argus.Record, error]
	Get(ctx context.Context, seq uint64) (*argus.Record, error)
	// Whole returns the message as the copy in the given record states it.
	Whole(ctx context.Context, seq uint64) (*argus.Message, error)
	Find(id argus.ID) ([]evidence.Entry, error)
	FindPrefix(digits string, limit int) ([]argus.ID, error)
	Deliveries(ctx context.Context) ([]evidence.Delivery, error)
	// Sealed reports whether a delivery has a seal.
	Sealed(d argus.DeliveryNumber) (bool, error)
	// Records yields the current records of a delivery; AsSealed yields the records that it
	// was sealed with, even if it was read again.
	Records(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error]
	AsSealed(ctx context.Context, d argus.DeliveryNumber) iter.Seq2[*argus.Record, error]
	// Known returns the delivery of the newest second reading that counts.
	Known() argus.DeliveryNumber
	OpenOriginal(o argus.Original) (*evidence.OriginalFile, error)
	// Prover proves records; SealText returns the signed seal of a delivery.
	Prover() *evidence.Prover
	SealText(d argus.DeliveryNumber) ([]byte, error)
}

// finder is the index, reduced to the methods that the desk calls.
type finder interface {
	Position() uint64
	Search(ctx context.Context, req index.Request) (*index.Result, error)
	Stream(ctx context.Context, query, scope query.Node) iter.Seq2[index.Hit, error]
	Page(ctx context.Context, req index.PageRequest) (*index.Page, error)
}

// recorder is the ledger. An entry is durable once Append has returned it without an
// error.
type recorder interface {
	// Now is the time that decides whether an authority has begun or ended: the later of
	// the clock and the last entry, so that setting the clock back revives no authority.
	Now() (time.Time, error)
	Append(ctx context.Context, act ledger.Act) (ledger.Entry, error)
	Entries(ctx context.Context, from uint64, limit int) iter.Seq2[ledger.Entry, error]
}

// New returns a desk. The caller keeps ownership of the parts.
func New(parts Parts) *Desk {
	if parts.Beside == nil {
		parts.Beside = func() bool { return false }
	}
	if parts.May == nil {
		parts.May = func(_, action string) error {
			return fmt.Errorf("%s: %w: only the people of a store can do it, and this one has none", action, argus.ErrRefused)
		}
	}
	if parts.MayRead == nil {
		parts.MayRead = func(_, action string, _ *authority.Authority) (func(*ledger.Entry) bool, error) {
			if action != ledger.ReadLedger {
				return nil, fmt.Errorf("%s: %w: nobody oversees this store", action, argus.ErrRefused)
			}
			return nil, nil
		}
	}
	return &Desk{parts: parts, openings: map[argus.DeliveryNumber]argus.Opening{}, sealed: map[argus.DeliveryNumber]bool{}}
}

// Who is the asker, with the legal basis and the purpose.
type Who struct {
	Actor     string `json:"actor"`
	Authority string `json:"authority"` // A-0001
	Purpose   string `json:"purpose"`
}

// Interval is the width of a histogram's bars: hour, day, month or year, or
// weekhour for the hours of a week.
type Interval = index.Interval

// Entry is an act in the ledger.
type Entry = ledger.Entry

// SearchRequest asks for messages.
type SearchRequest struct {
	Query string `json:"query"`
	// Limit is the maximum number of hits: at most 1000, default 20. If it is negative,
	// the answer has only counts.
	Limit int `json:"limit,omitempty"`
	// Next continues an earlier answer: it is that answer's Next, unchanged.
	Next string `json:"next,omitempty"`
	// Distinct shows only the first of the messages with the same content (package same).
	// Facets and Histogram count each content once; only the facets from and service are
	// available, and no pairs.
	Distinct bool              `json:"distinct,omitempty"`
	Facets   []query.FieldName `json:"facets,omitempty"`
	// FacetSize is the maximum number of values in a facet, most frequent first; a
	// negative number means all. Default: 20.
	FacetSize int            `json:"facet_size,omitempty"`
	Histogram index.Interval `json:"histogram,omitempty"`
	// Pairs is the maximum number of pairs of sender and receiver to return; a negative
	// number means all. Default: 0.
	Pairs int `json:"pairs,omitempty"`
	// Zone is the IANA name of the time zone for sent: and on: and for the bars of the
	// histogram. Default: UTC.
	Zone string `json:"zone,omitempty"`
	// MaxSeconds is approximately how long the search may take; if it takes longer, the
	// answer is partial. Default: 30, at most 3600.
	MaxSeconds float64 `json:"max_seconds,omitempty"`
}

// SearchResult is the answer to a [SearchRequest].
type SearchResult struct {
	// Query is the parsed query, printed in the query language.
	Query string `json:"query"`
	Hits  []Hit  `json:"hits"`
	// Total counts everything that was found. Messages counts texts, media and polls;
	// Beside counts the others by type: calls, contacts, rooms and so on.
	Total    uint64        `json:"total"`
	Messages uint64        `json:"messages"`
	Beside   []index.Count `json:"beside,omitempty"`
	// Distinct is the number of Messages, counting those with the same content once. It
	// is set only if asked for.
	Distinct uint64 `json:"distinct,omitempty"`
	// Differing counts the messages in Total whose copies in the scope differ.
	Differing uint64 `json:"differing,omitempty"`
	// Facets holds the requested counts; each message counts once for each value. The
	// most frequent accounts and conversations ([namedValues]) have names, as messages in
	// the scope show them.
	Facets map[query.FieldName][]index.Count `json:"facets,omitempty"`
	// Histogram holds all bars from the first to the last, including those with 0
	// messages. For weekhour, or if Sparse is set, it has no empty bars.
	Histogram []index.Count `json:"histogram,omitempty"`
	// Sparse is set if the empty bars are left out because there are too many.
	Sparse bool `json:"histogram_sparse,omitempty"`
	// Pairs are the pairs of sender and receiver, most frequent first.
	Pairs []Pair `json:"pairs,omitempty"`
	// Partial is the part that was searched if the search ran out of time.
	Partial *index.Partial `json:"partial,omitempty"`
	// Narrowed holds the values that the query as a whole demands and excludes.
	Narrowed query.Narrowed `json:"narrowed,omitzero"`
	// Next is the token that asks for the following hits. It is empty if there are none.
	Next string `json:"next,omitempty"`
	// Behind is the number of records in the evidence that the index has not seen. Under
	// an authority with a scope, 1 means any number.
	Behind uint64 `json:"behind"`
	// Entry is the ledger entry of this act.
	Entry uint64 `json:"entry"`
}

// ChangeRequest asks for a query to be narrowed or widened.
type ChangeRequest struct {
	Query string `json:"query"`
	// Zone is the IANA name of the time zone for sent: and on:. Default: UTC.
	Zone string `json:"zone,omitempty"`
	query.Change
}

// Changed is a changed query, along with the values that the query as a whole demands and
// excludes.
type Changed struct {
	Query    string         `json:"query"`
	Narrowed query.Narrowed `json:"narrowed,omitzero"`
	// Words says in plain words which messages the query selects.
	Words string `json:"words"`
}

// Pair is a sender and a receiver, named as in Facets.
type Pair struct {
	index.Pair
	FromName string `json:"from_name,omitempty"`
	// ToName is the name of the receiver, or of the conversation.
	ToName string `json:"to_name,omitempty"`
}

// Hit is a message and the places where it matches the query.
type Hit struct {
	// Ref is the reference for Show: the lowest id of the message's copies in the scope.
	Ref argus.ID `json:"ref"`
	// Version is the version whose content is in Message.
	Version argus.Version `json:"version"`
	// Message is the union of the copies in the scope ([query.Doc.Union]).
	Message *argus.Message `json:"message"`
	// Marks are the byte ranges [start, end) of Message.Text that matched, in order and
	// without overlaps.
	Marks      [][2]int               `json:"marks,omitempty"`
	Deliveries []argus.DeliveryNumber `json:"deliveries"`
	// Unsealed lists those Deliveries that are not sealed: no signature covers their
	// content yet.
	Unsealed []argus.DeliveryNumber `json:"unsealed,omitempty"`
	// Sightings counts the copies in the scope. Versions counts their versions: more than 1
	// if they differ.
	Sightings int `json:"sightings"`
	Versions  int `json:"versions"`
	// AlsoLocked is set if a readable message also has a locked copy.
	AlsoLocked bool `json:"also_locked,omitempty"`
	// SameContent is the number of messages in the scope with the same content (package
	// same), including this one; 0 if there is no other.
	SameContent uint64 `json:"same_content,omitempty"`
}

// Shown is one message with its versions and where each was found.
type Shown struct {
	Ref argus.ID `json:"ref"`
	// Message is the union of the copies in the scope.
	Message *argus.Message `json:"message"`
	// Versions are the versions of the message, beginning with the one shown first.
	Versions []Version `json:"versions"`
	// SameContent is as in Hit. Same lists the other messages with the same content,
	// newest first, at most [mostSame] of them.
	SameContent uint64     `json:"same_content,omitempty"`
	Same        []argus.ID `json:"same,omitempty"`
	Entry       uint64     `json:"entry"`
}

// Version is the content that some copies of a message share, along with the places where
// they were found.
type Version struct {
	Version argus.Version `json:"version"`
	// Message is the union of the sightings of this version.
	Message *argus.Message `json:"message"`
	// Entities are the identifiers that this version of Argus finds in its text.
	Entities []entity.Entity `json:"entities,omitempty"`
	// Language is the language that this version of Argus finds in its text (package
	// language), if no copy in the scope states the message's language. It is a guess.
	Language string `json:"language_found,omitempty"`
	// Countries are its countries, each with the reason for it.
	Countries []entity.CountryReason `json:"countries,omitempty"`
	Sightings []Sighting             `json:"sightings"`
}

// Sighting is one place where a copy was found.
type Sighting struct {
	Seq uint64 `json:"seq"`
	// ID is the id of this copy.
	ID       argus.ID             `json:"id,omitzero"`
	Delivery argus.DeliveryNumber `json:"delivery"`
	// Unsealed is set if the delivery is not sealed: no signature covers it yet.
	Unsealed bool `json:"unsealed,omitempty"`
	// ReadIn is the delivery that read the original of Delivery again and found the copy,
	// or 0 if there is none.
	ReadIn   argus.DeliveryNumber `json:"read_in,omitempty"`
	Reader   string               `json:"reader"`
	Original argus.Original       `json:"original"`
	Where    argus.Where          `json:"where"`
	// States holds the facts that this copy states, without its content.
	States *argus.Message `json:"states,omitempty"`
	// Raw is the record as it is in the original, cut to its first 64 KiB. It is set only
	// if it was asked for. It is empty for formats without places, and if the record
	// contains something outside the scope.
	Raw []byte `json:"raw,omitempty"`
	// RawWithheld is set if the record contains something that the asker may not read.
	RawWithheld bool `json:"raw_withheld,omitempty"`
}

// PageRequest asks for a piece of the conversation around a message, or for
// the end of a conversation.
type PageRequest struct {
	// Ref is the message in the middle, as in Show. Service and Conversation name the
	// conversation. Default: the conversation that Ref begins ([argus.Message.Begun]) if
	// other messages are in it, otherwise that of Ref.
	Ref          string `json:"ref,omitempty"`
	Service      string `json:"service,omitempty"`
	Conversation string `json:"conversation,omitempty"`
	// Before and After are the maximum number of messages before and after Ref: default
	// 20, at most 500. A negative number means none.
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

// Delivery is a delivery and its account, as far as the asker may see them. Only Receipt
// fills in its files.
type Delivery struct {
	argus.Receipt
	// Partial is set if the scope does not cover the whole delivery. Its seal and its
	// account, which count everything, are then withheld.
	Partial bool `json:"partial,omitempty"`
	// Limited is set if the scope covers the delivery but not all others. Facts that show
	// how much of it other deliveries also contain are then withheld, and the only counts
	// are those of pieces read and quarantined.
	Limited bool `json:"limited,omitempty"`
	// Holds counts the messages that have copies in the delivery, whereas the account
	// counts the copies. It is set only in a receipt, if the scope covers the delivery.
	Holds *Holding `json:"holds,omitempty"`
}

// Holding counts messages, each once, and records of other types.
type Holding struct {
	Messages uint64 `json:"messages"`
	// Distinct is the number of Messages, counting those with the same content once.
	Distinct uint64        `json:"distinct"`
	Beside   []index.Count `json:"beside,omitempty"`
}

// longestSubject is the maximum size in bytes of a query that the ledger keeps as it was
// written. A decision to keep only hashes would be implemented here.
const longestSubject = 4 << 10

// subject returns the text that the ledger keeps for a query.
func subject(text string) string {
	if len(text) <= longestSubject {
		return text
	}
	return fmt.Sprintf("sha256:%x (%d bytes)", sha256.Sum256([]byte(text)), len(text))
}

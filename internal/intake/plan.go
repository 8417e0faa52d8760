package intake

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"os"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/sandbox"
)

// Plan is a preview of an intake, made without a store.
type Plan struct {
	Source string `json:"source"`
	// Read = Copies + Quarantined. A message may have several copies; those that a
	// store already has are not excluded.
	Read        uint64 `json:"read"`
	Copies      uint64 `json:"copies"`
	Quarantined uint64 `json:"quarantined"`
	Locked      uint64 `json:"locked"`
	// Beside counts the items among Copies that are not messages, by type.
	Beside argus.TypeCounts `json:"beside,omitzero"`
	Files  []PlannedFile    `json:"files"`
	// Different counts the messages with different identities.
	Different     Estimate `json:"different"`
	Accounts      Estimate `json:"accounts"`
	Conversations Estimate `json:"conversations"`
	// First and Last are the sent times of the earliest and latest message.
	First argus.Time `json:"first"`
	Last  argus.Time `json:"last"`

	Completeness argus.Completeness `json:"completeness"`
}

// PlannedFile is the preview for one file.
type PlannedFile struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Readers are the readers of the file: several for an archive, none for a file that no
	// reader recognises.
	Readers     []string       `json:"readers,omitempty"`
	Copies      uint64         `json:"copies"`
	Quarantined uint64         `json:"quarantined"`
	Problems    []argus.Reason `json:"problems,omitempty"`
	Remarks     []argus.Tally  `json:"remarks,omitempty"`
}

// Estimate is a count of different things, made in bounded memory.
type Estimate struct {
	Count uint64 `json:"count"`
	// Estimated is set if there were too many to distinguish all; two out of three such
	// numbers are within 0.4 per cent of the truth.
	Estimated bool `json:"estimated"`
}

// PlanIngest reads the files at path as Ingest would, and keeps nothing.
func PlanIngest(ctx context.Context, o Options, path string) (*Plan, error) {
	o = o.withDefaults()
	if err := o.KnownFormat(); err != nil {
		return nil, err
	}
	o, err := o.inCase()
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", path, err)
	}
	files, err := walk(path, o.StorePath)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", path, err)
	}
	in := newIntake(o, 0)
	defer in.reading.Close()
	p := newPlanner()
	in.put = p.put
	places := map[uint64]string{}
	in.plain = func(_ context.Context, r *argus.Record) (*os.File, error) { return os.Open(places[r.Seq]) }
	in.open = func(r *argus.Record) (sandbox.Content, error) { return in.plain(ctx, r) }
	err = in.append(ctx, []*argus.Record{{Kind: argus.KindOpening, Opening: &argus.Opening{Source: path, Readers: in.readers}}})
	for _, f := range files {
		// Nothing is kept, so no file has a hash yet; the name takes the place of the hash.
		r := &argus.Record{Kind: argus.KindOriginal, Original: &argus.Original{Path: f.path, Size: f.size, Modified: f.modified, Hash: sha256.Sum256([]byte(f.place))}}
		if err == nil {
			err = in.append(ctx, []*argus.Record{r})
		}
		if err == nil && f.problem == "" {
			// A file that cannot be opened is a problem, as in an ingest.
			if try, openErr := os.Open(f.place); openErr != nil {
				f.problem = fmt.Sprintf("the file cannot be read: %v", openErr)
			} else {
				try.Close()
			}
		}
		if err == nil && f.problem != "" {
			err = in.append(ctx, []*argus.Record{{Kind: argus.KindQuarantined, Where: argus.Where{Original: r.Seq}, Quarantine: &argus.Quarantine{Reason: label(f.problem)}}})
			continue
		}
		places[r.Seq] = f.place
		in.originals = append(in.originals, r)
	}
	in.advance(func(now *Progress) {
		now.Phase = "reading"
		for _, r := range in.originals {
			now.Total += r.Original.Size
		}
	})
	if err == nil {
		err = in.readAll(ctx)
	}
	if err = errors.Join(err, in.batch.stop()); err != nil {
		return nil, fmt.Errorf("plan %s: %w", path, err)
	}
	return p.plan(path, in.book.Receipt(nil)), nil
}

// planner counts the records that would be stored.
type planner struct {
	seq                                uint64
	seed                               maphash.Seed
	first, last                        argus.Time
	different, accounts, conversations distinct
}

func newPlanner() *planner { return &planner{seed: maphash.MakeSeed()} }

func (p *planner) put(_ context.Context, records []*argus.Record) error {
	for _, r := range records {
		p.seq++
		r.Seq = p.seq
		m := r.Message
		if m == nil {
			continue
		}
		id := r.MessageID()
		if p.different.add(binary.LittleEndian.Uint64(id[:])) { // already a hash
			r.Of = 1 // a copy; the position of the first one is not kept
		}
		p.account(m.Service, m.From)
		for _, to := range m.To {
			p.account(m.Service, to)
		}
		if m.Conversation != "" {
			p.conversations.add(maphash.Comparable(p.seed, [2]string{m.Service, m.Conversation}))
		}
		if !m.Sent.Known() {
			continue
		}
		if !p.first.Known() || m.Sent.Micros < p.first.Micros {
			p.first = m.Sent
		}
		if !p.last.Known() || m.Sent.Micros > p.last.Micros {
			p.last = m.Sent
		}
	}
	return nil
}

func (p *planner) account(service, name string) {
	if name != "" {
		p.accounts.add(maphash.Comparable(p.seed, [2]string{service, name}))
	}
}

func (p *planner) plan(path string, r *argus.Receipt) *Plan {
	plan := &Plan{
		Source: path, Read: r.Counts.Read, Copies: r.Counts.Stored, Quarantined: r.Counts.Quarantined, Locked: r.Counts.Locked, Beside: r.Counts.Beside,
		Different: p.different.estimate(), Accounts: p.accounts.estimate(), Conversations: p.conversations.estimate(),
		First: p.first, Last: p.last, Completeness: r.Completeness,
	}
	for _, f := range r.Files {
		plan.Files = append(plan.Files, PlannedFile{
			Path: f.Original.Path, Size: f.Original.Size, Readers: f.Readers,
			Copies: f.Counts.Stored, Quarantined: f.Counts.Quarantined, Problems: f.Problems, Remarks: f.Remarks,
		})
	}
	return plan
}

// distinct counts different hashes: exactly while there are few, otherwise by the density of
// the smallest ones (k minimum values; Bar-Yossef et al. 2002).
type distinct struct {
	known map[uint64]struct{}
	least uint64s // the same hashes, the largest first, once there are many
}

// distinctKept is the maximum number of hashes that are kept; the standard error of an estimate
// is 1/√distinctKept.
const distinctKept = 1 << 16

// add adds a hash and reports whether it is known to have been added before.
func (d *distinct) add(hash uint64) bool {
	_, ok := d.known[hash]
	if ok || len(d.least) == distinctKept && hash > d.least[0] {
		return ok
	}
	if d.known == nil {
		d.known = map[uint64]struct{}{}
	}
	if len(d.least) == distinctKept {
		delete(d.known, d.least[0])
		d.least[0] = hash
		heap.Fix(&d.least, 0)
	} else {
		heap.Push(&d.least, hash)
	}
	d.known[hash] = struct{}{}
	return false
}

func (d *distinct) estimate() Estimate {
	if len(d.least) < distinctKept {
		return Estimate{Count: uint64(len(d.least))}
	}
	return Estimate{Count: uint64((distinctKept - 1) / (float64(d.least[0]) / math.MaxUint64)), Estimated: true}
}

// uint64s is a heap with the largest number on top.
type uint64s []uint64

func (h uint64s) Len() int           { return len(h) }
func (h uint64s) Less(i, j int) bool { return h[i] > h[j] }
func (h uint64s) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *uint64s) Push(x any)        { *h = append(*h, x.(uint64)) } //nolint:forcetypeassert // add gives it
func (h *uint64s) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

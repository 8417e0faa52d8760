package embedded

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"iter"
	"math"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
)

// Compare begins to compare the index with the evidence. Everything from which the index
// answers is made a second time, by the same rules. Compare itself reads the index, as
// [Index.Check] does, and reports an [index.Damage] for each file that Argus would write
// differently; if there is any, nothing is compared, and the comparison is nil. It needs 16
// bytes of memory for each document of a segment and 8 for each of its words; after that, 8
// bytes for every 256 records, and at most Options.BatchBytes for messages with differing
// copies.
func (ix *Index) Compare(ctx context.Context, report func(error)) (index.Comparison, error) {
	snapshot := ix.acquire()
	if snapshot == nil {
		return nil, errClosed
	}
	defer snapshot.release()
	c := &comparison{seed: maphash.MakeSeed(), position: snapshot.position, sums: make([]uint64, snapshot.position/comparedRun+1)}
	c.odd = maphash.Comparable(c.seed, 0) | 1
	sound := true
	for err := range c.snapshot(&search{ctx: ctx, cache: ix.cache, snapshot: snapshot}) {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("compare the index: %w", ctx.Err())
		}
		sound = false
		report(err)
	}
	if !sound {
		return nil, nil
	}
	b := newBuilder(nil, newPrinter(c, less))
	b.replaced = newPrinter(c, more).addGroup // documents that were replaced
	return &compared{comparison: c, builder: b, most: ix.options.BatchBytes, readings: snapshot.readings}, nil
}

// A compared is an [index.Comparison].
type compared struct {
	*comparison
	builder
	most     int
	readings argus.DeliveryNumber
}

// Readings implements [index.Comparison].
func (c *compared) Readings() argus.DeliveryNumber { return c.readings }

// Follow implements [index.Comparison].
func (c *compared) Follow(evidence index.Evidence) { c.builder.evidence = evidence }

// Add implements [index.Comparison].
func (c *compared) Add(ctx context.Context, r *argus.Record) error {
	if c.added == c.position {
		return nil
	}
	if err := c.builder.add(ctx, r); err != nil {
		return fmt.Errorf("compare the index: %w", err)
	}
	if c.full(0, c.most) {
		return c.settle(ctx)
	}
	return nil
}

// settle adds the pending groups.
func (c *compared) settle(ctx context.Context) error {
	if err := c.addPending(ctx, ctx.Err); err != nil {
		return fmt.Errorf("compare the index: %w", err)
	}
	return nil
}

// Differences implements [index.Comparison].
func (c *compared) Differences(ctx context.Context) ([]*index.Differs, error) {
	if c.added != c.position {
		return nil, fmt.Errorf("compare the index: it has seen record %d, but the evidence ends at record %d", c.position, c.added)
	}
	if err := c.settle(ctx); err != nil {
		return nil, err
	}
	var list []*index.Differs
	for i := 0; i < len(c.sums); i++ {
		begin := i
		for i < len(c.sums) && c.sums[i] != 0 {
			i++
		}
		if i > begin {
			list = append(list, &index.Differs{First: max(1, uint64(begin)*comparedRun), Last: min(uint64(i)*comparedRun-1, c.position)})
		}
	}
	return list, nil
}

// The factors for the hashes of the index and for those of the evidence.
const (
	more uint64 = 1
	less uint64 = math.MaxUint64 // -1
)

// comparedRun is the number of records that share a sum.
const comparedRun = 256

// A comparison adds up, for each record, hashes of the index's content, and subtracts those of
// the evidence. The order does not matter, so each side is read once, sequentially. The hash
// differs in each run, so an index that passes cannot be forged.
type comparison struct {
	seed     maphash.Seed
	odd      uint64 // a multiplier of this run
	position uint64
	sums     []uint64 // one sum for each run of records
}

func (c *comparison) count(seq, hash uint64) { c.sums[seq/comparedRun] += hash }

// then returns the hash of a text, given the hash of all words before the last.
func (c *comparison) then(sum, word uint64) uint64 {
	high, low := bits.Mul64(sum^word, c.odd)
	return high ^ low
}

// snapshot adds the content of the segments, and yields their errors.
func (c *comparison) snapshot(q *search) iter.Seq[error] {
	return func(yield func(error) bool) {
		var late []lateFacts
		for _, s := range q.snapshot.segments {
			if err := c.segment(q, s); err != nil {
				if !yield(damaged(s.name, 0, err)) {
					return
				}
				continue
			}
			late = mergeLate(late, s.late)
		}
		c.late(late)
	}
}

// segment adds the content of a segment, and compares its bytes with those that Argus
// would write.
func (c *comparison) segment(q *search, s *segment) (err error) {
	defer guard(s.name, &err, s)
	if err := s.verify(); err != nil {
		return err
	}
	if err := s.valid(c.position); err != nil {
		return err
	}
	gone, err := q.gone(s)
	if err != nil {
		return err
	}
	content := newMerge(q.ctx, []*segment{s}, make([]*roaring.Bitmap, 1)).content()
	content.automaton = s.automaton != nil
	read := c.read(content)
	same := &sameBytes{want: s.data}
	if err := content.writeTo(newOutput(same)); err != nil {
		return err
	}
	if at := same.difference(); at >= 0 {
		return damageOf(s.name, at, "Argus would write different bytes here for the same content")
	}
	read.documents(func(doc int) bool { return gone == nil || !gone.Contains(uint32(doc)) })
	return nil
}

// sameBytes compares the bytes written to it with want.
type sameBytes struct {
	want []byte // the rest
	at   int64
	bad  bool
}

func (s *sameBytes) Write(p []byte) (int, error) {
	n := min(len(p), len(s.want))
	if !s.bad && bytes.Equal(p, s.want[:n]) && n == len(p) {
		s.at, s.want = s.at+int64(n), s.want[n:]
		return len(p), nil
	}
	for !s.bad && len(s.want) > 0 && len(p) > 0 && s.want[0] == p[0] {
		s.at, s.want, p = s.at+1, s.want[1:], p[1:]
	}
	s.bad = true
	return len(p), nil
}

// difference returns the offset of the first difference, or -1 if there is none.
func (s *sameBytes) difference() int64 {
	if s.bad || len(s.want) > 0 {
		return s.at
	}
	return -1
}

// late adds the facts that documents were seen again. Replacements and removals show in the
// documents themselves.
func (c *comparison) late(late []lateFacts) {
	for _, f := range late {
		if f.delivery == factReplaced || f.delivery == factRemoved {
			continue
		}
		low := f.low
		if at, found := findLate(late, factRemoved, f.high); found {
			low = roaring.AndNot(low, late[at].low)
		}
		for n := low.Iterator(); n.HasNext(); {
			seq := uint64(f.high)<<32 | uint64(n.Next())
			c.count(seq, maphash.Comparable(c.seed, seenIn{f.delivery, seq}))
		}
	}
}

// A reading is a content that is hashed while it is read.
type reading struct {
	*comparison
	*content
	words []uint64 // hash of each word, indexed first by its ordinal, later by its rank
	terms []uint64 // for each document, the sum over its terms
	said  []uint64 // for each document, the hash over its words in order
}

// read wraps a content: reading its terms and then its words hashes them into the
// reading.
func (c *comparison) read(of *content) *reading {
	r := &reading{comparison: c, content: of, terms: make([]uint64, of.docs), said: make([]uint64, of.docs)}
	terms, words := of.terms, of.words
	of.terms = func(yield func([]byte, []uint32) bool) {
		for term, docs := range terms {
			hash := maphash.Bytes(c.seed, term)
			if term[0] >= fieldEnd {
				r.words = append(r.words, hash)
			}
			for _, doc := range docs {
				r.terms[doc] += hash
			}
			if !yield(term, docs) {
				return
			}
		}
	}
	of.words = func(ranks []uint32) func([]byte, int) []byte {
		byRank := make([]uint64, len(ranks))
		for word, rank := range ranks {
			byRank[rank] = r.words[word]
		}
		next := words(ranks)
		return func(dst []byte, doc int) []byte {
			begin := len(dst)
			dst = next(dst, doc)
			sum := c.odd
			for rest := dst[begin:]; len(rest) > 0; {
				rank, size := binary.Uvarint(rest)
				rest = rest[size:]
				sum = c.then(sum, byRank[rank])
			}
			r.said[doc] = sum
			return dst
		}
	}
	return r
}

// print is the part of a document that is compared. Values and terms are hashes.
type print struct {
	time, sequence, seq, id              uint64
	conversation, sender, receiver, lang uint64
	terms, said                          uint64
	same                                 contentSum
	asOf                                 uint64
	// For a message with differing copies: its number of documents, and the version
	// and quality of this one.
	members int
	version uint32
	quality uint8
}

// documents adds the documents that count.
func (r *reading) documents(counts func(doc int) bool) {
	conversations, senders := r.hashes(&r.conversation), r.hashes(&r.sender)
	receivers, langs := r.hashes(&r.receiver), r.hashes(&r.lang)
	grouped := r.grouped(counts)
	for doc := range r.docs {
		if !counts(doc) {
			continue
		}
		p := print{asOf: r.seq(doc)}
		if g, ok := grouped[uint32(doc)]; ok {
			p = g
		}
		p.time, p.sequence, p.seq, p.id = r.time(doc), r.sequence(doc), r.seq(doc), r.id(doc)
		p.conversation, p.sender = conversations[r.conversation.of(doc)], senders[r.sender.of(doc)]
		p.receiver, p.lang = receivers[r.receiver.of(doc)], langs[r.lang.of(doc)]
		p.terms, p.said = r.terms[doc], r.said[doc]
		p.same = contentSum{r.sumHigh(doc), r.sumLow(doc)}
		r.count(p.seq, maphash.Comparable(r.seed, p))
	}
}

// hashes returns the hash of each value.
func (r *reading) hashes(v *values) (list []uint64) {
	for value := range v.list.all() {
		list = append(list, maphash.Bytes(r.seed, value))
	}
	return list
}

// grouped returns the part of the groups that is compared. It does not depend on the
// numbering of versions, and a group with one member counts as a single document.
func (r *reading) grouped(counts func(doc int) bool) map[uint32]print {
	all := map[uint32]print{}
	for _, g := range r.groups {
		g.members = slices.DeleteFunc(g.members, func(m member) bool { return !counts(int(m.doc)) })
		slices.SortFunc(g.members, func(a, b member) int { return cmp.Compare(r.seq(int(a.doc)), r.seq(int(b.doc))) })
		versions := map[uint32]uint32{}
		for _, m := range g.members {
			version, known := versions[m.version]
			if !known {
				version = uint32(len(versions))
				versions[m.version] = version
			}
			p := print{asOf: g.asOf}
			if len(g.members) > 1 {
				p.members, p.version, p.quality = len(g.members), version, m.quality
			}
			all[m.doc] = p
		}
	}
	return all
}

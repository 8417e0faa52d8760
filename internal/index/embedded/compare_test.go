package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// compare returns the errors and differences that Compare finds.
func compare(t testing.TB, dir string, records texts, batchBytes int) (found []error) {
	t.Helper()
	ix, err := Open(dir, Options{ReadOnly: true, Evidence: records, BatchBytes: batchBytes})
	if err != nil {
		return []error{err}
	}
	defer ix.Close()
	return comparing(t, ix, records)
}

func comparing(t testing.TB, ix *Index, records texts) (found []error) {
	c, err := ix.Compare(t.Context(), func(err error) { found = append(found, err) })
	if err != nil {
		t.Fatal(err)
	}
	if c == nil {
		return found
	}
	c.Follow(records)
	for _, r := range records {
		if err := c.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	differences, err := c.Differences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		found = append(found, d)
	}
	return found
}

// Every index compares as equal, however it was built, in whatever batches the evidence
// arrives, and however far the index has followed it.
func TestCompareEqual(t *testing.T) {
	t.Parallel()
	records := sample(300)
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		o := Options{Evidence: records, SegmentDocs: rapid.SampledFrom([]int{20, 100, 1e6}).Draw(r, "docs"), BatchBytes: rapid.SampledFrom([]int{3000, 1e6}).Draw(r, "bytes")}
		ix := open(t, dir, o)
		last := rapid.IntRange(0, len(records)).Draw(r, "last")
		for n := 0; n < last; {
			n = min(last, n+rapid.IntRange(1, 100).Draw(r, "records"))
			feed(t, ix, records[:n])
			if rapid.IntRange(0, 4).Draw(r, "again") == 0 {
				ix.Close()
				ix = open(t, dir, o)
			}
		}
		ix.settle(t)
		ix.Close()
		for _, err := range compare(t, dir, records, rapid.SampledFrom([]int{1, 5000, 1e6}).Draw(r, "compared")) {
			t.Error(err)
		}
	})
}

// A message with terms in every field compares as equal.
func TestCompareEveryField(t *testing.T) {
	m := &argus.Message{
		Service: "sky", Conversation: "derived:c1", ServiceID: "1@x", Title: "the docks", From: "a", FromName: "Baron", To: []string{"b", "+31612345678"}, Lang: "pt-BR", Text: "call +32 470 12 34 56",
		ReplyTo: "x", Attachments: []argus.Attachment{{Name: "a.jpg"}}, Type: argus.TypeCall, State: argus.StateDeleted,
		Facts: &argus.Facts{Call: &argus.Call{Participants: []string{"a", "d"}}},
	}
	r := &argus.Record{Seq: 1, Delivery: 1, Kind: argus.KindMessage, Message: m}
	r.ID, r.Version = m.Identity()
	records := texts{r}
	dir := t.TempDir()
	ix := open(t, dir, Options{Evidence: records})
	feed(t, ix, records)
	for name, first := range fieldByte {
		if low, high := ix.current.segments[0].terms.prefixed([]byte{first}); low == high {
			t.Errorf("the message has no term in %s", name)
		}
	}
	ix.Close()
	if found := compare(t, dir, records, 0); found != nil {
		t.Error(found)
	}
}

// forge changes each segment and rewrites it with correct checksums.
func forge(t testing.TB, dir string, change func(*content)) {
	t.Helper()
	m, err := readManifest(durable.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range m.Segments {
		old, err := openSegment(durable.OS{}, dir, entry.Name)
		if err != nil {
			t.Fatal(err)
		}
		c := newMerge(t.Context(), []*segment{old}, make([]*roaring.Bitmap, 1)).content()
		change(c)
		var whole bytes.Buffer
		if err := c.writeTo(newOutput(&whole)); err != nil {
			t.Fatal(err)
		}
		old.close()
		m.Segments[i].Size, m.Segments[i].Sum = int64(whole.Len()), resealed(whole.Bytes())
		if err := os.WriteFile(filepath.Join(dir, entry.Name), whole.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reseal(t, dir, m)
}

func reseal(t testing.TB, dir string, m *manifest) {
	t.Helper()
	data, err := m.encode()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, manifestName), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// resealed corrects the checksums of a segment and returns that of its directory.
func resealed(data []byte) uint32 {
	footer := data[len(data)-footerSize-trailerSize:][:footerSize]
	for i := range sectionCount {
		entry := footer[32+24*i:]
		at, length := binary.LittleEndian.Uint64(entry), binary.LittleEndian.Uint64(entry[8:])
		if end := at + length + pad(length); length < uint64(len(data)) && at < uint64(len(data)) && end <= uint64(len(data)) {
			binary.LittleEndian.PutUint64(entry[16:], uint64(crc32.Checksum(data[at:end], castagnoli)))
		}
	}
	sum := crc32.Checksum(footer, castagnoli)
	binary.LittleEndian.PutUint32(data[len(data)-trailerSize:], sum)
	return sum
}

// without omits unwanted elements of a sequence.
func without(terms iter.Seq2[[]byte, []uint32], change func(term []byte, docs []uint32) []uint32) iter.Seq2[[]byte, []uint32] {
	return func(yield func([]byte, []uint32) bool) {
		for term, docs := range terms {
			if docs = change(term, docs); len(docs) > 0 && !yield(term, docs) {
				return
			}
		}
	}
}

// Anyone who can write the index's files can give them correct checksums. The comparison with
// the evidence finds every change.
func TestForgedIndexIsFound(t *testing.T) {
	t.Parallel()
	records := sample(260)
	other := sample(260)
	for _, r := range other {
		if r.Message != nil && r.Kind == argus.KindMessage {
			changed := *r.Message
			changed.Text = strings.ToUpper(changed.Text) + " harmless"
			r.Message = &changed
		}
	}
	one := func(value func(int) uint64, at int, is uint64) func(int) uint64 {
		return func(i int) uint64 {
			if i == at {
				return is
			}
			return value(i)
		}
	}
	for name, change := range map[string]func(*content){
		"a word that one message does not have any more": func(c *content) {
			done := false
			c.terms = without(c.terms, func(term []byte, docs []uint32) []uint32 {
				if term[0] < fieldEnd || done {
					return docs
				}
				done = true
				return docs[1:]
			})
		},
		"the content of one message": func(c *content) { c.sumLow = one(c.sumLow, 3, 7) },
		"the content of another":     func(c *content) { c.sumHigh = one(c.sumHigh, 3, c.sumHigh(4)) },
		"a sender's term": func(c *content) {
			done := false
			c.terms = without(c.terms, func(term []byte, docs []uint32) []uint32 {
				if term[0] != 1 || done {
					return docs
				}
				done = true
				return docs[:len(docs)-1]
			})
		},
		"a delivery's term with one document more": func(c *content) {
			c.terms = without(c.terms, func(term []byte, docs []uint32) []uint32 {
				if term[0] != 5 || docs[0] == 0 {
					return docs
				}
				return append([]uint32{0}, docs...)
			})
		},
		"one time": func(c *content) { c.time = one(c.time, c.docs-1, c.time(c.docs-1)+1) },
		"one sequence": func(c *content) {
			c.sequence = one(c.sequence, c.docs-1, c.sequence(c.docs-1)+1)
		},
		"one id":     func(c *content) { c.id = one(c.id, c.docs-1, c.id(c.docs-1)+1) },
		"one sender": func(c *content) { c.sender.of = one(c.sender.of, 3, (c.sender.of(3)+1)%uint64(c.sender.list.count)) },
		"one receiver": func(c *content) {
			c.receiver.of = one(c.receiver.of, 3, (c.receiver.of(3)+1)%uint64(c.receiver.list.count))
		},
		"one conversation": func(c *content) {
			c.conversation.of = one(c.conversation.of, 3, (c.conversation.of(3)+1)%uint64(c.conversation.list.count))
		},
		"one language": func(c *content) {
			var list sortedWriter
			list.add([]byte{})
			list.add([]byte("xx"))
			c.lang = values{list, func(doc int) uint64 { return uint64(min(1, doc)) }}
		},
		"the words of one message in another order": func(c *content) {
			words := c.words
			c.words = func(ranks []uint32) func([]byte, int) []byte {
				next := words(ranks)
				return func(dst []byte, doc int) []byte {
					begin := len(dst)
					dst = next(dst, doc)
					if doc == c.docs-1 {
						slices.Reverse(dst[begin:]) // there are fewer than 128 words
					}
					return dst
				}
			}
		},
		"a group that says the same": func(c *content) {
			for _, g := range c.groups {
				for i := range g.members {
					g.members[i].version = 0
				}
			}
		},
		"the quality of a time": func(c *content) {
			for _, g := range c.groups {
				g.members[0].quality++
			}
		},
		"no groups":                 func(c *content) { c.groups = nil },
		"as of later":               func(c *content) { c.groups[0].asOf++ },
		"seen in one more delivery": func(c *content) { c.late = addLate(c.late, 77, 2) },
		"seen in fewer deliveries": func(c *content) {
			c.late = slices.DeleteFunc(c.late, func(f lateFacts) bool { return f.delivery != factReplaced })
		},
		"a message that was removed":      func(c *content) { c.late = addLate(c.late, factRemoved, 2) },
		"documents that nothing replaced": func(c *content) { c.late = addLate(c.late, factReplaced, c.seq(c.docs-1)) },
		"documents that are replaced again": func(c *content) {
			c.late = slices.DeleteFunc(c.late, func(f lateFacts) bool { return f.delivery == factReplaced })
		},
		"a fact about what will come":  func(c *content) { c.late = addLate(c.late, factReplaced, 261) },
		"a document of what will come": func(c *content) { c.seq = one(c.seq, 0, 261) },
		"no documents": func(c *content) {
			*c = content{time: c.time, sequence: c.sequence, seq: c.seq, id: c.id, conversation: values{of: c.time}, sender: values{of: c.time},
				receiver: values{of: c.time}, lang: values{of: c.time}, terms: func(func([]byte, []uint32) bool) {}, words: func([]uint32) func([]byte, int) []byte { return nil }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ix := open(t, dir, Options{Evidence: records})
			feed(t, ix, records)
			ix.Close()
			if found := compare(t, dir, records, 0); found != nil {
				t.Fatal("before anything was forged:", found)
			}
			forge(t, dir, change)
			ix = open(t, dir, Options{Evidence: records, ReadOnly: true})
			for err := range ix.Check(t.Context()) {
				t.Fatal("the checksums are not good:", err)
			}
			ix.Close()
			expectForgery(t, compare(t, dir, records, 0))
		})
	}
	t.Run("the index of other messages", func(t *testing.T) {
		dir := t.TempDir()
		ix := open(t, dir, Options{Evidence: other})
		feed(t, ix, other)
		ix.Close()
		expectForgery(t, compare(t, dir, records, 0))
	})
	for name, change := range map[string]func(m *manifest){
		"a position further than it goes":     func(m *manifest) { m.Position = 260 },
		"a position before what it holds":     func(m *manifest) { m.Position = 200 },
		"a segment that is not listed":        func(m *manifest) { m.Segments = m.Segments[1:] },
		"a segment that is listed twice over": func(m *manifest) { m.Segments = append(m.Segments, m.Segments[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ix := open(t, dir, Options{Evidence: records})
			for _, n := range []int{100, 240} {
				feed(t, ix, records[:n])
			}
			ix.Close()
			m, err := readManifest(durable.OS{}, dir)
			if err != nil {
				t.Fatal(err)
			}
			change(m)
			reseal(t, dir, m)
			expectForgery(t, compare(t, dir, records, 0))
		})
	}
}

func expectForgery(t *testing.T, found []error) {
	t.Helper()
	if len(found) == 0 {
		t.Fatal("it was not found")
	}
	for _, err := range found {
		if !errors.Is(err, argus.ErrDamaged) || !strings.Contains(err.Error(), "argus reindex") {
			t.Errorf("found %v", err)
		}
	}
}

// A counter in a segment, the number of postings of a term or the number of documents, is
// changed, with correct checksums.
func TestForgedCountsAreFound(t *testing.T) {
	t.Parallel()
	records := sample(260)
	dir := t.TempDir()
	ix := open(t, dir, Options{Evidence: records})
	feed(t, ix, records)
	ix.Close()
	m, err := readManifest(durable.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, m.Segments[0].Name)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	footer := len(whole) - footerSize - trailerSize
	section := func(i int) int { return int(binary.LittleEndian.Uint64(whole[footer+32+24*i:])) }
	for name, at := range map[string]int{
		"postings": section(sectionPostings), "words of a document": section(sectionTokens), "rank": section(sectionRanks) + columnHeader,
		"documents": footer, "first record": footer + 8, "last record": footer + 16, "first word": footer + 24, "member of a group": section(sectionMembers) + columnHeader,
		"first member": section(sectionMemberPlaces) + columnHeader + 1, "grouped": section(sectionGrouped) + 9, "place": section(sectionPlaces) + columnHeader,
	} {
		for _, by := range []byte{1, 0xff} {
			forged := bytes.Clone(whole)
			forged[at] += by
			m.Segments[0].Sum = resealed(forged)
			rewrite(t, path, forged)
			reseal(t, dir, m)
			if found := compare(t, dir, records, 0); len(found) == 0 || !errors.Is(found[0], argus.ErrDamaged) {
				t.Errorf("%s, %+d: found %v", name, int8(by), found)
			}
		}
	}
}

// A bug does not count as damage: if the segment is intact, the panic continues.
func TestBugsAreNoDamage(t *testing.T) {
	dir, records := damagedIndex(t)
	ix := open(t, dir, Options{Evidence: records, ReadOnly: true})
	defer ix.Close()
	defer func() {
		if p := recover(); p == nil {
			t.Error("a bug was reported as damage")
		}
	}()
	var nothing []int
	if err := ix.current.segments[0].read(func() { nothing[3]++ }); err != nil {
		t.Errorf("a bug was reported as damage: %v", err)
	}
}

// Comparing any segment with correct checksums ends without a panic, and one that
// compares as equal gives the same answers as the original: a byte may differ in
// replaced documents.
func FuzzCompare(f *testing.F) {
	records := sample(120)
	dir := f.TempDir()
	ix, err := Open(dir, Options{Evidence: records})
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(ix.Add(f.Context(), records), ix.Flush(f.Context())); err != nil {
		f.Fatal(err)
	}
	_, want, err := answers(ix)
	if err := errors.Join(err, ix.Close()); err != nil {
		f.Fatal(err)
	}
	m, err := readManifest(durable.OS{}, dir)
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, m.Segments[0].Name)
	written, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	for at := 8; at < len(written)-trailerSize; at += 97 {
		f.Add(uint32(at), byte(1), byte(0))
	}
	f.Add(uint32(9142), byte(0), byte('Z')) // a late fact about a distant record
	f.Fuzz(func(t *testing.T, at uint32, by, next byte) {
		forged := bytes.Clone(written)
		i := int(at) % (len(forged) - trailerSize)
		forged[i] += by
		forged[i+1] += next
		s := &segment{name: "fuzzed", size: int64(len(forged)), data: forged}
		resealed(forged)
		if err := s.parse(); err != nil {
			return
		}
		s.refs.Store(2) // never closed: there is no file
		ix := &Index{options: Options{Evidence: records, BatchBytes: 1 << 20}, current: newSnapshot([]*segment{s}, uint64(len(records)), 0), cache: newCache(1 << 20)}
		if len(comparing(t, ix, records)) > 0 {
			return
		}
		_, got, err := answers(ix)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("the segment with byte %d changed compares as equal, and answers differently (%v, -want +got):\n%s", i, err, diff)
		}
	})
}

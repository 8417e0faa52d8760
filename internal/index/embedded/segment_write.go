package embedded

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/vellum"

	"github.com/argus-evidence/argus/internal/durable"
)

// content is the input of a segment: a batch, or merged segments. Documents are
// numbered in the order of hits.
type content struct {
	docs                int
	time, sequence, seq func(doc int) uint64
	id                  func(doc int) uint64
	groups              []group
	conversation        values
	sender              values
	receiver            values
	lang                values
	terms               iter.Seq2[[]byte, []uint32] // ascending, with ascending documents
	words               func(ranks []uint32) func(dst []byte, doc int) []byte
	late                []lateFacts
	sumHigh, sumLow     func(doc int) uint64
	// automaton is set if the segment gets an automaton. Only segments that last get one: in
	// small ones, a list of terms is fast enough and costs less.
	automaton bool
	err       func() error // why the sequences above ended early; may be nil
}

// values holds the distinct values of a column, and the value of each document.
type values struct {
	list sortedWriter
	of   func(doc int) uint64
}

// writeSegment writes a segment file and makes its content durable; its name
// becomes durable with the directory.
func writeSegment(d durable.Disk, dir, name string, c *content) (err error) {
	f, err := d.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("write segment: %w", closeErr)
		}
	}()
	out := newOutput(io.NewOffsetWriter(f, 0))
	if err := c.writeTo(out); err != nil {
		return fmt.Errorf("write segment %s: %w", name, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	return nil
}

func (c *content) writeTo(out *output) error {
	out.bytes([]byte(segmentMagic))
	column := func(count int, value func(i int) uint64) {
		out.section(func() { appendColumn(out, count, value) })
	}
	column(c.docs, c.time)
	column(c.docs, c.sequence)
	column(c.docs, c.seq)
	column(c.docs, c.id)
	c.writeGroups(out)
	for _, v := range []*values{&c.conversation, &c.sender, &c.receiver, &c.lang} {
		out.section(func() { v.list.writeTo(out) })
		column(c.docs, v.of)
	}
	firstWord, ranks, err := c.writeTerms(out)
	if err != nil {
		return err
	}
	if c.err != nil && c.err() != nil {
		return c.err()
	}
	c.writeWords(out, ranks)
	out.section(func() { writeLate(out, c.late) })
	column(c.docs, c.sumHigh)
	column(c.docs, c.sumLow)
	return c.writeFooter(out, firstWord)
}

// writeTerms writes the sections of the terms. It returns the ordinal of the
// first word, and the rank of each word: 0 for the most frequent, so that the
// ranks in sectionTokens are small.
func (c *content) writeTerms(out *output) (firstWord int, ranks []uint32, err error) {
	var list sortedWriter
	var fst bytes.Buffer
	builder, err := vellum.New(&fst, nil)
	if err != nil {
		return 0, nil, err
	}
	w := postingsWriter{out: out, start: out.offset(), bitmap: roaring.New()}
	out.section(func() {
		for term, docs := range c.terms {
			if c.automaton {
				if err = builder.Insert(term, uint64(list.count)); err != nil {
					return
				}
			}
			if term[0] < fieldEnd {
				firstWord++
			}
			list.add(term)
			w.add(docs)
		}
	})
	if err = cmp.Or(err, builder.Close()); err != nil {
		return 0, nil, fmt.Errorf("write terms: %w", err)
	}
	byFrequency := make([]uint32, list.count-firstWord)
	for i := range byFrequency {
		byFrequency[i] = uint32(i)
	}
	counts := w.counts[firstWord:]
	slices.SortStableFunc(byFrequency, func(a, b uint32) int { return cmp.Compare(counts[b], counts[a]) })
	ranks = make([]uint32, len(byFrequency))
	for rank, word := range byFrequency {
		ranks[word] = uint32(rank)
	}
	out.section(func() { list.writeTo(out) })
	out.section(func() {
		if c.automaton {
			out.bytes(fst.Bytes())
		}
	})
	out.section(func() { appendColumn(out, len(w.places), func(i int) uint64 { return w.places[i] }) })
	out.section(func() { appendColumn(out, len(ranks), func(i int) uint64 { return uint64(ranks[i]) }) })
	return firstWord, ranks, nil
}

func (c *content) writeWords(out *output, ranks []uint32) {
	words := c.words(ranks)
	var places []uint64
	var buf []byte
	out.section(func() {
		start := out.offset()
		for doc := range c.docs {
			if doc%tokenRun == 0 {
				places = append(places, out.offset()-start)
			}
			buf = words(buf[:0], doc)
			out.uvarint(uint64(len(buf)))
			out.bytes(buf)
		}
	})
	out.section(func() { appendColumn(out, len(places), func(i int) uint64 { return places[i] }) })
}

func (c *content) writeFooter(out *output, firstWord int) error {
	first, last := uint64(0), uint64(0)
	for doc := range c.docs {
		seq := c.seq(doc)
		if doc == 0 {
			first = seq
		}
		first, last = min(first, seq), max(last, seq)
	}
	for i := range c.groups { // facts can also be about these
		last = max(last, c.groups[i].asOf)
	}
	var footer []byte
	for _, n := range []uint64{uint64(c.docs), first, last, uint64(firstWord)} {
		footer = binary.LittleEndian.AppendUint64(footer, n)
	}
	for _, s := range out.sections {
		footer = binary.LittleEndian.AppendUint64(footer, s.offset)
		footer = binary.LittleEndian.AppendUint64(footer, s.length)
		footer = binary.LittleEndian.AppendUint64(footer, uint64(s.sum))
	}
	out.bytes(footer)
	out.bytes(binary.LittleEndian.AppendUint64(nil, uint64(crc32.Checksum(footer, castagnoli))))
	out.bytes([]byte(segmentMagic))
	out.flush()
	return out.err
}

package form

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
)

func FuzzBlock(f *testing.F) {
	c, err := NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	batch := evidencetest.Batch(0, 5)
	batch[0].Seq = 1
	blocks, err := Split(batch, 1, 0, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	p, m := &blocks[0], c.Maker()
	if err := errors.Join(m.Contents(p), m.Statements(p, nil)); err != nil {
		f.Fatal(err)
	}
	f.Add(p.Bytes)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHead(data)
		if err != nil || h.Size() > int64(len(data)) {
			return
		}
		b, err := c.Open(&h, data[HeadSize:h.Size()])
		if err != nil {
			return
		}
		var hasher argus.Hasher
		for i := range b.Len() {
			if r, err := b.Record(i, &hasher); err == nil {
				b.Proof(i, r)
			}
		}
	})
}

// FuzzRecord checks that every readable record is written in its canonical form, and that
// this form is read as the same record.
func FuzzRecord(f *testing.F) {
	encode := func(v any) []byte {
		var b bytes.Buffer
		if err := partEncoding.MarshalToBuffer(v, &b); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	var p Splitter
	batch := evidencetest.Batch(0, 2)
	batch = append(batch, &argus.Record{Kind: argus.KindQuarantined, Quarantine: &argus.Quarantine{Reason: "x", Raw: []byte("y")}})
	for _, r := range append(batch, evidencetest.EveryKind(&argus.Record{Kind: argus.KindSealed, Sealed: &argus.Sealed{Why: "a lawyer", Recipients: []string{"age1"}, Ciphertext: []byte("age")}})...) {
		p.split(r)
		f.Add(encode(&p.record), encode(&p.content))
	}
	f.Add([]byte{0xa1, 1, 0x18, 70}, []byte{})
	f.Add([]byte{0xa2, 1, 7, 0x18, 70, 1}, []byte{0xa1, 0x18, 99, 1})
	f.Fuzz(func(t *testing.T, statement, said []byte) {
		var hasher argus.Hasher
		r, err := decodeRecord(statement, said, &hasher)
		if err != nil || r.Kind >= argus.KindSkippable {
			return
		}
		p.split(r)
		first, content := encode(&p.record), []byte(nil)
		if !p.content.empty() {
			content = encode(&p.content)
		}
		again, err := decodeRecord(first, content, &hasher)
		if err != nil {
			t.Fatalf("a record that was read cannot be read again: %v", err)
		}
		if same, skipped := canonical(again, first, content, &p); !same || skipped {
			t.Fatalf("what was written is not canonical: %x %x", first, content)
		}
	})
}

func FuzzRewrittenBlock(f *testing.F) {
	c, err := NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	records := []Revised{
		{entry: entry{statement: argus.Hash{1}, content: argus.Hash{2}}, Statement: []byte{0xa1, 1, 1}},
		{entry: entry{Gone: argus.GoneAll, Was: argus.Was{Kind: argus.KindMessage, Locked: true}}},
		{entry: entry{Gone: argus.GoneAll | argus.Withheld, Was: argus.Was{Kind: argus.KindSighting}}, Statement: []byte("age")},
		{entry: entry{Gone: argus.GoneContent, ID: argus.ID{1}}, Statement: []byte{0xa2, 1, 3, 4, 0xa0}},
	}
	block, err := c.Rewrite(Head{Ref: Ref{First: 1, Count: uint32(len(records)), Delivery: 1}}, records)
	if err != nil {
		f.Fatal(err)
	}
	h, err := ParseHead(block)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block[HeadSize:][:h.salts], len(records))
	f.Fuzz(func(t *testing.T, table []byte, count int) {
		entries, err := parseEntries(table, min(max(count, 0), maxRecords))
		if err != nil {
			return
		}
		var again []byte
		for i := range entries {
			again = entries[i].append(again)
		}
		if !bytes.Equal(again, table) {
			// Flags from 64 up may be skipped, and are not written again.
			for i := range table {
				if i < len(again) && again[i] != table[i] && table[i]&0x3f != again[i] {
					t.Fatalf("%x is read and written as %x", table, again)
				}
			}
		}
	})
}

// FuzzFiles reads arbitrary bytes as each of the files. An accepted manifest, slot or
// table must be its only valid encoding.
func FuzzFiles(f *testing.F) {
	batch := evidencetest.Batch(0, 3)
	batch[0].Seq = 1
	blocks, err := Split(batch, 1, 0, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	c, err := NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	p, m := &blocks[0], c.Maker()
	if err := errors.Join(m.Contents(p), m.Statements(p, nil)); err != nil {
		f.Fatal(err)
	}
	p.Segment, p.Offset = 1, HeaderSize
	segment := append(AppendHeader(nil, 1, 1), p.Bytes...)
	f.Add(segment)
	f.Add(AppendTable(segment, []Ref{p.Ref}, int64(len(segment))))
	f.Add(Manifest([]Closed{{First: 1, Size: 700}, {Generation: 2, First: 9, Size: 70}}))
	slot, _ := Commit{Counter: 1, Seq: 3, Segment: 1, Offset: 700}.Slot()
	f.Add(append(make([]byte, CommitSlot), slot...))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, size := bytes.NewReader(data), int64(len(data))
		scan := Scan(file, 1, size, true)
		if scan.End > size || scan.Stop > size || scan.Err == nil && scan.End > scan.Stop {
			t.Fatalf("%+v of %d bytes", scan, size)
		}
		for _, ref := range scan.Blocks {
			if b, err := c.Read(file, ref); err == nil && b.Len() != int(ref.Count) {
				t.Fatalf("%+v has %d records", ref, b.Len())
			}
		}
		if next := NextBlock(file, 0, size); next > size {
			t.Fatalf("the next block is at %d of %d", next, size)
		}
		if blocks, err := ReadTable(file, 1, size); err == nil && len(blocks) > len(data)/tableEntry {
			t.Fatalf("%d blocks in %d bytes", len(blocks), size)
		}
		if closed, err := ParseManifest(data); err == nil {
			if again, err := ParseManifest(Manifest(closed)); err != nil || !slices.Equal(again, closed) {
				t.Fatalf("%+v is read again as %+v, %v", closed, again, err)
			}
		}
		if newest, _, err := ParseCommit(data); err == nil && newest.Counter > 0 {
			slot, at := newest.Slot()
			if !bytes.Equal(data[at:][:CommitSlot], slot) && !bytes.Contains(data, slot) {
				t.Fatalf("%+v is not in %x", newest, data)
			}
		}
		_, _ = DecodeHidden(data)
	})
}

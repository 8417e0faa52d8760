package check

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/account"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/ids"
	"github.com/argus-evidence/argus/internal/layout"
)

// rawBlock is a block that can be written to another position.
type rawBlock struct {
	form.Ref
	size                 int64
	seed                 [32]byte
	statements, contents [][]byte
}

// rawBlocks reads all blocks of the first segment of a store, by delivery.
func rawBlocks(t *testing.T, dir string) map[argus.DeliveryNumber][]rawBlock {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, layout.Segment(1, 0)))
	if err != nil {
		t.Fatal(err)
	}
	c := must(form.NewCodec())
	all := map[argus.DeliveryNumber][]rawBlock{}
	for at := int64(form.HeaderSize); at < int64(len(data)); {
		h, err := form.ParseHead(data[at:])
		if err != nil {
			t.Fatal(err)
		}
		body := data[at+form.HeadSize:][:h.Body()]
		b, err := c.Open(&h, body)
		if err != nil {
			t.Fatal(err)
		}
		h.Offset = uint32(at)
		raw := rawBlock{Ref: h.Ref, size: h.Size(), seed: [32]byte(body)}
		for i := range b.Len() {
			stored := b.Revised(i)
			raw.statements, raw.contents = append(raw.statements, stored.Statement), append(raw.contents, stored.Content)
		}
		all[h.Delivery] = append(all[h.Delivery], raw)
		at += h.Size()
	}
	return all
}

var packer = must(zstd.NewWriter(nil))

// rawFrame makes a frame from parts. raw is its uncompressed size.
func rawFrame(parts [][]byte) (frame []byte, raw int) {
	var payload []byte
	for _, part := range parts {
		payload = binary.AppendUvarint(payload, uint64(len(part)))
	}
	payload = append(payload, bytes.Join(parts, nil)...)
	if len(payload) == len(parts) {
		return nil, 0
	}
	return packer.EncodeAll(payload, nil), len(payload)
}

// append writes a block in the form described in docs/format/segment.md, with correct
// checksums.
func (b *rawBlock) append(out []byte) []byte {
	statements, statementsRaw := rawFrame(b.statements)
	contents, contentsRaw := rawFrame(b.contents)
	u32 := func(head []byte, n int) []byte { return binary.LittleEndian.AppendUint32(head, uint32(n)) }
	head := u32([]byte("BLK2"), 1) // the last block of its batch
	for _, n := range []int{len(statements), statementsRaw, len(contents), contentsRaw} {
		head = u32(head, n)
	}
	head = binary.LittleEndian.AppendUint64(head, b.First)
	head = binary.LittleEndian.AppendUint64(head, b.Leaf)
	for _, n := range []int{len(b.statements), int(b.Delivery), len(b.seed)} {
		head = u32(head, n)
	}
	head = binary.LittleEndian.AppendUint32(head, crc(slices.Concat(b.seed[:], statements)))
	head = binary.LittleEndian.AppendUint32(head, crc(contents))
	head = binary.LittleEndian.AppendUint32(head, crc(head))
	return slices.Concat(out, head, b.seed[:], statements, contents)
}

// forge rewrites the first segment of a closed store, as someone who knows the format would. It
// writes the deliveries in the given order, with a commit file and without ids.
func forge(t *testing.T, dir string, order []argus.DeliveryNumber, deliveries map[argus.DeliveryNumber][]rawBlock) {
	t.Helper()
	out := form.AppendHeader(nil, 1, 1)
	next := uint64(1)
	for _, d := range order {
		leaf := uint64(0)
		for _, b := range deliveries[d] {
			b.Ref = form.Ref{First: next, Leaf: leaf, Delivery: d}
			out = b.append(out)
			next += uint64(len(b.statements))
			leaf += uint64(len(b.statements))
		}
	}
	slots := make([]byte, 2*form.CommitSlot)
	slot, at := form.Commit{Counter: 1, Seq: next - 1, Segment: 1, Offset: uint32(len(out))}.Slot()
	copy(slots[at:], slot)
	for name, data := range map[string][]byte{layout.Segment(1, 0): out, layout.Commit: slots, layout.IDs + "/manifest": ids.Manifest()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range must(filepath.Glob(filepath.Join(dir, layout.IDs, "*.ids"))) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

// replaceBlock replaces a block of the first segment, and fixes the commit file as a
// forger would.
func replaceBlock(t *testing.T, dir string, old, b *rawBlock) {
	t.Helper()
	name := filepath.Join(dir, layout.Segment(1, 0))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	block := b.append(nil)
	data = slices.Concat(data[:old.Offset], block, data[int64(old.Offset)+old.size:])
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	slots, err := os.ReadFile(filepath.Join(dir, layout.Commit))
	if err != nil {
		t.Fatal(err)
	}
	promise, _, err := form.ParseCommit(slots)
	if err != nil {
		t.Fatal(err)
	}
	promise.Offset = uint32(len(data))
	slot, at := promise.Slot()
	copy(slots[at:], slot)
	if err := os.WriteFile(filepath.Join(dir, layout.Commit), slots, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestForgedOrder moves a sealed delivery in front of another. Its records and root stay
// the same, but the records now name a different original.
func TestForgedOrder(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, evidence.Options{})
	for i := range 2 {
		d := begin(t, s)
		original := putOriginal(t, s, fmt.Sprint(i), fmt.Sprint("file ", i))
		if err := s.Append(t.Context(), d, []*argus.Record{original}); err != nil {
			t.Fatal(err)
		}
		batch := evidencetest.Batch(i*100, i*100+50)
		for n, r := range batch {
			r.Where = argus.Where{Original: original.Seq, Record: uint64(n + 1)}
		}
		if err := s.Append(t.Context(), d, batch); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
			t.Fatal(err)
		}
	}
	deliveries := rawBlocks(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	forge(t, dir, []argus.DeliveryNumber{1, 2}, deliveries)
	if damage, _, _ := verifyAll(t, dir, keys); len(damage) != 0 {
		t.Fatalf("the same order: %+v", damage)
	}
	forge(t, dir, []argus.DeliveryNumber{2, 1}, deliveries)
	if damage, _, _ := verifyAll(t, dir, keys); len(damage) == 0 {
		t.Error("messages that name the original of another delivery pass")
	}
}

// However they are opened, invalid records are reported as damage, and those of a newer Argus
// as newer.
func TestForgedShapes(t *testing.T) {
	sighting := must(hex.DecodeString("a3010404a0050a")) // kind 4, an empty message, of 10
	for name, tt := range map[string]struct {
		statement, content []byte
		want               error
	}{
		"no kind":                    {[]byte{0xa1, 1, 0}, nil, argus.ErrDamaged},
		"an opening of nothing":      {[]byte{0xa1, 1, 1}, nil, argus.ErrDamaged},
		"an original of nothing":     {[]byte{0xa1, 1, 2}, nil, argus.ErrDamaged},
		"a message of nothing":       {[]byte{0xa1, 1, 3}, nil, argus.ErrDamaged},
		"a sighting of nothing":      {[]byte{0xa1, 1, 4}, nil, argus.ErrDamaged},
		"a quarantined nothing":      {[]byte{0xa1, 1, 5}, nil, argus.ErrDamaged},
		"an attachment of nothing":   {[]byte{0xa1, 1, 6}, nil, argus.ErrDamaged},
		"nothing stated":             {[]byte{0xa1, 1, 7}, nil, argus.ErrDamaged},
		"a text in a statement":      {must(hex.DecodeString("a2010304a1")), nil, argus.ErrDamaged},
		"a sighting with content":    {sighting, must(hex.DecodeString("a1016178")), argus.ErrDamaged},
		"a key twice":                {must(hex.DecodeString("a20103010304a0")), nil, argus.ErrDamaged},
		"a key that is text":         {must(hex.DecodeString("a301046178f504a0")), nil, argus.ErrDamaged},
		"a kind of a newer Argus":    {[]byte{0xa1, 1, 0x18, 63}, nil, argus.ErrNewer},
		"a key of a newer Argus":     {must(hex.DecodeString("a3010404a0183f01")), nil, argus.ErrNewer},
		"a key within":               {must(hex.DecodeString("a2010404a1183f01")), nil, argus.ErrNewer},
		"a content of a newer Argus": {must(hex.DecodeString("a2010304a0")), must(hex.DecodeString("a1183f01")), argus.ErrNewer},
		"a kind that may be skipped": {must(hex.DecodeString("a2011840183f01")), []byte("anything"), nil},
		"a key that may be skipped":  {must(hex.DecodeString("a3010304a20163736b79046141184001")), nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			signer, keys := testKey(t)
			s, dir := createTest(t, evidence.Options{})
			begin(t, s)
			deliveries := rawBlocks(t, dir)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			deliveries[1] = append(deliveries[1], rawBlock{statements: [][]byte{tt.statement}, contents: [][]byte{tt.content}})
			forge(t, dir, []argus.DeliveryNumber{1}, deliveries)
			reader := openTest(t, dir, evidence.Options{ReadOnly: true})
			var book account.Bookkeeper
			var err error
			for r, e := range reader.From(t.Context(), 1) {
				if err = e; e == nil {
					book.Add(r)
				}
			}
			if !errors.Is(err, tt.want) || errors.Is(err, argus.ErrNewer) && errors.Is(err, argus.ErrDamaged) {
				t.Errorf("reading: %v, want %v", err, tt.want)
			}
			_, err = reader.Get(t.Context(), 2)
			if !errors.Is(err, tt.want) {
				t.Errorf("reading it alone: %v, want %v", err, tt.want)
			}
			s, err = evidence.Open(dir, evidence.Options{})
			if !errors.Is(err, tt.want) {
				t.Errorf("opening for writing: %v, want %v", err, tt.want)
			}
			if err == nil {
				if _, err := s.Seal(t.Context(), 1, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
					t.Error(err)
				}
				s.Close()
			}
			damage, notes, _ := verifyAll(t, dir, keys)
			newer := slices.ContainsFunc(damage, func(f Finding) bool { return f.Newer })
			switch {
			case tt.want == nil:
				if len(damage) > 0 || len(notes) != 1 || notes[0].First != 2 || !strings.Contains(notes[0].Problem, "newer Argus") {
					t.Errorf("damage %+v, notes %+v; want a note about record 2", damage, notes)
				}
			case errors.Is(tt.want, argus.ErrNewer):
				if !newer || len(damage) > 1 {
					t.Errorf("%+v; want only that it was written by a newer Argus", damage)
				}
			default:
				if newer || len(damage) == 0 {
					t.Errorf("%+v; want damage", damage)
				}
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A run of ids whose filter or pages were changed, with correct checksums, no longer
// finds its entries. Verify reports it.
func TestForgedIDs(t *testing.T) {
	s, dir := createTest(t, evidence.Options{IDsInMemory: 1000})
	d := begin(t, s)
	if err := errors.Join(s.Append(t.Context(), d, evidencetest.Batch(0, 300)), s.Close()); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, layout.IDs, "*.ids"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	whole, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	// The form of a run, from docs/format/segment.md.
	const pageBytes, entryBytes, runTrailer = 4096, 40, 64
	trailer := len(whole) - runTrailer
	pages := int(binary.LittleEndian.Uint64(whole[trailer+32:]))
	for name, change := range map[string]func(b []byte){
		"nothing":          func([]byte) {},
		"filter":           func(b []byte) { clear(b[pages*(pageBytes+8) : trailer]) },
		"fence":            func(b []byte) { b[pages*pageBytes+8+7]++ },
		"count":            func(b []byte) { b[trailer+8]++ },
		"records it has":   func(b []byte) { b[trailer+24]++ },
		"order of entries": func(b []byte) { slices.Reverse(b[:2*entryBytes]) },
		"record of an entry": func(b []byte) {
			b[32]++
		},
	} {
		forged := bytes.Clone(whole)
		change(forged)
		for page := range pages {
			b := forged[page*pageBytes:][:pageBytes]
			binary.LittleEndian.PutUint32(b[pageBytes-4:], crc(b[:pageBytes-4]))
		}
		tail := forged[pages*pageBytes:]
		binary.LittleEndian.PutUint32(tail[len(tail)-4:], crc(tail[:len(tail)-4]))
		if err := os.WriteFile(names[0], forged, 0o600); err != nil {
			t.Fatal(err)
		}
		var found []Finding
		if _, err := Verify(t.Context(), dir, nil, func(f Finding) {
			if !f.Note {
				found = append(found, f)
			}
		}, func(int64) {}, nil); err != nil {
			t.Fatal(err)
		}
		if name == "nothing" != (len(found) == 0) || len(found) > 0 && !strings.HasPrefix(found[0].File, layout.IDs) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

// Someone who knows the format writes a record that is not sealed yet. Its checksums are
// correct, but Argus does not write such records. Verify names the problem.
func TestRecordsThatArgusDoesNotWrite(t *testing.T) {
	encode := func(r *argus.Record) []byte { return encoded(t, r) }
	for _, test := range []struct {
		name, want string
		change     func(r *argus.Record) []byte // the statement of the last record, a sighting
	}{
		{"nothing", "", encode},
		{"a sighting of an opening", "does not match the message of record 1", func(r *argus.Record) []byte { r.Of = 1; return encode(r) }},
		{"a sighting of another message", "does not match the message of record 2", func(r *argus.Record) []byte { r.Of = 2; return encode(r) }},
		{"a sighting of itself", "does not name its message", func(r *argus.Record) []byte { r.Of = r.Seq; return encode(r) }},
		{"a sighting of what comes", "does not name its message", func(r *argus.Record) []byte { r.Of = 99; return encode(r) }},
		{"another id", "does not match the message of record", func(r *argus.Record) []byte { r.ID[0]++; return encode(r) }},
		{"another version", "does not match the message of record", func(r *argus.Record) []byte { r.Version[0]++; return encode(r) }},
		{"another content", "does not match the message of record", func(r *argus.Record) []byte { r.Content[0]++; return encode(r) }},
		{"a number that is longer than it needs to be", "canonical", func(r *argus.Record) []byte {
			b := encode(r)
			if b[0] != 0xa0|b[0]&0x1f || b[1] > 23 {
				t.Fatalf("%x is no map with a small first key", b[:2])
			}
			return slices.Concat(b[:1], []byte{0x18, b[1]}, b[2:])
		}},
		{"a part that this version skips", "may skip", func(r *argus.Record) []byte {
			b := encode(r)
			b[0]++
			return append(b, 0x18, 99, 1)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, dir := createTest(t, evidence.Options{})
			d := begin(t, s)
			if err := errors.Join(s.Append(t.Context(), d, evidencetest.Batch(0, 10)), s.Append(t.Context(), d, evidencetest.Batch(3, 4))); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			blocks := rawBlocks(t, dir)[d]
			victim := blocks[len(blocks)-1]
			stored := form.Hidden{Statement: victim.statements[0], Content: victim.contents[0]}
			r, err := stored.Record(new(argus.Hasher))
			if err != nil || r.Kind != argus.KindSighting {
				t.Fatal(r, err)
			}
			r.Seq = victim.First
			forged := victim
			forged.statements = [][]byte{test.change(r)}
			replaceBlock(t, dir, &victim, &forged)
			damage, notes, _ := verifyAll(t, dir, nil)
			if test.name == "nothing" {
				if len(damage) > 0 {
					t.Errorf("%+v", damage)
				}
				return
			}
			if !slices.ContainsFunc(append(damage, notes...), func(f Finding) bool { return f.First == r.Seq && strings.Contains(f.Problem, test.want) }) {
				t.Errorf("not named: %+v", damage)
			}
		})
	}
}

// TestForgedRecord changes a message as someone who knows the format would: text, identity and
// checksums match. The delivery's tree does not match, and the records are named.
func TestForgedRecord(t *testing.T) {
	signer, keys := testKey(t)
	s, dir := createTest(t, evidence.Options{})
	fill(t, s, signer)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	blocks := rawBlocks(t, dir)[1]
	victim := blocks[slices.IndexFunc(blocks, func(b rawBlock) bool { return b.Leaf > 256 })]
	forged := victim
	said := form.Hidden{Statement: victim.statements[7], Content: victim.contents[7]}
	r, err := said.Record(new(argus.Hasher))
	if err != nil {
		t.Fatal(err)
	}
	r.Message.Text = strings.Replace(r.Message.Text, "message", "MESSAGE", 1)
	if said, err = form.Hide(r); err != nil {
		t.Fatal(err)
	}
	forged.contents = slices.Clone(victim.contents)
	forged.contents[7] = said.Content
	replaceBlock(t, dir, &victim, &forged)
	damage, _, _ := verifyAll(t, dir, keys)
	named := slices.ContainsFunc(damage, func(f Finding) bool {
		return f.Delivery == 1 && f.File == layout.Segment(1, 0) && f.First <= victim.First+7 && f.Last >= victim.First+7 && strings.Contains(f.Problem, "root")
	})
	if !named {
		t.Errorf("the forged record %d is not named: %+v", victim.First+7, damage)
	}
}

// encoded returns the stored statement of a record.
func encoded(t *testing.T, r *argus.Record) []byte {
	t.Helper()
	h, err := form.Hide(r)
	if err != nil {
		t.Fatal(err)
	}
	return h.Statement
}

// A sighting names a record, and that record has to hold the claimed message (D4).
func TestForgedSightings(t *testing.T) {
	signer, keys := testKey(t)
	for name, change := range map[string]func(r *argus.Record){
		"none":                   func(*argus.Record) {},
		"of the opening":         func(r *argus.Record) { r.Of = 1 },
		"of another message":     func(r *argus.Record) { r.Of = 4 },
		"of itself":              func(r *argus.Record) { r.Of = 12 },
		"of what comes later":    func(r *argus.Record) { r.Of = 40 },
		"of nothing":             func(r *argus.Record) { r.Of = 0 },
		"with another version":   func(r *argus.Record) { r.Version[0]++ },
		"with another id":        func(r *argus.Record) { r.ID[0]++ },
		"with another content":   func(r *argus.Record) { r.Content[0]++ },
		"that met another one":   func(r *argus.Record) { r.Met[0]++ },
		"with another sender":    func(r *argus.Record) { m := *r.Message; m.From = "X"; r.Message = &m },
		"with another moment":    func(r *argus.Record) { m := *r.Message; m.Sent.Micros += 5e6; r.Message = &m },
		"that met what it names": func(r *argus.Record) { r.Met = r.ID },
		"that is a moved copy":   func(r *argus.Record) { *r = argus.Record{Kind: argus.KindMessage, Message: r.Message, Moved: 2} },
		"that was moved to what comes later": func(r *argus.Record) {
			*r = argus.Record{Kind: argus.KindMessage, Message: r.Message, Moved: 2, Of: 40}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := createTest(t, evidence.Options{})
			d := begin(t, s)
			if err := s.Append(t.Context(), d, append(evidencetest.Batch(0, 10), evidencetest.Batch(1, 2)...)); err != nil {
				t.Fatal(err)
			}
			r := *must(s.Get(t.Context(), 12))
			deliveries := rawBlocks(t, dir)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			change(&r)
			last := &deliveries[1][1]
			last.statements[len(last.statements)-1] = encoded(t, &r)
			forge(t, dir, []argus.DeliveryNumber{1}, deliveries)
			s = openTest(t, dir, evidence.Options{})
			if _, err := s.Seal(t.Context(), d, "store", signer, time.Unix(1_700_000_000, 0), ""); err != nil {
				t.Fatal(err)
			}
			s.Close()
			damage, _, _ := verifyAll(t, dir, keys)
			named := slices.ContainsFunc(damage, func(f Finding) bool {
				return f.First == 12 && (strings.Contains(f.Problem, "sighting") || strings.Contains(f.Problem, "the copy does not state"))
			})
			if sound := name == "none"; named == sound {
				t.Errorf("%+v", damage)
			}
		})
	}
}

// Each record has one valid encoding (D4).
func TestNotCanonical(t *testing.T) {
	for name, tt := range map[string][2]string{
		"a number written long":      {"a2010304a20163736b79141801", ""},
		"an empty field":             {"a2010304a20163736b790c60", ""},
		"what a message met":         {"a3010304a20163736b790461410b5000000000000000000000000000000001", ""},
		"an empty content":           {"a2010304a10163736b79", "a0"},
		"keys in another order":      {"a2010304a20461410163736b79", ""},
		"an attachment that is none": {"a2010304a10163736b79", "a10380"},
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := createTest(t, evidence.Options{})
			begin(t, s)
			deliveries := rawBlocks(t, dir)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			deliveries[1] = append(deliveries[1], rawBlock{statements: [][]byte{unhex(t, tt[0])}, contents: [][]byte{unhex(t, tt[1])}})
			forge(t, dir, []argus.DeliveryNumber{1}, deliveries)
			if damage, _, _ := verifyAll(t, dir, nil); len(damage) != 1 || damage[0].First != 2 {
				t.Errorf("%+v", damage)
			}
		})
	}
}

package format1

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/corecbor/corecbortest"
)

// Two stores in format 1: the first one ever, and one with everything that the format
// could hold.
var stores = []string{"../../node/testdata/store-v1", "../../node/testdata/upgrade/store"}

func openCopy(t testing.TB, from string) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "s")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "keys", "store.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, note.VerifierList(key))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Each record, decoded and encoded again, gives the same bytes; each identity follows
// from its message, and the text of each seal from the records.
func TestStoresOfFormat1(t *testing.T) {
	for i, store := range stores {
		s := openCopy(t, store)
		accounts := map[argus.DeliveryNumber]*Account{}
		kinds := map[Kind]int{}
		var hasher Hasher
		apart := 0
		for raw, err := range s.Records(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			r, err := Decode(raw.Data)
			if err != nil {
				t.Fatal(err)
			}
			kinds[r.Kind]++
			if again, err := Append(nil, r); err != nil || !bytes.Equal(again, raw.Data) {
				t.Errorf("record %d is encoded as %x, want %x, %v", raw.Seq, again, raw.Data, err)
			}
			whole := r.Message
			if r.Kind == Sighting {
				of, err := s.Get(r.Of)
				if err != nil {
					t.Fatal(err)
				}
				whole = whole.Join(of.Message)
			}
			if whole != nil {
				id, version := hasher.Identity(whole)
				if id != r.ID {
					apart++
				} else if version != r.Version {
					t.Errorf("record %d has the version %x, want %x", raw.Seq, version, r.Version)
				}
			}
			if accounts[raw.Delivery] == nil {
				accounts[raw.Delivery] = NewAccount(raw.Delivery)
			}
			if err := accounts[raw.Delivery].Add(r, raw.Data); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range s.Deliveries() {
			if d.Seal == nil {
				continue
			}
			if err := s.CheckSealed(&d, accounts[d.Number]); err != nil {
				t.Errorf("%s: %v", d.Number, err)
			}
		}
		if i == 1 && (apart != 1 || len(kinds) != 7) {
			t.Errorf("%d clocks apart, kinds %v", apart, kinds)
		}
		// Reading can also begin at a later record.
		for raw, err := range s.Records(t.Context(), 100) {
			if err != nil || raw.Seq != 100 {
				t.Errorf("record %d, want 100: %v", raw.Seq, err)
			}
			break
		}
	}
}

// A key unknown to format 1 must not be lost silently.
func TestDecodeRefusesUnknownKeys(t *testing.T) {
	for _, r := range []any{
		map[int]any{1: 7, 10: map[int]any{1: "x", 2: 1}, 11: "y"},
		map[int]any{1: 3, 4: map[int]any{1: "sky", 21: 2}},
		map[int]any{1: 8},
		map[int]any{1: 3},
	} {
		var buf bytes.Buffer
		if err := encoding.MarshalToBuffer(r, &buf); err != nil {
			t.Fatal(err)
		}
		if got, err := Decode(buf.Bytes()); !errors.Is(err, argus.ErrDamaged) {
			t.Errorf("%v: %+v, %v", r, got, err)
		}
	}
}

// A batch that was never acknowledged counts if it is whole, as it did for a writer of
// format 1; half a batch does not.
func TestTailBehindTheAcknowledged(t *testing.T) {
	for _, cut := range []int64{0, 1} {
		s := openCopy(t, stores[1])
		last := s.Last()
		active := s.path(segmentName(len(s.segments)))
		b := s.blocks[len(s.blocks)-1]
		data, err := os.ReadFile(active)
		if err != nil {
			t.Fatal(err)
		}
		dir, key := s.dir, keyOf(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		// Everything before the last batch has been acknowledged.
		batch := b.offset
		if err := os.WriteFile(filepath.Join(dir, commitName), commitOf(last-uint64(b.count), b.segment, batch), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(active, data[:int64(len(data))-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := Open(dir, key)
		if err != nil {
			t.Fatal(err)
		}
		if want := last - uint64(cut)*uint64(b.count); again.Last() != want {
			t.Errorf("%d bytes cut off: %d records, want %d", cut, again.Last(), want)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func keyOf(t *testing.T, s *Store) note.Verifiers {
	t.Helper()
	text, err := os.ReadFile(s.path("keys/store.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return note.VerifierList(key)
}

func commitOf(seq uint64, segment int, offset int64) []byte {
	b := make([]byte, 2*commitSlot)
	slot := b[commitSlot:]
	slot[0] = 1
	for i := range 8 {
		slot[8+i] = byte(seq >> (8 * i))
	}
	for i := range 4 {
		slot[16+i], slot[20+i] = byte(segment>>(8*i)), byte(offset>>(8*i))
	}
	sum := checksum(slot[:28])
	for i := range 4 {
		slot[28+i] = byte(sum >> (8 * i))
	}
	return b
}

// Join restores the fields that Aside left out.
func TestJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		of := &MessageForm{Service: "sky", Text: text}
		m := &MessageForm{Service: "sky", Title: rapid.String().Draw(t, "title")}
		if rapid.Bool().Draw(t, "locked") {
			of.Locked = &LockedForm{Payload: []byte(text), KeyID: "a"}
			m.Locked = &LockedForm{KeyID: "b"}
		}
		whole := m.Join(of)
		if whole.Text != text || whole.Title != m.Title || of.Locked != nil && (whole.Locked.KeyID != "b" || string(whole.Locked.Payload) != text) {
			t.Fatalf("%+v", whole)
		}
	})
}

func seeds(f *testing.F) {
	for _, store := range stores {
		s := openCopy(f, store)
		for raw, err := range s.Records(context.Background(), 1) {
			if err != nil {
				f.Fatal(err)
			}
			if raw.Seq%20 == 1 {
				f.Add(bytes.Clone(raw.Data))
			}
		}
	}
}

// The codec without reflection gives the same results as the library.
func TestCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &Record{Kind: rapid.SampledFrom([]Kind{Message, Sighting}).Draw(t, "kind"), Message: new(MessageForm)}
		for _, f := range []any{&r.ID, &r.Version, &r.Of, &r.Where, r.Message} {
			corecbortest.Fill(t, reflect.ValueOf(f).Elem(), fmt.Sprintf("%T", f))
		}
		got, err := Append([]byte("before"), r)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.NewBufferString("before")
		if err := encoding.MarshalToBuffer(r, want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%+v is written as\n%x, want\n%x", r, got, want.Bytes())
		}
		sameDecoding(t, got[6:])
	})
}

// sameDecoding checks that the library reads the same as the codec, and that the record
// has only this encoding.
func sameDecoding(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, data []byte) {
	t.Helper()
	var r, want Record
	if !getRecord(data, &r, new(MessageForm)) {
		return
	}
	if err := decoding.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(r, want) {
		t.Fatalf("%x is read as\n%+v, want\n%+v, %v", data, r, want, err)
	}
	if again, err := Append(nil, &r); err != nil || !bytes.Equal(again, data) {
		t.Fatalf("%x is written again as\n%x, %v", data, again, err)
	}
}

// FuzzDecode checks that any data is decoded or reported as damaged, and that a decoded
// record can be written.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			if !errors.Is(err, argus.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		sameDecoding(t, data)
		once, err := Append(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("%x was decoded, and then written as %x: %v", data, once, err)
		}
		if twice, err := Append(nil, again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written as %x and then as %x, %v", once, twice, err)
		}
		if r.Message != nil {
			new(Hasher).Identity(r.Message)
		}
	})
}

// FuzzBlock checks that a block is opened or reported as damaged, within its bounds.
func FuzzBlock(f *testing.F) {
	s := openCopy(f, stores[1])
	for _, b := range s.blocks {
		data := make([]byte, b.size())
		if _, err := s.segments[b.segment-1].ReadAt(data, b.offset); err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dec, err := newDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBlock(data)
		if err == nil && b.size() <= int64(len(data)) {
			b.crc = checksum(data[blockHeader:b.size()]) // otherwise nothing gets past it
			var raw []byte
			var records [][]byte
			if raw, records, err = b.open(dec, data[blockHeader:b.size()], nil); err == nil && len(records) != int(b.count) {
				t.Fatalf("%d records, want %d", len(records), b.count)
			}
			if len(raw) > maxBlockBytes+1<<20 {
				t.Fatalf("%d bytes", len(raw))
			}
		}
		if err != nil && !errors.Is(err, argus.ErrDamaged) {
			t.Fatal(err)
		}
		if records, err := split(data, len(data)%maxRecords); err == nil && len(records) != len(data)%maxRecords {
			t.Fatal("split")
		}
	})
}

// FuzzTexts checks that the small files are read or reported as damaged.
func FuzzTexts(f *testing.F) {
	for _, name := range []string{manifestName, commitName, "deliveries/D-0001.seal"} {
		for _, store := range stores {
			data, err := os.ReadFile(filepath.Join(store, name))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	key := keyOfFile(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		_, err := parseManifest(data)
		_, _, _, errCommit := parseCommit(data)
		_, errSeal := openSeal(data, key)
		for _, err := range []error{err, errCommit, errSeal, parseSegment(data, 1, 1)} {
			if err != nil && !errors.Is(err, argus.ErrDamaged) {
				t.Fatal(err)
			}
		}
		if _, err := tableOffset(bytes.NewReader(data), int64(len(data))); len(data) >= segmentHeader+footerTrailer && err != nil && !errors.Is(err, argus.ErrDamaged) {
			t.Fatal(err)
		}
	})
}

func keyOfFile(f *testing.F) note.Verifiers {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(stores[1], "keys", "store.pub"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(text)))
	if err != nil {
		f.Fatal(err)
	}
	return note.VerifierList(key)
}

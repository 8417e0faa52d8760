package form

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/corecbor/corecbortest"
	"github.com/argus-evidence/argus/internal/evidence/evidencetest"
)

// The codec without reflection writes and reads the same as the library, for every field
// that a message can have.
func TestCodec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &argus.Record{Kind: rapid.SampledFrom([]argus.Kind{argus.KindMessage, argus.KindSighting}).Draw(t, "kind"), Message: new(argus.Message)}
		for _, f := range []any{&r.ID, &r.Version, &r.Met, &r.Content, &r.Of, &r.Moved, &r.Where, r.Message} {
			corecbortest.Fill(t, reflect.ValueOf(f).Elem(), fmt.Sprintf("%T", f))
		}
		var c Content
		corecbortest.Fill(t, reflect.ValueOf(&c).Elem(), "content")
		p := Splitter{record: *r, content: c}
		statement, err := p.appendStatement([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		said, err := p.appendContent([]byte("before"))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []struct {
			got  []byte
			want any
			none bool
		}{{statement, r, false}, {said, &c, c.empty()}} {
			var want bytes.Buffer
			want.WriteString("before")
			if !part.none {
				if err := partEncoding.MarshalToBuffer(part.want, &want); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(part.got, want.Bytes()) {
				t.Fatalf("%T is written as\n%x, want\n%x", part.want, part.got, want.Bytes())
			}
		}
		sameDecoding(t, statement[6:], said[6:])
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// sameDecoding compares both decoders. If the codec accepts data, the library must read
// it as the same, and it must be the only valid encoding.
func sameDecoding(t failer, statement, said []byte) {
	t.Helper()
	var p Splitter
	var r, wantRecord argus.Record
	if getRecord(statement, &r) {
		if err := partDecoding.Unmarshal(statement, &wantRecord); err != nil || !reflect.DeepEqual(r, wantRecord) {
			t.Fatalf("the record %x is read as\n%+v, want\n%+v, %v", statement, r, wantRecord, err)
		}
		p.record = r
		if again, err := p.appendStatement(nil); err != nil || !bytes.Equal(again, statement) {
			t.Fatalf("the record %x is written again as\n%x, %v", statement, again, err)
		}
	}
	var wantContent Content
	if getContent(said, &p.content) {
		if err := partDecoding.Unmarshal(said, &wantContent); err != nil || !reflect.DeepEqual(p.content, wantContent) {
			t.Fatalf("the content %x is read as\n%+v, want\n%+v, %v", said, p.content, wantContent, err)
		}
		if again, err := p.appendContent(nil); err != nil || !bytes.Equal(again, said) {
			t.Fatalf("the content %x is written again as\n%x, %v", said, again, err)
		}
	}
}

// Ordinary records are decoded without reflection, and not accidentally by the other
// decoder.
func TestCodecReadsOrdinaryRecords(t *testing.T) {
	var p Splitter
	for _, r := range append(evidencetest.Batch(0, 50), &argus.Record{Kind: argus.KindSighting, Message: &argus.Message{Service: "x"}, Of: 3}) {
		p.split(r)
		statement, err := p.appendStatement(nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != argus.KindMessage && r.Kind != argus.KindSighting {
			continue
		}
		if !getRecord(statement, new(argus.Record)) {
			t.Errorf("the record %x is not read", statement)
		}
		said, err := p.appendContent(nil)
		if err != nil || len(said) > 0 && p.content.Facts == nil && !getContent(said, new(Content)) {
			t.Errorf("the content %x is not read, %v", said, err)
		}
	}
}

// FuzzCodec starts from canonical parts, so that it tries data that is nearly canonical.
func FuzzCodec(f *testing.F) {
	var p Splitter
	for _, r := range evidencetest.Batch(0, 20) {
		p.split(r)
		statement, _ := p.appendStatement(nil)
		said, _ := p.appendContent(nil)
		f.Add(statement, said, uint64(0))
		f.Add(statement, said, uint64(1))
	}
	f.Fuzz(func(t *testing.T, statement, said []byte, seed uint64) {
		statement, said = slices.Clone(statement), slices.Clone(said)
		random := rand.New(rand.NewPCG(seed, 1))
		for range seed % 4 {
			for _, part := range [][]byte{statement, said} {
				if len(part) > 0 {
					part[random.IntN(len(part))] = byte(random.Uint32())
				}
			}
		}
		sameDecoding(t, statement, said)
	})
}

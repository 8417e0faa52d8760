package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/format1"
)

// options returns options that convert a copy of the format 1 store in node's testdata.
func options(t *testing.T) Options {
	t.Helper()
	const from = "../node/testdata/upgrade"
	dir := filepath.Join(t.TempDir(), "old")
	if err := os.CopyFS(dir, os.DirFS(from+"/store")); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	verifier, err := note.NewVerifier(read(dir + "/keys/store.pub"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(read(from + "/keys/4b4141f0518f0ddf.key"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := format1.Open(dir, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = old.Close() })
	return Options{Old: old, Dir: t.TempDir(), Store: "4b4141f0518f0ddf", Signer: signer}
}

// fields passes the name of each field of a struct, including those of nested structs, to
// each, with a function that changes its value.
func fields(prefix string, v reflect.Value, each func(name string, set func(reflect.Value))) {
	for i := range v.NumField() {
		name := prefix + v.Type().Field(i).Name
		at := i
		each(name, func(v reflect.Value) { change(v.Field(at)) })
		if v.Field(i).Kind() == reflect.Struct {
			fields(name+".", v.Field(i), func(inner string, set func(reflect.Value)) {
				each(inner, func(v reflect.Value) { set(v.Field(at)) })
			})
		}
	}
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.New(v.Type().Elem()).Elem()))
	case reflect.Array:
		change(v.Index(0))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		change(v.Field(0))
	default:
		panic("no change for " + v.Type().String())
	}
}

// If a conversion changes a field of any kind of record, either the evidence refuses the
// record, or the comparison detects the change.
func TestEveryDifferenceIsFound(t *testing.T) {
	o := options(t)
	seen := map[format1.Kind]uint64{}
	for raw, err := range o.Old.Records(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := format1.Decode(raw.Data)
		if err != nil {
			t.Fatal(err)
		}
		if seen[r.Kind] == 0 {
			seen[r.Kind] = raw.Seq
		}
	}
	tries, compared := 0, 0
	for kind, seq := range seen {
		var part func(r *argus.Record) reflect.Value
		switch kind {
		case format1.Opening:
			continue // TestOpeningsAreCompared
		case format1.Message, format1.Sighting:
			part = func(r *argus.Record) reflect.Value { return reflect.ValueOf(r.Message).Elem() }
		case format1.Original, format1.Attachment:
			part = func(r *argus.Record) reflect.Value { return reflect.ValueOf(r.Original).Elem() }
		case format1.Quarantined:
			part = func(r *argus.Record) reflect.Value { return reflect.ValueOf(r.Quarantine).Elem() }
		case format1.Stated:
			part = func(r *argus.Record) reflect.Value { return reflect.ValueOf(r.Stated).Elem() }
		}
		try := func(name string, set func(r *argus.Record)) {
			tries++
			o.Dir = t.TempDir()
			err := changed(t.Context(), o, seq, set)
			if err == nil {
				t.Errorf("record %d of kind %d: a changed %s is not detected", seq, kind, name)
			} else if strings.Contains(err.Error(), "does not reproduce") {
				compared++
			}
		}
		example := example(t, o, seq)
		fields("", part(example), func(name string, set func(reflect.Value)) {
			if kind == format1.Attachment && (name == "File" || name == "Root") {
				return // refers to nothing
			}
			try(name, func(r *argus.Record) { set(part(r)) })
		})
		fields("Where.", reflect.ValueOf(&example.Where).Elem(), func(name string, set func(reflect.Value)) {
			try(name, func(r *argus.Record) { set(reflect.ValueOf(&r.Where).Elem()) })
		})
	}
	if tries < 120 || compared < 80 {
		t.Errorf("%d changes were tried, and %d of them found by the comparison", tries, compared)
	}
}

func example(t *testing.T, o Options, seq uint64) *argus.Record {
	t.Helper()
	o.Dir = t.TempDir()
	c, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	if c.new, err = evidence.Create(o.Dir, evidence.Options{}); err != nil {
		t.Fatal(err)
	}
	defer c.new.Close()
	r, err := o.Old.Get(seq)
	if err != nil {
		t.Fatal(err)
	}
	n, err := c.today(t.Context(), c.deliveries[1], r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// changed converts with one record changed, and otherwise normally.
func changed(ctx context.Context, o Options, seq uint64, set func(*argus.Record)) error {
	c, err := start(o)
	if err != nil {
		return err
	}
	c.changed = func(at uint64, r *argus.Record) {
		if at == seq {
			set(r)
		}
	}
	if err := c.convert(ctx); err != nil {
		return err
	}
	_, err = c.compare(ctx)
	return err
}

func TestOpeningsAreCompared(t *testing.T) {
	seal := &format1.Seal{File: []byte("x")}
	form := format1.OpeningForm{Source: "a", Options: []format1.FieldForm{{Name: "format", Value: "jsonl"}}}
	o := toOpening(&form, seal)
	if back, err := fromOpening(&o, seal); err != nil || !cmp.Equal(*back, form) {
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := fromOpening(&o, &format1.Seal{}); err == nil {
		t.Error("the opening names another seal")
	}
	fields("", reflect.ValueOf(&o).Elem(), func(name string, set func(reflect.Value)) {
		other := toOpening(&form, seal)
		set(reflect.ValueOf(&other).Elem())
		if back, err := fromOpening(&other, seal); err == nil && cmp.Equal(*back, form) {
			t.Errorf("a changed %s is not detected", name)
		}
	})
}

// An interrupted conversion is continued, but not that of a different store.
func TestConversionGoesOn(t *testing.T) {
	o := options(t)
	whole := o
	whole.Dir = t.TempDir()
	want, err := Evidence(t.Context(), whole)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stopped")
	for n := range 20 {
		o.Dir = t.TempDir()
		ctx, cancel := context.WithCancelCause(t.Context())
		steps := 0
		o.Failpoint = func(string) {
			if steps++; steps == n*8+1 {
				cancel(stop)
			}
		}
		_, err := Evidence(ctx, o)
		cancel(nil)
		if err == nil && n < 10 {
			t.Errorf("step %d: it was not stopped", n)
		}
		o.Failpoint = nil
		got, err := Evidence(t.Context(), o)
		if err != nil {
			t.Fatalf("after a stop at step %d: %v", n*8+1, err)
		}
		for i := range got.Deliveries {
			got.Deliveries[i].Seal = want.Deliveries[i].Seal // the salts and the time differ
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after a stop at step %d:\n%s", n*8+1, diff)
		}
	}
	other := t.TempDir()
	s, err := evidence.Create(other, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), argus.Opening{Source: "another", Authority: "A-0001", Actor: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Dir = other
	if _, err := Evidence(t.Context(), o); err == nil || !strings.Contains(err.Error(), "record 1 ") {
		t.Errorf("on the evidence of another store: %v", err)
	}
}

// Every message of format 1 is converted and restored without a change.
func TestMessagesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.Make[format1.MessageForm]().Draw(t, "message")
		back := new(format1.MessageForm)
		if err := fromMessage(toMessage(&m), back); err != nil {
			t.Fatal(err)
		}
		empty := cmp.Transformer("nil", func(list []string) string { return fmt.Sprintf("%q", list) })
		if diff := cmp.Diff(&m, back, empty, cmp.Comparer(func(a, b []format1.AttachmentForm) bool { return fmt.Sprint(a) == fmt.Sprint(b) }),
			cmp.Comparer(func(a, b []format1.FieldForm) bool { return fmt.Sprint(a) == fmt.Sprint(b) })); diff != "" {
			t.Fatal(diff)
		}
	})
}

package intake

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main(all.Formats())
	os.Exit(m.Run())
}

// rich is a delivery with many kinds of content.
func rich(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "a.jsonl", line(1, "one")+"broken\n"+line(2, "two"))
	write(t, dir, "slack.zip", zipped(t, "users.json", `[{"id":"U0000001","name":"bram"}]`, "channels.json", `[{"id":"C0000001","name":"loods"}]`,
		"loods/2021-02-14.json", `[{"type":"message","user":"U0000001","text":"three","ts":"1613304191.000100"}]`))
	write(t, dir, "deep.zip", zipped(t, "in.zip", zipped(t, "chat.jsonl", line(4, "four")), "note.bin", "\x00\x01"))
	write(t, dir, "WhatsApp Chat - Ali.zip", zipped(t, "_chat.txt", "[14/02/2021, 12:03:01] Ali: <attached: 1-PHOTO.jpg>\n", "1-PHOTO.jpg", "\xff\xd8 a photo"))
	write(t, dir, "cut.zip", cut(zipped(t, "chat.jsonl", line(5, "five")), 30))
	return dir
}

// TestApart checks that readers in a process of their own give the same records as in this
// one, wherever they are interrupted.
func TestApart(t *testing.T) {
	source := rich(t)
	records := func(b *bench) (all []argus.Record) {
		for r, err := range b.o.Store.From(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			one := *r
			if r.Kind == argus.KindOriginal { // files are stored differently each time
				o := *r.Original
				if o.File == (argus.FileName{}) || o.Root == (argus.Hash{}) {
					t.Fatalf("record %d does not say where its file is", r.Seq)
				}
				o.File, o.Root, one.Original = argus.FileName{}, argus.Hash{}, &o
			}
			if r.Kind != argus.KindOpening {
				all = append(all, one)
			}
		}
		return all
	}
	here := newBench(t)
	want := here.ingest(t, source)
	if want.Counts.Stored != 6 {
		t.Fatalf("%+v", want.Counts)
	}
	for stopAfter := range 14 {
		b := newBench(t)
		b.o.Apart, b.o.BatchRecords = true, 1
		if stopAfter > 0 && stopAfter < 9 {
			b.interrupt(t, source, stopAfter)
		}
		if got := b.ingest(t, source); got.Counts != want.Counts {
			t.Errorf("interrupted after %d: %+v, want %+v", stopAfter, got.Counts, want.Counts)
		}
		if diff := cmp.Diff(records(here), records(b)); diff != "" {
			t.Fatalf("interrupted after %d: %s", stopAfter, diff)
		}
	}
}

// TestBombsApart takes in files made to break readers; the file next to each is read.
func TestBombsApart(t *testing.T) {
	nest := func(s string) string { return zipped(t, "in.zip", s) }
	var bomb strings.Builder
	bomb.WriteString("<?xml version=\"1.0\"?>\n<!DOCTYPE smses [<!ENTITY a \"" + strings.Repeat("x", 1000) + "\">")
	for i := 'b'; i < 'n'; i++ {
		fmt.Fprintf(&bomb, "<!ENTITY %c \"%s\">", i, strings.Repeat(fmt.Sprintf("&%c;", i-1), 10))
	}
	bomb.WriteString("]>\n<smses count=\"1\"><sms address=\"+31600000001\" date=\"1613304191000\" type=\"1\" body=\"&m;\"/></smses>")
	var mime strings.Builder
	mime.WriteString("From: a@example.org\nDate: Sun, 14 Feb 2021 12:03:11 +0000\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n")
	for i := range 100_000 {
		fmt.Fprintf(&mime, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	for name, content := range map[string]string{
		"nested.zip": nest(nest(nest(nest(line(1, "deep"))))),
		"zeros.zip":  zipped(t, "zeros.jsonl", strings.Repeat("\x00", 200<<20)),
		"bomb.xml":   bomb.String(),
		"mail.eml":   mime.String(),
		"deep.json":  strings.Repeat("[", 10<<20),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.o.Apart = true
			source := t.TempDir()
			write(t, source, name, content)
			write(t, source, "z.jsonl", line(2, "beside"))
			r := b.ingest(t, source)
			if texts := b.texts(t); !slices.Contains(texts, "beside") || r.Counts.Quarantined == 0 && name != "mail.eml" {
				t.Errorf("%d texts, %+v: %+v", len(texts), r.Counts, r.Files)
			}
		})
	}
}

// TestBrokeIsRememberedOnResume: a file whose reading broke at one point is not read further
// when the delivery resumes, even if it would now break at another point.
func TestBrokeIsRememberedOnResume(t *testing.T) {
	b := newBench(t)
	number, err := b.o.Store.Begin(t.Context(), argus.Opening{Source: "x", Readers: b.o.readerNames()})
	if err != nil {
		t.Fatal(err)
	}
	message := func(n int) sandbox.Event {
		return sandbox.Event{Item: reader.Item{Message: &argus.Message{Service: "sky", From: "A", Text: fmt.Sprint(n)}}}
	}
	file := sandbox.Event{File: &sandbox.File{Path: "chat", Name: "a.zip!/chat", Reader: "jsonl/1"}}
	broke := sandbox.Event{Item: reader.Item{Problem: "the reader broke"}, Broke: true}
	take := func(events ...sandbox.Event) argus.Counts {
		in := newIntake(b.o.withDefaults(), number)
		if err := in.recall(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(in.originals) == 0 {
			o, err := b.o.Store.PutOriginal(t.Context(), strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			o.Path = "a.zip"
			none, err := b.o.Store.OriginalBatch()
			if err != nil {
				t.Fatal(err)
			}
			batch := keeping{originals: none, records: []*argus.Record{{Kind: argus.KindOriginal, Original: &o}}}
			if err := in.recordKept(t.Context(), &batch); err != nil {
				t.Fatal(err)
			}
		}
		var at reading
		for _, e := range events {
			if err := in.read(t.Context(), &at, in.originals[0], e); err != nil {
				t.Fatal(err)
			}
		}
		if err := in.batch.finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		return in.book.Counts()
	}
	first := take(file, message(1), message(2), broke, file, message(11))
	if want := (argus.Counts{Read: 4, Stored: 3, Quarantined: 1}); first != want {
		t.Fatalf("%+v, want %+v", first, want)
	}
	for name, events := range map[string][]sandbox.Event{
		"the same":     {file, message(1), message(2), broke, file, message(11)},
		"sooner":       {file, message(1), broke, file, message(11)},
		"later":        {file, message(1), message(2), message(3), message(4), broke, file, message(11)},
		"not any more": {file, message(1), message(2), message(3), file, message(11)},
	} {
		if got := take(events...); got != first {
			t.Errorf("%s: %+v, want %+v", name, got, first)
		}
	}
	if got, want := take(file, message(1), broke, file, message(11), message(12)), (argus.Counts{Read: 5, Stored: 4, Quarantined: 1}); got != want {
		t.Errorf("and further: %+v, want %+v", got, want)
	}
}

func TestPlan(t *testing.T) {
	source := rich(t)
	want := newBench(t).ingest(t, source)
	for _, apart := range []bool{false, true} {
		p, err := PlanIngest(t.Context(), Options{Apart: apart, Formats: all.Formats()}, source)
		if err != nil {
			t.Fatal(err)
		}
		if p.Copies != want.Counts.Stored || p.Quarantined != want.Counts.Quarantined || p.Read != want.Counts.Read || len(p.Files) != len(want.Files) {
			t.Errorf("planned %+v, came %+v", p, want.Counts)
		}
		for i, f := range p.Files {
			if diff := cmp.Diff(want.Files[i].Problems, f.Problems); diff != "" || f.Path != want.Files[i].Original.Path {
				t.Errorf("%s: %s", f.Path, diff)
			}
		}
		if p.Accounts != (Estimate{Count: 3}) || p.Conversations != (Estimate{Count: 3}) || p.Different != (Estimate{Count: 6}) {
			t.Errorf("%+v", p)
		}
		if p.First != want.Seal.First || p.Last != want.Seal.Last {
			t.Errorf("from %s to %s, want from %s to %s", p.First, p.Last, want.Seal.First, want.Seal.Last)
		}
		if diff := cmp.Diff(want.Completeness, p.Completeness); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDistinct(t *testing.T) {
	var d distinct
	hash := func(i uint64) uint64 { // splitmix64
		i *= 0x9e3779b97f4a7c15
		i = (i ^ i>>30) * 0xbf58476d1ce4e5b9
		i = (i ^ i>>27) * 0x94d049bb133111eb
		return i ^ i>>31
	}
	for i := range uint64(1_000_000) {
		d.add(hash(i % 500_000))
		if i == 49_999 {
			if got := d.estimate(); got != (Estimate{Count: 50_000}) {
				t.Errorf("few: %+v", got)
			}
		}
	}
	got := d.estimate()
	if off := float64(got.Count)/500_000 - 1; !got.Estimated || off > 0.015 || off < -0.015 || len(d.known) != distinctKept {
		t.Errorf("many: %+v, %.2f %% off, %d kept", got, 100*off, len(d.known))
	}
}

func TestVia(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the program is a script")
	}
	dir := t.TempDir()
	script := write(t, dir, "plain.sh", `#!/bin/sh
echo "reading $ARGUS_FILE" >&2
while read -r from text; do
  case $from in
  fail) exit 3;;
  flood) yes '{"service":"dump","from":"A","text":"y"}';;
  photo) exit 0;;
  esac
  printf '{"service":"dump","from":"%s","text":"%s%s","attachments":[{"name":"photo.jpg"}]}\n' "$from" "$1" "$text"
done
`)
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	write(t, source, "1.dump", "ali one\nbo two\n")
	write(t, source, "2.dump", "ali three\nfail\n")
	write(t, source, "3.dump", "flood\n")
	write(t, source, "photo.jpg", "photo\n")
	write(t, source, "silent.bin", "photo\n")
	setup := func(b *bench, arg string) *[]string {
		via, names, err := NewVia(script, []string{arg})
		if err != nil {
			t.Fatal(err)
		}
		said := &[]string{}
		via.Output = 1 << 16
		b.o.Via, b.o.ReadingNames, b.o.Apart = via, names, true
		b.o.Say = func(line string) { *said = append(*said, line) }
		return said
	}
	b := newBench(t)
	said := setup(b, "> ")
	r := b.ingest(t, source)
	if got := b.texts(t); !slices.Equal(got[:3], []string{"> one", "> two", "> three"}) {
		t.Errorf("%q", got)
	}
	reasons := map[string]string{}
	for _, f := range r.Files {
		for _, p := range f.Problems {
			reasons[f.Original.Path] += p.Value + "\n"
		}
		if len(f.Readers) > 0 && (len(f.Readers) != 1 || !strings.HasPrefix(f.Readers[0], "via:plain.sh/")) {
			t.Errorf("%s: readers %q", f.Original.Path, f.Readers)
		}
	}
	for file, want := range map[string]string{
		"1.dump": "", "2.dump": "plain.sh ended with exit status 3", "3.dump": "plain.sh printed more than 65536 bytes and was stopped",
		"photo.jpg": "", "silent.bin": "the program printed nothing for the file",
	} {
		if got := reasons[file]; !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	if len(*said) != 5 || (*said)[0] != "reading 1.dump" {
		t.Errorf("said %q", *said)
	}
	options := fmt.Sprint(r.Seal.Opening.Options)
	hash, err := hashFile(script)
	if err != nil || !strings.Contains(options, script) || !strings.Contains(options, hash.String()) || !strings.Contains(options, "{via-arg > }") {
		t.Errorf("the seal names %s", options)
	}

	// An interrupted delivery resumes with the program with which it was begun.
	again := newBench(t)
	plain := again.o
	setup(again, "> ")
	again.o.BatchRecords = 1
	again.interrupt(t, filepath.Join(source, "1.dump"), 1)
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(t.Context(), plain); err == nil || !strings.Contains(err.Error(), "has changed since") {
		t.Errorf("with another program: %v", err)
	}
}

// TestReceiptSaysWithoutSandbox: a receipt records that a system has no sandbox for the
// readers, or a weaker one, and a delivery begun in one sandbox is not finished in another.
func TestReceiptSaysWithoutSandbox(t *testing.T) {
	b := newBench(t)
	b.o.Apart, b.o.BatchRecords, b.o.lacks = true, 1, "none of it"
	want := argus.Field{Name: "sandbox", Value: "none of it"}
	source := write(t, t.TempDir(), "a.jsonl", line(1, "one")+line(2, "two")+line(3, "three"))
	b.interrupt(t, source, 1)
	other := b.o
	other.lacks = "another"
	if _, err := Resume(t.Context(), other); !errors.Is(err, ErrOtherReaders) {
		t.Errorf("resumed in another sandbox: %v", err)
	}
	receipts, err := Resume(t.Context(), b.o)
	if err != nil || len(receipts) != 1 || !slices.Contains(receipts[0].Opening.Options, want) || !slices.Contains(receipts[0].Seal.Opening.Options, want) {
		t.Fatalf("%+v, %v, want %v among the options", receipts, err, want)
	}
	again, err := Reread(t.Context(), other, 1, "a better sandbox")
	if err != nil || sandboxOf(again.Opening.Options) != "another" {
		t.Errorf("%+v, %v", again, err)
	}
	r := newBench(t)
	r.o.Apart = true
	if got := sandboxOf(r.ingest(t, source).Opening.Options); got != sandbox.Lacks {
		t.Errorf("this system lacks %q, its receipt says %q", sandbox.Lacks, got)
	}
}

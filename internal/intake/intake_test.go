package intake

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// bench is a store with everything that an intake needs.
type bench struct {
	o    Options
	dir  string
	acts []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir()}
	s, err := evidence.Create(b.dir, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	private, _, err := note.GenerateKey(nil, "argus.test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	b.o = Options{
		Store: s, StoreID: "test", Signer: signer, Actor: "tester", Authority: "A-0001", Software: "argus test", Formats: all.Formats(),
		Record: func(_ context.Context, action string, d argus.DeliveryNumber, _ []argus.Field) error {
			b.acts = append(b.acts, action+" "+d.String())
			return nil
		},
	}
	return b
}

func (b *bench) ingest(t *testing.T, path string) *argus.Receipt {
	t.Helper()
	r, err := Ingest(t.Context(), b.o, path)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Counts.Balanced() || r.Seal == nil || r.Seal.Counts != r.Counts {
		t.Fatalf("the account does not balance: %+v, seal %+v", r.Counts, r.Seal)
	}
	return r
}

func (b *bench) texts(t *testing.T) []string {
	t.Helper()
	var texts []string
	for r, err := range b.o.Store.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == argus.KindMessage {
			texts = append(texts, r.Message.Text)
		}
	}
	return texts
}

func line(n int, text string) string {
	return fmt.Sprintf(`{"service":"sky","conversation":"A|B","from":"A","id":"%d","sent":"2021-02-14T12:03:%02dZ","text":%q}`+"\n", n, n%60, text)
}

func write(t *testing.T, dir, name string, content string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, err = io.WriteString(f, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func utf16le(s string) string {
	out := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return string(out)
}

// TestBadInput takes in typical faults of real deliveries: each bad piece gets a line
// in the receipt, and the good ones around it are kept.
func TestBadInput(t *testing.T) {
	whatsapp := "14/02/2021, 12:03 - Ali: one\n15/02/2021, 12:04 - Zoë: two\n"
	for _, tt := range []struct {
		name, file, content string
		texts               []string
		problems            string // a word from each reason
	}{
		{"an object broken in the middle", "a.jsonl", line(1, "one") + `{"service":"sky","from":"A","tex` + "\n" + line(2, "two"), []string{"one", "two"}, "text"},
		{"NUL bytes", "a.jsonl", line(1, "one") + "\x00\x00\x00\n" + line(2, "two"), []string{"one", "two"}, ""},
		{"UTF-8 with a byte order mark", "a.txt", "\ufeff" + whatsapp, []string{"one", "two"}, ""},
		{"UTF-16", "a.txt", utf16le(whatsapp), []string{"one", "two"}, ""},
		{"Windows-1252 among UTF-8", "a.txt", whatsapp + "16/02/2021, 12:05 - Zo\xeb: d\xe9j\xe0\n", []string{"one", "two", "déjà"}, ""},
		{"an impossible date", "a.jsonl", line(1, "one") + strings.Replace(line(2, "two"), "02-14", "02-31", 1) + line(3, "three"), []string{"one", "three"}, "sent"},
		{"a sheet with a column too many", "a.csv", "sent;from;to;text\n14.02.2021 12:03:01;A;B;one\n14.02.2021 12:03:02;A;B;two;and more\n14.02.2021 12:03:03;A;B;three\n", []string{"one", "three"}, "cells"},
		{"a file that is no chat", "a.bin", "\x7fELF nothing to read here", nil, "no reader"},
		{"an empty file", "a.txt", "", nil, "empty"},
		{"a zip cut off in its directory", "a.zip", cut(zipped(t, "chat.jsonl", line(1, "one"), "later.jsonl", line(2, "two")), 30), []string{"one", "two"}, "directory"},
		{"names that lead out of a zip", "a.zip", zipped(t, "../../escape.jsonl", line(1, "one"), "/etc/chat.jsonl", line(2, "two")), []string{"one", "two"}, ""},
		{"a zip in a zip", "a.zip", zipped(t, "in.zip", zipped(t, "chat.jsonl", line(1, "one"))), []string{"one"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			source := t.TempDir()
			write(t, source, tt.file, tt.content)
			before := tree(t, filepath.Dir(b.dir), b.dir)
			r := b.ingest(t, source)
			if got := b.texts(t); !slices.Equal(got, tt.texts) {
				t.Errorf("kept %q, want %q; %+v", got, tt.texts, r.Files)
			}
			if problems := r.Files[0].Problems; tt.problems != "" && (len(problems) == 0 || !strings.Contains(problems[0].Value, tt.problems)) {
				t.Errorf("problems %+v, want a word about %q", problems, tt.problems)
			}
			if diff := cmp.Diff(before, tree(t, filepath.Dir(b.dir), b.dir)); diff != "" {
				t.Errorf("files outside the store changed:\n%s", diff)
			}
			if o := r.Files[0].Original; o.Hash != sha256.Sum256([]byte(tt.content)) {
				t.Errorf("the record names the SHA-256 %s", o.Hash)
			}
			kept, err := b.o.Store.OpenOriginal(r.Files[0].Original)
			if err != nil {
				t.Fatalf("the original is not kept: %v", err)
			}
			defer kept.Close()
			if got, err := io.ReadAll(io.NewSectionReader(kept, 0, kept.Size())); err != nil || string(got) != tt.content {
				t.Errorf("%d bytes are kept of %d, %v", len(got), len(tt.content), err)
			}
		})
	}
}

func cut(s string, n int) string { return s[:len(s)-n] }

// tree lists the files in dir and its subfolders, except those in except.
func tree(t *testing.T, dir, except string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if path == except {
			return filepath.SkipDir
		}
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestHugeLine: a line longer than the longest record is one problem, whatever its length;
// textdoc's lines_test.go tests a gigabyte, and the memory that it takes.
func TestHugeLine(t *testing.T) {
	b := newBench(t)
	b.o.Reading.MaxRecord = 1 << 20
	huge := `{"service":"sky","from":"A","text":"` + strings.Repeat("a", 64<<20) + "\"}\n"
	r := b.ingest(t, write(t, t.TempDir(), "huge.jsonl", line(1, "one")+huge+line(2, "two")))
	if want := (argus.Counts{Read: 3, Stored: 2, Quarantined: 1}); r.Counts != want {
		t.Errorf("counts %+v, want %+v: %+v", r.Counts, want, r.Files)
	}
}

func TestSendingAgainMakesNoSecondMessage(t *testing.T) {
	b := newBench(t)
	source := t.TempDir()
	write(t, source, "a.jsonl", line(1, "one")+line(2, "two"))
	write(t, source, "chat.txt", "14/02/2021, 12:03 - Ali: ok\n14/02/2021, 12:03 - Ali: ok\n14/02/2021, 12:03 - Ali: ok\n")
	first := b.ingest(t, source)
	if want := (argus.Counts{Read: 5, Stored: 5}); first.Counts != want {
		t.Fatalf("three equal messages in one minute are three: %+v", first.Counts)
	}
	second := b.ingest(t, source)
	if want := (argus.Counts{Read: 5, Sightings: 5}); second.Counts != want || second.Delivery != 2 {
		t.Errorf("%s: %+v, want only sightings", second.Delivery, second.Counts)
	}
	want := []string{"ingest.open D-0001", "ingest.seal D-0001", "ingest.open D-0002", "ingest.seal D-0002"}
	if diff := cmp.Diff(want, b.acts); diff != "" {
		t.Errorf("acts differ:\n%s", diff)
	}
}

func TestAttachmentsMeetTheirFiles(t *testing.T) {
	for _, packed := range []bool{false, true} {
		b := newBench(t)
		source := t.TempDir()
		chat := "[14/02/2021, 12:03:01] Ali: look \u200e<attached: 00001-PHOTO.jpg>\n[14/02/2021, 12:03:02] Ali: <attached: 00002-PHOTO.jpg>\n"
		if packed {
			write(t, source, "WhatsApp Chat - Ali.zip", zipped(t, "_chat.txt", chat, "00001-PHOTO.jpg", "\xff\xd8 a photo", "00003-PHOTO.jpg", "\xff\xd8 another"))
		} else {
			write(t, source, "_chat.txt", chat)
			write(t, source, "00001-PHOTO.jpg", "\xff\xd8 a photo")
			write(t, source, "00003-PHOTO.jpg", "\xff\xd8 another")
		}
		r := b.ingest(t, source)
		// The photo that no message names is accounted for on its own.
		if want := (argus.Counts{Read: 3, Stored: 2, Quarantined: 1}); r.Counts != want {
			t.Errorf("packed %v: %+v, want %+v: %+v", packed, r.Counts, want, r.Files)
		}
		var got, attachments []string
		for rec, err := range b.o.Store.From(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Kind == argus.KindAttachment {
				attachments = append(attachments, rec.Original.Path)
			}
			if rec.Kind == argus.KindMessage {
				for _, a := range rec.Message.Attachments {
					got = append(got, fmt.Sprintf("%s missing %v", a.Name, a.Missing()))
				}
			}
		}
		if want := []string{"00001-PHOTO.jpg missing false", "00002-PHOTO.jpg missing true"}; !slices.Equal(got, want) {
			t.Errorf("packed %v: attachments %q, want %q", packed, got, want)
		}
		if packed != slices.Equal(attachments, []string{"00001-PHOTO.jpg"}) {
			t.Errorf("packed %v: the attachments' own records are %q", packed, attachments)
		}
	}
}

// TestTelegramAttachmentsMeetTheirFiles reads the folders of a single-chat export and of
// a full-account export. A sentence in place of a path is not an attachment.
func TestTelegramAttachmentsMeetTheirFiles(t *testing.T) {
	const chat = `{"name":"Quay","type":"private_group","id":1,"messages":[
{"id":1,"type":"message","date_unixtime":"1613304181","from":"A","photo":"%[1]sphotos/p1.jpg","thumbnail":"%[1]sphotos/p1.jpg_thumb.jpg","text":""},
{"id":2,"type":"message","date_unixtime":"1613304182","from":"A","file":"%[1]sfiles/l.bin","file_name":"list.pdf","text":""},
{"id":3,"type":"message","date_unixtime":"1613304183","from":"A","file":"(File not included. Change data exporting settings to download.)","file_name":"list.pdf","text":""}]}`
	for folder, export := range map[string]string{"": chat, "chats/chat_1/": `{"about":"Telegram","chats":{"list":[` + chat + `]}}`} {
		b := newBench(t)
		source := t.TempDir()
		for _, name := range []string{"photos/p1.jpg", "photos/p1.jpg_thumb.jpg", "files/l.bin"} {
			if err := os.MkdirAll(filepath.Join(source, filepath.FromSlash(folder+filepath.Dir(name))), 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, source, filepath.FromSlash(folder+name), "\xff\xd8 "+name)
		}
		write(t, source, "result.json", fmt.Sprintf(export, folder))
		r := b.ingest(t, source)
		if want := (argus.Counts{Read: 3, Stored: 3}); r.Counts != want {
			t.Errorf("%q: %+v, want %+v: %+v", folder, r.Counts, want, r.Files)
		}
		if r.Completeness.Named != 4 || r.Completeness.Missing != 1 {
			t.Errorf("%q: %+v, want 1 of 4 attachments missing", folder, r.Completeness)
		}
	}
}

func TestInterruptedDeliveryGoesOn(t *testing.T) {
	source := t.TempDir()
	for n := range 5 {
		var content strings.Builder
		for i := range 40 {
			content.WriteString(line(n*100+i, fmt.Sprintf("message %d", n*100+i)))
		}
		write(t, source, fmt.Sprintf("%d.jsonl", n), content.String()+"broken\n")
	}
	write(t, source, "readme.bin", "\x00\x01")
	whole := newBench(t)
	want := whole.ingest(t, source)

	for stopAfter := 1; stopAfter < 30; stopAfter += 2 {
		b := newBench(t)
		b.o.BatchRecords = 10
		stop := errors.New("stop here")
		batches := 0
		b.o.Pace = func(context.Context) error {
			if batches++; batches > stopAfter {
				return stop
			}
			return nil
		}
		_, err := Ingest(t.Context(), b.o, source)
		interrupted := errors.Is(err, stop)
		if err != nil && !interrupted {
			t.Fatal(err)
		}
		if !interrupted {
			break
		}
		b.o.Pace = nil
		if other := b.ingest(t, write(t, t.TempDir(), "other.jsonl", line(9999, "another"))); other.Delivery != 2 {
			t.Errorf("another delivery in between is %s", other.Delivery)
		}
		got := b.ingest(t, source)
		if got.Counts != want.Counts || got.Delivery != 1 || got.Seal.Root != want.Seal.Root && got.Seal.Records != want.Seal.Records {
			t.Errorf("interrupted after %d batches: %+v, want %+v", stopAfter, got.Counts, want.Counts)
		}
		texts := slices.DeleteFunc(b.texts(t), func(text string) bool { return text == "another" })
		if diff := cmp.Diff(whole.texts(t), texts); diff != "" {
			t.Errorf("interrupted after %d batches, the messages differ:\n%s", stopAfter, diff)
		}
		again, err := Resume(t.Context(), b.o)
		if err != nil || len(again) != 0 {
			t.Errorf("resume after the end: %v, %v", again, err)
		}
	}
}

func TestAbandon(t *testing.T) {
	b := newBench(t)
	b.o.BatchRecords = 1
	source := write(t, t.TempDir(), "a.jsonl", line(1, "one")+line(2, "two")+line(3, "three"))
	n := 0
	b.o.Pace = func(context.Context) error {
		if n++; n > 1 {
			return errors.New("stop")
		}
		return nil
	}
	if _, err := Ingest(t.Context(), b.o, source); err == nil {
		t.Fatal("not interrupted")
	}
	b.o.Pace = nil
	receipts, err := Abandon(t.Context(), b.o, "the disk was taken back")
	if err != nil || len(receipts) != 1 || receipts[0].Seal.Incomplete == "" || receipts[0].Counts.Stored != 1 {
		t.Fatalf("%+v, %v", receipts, err)
	}
	b.ingest(t, source)
}

func TestUnreadableFilesAreAccountedFor(t *testing.T) {
	b := newBench(t)
	source := t.TempDir()
	write(t, source, "a.jsonl", line(1, "one"))
	if err := os.Symlink("/etc/passwd", filepath.Join(source, "link")); err != nil {
		t.Skipf("no links on this file system: %v", err)
	}
	r := b.ingest(t, source)
	if want := (argus.Counts{Read: 2, Stored: 1, Quarantined: 1}); r.Counts != want {
		t.Errorf("%+v, want %+v: %+v", r.Counts, want, r.Files)
	}
}

// TestFileWithoutRecordIsAccountedFor: if a reader finds nothing in a file, here because the
// operator named it, that is a problem: an account that leaves a file out would not balance.
func TestFileWithoutRecordIsAccountedFor(t *testing.T) {
	b := newBench(t)
	b.o.Format = "sheet"
	source := t.TempDir()
	write(t, source, "empty.csv", "")
	r := b.ingest(t, source)
	if want := (argus.Counts{Read: 1, Quarantined: 1}); r.Counts != want {
		t.Errorf("%+v, want %+v: %+v", r.Counts, want, r.Files)
	}
}

func TestUnKnownFormat(t *testing.T) {
	b := newBench(t)
	b.o.Format = "nonsense"
	if _, err := Ingest(t.Context(), b.o, t.TempDir()); err == nil || !strings.Contains(err.Error(), "jsonl") {
		t.Errorf("%v, want the list of formats", err)
	}
}

func TestRepeats(t *testing.T) {
	p := newRepeats(all.Formats(), "jsonl/2")
	minute := func() *argus.Message {
		return &argus.Message{Service: "irc", From: "a", Text: "ok", Sent: argus.Time{Micros: 60e6, Precision: argus.Minute}}
	}
	seen := map[argus.ID]bool{}
	for range 5 {
		m := minute()
		id, _ := p.identity(m, "")
		if seen[id] {
			t.Errorf("repeat %d has the identity of another", m.Repeat)
		}
		if again, _ := m.Identity(); again != id {
			t.Errorf("repeat %d: the message does not carry its identity", m.Repeat)
		}
		seen[id] = true
	}
	second := minute()
	second.Sent.Precision = argus.Second
	first, _ := p.identity(second, "")
	if again, _ := p.identity(second, ""); again != first {
		t.Error("where a message may stand twice, two equal ones in one second are one")
	}
	p = newRepeats(all.Formats(), "irc/2")
	first, _ = p.identity(second, "")
	if again, _ := p.identity(second, ""); again == first || second.Repeat != 1 {
		t.Error("in a log, two equal messages in one second are two")
	}
}

// TestRepeatsWithinASecond: if a source states fractions of a second, equal messages at two
// moments are two, and those at one moment are one; each receiver and each device is counted
// separately.
func TestRepeatsWithinASecond(t *testing.T) {
	p := newRepeats(all.Formats(), "jsonl/2")
	for _, step := range []struct {
		micros     int64
		to, device string
		want       uint32
	}{
		{100_000, "b", "", 0}, {900_000, "b", "", 1}, {100_000, "b", "", 0}, {500_000, "b", "", 2}, {900_000, "b", "", 1},
		{200_000, "c", "", 0}, {950_000, "c", "", 1}, // a room's copies for another member
		{130_000, "b", "phone 2", 0}, {930_000, "b", "phone 2", 1},
	} {
		m := &argus.Message{Service: "irc", From: "a", To: []string{step.to}, Text: "ok", Sent: argus.Time{Micros: 60e6 + step.micros, Precision: argus.Milli}}
		if p.identity(m, step.device); m.Repeat != step.want {
			t.Errorf("%+v: repeat %d", step, m.Repeat)
		}
	}
	stated := &argus.Message{Service: "irc", From: "a", Text: "ok", Repeat: 7, Sent: argus.Time{Micros: 60e6, Precision: argus.Minute}}
	for range 2 {
		if p.identity(stated, ""); stated.Repeat != 7 {
			t.Errorf("a stated repeat became %d", stated.Repeat)
		}
	}
}

// TestRepeatsAreBounded: the memory for repeats is bounded, and does not grow with equal
// messages.
func TestRepeatsAreBounded(t *testing.T) {
	p := newRepeats(all.Formats(), "irc/3")
	for n := range 3 * repeatsKept {
		p.identity(&argus.Message{Service: "irc", From: "a", Text: "ok", Sent: argus.Time{Micros: int64(n%(2*repeatsKept)) * 1e6, Precision: argus.Second}}, "")
	}
	if len(p.now)+len(p.old) > 2*repeatsKept {
		t.Errorf("%d and %d are remembered", len(p.now), len(p.old))
	}
}

// TestIdentityIsIndependentOfContainerAndOrder: the same messages have the same
// identity in any file, archive or order, and however often they come.
func TestIdentityIsIndependentOfContainerAndOrder(t *testing.T) {
	var lines, minutes []string
	for n := range 30 {
		lines = append(lines, line(n, fmt.Sprintf("message %d", n)))
		minutes = append(minutes, fmt.Sprintf("14/02/2021, 12:%02d - Ali: ok\n", n/4)) // four equal ones a minute
	}
	minutes = append(minutes, "28/02/2021, 12:00 - Ali: day first\n")
	reversed := slices.Clone(lines)
	slices.Reverse(reversed)
	chat := strings.Join(minutes, "")
	ids := func(t *testing.T, deliveries ...string) []string {
		b := newBench(t)
		for _, d := range deliveries {
			b.ingest(t, d)
		}
		var ids []string
		for r, err := range b.o.Store.From(t.Context(), 1) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Kind == argus.KindMessage {
				ids = append(ids, r.ID.String())
			}
		}
		slices.Sort(ids)
		return ids
	}
	const name = "WhatsApp Chat with Ali"
	whole := t.TempDir()
	write(t, whole, "a.jsonl", strings.Join(lines, ""))
	write(t, whole, name+".txt", chat)
	packed := t.TempDir()
	write(t, packed, "x.zip", zipped(t, "1.jsonl", strings.Join(reversed[20:], ""), "deep/2.jsonl", strings.Join(reversed[:20], "")))
	write(t, packed, name+".zip", zipped(t, "_chat.txt", chat))
	part := write(t, t.TempDir(), "part.jsonl", strings.Join(lines[5:25], ""))
	earlier := write(t, t.TempDir(), name+".txt", strings.Join(minutes[:16], "")+minutes[30])

	want := ids(t, whole)
	if len(want) != 61 {
		t.Fatalf("%d messages, want 61", len(want))
	}
	for name, deliveries := range map[string][]string{
		"packed, reversed":          {packed},
		"twice":                     {whole, packed},
		"a part first":              {part, whole},
		"an earlier export first":   {earlier, packed, whole},
		"an earlier export at last": {whole, earlier, part},
	} {
		if diff := cmp.Diff(want, ids(t, deliveries...)); diff != "" {
			t.Errorf("%s: the messages differ:\n%s", name, diff)
		}
	}
}

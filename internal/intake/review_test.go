package intake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
)

// interrupt ingests and stops after a number of batches.
func (b *bench) interrupt(t *testing.T, path string, batches int) {
	t.Helper()
	n := 0
	stop := errors.New("stop here")
	b.o.Pace = func(context.Context) error {
		if n++; n > batches {
			return stop
		}
		return nil
	}
	if _, err := Ingest(t.Context(), b.o, path); !errors.Is(err, stop) {
		t.Fatalf("not interrupted: %v", err)
	}
	b.o.Pace = nil
}

// TestResumeKeepsReadingOptions: a resumed delivery is read with the options with which it
// was begun.
func TestResumeKeepsReadingOptions(t *testing.T) {
	b := newBench(t)
	b.o.BatchRecords = 1
	source := write(t, t.TempDir(), "chat.txt", "14/02/2021, 12:03 - Ali: one\n14/02/2021, 12:04 - Ali: two\n15/02/2021, 12:05 - Zoë: three\n")
	plain := b.o
	b.o.Format, b.o.ReadingNames = "whatsapp-text", []argus.Field{{Name: "timezone", Value: "America/New_York"}}
	if b.o.KnownFormat() != nil {
		b.o.Format = ""
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skipf("this machine knows no time zones: %v", err)
	}
	b.o.Reading.Zone = zone
	b.interrupt(t, source, 1)
	plain.BatchRecords = 1
	if _, err := Resume(t.Context(), plain); err != nil {
		t.Fatal(err)
	}
	for r, err := range b.o.Store.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == argus.KindMessage && (r.Message.Sent.Zone != argus.ZoneOperator || r.Message.Sent.UTC().Hour() != 17) {
			t.Errorf("%q was read as sent %s, zone %s", r.Message.Text, r.Message.Sent, r.Message.Sent.Zone)
		}
	}
}

// TestResumeWithEqualPaths: two files in an archive may have the same name. An interruption
// loses nothing from either.
func TestResumeWithEqualPaths(t *testing.T) {
	content := func(from int) string {
		var s strings.Builder
		for n := from; n < from+10; n++ {
			s.WriteString(line(n, fmt.Sprint("message ", n)))
		}
		return s.String()
	}
	packed := write(t, t.TempDir(), "a.zip", zipped(t, "chat.jsonl", content(0), "chat.jsonl", content(100), "chat.jsonl", content(200)))
	folder := t.TempDir()
	for i, name := range []string{"caf\xe8.jsonl", "caf\xe9.jsonl", "caf\xea.jsonl"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content(100*i)), 0o600); err != nil {
			t.Skipf("no such names on this file system: %v", err)
		}
	}
	for _, source := range []string{packed, folder} {
		for stopAfter := range 9 {
			b := newBench(t)
			b.o.BatchRecords = 3
			b.interrupt(t, source, stopAfter)
			if r := b.ingest(t, source); r.Counts.Stored != 30 || r.Counts.Read != 30 {
				t.Errorf("%s, interrupted after %d batches: %+v, want 30", filepath.Base(source), stopAfter, r.Counts)
			}
		}
	}
	// The interruption happens while files are being kept, before any is read.
	b := newBench(t)
	in := 0
	b.o.Progress = func(p Progress) {
		if p.Phase == "keeping" && p.Bytes > 0 {
			if in++; in == 1 {
				panic(errors.New("killed"))
			}
		}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = Ingest(t.Context(), b.o, folder)
	}()
	b.o.Progress = nil
	if r := b.ingest(t, folder); r.Counts.Stored != 30 || len(r.Files) != 3 {
		t.Errorf("interrupted while keeping: %d files, %+v, want 3 and 30", len(r.Files), r.Counts)
	}
}

// TestLargeMessages: messages that are too large, alone or together, stop nothing and
// break nothing.
func TestLargeMessages(t *testing.T) {
	long := strings.Repeat("x", 15<<20)
	titled := func(n int) string {
		return strings.Replace(line(n, "x"), `"conversation"`, `"title":"`+long+`","conversation"`, 1)
	}
	b := newBench(t)
	source := write(t, t.TempDir(), "a.jsonl", line(0, "one")+titled(1)+titled(2)+titled(3)+titled(4)+titled(5)+line(6, "two"))
	if r := b.ingest(t, source); r.Counts.Stored != 7 {
		t.Errorf("large titles: %+v", r.Counts)
	}
	// Windows-1252 text grows: a euro sign has one byte there and three in UTF-8.
	euros := strings.Repeat("\x80", 12<<20)
	source = write(t, t.TempDir(), "chat.txt", "14/02/2021, 12:03 - Ali: one\n14/02/2021, 12:03 - Ali: "+euros+"\n15/02/2021, 12:04 - Zoe: two\n")
	if r := b.ingest(t, source); r.Counts.Read != 3 || r.Counts.Stored < 2 {
		t.Errorf("euro signs: %+v %+v", r.Counts, r.Files)
	}
	for _, err := range b.o.Store.Records(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSourceThatIsNotUTF8(t *testing.T) {
	b := newBench(t)
	source := filepath.Join(t.TempDir(), "caf\xe9.jsonl")
	if err := os.WriteFile(source, []byte(line(1, "one")), 0o600); err != nil {
		t.Skipf("this file system takes UTF-8 names only: %v", err)
	}
	if _, err := Ingest(t.Context(), b.o, source); err == nil || !strings.Contains(err.Error(), "not valid UTF-8") {
		t.Errorf("%v", err)
	}
	if b.o.Store.Last() != 0 {
		t.Error("a delivery was begun that cannot be read again")
	}
	if r := b.ingest(t, filepath.Dir(source)); r.Counts.Stored != 1 {
		t.Errorf("from the folder above: %+v", r.Counts)
	}
}

func TestFolderNamedByALink(t *testing.T) {
	b := newBench(t)
	folder := t.TempDir()
	write(t, folder, "a.jsonl", line(1, "one"))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Skipf("this file system has no links: %v", err)
	}
	if r := b.ingest(t, link); r.Counts.Stored != 1 {
		t.Errorf("%+v", r.Counts)
	}
}

// TestResumeRefusesOtherFiles: files that replaced those of an interrupted delivery are
// refused.
func TestResumeRefusesOtherFiles(t *testing.T) {
	b := newBench(t)
	b.o.BatchRecords = 1
	source := write(t, t.TempDir(), "a.jsonl", line(1, "one")+line(2, "two")+line(3, "three"))
	b.interrupt(t, source, 1)
	if err := os.WriteFile(source, []byte(line(7, "of somebody else")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(t.Context(), b.o); !errors.Is(err, ErrOtherFiles) {
		t.Errorf("%v, want ErrOtherFiles", err)
	}
	if _, err := Abandon(t.Context(), b.o, "the files are gone"); err != nil {
		t.Error(err)
	}
}

package world

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// tree reads all files under a folder.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(os.DirFS(dir), name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDeliveriesAreTheSameForASeed(t *testing.T) {
	o := Presets["demo"]
	o.Seed, o.Messages, o.Feed = 7, 3000, 5
	dir := filepath.Join(t.TempDir(), "case")
	for range 2 { // the second time over the first files
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := Write(t.Context(), dir, o); err != nil {
			t.Fatal(err)
		}
	}
	first := tree(t, dir)
	other := filepath.Join(t.TempDir(), "case")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), other, o); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, tree(t, other)); diff != "" {
		t.Errorf("the same seed wrote different bytes (-first +second):\n%s", diff)
	}
	for _, file := range []string{dir, other} {
		if info, err := os.Stat(file + ".truth.jsonl"); err != nil || info.Size() < 10_000 {
			t.Errorf("the truth beside %s: %v, %v", file, info, err)
		}
	}
}

// Every delivery is read by the reader for which it was made; the only errors in it are the
// intended ones; and copies of a message are the same message.
func TestDeliveriesAreRead(t *testing.T) {
	for _, service := range []string{"sky", "encrochat"} {
		t.Run(service, func(t *testing.T) {
			o := Presets["demo"]
			o.Seed, o.Messages, o.Service = 2, 6000, service
			testDeliveries(t, o)
		})
	}
}

func testDeliveries(t *testing.T, o Options) {
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var truth bytes.Buffer
	if err := w.WriteDeliveries(t.Context(), dir, &truth); err != nil {
		t.Fatal(err)
	}
	type account struct{ messages, problems, locked, deleted int }
	got := map[string]*account{}
	ids := map[string]map[argus.ID]bool{}
	var readers []string
	for _, name := range Deliveries {
		got[name], ids[name] = &account{}, map[argus.ID]bool{}
	}
	for name, text := range tree(t, dir) {
		delivery, _, _ := strings.Cut(name, "/")
		file := strings.NewReader(text)
		sample, err := reader.NewSample(name, file, file.Size())
		if err != nil {
			t.Fatal(err)
		}
		format, _ := all.Formats().Detect(sample)
		if format == nil {
			readers = append(readers, "none")
			continue
		}
		readers = append(readers, format.Name)
		for item, err := range format.Read(t.Context(), reader.Input{Name: name, Size: file.Size(), File: file}) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if item.Message == nil {
				got[delivery].problems++
				continue
			}
			got[delivery].messages++
			if item.Message.State&argus.StateLocked != 0 {
				got[delivery].locked++
			}
			if item.Message.State&argus.StateDeleted != 0 {
				got[delivery].deleted++
			}
			id, _ := item.Message.Identity()
			ids[delivery][id] = true
		}
	}
	for _, want := range []string{"jsonl", "whatsapp", "jabber", "irc", "sheet", "ufdr", "none"} {
		if !strings.Contains(strings.Join(readers, " "), want) && (o.Service == "sky" || want != "jsonl") {
			t.Errorf("no file is read as %s", want)
		}
	}
	problems := map[string]int{"jabber-server": 1, "sheet-from-abroad": 2, "usb-stick": 2}
	archive := "server-archive"
	for name, a := range got {
		if a.problems != problems[name] && (o.Service == "sky" || name != "usb-stick") {
			t.Errorf("%s has %d problems, want %d", name, a.problems, problems[name])
		}
		if sky := name == "server-archive" || name == "live-feed" || name == "usb-stick"; a.messages == 0 && (o.Service == "sky" || !sky) {
			t.Errorf("%s has no message", name)
		}
	}
	if o.Service == "encrochat" {
		archive = "encrochat-sheets"
	}
	if a := got[archive]; a.locked < a.messages/5 || a.locked > a.messages/2 {
		t.Errorf("of %d messages of the archive %d are locked, want about a third", a.messages, a.locked)
	}
	if got["phone-of-wielen"].deleted == 0 {
		t.Error("no deleted message was recovered")
	}
	for _, name := range []string{"live-feed", "sheet-from-abroad", "phone-of-tilde", "phone-of-wielen"} {
		strange := 0
		for id := range ids[name] {
			if !ids[archive][id] {
				strange++
			}
		}
		// The archive lacks three days, and the sheet has one message that no other delivery
		// has.
		if lacking := len(ids[name]) / 6; strange > lacking+1 {
			t.Errorf("%d of %d messages of %s are not in %s", strange, len(ids[name]), name, archive)
		}
	}
	for line := range bytes.Lines(truth.Bytes()) {
		if !json.Valid(line) {
			t.Fatalf("the truth has the line %s", line)
		}
	}
}

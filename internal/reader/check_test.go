package reader

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
)

var update = flag.Bool("update", false, "write the golden files anew")

// input makes an Input of bytes.
func input(name string, content []byte, o Options) Input {
	return Input{Name: name, Size: int64(len(content)), File: bytes.NewReader(content), Options: o}
}

// readAll returns what a format finds in an input.
func readAll(t testing.TB, f *Format, in Input) []Item {
	t.Helper()
	var items []Item
	for item, err := range f.Read(t.Context(), in) {
		if err != nil {
			t.Fatalf("%s reads %s: %v", f, in.Name, err)
		}
		items = append(items, item)
	}
	return items
}

// checkReader reads an input twice and checks what every reader promises:
// the same items each time, each a valid message or a problem with a reason,
// at places inside the file that rise and do not overlap.
func checkReader(t testing.TB, f *Format, in Input) []Item {
	t.Helper()
	items := readAll(t, f, in)
	if again := readAll(t, f, in); !reflect.DeepEqual(items, again) {
		t.Fatalf("%s read twice differs (-first +second):\n%s", f, cmp.Diff(items, again))
	}
	var end int64
	for i, item := range items {
		switch {
		case item.Message == nil && item.Problem == "" && item.Stated == nil:
			t.Fatalf("item %d is neither message nor problem", i)
		case item.Message != nil && item.Problem != "":
			t.Fatalf("item %d is a message and has a problem: %s", i, item.Problem)
		case item.Message != nil:
			if err := item.Message.Valid(); err != nil {
				t.Fatalf("item %d: %v", i, err)
			}
			if f != jsonlFormat { // which says what its lines say
				checkType(t, item.Message)
			}
		case len(item.Raw) > argus.QuarantineRaw:
			t.Fatalf("item %d holds %d raw bytes", i, len(item.Raw))
		}
		w := item.Where
		if w.Record == 0 && w.Length > 0 || w.Offset < 0 || w.Length < 0 || w.Offset+w.Length > in.Size {
			t.Fatalf("item %d is at %+v, outside the file of %d bytes", i, w, in.Size)
		}
		if w.Length > 0 {
			if w.Offset < end {
				t.Fatalf("item %d begins at %d, before the end of the last at %d", i, w.Offset, end)
			}
			end = w.Offset + w.Length
		}
	}
	return items
}

// checkCovers checks, for a format of lines, that every line with something on
// it is in exactly one item.
func checkCovers(t testing.TB, in Input, items []Item) {
	t.Helper()
	lines := newLines(t.Context(), in.Reader(), in.maxRecord())
	for lines.next() {
		if len(bytes.TrimSpace(lines.Text)) == 0 && lines.Problem == "" {
			continue
		}
		for len(items) > 0 && items[0].Where.Offset+items[0].Where.Length <= lines.Offset {
			items = items[1:]
		}
		if len(items) == 0 || items[0].Where.Offset > lines.Offset ||
			lines.Offset+lines.Length > items[0].Where.Offset+items[0].Where.Length {
			t.Fatalf("line %d at %d is in no item: %.80q", lines.Number, lines.Offset, lines.Text)
		}
	}
}

// goldenItem is an item as golden files show it.
type goldenItem struct {
	Message *argus.Message `json:"message,omitempty"`
	Problem string         `json:"problem,omitempty"`
	Raw     string         `json:"raw,omitempty"`
	Stated  *argus.Stated  `json:"stated,omitempty"`
	Where   argus.Where    `json:"where"`
	Device  string         `json:"device,omitempty"`
}

// checkGolden compares items with a golden file, or writes it with -update.
func checkGolden(t *testing.T, path string, items []Item) {
	t.Helper()
	shown := []goldenItem{}
	for _, i := range items {
		shown = append(shown, goldenItem{i.Message, i.Problem, string(i.Raw), i.Stated, i.Where, i.Device})
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(shown); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// checkType checks that a message has the facts of its type, and the state of the
// service where nobody sent it.
func checkType(t testing.TB, m *argus.Message) {
	t.Helper()
	f := m.Facts
	if f == nil {
		f = &argus.Facts{}
	}
	without := map[argus.Type]bool{
		argus.TypeCall: f.Call == nil, argus.TypeContact: f.Contact == nil, argus.TypeRoom: f.Room == nil, argus.TypeMembership: f.Membership == nil,
		argus.TypeReaction: f.Reaction == nil, argus.TypeLocation: f.Location == nil, argus.TypeDevice: f.Device == nil, argus.TypePoll: f.Poll == nil,
	}
	if without[m.Type] {
		t.Errorf("a %s has no facts of its own: %q", m.Type, m.Text)
	}
	if _, has := without[m.Type]; has && m.Text == "" {
		t.Errorf("a %s has no readable line", m.Type)
	}
	if system := m.State&argus.StateSystem != 0; system != (m.From == "") && (m.Type.IsTurn() || m.Type == argus.TypeReaction) {
		t.Errorf("a %s from %q: of the service %v", m.Type, m.From, system)
	}
}

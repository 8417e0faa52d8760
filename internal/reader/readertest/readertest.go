// Package readertest checks the promises of every reader, for the tests of the formats.
package readertest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Update is set if golden files are to be written instead of compared.
var Update = flag.Bool("update", false, "write the golden files anew")

// Input makes an Input from bytes.
func Input(name string, content []byte, o reader.Options) reader.Input {
	return reader.Input{Name: name, Size: int64(len(content)), File: bytes.NewReader(content), Options: o}
}

// ReadAll returns the items that a format finds in an input.
func ReadAll(t testing.TB, f *reader.Format, in reader.Input) []reader.Item {
	t.Helper()
	var items []reader.Item
	for item, err := range f.Items(t.Context(), in) {
		if err != nil {
			t.Fatalf("%s reads %s: %v", f, in.Name, err)
		}
		items = append(items, item)
	}
	return items
}

// Check reads an input twice and checks the promises of every reader: the same items
// each time, each a valid message or a problem with a reason, at places inside the file that
// are in order and do not overlap.
func Check(t testing.TB, f *reader.Format, in reader.Input) []reader.Item {
	t.Helper()
	items := ReadAll(t, f, in)
	if again := ReadAll(t, f, in); !reflect.DeepEqual(items, again) {
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
			if f.Name != "jsonl" { // its lines decide
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

// CheckCovers checks, for a format of lines, that every line that is not blank is in
// exactly one item.
func CheckCovers(t testing.TB, in reader.Input, items []reader.Item) {
	t.Helper()
	lines := textdoc.NewLines(t.Context(), in.Reader(), in.RecordLimit())
	for lines.Next() {
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

// CheckGolden compares items with a golden file, or writes it with -update.
func CheckGolden(t *testing.T, path string, items []reader.Item) {
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
	if *Update {
		if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
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

// checkType checks that a message has the facts of its type, and that it has the state of
// the service if nobody sent it.
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

// SameIdentities checks that two files give the same n messages.
func SameIdentities(t *testing.T, n int, formatA *reader.Format, a string, formatB *reader.Format, b string) {
	t.Helper()
	identities := func(format *reader.Format, file string) (ids []argus.ID) {
		for _, item := range Check(t, format, Input("f", []byte(file), reader.Options{})) {
			id, _ := item.Message.Identity()
			ids = append(ids, id)
		}
		return ids
	}
	if inA, inB := identities(formatA, a), identities(formatB, b); len(inA) != n || !slices.Equal(inA, inB) {
		t.Errorf("the identities differ:\n%v\n%v", inA, inB)
	}
}

// BenchSaid is the text of the messages that benchmarks read.
const BenchSaid = "Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet."

// SayFacts formats the facts of a message.
func SayFacts(t testing.TB, m *argus.Message) string {
	t.Helper()
	facts := []byte{}
	if m.Facts != nil {
		var err error
		if facts, err = json.Marshal(m.Facts); err != nil {
			t.Fatal(err)
		}
	}
	return m.Type.String() + " " + string(facts) + " " + m.Text
}

// Broken changes a good file and cuts it off; each five bytes of changes hold an offset and
// the change at that offset. Files of blocks, tables and checksums are too large for the
// fuzzer and rarely survive its changes, so it invents only the changes.
func Broken(good, changes []byte, kept uint16) []byte {
	file := bytes.Clone(good)
	for ; len(changes) >= 5; changes = changes[5:] {
		file[int(binary.LittleEndian.Uint32(changes))%len(file)] ^= changes[4]
	}
	return file[:len(file)*(int(kept)+1)/(1<<16)]
}

// Repeated is a file that repeats a piece without holding it, and fails at a given
// place.
type Repeated struct {
	Piece      []byte
	Size, Fail int64
}

// ReadAt implements io.ReaderAt. It fails from that place on.
func (r Repeated) ReadAt(b []byte, at int64) (n int, err error) {
	if r.Fail > 0 && at+int64(len(b)) > r.Fail {
		return 0, errors.New("the disk is gone")
	}
	for n < len(b) && at+int64(n) < r.Size {
		n += copy(b[n:], r.Piece[(at+int64(n))%int64(len(r.Piece)):])
	}
	n = min(n, int(max(0, r.Size-at)))
	if n < len(b) {
		err = io.EOF
	}
	return n, err
}

// Saying returns the message in a file that has the given text.
func Saying(t testing.TB, f *reader.Format, in reader.Input, text string) *argus.Message {
	t.Helper()
	for _, item := range Check(t, f, in) {
		if item.Message != nil && item.Message.Text == text {
			return item.Message
		}
	}
	t.Fatalf("nobody says %q in %s", text, in.Name)
	return nil
}

// PackRTF compresses RTF without any references except the final one.
func PackRTF(rtf string) []byte {
	const begin = 207 // bytes that the window holds before anything is written
	packed := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(rtf)))
	packed = append(packed, "LZFu\x00\x00\x00\x00"...)
	for at := 0; at <= len(rtf); at += 8 {
		piece := rtf[at:min(at+8, len(rtf))]
		if len(piece) == 8 {
			packed = append(append(packed, 0), piece...)
			continue
		}
		packed = append(append(packed, 1<<len(piece)), piece...)
		packed = binary.BigEndian.AppendUint16(packed, uint16((begin+len(rtf))%4096<<4))
	}
	return packed
}

// Benchmark reads a file over and over and reports how much of it one core reads per
// second, garbage collection included.
func Benchmark(b *testing.B, format *reader.Format, file []byte, messages int) {
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	in := Input("WhatsApp Chat with 2019-01-20.txt", file, reader.Options{})
	begun := CPUTime()
	for b.Loop() {
		n := 0
		for item, err := range format.Items(b.Context(), in) {
			if err != nil || item.Message == nil {
				b.Fatal(err, item.Problem)
			}
			n++
		}
		if n != messages {
			b.Fatalf("%d messages", n)
		}
	}
	if used := (CPUTime() - begun).Seconds(); used > 0 {
		b.ReportMetric(float64(in.Size)*float64(b.N)/1e6/used, "MB/cpu-s")
		b.ReportMetric(float64(messages)*float64(b.N)/used, "messages/cpu-s")
	}
}

// LineOf formats an item as a line: time, sender, text, state and attachments, or the
// problem.
func LineOf(item reader.Item) string {
	m := item.Message
	if m == nil {
		return "problem: " + item.Problem
	}
	var line strings.Builder
	line.WriteString(fmt.Sprintf("%s %s: %s", m.Sent, m.From, m.Text))
	for state, word := range map[argus.State]string{argus.StateSystem: " system", argus.StateDeleted: " deleted"} {
		if m.State == state {
			line.WriteString(word)
		}
	}
	for _, a := range m.Attachments {
		line.WriteString(" +" + a.Name + a.Type)
	}
	for _, x := range m.Extra {
		if x.Name == argus.ExtraAssumed || x.Name == argus.ExtraUnread {
			line.WriteString(" [" + x.Value + "]")
		}
	}
	return line.String()
}

// Shared finds data that is not part of the project, or skips the test.
func Shared(t testing.TB, elem ...string) []string {
	t.Helper()
	top := ".."
	for range 8 {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			break
		}
		top = filepath.Join(top, "..")
	}
	files, err := filepath.Glob(filepath.Join(append([]string{top, "..", "shared", "data"}, elem...)...))
	if err != nil || len(files) == 0 {
		t.Skipf("the shared data is not here: no %s", filepath.Join(elem...))
	}
	return files
}

// ReadFile returns the content of a file that must exist.
func ReadFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// CheckExamples reads every example of a format and compares its items with the golden
// file beside it.
func CheckExamples(t *testing.T, formats reader.Formats, f *reader.Format, o reader.Options) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", f.Name, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples of %s: %v", f.Name, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			content := ReadFile(t, file)
			in := Input(filepath.Base(file), content, o)
			items := Check(t, f, in)
			CheckCovers(t, in, items)
			CheckGolden(t, strings.TrimSuffix(file, "txt")+"golden.json", items)
			sample, err := reader.NewSample(in.Name, in.File, in.Size)
			if err != nil {
				t.Fatal(err)
			}
			if found, sure := formats.Detect(sample); found != f {
				t.Errorf("detected as %v (%d)", found, sure)
			}
		})
	}
}

// AddExamples seeds a fuzz target with the examples of a format.
func AddExamples(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no examples at %s: %v", pattern, err)
	}
	for _, file := range files {
		f.Add(ReadFile(f, file))
	}
}

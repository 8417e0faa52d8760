package textdoc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

// stored16 encodes text as UTF-16.
func stored16(order binary.AppendByteOrder, s string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, file string
		max        int
		want       []string // offset+length charset text, or the problem
	}{
		{"empty", "", 9, nil},
		{"no end", "a", 9, []string{"0+1 utf-8 a"}},
		{"ends", "a\nb\r\n\nc\rd\n", 9, []string{"0+2 utf-8 a", "2+3 utf-8 b", "5+1 utf-8 ", "6+4 utf-8 c\rd"}},
		{"old Mac ends", "a\rb\r", 9, []string{"0+2 utf-8 a", "2+2 utf-8 b"}},
		{"byte order mark", "\xEF\xBB\xBFa\n\xEF\xBB\xBFb", 9, []string{"0+5 utf-8 a", "5+4 utf-8 \uFEFFb"}},
		{"mixed encodings", "caf\xE9 \x80\x81\ncafé\n", 99, []string{"0+8 windows-1252 café €\u0081", "8+6 utf-8 café"}},
		{"NUL", "a\x00b\n\x00\n", 9, []string{"0+4 utf-8 a\x00b", "4+2 utf-8 \x00"}},
		{"UTF-16LE, mark", "\xFF\xFE" + stored16(binary.LittleEndian, "a\r\nĊ\n😀"), 99,
			[]string{"0+8 utf-16le a", "8+4 utf-16le Ċ", "12+4 utf-16le 😀"}},
		{"UTF-16BE, mark", "\xFE\xFF" + stored16(binary.BigEndian, "a\nऊ\u0A00\n"), 99,
			[]string{"0+6 utf-16be a", "6+6 utf-16be ऊ\u0A00"}},
		{"UTF-16LE, no mark", stored16(binary.LittleEndian, "hé: да 12\nb"), 99, []string{"0+20 utf-16le hé: да 12", "20+2 utf-16le b"}},
		{"UTF-16BE, no mark", stored16(binary.BigEndian, "hé 12\nb"), 99, []string{"0+12 utf-16be hé 12", "12+2 utf-16be b"}},
		{"half a pair", "\xFF\xFE\x3D\xD8a\x00\n\x00b", 99, []string{"0+8 utf-16le \uFFFDa", "8+1 utf-16le \uFFFD"}},
		{"too long", "abcdefgh\nabcd\nabcde\nx", 5, []string{
			"0+9 the line is longer than 5 bytes, the longest record that is read: abcde",
			"9+5 utf-8 abcd",
			"14+6 the line is longer than 5 bytes, the longest record that is read: abcde",
			"20+1 utf-8 x"}},
		{"too long at the end", "abcdefgh", 5, []string{"0+8 the line is longer than 5 bytes, the longest record that is read: abcde"}},
		{"too long in UTF-16", "\xFF\xFE" + stored16(binary.LittleEndian, strings.Repeat("Ċ", 9)+"\nb"), 6, []string{
			"0+22 the line is longer than 6 bytes, the longest record that is read: \xFF\xFE" + stored16(binary.LittleEndian, "ĊĊ"),
			"22+2 utf-16le b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, shownLines(t, strings.NewReader(c.file), c.max)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func shownLines(t *testing.T, r io.Reader, limit int) (shown []string) {
	lines := NewLines(t.Context(), r, limit)
	for n := uint64(1); lines.Next(); n++ {
		what := fmt.Sprintf("%s %s", lines.Charset, lines.Text)
		if lines.Problem != "" {
			what = fmt.Sprintf("%s: %s", lines.Problem, lines.Raw)
		}
		shown = append(shown, fmt.Sprintf("%d+%d %s", lines.Offset, lines.Length, what))
		if lines.Number != n {
			t.Errorf("line %d has number %d", n, lines.Number)
		}
	}
	if lines.Err != nil {
		t.Error(lines.Err)
	}
	return shown
}

// bigLine is a file of one long line and a short one, which is never held in memory.
func bigLine(size int64) io.Reader {
	return io.MultiReader(io.LimitReader(letters{}, size), strings.NewReader("\nshort\n"))
}

type letters struct{}

func (letters) Read(b []byte) (int, error) { return copy(b, manyLetters), nil }

var manyLetters = strings.Repeat("x", 256<<10)

func TestLinesHoldOneRecord(t *testing.T) {
	const size, limit = 1 << 30, 1 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	lines := NewLines(t.Context(), bigLine(size), limit)
	if !lines.Next() || lines.Problem == "" || lines.Length != size+1 || len(lines.Raw) != 1024 {
		t.Fatalf("long line: %q, %d bytes, %d raw", lines.Problem, lines.Length, len(lines.Raw))
	}
	if !lines.Next() || string(lines.Text) != "short" || lines.Offset != size+1 {
		t.Fatalf("line behind it: %q at %d", lines.Text, lines.Offset)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*limit {
		t.Errorf("allocated %d bytes for a limit of %d", used, limit)
	}
}

func TestLinesErrors(t *testing.T) {
	broken := NewLines(t.Context(), io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(io.ErrClosedPipe)), 99)
	for broken.Next() {
	}
	if !errors.Is(broken.Err, io.ErrClosedPipe) {
		t.Errorf("error of a broken file: %v", broken.Err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cancelled := NewLines(ctx, letters{}, 99)
	if cancelled.Next() || !errors.Is(cancelled.Err, context.Canceled) {
		t.Errorf("error of a cancelled context: %v", cancelled.Err)
	}
}

func TestSampleText(t *testing.T) {
	for _, c := range []struct{ name, head, want string }{
		{"empty", "", ""},
		{"cut in a rune", "a\nb\xE2\x82", "a\nb\n"},
		{"UTF-16", "\xFF\xFEa\x00\r\x00\n\x00b\x00", "a\nb\n"},
		{"a NUL in text", "abc\x00def\n", "abc\x00def\n"},
		{"picture", "\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x01\x01\x00\x48\x00\x48\x00\x00", ""},
		{"hole", strings.Repeat("\x00", 99), ""},
	} {
		if got := string(SampleText([]byte(c.head))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzLines checks that the lines cover any file without gaps, no matter in which pieces it
// is read, and that a low limit only turns lines into problems.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\r\n\xE9\n"), 3)
	f.Add([]byte("\xFF\xFEa\x00\n\x00"), 2)
	f.Add([]byte("\x00a\x00\n\x00b"), 9)
	f.Add([]byte("a\rb\r"), 1)
	f.Fuzz(func(t *testing.T, file []byte, limit int) {
		limit = 1 + (limit&0xFF+256)%256
		whole := shownLines(t, bytes.NewReader(file), limit)
		if diff := cmp.Diff(whole, shownLines(t, iotest.OneByteReader(bytes.NewReader(file)), limit)); diff != "" {
			t.Errorf("read byte by byte (-at once +by byte):\n%s", diff)
		}
		lines := NewLines(t.Context(), bytes.NewReader(file), limit)
		var end int64
		for lines.Next() {
			if lines.Offset != end || lines.Length < 1 {
				t.Fatalf("line %d at %d+%d behind %d", lines.Number, lines.Offset, lines.Length, end)
			}
			end += lines.Length
		}
		if end != int64(len(file)) {
			t.Errorf("lines end at %d of %d", end, len(file))
		}
		SampleText(file)
	})
}

func BenchmarkLines(b *testing.B) {
	file := []byte(strings.Repeat("[09:14] <alice> a line of ordinary length, as people write them in a channel\n", 100_000))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		lines := NewLines(b.Context(), bytes.NewReader(file), 16<<20)
		for lines.Next() {
		}
	}
}

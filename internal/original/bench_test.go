package original

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/argus-evidence/argus/internal/world"
)

// corpus is invented chats in JSON lines.
func corpus(b *testing.B) ([]byte, int) {
	b.Helper()
	const messages = 100_000
	var text bytes.Buffer
	if err := world.Bench(&text, 1, messages); err != nil {
		b.Fatal(err)
	}
	return text.Bytes(), messages
}

func BenchmarkPut(b *testing.B) {
	content, messages := corpus(b)
	b.SetBytes(int64(len(content)))
	var s *Store
	var kept Kept
	for b.Loop() {
		b.StopTimer()
		s = newTest(b, Options{})
		b.StartTimer()
		kept = put(b, s, content)
	}
	stored := int64(0)
	for _, file := range []string{DataFile(kept.Name), TableFile(kept.Name)} {
		info, err := os.Stat(s.path(file))
		if err != nil {
			b.Fatal(err)
		}
		stored += info.Size()
	}
	b.ReportMetric(float64(len(content))/float64(messages), "plain-B/message")
	b.ReportMetric(float64(stored)/float64(messages), "stored-B/message")
}

func BenchmarkRead(b *testing.B) {
	content, _ := corpus(b)
	s := newTest(b, Options{})
	kept := put(b, s, content)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		f := open(b, s, kept.Name)
		if n, err := io.Copy(io.Discard, io.NewSectionReader(f, 0, f.Size())); err != nil || n != f.Size() {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	content, _ := corpus(b)
	s := newTest(b, Options{})
	kept := put(b, s, content)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, found := verify(b, s, kept.Name); len(found) > 0 {
			b.Fatal(found)
		}
	}
}

// BenchmarkPutSmall keeps many small files, making each one durable.
func BenchmarkPutSmall(b *testing.B) {
	s := newTest(b, Options{})
	n := 0
	for b.Loop() {
		n++
		put(b, s, fmt.Appendf(nil, "the content of file %d", n))
	}
}

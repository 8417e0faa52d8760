package world

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

func TestBench(t *testing.T) {
	var first, second bytes.Buffer
	for _, w := range []io.Writer{&first, &second} {
		if err := Bench(w, 5, 20_000); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same seed wrote different bytes")
	}
	ids, accounts, words, n := map[argus.ID]bool{}, map[string]bool{}, 0, 0
	for line := range bytes.Lines(first.Bytes()) {
		var m argus.Message
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if err := m.Valid(); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if want := argus.DirectConversation(m.From, m.To[0]); m.Conversation != want {
			t.Fatalf("conversation %s, want %s", m.Conversation, want)
		}
		id, _ := m.Identity()
		ids[id], accounts[m.From] = true, true
		words += len(strings.Fields(m.Text))
		n++
	}
	if n != 20_000 || len(ids) != n {
		t.Errorf("%d lines with %d identities, want 20000", n, len(ids))
	}
	if mean := float64(words) / float64(n); mean < 10 || mean > 12 {
		t.Errorf("%.1f words a message, want about 11", mean)
	}
	if len(accounts) < 5000 {
		t.Errorf("%d accounts speak", len(accounts))
	}
}

func BenchmarkBench(b *testing.B) {
	const lines = 100_000
	for b.Loop() {
		if err := Bench(io.Discard, 1, lines); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
}

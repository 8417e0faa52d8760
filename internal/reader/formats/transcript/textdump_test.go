package transcript

import (
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestDumpMeetsLog reads a chat that was handed over twice, as text and as JSON.
func TestDumpMeetsLog(t *testing.T) {
	readertest.SameIdentities(t, 1, Textdump, "2020-07-22T12:33:03 Bram@jabber.test/phone -> cas@jabber.test\ntien uur\n\n",
		Jabber, `{"ts":"2020-07-22T12:33:03.929363","from":"bram@jabber.test","to":"cas@jabber.test","body":"tien uur"}`)
}

func FuzzTextdump(f *testing.F) {
	f.Add([]byte("App: X\n[2021-02-14 12:03:11] @a:b: x\ny\n---\n[2021-02-14 12:03:12] @a:b: \n"))
	f.Add([]byte("2020-07-22T12:33:03 a@b -> c@d\nbody\n"))
	f.Add([]byte("[22.11.21 11:08:01] n:\tt\n"))
	f.Add([]byte("2021-02-14 12:03 | From: a | To: b | Message: c\n"))
	f.Add([]byte("[2021-02-14, 12:03] A: b\n"))
	f.Add([]byte("X found on device 1\nApp conversation about a containing 2 messages\n2021-02-14 12:03 | From: a | To: b | Message: c\n\nY found on device 2\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, Textdump, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 10}))
		Textdump.Detect(reader.Sample{Text: file})
	})
}

func BenchmarkTextdump(b *testing.B) {
	line := "[2021-02-14 12:03:11] @bram:chat.test: " + readertest.BenchSaid + "\n"
	readertest.Benchmark(b, Textdump, []byte(strings.Repeat(line, 10_000)), 10_000)
}

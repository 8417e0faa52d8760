package reader

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
)

// TestStreams reads files larger than what may be held of them.
func TestStreams(t *testing.T) {
	const size = 12 << 20
	const inMbox = "From a@x.test Sun Feb 14 12:03:11 2021\nFrom: a@x.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n\n"
	long := strings.Repeat("Morgen om tien uur bij de loods. ", 40)
	for _, c := range []struct {
		format *Format
		piece  string
	}{
		{smsbackupFormat, `<sms address="+31612345678" date="1613300591123" type="1" body="` + long + `"/>` + "\n"},
		{ufdrFormat, `<model type="InstantMessage"><modelField name="From"><model><field name="Identifier"><value>a</value></field></model></modelField><field name="Body"><value>` + long + `</value></field></model>` + "\n"},
		{mboxFormat, inMbox + long + "\n\n"},
		{emlFormat, "From: a@x.test\nContent-Type: application/octet-stream\n\n" + strings.Repeat("x", 1<<20)},
		{vcardFormat, "BEGIN:VCARD\nFN:a\nTEL:1\nNOTE:" + long + "\nEND:VCARD\n"},
	} {
		in := Input{Name: "f", Size: size, File: repeated{piece: []byte(c.piece), size: size}}
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n, most := 0, uint64(0)
		for _, err := range c.format.Read(t.Context(), in) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%2_000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
		if n == 0 || most > before.HeapAlloc+6<<20 {
			t.Errorf("%s: %d items, the heap grew from %d to %d", c.format, n, before.HeapAlloc, most)
		}
		in.File = repeated{piece: []byte(c.piece), size: size, fail: 3 << 20}
		failed := false
		for _, err := range c.format.Read(t.Context(), in) {
			failed = failed || err != nil
		}
		if !failed {
			t.Errorf("%s: a file that cannot be read further is no error", c.format)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		in.File = repeated{piece: []byte(c.piece), size: size}
		failed = false
		for _, err := range c.format.Read(ctx, in) {
			failed = errors.Is(err, context.Canceled)
		}
		if !failed {
			t.Errorf("%s: goes on though nobody waits", c.format)
		}
	}
}

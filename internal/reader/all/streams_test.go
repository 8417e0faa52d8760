package all

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/mail"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestStreams reads files larger than the allowed memory.
func TestStreams(t *testing.T) {
	const size = 12 << 20
	const inMbox = "From a@x.test Sun Feb 14 12:03:11 2021\nFrom: a@x.test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Disposition: attachment\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n\n"
	long := strings.Repeat("Morgen om tien uur bij de loods. ", 40)
	for _, c := range []struct {
		format *reader.Format
		piece  string
	}{
		{phone.SMSBackup, `<sms address="+31612345678" date="1613300591123" type="1" body="` + long + `"/>` + "\n"},
		{report.UFDR, `<model type="InstantMessage"><modelField name="From"><model><field name="Identifier"><value>a</value></field></model></modelField><field name="Body"><value>` + long + `</value></field></model>` + "\n"},
		{mail.Mbox, inMbox + long + "\n\n"},
		{mail.EML, "From: a@x.test\nContent-Type: application/octet-stream\n\n" + strings.Repeat("x", 1<<20)},
		{phone.VCard, "BEGIN:VCARD\nFN:a\nTEL:1\nNOTE:" + long + "\nEND:VCARD\n"},
	} {
		in := reader.Input{Name: "f", Size: size, File: readertest.Repeated{Piece: []byte(c.piece), Size: size}}
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
		in.File = readertest.Repeated{Piece: []byte(c.piece), Size: size, Fail: 3 << 20}
		failed := false
		for _, err := range c.format.Read(t.Context(), in) {
			failed = failed || err != nil
		}
		if !failed {
			t.Errorf("%s: a file that cannot be read further is no error", c.format)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		in.File = readertest.Repeated{Piece: []byte(c.piece), Size: size}
		failed = false
		for _, err := range c.format.Read(ctx, in) {
			failed = errors.Is(err, context.Canceled)
		}
		if !failed {
			t.Errorf("%s: goes on though nobody waits", c.format)
		}
	}
}

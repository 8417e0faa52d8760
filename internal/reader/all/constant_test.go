package all

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/mail"
	"github.com/argus-evidence/argus/internal/reader/formats/phone"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/formats/table"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// endless is a file of any size that is never held: a head, then records that differ
// only in the number at the place of each run of twelve #, then an end.
type endless struct {
	head, record, end string
	records           int64
	numbers           []int // the places of the numbers in a record
	made              []byte
}

const numberMark = "############"

// endlessOf returns a file of about the given size.
func endlessOf(head, record, end string, size int64) *endless {
	e := &endless{head: head, record: record, end: end, made: make([]byte, len(record))}
	e.records = max(1, (size-int64(len(head)+len(end)))/int64(len(record)))
	for at := 0; ; at += len(numberMark) {
		n := strings.Index(record[at:], numberMark)
		if n < 0 {
			return e
		}
		at += n
		e.numbers = append(e.numbers, at)
	}
}

func (e *endless) size() int64 {
	return int64(len(e.head)+len(e.end)) + e.records*int64(len(e.record))
}

// make returns the record with the given number, which is valid until the next call.
func (e *endless) make(k int64) []byte {
	copy(e.made, e.record)
	number := fmt.Appendf(nil, "%012d", k)
	for _, at := range e.numbers {
		copy(e.made[at:], number)
	}
	return e.made
}

// ReadAt must not be called concurrently.
func (e *endless) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) && at < e.size() {
		var copied int
		switch from := at - int64(len(e.head)); {
		case from < 0:
			copied = copy(b[n:], e.head[at:])
		case from < e.records*int64(len(e.record)):
			copied = copy(b[n:], e.make(from / int64(len(e.record)))[from%int64(len(e.record)):])
		default:
			copied = copy(b[n:], e.end[from-e.records*int64(len(e.record)):])
		}
		n, at = n+copied, at+int64(copied)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// constantBytes is the size of the files of TestConstantMemory: ARGUS_CONSTANT_BYTES,
// by default just enough to show the memory held.
func constantBytes(t *testing.T) int64 {
	size, err := strconv.ParseInt(os.Getenv("ARGUS_CONSTANT_BYTES"), 10, 64)
	if err != nil && os.Getenv("ARGUS_CONSTANT_BYTES") != "" {
		t.Fatal(err)
	}
	return max(size, 4<<20)
}

// TestConstantMemory reads files of any size, with new accounts, conversations and ids
// in each record, and checks that memory stays below a limit that does not depend on
// the size: a reader's own memory is bounded. Less than half of a small file may be held,
// not counting garbage: held as messages, the whole file would take several times its size.
func TestConstantMemory(t *testing.T) {
	const said = "Morgen om tien uur bij de loods, neem de papieren mee en zeg tegen niemand iets. De rest hoor je als je er bent, bel niet."
	size := constantBytes(t)
	limit := min(256<<20, size/2)
	every := min(size>>13, 10_000) // how many messages are between two measurements of the memory
	for _, c := range []struct {
		format            *reader.Format
		head, record, end string
	}{
		{chat.Slack, "[\n", `{"type":"message","user":"U############","text":"` + said + `","ts":"1613304191.000200","client_msg_id":"############"},` + "\n", `{"type":"message","user":"U1","text":"end","ts":"1613304191.000200"}]`},
		{chat.Facebook, `{"participants":[{"name":"A"},{"name":"B"}],"messages":[`, `{"sender_name":"A ############","timestamp_ms":1613304191123,"content":"` + said + `"},` + "\n", `{"sender_name":"A","timestamp_ms":1613304191123,"content":"end"}],"title":"T"}`},
		{chat.Telegram, `{"name":"N","type":"private_group","id":7,"messages":[`, `{"id":1############,"type":"message","date":"2021-02-14T12:03:11","date_unixtime":"1613304191","from":"A","from_id":"user############","text":"` + said + `"},` + "\n", `{"id":2,"type":"message","date":"2021-02-14T12:03:11","from":"A","text":"end"}]}`},
		{chat.RocketChat, "", `{"_id":"############","rid":"r############","msg":"` + said + `","ts":"2021-02-14T12:03:11.123Z","u":{"_id":"u############","username":"bram"}}` + "\n", ""},
		{report.JSONL, "", `{"service":"sky","conversation":"g-############","from":"############","id":"############","sent":"2021-02-14T12:03:11Z","text":"` + said + `"}` + "\n", ""},
		{phone.SMSBackup, "<smses>\n", `<sms address="+############" date="1613300591000" type="1" body="` + said + `" contact_name="n ############"/>` + "\n", "</smses>"},
		{report.UFDR, `<project xmlns="http://pa.cellebrite.com/report/2.0"><decodedData>`, `<model type="Chat" id="c############"><field name="Source"><value>WhatsApp</value></field><field name="Id"><value>############@g.us</value></field><multiModelField name="Messages"><model type="InstantMessage" id="m############"><modelField name="From"><model type="Party"><field name="Identifier"><value>############@s.whatsapp.net</value></field></model></modelField><field name="Body"><value>` + said + `</value></field><field name="TimeStamp"><value>2021-02-14T12:01:00Z</value></field></model></multiModelField></model>` + "\n", `</decodedData></project>`},
		{table.Sheet, "Sent,From,To,Chat,Message,Message ID\n", "2021-02-14 12:03:11,############,############,g-############,\"" + said + "\",############\n", ""},
		{transcript.WhatsApp, "", "20/01/2019, 11:23 - A ############: " + said + "\n", ""},
		{transcript.Textdump, "", "[2021-02-14 12:03:11] @u############:chat.test: " + said + "\n", ""},
		{transcript.IRC, "", "[2021-02-14 12:03:11] <n############> " + said + "\n", ""},
		{mail.Mbox, "", "From a@x.test Sun Feb 14 12:03:11 2021\nFrom: n############@x.test\nTo: b@x.test\nDate: Sun, 14 Feb 2021 12:03:11 +0100\nMessage-ID: <############@x.test>\nReferences: <r############@x.test>\n" +
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n" + said + "\n" +
			"--b\nContent-Type: image/jpeg; name=p.jpg\nContent-Transfer-Encoding: base64\n\n" + strings.Repeat("############"+strings.Repeat("Argus+77", 8)+"\n", 30) + "--b--\n\n", ""},
	} {
		t.Run(c.format.Name, func(t *testing.T) {
			file := endlessOf(c.head, c.record, c.end, size)
			in := reader.Input{Name: "WhatsApp Chat with f.txt", Size: file.size(), File: file}
			head := make([]byte, min(in.Size, reader.HeadSize))
			if _, err := file.ReadAt(head, 0); err != nil {
				t.Fatal(err)
			}
			if sample, err := reader.NewSample(in.Name, bytes.NewReader(head), int64(len(head))); err != nil || c.format.Detect(sample) == 0 {
				t.Fatalf("not detected: %v", err)
			}
			var before, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			begun := readertest.CPUTime()
			messages, most := int64(0), uint64(0)
			for item, err := range c.format.Read(t.Context(), in) {
				if err != nil || item.Message == nil {
					if err == nil && item.Where.Length > 0 {
						err = fmt.Errorf("record %d: %s", item.Where.Record, item.Problem)
					}
					if err != nil {
						t.Fatal(err)
					}
					continue
				}
				if messages++; messages%every == 0 {
					if size < 1<<30 {
						runtime.GC()
					}
					runtime.ReadMemStats(&now)
					most = max(most, now.HeapInuse)
				}
			}
			taken := int64(most) - int64(before.HeapInuse)
			if messages < file.records || taken > limit {
				t.Errorf("%d of %d messages, %d MiB taken for a file of %d MiB", messages, file.records, taken>>20, in.Size>>20)
			}
			t.Logf("%d MiB: %d messages, %d MiB taken, %.0f MB/cpu-s, making the file included", in.Size>>20, messages, taken>>20, float64(in.Size)/1e6/(readertest.CPUTime()-begun).Seconds())
		})
	}
}

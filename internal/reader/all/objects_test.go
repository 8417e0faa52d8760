package all

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/transcript"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestObjectsLoseNothingAround breaks a file at every byte, in three ways: everything except
// the message at that place must still be read.
func TestObjectsLoseNothingAround(t *testing.T) {
	jabber, telegram := "", `{"name":"A","type":"private_group","id":1,"messages":[`
	for i := range 3 {
		jabber += fmt.Sprintf(`{"ts":"2021-02-14T12:00:0%d","from":"a@x.test","to":"b@x.test","body":"text {%d}"}`+"\n", i, i)
		telegram += fmt.Sprintf(`{"id":%d,"type":"message","date_unixtime":"161330400%d","from":"A","text":["a ",{"type":"bold","text":"{%d}"}]},`+"\n", i, i, i)
	}
	telegram = strings.TrimSuffix(telegram, ",\n") + "]}"
	for _, test := range []struct {
		format *reader.Format
		file   string
	}{{transcript.Jabber, jabber}, {chat.Telegram, telegram}} {
		whole := readertest.Check(t, test.format, readertest.Input("f", []byte(test.file), reader.Options{}))
		if len(whole) != 3 {
			t.Fatalf("%s: %d items", test.format, len(whole))
		}
		first, last := whole[0].Where.Offset, whole[2].Where.Offset+whole[2].Where.Length
		for at := first; at < last; at++ {
			for _, broken := range []string{
				test.file[:at] + "\x00" + test.file[at+1:],
				test.file[:at] + test.file[at+1:],
				test.file[:at] + "\n" + test.file[at:],
			} {
				items := readertest.Check(t, test.format, readertest.Input("f", []byte(broken), reader.Options{}))
				for i, m := range whole {
					if at >= m.Where.Offset-1 && at <= m.Where.Offset+m.Where.Length {
						continue // this one may be lost
					}
					found := false
					for _, item := range items {
						if item.Message == nil {
							continue
						}
						item.Message.Extra = slices.DeleteFunc(item.Message.Extra, func(x argus.Field) bool { return x.Name == reader.ExtraRepaired })
						found = found || cmp.Equal(item.Message, m.Message, cmpopts.EquateEmpty())
					}
					if !found {
						t.Fatalf("%s: message %d is lost behind a damage at byte %d:\n%s", test.format, i, at, broken)
					}
				}
			}
		}
	}
}

// TestObjectsAreBounded reads an object that never ends, and many that begin inside
// each other.
func TestObjectsAreBounded(t *testing.T) {
	const good = `{"ts":"2021-02-14T12:00:00","from":"a@x.test","to":"b@x.test","body":"x"}`
	options := reader.Options{MaxRecord: 64 << 10}
	file := `{"ts":"` + strings.Repeat("x", 1<<20) + `","a":1}` + good
	items := readertest.Check(t, transcript.Jabber, readertest.Input("f", []byte(file), options))
	if len(items) != 2 || items[0].Problem == "" || items[1].Message == nil {
		t.Errorf("%+v", items)
	}
	start := time.Now()
	for _, hostile := range []string{`{"ts":`, `{"ts":[`, `{"ts":"{",`, `{`, `{"ts":1,"x":[{},`, `{   `, `[`} {
		readertest.Check(t, transcript.Jabber, readertest.Input("f", []byte(strings.Repeat(hostile, 60_000/len(hostile))), options))
		readertest.Check(t, chat.Telegram, readertest.Input("f", []byte(`{"messages":[`+strings.Repeat(hostile, 60_000/len(hostile))), options))
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("hostile files took %s", took)
	}
}

func FuzzTelegram(f *testing.F) {
	f.Add([]byte(`{"about":"x","chats":{"list":[{"name":"A","type":"personal_chat","id":1,"messages":[{"id":1,"type":"message","date":"2021-02-14T12:00:00","from":"A","from_id":"user1","text":["a",{"type":"link","text":"b"}]},{"id":2,"type":"service","actor":"A","action":"x","date_unixtime":"1613304191"},{"id":`))
	f.Add([]byte(`{"personal_information":{"user_id":1,"username":"@a"},"contacts":{"list":[{"first_name":"A","phone_number":"+31 6","date":"2020"},{"user_id":0},{"phone_number":"1","date":1,]},"left_chats":{"list":[{"type":"x","messages":[]}]}}`))
	f.Add([]byte(`{"messages":[{"type":"message","photo":"(File","edited":"x","date":"2021","from":"\ud800","text":"\ud800"}]}]}`))
	for _, r := range factsOfRecords {
		if r.format == chat.Telegram {
			f.Add(fileOfRecord(r.format, r.record))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		readertest.Check(t, chat.Telegram, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 12}))
	})
}

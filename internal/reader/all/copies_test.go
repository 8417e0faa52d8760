package all

import (
	"fmt"
	"testing"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/formats/chat"
	"github.com/argus-evidence/argus/internal/reader/formats/report"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// TestGroupsOfTwo reads groups with two remaining members: they are not a chat between the
// two.
func TestGroupsOfTwo(t *testing.T) {
	party := func(number string) string {
		return `<model type="Party"><field name="Identifier"><value>` + number + `</value></field></model>`
	}
	ufdr := func(about string) string {
		return `<project xmlns="http://pa.cellebrite.com/report/2.0"><model type="Chat">` + about + `<multiModelField name="Participants">` + party("+311") + party("+312") +
			`</multiModelField><multiModelField name="Messages"><model type="InstantMessage"><modelField name="From">` + party("+311") +
			`</modelField><field name="Body"><value>x</value></field></model></multiModelField></model></project>`
	}
	facebook := `{"participants":[{"name":"A"},{"name":"B"}],"messages":[{"sender_name":"A","timestamp_ms":1600000000000,"content":"x"}],"title":"T","thread_path":"inbox/t_1"%s}`
	for name, c := range map[string]struct {
		format *reader.Format
		file   string
		want   string
	}{
		"UFDR, two":              {report.UFDR, ufdr(`<field name="Id"><value>1</value></field>`), "+311|+312"},
		"UFDR, an id":            {report.UFDR, ufdr(`<field name="Id"><value>1-1@g.us</value></field>`), "1-1@g.us"},
		"UFDR, a kind":           {report.UFDR, ufdr(`<field name="Id"><value>1</value></field><field name="ChatType"><value>Group</value></field>`), "1"},
		"UFDR, nothing else":     {report.UFDR, ufdr(`<field name="ChatType"><value>Group</value></field>`), "+311|+312"},
		"Facebook, two":          {chat.Facebook, fmt.Sprintf(facebook, ""), "A|B"},
		"Facebook, a kind":       {chat.Facebook, fmt.Sprintf(facebook, `,"thread_type":"RegularGroup"`), "t_1"},
		"Facebook, who may join": {chat.Facebook, fmt.Sprintf(facebook, `,"joinable_mode":{"mode":1,"link":""}`), "t_1"},
	} {
		for _, item := range readertest.Check(t, c.format, readertest.Input("f", []byte(c.file), reader.Options{})) {
			if m := item.Message; m == nil || m.Type == argus.TypeText && m.Conversation != c.want {
				t.Errorf("%s: %+v", name, item)
			}
		}
	}
}

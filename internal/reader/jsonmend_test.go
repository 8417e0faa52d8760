package reader

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/argus-evidence/argus"
)

// TestMendJSON mends what can be read in one way only, and nothing else.
func TestMendJSON(t *testing.T) {
	for _, c := range []struct{ broken, mended, did string }{
		{`{"a":1 "b":"x"}`, `{"a":1,"b":"x"}`, mendedComma},
		{`{"a":[1 {"b":2}]}`, `{"a":[1,{"b":2}]}`, mendedComma},
		{`{"a":1,}`, `{"a":1}`, mendedSurplus},
		{`[1,]`, `[1]`, mendedSurplus},
		{"{\"a\":\"x\ny\tz\"}", `{"a":"x\u000ay\u0009z"}`, mendedControl},
		{`{"a":"x","b":"ten o`, `{"a":"x","b":"ten o"}`, mendedCut},
		{`{"a":"x","b":"ten \u00`, `{"a":"x","b":"ten "}`, mendedCut},
		{"{\"a\":\"x\",\"b\":\"Zo\xc3", `{"a":"x","b":"Zo"}`, mendedCut},
		{`{"a":"x","b":`, `{"a":"x"}`, mendedCut},
		{`{"a":"x","b`, `{"a":"x"}`, mendedCut},
		{`{"a":"x","b":tr`, `{"a":"x"}`, mendedCut},
		{`{"a":{"b":[1,"x"`, `{"a":{"b":[1,"x"]}}`, mendedCut},
		{`{"a":"x"`, `{"a":"x"}`, mendedCut},
		{`{"a":"x",`, `{"a":"x"}`, mendedCut},
		{"{\"a\":\"x\n\" \"b\":1,}", `{"a":"x\u000a","b":1}`, mendedControl + "; " + mendedComma + "; " + mendedSurplus},
		{`{"a":"he said "no" to me"}`, "", ""},
		{`{"a":"x\q"}`, "", ""},
		{`{"a":1,,"b":2}`, "", ""},
		{`{"a" 1}`, "", ""},
		{`{a:1}`, "", ""},
		{`{"a":1]`, "", ""},
		{`{"a":nope,"b":1}`, "", ""},
		{`{"a":1}`, "", ""}, // is JSON
	} {
		mended, end, did, ok := mendJSON([]byte(c.broken), true)
		if ok != (c.mended != "") || string(mended) != c.mended || strings.Join(did, "; ") != c.did || ok && end != len(c.broken) {
			t.Errorf("%q: %q to %d, %v %v", c.broken, mended, end, did, ok)
		}
		if _, _, _, ok := mendJSON([]byte(c.broken), false); ok && strings.Contains(c.did, mendedCut) {
			t.Errorf("%q is mended though more comes", c.broken)
		}
	}
}

// TestMendedRecords reads files with records that are not quite JSON: those that have
// one reading are messages that say so, at their own places; no other record is
// swallowed.
func TestMendedRecords(t *testing.T) {
	telegram := func(id int, rest string) string {
		return fmt.Sprintf(`{"id":%d,"type":"message","date_unixtime":"161330400%d","from":"A","from_id":"user1","text":"%s`, id, id, rest)
	}
	head := `{"name":"A","type":"personal_chat","id":1,"messages":[`
	facebook := `{"participants":[{"name":"A"},{"name":"B"}],"messages":[{"sender_name":"A","timestamp_ms":1600000000000 "content":"one"},{"sender_name":"B","timestamp_ms":1600000001000,"content":"t` + "\n" + `wo",}],"title":"B"}`
	for name, c := range map[string]struct {
		format *Format
		file   string
		want   []string // the texts, with + where it was mended, - for a problem
	}{
		"comma and line end": {telegramFormat, head + telegram(1, `one" "via_bot":"x"},`) + telegram(2, "t\nwo\"},") + telegram(3, `three"}]}`), []string{"+one", "+t\nwo", "three"}},
		"swallowing":         {telegramFormat, head + telegram(1, "one\n},\n") + telegram(2, `two"},`) + telegram(3, `three"}]}`), []string{"-", "two", "three"}},
		"quotes":             {telegramFormat, head + telegram(1, `o"n"e"},`) + telegram(2, `two"}]}`), []string{"-", "two"}},
		"cut":                {telegramFormat, head + telegram(1, `one"},`) + telegram(2, `half of tw`), []string{"one", "+half of tw", "-"}},
		"cut before the text": {telegramFormat, head + telegram(1, `one"},`) + `{"id":2,"type":"message","date_unixtime":"1613304002","from":"A","from_id":"user1"`,
			[]string{"one", "-"}},
		"facts behind": {facebookFormat, facebook, []string{"+one", "+t\nwo"}},
	} {
		var got []string
		for _, item := range checkReader(t, c.format, input("f", []byte(c.file), Options{})) {
			switch m := item.Message; {
			case m == nil:
				got = append(got, "-")
			case slices.ContainsFunc(m.Extra, func(x argus.Field) bool { return x.Name == mendedField }):
				got = append(got, "+"+m.Text)
				if m.Conversation == "" || c.format == facebookFormat && m.Title != "B" {
					t.Errorf("%s: %+v", name, m)
				}
			default:
				got = append(got, m.Text)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func FuzzMendJSON(f *testing.F) {
	f.Add([]byte(`{"a":1 "b":["x",]`), true)
	f.Add([]byte("{\"a\":\"x\ny\\u00\"}"), false)
	f.Fuzz(func(t *testing.T, b []byte, eof bool) {
		if len(b) == 0 {
			return
		}
		mended, end, did, ok := mendJSON(b, eof)
		if !ok {
			return
		}
		if whole, err := jsonEnd(mended, 0, 0); err != nil || whole != len(mended) || end > len(b) || len(did) == 0 {
			t.Fatalf("%q: %q, %v", b, mended, err)
		}
	})
}

package jsondoc

import (
	"strings"
	"testing"
)

// TestMendJSON mends records that have only one possible reading, and nothing else.
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
		mended, end, did, ok := mend([]byte(c.broken), true)
		if ok != (c.mended != "") || string(mended) != c.mended || strings.Join(did, "; ") != c.did || ok && end != len(c.broken) {
			t.Errorf("%q: %q to %d, %v %v", c.broken, mended, end, did, ok)
		}
		if _, _, _, ok := mend([]byte(c.broken), false); ok && strings.Contains(c.did, mendedCut) {
			t.Errorf("%q is mended though more comes", c.broken)
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
		mended, end, did, ok := mend(b, eof)
		if !ok {
			return
		}
		if whole, err := valueEnd(mended, 0, 0); err != nil || whole != len(mended) || end > len(b) || len(did) == 0 {
			t.Fatalf("%q: %q, %v", b, mended, err)
		}
	})
}

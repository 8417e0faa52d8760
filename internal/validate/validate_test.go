package validate

import (
	"crypto/sha256"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
)

func parsed(t *testing.T, text string) wanted {
	t.Helper()
	var w wanted
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func parsedMessage(t *testing.T, text string) message {
	t.Helper()
	var m message
	if err := unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

const shown = `{"service":"sky","conversation":"1@0123456789ab","from":"a","from_name":"Anna","to":["b","c"],"sent":{"utc":"2021-02-14T12:03:11.25Z","zone":"file"},"text":"hello <b>",
"state":["edited","locked"],"attachments":[{"name":"x.jpg"},{"name":"y"}],"extra":[{"name":"date_order","value":"dmy"}]}`

func TestFits(t *testing.T) {
	for _, test := range []struct {
		want string
		fits bool
	}{
		{`{}`, true},
		{`{"text":"hello <b>"}`, true}, {`{"text":"hello"}`, false}, {`{"text_has":["hel","<b>"]}`, true}, {`{"text_has":["hel","no"]}`, false},
		{`{"text_any":["NO","HELLO"]}`, true}, {`{"text_any":["no"]}`, false},
		{`{"to":["c","b"]}`, true}, {`{"to":["b"]}`, false}, {`{"to_not":"b"}`, false}, {`{"to_not":"z"}`, true},
		{`{"with":"a"}`, true}, {`{"with":"c"}`, true}, {`{"with":"z"}`, false},
		{`{"state":["locked","edited"]}`, true}, {`{"state":[]}`, false}, {`{"state_has":"locked"}`, true}, {`{"state_has":"deleted"}`, false},
		{`{"sent":"2021-02-14"}`, false}, {`{"sent":"2021-02-14T13:03:11.25+01:00"}`, true}, {`{"sent":"2021-02-14T12:03:11.2Z"}`, true},
		{`{"sent":"2021-02-14T12:03:11.3Z"}`, false}, {`{"sent":"2021-02-14T12:03Z"}`, false}, {`{"sent":null}`, false}, {`{"received":null}`, true},
		{`{"attachments":2}`, true}, {`{"attachments":1}`, false}, {`{"attachments":["x.jpg","y"]}`, true}, {`{"attachments":["y"]}`, false},
		{`{"title":""}`, true}, {`{"title":null}`, true}, {`{"title":"x"}`, false}, {`{"from_not":"a"}`, false}, {`{"from_not":"b"}`, true},
		{`{"extra_none":true}`, true},
		{`{"conversation":"1@0123456789ab"}`, true}, {`{"conversation":"1"}`, true}, {`{"conversation":"2"}`, false}, {`{"conversation":"1@0123456789ac"}`, false},
	} {
		if got := fits(parsedMessage(t, shown), parsed(t, test.want)); got != test.fits {
			t.Errorf("%s: %t, want %t", test.want, got, test.fits)
		}
	}
}

// The first wanted message takes a found message that the second one needs, and has to give it
// up.
func TestAssign(t *testing.T) {
	found := []message{{"text": "a", "from": "x"}, {"text": "a", "from": "y"}, {"text": "z"}}
	missing, left := assign(found, []wanted{parsed(t, `{"text":"a"}`), parsed(t, `{"text":"a","from":"x"}`), parsed(t, `{"text":"b"}`)})
	if diff := cmp.Diff([]wanted{parsed(t, `{"text":"b"}`)}, missing); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]message{{"text": "z"}}, left); diff != "" {
		t.Error(diff)
	}
}

func TestExpectedRefuses(t *testing.T) {
	for text, why := range map[string]string{
		`{"message":[]}`:                                 "unknown field",
		`{"messages":[{"colour":"red"}]}`:                "colour",
		`{"options":["--via=sh"]}`:                       "--via",
		`{"options":["--store","/x"]}`:                   "--store",
		`{"asks":[{"command":["serve"]}]}`:               "argus serve",
		`{"asks":[{"query":"","options":["--keys=x"]}]}`: "--keys",
		`{} {}`: "after the end of the object",
		`[]`:    "cannot unmarshal",
	} {
		if _, err := parseExpected([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", text, err, why)
		}
	}
}

func TestNever(t *testing.T) {
	found := []message{{"text": "a", "from": "x"}, {"text": "b", "from": "x"}}
	for text, want := range map[string]int{
		`{"never":[{"same":["from","a","b"]}]}`:     1,
		`{"never":[{"differ":["from","a","b"]}]}`:   0,
		`{"never":[{"same":["text","a","b"]}]}`:     0,
		`{"never":[{"differ":["text","a","b"]}]}`:   1,
		`{"never":[{"from":"x"}]}`:                  1,
		`{"never":[{"from":"y"}]}`:                  0,
		`{"messages":[{"text":"a"}]}`:               1,
		`{"messages":[{"text":"a"}],"others":true}`: 0,
		`{"messages":[]}`:                           2,
	} {
		e, err := parseExpected([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if bad := e.compare(found); len(bad) != want {
			t.Errorf("%s: %q, want %d", text, bad, want)
		}
	}
}

func TestRecord(t *testing.T) {
	private, public, err := note.GenerateKey(nil, "argus/validation")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	r := &Record{Software: "argus test", Formats: []Format{{Format: "sheet", Version: 2}, {Format: "eml", Version: 1}}}
	r.add(Result{Reference: "a", Outcome: Passed, Readers: []string{"sheet/2"}, Input: []File{{Path: "x", Size: 1, SHA256: sha256.Sum256(nil)}}})
	r.add(Result{Reference: "b", Outcome: KnownError, Readers: []string{"sheet/2", "eml/1"}})
	r.add(Result{Reference: "c", Outcome: NotTested})
	text, err := r.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Check(text, public)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Error(diff)
	}
	if want := []Format{{"sheet", 2, 1, 0, 1}, {"eml", 1, 0, 0, 1}}; !cmp.Equal(want, got.Formats) {
		t.Errorf("%+v, want %+v", got.Formats, want)
	}
	_, other, err := note.GenerateKey(nil, "argus/validation")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(text, other); err == nil {
		t.Error("a record signed by somebody else is accepted")
	}
	if _, err := Check([]byte(strings.Replace(string(text), `"passed": 1`, `"passed": 2`, 1)), public); err == nil {
		t.Error("a changed record is accepted")
	}
}

// A reference that its reader does not recognise counts for the format that it names, once.
func TestFormatOfAReference(t *testing.T) {
	r := &Record{Formats: []Format{{Format: "sheet"}, {Format: "eml"}, {Format: "jsonl"}}}
	r.add(Result{Outcome: Failed, Format: "eml", Readers: []string{"sheet/2"}})
	r.add(Result{Outcome: Passed, Format: "sheet", Readers: []string{"sheet/2"}})
	r.add(Result{Outcome: NotTested, Format: "jsonl", Readers: []string{"jsonl/1"}})
	if want := []Format{{"sheet", 0, 1, 1, 0}, {"eml", 0, 0, 1, 0}, {"jsonl", 0, 0, 0, 0}}; !cmp.Equal(want, r.Formats) {
		t.Errorf("%+v, want %+v", r.Formats, want)
	}
	if r.Formats[2].Tested() || !r.Formats[1].Tested() {
		t.Error("tested")
	}
}

// The built-in references are valid, each expects something, and all files that they name
// exist.
func TestBuiltIn(t *testing.T) {
	set := BuiltIn(nil)
	names, err := references(set.Files)
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(set.Files, name+"/"+expectedName)
		if err != nil {
			t.Fatal(err)
		}
		want, err := parseExpected(text)
		if err != nil || want.empty() || want.Format == "" {
			t.Errorf("%s: it expects nothing or names no format, %v", name, err)
		}
	}
}

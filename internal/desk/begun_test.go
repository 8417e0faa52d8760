package desk

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// The conversation of a first mail is the one that its replies name, if the asker may see
// one of the replies. Replies outside the scope change nothing.
func TestBegun(t *testing.T) {
	first := func() *argus.Record { return sent("aaaaaa01", 0, "ann", "derived:ab", "tuesday?") }
	other := func() *argus.Record { return sent("aaaaaa04", 3, "bo", "derived:ab", "without a reference") }
	answers := func() []*argus.Record {
		return []*argus.Record{sent("aaaaaa02", 1, "cas", "aaaaaa01", "yes"), sent("aaaaaa03", 2, "bo", "aaaaaa01", "me too")}
	}
	pages := func(o *office, scope string) map[string]string {
		who := o.grant(t, scope)
		got := map[string]string{}
		note := func(name string, answer any, err error) {
			data, _ := json.Marshal(answer)
			got[name] = fmt.Sprintf("%s %v", data, err)
		}
		for _, req := range []PageRequest{
			{Ref: "aaaaaa01"}, {Ref: "aaaaaa02"}, {Ref: "aaaaaa04"}, {Service: "test", Conversation: "aaaaaa01"}, {Service: "test", Conversation: "derived:ab"},
			{Ref: "aaaaaa01", Service: "test", Conversation: "derived:ab"}, {Ref: "aaaaaa01", Service: "test", Conversation: "aaaaaa01"}, {Ref: "aaaaaa02", Conversation: "derived:ab"},
		} {
			p, err := o.Page(t.Context(), who, req)
			name := fmt.Sprintf("%s %s", req.Ref, req.Conversation)
			note(name, p, err)
			if p != nil {
				got[name+" refs"] = p.Conversation + ": " + refs(p.Hits)
			}
		}
		r, err := o.Search(t.Context(), who, SearchRequest{Query: "in:=aaaaaa01", Facets: []query.FieldName{query.From}})
		note("search", r, err)
		return got
	}
	all := newOffice(t)
	all.deliver(t, "mails", append(answers(), first(), other())...)
	got := pages(all, "")
	for name, want := range map[string]string{
		"aaaaaa01 ":           "aaaaaa01: aaaaaa01 aaaaaa02 aaaaaa03",
		"aaaaaa02 ":           "aaaaaa01: aaaaaa01 aaaaaa02 aaaaaa03",
		"aaaaaa04 ":           "derived:ab: aaaaaa01 aaaaaa04",
		" derived:ab":         "derived:ab: aaaaaa01 aaaaaa04",
		" aaaaaa01":           "aaaaaa01: aaaaaa01 aaaaaa02 aaaaaa03",
		"aaaaaa01 derived:ab": "derived:ab: aaaaaa01 aaaaaa04",
		"aaaaaa01 aaaaaa01":   "aaaaaa01: aaaaaa01 aaaaaa02 aaaaaa03",
		"aaaaaa02 derived:ab": "",
	} {
		if got[name+" refs"] != want {
			t.Errorf("%q: %q, want %q", name, got[name+" refs"], want)
		}
	}
	for _, one := range []struct {
		scope   string
		inside  []*argus.Record
		outside []*argus.Record
	}{
		{"delivery:D-0001", []*argus.Record{first(), other()}, answers()},
		{"delivery:D-0001", answers(), []*argus.Record{first(), other()}},
		{"delivery:D-0001", []*argus.Record{other()}, append(answers(), first())},
	} {
		var answers [2]map[string]string
		for with := range 2 {
			o := newOffice(t)
			o.deliver(t, "inside", one.inside...)
			if with == 1 {
				o.deliver(t, "outside", one.outside...)
			}
			answers[with] = pages(o, one.scope)
		}
		if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
			t.Errorf("without and with:\n%s", diff)
		}
	}
}

package desk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// twins adds three messages with one content, two of them in D-0001, and others.
func twins(t *testing.T, o *office, outside bool) {
	o.deliver(t, "sent folder",
		sent("aaaaaa01", 0, "alice", "c1", "the schedule"), sent("aaaaaa02", 0, "alice", "c1", "the schedule "),
		sent("bbbbbb01", 0, "bob", "c1", "the schedule"), sent("cccccc01", 1, "alice", "c1", "the schedule"), sent("dddddd01", 0, "alice", "c1", ""))
	if outside {
		o.deliver(t, "all documents", sent("aaaaaa03", 0, "alice", "c1", "the schedule"), sent("bbbbbb02", 0, "bob", "c1", "the schedule"),
			sent("aaaaaa01", 0, "alice", "c1", "the schedule, edited"))
	}
}

func TestSameContent(t *testing.T) {
	o := newOffice(t)
	twins(t, o, true)
	who := o.grant(t, "")
	r, err := o.Search(t.Context(), who, SearchRequest{Query: "same:aaaaaa02", Facets: []query.FieldName{query.In}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range r.Hits {
		got = append(got, fmt.Sprintf("%s %d", h.Ref.String()[:8], h.SameContent))
	}
	// The message aaaaaa01 has two texts; the one with the lower key counts.
	with, want := 2, []string{"aaaaaa03 2", "aaaaaa02 2"}
	if lower(t, "the schedule", "the schedule, edited") {
		with, want = 3, []string{"aaaaaa03 3", "aaaaaa02 3", "aaaaaa01 3"}
	}
	if diff := cmp.Diff(want, got); diff != "" || r.Total != uint64(with) || !strings.HasPrefix(r.Query, "same:=") {
		t.Errorf("%d, %s:\n%s", r.Total, r.Query, diff)
	}
	again, err := o.Search(t.Context(), who, SearchRequest{Query: r.Query})
	if err != nil || again.Total != r.Total {
		t.Errorf("the query as printed: %+v, %v", again, err)
	}
	shown, err := o.Show(t.Context(), who, "aaaaaa02", false)
	if err != nil || shown.SameContent != uint64(with) || len(shown.Same) != with-1 || shown.Same[0].String()[:8] != "aaaaaa03" {
		t.Errorf("shown: %+v, %v", shown, err)
	}
	if shown, err = o.Show(t.Context(), who, "cccccc01", false); err != nil || shown.SameContent != 0 || shown.Same != nil {
		t.Errorf("a content that no other message has: %+v, %v", shown, err)
	}

	all, err := o.Search(t.Context(), who, SearchRequest{Query: "schedule"})
	if err != nil || all.Total != 6 || all.Distinct != 0 {
		t.Errorf("all of them: %+v, %v", all, err)
	}
	distinct, err := o.Search(t.Context(), who, SearchRequest{Query: "schedule", Distinct: true, Facets: []query.FieldName{query.From}, Histogram: index.ByDay})
	if err != nil {
		t.Fatal(err)
	}
	if left := uint64(6 - (with - 1) - 1); distinct.Total != 6 || distinct.Messages != 6 || distinct.Distinct != left || uint64(len(distinct.Hits)) != left {
		t.Errorf("each content once: %+v", distinct)
	}
	n := 0
	if _, err := o.SearchAll(t.Context(), who, SearchRequest{Query: "-same:bbbbbb01"}, func(h Hit) error {
		if n++; h.Message.From == "bob" {
			t.Errorf("%+v", h)
		}
		return nil
	}); err != nil || n != 5 {
		t.Errorf("all others: %d, %v", n, err)
	}
	narrow := o.grant(t, "delivery:D-0001")
	beyond, err := o.Beyond(t.Context(), who, BeyondRequest{Authority: narrow.Authority, Query: "same:aaaaaa03"})
	if err != nil || beyond.Inside.Messages != 2 || beyond.Outside.Messages != uint64(with)-beyond.Inside.Messages {
		t.Errorf("beyond: %+v, %v", beyond, err)
	}
	receipt, err := o.Receipt(t.Context(), who, 1)
	if err != nil || receipt.Holds.Messages != 5 || receipt.Holds.Distinct != uint64(5-with+2) {
		t.Errorf("receipt: %+v, %v", receipt.Holds, err)
	}
}

// lower reports whether a text sent by alice has a lower key than another.
func lower(t *testing.T, a, b string) bool {
	t.Helper()
	return query.One(sent("aaaaaa01", 0, "alice", "c1", a).Message).SameKey().String() < query.One(sent("aaaaaa01", 0, "alice", "c1", b).Message).SameKey().String()
}

// P5: messages outside the scope with the same content are neither counted nor found, and
// do not affect any answer.
func TestSameContentOutside(t *testing.T) {
	for _, scope := range []string{"delivery:D-0001", "delivery:D-0001 from:alice", "delivery:D-0001 OR (delivery:D-0002 nowhere)"} {
		var answers [2]map[string]string
		for with := range 2 {
			o := newOffice(t)
			twins(t, o, with == 1)
			who := o.grant(t, scope)
			answers[with] = map[string]string{}
			note := func(name string, answer any, err error) {
				data, _ := json.MarshalIndent(answer, "", " ")
				answers[with][name] = fmt.Sprintf("%s\n%v", keptAs.ReplaceAllString(string(data), `"$1": "random"`), err)
			}
			for _, q := range []string{"schedule", "same:aaaaaa01", "same:aaaaaa02", "-same:aaaaaa01", "same:aaaaaa03", "same:bbbbbb02", "same:eeeeee", "same:aaaaaa", "same:dddddd01"} {
				r, err := o.Search(t.Context(), who, SearchRequest{Query: q})
				note(q, r, err)
				r, err = o.Search(t.Context(), who, SearchRequest{Query: q, Distinct: true, Facets: []query.FieldName{query.From}})
				note(q+", distinct", r, err)
				var hits []Hit
				n, err := o.SearchAll(t.Context(), who, SearchRequest{Query: q}, func(h Hit) error { hits = append(hits, h); return nil })
				note(q+", all", hits, err)
				note(q+", number of all", n, nil)
			}
			for _, ref := range []string{"aaaaaa01", "aaaaaa02", "aaaaaa03", "bbbbbb01"} {
				s, err := o.Show(t.Context(), who, ref, false)
				note("show "+ref, s, err)
				p, err := o.Page(t.Context(), who, PageRequest{Ref: ref})
				note("page "+ref, p, err)
			}
			receipt, err := o.Receipt(t.Context(), who, 1)
			note("receipt", receipt, err)
			if !strings.Contains(answers[with]["schedule"], `"same_content": 2`) {
				t.Error("nothing has the same content")
			}
			if got, want := answers[with]["same:aaaaaa03"], strings.ReplaceAll(answers[with]["same:eeeeee"], "eeeeee", "aaaaaa03"); got != want {
				t.Errorf("a message outside the scope: %s, and one that does not exist: %s", got, want)
			}
		}
		if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
			t.Errorf("in %s, without and with:\n%s", scope, diff)
		}
	}
}

func TestSameContentRefused(t *testing.T) {
	o := newOffice(t)
	twins(t, o, false)
	who := o.grant(t, "")
	for name, req := range map[string]SearchRequest{
		"no content":         {Query: "same:dddddd01"},
		"facet of receivers": {Distinct: true, Facets: []query.FieldName{query.To}},
		"facet of places":    {Distinct: true, Facets: []query.FieldName{query.From, query.In}},
		"pairs":              {Distinct: true, Pairs: -1},
		"facet of contents":  {Facets: []query.FieldName{query.Same}},
	} {
		if r, err := o.Search(t.Context(), who, req); r != nil || !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r, err := o.Search(t.Context(), who, SearchRequest{Query: "same:aaaaaa"}); r != nil || !errors.Is(err, argus.ErrAmbiguous) {
		t.Errorf("two messages: %+v, %v", r, err)
	}
	_, err := o.parts.Authorities.Add(authority.Authority{Basis: "own data", GrantedBy: "anna", Purpose: "tests", Scope: "same:aaaaaa01"}, start,
		func(authority.Number, argus.Hash) error { return nil })
	if !errors.Is(err, authority.ErrInvalid) {
		t.Errorf("a content as the scope of an authority: %v", err)
	}
}

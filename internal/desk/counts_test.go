package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

func TestWithSilence(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		by         index.Interval
		bars, want string
	}{
		{index.ByDay, "2024-02-28 2024-03-01", "2024-02-28 2024-02-29:0 2024-03-01"},
		{index.ByDay, "2021-03-27 2021-03-29", "2021-03-27 2021-03-28:0 2021-03-29"},
		{index.ByMonth, "2023-11 2024-02", "2023-11 2023-12:0 2024-01:0 2024-02"},
		{index.ByYear, "2019 2021", "2019 2020:0 2021"},
		{index.ByHour, "2021-03-28T01 2021-03-28T04", "2021-03-28T01 2021-03-28T03:0 2021-03-28T04"},                 // no hour 02
		{index.ByHour, "2021-10-31T01 2021-10-31T04", "2021-10-31T01 2021-10-31T02:0 2021-10-31T03:0 2021-10-31T04"}, // 02 twice
		{index.ByHour, "2021-10-31T02 2021-10-31T03", "2021-10-31T02 2021-10-31T03"},
		{index.ByWeekHour, "Mon 02 Tue 03", "Mon 02 Tue 03"},
		{index.ByDay, "2024-02-28", "2024-02-28"},
		{index.ByDay, "", ""},
	} {
		var bars []index.Count
		for name := range strings.FieldsSeq(tt.bars) {
			bars = append(bars, index.Count{Value: name, Count: 1})
		}
		if tt.by == index.ByWeekHour {
			bars = []index.Count{{Value: "Mon 02", Count: 1}, {Value: "Tue 03", Count: 1}}
		}
		all, sparse := withSilence(bars, tt.by, amsterdam)
		var got []string
		for _, c := range all {
			if c.Count == 0 {
				c.Value += ":0"
			}
			got = append(got, c.Value)
		}
		if got := strings.Join(got, " "); got != tt.want || sparse {
			t.Errorf("%s: %q, sparse %t; want %q", tt.bars, got, sparse, tt.want)
		}
	}
	far := []index.Count{{Value: "1970-01-01T00", Count: 1}, {Value: "2190-01-01T00", Count: 1}}
	if bars, sparse := withSilence(far, index.ByHour, time.UTC); !sparse || len(bars) != 2 {
		t.Errorf("%d bars, sparse %t", len(bars), sparse)
	}
}

// TestNamesOfFacets checks that each counted value gets the newest name that a message in
// the scope shows, and none from outside the scope.
func TestNamesOfFacets(t *testing.T) {
	o := newOffice(t)
	named := func(id string, day int, name, title string) *argus.Record {
		r := sent(id, day, "bob", "c1", "hello")
		r.Message.FromName, r.Message.Title = name, title
		return r
	}
	o.deliver(t, "bare", named("aaaaaa01", 0, "", ""))
	o.deliver(t, "named", named("aaaaaa02", 1, "Bob", "the quay"), named("aaaaaa03", 2, "", ""))
	for _, tt := range []struct{ scope, asked, from, in string }{
		{"*", "hello", "Bob", "the quay"},
		{"*", "sent:2021-02-14", "Bob", "the quay"}, // another message shows them
		{"delivery:D-0001", "hello", "", ""},
	} {
		r, err := o.Search(t.Context(), o.grant(t, tt.scope), SearchRequest{Query: tt.asked, Facets: []query.FieldName{query.From, query.In}})
		if err != nil {
			t.Fatal(err)
		}
		name := func(field query.FieldName, value string) (name string) {
			for _, c := range r.Facets[field] {
				if c.Value == value {
					name = c.Name
				}
			}
			return name
		}
		if from, in := name(query.From, "bob"), name(query.In, "c1"); from != tt.from || in != tt.in {
			t.Errorf("%s in %s: %q in %q, want %q in %q", tt.asked, tt.scope, from, in, tt.from, tt.in)
		}
	}
}

package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/query"
)

// first adds the first delivery, which is in the scope of every test. The second repeats,
// changes and adds to it.
func first(t testing.TB, o *office) argus.DeliveryNumber {
	return o.deliver(t, "phone",
		sent("aaaaaa01", 0, "alice", "c1", "hello from the harbour"),
		sent("bbbbbb01", 1, "bob", "c1", "seen twice"),
		sent("cccccc01", 2, "bob", "c1", "the price is 5"),
		sent("dddddd01", 2, "bob", "c3", "alone"),
		quarantined("a date was expected"), quarantined("a date was expected"), quarantined("it is cut"),
	)
}

func second(t testing.TB, o *office) argus.DeliveryNumber {
	return o.deliver(t, "server",
		sent("aaaaaa02", 0, "carol", "c2", "secret harbour"),
		sent("bbbbbb01", 1, "bob", "c1", "seen twice"),
		sent("cccccc01", 2, "bob", "c1", "the price is 7"),
		sent("eeeeee01", -1, "alice", "c1", "secretly before"),
		sent("eeeeee02", 5, "bob", "c1", "secretly after"),
		quarantined("a secret"),
	)
}

// empty reports whether an answer has no data.
func empty(answer any) bool {
	data, err := json.Marshal(answer)
	return err == nil && string(data) == "null"
}

func entries(t testing.TB, o *office) []ledger.Entry { return entriesFrom(t, o, 0) }

func entriesFrom(t testing.TB, o *office, seq uint64) []ledger.Entry {
	t.Helper()
	var all []ledger.Entry
	for e, err := range o.ledger.Entries(t.Context(), seq, 0) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestRefused(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	good := o.grant(t, "")
	notMine := o.grantAs(t, authority.Authority{Actors: []string{"bob"}})
	ended := o.grantAs(t, authority.Authority{From: start.Add(-2 * time.Hour), Until: start})
	later := o.grantAs(t, authority.Authority{From: start.Add(time.Second)})
	for name, who := range map[string]Who{
		"nobody": {"", good.Authority, "p"}, "no authority": {"anna", "", "p"}, "no purpose": {"anna", good.Authority, ""},
		"unknown": {"anna", "A-0099", "p"}, "not mine": notMine, "ended": ended, "not begun": later,
	} {
		for _, way := range everything(o, who) {
			act, do := way.name, way.do
			before, err := o.ledger.Size()
			if err != nil {
				t.Fatal(err)
			}
			o.reads.Store(0)
			answer, err := do(t.Context())
			if !errors.Is(err, argus.ErrRefused) || !empty(answer) {
				t.Errorf("%s, %s: %v, %v", name, act, answer, err)
			}
			if n := o.reads.Load(); n != 0 {
				t.Errorf("%s, %s: %d reads", name, act, n)
			}
			all := entriesFrom(t, o, before+1)
			if len(all) != 1 || all[0].Action != ledger.Refused || all[0].Actor != who.Actor || all[0].Detail["action"] != way.action || all[0].Detail["reason"] != err.Error() {
				t.Errorf("%s, %s: the ledger holds %+v", name, act, all)
			}
		}
	}
}

// Access ends at the second at which the authority ends, even for an act that began
// earlier, and does not resume if the clock is set back.
func TestExpiry(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	end := start
	for i, way := range everything(o, Who{}) {
		end = end.Add(time.Hour)
		who := o.grantAs(t, authority.Authority{Until: end})
		act, do := way.name, everything(o, who)[i].do
		o.now = end.Add(-time.Minute)
		if answer, err := do(t.Context()); err != nil || empty(answer) {
			t.Errorf("%s in the last moment: %v, %v", act, answer, err)
		}
		asked := 0
		o.parts.Ledger = clockedLedger{o.ledger, func() time.Time { // only the first look at the clock is in time
			asked++
			return end.Add(time.Duration(asked - 2))
		}}
		if answer, err := do(t.Context()); !errors.Is(err, argus.ErrRefused) || !empty(answer) || asked != 2 {
			t.Errorf("%s when the authority ended meanwhile: %v, %v, %d looks at the clock", act, answer, err, asked)
		}
		o.parts.Ledger = o.ledger
		for _, o.now = range []time.Time{end, end.Add(-time.Minute), start} {
			if answer, err := do(t.Context()); !errors.Is(err, argus.ErrRefused) || !empty(answer) {
				t.Errorf("%s after it, with a clock at %v: %v, %v", act, o.now, answer, err)
			}
		}
	}
	o.now = end
	who := o.grant(t, "")
	number, err := authority.ParseNumber(who.Authority)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.parts.Authorities.Revoke(number, "judge", "order 5", start, func(argus.Hash) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, way := range everything(o, who) {
		act, do := way.name, way.do
		if answer, err := do(t.Context()); !errors.Is(err, argus.ErrRefused) || !empty(answer) {
			t.Errorf("%s after it was revoked: %v, %v", act, answer, err)
		}
	}
}

// clockedLedger is a ledger with another clock for authorities.
type clockedLedger struct {
	recorder
	now func() time.Time
}

func (c clockedLedger) Now() (time.Time, error) { return c.now(), nil }

// brokenLedger fails, or waits until ctx is done.
type brokenLedger struct{ waits bool }

var errDisk = errors.New("no space left")

func (b brokenLedger) Append(ctx context.Context, _ ledger.Act) (ledger.Entry, error) {
	if b.waits {
		<-ctx.Done()
		return ledger.Entry{}, ctx.Err()
	}
	return ledger.Entry{}, errDisk
}

func (b brokenLedger) Now() (time.Time, error) { return start, nil }

func (b brokenLedger) Entries(context.Context, uint64, int) iter.Seq2[ledger.Entry, error] {
	return func(func(ledger.Entry, error) bool) { panic("the ledger is read before the act is in it") }
}

// P4: without a durable entry, nothing is read and nothing leaves.
func TestLedgerFirst(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	who := o.grant(t, "")
	for _, broken := range []brokenLedger{{false}, {true}} {
		o.parts.Ledger = broken
		for _, way := range everything(o, who) {
			act, do := way.name, way.do
			o.reads.Store(0)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			answer, err := do(ctx)
			cancel()
			if !empty(answer) || !errors.Is(err, errDisk) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, %v", act, answer, err)
			}
			if n := o.reads.Load(); n != 0 {
				t.Errorf("%s: %d reads before the entry was durable", act, n)
			}
		}
	}
	// The same acts must read data if the ledger works; otherwise the test would prove
	// nothing.
	o.parts.Ledger = o.ledger
	for _, way := range everything(o, who) {
		act, do := way.name, way.do
		o.reads.Store(0)
		if answer, err := do(t.Context()); err != nil || empty(answer) || o.reads.Load() == 0 && way.method != "Ledger" && way.method != "List" {
			t.Errorf("%s: %v, %v, %d reads", act, answer, err, o.reads.Load())
		}
	}
}

// P5: under a scope, every answer is the same with and without the data outside it.
func TestWithAndWithout(t *testing.T) {
	for _, scope := range []string{
		"delivery:D-0001",
		"delivery:D-0001 OR delivery:D-0003",
		"delivery:D-0001 -secret*",
		"delivery:D-0001 in:c1 sent:2021-02-14..2021-02-16",
		"delivery:D-0001 OR (delivery:D-0002 nowhere)",
		"-delivery:D-0002 in:c1 -secret*",
	} {
		t.Run(scope, func(t *testing.T) {
			var answers [2]map[string]string
			for with := range 2 {
				o := newOffice(t)
				first(t, o)
				if strings.HasPrefix(scope, "-delivery") {
					// Everything seen in the second delivery is outside.
					o = newOffice(t)
					o.deliver(t, "phone", sent("aaaaaa01", 0, "alice", "c1", "hello from the harbour"),
						sent("bbbbbb01", 1, "bob", "c1", "never twice"), sent("cccccc01", 2, "bob", "c1", "the price is 5"))
				}
				if with == 1 {
					second(t, o)
				}
				answers[with] = ask(t, o, o.grant(t, scope))
			}
			if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
				t.Errorf("without and with:\n%s", diff)
			}
		})
	}
}

// keptAs matches values that differ between two stores with the same files.
var keptAs = regexp.MustCompile(`"(file|root)": "[0-9a-f]+"`)

// ask collects every answer, and every error, as text.
func ask(t *testing.T, o *office, who Who) map[string]string {
	t.Helper()
	answers := map[string]string{}
	note := func(name string, answer any, err error) {
		data, marshalErr := json.MarshalIndent(answer, "", " ")
		if marshalErr != nil {
			t.Fatal(marshalErr)
		}
		answers[name] = keptAs.ReplaceAllString(fmt.Sprintf("%s\n%v", data, err), `"$1": "random"`)
	}
	facets := []query.FieldName{query.From, query.In, query.Service, query.Delivery, query.Is, query.Lang, query.Entity}
	for _, q := range []string{
		"", "harbour", "secret*", "price", "twice", "delivery:D-0001", "delivery:D-0002", "-delivery:D-0002", "delivery:D-0003",
		"twice delivery:D-0002", "harbour OR delivery:D-0002", "-(price delivery:D-0002)", "is:differs", "-is:differs", "in:c2", "from:carol",
	} {
		r, err := o.Search(t.Context(), who, SearchRequest{Query: q, Facets: facets, Histogram: index.ByDay})
		note("search "+q, r, err)
	}
	for _, ref := range []string{"aaaaaa", "aaaaaa01", "aaaaaa02", "bbbbbb", "cccccc", "dddddd", "eeeeee", "eeeeee01", "ffffff", "ffffff" + strings.Repeat("0", 26)} {
		s, err := o.Show(t.Context(), who, ref, true)
		note("show "+ref, s, err)
		p, err := o.Page(t.Context(), who, PageRequest{Ref: ref, Before: 1, After: 1})
		note("page "+ref, p, err)
	}
	for _, in := range []string{"c1", "c2", "c3", "c4"} {
		p, err := o.Page(t.Context(), who, PageRequest{Service: "test", Conversation: in, Before: 2})
		note("page in "+in, p, err)
	}
	list, err := o.Deliveries(t.Context(), who)
	note("deliveries", list, err)
	for n := range argus.DeliveryNumber(3) {
		r, err := o.Receipt(t.Context(), who, n+1)
		note("receipt "+(n+1).String(), r, err)
	}
	for n := range argus.DeliveryNumber(3) {
		p, err := o.Quarantine(t.Context(), who, n+1, 0, 0)
		note("quarantine "+(n+1).String(), p, err)
	}
	for _, way := range everything(o, who) {
		if way.action == "blueprint" || way.action == "watch" {
			answer, err := way.do(t.Context())
			note(way.name, answer, err)
		}
	}
	entries, err := o.Ledger(t.Context(), who, 0, 0)
	note("ledger", entries, err)

	// Errors about absent and forbidden messages differ only in the reference as typed.
	for _, ref := range []string{"aaaaaa02", "eeeeee01"} {
		if got, want := answers["show "+ref], strings.ReplaceAll(answers["show ffffff"], "ffffff", ref); got != want {
			t.Errorf("show %s: %s, want %s", ref, got, want)
		}
	}
	return answers
}

// TestWithAndWithoutCanFail is the control for the test above: under an authority for
// everything, the answers differ.
func TestWithAndWithoutCanFail(t *testing.T) {
	var answers [2]map[string]string
	for with := range 2 {
		o := newOffice(t)
		first(t, o)
		if with == 1 {
			second(t, o)
		}
		who := o.grant(t, "")
		answers[with] = map[string]string{}
		for _, way := range everything(o, who) {
			answer, err := way.do(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			data, _ := json.Marshal(answer)
			answers[with][way.name] = string(data)
		}
	}
	for _, way := range everything(newOffice(t), Who{}) {
		name := way.name
		if slices.Contains([]string{"Search", "SearchAll", "Page", "Deliveries"}, way.method) && answers[0][name] == answers[1][name] {
			t.Errorf("%s is the same with and without the second delivery", name)
		}
	}
}

// The desk detects an index that forgets the scope, and nothing leaves.
func TestIndexThatLeaks(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	second(t, o)
	o.parts.Index.(*scanner).leak = true
	who := o.grant(t, "delivery:D-0001")
	if r, err := o.Search(t.Context(), who, SearchRequest{Query: "harbour"}); r != nil || !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("search: %v, %v", r, err)
	}
	if r, err := o.Page(t.Context(), who, PageRequest{Ref: "aaaaaa01"}); r != nil || !errors.Is(err, argus.ErrDamaged) {
		t.Errorf("page: %v, %v", r, err)
	}
}

// The desk checks again that each hit of the index matches the query. It detects an index
// of other messages, and the error explains how to repair the index.
func TestIndexOfOtherMessages(t *testing.T) {
	o := newOffice(t)
	o.deliver(t, "a.txt", sent("aaaaaa01", 0, "bob", "c1", "the harbour"), sent("aaaaaa02", 1, "eve", "c2", "the castle"), sent("aaaaaa03", 1, "eve", "c1", "yes"))
	who := o.grant(t, "")
	from := o.parts.Index.(*scanner)
	all := func(query string) error {
		_, err := o.SearchAll(t.Context(), who, SearchRequest{Query: query}, func(Hit) error { return nil })
		return err
	}
	for name, forged := range map[string]func(*index.Cursor, *uint64){
		"another record":  func(_ *index.Cursor, seq *uint64) { *seq = 3 + (*seq-2)%3 },
		"another time":    func(c *index.Cursor, _ *uint64) { c.Micros++ },
		"no time":         func(c *index.Cursor, _ *uint64) { c.Known = false },
		"another number":  func(c *index.Cursor, _ *uint64) { c.Sequence++ },
		"another copy":    func(c *index.Cursor, _ *uint64) { c.ID++ },
		"nothing changed": nil,
	} {
		from.forged = nil
		if forged != nil {
			from.forged = func(h *index.Hit) { forged(&h.Cursor, &h.Seq) }
		}
		for _, query := range []string{"harbour", "-castle from:bob", "from:=bob OR sent:1999"} {
			r, err := o.Search(t.Context(), who, SearchRequest{Query: query})
			for _, err := range []error{err, all(query)} {
				if (err == nil) != (forged == nil) || err != nil && (!errors.Is(err, argus.ErrDamaged) || !strings.Contains(err.Error(), "argus reindex")) {
					t.Errorf("%s: %s: %v", name, query, err)
				}
			}
			if (r == nil) != (forged != nil) {
				t.Errorf("%s: %s: %+v", name, query, r)
			}
		}
		if _, err := o.Page(t.Context(), who, PageRequest{Service: "test", Conversation: "c2"}); (err == nil) != (forged == nil) {
			t.Errorf("%s: page: %v", name, err)
		}
	}
}

// A query for an exchange of messages finds the second message.
func TestMatchingOneOfAnExchange(t *testing.T) {
	yes := query.One(&argus.Message{Text: "yes"})
	for text, want := range map[string]bool{
		"harbour -> yes": true, "harbour -> no": false, "yes (harbour -> yes)": true, "no (harbour -> yes)": false,
		"-(harbour -> yes)": true, "-(harbour -> yes) no": false, "(harbour -> no) OR yes": true,
	} {
		n, err := query.Parse(text, query.Options{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if matching(n)(yes) != want {
			t.Errorf("%s: matches: %v", text, !want)
		}
	}
}

// It is not an error if a message no longer matches because of a copy that the index has
// not seen.
func TestCopyBehindTheIndex(t *testing.T) {
	o := newOffice(t)
	o.deliver(t, "a.txt", sent("aaaaaa01", 0, "bob", "c1", "the harbour"))
	o.parts.Index.(*scanner).until = o.evidence.Last()
	o.deliver(t, "b.txt", sent("aaaaaa01", 0, "bob", "c1", "the harbour and the castle"))
	r, err := o.Search(t.Context(), o.grant(t, ""), SearchRequest{Query: "-castle"})
	if err != nil || len(r.Hits) != 1 || r.Behind == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A message that left the scope after the index saw it is omitted.
func TestIndexBehind(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	o.parts.Index.(*scanner).until = o.evidence.Last()
	second(t, o)
	all, err := o.Search(t.Context(), o.grant(t, ""), SearchRequest{})
	if err != nil || all.Behind != 8 || len(all.Hits) != 4 {
		t.Errorf("%+v, %v", all, err)
	}
	some, err := o.Search(t.Context(), o.grant(t, "-7"), SearchRequest{Query: "price"})
	if err != nil || some.Behind != 1 || len(some.Hits) != 0 {
		t.Errorf("%+v, %v", some, err)
	}
}

func refs(hits []Hit) string {
	var s []string
	for _, h := range hits {
		s = append(s, h.Ref.String()[:8])
	}
	return strings.Join(s, " ")
}

func TestSearch(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	second(t, o)
	who := o.grant(t, "")
	r, err := o.Search(t.Context(), who, SearchRequest{Query: "price OR twice", Facets: []query.FieldName{query.Delivery, query.Is}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := refs(r.Hits), "cccccc01 bbbbbb01"; got != want || r.Total != 2 || r.Messages != 2 || r.Next != "" || r.Query != "price OR twice" {
		t.Errorf("%s, want %s; %+v", got, want, r)
	}
	if r.Hits[0].Versions != 2 || r.Hits[1].Versions != 1 || r.Hits[1].Sightings != 2 {
		t.Error("the copies that differ are not told apart")
	}
	if diff := cmp.Diff([]argus.DeliveryNumber{1, 2}, r.Hits[1].Deliveries); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][2]int{{5, 10}}, r.Hits[1].Marks); diff != "" {
		t.Error(diff)
	}
	want := []index.Count{{Value: "D-0002", Count: 2}, {Value: "D-0001", Count: 2}}
	if got := r.Facets[query.Delivery]; len(got) != 2 || got[0].Count != want[0].Count || got[1].Count != want[1].Count {
		t.Errorf("deliveries %v", got)
	}
	all := entries(t, o)
	if e := all[len(all)-1]; e.Seq != r.Entry || e.Action != ledger.Search || e.Subject != "price OR twice" || e.Purpose != "to see" {
		t.Errorf("the ledger has %+v", e)
	}

	var paged []string
	for req := (SearchRequest{Limit: 2}); ; {
		r, err := o.Search(t.Context(), who, req)
		if err != nil {
			t.Fatal(err)
		}
		if r.Total != 7 || len(r.Hits) == 0 {
			t.Fatalf("%+v", r)
		}
		paged = append(paged, refs(r.Hits))
		if req.Next = r.Next; req.Next == "" {
			break
		}
	}
	if got, want := strings.Join(paged, " "), "eeeeee02 dddddd01 cccccc01 bbbbbb01 aaaaaa02 aaaaaa01 eeeeee01"; got != want {
		t.Errorf("page by page: %s, want %s", got, want)
	}
	if r, err := o.Search(t.Context(), who, SearchRequest{Limit: -1}); err != nil || len(r.Hits) != 0 || r.Total != 7 {
		t.Errorf("counts only: %+v, %v", r, err)
	}
	// Without the facet is, which is then not shown, copies that differ are counted all
	// the same.
	plain, err := o.Search(t.Context(), who, SearchRequest{Query: "price OR twice"})
	if err != nil || r.Differing != 1 || plain.Differing != 1 || len(plain.Facets) != 0 || len(r.Facets[query.Is]) == 0 {
		t.Errorf("%d and %d messages have copies that differ, want 1; %v, %v", r.Differing, plain.Differing, plain.Facets, err)
	}
}

func TestNonsense(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	who := o.grant(t, "")
	for _, req := range []SearchRequest{
		{Query: `"open`}, {Next: "%"}, {Next: "bnVsbA"}, {Facets: []query.FieldName{"text"}}, {Histogram: "week"}, {Zone: "Mars/Base"}, {Zone: "../../etc/passwd"},
	} {
		if r, err := o.Search(t.Context(), who, req); err == nil && req.Next != "bnVsbA" {
			t.Errorf("%+v: %+v", req, r)
		}
	}
	var syntax *query.SyntaxError
	if _, err := o.Search(t.Context(), who, SearchRequest{Query: `"open`}); !errors.As(err, &syntax) {
		t.Errorf("a query that does not parse: %v", err)
	}
	for _, ref := range []string{"", "aaaa", "../../etc", "ghghghghgh", strings.Repeat("a", 33)} {
		if s, err := o.Show(t.Context(), who, ref, false); err == nil || errors.Is(err, argus.ErrNotFound) {
			t.Errorf("show %q: %v, %v", ref, s, err)
		}
	}
	if p, err := o.Page(t.Context(), who, PageRequest{}); err == nil {
		t.Errorf("page of nothing: %v", p)
	}
	long := strings.Repeat("x", 5000)
	if _, err := o.Search(t.Context(), who, SearchRequest{Query: long}); err != nil {
		t.Fatal(err)
	}
	all := entries(t, o)
	if got := all[len(all)-1].Subject; !strings.HasPrefix(got, "sha256:") || !strings.HasSuffix(got, "(5000 bytes)") {
		t.Errorf("a long query is recorded as %q", got)
	}
}

func TestShow(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	second(t, o)
	who := o.grant(t, "")
	s, err := o.Show(t.Context(), who, "CCCCCC", true)
	if err != nil {
		t.Fatal(err)
	}
	if texts := []string{s.Versions[0].Message.Text, s.Versions[1].Message.Text}; len(s.Versions) != 2 ||
		!slices.Equal(slices.Sorted(slices.Values(texts)), []string{"the price is 5", "the price is 7"}) || s.Message.Text != texts[0] {
		t.Errorf("%+v", s)
	}
	s, err = o.Show(t.Context(), who, "bbbbbb01"+strings.Repeat("0", 24), true)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Versions) != 1 || len(s.Versions[0].Sightings) != 2 {
		t.Fatalf("%+v", s)
	}
	for i, got := range s.Versions[0].Sightings {
		want := []string{"phone.txt", "server.txt"}[i]
		if got.Original.Path != want || got.Reader != "lines/1" || string(got.Raw) != "seen twice" || got.States == nil || got.States.From != "bob" {
			t.Errorf("sighting %d: %+v", i, got)
		}
	}
	if _, err := o.Show(t.Context(), who, "aaaaaa", false); !errors.Is(err, argus.ErrAmbiguous) {
		t.Errorf("two messages: %v", err)
	}
	if s, err := o.Show(t.Context(), o.grant(t, "delivery:D-0001"), "aaaaaa", false); err != nil || s.Versions[0].Sightings[0].Raw != nil {
		t.Errorf("one message in the scope: %+v, %v", s, err)
	}
}

func TestPage(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	second(t, o)
	who := o.grant(t, "")
	p, err := o.Page(t.Context(), who, PageRequest{Ref: "bbbbbb", Before: 1, After: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got := refs(p.Hits); got != "aaaaaa01 bbbbbb01 cccccc01" || p.Earlier != 1 || p.Later != 1 || p.Title != "about c1" || p.Conversation != "c1" {
		t.Errorf("%s, %+v", got, p)
	}
	p, err = o.Page(t.Context(), who, PageRequest{Service: "test", Conversation: "c1", Before: 2})
	if err != nil || refs(p.Hits) != "cccccc01 eeeeee02" || p.Earlier != 3 || p.Later != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestReceipt(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	second(t, o)
	r, err := o.Receipt(t.Context(), o.grant(t, ""), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 1 {
		t.Fatalf("%+v", r)
	}
	f := r.Files[0]
	if want := (argus.Counts{Read: 7, Stored: 4, Quarantined: 3}); f.Counts != want || !slices.Equal(f.Readers, []string{"lines/1"}) || f.Original.Path != "phone.txt" {
		t.Errorf("%+v", f)
	}
	if diff := cmp.Diff([]argus.Reason{{Value: "a date was expected", Reader: "lines/1", Count: 2}, {Value: "it is cut", Reader: "lines/1", Count: 1}}, f.Problems); diff != "" {
		t.Error(diff)
	}
	part := o.grant(t, "in:c1")
	r, err = o.Receipt(t.Context(), part, 1)
	if err != nil || !r.Partial || r.Files != nil || r.Seal != nil {
		t.Errorf("a part: %+v, %v", r, err)
	}
	if list, err := o.Deliveries(t.Context(), part); err != nil || len(list) != 2 || !list[0].Partial {
		t.Errorf("a part: %+v, %v", list, err)
	}
}

func TestQuarantine(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	who := o.grant(t, "")
	all, err := o.Quarantine(t.Context(), who, 1, 0, 0)
	if err != nil || len(all) != 3 || all[0].Reason == "" || all[0].Original.Path != "phone.txt" {
		t.Fatalf("%+v, %v", all, err)
	}
	rest, err := o.Quarantine(t.Context(), who, 1, all[0].Seq, 1)
	if err != nil || len(rest) != 1 || rest[0].Seq != all[1].Seq {
		t.Errorf("behind the first: %+v, %v", rest, err)
	}
	for scope, n := range map[string]argus.DeliveryNumber{"": 9, "in:c1": 1} {
		if pieces, err := o.Quarantine(t.Context(), o.grant(t, scope), n, 0, 0); !errors.Is(err, argus.ErrNotFound) {
			t.Errorf("scope %q, delivery %s: %+v, %v", scope, n, pieces, err)
		}
	}
}

func TestLedger(t *testing.T) {
	o := newOffice(t)
	first(t, o)
	all, some := o.grant(t, ""), o.grant(t, "in:c1")
	for range 2 {
		for _, who := range []Who{all, some} {
			if _, err := o.Search(t.Context(), who, SearchRequest{Query: "price"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		who   Who
		from  uint64
		limit int
		want  []uint64
	}{
		{all, 0, 0, []uint64{1, 2, 3, 4, 5}},
		{all, 2, 2, []uint64{2, 3}},
		{some, 0, 0, []uint64{2, 4, 7}},
		{some, 3, 1, []uint64{4}},
		{all, 0, 3, []uint64{7, 8, 9}},
		{some, 0, 2, []uint64{8, 10}},
	} {
		list, err := o.Ledger(t.Context(), test.who, test.from, test.limit)
		var got []uint64
		for _, e := range list {
			got = append(got, e.Seq)
		}
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("from %d, %d, under %s: %v %s", test.from, test.limit, test.who.Authority, err, diff)
		}
	}
}

func TestAuthorities(t *testing.T) {
	o := newOffice(t)
	o.grant(t, "")
	o.grantAs(t, authority.Authority{Actors: []string{"bob"}})
	for actor, want := range map[string]int{"anna": 1, "bob": 2} {
		if list, err := o.Authorities(t.Context(), actor); err != nil || len(list) != want {
			t.Errorf("%s: %v, %v", actor, list, err)
		}
	}
}

// BenchmarkDesk uses an index that already knows the answer, to measure everything other
// than the index, with and without a ledger on disk.
func BenchmarkDesk(b *testing.B) {
	o, who := benchOffice(b)
	known, err := o.parts.Index.Search(b.Context(), index.Request{Limit: 20, Query: query.All{}, Scope: query.All{}})
	if err != nil {
		b.Fatal(err)
	}
	o.parts.Index = knowing{known}
	for name, recorder := range map[string]recorder{"ledger": o.ledger, "no ledger": forgetful{}} {
		o.parts.Ledger = recorder
		b.Run("show/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := o.Show(b.Context(), who, "aaaaaa01", true); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("search/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := o.Search(b.Context(), who, SearchRequest{Query: "message"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// When an authority ends, a long answer is cut off at once, even before it is complete.
func TestSearchAllEndsWithTheAuthority(t *testing.T) {
	o := newOffice(t)
	var records []*argus.Record
	for i := range 5 * decideEvery {
		records = append(records, sent("", i, "bob", "c1", fmt.Sprintf("message %d", i)))
	}
	o.deliver(t, "bulk", records...)
	who := o.grantAs(t, authority.Authority{Until: start.Add(time.Hour)})
	n := 0
	_, err := o.SearchAll(t.Context(), who, SearchRequest{}, func(Hit) error {
		if n++; n == decideEvery+1 {
			o.now = start.Add(time.Hour)
		}
		return nil
	})
	if !errors.Is(err, argus.ErrRefused) || n >= 2*decideEvery {
		t.Errorf("%d messages left, and then %v", n, err)
	}
}

// forgetful records nothing.
type forgetful struct{ recorder }

func (forgetful) Now() (time.Time, error) { return start, nil }

func (forgetful) Append(context.Context, ledger.Act) (ledger.Entry, error) {
	return ledger.Entry{}, nil
}

type knowing struct{ result *index.Result }

func (k knowing) Position() uint64 { return k.result.Position }
func (k knowing) Stream(context.Context, query.Node, query.Node) iter.Seq2[index.Hit, error] {
	return func(func(index.Hit, error) bool) {}
}
func (k knowing) Page(context.Context, index.PageRequest) (*index.Page, error) {
	return &index.Page{Hits: k.result.Hits}, nil
}

// Search finds nothing when Show asks for other messages with the same content.
func (k knowing) Search(_ context.Context, ask index.Request) (*index.Result, error) {
	if ask.Limit != len(k.result.Hits) {
		return &index.Result{Position: k.result.Position}, nil
	}
	r := *k.result
	return &r, nil
}

func benchOffice(b *testing.B) (*office, Who) {
	o := newOffice(b)
	first(b, o)
	second(b, o)
	var records []*argus.Record
	for i := range 10_000 {
		records = append(records, sent("", i%300, "bob", "c1", fmt.Sprintf("message %d about nothing in particular", i)))
	}
	o.deliver(b, "bulk", records...)
	return o, o.grant(b, "-delivery:D-0099")
}

// If two deliveries state a message differently, a scope that covers one of them shows
// exactly what that delivery states, whichever came first.
func TestOwnCopiesAlone(t *testing.T) {
	rich := func() *argus.Record {
		r := sent("bbbbbb02", 1, "bob", "c1", "hello")
		r.Message.Title, r.Message.FromName, r.Message.To = "SECRET TITLE", "Secret Name", []string{"secret-receiver", "carol"}
		r.Message.Read, r.Message.ForwardedFrom, r.Message.Lang = r.Message.Sent, "secret forwarder", "nl"
		r.Message.Extra = []argus.Field{{Name: "imei", Value: "secret imei"}}
		return r
	}
	poor := func() *argus.Record {
		r := sent("bbbbbb02", 1, "bob", "c1", "hello")
		r.Message.Title, r.Message.To = "", []string{"carol"}
		return r
	}
	var unions []string
	for _, richFirst := range []bool{true, false} {
		o := newOffice(t)
		own := "delivery:D-0002"
		if richFirst {
			o.deliver(t, "a", rich())
			o.deliver(t, "b", poor())
		} else {
			o.deliver(t, "b", poor())
			o.deliver(t, "a", rich())
			own = "delivery:D-0001"
		}
		who := o.grant(t, own)
		for q, want := range map[string]uint64{"hello": 1, "to:carol": 1, "from:secret": 0, "to:secret-receiver": 0, "in:secret": 0, "lang:nl": 0, "has:forward": 0, "is:differs": 0} {
			r, err := o.Search(t.Context(), who, SearchRequest{Query: q, Facets: []query.FieldName{query.Is, query.Lang, query.From}})
			if err != nil || r.Total != want {
				t.Errorf("%s under %s: %+v, %v; want %d", q, own, r, err, want)
			}
			shown, err := json.Marshal(r)
			if err != nil || strings.Contains(strings.ToLower(strings.ReplaceAll(string(shown), q, "")), "secret") {
				t.Errorf("%s under %s reveals %s", q, own, shown)
			}
		}
		shown, err := o.Show(t.Context(), who, "bbbbbb02", true)
		if err != nil {
			t.Fatal(err)
		}
		if data, _ := json.Marshal(shown); strings.Contains(strings.ToLower(string(data)), "secret") || len(shown.Versions[0].Sightings) != 1 {
			t.Errorf("show under %s reveals %s", own, data)
		}
		all, err := o.Search(t.Context(), o.grant(t, ""), SearchRequest{Query: "hello to:secret-receiver from:secret in:secret lang:nl"})
		if err != nil || all.Total != 1 || all.Hits[0].Sightings != 2 || all.Hits[0].Versions != 1 {
			t.Fatalf("all: %+v, %v", all, err)
		}
		union, _ := json.Marshal(all.Hits[0].Message)
		unions = append(unions, string(union))
	}
	if unions[0] != unions[1] {
		t.Errorf("the order of deliveries changes what is shown:\n%s\n%s", unions[0], unions[1])
	}
}

// Raw bytes are shown only if they contain nothing outside the scope.
func TestRawHoldsOthers(t *testing.T) {
	o := newOffice(t)
	n := o.deliver(t, "mailbox", sent("aaaaaa03", 0, "alice", "c1", "outer with SECRET inside"), sent("bbbbbb03", 0, "boss", "c2", "SECRET"), quarantined("what?"))
	// The second record is inside the first, like a mail attached to another.
	records := slices.Collect(func(yield func(*argus.Record) bool) {
		for r, err := range o.evidence.Records(t.Context(), n) {
			if err != nil || !yield(r) {
				return
			}
		}
	})
	outer, inner := records[2], records[3]
	inner.Where.Offset, inner.Where.Length = outer.Where.Offset+11, 6 // as the store keeps it in memory
	for scope, want := range map[string]struct {
		raw      string
		withheld bool
	}{
		"": {"outer with SECRET inside", false}, "from:alice": {"", true}, "from:alice OR from:boss": {"outer with SECRET inside", false},
	} {
		shown, err := o.Show(t.Context(), o.grant(t, scope), "aaaaaa03", true)
		if err != nil {
			t.Fatal(err)
		}
		if s := shown.Versions[0].Sightings[0]; string(s.Raw) != want.raw || s.RawWithheld != want.withheld {
			t.Errorf("scope %q: %q, withheld %t; want %+v", scope, s.Raw, s.RawWithheld, want)
		}
	}
	inner.Where.Offset, inner.Where.Length = outer.Where.Offset, outer.Where.Length+20
	if shown, err := o.Show(t.Context(), o.grant(t, "from:alice"), "aaaaaa03", true); err != nil || shown.Versions[0].Sightings[0].RawWithheld {
		t.Errorf("inside a larger record: %+v, %v", shown, err)
	}
	piece := records[4]
	inner.Where.Offset, inner.Where.Length = piece.Where.Offset, piece.Where.Length
	piece.Where.Offset, piece.Where.Length = outer.Where.Offset+3, 2
	if shown, err := o.Show(t.Context(), o.grant(t, "from:alice"), "aaaaaa03", true); err != nil || !shown.Versions[0].Sightings[0].RawWithheld {
		t.Errorf("a quarantined piece inside: %+v, %v", shown, err)
	}
}

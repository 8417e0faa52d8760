package node

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/world"
)

// inventedDeliveries writes the deliveries of a small invented case and returns their
// folder.
func inventedDeliveries(t *testing.T, messages int) string {
	t.Helper()
	dir := t.TempDir()
	if err := world.Write(t.Context(), dir, world.Options{Seed: 7, Accounts: 150, Messages: messages, Locked: 33}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// takeIn makes a store from deliveries.
func takeIn(t *testing.T, o Options, from string, names ...string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "s")
	if err := Create(t.Context(), dir, o); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		ingest(t, dir, o, filepath.Join(from, name))
	}
	return dir
}

// desks opens a store for people with the given scopes.
func desks(t *testing.T, dir string, o Options, scopes ...string) (*Node, []desk.Who) {
	t.Helper()
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	var all []desk.Who
	for _, scope := range scopes {
		added, err := n.Admin.AddAuthority(t.Context(), "tester", authority.Authority{Basis: "b", GrantedBy: "g", Purpose: "p", Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, desk.Who{Actor: "tester", Authority: added.Number.String(), Purpose: "p"})
	}
	return n, all
}

// heldMessages reads all messages of a store, with all their copies, directly from the
// evidence.
func heldMessages(t *testing.T, dir string) (all [][]query.Sighting) {
	t.Helper()
	store, err := evidence.Open(dir, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	place := map[argus.ID]int{}
	for r, err := range store.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != argus.KindMessage && r.Kind != argus.KindSighting {
			continue
		}
		m, err := store.Whole(t.Context(), r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		at, known := place[r.MessageID()]
		if !known {
			at, all = len(all), append(all, nil)
			place[r.MessageID()] = at
		}
		all[at] = append(all[at], query.Sighting{ID: r.ID, Version: r.Version, Delivery: r.Delivery, Message: m})
	}
	return all
}

var (
	askedQueries = []string{
		"", "is:locked", "-is:locked", "is:differs", "is:edited OR is:deleted", "has:attachment", "to:*", "-to:*", "from:a*", "de OR het OR the", "-de",
		"delivery:1", "-delivery:2", "delivery:1 delivery:2", "lang:nl", "service:sky -has:time", "entity:phone OR entity:amount", "morgen ->5 ok", "is:message", "-is:message",
	}
	askedScopes = []string{"", "delivery:1", "delivery:2 OR delivery:3", "-delivery:1", "delivery:4 OR delivery:6 OR delivery:8", "-is:locked", "-de", "sent:2020-06.. -delivery:3", "is:locked", "to:*"}
)

// In every scope, every number in an answer is a count of distinct messages that agrees
// with a walk over the evidence.
func TestEveryNumberCountsMessages(t *testing.T) {
	if testing.Short() {
		t.Skip("takes in ten deliveries")
	}
	t.Parallel()
	o := testOptions(t)
	from := inventedDeliveries(t, 2500)
	names := world.Written(from)
	if len(names) != len(world.Deliveries) {
		t.Fatalf("not all deliveries of the world are there: %q", names)
	}
	dir := takeIn(t, o, from, names...)
	held := heldMessages(t, dir)
	copies, several := 0, 0
	for _, sightings := range held {
		if copies += len(sightings); len(sightings) > 1 {
			several++
		}
	}
	if several < len(held)/10 {
		t.Fatalf("%d of %d messages have several copies, too few to tell", several, len(held))
	}
	n, who := desks(t, dir, o, askedScopes...)
	facets := []query.FieldName{query.From, query.In, query.Service, query.Delivery, query.Is, query.Lang}
	for i, scope := range askedScopes {
		covers := query.Compile(parse(t, scope))
		var seen []*query.Doc
		for _, sightings := range held {
			if selected := covers.Select(sightings); len(selected) > 0 {
				seen = append(seen, &query.Doc{Sightings: selected})
			}
		}
		slices.SortFunc(seen, query.Compare)
		for _, q := range askedQueries {
			var want []*query.Doc
			for at, matches := range query.MatchAll(parse(t, q), seen) {
				if matches {
					want = append(want, seen[at])
				}
			}
			slices.Reverse(want)
			got, err := n.Desk.Search(t.Context(), who[i], desk.SearchRequest{Query: q, Limit: 40, Facets: facets, Histogram: index.ByMonth})
			if err != nil {
				t.Fatalf("%q in %q: %v", q, scope, err)
			}
			if diff := gocmp.Diff(countsOf(want, facets), answerOf(got)); diff != "" {
				t.Errorf("%q in %q (-walk over the evidence +answer):\n%s", q, scope, diff)
			}
		}
		checkPages(t, n, who[i], seen)
	}
	damage, notes, v := verified(t, dir)
	if len(damage) > 0 || v.Indexed != uint64(len(held)) {
		t.Errorf("%d indexed, want %d; %v, %v", v.Indexed, len(held), damage, notes)
	}
	t.Logf("%d messages in %d copies, %d of them in several", len(held), copies, several)
}

func parse(t *testing.T, text string) query.Node {
	t.Helper()
	n, err := query.Parse(text, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// numbers holds the numbers in an answer.
type numbers struct {
	Total, Messages, Differing uint64
	Refs                       []string
	Facets                     map[query.FieldName]map[string]uint64
	Months                     map[string]uint64
}

func answerOf(r *desk.SearchResult) numbers {
	n := numbers{Total: r.Total, Messages: r.Messages, Differing: r.Differing, Facets: map[query.FieldName]map[string]uint64{}, Months: map[string]uint64{}}
	for _, h := range r.Hits {
		n.Refs = append(n.Refs, h.Ref.String())
	}
	for field, counts := range r.Facets {
		n.Facets[field] = map[string]uint64{}
		for _, c := range counts {
			n.Facets[field][c.Value] = c.Count
		}
	}
	for _, c := range r.Histogram {
		if c.Count > 0 { // the bars between others may be empty
			n.Months[c.Value] = c.Count
		}
	}
	return n
}

func countsOf(found []*query.Doc, facets []query.FieldName) numbers {
	n := numbers{Total: uint64(len(found)), Facets: map[query.FieldName]map[string]uint64{}, Months: map[string]uint64{}}
	for i, d := range found {
		if i < 40 {
			n.Refs = append(n.Refs, d.ID().String())
		}
		if slices.Contains(query.Terms(d, query.Is), argus.MessageWord) {
			n.Messages++
		}
		if d.Differs() {
			n.Differing++
		}
		if sent := d.Sent(); sent.Known() {
			n.Months[sent.UTC().Format("2006-01")]++
		}
	}
	for _, field := range facets {
		all := map[string]uint64{}
		for _, d := range found {
			for _, value := range valuesOf(d, field) {
				all[value]++
			}
		}
		// An answer has the 20 most frequent values; those that are equally frequent are
		// sorted by name.
		list := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Or(cmp.Compare(all[b], all[a]), strings.Compare(a, b)) })
		n.Facets[field] = map[string]uint64{}
		for _, value := range list[:min(20, len(list))] {
			n.Facets[field][value] = all[value]
		}
	}
	return n
}

func valuesOf(d *query.Doc, field query.FieldName) (values []string) {
	switch field {
	case query.Is:
		return slices.DeleteFunc(query.Terms(d, field), func(word string) bool { return word == argus.MessageWord })
	case query.Delivery:
		return query.Terms(d, field)
	}
	for _, s := range d.Sightings {
		values = append(values, map[query.FieldName]string{
			query.From: s.Message.From, query.In: s.Message.Conversation, query.Service: s.Message.Service, query.Lang: langOf(s.Message),
		}[field])
	}
	slices.Sort(values)
	return slices.DeleteFunc(slices.Compact(values), func(s string) bool { return s == "" })
}

// checkPages compares the counts on a conversation's pages.
func checkPages(t *testing.T, n *Node, who desk.Who, seen []*query.Doc) {
	t.Helper()
	sizes := map[[2]string]uint64{}
	for _, d := range seen {
		m := d.Sightings[0].Message
		sizes[[2]string{m.Service, m.Conversation}]++
	}
	for i, d := range seen {
		m := d.Sightings[0].Message
		if i%97 != 0 || m.Conversation == "" {
			continue
		}
		page, err := n.Desk.Page(t.Context(), who, desk.PageRequest{Ref: d.ID().String(), Before: 3, After: 3})
		if err != nil {
			t.Fatalf("page around %s under %s: %v", d.ID(), who.Authority, err)
		}
		if got, want := page.Earlier+page.Later+uint64(len(page.Hits)), sizes[[2]string{m.Service, m.Conversation}]; got != want {
			t.Errorf("conversation %s under %s has %d messages on its pages, want %d", m.Conversation, who.Authority, got, want)
		}
		if !slices.ContainsFunc(page.Hits, func(h desk.Hit) bool { return h.Ref == d.ID() }) {
			t.Errorf("the page around %s does not contain that message", d.ID())
		}
	}
}

// Under a scope, a store gives the same answers whether or not it holds anything outside
// the scope, even earlier copies of the same messages.
func TestWhatLiesOutsideChangesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes in four deliveries")
	}
	t.Parallel()
	from := inventedDeliveries(t, 1200)
	queries := slices.Concat(askedQueries, randomQueries(times(t, "ARGUS_DIFFERENTIAL", 40)))
	scopes := []string{"delivery:1", "delivery:1 to:*", "delivery:1 -is:locked", "delivery:1 (from:a* OR has:attachment)", "sent:2020.. delivery:1"}
	o := testOptions(t)
	without := allAnswers(t, takeIn(t, o, from, "phone-of-tilde"), o, []int{0}, 120, queries, scopes...)
	o = testOptions(t)
	with := allAnswers(t, takeIn(t, o, from, "server-archive", "phone-of-tilde", "sheet-from-abroad"), o, []int{1, 0, 2}, 120, queries, scopes...)
	if len(with) != len(without) {
		t.Errorf("%d answers with what lies outside, %d without", len(with), len(without))
	}
	for _, asked := range slices.Sorted(maps.Keys(without)) {
		if with[asked] != without[asked] {
			t.Fatalf("%s (-without +with):\n%s", asked, gocmp.Diff(without[asked], with[asked]))
		}
	}
	// The test detects a difference if there is one.
	o = testOptions(t)
	all := allAnswers(t, takeIn(t, o, from, "server-archive", "phone-of-tilde"), o, []int{1, 0}, 120, askedQueries, "")
	if all[`"" in ""`] == without[`"" in "delivery:1"`] {
		t.Error("an authority for everything sees nothing of the other delivery")
	}
	t.Logf("reliability: differential requests tried %d failed 0", len(without))
}

// randomQueries returns queries of all kinds, the same for the same number.
func randomQueries(n int) []string { return queriesFrom(rand.New(rand.NewPCG(uint64(n), 9)), n) }

func queriesFrom(rng *rand.Rand, n int) (list []string) {
	atoms := []string{
		"de", "het", "ok", "morgen", "geld", "kilo", "haven", "mor*", "*en", "morgn~", "\"is er\"", "/[0-9]{4}/", "number:500", "from:a*", "to:*", "in:*", "is:locked",
		"is:edited", "is:deleted", "is:call", "is:message", "has:attachment", "has:time", "lang:nl", "lang:de", "service:sky", "service:unknown", "delivery:1", "sent:2021", "sent:..2020-12",
		"sent:2021-02..2021-04", "entity:phone", "entity:amount", "morgen~nl", "ok ->5 ja", "ja ->3 de", "ja ->5:other de",
	}
	var build func(depth int) string
	build = func(depth int) string {
		if depth == 0 || rng.IntN(3) == 0 {
			return atoms[rng.IntN(len(atoms))]
		}
		a, b := build(depth-1), build(depth-1)
		switch rng.IntN(4) {
		case 0:
			return "(" + a + " OR " + b + ")"
		case 1:
			return "-(" + a + ")"
		case 2:
			return "(" + a + " -(" + b + "))"
		}
		return "(" + a + " " + b + ")"
	}
	for len(list) < n {
		q := build(rng.IntN(4))
		if _, err := query.Parse(q, query.Options{}); err == nil {
			list = append(list, q)
		}
	}
	return list
}

// allAnswers asks each query under each scope, and opens one of every so many returned
// messages. It renames deliveries by order: the delivery with the number at+1 in this
// store becomes order[at]+1.
func allAnswers(t *testing.T, dir string, o Options, order []int, every int, queries []string, scopes ...string) map[string]string {
	t.Helper()
	renamed := func(text string) string {
		for at, i := range order {
			text = strings.ReplaceAll(text, fmt.Sprintf("delivery:%d", i+1), fmt.Sprintf("delivery:#%d", at+1))
		}
		return strings.ReplaceAll(text, "#", "")
	}
	var own []string
	for _, scope := range scopes {
		own = append(own, renamed(scope))
	}
	n, who := desks(t, dir, o, own...)
	answers := map[string]string{}
	for i, scope := range scopes {
		for _, q := range queries {
			r, err := n.Desk.Search(t.Context(), who[i], desk.SearchRequest{
				Query: renamed(q), Limit: 1000, Facets: []query.FieldName{query.From, query.In, query.Is, query.Lang, query.Delivery}, Histogram: index.ByDay,
			})
			if err != nil {
				t.Fatal(err)
			}
			answers[fmt.Sprintf("%q in %q", q, scope)] = plain(t, r, order)
			for at, h := range r.Hits {
				asked := fmt.Sprintf("show %s in %q", h.Ref, scope)
				if at%every != 0 || answers[asked] != "" {
					continue
				}
				shown, err := n.Desk.Show(t.Context(), who[i], h.Ref.String(), true)
				if err != nil {
					t.Fatal(err)
				}
				answers[asked] = plain(t, shown, order)
				page, err := n.Desk.Page(t.Context(), who[i], desk.PageRequest{Ref: h.Ref.String(), Before: 5, After: 5})
				if err != nil {
					t.Fatal(err)
				}
				answers[fmt.Sprintf("page around %s in %q", h.Ref, scope)] = plain(t, page, order)
			}
		}
		checkCursors(t, n, who[i], renamed(queries[0]))
		if scope == "" {
			continue // the count would include messages that were already known
		}
		list, err := n.Desk.Deliveries(t.Context(), who[i])
		if err != nil {
			t.Fatal(err)
		}
		answers[fmt.Sprintf("deliveries in %q", scope)] = plain(t, list, order)
		for _, d := range list {
			receipt, err := n.Desk.Receipt(t.Context(), who[i], d.Delivery)
			if err != nil {
				t.Fatal(err)
			}
			answers[fmt.Sprintf("receipt of #%d in %q", order[d.Delivery-1]+1, scope)] = plain(t, receipt, order)
		}
	}
	return answers
}

// checkCursors compares an answer with the same answer fetched in pieces.
func checkCursors(t *testing.T, n *Node, who desk.Who, q string) {
	t.Helper()
	refs := func(limit int) (list []string) {
		req := desk.SearchRequest{Query: q, Limit: limit}
		for {
			r, err := n.Desk.Search(t.Context(), who, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range r.Hits {
				list = append(list, h.Ref.String())
			}
			if req.Next = r.Next; req.Next == "" || limit == desk.MostHits {
				return list
			}
		}
	}
	if all, pieces := refs(desk.MostHits), refs(137); len(all) < desk.MostHits && !slices.Equal(all, pieces) {
		t.Errorf("%q under %s: %d hits at once, %d in pieces", q, who.Authority, len(all), len(pieces))
	}
}

// plain writes an answer with renamed deliveries. It omits positions and entries, which
// differ between stores, and the repeated query.
func plain(t *testing.T, answer any, order []int) string {
	t.Helper()
	data, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for at, i := range order {
		text = strings.ReplaceAll(text, fmt.Sprintf(`"D-%04d"`, at+1), fmt.Sprintf(`"#%d"`, i+1))
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	data, err = json.MarshalIndent(withoutPositions(v), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func withoutPositions(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"entry", "seq", "original_seq", "query", "narrowed", "behind", "store", "sealed", "started_us", "root", "originals_root", "file", "authority"} {
			delete(v, key)
		}
		for key, inner := range v {
			v[key] = withoutPositions(inner)
		}
	case []any:
		for i := range v {
			v[i] = withoutPositions(v[i])
		}
		// Lists without an order of their own follow the order in the store.
		if len(v) > 0 {
			if _, named := v[0].(string); named {
				slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			} else if m, ok := v[0].(map[string]any); ok && (m["delivery"] != nil || m["value"] != nil) {
				slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
		}
	}
	return v
}

// langOf returns the language of a copy as a facet counts it.
func langOf(m *argus.Message) string {
	if found := new(query.Analyzer).FoundLanguage(m); found != "" {
		return strings.ToLower(found) + query.Found
	}
	return strings.ToLower(m.Lang)
}

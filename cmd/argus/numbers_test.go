package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/demo"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/same"
	"github.com/argus-evidence/argus/internal/world"
)

// TestEveryPrintedNumber compares each number that people and programs get with a walk
// over the records, which uses no index. A number of messages counts distinct messages,
// however many copies of them the overlapping deliveries of the invented case contain.
// Any other number has the name of the counted things next to it, and that name is in the
// tables at the end of this file.
func TestEveryPrintedNumber(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("runs the command as a process on eleven deliveries; not with -short, nor with -race")
	}
	surroundings(t)
	dir := t.TempDir()
	t.Setenv("ARGUS_KEYS", filepath.Join(dir, "keys"))
	t.Setenv("ARGUS_STORE", filepath.Join(dir, "demo.argus"))
	printed, _, stop := startServing(t, "demo", "--no-open", "--feed", "0", "--keep", dir, "--messages", "2500", "--seed", "7")
	stop()
	if made := world.Written(filepath.Join(dir, "deliveries")); len(made) != len(world.Deliveries) {
		t.Fatalf("not all deliveries of the world are there: %q", made)
	}
	mixed := mixedDelivery(t)
	t.Setenv("ARGUS_ACTOR", demo.User)
	ingested, _ := tells(t, "ingest", "--json", mixed)
	scopes := []string{"", "-delivery:1", "delivery:2 OR delivery:8 OR delivery:11 -is:locked"}
	first := 2 + len(demo.Orders)
	for _, scope := range scopes {
		tells(t, "authority", "add", "--basis", "b", "--granted-by", "g", "--for", "p", "--scope", scope)
	}
	h := walkRecords(t, filepath.Join(dir, "demo.argus"))
	h.checkDemo(t, printed)
	h.checkReceipt(t, "ingest --json", objects(t, ingested)["receipt"][0], nil)
	h.checkPlan(t, mixed)
	h.checkStore(t)

	_, link, _ := startServing(t, "serve", "--no-open", "--authority", "A-0004")
	page := openPage(t, link)
	for i, scope := range scopes {
		seen := h.inScope(t, scope)
		authority := fmt.Sprintf("A-%04d", first+i)
		page.authority = authority
		asks := func(args ...string) string {
			out, _ := tells(t, append([]string{"--authority", authority}, args...)...)
			return out
		}
		for n, q := range []string{
			"", "-is:message", "is:differs OR is:edited OR is:locked", "de OR het OR the", "delivery:1 delivery:2",
			"is:message -has:attachment to:*", "morgen ->5 ok", "entity:phone OR entity:amount", "from:u1 OR in:docks", "is:message is:deleted sent:2030",
		} {
			found := matching(t, q, seen)
			page.checkSearch(t, q, found, seen)
			if n < 4 {
				h.checkSearch(t, asks, q, found)
				h.checkDistinct(t, asks, page, q, found)
			}
		}
		h.checkAll(t, asks, "-from:a*", matching(t, "-from:a*", seen))
		page.checkDeliveries(t, h, seen, i == 0)
		for n := 5; n < len(seen); n += len(seen)/3 + 1 {
			h.checkMessage(t, asks, page, seen, seen[n])
		}
		for _, n := range slices.Sorted(maps.Keys(h.deliveries)) {
			if i == 0 || n == 11 {
				h.checkReceipts(t, asks, n, seen, i == 0)
			}
		}
		h.checkList(t, asks, i == 0)
	}
	h.checkSheets(t, matching(t, "-is:system", h.inScope(t, "")), "-is:system")
}

// mixedDelivery is an eleventh delivery, with messages of all types, each of them in two
// files: first with the same content, then with different content.
func mixedDelivery(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "mixed")
	if err := os.MkdirAll(filepath.Join(dir, "copy"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := func(text string) string {
		var b strings.Builder
		for n, word := range argus.TypeWords {
			for i := range 1 + n%3 {
				kind := ""
				if argus.Type(n) != argus.TypeText {
					kind = fmt.Sprintf(`,"type":%q`, word)
				}
				fmt.Fprintf(&b, `{"service":"meta","conversation":"docks","from":"u%d","to":["u7"],"id":"a-long-service-id-%d-%d","sent":"2021-02-14T12:%02d:0%dZ","text":%q%s}`+"\n",
					i, n, i, n, i, text, kind)
			}
		}
		fmt.Fprintf(&b, `{"service":"meta","conversation":"quay","from":"u0","to":["u8"],"id":"a-long-service-id-again","sent":"2021-02-14T12:00:00Z","text":%q}`+"\n", text)
		fmt.Fprintf(&b, `{"service":"meta","from":"u1","to":["u7"],"id":"a-long-service-id-locked","sent":"2021-02-14T13:00:00Z","state":["locked"],"locked":{"key_id":"k","payload":%q}}`+"\n", base64.StdEncoding.EncodeToString([]byte(text)))
		return b.String()
	}
	write("a.jsonl", file("said"))
	write("b.jsonl", file("said"))
	write("copy/a.jsonl", file("unsaid"))
	mail := "From: Ann <a@x.test>\r\nTo: b@x.test\r\nDate: yesterday\r\nMessage-ID: <1@x.test>\r\n\r\nx\r\n"
	write("1.eml", mail)
	write("copy/1.eml", mail+"\r\n")
	return dir
}

// startServing runs the command as a process of its own, until it prints a link. It returns
// the lines before the link, and the link.
func startServing(t *testing.T, args ...string) (printed []string, link string, stop func()) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program(t), args...)
	c.Args[0] = "argus"
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := c.Cancel(); err != nil {
			t.Logf("stop argus %s: %v", args[0], err)
		}
		if err := c.Wait(); err != nil {
			t.Logf("argus %s ended: %v", args[0], err)
		}
	})
	t.Cleanup(stop)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if link = regexp.MustCompile(`http://\S+`).FindString(lines.Text()); link != "" {
			return printed, link, stop
		}
		printed = append(printed, lines.Text())
	}
	t.Fatalf("argus %s printed no link: %q", args[0], printed)
	return nil, "", stop
}

// figures are numbers, keyed by the name of the things counted.
type figures map[string]uint64

// equal compares figures; zeros may be left out.
func (want figures) equal(t *testing.T, asked string, got figures) {
	t.Helper()
	zero := func(_ string, n uint64) bool { return n == 0 }
	maps.DeleteFunc(want, zero)
	maps.DeleteFunc(got, zero)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-walk over the records +printed):\n%s", asked, diff)
	}
}

// walked holds the counts from a walk over the records.
type walked struct {
	messages   [][]query.Sighting // each with all its copies
	deliveries map[argus.DeliveryNumber]figures
	ids        map[string]bool   // of accounts and conversations
	evidence   *strings.Replacer // removes names found in the evidence
}

// walkRecords reads all records of a store, in their order.
func walkRecords(t *testing.T, dir string) *walked {
	t.Helper()
	store, err := evidence.Open(dir, evidence.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	h := &walked{deliveries: map[argus.DeliveryNumber]figures{}, ids: map[string]bool{}}
	place, files, names := map[argus.ID]int{}, map[uint64]string{}, map[string]bool{}
	for r, err := range store.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind == argus.KindOpening {
			h.deliveries[r.Delivery] = figures{}
			names[r.Opening.Source] = true
		}
		if r.Kind == argus.KindOriginal {
			files[r.Seq] = r.Original.Path
			names[r.Original.Path] = true
		}
		count := func(name string) {
			h.deliveries[r.Delivery]["counts/"+name]++
			h.deliveries[r.Delivery]["files/"+files[r.Where.Original]+"/counts/"+name]++
		}
		switch r.Kind {
		case argus.KindQuarantined:
			count("read")
			count("quarantined")
		case argus.KindMessage, argus.KindSighting:
			m, err := store.Whole(t.Context(), r.Seq)
			if err != nil {
				t.Fatal(err)
			}
			at, known := place[r.MessageID()]
			if !known {
				at, h.messages = len(h.messages), append(h.messages, nil)
				place[r.MessageID()] = at
			}
			h.messages[at] = append(h.messages[at], query.Sighting{ID: r.ID, Version: r.Version, Delivery: r.Delivery, Message: m})
			count("read")
			if r.Kind == argus.KindSighting {
				count("sightings")
			} else {
				count("stored")
				if known {
					count("differing")
				}
				if m.State&argus.StateLocked != 0 {
					count("locked")
				}
				if !m.Type.IsMessage() {
					count("beside/" + m.Type.String())
				}
			}
			for _, id := range slices.Concat(m.To, []string{m.From, m.Conversation}) {
				names[id], h.ids[id] = true, true
			}
			names[m.FromName], names[m.Title] = true, true
		}
	}
	var taken []string
	for _, name := range slices.SortedFunc(maps.Keys(names), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) {
		if _, err := strconv.Atoi(name); err == nil {
			t.Fatalf("the name %s looks like a count", name)
		}
		if strings.ContainsAny(name, "0123456789") {
			taken = append(taken, name, "")
		}
	}
	h.evidence = strings.NewReplacer(taken...)
	several := 0
	for _, sightings := range h.messages {
		if len(sightings) > 1 {
			several++
		}
	}
	if several < len(h.messages)/10 {
		t.Fatalf("%d of %d messages have several copies, too few to tell", several, len(h.messages))
	}
	return h
}

// inScope returns the messages as an asker sees them, oldest first.
func (h *walked) inScope(t *testing.T, scope string) (seen []*query.Doc) {
	t.Helper()
	covers := query.Compile(parsed(t, scope))
	for _, sightings := range h.messages {
		if selected := covers.Select(sightings); len(selected) > 0 {
			seen = append(seen, &query.Doc{Sightings: selected})
		}
	}
	slices.SortFunc(seen, query.Compare)
	return seen
}

func parsed(t *testing.T, text string) query.Node {
	t.Helper()
	n, err := query.Parse(text, query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// found holds the messages that a query matches, newest first.
type found struct {
	docs  []*query.Doc
	turns argus.TypeSet
	same  sameContents // in the whole scope
}

// sameContents counts the messages that have the same content.
type sameContents map[same.Key]uint64

func contents(docs []*query.Doc) sameContents {
	counts := sameContents{}
	for _, d := range docs {
		counts[d.SameKey()]++
	}
	delete(counts, same.Key{})
	return counts
}

// firsts returns the messages without those that have the content of an earlier one.
func (f found) firsts() found {
	seen := map[same.Key]bool{}
	f.docs = slices.DeleteFunc(slices.Clone(f.docs), func(d *query.Doc) bool {
		key := d.SameKey()
		again := seen[key]
		seen[key] = key != same.Key{}
		return again
	})
	return f
}

func matching(t *testing.T, q string, seen []*query.Doc) (f found) {
	t.Helper()
	n := parsed(t, q)
	f.turns, f.same = query.Turns(n), contents(seen)
	for at, matches := range query.MatchAll(n, seen) {
		if matches {
			f.docs = append(f.docs, seen[at])
		}
	}
	slices.Reverse(f.docs)
	return f
}

// types counts the messages, and each other type separately.
func (f found) types() (messages uint64, beside figures) {
	beside = figures{}
	for _, d := range f.docs {
		is := query.Terms(d, query.Is)
		if slices.Contains(is, argus.MessageWord) {
			messages++
		}
		for t, word := range argus.TypeWords {
			if t > 0 && !argus.Type(t).IsMessage() && slices.Contains(is, word) {
				beside[word]++
			}
		}
	}
	return messages, beside
}

// langOf returns the language of a copy as a facet counts it.
func langOf(m *argus.Message) string {
	if found := new(query.Analyzer).FoundLanguage(m); found != "" {
		return strings.ToLower(found) + query.Found
	}
	return strings.ToLower(m.Lang)
}

var countedFields = []query.FieldName{query.From, query.To, query.In, query.Service, query.Delivery, query.Is, query.Lang, query.Country, query.Entity}

// values returns the values that a message counts for.
func values(d *query.Doc, field query.FieldName) (list []string) {
	switch field {
	case query.Is:
		return slices.DeleteFunc(query.Terms(d, field), func(word string) bool { return word == argus.MessageWord })
	case query.Entity:
		return slices.DeleteFunc(query.Terms(d, field), entity.IsKind)
	case query.Country:
		for _, term := range query.Terms(d, field) {
			if stated, ok := strings.CutPrefix(term, query.Exact); ok || strings.HasSuffix(term, query.Found) {
				list = append(list, stated)
			}
		}
		return list
	case query.Delivery:
		return query.Terms(d, field)
	case query.To:
		list = append(list, d.Union().To...)
	}
	for _, s := range d.Sightings {
		list = append(list, map[query.FieldName]string{
			query.From: s.Message.From, query.In: s.Message.Conversation, query.Service: s.Message.Service, query.Lang: langOf(s.Message),
		}[field])
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == "" })
}

// pair returns who wrote to whom.
func (f found) pair(d *query.Doc) (name string, ok bool) {
	m := d.Union()
	to := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(m.To))), func(account string) bool { return account == "" })
	into := m.Conversation
	if len(to) == 1 {
		into = to[0]
	}
	isTurn := func(s query.Sighting) bool { return f.turns.Has(s.Message.Type) }
	return m.From + " -> " + into, m.From != "" && slices.ContainsFunc(d.Sightings, isTurn)
}

// figures returns the numbers in an answer to a search. most is the maximum number of
// values of a field.
func (f found) figures(most int) figures {
	n := figures{}
	var beside figures
	n["messages"], beside = f.types()
	for word, count := range beside {
		n["beside/"+word+"/count"] = count
	}
	tallies := map[string]figures{"pairs/": {}}
	for _, field := range countedFields {
		tallies["facets/"+string(field)+"/"] = figures{}
	}
	for _, d := range f.docs {
		if d.Differs() {
			n["differing"]++
		}
		if sent := d.Sent(); sent.Known() {
			n["histogram/"+sent.UTC().Format("2006-01")+"/count"]++
		}
		for _, field := range countedFields {
			for _, value := range values(d, field) {
				tallies["facets/"+string(field)+"/"][value]++
			}
		}
		if pair, ok := f.pair(d); ok {
			tallies["pairs/"][pair]++
		}
	}
	for name, tally := range tallies {
		list := slices.SortedFunc(maps.Keys(tally), func(a, b string) int { return cmp.Or(cmp.Compare(tally[b], tally[a]), strings.Compare(a, b)) })
		for _, value := range list[:min(most, len(list))] {
			n[name+value+"/count"] = tally[value]
		}
		if len(list) > most {
			n[name+"more"] = uint64(len(list) - most)
		}
	}
	return n
}

// copiesOf returns the numbers printed with the hits of an answer.
func copiesOf(docs []*query.Doc, same sameContents, into figures, under string) figures {
	for _, d := range docs {
		at := under + d.ID().String()
		into[at+"/sightings"], into[at+"/versions"] = uint64(len(d.Sightings)), uint64(len(d.Versions()))
		if n := same[d.SameKey()]; n > 1 {
			into[at+"/same_content"] = n
		}
	}
	return into
}

// headsOf returns the numbers in the first lines of hits.
func headsOf(docs []*query.Doc, same sameContents, into figures) {
	into["heads"] = uint64(len(docs))
	for _, d := range docs {
		ref := d.ID().String()[:16]
		if n := len(d.Versions()); n > 1 {
			into[ref+" versions"] = uint64(n)
		}
		if n := same[d.SameKey()]; n > 1 {
			into[ref+" same"] = n
		}
	}
}

const (
	mostShown = 7  // hits of a search
	mostText  = 20 // values on the screen
	allValues = 1 << 30
)

// checkSearch runs the command, once for text and once for objects, and then gets the
// rest page by page.
func (h *walked) checkSearch(t *testing.T, asks func(...string) string, q string, f found) {
	t.Helper()
	args := []string{"search", "--limit", strconv.Itoa(mostShown), "--histogram", "month", "--facet", "pairs"}
	for _, field := range countedFields {
		args = append(args, "--facet", string(field))
	}
	shown := f.docs[:min(mostShown, len(f.docs))]

	want, got := f.figures(mostText), figures{}
	headsOf(shown, f.same, want)
	h.readText(t, asks(append(args, "--", q)...), parsed(t, q).String(), got)
	want.equal(t, fmt.Sprintf("search %q", q), got)

	printed := objects(t, asks(append(args, "--json", "--", q)...))
	want, got = copiesOf(shown, f.same, f.figures(allValues), ""), figures{}
	want["total"], want["hits"] = uint64(len(f.docs)), uint64(len(shown))
	for _, hit := range printed["hit"] {
		readObject(t, map[string]any{"hits": []any{hit}}, "hits/", got)
	}
	readObject(t, printed["result"][0], "", got)
	want.equal(t, fmt.Sprintf("search %q --json", q), got)

	if next, _ := printed["result"][0]["next"].(string); next != "" {
		rest := objects(t, asks("search", "--json", "--limit", "40", "--next", next, "--", q))["hit"]
		sameHits(t, fmt.Sprintf("search %q --next", q), rest, f.docs[mostShown:min(mostShown+40, len(f.docs))])
	}
}

// checkDistinct searches with each content counted once.
func (h *walked) checkDistinct(t *testing.T, asks func(...string) string, p *servedPage, q string, f found) {
	t.Helper()
	firsts := f.firsts()
	shown := firsts.docs[:min(mostShown, len(firsts.docs))]
	numbers := func(most int) figures {
		want := firsts.figures(most)
		maps.DeleteFunc(want, func(name string, _ uint64) bool {
			return !strings.HasPrefix(name, "facets/from/") && !strings.HasPrefix(name, "facets/service/") && !strings.HasPrefix(name, "histogram/")
		})
		for name, n := range f.figures(most) {
			if name == "messages" || name == "differing" || strings.HasPrefix(name, "beside/") {
				want[name] = n
			}
		}
		want["distinct"] = want["messages"] - uint64(len(f.docs)-len(firsts.docs))
		return want
	}
	args := []string{"search", "--limit", strconv.Itoa(mostShown), "--distinct", "--histogram", "month", "--facet", "from,service"}
	want, got := numbers(mostText), figures{}
	headsOf(shown, f.same, want)
	h.readText(t, asks(append(args, "--", q)...), parsed(t, q).String(), got)
	want.equal(t, fmt.Sprintf("search --distinct %q", q), got)

	want, got = copiesOf(shown, f.same, numbers(allValues), "hits/"), figures{}
	want["total"] = uint64(len(f.docs))
	readObject(t, p.object(t, "POST", "/api/search", map[string]any{"query": q, "limit": mostShown, "distinct": true, "facets": []string{"from", "service"}, "facet_size": -1, "histogram": "month"}), "", got)
	want.equal(t, fmt.Sprintf("POST search %q, distinct", q), got)
}

func sameHits(t *testing.T, asked string, hits []map[string]any, docs []*query.Doc) {
	t.Helper()
	var got, want []string
	for _, hit := range hits {
		got = append(got, fmt.Sprint(hit["ref"]))
	}
	for _, d := range docs {
		want = append(want, d.ID().String())
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-walk over the records +printed):\n%s", asked, diff)
	}
}

// checkAll prints all messages found, oldest first.
func (h *walked) checkAll(t *testing.T, asks func(...string) string, q string, f found) {
	t.Helper()
	want, got := figures{}, figures{}
	var beside figures
	want["messages"], beside = f.types()
	for word, n := range beside {
		want["beside/"+word+"/count"] = n
	}
	counts := maps.Clone(want)
	headsOf(f.docs, f.same, want)
	h.readText(t, asks("search", "--all", "--", q), q, got)
	want.equal(t, "search --all", got)

	printed := objects(t, asks("search", "--all", "--json", "--", q))
	docs := slices.Clone(f.docs)
	slices.Reverse(docs)
	sameHits(t, "search --all --json", printed["hit"], docs)
	got = figures{}
	readObject(t, printed["result"][0], "", got)
	counts["hits"] = uint64(len(docs))
	counts.equal(t, "search --all --json", got)
}

// checkSheets gets the counts of each field as a sheet.
func (h *walked) checkSheets(t *testing.T, f found, q string) {
	t.Helper()
	all := f.figures(allValues)
	for _, field := range append(slices.Clone(countedFields), "pairs", "histogram") {
		name, args := "facets/"+string(field)+"/", []string{"--facet", string(field)}
		switch field {
		case "pairs":
			name = "pairs/"
		case "histogram":
			name, args = "histogram/", []string{"--histogram", "month"}
		}
		want, got := figures{}, figures{}
		for key, n := range all {
			if rest, ok := strings.CutPrefix(key, name); ok {
				want[strings.TrimSuffix(rest, "/count")] = n
			}
		}
		out, _ := tells(t, append([]string{"search", "--authority", "A-0004", "--csv"}, append(args, "--", q)...)...)
		rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		column := func(row []string, name string) string {
			return strings.TrimPrefix(row[slices.Index(rows[0], name)], "'")
		}
		for _, row := range rows[1:] {
			value := column(row, rows[0][0])
			if field == "pairs" {
				value = column(row, "from") + " -> " + column(row, "to") + column(row, "conversation")
			}
			got[value] += amount(t, column(row, "count"))
		}
		for i, head := range rows[0] {
			if head == "count" {
				continue
			}
			for _, row := range rows[1:] {
				if _, err := strconv.Atoi(row[i]); err == nil && !h.ids[row[i]] && field != "entity" {
					t.Errorf("--csv of %s: a number %s in column %q", field, row[i], head)
				}
			}
		}
		want.equal(t, fmt.Sprintf("search --csv of %s", field), got)
	}
}

// checkMessage shows a message, and its conversation.
func (h *walked) checkMessage(t *testing.T, asks func(...string) string, p *servedPage, seen []*query.Doc, d *query.Doc) {
	t.Helper()
	ref := d.ID().String()
	want, got := figures{"sightings": uint64(len(d.Sightings))}, figures{}
	if n := len(d.Versions()); n > 1 {
		want["versions"] = uint64(n)
	}
	same := contents(seen)
	if n := same[d.SameKey()]; n > 1 {
		want["same_content"] = n
	}
	h.readText(t, asks("show", ref), "", got)
	want.equal(t, "show", got)
	traced := asks("show", ref, "--trace")
	h.readText(t, traced, "", figures{})
	if n := strings.Count(traced, "  found as record "); n != len(d.Sightings) {
		t.Errorf("show --trace: %d places, want %d", n, len(d.Sightings))
	}

	want = figures{"versions": uint64(len(d.Versions())), "sightings": uint64(len(d.Sightings))}
	for asked, shown := range map[string]map[string]any{
		"show --json": objects(t, asks("show", ref, "--json", "--trace"))["message"][0], "GET message": p.object(t, "GET", "/api/messages/"+ref+"?raw=true", nil),
	} {
		got = figures{}
		readObject(t, shown, "", figures{})
		for _, v := range shown["versions"].([]any) {
			got["versions"]++
			got["sightings"] += uint64(len(v.(map[string]any)["sightings"].([]any)))
		}
		want.equal(t, asked, got)
	}

	if d.Lead().Message.Conversation == "" {
		return
	}
	var in []*query.Doc
	m := d.Lead().Message
	for _, one := range seen {
		if slices.ContainsFunc(one.Sightings, func(s query.Sighting) bool {
			return s.Message.Service == m.Service && s.Message.Conversation == m.Conversation
		}) {
			in = append(in, one)
		}
	}
	at := slices.Index(in, d)
	shown := in[max(0, at-2):min(len(in), at+4)]
	want = figures{"earlier": uint64(max(0, at-2)), "later": uint64(len(in) - min(len(in), at+4))}
	text, got := maps.Clone(want), figures{}
	headsOf(shown, same, text)
	h.readText(t, asks("conversation", ref, "--before", "2", "--after", "3"), "", got)
	text.equal(t, "conversation", got)
	copiesOf(shown, same, want, "hits/")
	got = figures{}
	readObject(t, objects(t, asks("conversation", ref, "--before", "2", "--after", "3", "--json"))["conversation"][0], "", got)
	want.equal(t, "conversation --json", got)
	got = figures{}
	readObject(t, p.object(t, "GET", "/api/conversation?before=2&after=3&ref="+ref, nil), "", got)
	want.equal(t, "GET conversation", got)
}

// holds counts the messages and other items of a delivery, each of them once.
func holds(t *testing.T, n argus.DeliveryNumber, seen []*query.Doc, into figures) {
	t.Helper()
	f := matching(t, "delivery:"+n.String(), seen)
	messages, beside := f.types()
	into["holds/messages"], into["holds/distinct"] = messages, messages-uint64(len(f.docs)-len(f.firsts().docs))
	for word, count := range beside {
		into["holds/beside/"+word+"/count"] = count
	}
}

// account returns the account of a delivery, or the part of it that a limited answer
// shows.
func (h *walked) account(n argus.DeliveryNumber, all bool, which ...string) figures {
	want := figures{}
	for key, count := range h.deliveries[n] {
		if !all && !strings.HasSuffix(key, "/read") && !strings.HasSuffix(key, "/quarantined") {
			continue
		}
		if strings.HasPrefix(key, "counts/") && slices.Contains(which, "seal/") {
			want["seal/"+key] = count
		}
		if strings.HasPrefix(key, "counts/") || slices.Contains(which, "files/") {
			want[key] = count
		}
	}
	return want
}

// checkReceipt checks the receipt of the delivery that an object names.
func (h *walked) checkReceipt(t *testing.T, asked string, receipt map[string]any, seen []*query.Doc) {
	t.Helper()
	n, err := argus.ParseDelivery(fmt.Sprint(receipt["delivery"]))
	if err != nil {
		t.Fatal(err)
	}
	if receipt["partial"] == true {
		return // nothing is counted
	}
	want, got := h.account(n, receipt["limited"] != true, "seal/", "files/"), figures{}
	if seen != nil {
		holds(t, n, seen, want)
	}
	readObject(t, receipt, "", got)
	want.equal(t, fmt.Sprintf("%s of %s", asked, n), got)
}

func (h *walked) checkReceipts(t *testing.T, asks func(...string) string, n argus.DeliveryNumber, seen []*query.Doc, all bool) {
	t.Helper()
	h.checkReceipt(t, "receipt --json", objects(t, asks("receipt", n.String(), "--json"))["receipt"][0], seen)
	want, got := h.account(n, all), figures{}
	holds(t, n, seen, want)
	want["repeating"] = want["holds/messages"] - want["holds/distinct"]
	delete(want, "holds/distinct")
	h.readText(t, asks("receipt", n.String()), "", got)
	if got["partial"] > 0 {
		return
	}
	if beside := got["copies of/messages"]; beside > 0 {
		want["copies of/messages"] = want["counts/stored"]
		for key, count := range want {
			if strings.HasPrefix(key, "counts/beside/") {
				want["copies of/messages"] -= count
			}
		}
	}
	want.equal(t, fmt.Sprintf("receipt %s", n), got)
}

// checkPlan makes a dry run of the eleventh delivery.
func (h *walked) checkPlan(t *testing.T, dir string) {
	t.Helper()
	want := figures{"read": h.deliveries[11]["counts/read"], "quarantined": h.deliveries[11]["counts/quarantined"]}
	for _, sightings := range h.messages {
		again := false
		for _, s := range sightings {
			if s.Delivery != 11 {
				continue
			}
			want["copies"]++
			if m := s.Message; !m.Type.IsMessage() {
				want["beside/"+m.Type.String()]++
			} else if m.State&argus.StateLocked != 0 {
				want["locked"]++
			}
			if !again {
				want["different/count"]++
			}
			again = true
		}
	}
	text := figures{"copies": want["copies"], "different": want["different/count"], "copies of/messages": want["copies"]}
	for key, n := range want {
		switch {
		case strings.HasPrefix(key, "beside/"):
			text["counts/"+key] = n
			text["copies of/messages"] -= n
		case key != "copies" && key != "different/count":
			text["counts/"+key] = n
		}
	}
	got := figures{}
	printed, _ := tells(t, "ingest", "--dry-run", dir)
	h.readText(t, printed, "", got)
	text.equal(t, "ingest --dry-run", got)
	got = figures{}
	printed, _ = tells(t, "ingest", "--dry-run", "--json", dir)
	readObject(t, objects(t, printed)["plan"][0], "", got)
	want.equal(t, "ingest --dry-run --json", got)
}

// checkStore verifies the store, and builds its index.
func (h *walked) checkStore(t *testing.T) {
	t.Helper()
	sum := figures{"indexed": uint64(len(h.messages))}
	for _, counts := range h.deliveries {
		for key, n := range counts {
			if strings.HasPrefix(key, "counts/") {
				sum[key] += n
			}
		}
	}
	text, got := figures{"indexed": sum["indexed"]}, figures{}
	for _, name := range []string{"counts/read", "counts/stored", "counts/sightings", "counts/quarantined"} {
		text[name] = sum[name]
	}
	printed, _ := tells(t, "verify")
	h.readText(t, printed, "", got)
	text.equal(t, "verify", got)
	got = figures{}
	printed, _ = tells(t, "verify", "--json")
	readObject(t, objects(t, printed)["verified"][0], "", got)
	sum.equal(t, "verify --json", got)
	got = figures{}
	printed, _ = tells(t, "reindex")
	h.readText(t, printed, "", got)
	figures{"indexed": sum["indexed"]}.equal(t, "reindex", got)
	got = figures{}
	printed, _ = tells(t, "reindex", "--json")
	readObject(t, objects(t, printed)["indexed"][0], "", got)
	figures{"items": sum["indexed"]}.equal(t, "reindex --json", got)
}

// checkList checks the list of deliveries, as text and objects.
func (h *walked) checkList(t *testing.T, asks func(...string) string, all bool) {
	t.Helper()
	for _, d := range objects(t, asks("receipt", "--json"))["delivery"] {
		h.checkListed(t, "receipt --json", d)
	}
	for line := range strings.Lines(asks("receipt")) {
		got := figures{}
		if h.readText(t, line, "", got); len(got) == 0 || got["partial"] > 0 {
			continue // covered only in part
		}
		h.sums(t, "receipt", line, all, got)
	}
}

func (h *walked) checkListed(t *testing.T, asked string, d map[string]any) {
	t.Helper()
	n, err := argus.ParseDelivery(fmt.Sprint(d["delivery"]))
	if err != nil || d["partial"] == true {
		return
	}
	got := figures{}
	readObject(t, d, "", got)
	h.account(n, d["limited"] != true, "seal/").equal(t, fmt.Sprintf("%s of %s", asked, n), got)
}

// sums checks the sum in the line of a delivery.
func (h *walked) sums(t *testing.T, asked, line string, all bool, got figures) {
	t.Helper()
	n, err := argus.ParseDelivery(regexp.MustCompile(`D-\d+`).FindString(line))
	if err != nil {
		t.Fatalf("%s: %q: %v", asked, line, err)
	}
	want := h.account(n, all)
	maps.DeleteFunc(want, func(key string, _ uint64) bool {
		return !slices.Contains([]string{"counts/read", "counts/stored", "counts/sightings", "counts/quarantined"}, key)
	})
	want.equal(t, fmt.Sprintf("%s: %q", asked, line), got)
}

// checkDemo checks the line of each delivery that the demo ingests.
func (h *walked) checkDemo(t *testing.T, printed []string) {
	t.Helper()
	sums := 0
	for _, line := range printed {
		got := figures{}
		if h.readText(t, line, "", got); len(got) > 0 {
			sums++
			h.sums(t, "demo", line, true, got)
		}
	}
	if sums != len(world.Deliveries) {
		t.Errorf("the demo printed the sums of %d deliveries, want %d:\n%s", sums, len(world.Deliveries), strings.Join(printed, "\n"))
	}
}

// servedPage makes the requests that the page in the browser makes.
type servedPage struct {
	at, token, session, authority string
}

// say sets the headers of a request.
func (p *servedPage) say(r *http.Request) {
	for name, value := range map[string]string{"X-Argus-Token": p.token, "X-Argus-Session": p.session, "X-Argus-Authority": p.authority, "Content-Type": "application/json"} {
		r.Header.Set(name, value)
	}
}

func openPage(t *testing.T, link string) *servedPage {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	p := &servedPage{at: "http://" + u.Host, token: strings.TrimPrefix(u.Fragment, "token=")}
	p.session, _ = p.object(t, "POST", "/api/open", nil)["session"].(string)
	return p
}

func (p *servedPage) answer(t *testing.T, method, path string, body any) (answer any) {
	t.Helper()
	var sent io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, p.at+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	p.say(r)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(data, &answer)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v: %s", method, path, response.Status, err, data)
	}
	return answer
}

func (p *servedPage) object(t *testing.T, method, path string, body any) map[string]any {
	t.Helper()
	answer, ok := p.answer(t, method, path, body).(map[string]any)
	if !ok {
		t.Fatalf("%s %s: no object", method, path)
	}
	return answer
}

// checkSearch makes the page's requests. A query that is narrowed to a value finds as
// many messages as the value counts.
func (p *servedPage) checkSearch(t *testing.T, q string, f found, seen []*query.Doc) {
	t.Helper()
	asked := fmt.Sprintf("POST search %q under %s", q, p.authority)
	answer := p.object(t, "POST", "/api/search", map[string]any{"query": q, "limit": mostShown, "facets": countedFields, "facet_size": mostText, "histogram": "month", "pairs": -1})
	want, got := f.figures(mostText), figures{}
	all := f.figures(allValues)
	for key := range want {
		if strings.HasPrefix(key, "pairs/") || strings.HasSuffix(key, "/more") {
			delete(want, key)
		}
	}
	for key, n := range all {
		if strings.HasPrefix(key, "pairs/") {
			want[key] = n
		}
	}
	want["total"] = uint64(len(f.docs))
	copiesOf(f.docs[:min(mostShown, len(f.docs))], f.same, want, "hits/")
	readObject(t, answer, "", got)
	want.equal(t, asked, got)
	for _, field := range countedFields {
		for value, n := range topOf(want, "facets/"+string(field)+"/", 2) {
			chosen := query.Field{Name: field, Value: value}
			if field == query.From || field == query.To || field == query.In || (field == query.Lang || field == query.Country) && !strings.HasSuffix(value, query.Found) {
				chosen.Value = query.Exact + value
			}
			narrowed := uint64(0)
			for _, d := range f.docs {
				if query.Match(chosen, d) {
					narrowed++
				}
			}
			if narrowed != n {
				t.Errorf("%s: %d beside %s, which finds %d", asked, n, chosen, narrowed)
			}
		}
	}
}

func topOf(n figures, under string, most int) figures {
	top := figures{}
	for _, key := range slices.Sorted(maps.Keys(n)) {
		if value, ok := strings.CutPrefix(key, under); ok && len(top) < most && strings.HasSuffix(value, "/count") {
			top[strings.TrimSuffix(value, "/count")] = n[key]
		}
	}
	return top
}

func (p *servedPage) checkDeliveries(t *testing.T, h *walked, seen []*query.Doc, all bool) {
	t.Helper()
	list, _ := p.answer(t, "GET", "/api/deliveries", nil).([]any)
	if all && len(list) != len(h.deliveries) {
		t.Errorf("GET deliveries: %d, want %d", len(list), len(h.deliveries))
	}
	for _, d := range list {
		h.checkListed(t, "GET deliveries", d.(map[string]any))
		n := d.(map[string]any)["delivery"]
		h.checkReceipt(t, "GET delivery", p.object(t, "GET", fmt.Sprintf("/api/deliveries/%s", n), nil), seen)
	}
}

// objects returns the lines that a command prints with --json, keyed by their events.
func objects(t *testing.T, out string) map[string][]map[string]any {
	t.Helper()
	all := map[string][]map[string]any{}
	for line := range strings.Lines(out) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		event := fmt.Sprint(o["event"])
		all[event] = append(all[event], o)
	}
	return all
}

// readObject adds the numbers in an object that count messages or copies, keyed by their
// paths. In lists, the value, id, path or pair replaces the position. A number whose path
// is in no table fails the test.
func readObject(t *testing.T, o map[string]any, prefix string, into figures) {
	t.Helper()
	walkNumbers(o, nil, nil, func(path, kind []string, n float64) {
		at := strings.Join(kind, "/")
		unit, known := countedPath(at)
		switch {
		case known && unit == "":
			into[strings.TrimPrefix(strings.Join(path, "/"), prefix)] += uint64(n)
		case !known:
			t.Errorf("a number at %s, which no table names: %v", at, n)
		}
	})
}

func walkNumbers(v any, path, kind []string, each func(path, kind []string, n float64)) {
	switch v := v.(type) {
	case float64:
		each(path, kind, v)
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "message" && key != "states" { // words from the source
				walkNumbers(v[key], append(slices.Clone(path), key), append(slices.Clone(kind), key), each)
			}
		}
	case []any:
		for i, one := range v {
			name := strconv.Itoa(i)
			if o, ok := one.(map[string]any); ok {
				original, _ := o["original"].(map[string]any)
				switch {
				case o["value"] != nil:
					name = fmt.Sprint(o["value"])
				case o["ref"] != nil:
					name = fmt.Sprint(o["ref"])
				case original["path"] != nil:
					name = fmt.Sprint(original["path"])
				case o["from"] != nil && o["count"] != nil:
					into, one := o["to"].(string)
					if !one {
						into, _ = o["conversation"].(string)
					}
					name = fmt.Sprintf("%s -> %s", o["from"], into)
				}
			}
			walkNumbers(one, append(slices.Clone(path), name), append(slices.Clone(kind), "*"), each)
		}
	}
}

func amount(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.ReplaceAll(text, ",", ""), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var (
	heading    = regexp.MustCompile(`^(from|to|in|service|delivery|is|lang|country|entity|pairs|sent)$`)
	barLine    = regexp.MustCompile(`^ +(\d[\d,]*)  ▪* ?(.*)$`)
	silentLine = regexp.MustCompile(`^ +nothing  from (\S+) to (\S+) \((\d[\d,]*) bars?\)$`)
	moreLine   = regexp.MustCompile(`^ +… and (\d[\d,]*) (?:values?|pairs?) more`)
	pairSpan   = regexp.MustCompile(`  \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d$`)
	headLine   = regexp.MustCompile(`(?m)^[ ▶].*  ([0-9a-f]{16})(?:  \[(.*)\])?$`)
	resultLine = regexp.MustCompile(`^((?:\d[\d,]* distinct of )?\d[\d,]* [a-z ]+(?:, \d[\d,]* [a-z ]+)*): (.*)$`)
	reasonLine = regexp.MustCompile(`^  (quarantined \d[\d,]*|of \d[\d,]* [a-z]+)(?:, by [^:]*)?: `)
	underLine  = regexp.MustCompile(`^    .*  (\d[\d,]*)$`)
	placeLine  = regexp.MustCompile(`^  found as |^    at  `)
	factLine   = regexp.MustCompile(`^ {2,}[A-Za-z]\S*(?: \S+)*  +\S|^  (?:forwarded from|other copy sent) `)
	version    = regexp.MustCompile(`^version \d+  [0-9a-f]{32,}`)
)

// readText adds the numbers of a text that count messages or copies. A number next to a
// name that is in no table fails the test. asked is the query as Argus prints it.
func (h *walked) readText(t *testing.T, text, asked string, into figures) {
	t.Helper()
	section, reason, shows := "", false, strings.HasPrefix(text, "message ")
	hits := shows || headLine.MatchString(text)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := heading.FindStringSubmatch(line); m != nil {
			section = map[string]string{"pairs": "pairs/", "sent": "histogram/"}[m[1]]
			section = cmp.Or(section, "facets/"+m[1]+"/")
			continue
		}
		if section != "" && h.readBar(t, line, section, into) {
			continue
		}
		if placeLine.MatchString(line) {
			h.readNames(t, line, into)
			continue
		}
		if hits && (strings.HasPrefix(line, "    ") || version.MatchString(line)) || shows && factLine.MatchString(line) {
			continue // words from the source
		}
		if m := headLine.FindStringSubmatch(line); m != nil && hits {
			into["heads"]++
			for state := range strings.SplitSeq(m[2], ", ") {
				if n, ok := strings.CutSuffix(state, " versions"); ok {
					into[m[1]+" versions"] = amount(t, n)
				} else if n, ok := strings.CutSuffix(state, " with the same content"); ok {
					into[m[1]+" same"] = amount(t, strings.TrimPrefix(n, "one of "))
				} else if strings.ContainsAny(strings.TrimPrefix(state, "D-00"), "0123456789") && !strings.HasSuffix(state, "is not sealed") {
					t.Errorf("a number beside a hit: %q", line)
				}
			}
			continue
		}
		if m := underLine.FindStringSubmatch(line); m != nil && reason {
			continue // belongs to the pieces or copies that the line above counts
		}
		if reason = reasonLine.MatchString(line); reason {
			line = reasonLine.FindStringSubmatch(line)[0]
		}
		if m := resultLine.FindStringSubmatch(line); m != nil {
			if m[2] != asked {
				t.Errorf("understood as %q, want %q", m[2], asked)
			}
			line = m[1]
		}
		h.readNames(t, line, into)
	}
}

// readBar reads a line of a facet, a histogram or of pairs.
func (h *walked) readBar(t *testing.T, line, section string, into figures) bool {
	t.Helper()
	if silentLine.MatchString(line) {
		return true
	}
	if m := moreLine.FindStringSubmatch(line); m != nil {
		into[section+"more"] = amount(t, m[1])
		return true
	}
	m := barLine.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	value := m[2]
	switch section {
	case "pairs/":
		from, to, _ := strings.Cut(pairSpan.ReplaceAllString(value, ""), " -> ")
		value = h.id(from) + " -> " + h.id(to)
	case "facets/from/", "facets/to/", "facets/in/":
		value = h.id(value)
	}
	into[section+value+"/count"] += amount(t, m[1])
	return true
}

// id returns the id from a name that is printed with its id.
func (h *walked) id(shown string) string {
	for at := range shown {
		if rest, ok := strings.CutPrefix(shown[at:], " ("); ok && h.ids[strings.TrimSuffix(rest, ")")] {
			return strings.TrimSuffix(rest, ")")
		}
	}
	return shown
}

// readNames reads the numbers in a line by the names next to them.
func (h *walked) readNames(t *testing.T, line string, into figures) {
	t.Helper()
	rest := noNumbers.ReplaceAllString(h.evidence.Replace(noNumbers.ReplaceAllString(line, "")), "")
	if strings.Contains(rest, "covers only a part of it") {
		into["partial"]++
	}
	within := ""
	for _, place := range namedPlaces {
		if place.re.MatchString(rest) {
			within = place.name
		}
	}
	for _, one := range namedNumbers {
		for _, m := range one.re.FindAllStringSubmatch(rest, -1) {
			switch {
			case one.name == "":
			case one.name == "beside":
				word := strings.TrimSuffix(m[2], " change")
				if within == "copies of/" {
					into["counts/beside/"+word] += amount(t, m[1])
				} else {
					into[within+"beside/"+word+"/count"] += amount(t, m[1])
				}
			default:
				into[within+one.name] += amount(t, m[1])
			}
		}
		rest = one.re.ReplaceAllString(rest, "")
	}
	if strings.ContainsAny(rest, "0123456789") {
		t.Errorf("a number beside a name that no table has: %q of %q", rest, line)
	}
}

// noNumbers are digits that count nothing: times, numbers of deliveries and authorities,
// hashes, ids, readers with their version, and the token of the next page.
var noNumbers = regexp.MustCompile(`\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?\??)?|\b[AD]-\d{4,}\b|\b[0-9a-f]{16,}\b|\b[a-z][a-z0-9]*/\d+\b|\b(?:\d+m)?[\d.]+[mµ]?s\b|\bkey \S+|SHA-256|--next \S+|http://\S+`)

// namedPlaces are the sentences that give a name to the numbers in them.
var namedPlaces = []struct {
	re   *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`^  it holds `), "holds/"},
	{regexp.MustCompile(`^  (?:stored )?copies: `), "copies of/"},
}

// namedNumbers are the names next to the numbers in a text, with the key under which each
// number is compared. Names without a key count neither messages nor copies.
var namedNumbers = []struct {
	re   *regexp.Regexp
	name string
}{
	// Messages, each once.
	{regexp.MustCompile(`The copies of (\d[\d,]*) (?:messages?|items?) (?:say different things|differ)\.`), "differing"},
	{regexp.MustCompile(`(\d[\d,]*) different messages?\b`), "different"},
	{regexp.MustCompile(`(\d[\d,]*) distinct of\b`), "distinct"},
	{regexp.MustCompile(`one of (\d[\d,]*) messages with the same content\b`), "same_content"},
	{regexp.MustCompile(`^  and \d[\d,]* more$`), ""}, // of the messages above
	{regexp.MustCompile(`^  (\d[\d,]*) (?:message has|messages have) the same content as another of them\b`), "repeating"},
	{regexp.MustCompile(`(?:index holds|Indexed) (\d[\d,]*) items?\b`), "indexed"},
	{regexp.MustCompile(`(\d[\d,]*) earlier items?\b`), "earlier"},
	{regexp.MustCompile(`(\d[\d,]*) later items?\b`), "later"},
	// Copies.
	{regexp.MustCompile(`\bread (\d[\d,]*)\b`), "counts/read"},
	{regexp.MustCompile(`\bcopies (\d[\d,]*)\b`), "copies"},
	{regexp.MustCompile(`\bstored (\d[\d,]*)\b`), "counts/stored"},
	{regexp.MustCompile(`\bsightings (\d[\d,]*)\b`), "counts/sightings"},
	{regexp.MustCompile(`^  quarantined \d[\d,]*(?:, by [^:]*)?: $`), ""}, // pieces with the same reason
	{regexp.MustCompile(`\bquarantined (\d[\d,]*)\b`), "counts/quarantined"},
	{regexp.MustCompile(`(\d[\d,]*) stored (?:copy is|copies are) locked\b`), "counts/locked"},
	{regexp.MustCompile(`(\d[\d,]*) (?:copy is|copies are) locked\b`), "counts/locked"},
	{regexp.MustCompile(`(\d[\d,]*) (?:copy differs|copies differ) from\b`), "counts/differing"},
	{regexp.MustCompile(`\b(\d[\d,]*) of (?:a )?messages?\b`), "messages"},
	{regexp.MustCompile(`\b(\d[\d,]*) of (?:a )?(call|contact|room|membership change|reaction|location|device|draft|notice|note)s?\b`), "beside"},
	{regexp.MustCompile(`(\d[\d,]*) sightings?\b`), "sightings"},
	{regexp.MustCompile(`(\d[\d,]*) versions?\b`), "versions"},
	{regexp.MustCompile(`^  of \d[\d,]* cop(?:y|ies)\b`), ""}, // copies with the same remark
	// Neither.
	{regexp.MustCompile(`, \d[\d,]* read$`), ""}, // copies and pieces of a file
	{regexp.MustCompile(`[\d,.]+ [KMGT]?B\b`), ""},
	{regexp.MustCompile(`\d[\d,]* attachments? (?:is|are) named and not there|\d[\d,]* attachments? (?:is|are) named but missing|\d[\d,]* attachments? (?:not there|missing)`), ""},
	{regexp.MustCompile(`\d[\d,]* running numbers? (?:is|are) (?:not seen|missing)|\d[\d,]* of the numbers \d[\d,]* to \d[\d,]* (?:not seen|missing)`), ""},
	{regexp.MustCompile(`\d[\d,]* (?:conversation has|conversations have) only one side|… and \d[\d,]* conversations?|(?:the only one who sends|the only sender) in \d[\d,]* conversations?`), ""},
	{regexp.MustCompile(`\d[\d,]* (?:step goes|steps go) (?:against time|back in time)|\d[\d,]* steps? (?:against time|back in time)`), ""},
	{regexp.MustCompile(`… and \d[\d,]* accounts?|… and \d[\d,]* files?`), ""},
	{regexp.MustCompile(`^  , \d[\d,]* accounts?, \d[\d,]* conversations?$`), ""},
	{regexp.MustCompile(`\d[\d,]* records? in \d[\d,]* of \d[\d,]* deliver(?:y|ies) sealed|\d[\d,]* originals?\b|\d[\d,]* entr(?:y|ies) of the ledger`), ""},
	{regexp.MustCompile(`\brecord \d+(?: of the evidence|, bytes \d+ to \d+)?`), ""},
	// Messages again, because some names above also contain the word.
	{regexp.MustCompile(`(\d[\d,]*) messages?\b`), "messages"},
	{regexp.MustCompile(`(\d[\d,]*) (call|contact|room|membership change|reaction|location|device|draft|notice|note)s?\b`), "beside"},
}

// countedPaths are the paths of numbers in objects. Numbers of messages and of their
// copies have an empty unit and are compared; the others are listed with their unit.
var countedPaths = map[string]string{
	// Messages, each once.
	"total": "", "messages": "", "beside/*/count": "", "differing": "", "distinct": "", "same_content": "", "hits": "", "earlier": "", "later": "",
	"facets/from/*/count": "", "facets/to/*/count": "", "facets/in/*/count": "", "facets/service/*/count": "", "facets/delivery/*/count": "",
	"facets/is/*/count": "", "facets/lang/*/count": "", "facets/country/*/count": "", "facets/entity/*/count": "", "histogram/*/count": "", "pairs/*/count": "",
	"holds/messages": "", "holds/distinct": "", "holds/beside/*/count": "", "different/count": "", "indexed": "", "items": "",
	// Copies.
	"hits/*/sightings": "", "hits/*/versions": "", "hits/*/same_content": "",
	"read": "", "copies": "", "quarantined": "", "locked": "",
	"files/*/copies": "copies", "files/*/quarantined": "pieces", "files/*/size": "bytes", "accounts/count": "accounts", "conversations/count": "conversations",
	"records": "records", "sealed": "deliveries", "deliveries": "deliveries", "originals": "files", "ledger_entries": "entries of the ledger", "bytes": "bytes",
	"damage": "findings", "seconds": "time", "last_record": "record", "indexed_to": "record",
	"behind": "records", "entry": "entry of the ledger", "hits/*/marks/*/*": "bytes",
	"versions/*/sightings/*/seq": "record", "versions/*/sightings/*/original/size": "bytes", "versions/*/sightings/*/original/modified_us": "time",
	"versions/*/sightings/*/where/original_seq": "record", "versions/*/sightings/*/where/record": "record",
	"versions/*/sightings/*/where/offset": "bytes", "versions/*/sightings/*/where/length": "bytes",
	"versions/*/entities/*/start": "bytes", "versions/*/entities/*/end": "bytes",
	"opening/started_us": "time", "seal/opening/started_us": "time", "seal/records": "records", "seal/originals": "files", "seal/ledger/entries": "entries of the ledger",
	"files/*/original/size": "bytes", "files/*/original/modified_us": "time", "files/*/problems/*/count": "pieces", "files/*/remarks/*/count": "copies",
	"completeness/conversations": "conversations", "completeness/accounts": "accounts", "completeness/attachments_named": "attachments",
	"completeness/attachments_missing": "attachments", "completeness/number_series": "series", "completeness/numbers_unseen": "numbers",
	"completeness/conversations_one_sided": "conversations", "completeness/steps_against_time": "steps",
	"completeness/files_stating_a_count": "files", "completeness/files_of_another_count": "files",
	"completeness/in/*/attachments_missing": "attachments", "completeness/in/*/numbers_unseen": "numbers", "completeness/in/*/first_number": "number",
	"completeness/in/*/last_number": "number", "completeness/in/*/conversations_one_sided": "conversations", "completeness/in/*/steps_against_time": "steps",
	"completeness/more/conversations": "conversations", "completeness/more/accounts": "accounts",
}

// countedPath returns the unit of the number at a path.
func countedPath(at string) (unit string, known bool) {
	// The account of a delivery counts copies: its own, that of its seal and of each file.
	account, is := strings.CutPrefix(strings.TrimPrefix(strings.TrimPrefix(at, "seal/"), "files/*/"), "counts/")
	if word, ok := strings.CutPrefix(account, "beside/"); ok && !strings.Contains(word, "/") {
		kind, known := argus.ParseType(word)
		return "", known && !kind.IsMessage()
	}
	if is {
		return "", slices.Contains([]string{"read", "stored", "sightings", "quarantined", "differing", "locked"}, account)
	}
	unit, known = countedPaths[at]
	return unit, known
}

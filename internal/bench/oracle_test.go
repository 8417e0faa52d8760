package bench

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/index/embedded"
	"github.com/argus-evidence/argus/internal/query"
)

// A few words that SQLite's tokenizer and ours split in the same way.
var oracleWords = []string{"boat", "boats", "oat", "bo", "x9", "the", "of", "cargo", "embargo", "port", "report"}

// TestOracle asks the index and SQLite FTS5 the same questions about the same messages: which
// messages match, which ones are newest, and how many there are by sender, day and pair. This
// oracle shares no code with Argus; SQL expresses the queries that FTS5 cannot.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		records := oracleRecords(r)
		db := oracleDatabase(t, records)
		defer db.Close()
		options := embedded.Options{Evidence: oracleTexts(records), BatchBytes: rapid.SampledFrom([]int{0, 2000}).Draw(r, "batch"), SegmentDocs: 20}
		ix, err := embedded.Open(t.TempDir(), options)
		if err != nil {
			t.Fatal(err)
		}
		defer ix.Close()
		for part := range slices.Chunk(records, rapid.IntRange(5, 50).Draw(r, "flush after")) {
			if err := ix.Add(t.Context(), part); err != nil {
				t.Fatal(err)
			}
			if err := ix.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			scope, asked := oracleQuestion(r, 1), oracleQuestion(r, 2)
			if rapid.Bool().Draw(r, "turns") {
				asked = oracleThen(r, asked, oracleQuestion(r, 1))
			}
			got := oracleAsk(t, ix, asked, scope)
			want := oracleSelect(t, db, asked, scope)
			if d := gocmp.Diff(want, got); d != "" {
				t.Fatalf("%s inside %s: SQLite (-) and the index (+) differ:\n%s", asked.node, scope.node, d)
			}
		}
	})
}

type oracleTexts []*argus.Record

func (o oracleTexts) Whole(_ context.Context, seq uint64) (*argus.Record, error) {
	return o[seq-1], nil
}

// Copies is never called: no message has a second copy.
func (oracleTexts) Copies(context.Context, argus.ID) ([]uint64, error) { return nil, nil }

func oracleRecords(r *rapid.T) []*argus.Record {
	pick := func(of []string, what string) string { return rapid.SampledFrom(of).Draw(r, what) }
	begin := time.Date(2021, 2, 27, 22, 0, 0, 0, time.UTC)
	records := make([]*argus.Record, rapid.IntRange(1, 80).Draw(r, "messages"))
	for i := range records {
		m := &argus.Message{
			Service: "sky", Conversation: pick([]string{"a|b", "a|c", "room"}, "conversation"), From: pick([]string{"a", "b", "c"}, "from"),
			To: []string{pick([]string{"a", "b", "c"}, "to")}, ServiceID: fmt.Sprint(i),
			Text: strings.Join(rapid.SliceOfN(rapid.SampledFrom(oracleWords), 0, 8).Draw(r, "text"), " "),
			Sent: argus.At(begin.Add(time.Duration(rapid.IntRange(0, 200).Draw(r, "sent"))*time.Hour), "", argus.ZoneStated, argus.Second),
		}
		records[i] = &argus.Record{Kind: argus.KindMessage, Seq: uint64(i + 1), Delivery: 1, Message: m}
		records[i].ID, records[i].Version = m.Identity()
	}
	return records
}

func oracleDatabase(t *testing.T, records []*argus.Record) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for statement := range strings.SplitSeq(peerSchema+";\nalter table message add receiver text;\nalter table message add ref text", ";\n") {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range records {
		m := r.Message
		if _, err := db.ExecContext(t.Context(), "insert into message(seq, id, conversation, sender, sent, body, receiver, ref) values(?,?,?,?,?,?,?,?)",
			r.Seq, m.ServiceID, m.Conversation, m.From, m.Sent.Micros, m.Text, m.To[0], r.ID.String()); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), "insert into words(rowid, body) values(?,?)", r.Seq, m.Text); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// A question is a query, along with an equivalent SQL condition on a row m of table
// message.
type question struct {
	node query.Node
	sql  string
	// then has no condition, since it applies to the messages in a scope.
	then *struct{ first, second question }
}

func oracleQuestion(r *rapid.T, levels int) question {
	kind := rapid.IntRange(0, 6+levels).Draw(r, "question")
	word := func() string { return rapid.SampledFrom(oracleWords).Draw(r, "word") }
	match := func(n query.Node, text string) question {
		return question{node: n, sql: fmt.Sprintf("m.seq in (select rowid from words where words match '%s')", text)}
	}
	inner := func() (a, b question) { return oracleQuestion(r, levels-1), oracleQuestion(r, levels-1) }
	switch kind {
	case 0:
		w := word()
		return match(query.Word{Term: w}, w)
	case 1:
		w := word()
		w = w[:rapid.IntRange(1, len(w)).Draw(r, "length")]
		return match(query.Prefix{Term: w}, w+"*")
	case 2:
		terms := rapid.SliceOfN(rapid.SampledFrom(oracleWords), 2, 3).Draw(r, "phrase")
		return match(query.Phrase{Terms: terms}, `"`+strings.Join(terms, " ")+`"`)
	case 3: // FTS5's own OR and NOT
		a, b, c := word(), word(), word()
		return match(query.And{Nodes: []query.Node{query.Or{Nodes: []query.Node{query.Word{Term: a}, query.Word{Term: b}}}, query.Not{Node: query.Word{Term: c}}}},
			fmt.Sprintf("(%s OR %s) NOT %s", a, b, c))
	case 4:
		w := word()
		w = w[rapid.IntRange(0, len(w)-1).Draw(r, "from"):]
		return question{node: query.Part{Term: w}, sql: fmt.Sprintf("m.body like '%%%s%%'", w)}
	case 5:
		a := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "account")
		return question{node: query.Field{Name: query.From, Value: query.Exact + a}, sql: fmt.Sprintf("m.sender = '%s'", a)}
	case 6:
		return question{node: query.All{}, sql: "true"}
	case 7:
		a, b := inner()
		if rapid.Bool().Draw(r, "or") {
			return question{node: query.Or{Nodes: []query.Node{a.node, b.node}}, sql: fmt.Sprintf("(%s or %s)", a.sql, b.sql)}
		}
		return question{node: query.And{Nodes: []query.Node{a.node, b.node}}, sql: fmt.Sprintf("(%s and %s)", a.sql, b.sql)}
	default:
		a, _ := inner()
		return question{node: query.Not{Node: a.node}, sql: fmt.Sprintf("not (%s)", a.sql)}
	}
}

// oracleThen asks for a message that answers the second question, soon after one that
// answers the first.
func oracleThen(r *rapid.T, first, second question) question {
	n := query.Then{First: first.node, Second: second.node, Within: rapid.IntRange(1, 5).Draw(r, "within"), Other: rapid.Bool().Draw(r, "other")}
	return question{node: n, then: &struct{ first, second question }{first, second}}
}

// found is the answer that both must give.
type found struct {
	Newest  []uint64
	Total   int
	Senders []argus.Tally
	Days    []argus.Tally
	Pairs   []argus.Tally
}

const oracleNewest = 7

func oracleAsk(t *testing.T, ix *embedded.Index, asked, scope question) found {
	t.Helper()
	result, err := ix.Search(t.Context(), index.Request{Query: asked.node, Scope: scope.node, Limit: oracleNewest,
		Facets: []query.FieldName{query.From}, Histogram: index.ByDay, Pairs: 100})
	if err != nil {
		t.Fatal(err)
	}
	f := found{Total: int(result.Total), Senders: result.Facets[query.From], Days: result.Histogram}
	for _, h := range result.Hits {
		f.Newest = append(f.Newest, h.Seq)
	}
	for _, p := range result.Pairs {
		to := cmp.Or(p.To, p.Conversation)
		f.Pairs = append(f.Pairs, argus.Tally{Value: p.From + " " + to, Count: p.Count})
	}
	return f.sorted()
}

func oracleSelect(t *testing.T, db *sql.DB, asked, scope question) found {
	t.Helper()
	condition := asked.sql
	if n, ok := asked.node.(query.Then); ok {
		other := "true"
		if n.Other {
			other = "f.sender <> m.sender"
		}
		condition = fmt.Sprintf(`(%s) and exists (select 1 from turns f where f.conversation = m.conversation and m.turn - f.turn between 1 and %d and %s and (%s))`,
			asked.then.second.sql, n.Within, other, strings.ReplaceAll(asked.then.first.sql, "m.", "f."))
	}
	hits := fmt.Sprintf(`with turns as (select m.*, row_number() over (partition by conversation order by sent, ref) as turn from message m where %s),
		hits as (select * from turns m where %s) `, scope.sql, condition)
	var f found
	for _, row := range oracleRows(t, db, hits+fmt.Sprintf("select seq, 0 from hits order by sent desc, ref desc limit %d", oracleNewest)) {
		var seq uint64
		if _, err := fmt.Sscan(row.Value, &seq); err != nil {
			t.Fatal(err)
		}
		f.Newest = append(f.Newest, seq)
	}
	f.Total = int(oracleRows(t, db, hits+"select '', count(*) from hits")[0].Count)
	f.Senders = oracleRows(t, db, hits+"select sender, count(*) from hits group by 1")
	f.Days = oracleRows(t, db, hits+"select strftime('%Y-%m-%d', sent / 1000000, 'unixepoch'), count(*) from hits group by 1")
	f.Pairs = oracleRows(t, db, hits+"select sender || ' ' || receiver, count(*) from hits group by 1")
	return f.sorted()
}

func (f found) sorted() found {
	for _, list := range []*[]argus.Tally{&f.Senders, &f.Days, &f.Pairs} {
		slices.SortFunc(*list, func(a, b argus.Tally) int { return cmp.Compare(a.Value, b.Value) })
		if len(*list) == 0 {
			*list = nil
		}
	}
	return f
}

func oracleRows(t *testing.T, db *sql.DB, text string) (list []argus.Tally) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	for rows.Next() {
		var one argus.Tally
		if err := rows.Scan(&one.Value, &one.Count); err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

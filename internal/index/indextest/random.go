package indextest

import (
	"fmt"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
	"pgregory.net/rapid"
)

// There are few words and values, so that messages share them.
var (
	vocabulary    = []string{"the", "boat", "boats", "bout", "Antwerp", "café", "привет", "مرحبا", "東京", "👍", "1000", "1 000", "x-ray", "coast", "at", "6", "12 34", "5678", "0000000", "BOAT", "cafe\u0301", "b\u043eat", "+44 7700 900123", "+447700900124", "MSCU1234566", "50k euro", "a@example.org"}
	services      = []string{"test", "irc", "sky"}
	conversations = []string{"G", "g", "Group 2", "", "a|b", "G\x00", "=G", "x =G", "x =g", "derived:1", "derived:2", "2", "5", "9", "14"}
	accounts      = []string{"a", "Q3XK9A", "alice@example.org", "+32 470 00 00 00", "+32470000000", "Ä"}
	expressions   = []string{"boat", "bo[aä]t", "B[a-z]+T", "o.*t", "(?i)x-ra[xy]", "b(o|u)[au]t?", "[12]{2}", "k|boat", "^$", "(?i)ANTWERP", `\d{4}`, "b.*t$", "the|at", "("}
)

func (e *evidence) randomRecord(r *rapid.T) {
	delivery := argus.DeliveryNumber(rapid.IntRange(1, 4).Draw(r, "delivery"))
	kind := rapid.IntRange(0, 11).Draw(r, "kind")
	if len(e.entries) == 0 && (kind < 4 || kind > 9) {
		kind = 9
	}
	switch kind {
	case 0:
		e.other(argus.KindQuarantined)
	case 1:
		of := rapid.SampledFrom(e.entries).Draw(r, "seen again")
		e.sighting(delivery, rapid.SampledFrom(of.seqs).Draw(r, "copy"))
	case 2, 3:
		of := rapid.SampledFrom(e.entries).Draw(r, "copied").seqs[0]
		e.message(delivery, randomCopy(r, *e.whole[of-1].Message), of)
	case 10, 11:
		e.message(delivery, randomTwin(r, *e.whole[rapid.SampledFrom(e.entries).Draw(r, "twin").seqs[0]-1].Message, fmt.Sprint(e.last())), 0)
	default:
		e.message(delivery, randomMessage(r, fmt.Sprint(e.last())), 0)
	}
}

// randomTwin has another id than a message, and perhaps another conversation or other
// receivers; its content may be the same.
func randomTwin(r *rapid.T, m argus.Message, label string) argus.Message {
	other := randomMessage(r, label)
	m.ServiceID, m.Sequence = label, other.Sequence
	if rapid.Bool().Draw(r, "elsewhere") {
		m.Conversation, m.To = other.Conversation, other.To
	}
	return m
}

// randomCopy changes the statement or the content of a message.
func randomCopy(r *rapid.T, m argus.Message) argus.Message {
	other := randomMessage(r, m.ServiceID)
	other.Service, other.Conversation, other.From, other.Type = m.Service, m.Conversation, m.From, m.Type
	switch {
	case rapid.Bool().Draw(r, "the same words"):
		other.Text, other.State, other.Attachments, other.Facts = m.Text, m.State, m.Attachments, m.Facts
		if m.Sent.Known() && other.Sent.Known() && rapid.Bool().Draw(r, "another clock") {
			other.Sent.Micros, other.Sent.Precision = m.Sent.Micros+1e6, argus.Milli
			return other
		}
	case rapid.Bool().Draw(r, "the same statement"):
		text, state := other.Text, other.State
		other = m
		other.Text, other.State = text, state
	}
	other.Sent.Micros = m.Sent.Micros // so that it is the same message
	if !m.Sent.Known() || !other.Sent.Known() {
		other.Sent = m.Sent
	}
	return other
}

func randomMessage(r *rapid.T, label string) argus.Message {
	m := argus.Message{
		Service:      rapid.SampledFrom(services).Draw(r, "service"),
		Conversation: rapid.SampledFrom(conversations).Draw(r, "conversation"),
		Title:        rapid.SampledFrom([]string{"", "The boat", "G"}).Draw(r, "title"),
		From:         rapid.SampledFrom(accounts).Draw(r, "from"),
		FromName:     rapid.SampledFrom([]string{"", "Alice Smith", "The Boat"}).Draw(r, "name"),
		To:           rapid.SliceOfN(rapid.SampledFrom(accounts), 0, 2).Draw(r, "to"),
		ServiceID:    label,
		Sequence:     uint64(rapid.IntRange(0, 2).Draw(r, "sequence")),
		Text:         randomText(r),
		Lang:         rapid.SampledFrom([]string{"", "nl", "pt-BR", "pt_PT"}).Draw(r, "lang"),
		State:        argus.State(rapid.IntRange(0, 15).Draw(r, "state")),
		Type:         rapid.SampledFrom([]argus.Type{0, 0, 0, argus.TypePoll, argus.TypeCall, argus.TypeReaction}).Draw(r, "type"),
	}
	if country := rapid.SampledFrom([]string{"", "nl", "US", "nowhere"}).Draw(r, "country"); country != "" {
		m.Extra = []argus.Field{{Name: "country", Value: country}}
	}
	if m.Type == argus.TypeCall {
		m.Facts = &argus.Facts{Call: &argus.Call{Participants: rapid.SliceOfN(rapid.SampledFrom(accounts), 0, 2).Draw(r, "participants")}}
	}
	if rapid.IntRange(0, 5).Draw(r, "time") > 0 {
		zone := rapid.SampledFrom([]argus.ZoneSource{argus.ZoneStated, argus.ZoneAssumed}).Draw(r, "zone from")
		m.Sent = argus.At(randomTime(r), "", zone, rapid.SampledFrom([]argus.Precision{argus.Minute, argus.Second}).Draw(r, "precision"))
		m.Sent.Clock = argus.Clock(rapid.IntRange(0, 2).Draw(r, "clock"))
	}
	if rapid.Bool().Draw(r, "attachment") {
		m.Attachments = []argus.Attachment{{Name: "boat.jpg"}}
	}
	if rapid.Bool().Draw(r, "reply") {
		m.ReplyTo = "1"
	}
	return m
}

func randomText(r *rapid.T) (text string) {
	for i, word := range rapid.SliceOfN(rapid.SampledFrom(vocabulary), 0, 6).Draw(r, "text") {
		if i > 0 {
			text += " "
		}
		text += word
	}
	return text
}

// randomTime returns one of a few moments near the borders of days, months and years.
func randomTime(r *rapid.T) time.Time {
	day := rapid.SampledFrom([]string{"2019-12-31", "2020-01-01", "2020-01-02", "2020-02-29"}).Draw(r, "day")
	moment, err := time.Parse(time.RFC3339, day+"T"+rapid.SampledFrom([]string{"00:00:00Z", "12:30:00Z", "23:59:59Z"}).Draw(r, "clock"))
	if err != nil {
		panic(err)
	}
	return moment
}

func randomRequest(r *rapid.T) index.Request {
	req := index.Request{
		Query: randomThen(r, randomNode(r, 3)), Scope: randomNode(r, 2),
		Limit:     rapid.IntRange(0, 12).Draw(r, "limit"),
		FacetSize: rapid.IntRange(0, 3).Draw(r, "facet size"),
		Histogram: rapid.SampledFrom([]index.Interval{"", index.ByHour, index.ByDay, index.ByMonth, index.ByYear, index.ByWeekHour}).Draw(r, "histogram"),
		Zone:      rapid.SampledFrom([]*time.Location{nil, time.FixedZone("Kathmandu", 5*3600+45*60), time.FixedZone("", -3600)}).Draw(r, "zone"),
		Distinct:  rapid.Bool().Draw(r, "distinct"),
		Pairs:     rapid.SampledFrom([]int{0, 0, 3, 1000}).Draw(r, "pairs"),
		Facets: rapid.SampledFrom([][]query.FieldName{nil, {query.From}, {query.In, query.Lang, query.Service}, {query.Delivery, query.Is}, {query.Entity, query.Country}, {query.To}, {query.Same}}).
			Draw(r, "facets"),
	}
	if rapid.IntRange(0, 3).Draw(r, "after") == 0 {
		req.After = &index.Cursor{Micros: randomTime(r).UnixMicro(), Known: true, Sequence: 1}
	}
	return req
}

// randomThen sometimes puts a node on one side of a Then.
func randomThen(r *rapid.T, n query.Node) query.Node {
	kind := rapid.IntRange(0, 9).Draw(r, "then")
	if kind > 4 {
		return n
	}
	then := query.Then{First: n, Second: randomNode(r, 2), Within: rapid.IntRange(1, 4).Draw(r, "within"), Other: rapid.Bool().Draw(r, "other")}
	switch kind {
	case 0:
		then.First, then.Second = then.Second, n
	case 1:
		return query.Not{Node: then}
	case 2:
		return query.Or{Nodes: []query.Node{randomThen(r, randomNode(r, 1)), then}}
	case 3:
		then.First = randomThen(r, randomNode(r, 1))
	}
	return then
}

// randomNode returns a query with at most the given number of levels; it often matches a
// message.
func randomNode(r *rapid.T, levels int) query.Node {
	kind := rapid.IntRange(0, 17).Draw(r, "node")
	if levels == 0 && kind < 4 {
		kind += 4
	}
	inner := func() []query.Node {
		return []query.Node{randomNode(r, levels-1), randomNode(r, levels-1)}
	}
	switch kind {
	case 0, 1:
		return query.And{Nodes: inner()}
	case 2:
		return query.Or{Nodes: inner()}
	case 3:
		return query.Not{Node: randomNode(r, levels-1)}
	case 4:
		return query.All{}
	case 5:
		return query.Word{Term: randomTerm(r)}
	case 6:
		terms := []string{randomTerm(r), randomTerm(r), randomTerm(r)}
		return query.Phrase{Terms: terms[:rapid.IntRange(2, 3).Draw(r, "phrase")]}
	case 7:
		term := []rune(randomTerm(r))
		return query.Prefix{Term: string(term[:rapid.IntRange(1, len(term)).Draw(r, "prefix")])}
	case 8:
		return query.Fuzzy{Term: randomTerm(r), Distance: rapid.IntRange(1, 2).Draw(r, "distance")}
	case 9:
		return query.Regexp{Expr: rapid.SampledFrom(expressions).Draw(r, "expression")}
	case 10:
		from := randomTime(r)
		n := query.Sent{From: from, To: from.Add(time.Duration(rapid.IntRange(0, 60*24*3600).Draw(r, "span")) * time.Second)}
		switch rapid.IntRange(0, 3).Draw(r, "open") {
		case 0:
			n.From = time.Time{}
		case 1:
			n.To = time.Time{}
		}
		return n
	case 11:
		term := []rune(randomTerm(r))
		return query.Part{Term: string(term[rapid.IntRange(0, len(term)-1).Draw(r, "part"):]), AtEnd: rapid.Bool().Draw(r, "at end")}
	case 12:
		return randomList(r)
	case 13:
		return query.Number{Digits: rapid.SampledFrom([]string{"1000", "10001000", "612345678", "12345678", "61234", "1234"}).Draw(r, "number")}
	case 14:
		return query.Written{Text: rapid.SampledFrom([]string{"boat", "BOAT", "café", "café", "CAFÉ", "x-ray", "x ray", "1 000", "👍", "boat the"}).Draw(r, "written")}
	case 15:
		return query.Stem{Term: randomTerm(r), Lang: rapid.SampledFrom([]string{"en", "ru", "ar", "nl"}).Draw(r, "language")}
	default:
		return randomField(r)
	}
}

// randomList returns a list with few entries or many, and sometimes with a name, so that
// it is cached.
func randomList(r *rapid.T) query.Node {
	n := query.List{Field: rapid.SampledFrom([]query.FieldName{"", query.From, query.With}).Draw(r, "field")}
	for range rapid.SampledFrom([]int{0, 2, 3, 30}).Draw(r, "entries") {
		switch {
		case n.Field != "":
			n.Nodes = append(n.Nodes, query.Field{Name: n.Field, Value: rapid.SampledFrom([]string{"a", "=a", "alice", "boat", "q3xk9a"}).Draw(r, "value")})
		case rapid.Bool().Draw(r, "phrase"):
			n.Nodes = append(n.Nodes, query.Phrase{Terms: []string{randomTerm(r), randomTerm(r)}})
		default:
			n.Nodes = append(n.Nodes, query.Word{Term: randomTerm(r)})
		}
	}
	n.Name = fmt.Sprint(n.Nodes)
	if rapid.Bool().Draw(r, "stored") {
		n.Hash = n.Name
	}
	return n
}

func randomTerm(r *rapid.T) string {
	return rapid.SampledFrom(query.Analyze(rapid.SampledFrom(append(vocabulary, "absent")).Draw(r, "word"))).Draw(r, "term")
}

func randomField(r *rapid.T) query.Node {
	m := randomMessage(r, "")
	d := query.One(&m, 1, 2, 5)
	d.Sightings[1].Version[0] = 1
	name := rapid.SampledFrom(query.Fields).Draw(r, "field")
	terms := query.Terms(d, name)
	if len(terms) == 0 {
		return query.Field{Name: name, Value: "none"}
	}
	n := query.Field{Name: name, Value: rapid.SampledFrom(terms).Draw(r, "value"), Prefix: name != query.Same && rapid.Bool().Draw(r, "prefix")}
	if n.Prefix {
		n.Value = n.Value[:rapid.IntRange(0, len(n.Value)).Draw(r, "length")]
	}
	return n
}

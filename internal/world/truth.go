package world

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
)

// The lines of the truth file: one object per line, distinguished by "what".
// docs/format/truth.md describes the fields.
type (
	truthWorld struct {
		What     string `json:"what"`
		Version  int    `json:"version"`
		Seed     uint64 `json:"seed"`
		Service  string `json:"service"`
		Accounts int    `json:"accounts"`
		Messages int    `json:"messages"`
		Locked   int    `json:"locked_percent"`
		Feed     int    `json:"feed_days,omitempty"`
		Span
	}
	truthDelivery struct {
		What    string   `json:"what"`
		Name    string   `json:"name"`
		About   string   `json:"about"`
		Service []string `json:"services,omitempty"`
		Account string   `json:"account,omitempty"`
		Chats   []string `json:"conversations,omitempty"`
		*Span
		Lacks *Span `json:"lacks,omitempty"`
	}
	truthOrganisation struct {
		What    string   `json:"what"`
		Number  int      `json:"organisation"`
		Name    string   `json:"name"`
		Country string   `json:"country"`
		Langs   []string `json:"languages"`
		Members []int32  `json:"members"`
	}
	truthTerm struct {
		What         string            `json:"what"`
		Organisation int               `json:"organisation"`
		Thing        string            `json:"thing"`
		Meaning      string            `json:"meaning"`
		Words        map[string]string `json:"words"`
		Span
	}
	truthPerson struct {
		What         string      `json:"what"`
		Number       int         `json:"person"`
		Name         string      `json:"name"`
		Country      string      `json:"country"`
		Langs        []string    `json:"languages"`
		Organisation *int        `json:"organisation,omitempty"`
		Roles        []truthRole `json:"roles"`
		Arrested     string      `json:"arrested,omitempty"`
		Crime        bool        `json:"crime"`
	}
	truthRole struct {
		Role string `json:"role"`
		Cell string `json:"cell,omitempty"`
		Boss *int32 `json:"boss,omitempty"`
		Span
	}
	truthAccount struct {
		What     string  `json:"what"`
		Service  string  `json:"service"`
		Account  string  `json:"account"`
		Nick     string  `json:"nick,omitempty"`
		Persons  []int32 `json:"persons"`
		Replaces string  `json:"replaces,omitempty"`
		Second   bool    `json:"second_phone,omitempty"`
		Span
	}
	truthPlot struct {
		What         string            `json:"what"`
		Number       int               `json:"plot"`
		Kind         string            `json:"kind"`
		Innocent     bool              `json:"innocent"`
		Organisation *int              `json:"organisation,omitempty"`
		Cast         map[string]int32  `json:"cast"`
		Facts        map[string]string `json:"facts"`
		Victim       *int32            `json:"victim,omitempty"`
		Due          string            `json:"due,omitempty"`
		Queries      []string          `json:"queries"`
		Span
	}
	truthKey struct {
		What      string `json:"what"`
		Key       string `json:"key_id"`
		Service   string `json:"service"`
		Account   string `json:"account"`
		Algorithm string `json:"algorithm"`
		Secret    string `json:"key"`
		Span
	}
	truthMessage struct {
		What         string `json:"what"`
		ID           string `json:"id,omitempty"`
		Service      string `json:"service"`
		Conversation string `json:"conversation"`
		From         string `json:"from"`
		Sent         string `json:"sent"`
		ServiceID    string `json:"service_id,omitempty"`
		Plot         *int32 `json:"plot,omitempty"`
		Step         *int32 `json:"step,omitempty"`
		Privileged   string `json:"privileged,omitempty"`
		Deleted      bool   `json:"deleted,omitempty"`
		Edited       bool   `json:"edited,omitempty"`
		Announces    string `json:"announces,omitempty"`
		Renames      bool   `json:"renames,omitempty"`
		// Key is the key that opens the message, if the archive holds it locked.
		Key string `json:"key_id,omitempty"`
		// In lists the deliveries that contain it, if there are several.
		In []string `json:"deliveries,omitempty"`
		// Text is the text as sent, if it differs from the final one.
		Text string `json:"text,omitempty"`
	}
)

// Span is the time from a first day to a last day, both inclusive.
type Span struct {
	From  string `json:"from"`
	Until string `json:"until"`
}

func (w *World) date(day int32) string {
	return w.start.AddDate(0, 0, int(day)).Format(time.DateOnly)
}

// days returns the time from one day until the day before another.
func (w *World) days(from, until int32) Span {
	return Span{w.date(from), w.date(min(until, int32(w.o.Days)) - 1)}
}

func appendLine(buf []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // invented values can always be marshalled
	}
	return append(append(buf, text...), '\n')
}

// truthHead returns the part of the truth that is known before the first message.
func (w *World) truthHead(deliveries []truthDelivery) []byte {
	buf := appendLine(nil, truthWorld{"world", 1, w.o.Seed, w.o.Service, len(w.accounts), w.o.Messages, w.o.Locked, w.o.Feed, w.days(0, int32(w.o.Days))})
	for _, one := range deliveries {
		buf = appendLine(buf, one)
	}
	for i, b := range w.blocks {
		if b.boss < 0 {
			continue
		}
		buf = appendLine(buf, truthOrganisation{"organisation", i, b.name, countries[b.country].code, names(b.langs), b.members})
		for n, p := range b.terms {
			until := int32(w.o.Days)
			if n+1 < len(b.terms) {
				until = b.terms[n+1].from
			}
			for thing, row := range p.rows {
				t := w.speech.things[thing]
				words := map[string]string{}
				for lang, word := range t.words[row] {
					words[languages[lang]] = word
				}
				buf = appendLine(buf, truthTerm{"term", i, t.name, t.meaning, words, w.days(p.from, until)})
			}
		}
	}
	for i := range w.people {
		buf = appendLine(buf, w.truthPerson(i))
	}
	for i := range w.accounts {
		a := &w.accounts[i]
		one := truthAccount{"account", services[a.service], a.id, a.nick, []int32{a.person}, "", a.second, w.days(a.from, a.until)}
		if a.shared >= 0 {
			one.Persons = append(one.Persons, a.shared)
		}
		if a.replaces >= 0 {
			one.Replaces = w.accounts[a.replaces].id
		}
		buf = appendLine(buf, one)
	}
	for i := range w.plots {
		buf = appendLine(buf, w.truthPlot(i))
	}
	return buf
}

func names(langs [2]uint8) []string {
	if langs[0] == langs[1] {
		return []string{languages[langs[0]]}
	}
	return []string{languages[langs[0]], languages[langs[1]]}
}

func (w *World) truthPerson(i int) truthPerson {
	p := &w.people[i]
	one := truthPerson{What: "person", Number: i, Name: p.name, Country: countries[p.country].code, Langs: names(p.langs),
		Crime: p.cell != "" || p.role == "buyer"}
	if p.cell != "" {
		block := int(p.block)
		one.Organisation = &block
	}
	end := min(p.arrested, int32(w.o.Days))
	if p.arrested < int32(w.o.Days) {
		one.Arrested = w.date(p.arrested)
	}
	for _, t := range append([]tenure{{0, p.role, p.cell, p.boss}}, p.later...) {
		if t.from >= end {
			break
		}
		if last := len(one.Roles) - 1; last >= 0 {
			one.Roles[last].Until = w.date(t.from - 1)
		}
		is := truthRole{Role: t.role, Cell: t.cell, Span: w.days(t.from, end)}
		if t.boss >= 0 {
			is.Boss = &t.boss
		}
		one.Roles = append(one.Roles, is)
	}
	return one
}

// slotNames are the words that plots.txt uses for facts.
var slotNames = func() (list [lastFact]string) {
	for name, s := range slots {
		if s < lastFact {
			list[s] = name
		}
	}
	return list
}()

func (w *World) truthPlot(i int) truthPlot {
	p := &w.plots[i]
	one := truthPlot{What: "plot", Number: i, Kind: p.script.kind, Innocent: p.script.like, Cast: map[string]int32{}, Facts: map[string]string{},
		Span: w.days(p.start, p.last()+1)}
	if !p.script.like {
		block := int(p.block)
		one.Organisation = &block
	}
	for _, c := range p.cast {
		one.Cast[c.name] = c.person
	}
	var must [lastFact]bool
	uses := p.script.decides
	for i := range p.script.steps {
		if step := &p.script.steps[i]; int(p.day(step)) < w.o.Days {
			for _, said := range step.scene {
				said.uses(&must, false)
				said.uses(&uses, true)
			}
		}
	}
	for s, used := range uses {
		if used {
			one.Facts[slotNames[s]] = p.facts[s]
		}
	}
	if p.victim >= 0 {
		one.Victim = &p.victim
	}
	if uses[slotDate] {
		one.Due = p.due.Format(time.DateOnly)
	}
	one.Queries = w.queries(p, &must, one.Span)
	return one
}

// tellingFacts are the facts that identify a plot, the most telling first.
var tellingFacts = []slot{slotBox, slotNote, slotIBAN, slotBitcoin, slotCoords, slotCode, slotPlate, slotVictim, slotStreet, slotBoss, slotAlias, slotPrice}

// queries returns the queries that find a plot: one for each fact that is mentioned within the
// time of the plot or, if there are no such facts, one for its people.
func (w *World) queries(p *plot, said *[lastFact]bool, span Span) []string {
	within := "sent:" + span.From + ".." + span.Until + " "
	var list []string
	for _, fact := range tellingFacts {
		if said[fact] && len(list) < 3 {
			list = append(list, within+`"`+p.facts[fact]+`"`)
		}
	}
	if len(list) > 0 {
		return list
	}
	day := p.day(&p.script.steps[0])
	who := p.script.steps[0].who
	var with []string
	if len(who) == 2 {
		if a, b, ok := w.between(&w.people[p.played(who[0])], &w.people[p.played(who[1])], sky, day, true); ok {
			with = append(with, "with:"+w.accounts[a].id, "with:"+w.accounts[b].id)
		}
	}
	return []string{within + strings.Join(with, " ")}
}

// truthMessage returns the truth about a message beyond its text.
func (d *day) truthMessage(m *said, in []uint8) (truthMessage, bool) {
	if m.plot < 0 && m.protected == "" && m.announces < 0 && !m.renames && m.state&(argus.StateDeleted|argus.StateEdited) == 0 && len(in) < 2 {
		return truthMessage{}, false
	}
	from := &d.accounts[m.from]
	one := truthMessage{What: "message", Service: services[from.service], Conversation: string(d.conversation(nil, m)), From: from.id,
		Sent: d.date + "T" + string(appendClock(nil, m.second)) + "Z", ServiceID: id(m), Privileged: m.protected,
		Deleted: m.state&argus.StateDeleted != 0, Edited: m.state&argus.StateEdited != 0}
	if m.plot >= 0 {
		one.Plot, one.Step = &m.plot, &m.step
	}
	if m.announces >= 0 {
		one.Announces = d.accounts[m.announces].id
	}
	one.Renames = m.renames
	if len(in) > 1 {
		for _, place := range in {
			one.In = append(one.In, placeName(place))
		}
	}
	if d.state(m, onServer)&argus.StateLocked != 0 {
		one.Key, _ = d.keyOf(m.from, d.month)
	}
	if one.Deleted || one.Edited {
		one.Text = string(d.text[m.sent[0]:m.sent[1]])
	}
	if m.sequence != 0 {
		found, _ := d.hasher.Identity(d.message(m, inTransit))
		one.ID = found.String()
	}
	return one, true
}

// truthDay emits the truth about the messages of a day.
func (d *day) truthDay(emit func(chunk), places func([]uint8, *said) []uint8) {
	buf := d.buffer()
	var in [12]uint8
	for _, i := range d.order {
		one, ok := d.truthMessage(&d.said[i], places(in[:0], &d.said[i]))
		if !ok {
			continue
		}
		if buf = appendLine(buf, one); len(buf) >= pieceSize {
			emit(chunk{"", buf})
			buf = d.buffer()
		}
	}
	emit(chunk{"", buf})
}

// truthKeys emits the keys that were not handed over, account by
// account.
func (w *World) truthKeys(take func(chunk) error) error {
	var buf []byte
	for i := range w.accounts {
		a := &w.accounts[i]
		if a.service > encrochat {
			continue
		}
		for day := a.from; day < a.until && int(day) < w.o.Days; {
			month, from := w.months[day], day
			for day < a.until && int(day) < w.o.Days && w.months[day] == month {
				day++
			}
			if !w.missing(int32(i), month) {
				continue
			}
			name, key := w.keyOf(int32(i), month)
			buf = appendLine(buf, truthKey{"key", name, services[a.service], a.id, algorithm, base64.StdEncoding.EncodeToString(key[:]), w.days(from, day)})
		}
		if len(buf) > 1<<20 || i == len(w.accounts)-1 {
			if err := take(chunk{"", buf}); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return nil
}

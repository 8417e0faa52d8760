package table

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/mapping"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Proposal is a map that the content of a source suggests, for an operator to correct.
type Proposal struct {
	Map *mapping.Map `json:"map"`
	// Columns are the columns of the records that the map reads, in the source's order.
	Columns []Column `json:"columns"`
	// Places are the other places in which the source has records.
	Places []Place `json:"places,omitempty"`
}

// Column is a column of a source, with a description of its values.
type Column struct {
	Name    string `json:"column"`
	Looks   string `json:"looks"`
	Example string `json:"example,omitempty"`
	// Field is the field proposed for the column, or "" if it is not used; Why says why.
	Field string `json:"field,omitempty"`
	Why   string `json:"why,omitempty"`
}

// Place is a table or a list, with the number of its records that were looked at.
type Place struct {
	Records string `json:"records"`
	Seen    int    `json:"seen"`
}

// Propose proposes a map for the records of a survey. Options decide the order of dates, as
// they do for the records that the map reads.
func Propose(records []*argus.Message, o reader.Options) *Proposal {
	groups := map[string]*group{}
	var order []string
	for _, m := range records {
		g := groups[m.Title]
		if g == nil {
			g = &group{at: map[string]int{}, kind: m.Service, options: o}
			groups[m.Title] = g
			order = append(order, m.Title)
		}
		g.add(m.Extra)
	}
	best := &Proposal{Map: &mapping.Map{Version: mapping.Version, Fields: map[string]mapping.Field{}}}
	most := -1
	for _, place := range order {
		g := groups[place]
		p := g.propose(place)
		score := 0
		for i, names := range [][]string{{"sent"}, {"text"}, {"from", "contact", "from_name"}} {
			if slices.ContainsFunc(names, func(name string) bool { return p.Map.Fields[name].Path != "" }) {
				score += 1000 << i
			}
		}
		if score += min(g.records, 900); score > most {
			best, most = p, score
		}
	}
	best.lookups(best.Map.Records, groups)
	for _, place := range order {
		if place != best.Map.Records {
			best.Places = append(best.Places, Place{place, groups[place].records})
		}
	}
	return best
}

// group holds the records of one place, by column.
type group struct {
	kind    string
	options reader.Options
	records int
	columns []*surveyed
	at      map[string]int
	chosen  map[string]*surveyed
}

// surveyed is a column with its values.
type surveyed struct {
	Column
	name     string
	hint     sheetField
	values   []string // one value for each record, "" if it has none
	distinct map[string]int
	filled   int
	// runes, words and changes count, over all values, the characters, the values with a
	// space, and how often a value differs from the one before it.
	runes, words, changes int
	// unit is the unit of the times, "text" if they are text, or "" if the values are not
	// times; first is the earliest.
	unit  string
	first time.Time
}

func (g *group) add(fields []argus.Field) {
	for _, f := range fields {
		i, ok := g.at[f.Name]
		if !ok {
			i = len(g.columns)
			g.at[f.Name] = i
			key := f.Name[strings.LastIndexAny(f.Name, "./")+1:]
			g.columns = append(g.columns, &surveyed{name: f.Name, hint: jsonFields(nil).of(strings.TrimSuffix(key, "[]")), distinct: map[string]int{}})
		}
		c := g.columns[i]
		if len(c.values) > g.records {
			continue // named twice
		}
		for len(c.values) < g.records {
			c.values = append(c.values, "")
		}
		c.values = append(c.values, f.Value)
	}
	g.records++
}

// look counts the values of a column.
func (c *surveyed) look(records int, o reader.Options) {
	for len(c.values) < records {
		c.values = append(c.values, "")
	}
	before := ""
	for _, v := range c.values {
		if v == "" {
			continue
		}
		if c.Example == "" || c.filled == 1 {
			c.Example = v
		}
		c.filled++
		c.distinct[v]++
		c.runes += utf8.RuneCountInString(v)
		if strings.ContainsAny(strings.TrimSpace(v), " \n") {
			c.words++
		}
		if before != "" && v != before {
			c.changes++
		}
		before = v
	}
	c.unit, c.first = c.timeForm(o)
	c.Column.Name = c.name
	c.Looks = c.looks()
}

func (c *surveyed) share(n int) float64 { return float64(n) / float64(max(c.filled, 1)) }

// unique returns the share of values that are distinct.
func (c *surveyed) unique() float64 { return c.share(len(c.distinct)) }
func (c *surveyed) length() float64 { return c.share(c.runes) }
func (c *surveyed) outside() bool   { return strings.HasPrefix(c.name, "/") }
func (c *surveyed) isNumber() bool {
	return c.all(func(v string) bool { return strings.Trim(v, "0123456789") == "" })
}
func (c *surveyed) isTime() bool     { return c.unit != "" }
func (c *surveyed) isRepeated() bool { return c.unique() <= 0.6 && c.length() <= 60 && !c.isTime() }

func (c *surveyed) all(is func(string) bool) bool {
	for v := range c.distinct {
		if !is(v) {
			return false
		}
	}
	return c.filled > 0
}

// ranges are, for each unit, the numbers that are times between 1995 and 2040 or so. They do
// not overlap.
var ranges = []struct {
	unit        string
	least, most float64
}{
	{"excel", 34_700, 51_000}, {"apple", 1.2e8, 8.2e8}, {"s", 8.2e8, 2.3e9}, {"ms", 7.9e11, 2.3e12}, {"us", 7.9e14, 2.3e15},
	{"webkit", 1.24e16, 1.4e16}, {"windows", 1.24e17, 1.37e17}, {"apple-ns", 1.37e17, 8.2e17}, {"ns", 8.2e17, 2.3e18},
}

// timeForm returns the unit of the times, and the earliest time.
func (c *surveyed) timeForm(o reader.Options) (unit string, first time.Time) {
	var numbers []float64
	texts := 0
	note := func(t argus.Time) {
		if at := t.UTC(); t.Known() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for v := range c.distinct {
		v = strings.TrimSpace(v)
		if strings.Trim(v, "0.") == "" {
			continue
		}
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			if v[0] == '0' || v[0] == '+' {
				return "", time.Time{} // a telephone number
			}
			numbers = append(numbers, n)
			continue
		}
		spec := mapping.Field{}
		t, err := spec.ReadTime(v, o)
		if err == nil && t.Precision != argus.Unknown {
			texts++
			note(t)
		}
	}
	switch total := len(numbers) + texts; {
	case texts > 0 && texts*10 >= len(c.distinct)*9:
		return "text", first
	case len(numbers) == 0 || len(numbers)*10 < len(c.distinct)*9 || total == 0:
		return "", time.Time{}
	}
	least, most := slices.Min(numbers), slices.Max(numbers)
	for _, r := range ranges {
		if least < r.least || most > r.most {
			continue
		}
		whole := !slices.ContainsFunc(numbers, func(n float64) bool { return n != float64(int64(n)) })
		told := c.hint == fieldSent || c.hint == fieldDate || c.hint == fieldReceived || c.hint == fieldRead
		if !told && (r.unit == "excel" && whole || r.unit == "apple" && c.unique() < 0.5 && c.filled > 3) {
			continue // any number may be in that range
		}
		spec := mapping.Field{Time: r.unit}
		for v := range c.distinct {
			if t, err := spec.ReadTime(v, o); err == nil {
				note(t)
			}
		}
		return r.unit, first
	}
	return "", time.Time{}
}

func (c *surveyed) looks() string {
	switch {
	case c.filled == 0:
		return "empty"
	case c.unit == "text":
		return "times as text, from " + c.first.Format(time.DateOnly)
	case c.isTime():
		return "times in the unit " + c.unit + ", from " + c.first.Format(time.DateOnly)
	case len(c.distinct) == 1:
		return "the same in each record"
	case c.unique() == 1:
		return fmt.Sprintf("different in each record, %.0f characters on average", c.length())
	case c.isRepeated():
		return fmt.Sprintf("%d values that repeat", len(c.distinct))
	}
	return fmt.Sprintf("%d values, %.0f characters on average", len(c.distinct), c.length())
}

func (g *group) propose(place string) *Proposal {
	p := &Proposal{Map: &mapping.Map{Version: mapping.Version, Kind: g.kind, Records: place, Fields: map[string]mapping.Field{}}}
	if g.kind == mapping.Sheet {
		p.Map.Records = ""
	}
	g.chosen = map[string]*surveyed{}
	for _, c := range g.columns {
		c.look(g.records, g.options)
	}
	g.sent()
	g.direction()
	g.text()
	g.accounts()
	g.conversation()
	g.id()
	g.named()
	for field, c := range g.chosen {
		f := mapping.Field{Path: c.name}
		if slices.Contains([]string{"sent", "received", "read"}, field) && c.unit != "text" {
			f.Time = c.unit
		}
		if field == "direction" {
			f.Values = g.directions(c)
		}
		p.Map.Fields[field] = f
	}
	for _, c := range g.columns {
		p.Columns = append(p.Columns, c.Column)
	}
	return p
}

// choose gives a field to the column with the highest score above 0.
func (g *group) choose(field, why string, score func(c *surveyed) float64) *surveyed {
	if g.chosen[field] != nil {
		return g.chosen[field]
	}
	var best *surveyed
	most := 0.0
	for _, c := range g.columns {
		if c.Field != "" || c.filled == 0 {
			continue
		}
		if n := score(c); n > most {
			best, most = c, n
		}
	}
	if best == nil {
		return nil
	}
	best.Field, best.Why = field, why
	if best.hint != fieldOther && sheetWords[best.hint].name == field {
		best.Why = "its heading says so; " + why
	}
	g.chosen[field] = best
	return best
}

// hinted returns a factor that depends on whether a column's heading names the wanted field,
// none or another one.
func hinted(c *surveyed, fields ...sheetField) float64 {
	switch {
	case slices.Contains(fields, c.hint):
		return 8
	case c.hint == fieldOther:
		return 1
	}
	return 0.1
}

func (g *group) sent() {
	earliest := time.Time{}
	for _, c := range g.columns {
		if c.isTime() && (earliest.IsZero() || c.first.Before(earliest)) {
			earliest = c.first
		}
	}
	g.choose("sent", "times", func(c *surveyed) float64 {
		if !c.isTime() || c.outside() {
			return 0
		}
		score := hinted(c, fieldSent, fieldDate) * float64(c.filled) / float64(g.records) * (0.5 + c.unique())
		if c.first.Equal(earliest) {
			score *= 1.5
		}
		return score
	})
}

// directions translates the values of a direction column if its words are unknown: 0 and 1
// are translated according to the heading.
func (g *group) directions(c *surveyed) map[string]string {
	if c.all(func(v string) bool { return build.DirectionOf(v) != 0 }) {
		return nil
	}
	values := map[string]string{"0": "in", "1": "out", "false": "in", "true": "out"}
	if incoming(c.name) {
		values = map[string]string{"0": "out", "1": "in", "false": "out", "true": "in"}
	}
	for v := range maps.Clone(values) {
		if c.distinct[v] == 0 && (len(v) > 1 || c.distinct["true"]+c.distinct["false"] > 0) {
			delete(values, v)
		}
	}
	return values
}

func incoming(name string) bool {
	name = plainHeader(apartAtCapitals(name))
	return strings.Contains(name, "incoming") || strings.Contains(name, "received") || strings.Contains(name, "inbound")
}

func (g *group) direction() {
	g.choose("direction", "each value says in or out", func(c *surveyed) float64 {
		if c.all(func(v string) bool { return build.DirectionOf(v) != 0 }) {
			return 2
		}
		if !c.all(func(v string) bool { return v == "0" || v == "1" || v == "true" || v == "false" }) {
			return 0
		}
		name := plainHeader(apartAtCapitals(c.name))
		for _, word := range []string{"from me", "outgoing", "incoming", "outbound", "inbound", "is sent", "sent by me", "is mine", "own"} {
			if strings.Contains(name, word) {
				return 1
			}
		}
		return 0
	})
	if c := g.chosen["direction"]; c != nil && g.directions(c) != nil {
		c.Why = "its heading says that it tells in from out"
	}
}

func (g *group) text() {
	g.choose("text", "the longest words", func(c *surveyed) float64 {
		if c.isTime() || c.outside() || c.isNumber() && c.hint != fieldText {
			return 0
		}
		score := c.length() * c.unique() * (0.1 + c.share(c.words))
		if strings.HasPrefix(c.Example, "http") || strings.HasPrefix(c.Example, "/") {
			score /= 10
		}
		return score * hinted(c, fieldText)
	})
}

// accounts finds senders and receivers: short values that repeat. Senders change from record
// to record, and receive other records.
func (g *group) accounts() {
	isPerson := func(c *surveyed, hints ...sheetField) float64 {
		told := slices.Contains(hints, c.hint)
		if !told && (!c.isRepeated() || c.outside() || c.hint != fieldOther || len(c.distinct) == 1 && g.records > 3 || onlyFlags(c)) {
			return 0
		}
		if c.isTime() && !told {
			return 0
		}
		score := (0.2 + c.share(c.changes)) * hinted(c, hints...) * float64(c.filled) / float64(g.records)
		if c.isNumber() && c.length() < 6 && !told {
			score /= 4
		}
		return score
	}
	const why = "short values that repeat and change from record to record"
	if g.chosen["direction"] != nil {
		if told := g.choose("from", why, func(c *surveyed) float64 { return told(c, fieldFrom) }); told == nil {
			g.choose("contact", "short values that repeat, beside a direction", func(c *surveyed) float64 { return isPerson(c, fieldContact) })
		}
		g.choose("owner", "", func(c *surveyed) float64 { return told(c, fieldOwner) })
		return
	}
	from := g.choose("from", why, func(c *surveyed) float64 {
		if score := isPerson(c, fieldFrom); score > 0 {
			return score
		}
		if c.hint == fieldOwner && g.column(fieldFrom) == nil { // user, account: who else could it be
			return isPerson(c, fieldOwner) / 8
		}
		return isPerson(c, fieldContact) / 8
	})
	if from == nil {
		from = g.choose("from", "short values, and nothing else looks like a sender: look whether it is", func(c *surveyed) float64 {
			if c.isTime() || c.outside() || c.hint != fieldOther || c.isNumber() || c.length() > 40 || c.words > 0 || onlyFlags(c) {
				return 0
			}
			return 1.1 - c.unique()
		})
	}
	if from == nil {
		return
	}
	name := g.choose("from_name", "always the same beside one "+from.name, func(c *surveyed) float64 {
		if c.isTime() || c.outside() || !c.isRepeated() || len(c.distinct) > len(from.distinct) || len(c.distinct) < 2 || !follows(from, c) || !follows(c, from) || onlyFlags(c) {
			return 0
		}
		return hinted(c, fieldFromName, fieldFrom)
	})
	if name != nil && len(name.distinct) == len(from.distinct) && from.hint != fieldFrom && looksLikeID(name) && !looksLikeID(from) {
		// The column of digits is the account, the other its name.
		from.Field, name.Field = "from_name", "from"
		from.Why, name.Why = name.Why, from.Why
		g.chosen["from"], g.chosen["from_name"] = name, from
	}
	g.choose("to", "values that "+from.name+" has, too", func(c *surveyed) float64 {
		if c.isTime() || c.outside() {
			return 0
		}
		if told := told(c, fieldTo); told > 0 {
			return told
		}
		common := 0
		for v := range c.distinct {
			if g.chosen["from"].distinct[v] > 0 {
				common++
			}
		}
		if c.hint != fieldOther || len(c.distinct) < 2 || common*2 < len(c.distinct) || onlyFlags(c) {
			return 0
		}
		return 1
	})
}

// column returns the first column whose heading names the given field.
func (g *group) column(f sheetField) *surveyed {
	for _, c := range g.columns {
		if c.hint == f {
			return c
		}
	}
	return nil
}

// told returns 1 for a column whose heading names the given field.
func told(c *surveyed, f sheetField) float64 {
	if c.hint == f {
		return 1
	}
	return 0
}

// onlyFlags reports whether the values look like those of a switch or a small count.
func onlyFlags(c *surveyed) bool {
	return c.all(func(v string) bool {
		return len(v) == 1 && textdoc.IsDigit(v[0]) || v == "true" || v == "false" || build.DirectionOf(v) != 0
	})
}

// looksLikeID reports whether most values have digits and no space.
func looksLikeID(c *surveyed) bool {
	n := 0
	for v := range c.distinct {
		if strings.ContainsAny(v, "0123456789@") && !strings.Contains(v, " ") {
			n++
		}
	}
	return n*2 > len(c.distinct)
}

// follows reports whether the values of one column determine those of another.
func follows(of, c *surveyed) bool {
	is := map[string]string{}
	for i, v := range of.values {
		if v == "" || c.values[i] == "" {
			continue
		}
		if before, ok := is[v]; ok && before != c.values[i] {
			return false
		}
		is[v] = c.values[i]
	}
	return len(is) > 0
}

func (g *group) conversation() {
	g.choose("conversation", "values that stay over several records", func(c *surveyed) float64 {
		if c.isTime() || c.hint != fieldConversation && (c.hint != fieldOther || !c.isRepeated() || onlyFlags(c)) {
			return 0
		}
		score := hinted(c, fieldConversation) * (1.1 - c.share(c.changes))
		key := strings.ToLower(c.name[strings.LastIndexAny(c.name, "./")+1:])
		switch {
		case c.outside() && (key == "id" || strings.HasSuffix(key, "_id")):
			return score * 2
		case c.outside() || c.hint == fieldConversation:
			return score
		case len(c.distinct) < 2 || c.share(c.changes) > 0.5:
			return 0
		}
		return score
	})
}

func (g *group) id() {
	g.choose("id", "different in each record", func(c *surveyed) float64 {
		key := strings.ToLower(c.name[strings.LastIndexAny(c.name, "./")+1:])
		isID := c.hint == fieldID || key == "id" || key == "_id"
		if c.isTime() || c.outside() || c.unique() < 1 || c.filled < g.records || c.words > 0 || g.records < 2 && !isID {
			return 0
		}
		switch {
		case isID:
			return 8
		case c.hint != fieldOther || c.length() < 8 && !c.isNumber():
			return 0
		}
		return 1
	})
}

// named assigns the fields that can only be recognised by the heading of a column.
func (g *group) named() {
	for _, f := range []sheetField{fieldTitle, fieldFromName, fieldTo, fieldReceived, fieldRead, fieldReplyTo, fieldService, fieldAttachment, fieldPayload, fieldKeyID, fieldAlgorithm, fieldDeleted} {
		g.choose(sheetWords[f].name, "", func(c *surveyed) float64 {
			if (f == fieldReceived || f == fieldRead) && !c.isTime() {
				return 0
			}
			return told(c, f)
		})
	}
	for _, c := range g.columns {
		c.Why = cmp.Or(strings.TrimSuffix(c.Why, "; "), c.Why)
	}
}

package table

import (
	"slices"
	"strings"

	"github.com/argus-evidence/argus/internal/reader/mapping"
)

// lookups proposes the names that another table holds for the accounts and conversations of
// the records: the sender stays the source's own id, and the name is shown beside it. A
// table is proposed if it is the only one that can be meant: it has each value seen as a
// key, and a column of names. Since running numbers are keys of any table, its name must
// also say whose names they are, unless the values are long.
func (p *Proposal) lookups(place string, groups map[string]*group) {
	g := groups[place]
	if g.kind != mapping.SQLite && g.kind != mapping.SQL {
		return
	}
	for field, name := range map[string]string{"from": "from_name", "conversation": "title"} {
		c := g.chosen[field]
		if c == nil || g.chosen[name] != nil {
			continue
		}
		var found []mapping.Step
		for table, other := range groups {
			if table != place {
				found = append(found, other.names(table, field, c)...)
			}
		}
		if len(found) != 1 {
			continue
		}
		p.Map.Fields[name] = mapping.Field{Path: c.name, Lookup: found}
		for i := range p.Columns {
			if p.Columns[i].Name == c.name {
				p.Columns[i].Field = c.Field + ", " + name
				p.Columns[i].Why += "; the names are in " + found[0].Table
			}
		}
	}
}

// names returns the lookups that a table allows for the values of a column: one for each of
// the table's columns whose values are keys.
func (g *group) names(table, field string, of *surveyed) (steps []mapping.Step) {
	value := g.nameColumn()
	if value == nil || !isAbout(table, field, of.name) && !longValues(of) {
		return nil
	}
	for _, key := range g.columns {
		if key == value || key.filled < g.records || key.unique() < 1 || len(of.distinct) < 2 {
			continue
		}
		if of.all(func(v string) bool { return key.distinct[v] > 0 }) {
			steps = append(steps, mapping.Step{Table: table, Key: key.name, Value: value.name})
		}
	}
	return steps
}

// nameColumn returns the column whose heading says that it has names.
func (g *group) nameColumn() *surveyed {
	for _, heading := range []string{"display name", "full name", "name", "title", "subject", "nick", "nickname", "user name", "username"} {
		for _, c := range g.columns {
			if c.filled > 0 && plainHeader(apartAtCapitals(c.name)) == heading {
				return c
			}
		}
	}
	return nil
}

// shortKey is the length up to which a key may be a running number.
const shortKey = 7

func longValues(c *surveyed) bool {
	return c.all(func(v string) bool { return len(v) > shortKey })
}

// people and rooms are words that appear in the names of tables of senders and of
// conversations.
var (
	peopleWords = []string{"user", "account", "contact", "participant", "member", "person", "people", "handle", "profile", "party", "sender", "author", "buddy", "friend"}
	roomWords   = []string{"chat", "conversation", "room", "channel", "group", "thread", "dialog"}
)

// isAbout reports whether the name of a table says that it is about the values of a column.
func isAbout(table, field, column string) bool {
	table = strings.ToLower(table)
	words := peopleWords
	if field == "conversation" {
		words = roomWords
	}
	stem := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(column), "id"), "_")
	return len(stem) > 2 && strings.Contains(table, stem) || slices.ContainsFunc(words, func(word string) bool { return strings.Contains(table, word) })
}

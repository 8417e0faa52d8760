package desk

import (
	"context"
	"time"

	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
)

// mostBars is the maximum number of bars in a histogram that includes empty bars.
const mostBars = 1 << 19

// withSilence adds the empty bars between the first and the last. sparse is true, and all
// has no empty bars, if there would be more than mostBars.
func withSilence(bars []index.Count, by index.Interval, zone *time.Location) (all []index.Count, sparse bool) {
	var layout string
	var next func(time.Time) time.Time
	switch by {
	case index.ByHour:
		layout, next = "2006-01-02T15", func(t time.Time) time.Time { return t.Add(time.Hour) }
	case index.ByDay:
		layout, next = "2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	case index.ByMonth:
		layout, next = "2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }
	case index.ByYear:
		layout, next = "2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }
	case index.ByWeekHour, "":
		return bars, false
	}
	if len(bars) == 0 {
		return bars, false
	}
	if by != index.ByHour {
		zone = time.UTC // in other zones, some days have no midnight
	}
	at, err := time.ParseInLocation(layout, bars[0].Value, zone)
	if err != nil {
		return bars, true
	}
	for rest := bars; len(rest) > 0; at = next(at) {
		name := at.Format(layout)
		switch {
		case len(all) == mostBars:
			return bars, true
		case name >= rest[0].Value:
			all, rest = append(all, rest[0]), rest[1:]
		case len(all) == 0 || name > all[len(all)-1].Value: // an hour may occur twice
			all = append(all, index.Count{Value: name})
		}
	}
	return all, false
}

// namedValues is the maximum number of values in a facet, and of accounts and
// conversations in pairs, that get names.
const namedValues = 200

// names finds the names of the accounts and conversations that were counted, as the
// newest messages in the scope show them. It first searches the messages that the query
// found.
func (p *Permit) names(ctx context.Context, ask index.Request, found *index.Result, result *SearchResult) error {
	known := map[query.Field]string{}
	name := func(field query.FieldName, value string) (string, error) {
		if field == query.To {
			field = query.From // messages name their senders
		}
		of := query.Field{Name: field, Value: query.Exact + value}
		if name, ok := known[of]; ok || value == "" || len(known) >= 2*namedValues {
			return name, nil
		}
		shown, err := p.shownName(ctx, ask.Query, of, value, found.Position)
		known[of] = shown
		return shown, err
	}
	var err error
	for _, field := range []query.FieldName{query.From, query.To, query.In} {
		for i, c := range result.Facets[field][:min(len(result.Facets[field]), namedValues)] {
			if result.Facets[field][i].Name, err = name(field, c.Value); err != nil {
				return err
			}
		}
	}
	for i, pair := range found.Pairs {
		one := Pair{Pair: pair}
		if i < namedValues {
			if one.FromName, err = name(query.From, pair.From); err != nil {
				return err
			}
			field, value := query.To, pair.To
			if value == "" {
				field, value = query.In, pair.Conversation
			}
			if one.ToName, err = name(field, value); err != nil {
				return err
			}
		}
		result.Pairs = append(result.Pairs, one)
	}
	return nil
}

// lookedForName is the number of messages that are searched for a name.
const lookedForName = 3

// shownName returns the name that an account or a conversation has in the newest messages
// that were found or, if they show none, in the newest messages in the scope. It returns
// "" if those show only the id.
func (p *Permit) shownName(ctx context.Context, asked query.Node, of query.Field, id string, position uint64) (string, error) {
	for _, n := range []query.Node{query.AndOf(asked, of), of} {
		found, err := p.desk.parts.Index.Search(ctx, index.Request{Query: n, Scope: p.scope, Limit: lookedForName})
		if err != nil {
			return "", err
		}
		hits, _, err := p.readHits(ctx, found.Hits, position, matching(n))
		if err != nil {
			return "", err
		}
		for _, h := range hits {
			name := h.Message.FromName
			if of.Name == query.In {
				name = h.Message.Title
			} else if h.Message.From != id {
				continue
			}
			if name != "" && name != id {
				return name, nil
			}
		}
	}
	return "", nil
}

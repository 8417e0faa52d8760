package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/query"
)

// pairsFacet asks for who wrote to whom.
const pairsFacet = "pairs"

// reads runs a command that reads through the desk.
func (a *app) reads(c *cobra.Command, work func(ctx context.Context, d *desk.Desk, who desk.Who) error) error {
	n, who, err := a.open(c.Context())
	if err != nil {
		return err
	}
	return errors.Join(work(c.Context(), n.Desk, who), n.Close())
}

func (a *app) searchCommand() *cobra.Command {
	var req desk.SearchRequest
	var facets []string
	var histogram, zone string
	var longest time.Duration
	var all, asCSV bool
	c := &cobra.Command{
		Use:   "search QUERY",
		Short: "Find messages, newest first",
		Long: `Find messages, newest first. A query has words, "phrases", prefix*, *part*,
fuzzy~1, stems~en, =Exact words, list:NAME, one message ->5 after another,
/regular expressions/, AND OR NOT and parentheses, and the fields from: to:
with: in: service: delivery: sent: on: has: is: lang: entity:. docs/query.md has it
all.

A message counts once, however many copies of it are held, and a query is asked
of all its copies in your scope together. Calls, contacts, rooms and other types
are counted beside the messages: "821 messages, 12 calls". is:message, is:call and
the like ask for one type.

A time with a question mark is that of a clock whose zone nobody stated.

--facet counts by a field; --facet pairs counts who wrote to whom, with the first and
the last time. The screen has the 20 most frequent values, --json and --csv have all,
the 200 most frequent accounts and conversations with the name that messages show. A
histogram has the days without a message, too. In CSV, a cell that a spreadsheet
would take for a formula begins with a quote.`,
		Example: `  argus search 'hello -test from:alice sent:2019-01-01..2020-12-31'
  argus search 'with:Q3XK9A' --all --json > messages.jsonl
  argus search 'is:locked delivery:D-0002' --facet from --histogram month --limit 0
  argus search 'in:harbour' --facet pairs --csv > pairs.csv`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := between(c, "limit", req.Limit, 0, desk.MostHits); err != nil {
				return err
			}
			req.Query = strings.Join(args, " ")
			for _, f := range facets {
				if f == pairsFacet {
					req.Pairs = -1
					continue
				}
				req.Facets = append(req.Facets, query.FieldName(f))
			}
			req.FacetSize = -1
			req.Histogram = desk.Interval(histogram)
			where, err := time.LoadLocation(cmp.Or(zone, "UTC"))
			if err != nil {
				return usageError{fmt.Errorf("--zone %q: want a name like Europe/Amsterdam", zone), c.CommandPath()}
			}
			req.Zone = zone
			if longest <= 0 {
				return usageError{fmt.Errorf("--max-time %s: want a time like 5m", longest), c.CommandPath()}
			}
			req.MaxSeconds = longest.Seconds()
			req.Limit = none(req.Limit)
			if all && (req.Next != "" || len(facets) > 0 || histogram != "" || c.Flags().Changed("limit")) {
				return usageError{errors.New("--all prints every message and nothing else: leave out --limit, --next, --facet and --histogram"), c.CommandPath()}
			}
			if counted := len(facets) + min(len(histogram), 1); asCSV && (all || a.json || counted != 1) {
				return usageError{errors.New("--csv prints one --facet or one --histogram: leave out --all and --json"), c.CommandPath()}
			}
			if asCSV {
				req.Limit = none(0)
			}
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				if all {
					return a.printAll(ctx, d, who, req, where)
				}
				result, err := d.Search(ctx, who, req)
				if err != nil {
					return err
				}
				if asCSV {
					return a.printCSV(result, req, where)
				}
				return a.printResult(result, who, where)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&all, "all", false, "print every message that is found, oldest first")
	flags.IntVar(&req.Limit, "limit", 20, "the most messages to print, up to 1000")
	flags.StringVar(&req.Next, "next", "", "go on behind an earlier answer: its `token`")
	flags.StringSliceVar(&facets, "facet", nil, "count by `field`: from, to, in, service, delivery, is, lang, entity, or pairs; may be repeated")
	flags.BoolVar(&asCSV, "csv", false, "print the counts of one facet, or the histogram, as CSV")
	flags.StringVar(&histogram, "histogram", "", "count by hour, day, month or year, or by weekhour, the hours of a week")
	flags.DurationVar(&longest, "max-time", 30*time.Second, "about the longest to search; then the answer says up to where it is whole")
	flags.StringVar(&zone, "zone", "", "the time `zone` of days in the query and of printed times (default UTC)")
	return c
}

// between wants the number of a flag from least to most.
func between(c *cobra.Command, flag string, number, least, most int) error {
	if number < least || number > most {
		return usageError{fmt.Errorf("--%s %d: want a number from %d to %d", flag, number, least, most), c.CommandPath()}
	}
	return nil
}

// none makes 0, which a request reads as its default, the number that it reads
// as 0.
func none(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

func (a *app) printResult(r *desk.SearchResult, who desk.Who, zone *time.Location) error {
	if a.json {
		for _, h := range r.Hits {
			if err := a.out.object("hit", h); err != nil {
				return err
			}
		}
		return a.out.object("result", struct {
			*desk.SearchResult
			Hits int `json:"hits"` // in place of those that have been printed
		}{r, len(r.Hits)})
	}
	for _, h := range r.Hits {
		a.printHit(h, zone, false)
	}
	if len(r.Hits) > 0 {
		a.out.linef("")
	}
	a.out.linef("%s: %s", counted(r.Messages, r.Beside), r.Query)
	if r.Differing > 0 {
		a.out.linef("The copies of %s say different things.", of(r, r.Differing))
	}
	if r.Total == 0 {
		a.out.linef("No record found in what %s covers.", who.Authority)
	}
	for _, name := range sortedFacets(r.Facets) {
		printCounts(a.out, string(name), r.Facets[name])
	}
	a.printPairs(r.Pairs, zone)
	printHistogram(a.out, r)
	if r.Partial != nil {
		a.out.linef("%s", partial(r.Partial.Since, r.Partial.Why, zone))
	}
	if r.Next != "" {
		a.out.linef("More: --next %s", r.Next)
	}
	if r.Behind > 0 {
		a.out.linef("The index is %s behind the evidence; what is missing will be found when it has caught up.", count(r.Behind, "record", "records"))
	}
	return nil
}

// counted writes how many messages were found, and beside them what is none:
// 12 messages, 3 calls.
func counted(messages uint64, beside []argus.Tally) string {
	parts := []string{count(messages, "message", "messages")}
	if messages == 0 && len(beside) > 0 {
		parts = nil
	}
	for _, c := range beside {
		many := c.Value + "s"
		if c.Value == "membership" {
			c.Value, many = "membership change", "membership changes"
		}
		parts = append(parts, count(c.Count, c.Value, many))
	}
	return strings.Join(parts, ", ")
}

// printAll prints all messages that are found, as they come.
func (a *app) printAll(ctx context.Context, d *desk.Desk, who desk.Who, req desk.SearchRequest, zone *time.Location) error {
	messages, types := uint64(0), make([]argus.Tally, len(argus.TypeWords))
	n, err := d.SearchAll(ctx, who, req, func(h desk.Hit) error {
		if t := h.Message.Type; t.IsMessage() {
			messages++
		} else {
			types[t] = argus.Tally{Value: t.String(), Count: types[t].Count + 1}
		}
		if a.json {
			return a.out.object("hit", h)
		}
		a.printHit(h, zone, false)
		return nil
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.out.object("result", map[string]any{"hits": n})
	}
	beside := slices.DeleteFunc(types, func(c argus.Tally) bool { return c.Count == 0 })
	a.out.linef("%s: %s", counted(messages, beside), req.Query)
	return nil
}

// partial says how far an answer goes.
func partial(since time.Time, why string, zone *time.Location) string {
	whole := "No period is completely counted"
	if !since.IsZero() {
		whole = "All messages since " + since.In(zone).Format(time.RFC3339) + " are counted, of older ones perhaps a part"
	}
	return fmt.Sprintf("This answer is partial: %s. %s. Narrow the query, or raise --max-time.", why, whole)
}

func sortedFacets(facets map[query.FieldName][]argus.Tally) []query.FieldName {
	var names []query.FieldName
	for name := range facets {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// of names a number of what an answer counts: messages, or items where calls, contacts
// and the like are among them.
func of(r *desk.SearchResult, n uint64) string {
	if len(r.Beside) > 0 {
		return count(n, "item", "items")
	}
	return count(n, "message", "messages")
}

// printHit prints a message: one line about it, then its text.
func (a *app) printHit(h desk.Hit, zone *time.Location, here bool) {
	m := h.Message
	marker := " "
	if here {
		marker = a.out.bold("▶")
	}
	head := fmt.Sprintf("%s  %s  %s  %s", when(m.Sent, zone), oneLine(m.Service), a.out.bold(sender(m)), place(m))
	a.out.linef("%s%s  %s%s", marker, head, a.out.dim(h.Ref.String()[:16]), states(h))
	for line := range strings.Lines(a.text(m, h.Marks)) {
		a.out.linef("    %s", strings.TrimSuffix(line, "\n"))
	}
	for _, at := range m.Attachments {
		held := ""
		if at.Missing() {
			held = ", missing"
		}
		a.out.linef("    [%s%s]", oneLine(first(at.Name, "attachment")), held)
	}
}

// when writes a time in a zone. A clock whose zone nobody stated is written as
// it stood, with a question mark, and not moved.
func when(t argus.Time, zone *time.Location) string {
	if t.Known() && t.Zone == argus.ZoneAssumed {
		return strings.TrimSuffix(t.String(), "Z") + "?"
	}
	return t.In(zone)
}

func sender(m *argus.Message) string {
	switch {
	case m.From == "":
		return oneLine(m.Service)
	case m.FromName != "" && m.FromName != m.From:
		return oneLine(m.FromName + " (" + m.From + ")")
	}
	return oneLine(m.From)
}

func place(m *argus.Message) string {
	name := first(m.Title, m.Conversation)
	if name == "" {
		return ""
	}
	return "→ " + oneLine(name)
}

// states are the words about a hit: its type if it is no text, its states, and
// what is known besides of its copies.
func states(h desk.Hit) string {
	words := h.Message.State.Words()
	if h.Message.Type != argus.TypeText {
		words = append([]string{h.Message.Type.String()}, words...)
	}
	if h.AlsoLocked {
		words = append(words, "also held locked")
	}
	if h.Versions > 1 {
		words = append(words, fmt.Sprintf("%d versions", h.Versions))
	}
	for _, n := range h.Unsealed {
		words = append(words, n.String()+" is not sealed")
	}
	if len(words) == 0 {
		return ""
	}
	return "  [" + strings.Join(words, ", ") + "]"
}

// maxText is how much of one text is printed in a list, in bytes.
const maxText = 2000

// text is what a message says, with what matched in bold on a terminal.
func (a *app) text(m *argus.Message, marks [][2]int) string {
	text := m.Text
	if text == "" && m.State&argus.StateLocked != 0 {
		return oneLine(fmt.Sprintf("(locked: %s of %s, key %s)", size(int64(len(m.Locked.Payload))),
			first(m.Locked.Algorithm, "an unnamed cipher"), first(m.Locked.KeyID, "not named")))
	}
	more := ""
	if len(text) > maxText {
		text, more = strings.ToValidUTF8(text[:maxText], ""), fmt.Sprintf("\n… %s more (argus show)", size(int64(len(m.Text)-maxText)))
	}
	var b strings.Builder
	at := 0
	for _, mark := range marks {
		if mark[0] < at || mark[1] > len(text) {
			break
		}
		b.WriteString(plain(text[at:mark[0]]))
		b.WriteString(a.out.bold(plain(text[mark[0]:mark[1]])))
		at = mark[1]
	}
	b.WriteString(plain(text[at:]))
	return b.String() + more
}

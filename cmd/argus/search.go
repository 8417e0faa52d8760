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
	"github.com/argus-evidence/argus/internal/voice"
)

// pairsFacet is the --facet that counts pairs of sender and receiver.
const pairsFacet = "pairs"

func (a *app) searchCommand() *cobra.Command {
	var req desk.SearchRequest
	var facets []string
	var histogram, zone string
	var longest time.Duration
	var all, asCSV bool
	c := &cobra.Command{
		Use:   "search QUERY",
		Short: "Find messages, newest first",
		Long: `Find messages, newest first. A query consists of words, "phrases", prefix*,
*part*, fuzzy~1, stems~en, =Exact words, list:NAME, one message ->5 after another,
/regular expressions/, AND OR NOT, parentheses, and the fields from: to: with: in:
service: delivery: sent: on: has: is: lang: country: entity: same:. docs/query.md
describes it in full.

A message counts once, even if the store holds several copies of it, and a query
looks at all of its copies in your scope together. Calls, contacts, rooms and other
types are counted separately: "821 messages, 12 calls". Use is:message, is:call and
so on to find one type.

Messages with the same sender, time, subject and text are separate messages, and a hit
says how many there are. same:REF finds all that have the same content as REF.
--distinct prints and counts each content once: "4 distinct of 6 messages". With
--distinct, only the facets from and service and the histogram are available, since such
messages may differ in everything else.

A question mark after a time means that its zone is unknown.

--facet counts by a field; --facet pairs counts messages by sender and receiver and
gives the first and the last time. The text shows the 20 most frequent values; --json
and --csv list all of them, with names for the 200 most frequent accounts and
conversations. A question mark after a language means that Argus detected it; the data
does not state it. A question mark after a country means that the country gave out a
number of an account, which does not say where anybody was. A histogram includes empty
days. In CSV, a cell that a spreadsheet would run as a formula begins with a quote.`,
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
				if !slices.Contains(desk.FacetFields, query.FieldName(f)) {
					return usageError{fmt.Errorf("--facet %s: want one of %v or %s", f, desk.FacetFields, pairsFacet), c.CommandPath()}
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
				return usageError{fmt.Errorf("--max-time %s: want a duration like 5m", longest), c.CommandPath()}
			}
			req.MaxSeconds = longest.Seconds()
			req.Limit = none(req.Limit)
			if all && (req.Distinct || req.Next != "" || len(facets) > 0 || histogram != "" || c.Flags().Changed("limit")) {
				return usageError{errors.New("--all prints only messages: leave out --limit, --next, --facet, --histogram and --distinct"), c.CommandPath()}
			}
			if counted := len(facets) + min(len(histogram), 1); asCSV && (all || a.json || counted != 1) {
				return usageError{errors.New("--csv prints exactly one --facet or --histogram: leave out --all and --json"), c.CommandPath()}
			}
			if asCSV {
				req.Limit = none(0)
			}
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				if all {
					return a.sayAll(ctx, d, who, req, where)
				}
				result, err := d.Search(ctx, who, req)
				if err != nil {
					return err
				}
				if asCSV {
					if err := voice.PrintCSV(a.out, result, req, where); err != nil {
						return err
					}
					if result.Partial != nil {
						fmt.Fprintln(a.err, voice.Limits(result, where))
					}
					return nil
				}
				return a.sayResult(result, who, where)
			})
		},
	}
	flags := c.Flags()
	flags.BoolVar(&all, "all", false, "print every message found, oldest first")
	flags.BoolVar(&req.Distinct, "distinct", false, "print and count messages with the same content once")
	flags.IntVar(&req.Limit, "limit", 20, "the maximum number of messages to print, up to 1000")
	flags.StringVar(&req.Next, "next", "", "continue after an earlier answer, given the `token` that it printed")
	flags.StringSliceVar(&facets, "facet", nil, "count by `field`: from, to, in, service, delivery, is, lang, country, entity, or pairs; may be repeated")
	flags.BoolVar(&asCSV, "csv", false, "print the counts of one facet, or the histogram, as CSV")
	flags.StringVar(&histogram, "histogram", "", "count by `interval`: hour, day, month or year, or weekhour for the hours of a week")
	flags.DurationVar(&longest, "max-time", 30*time.Second, "the approximate maximum `time` for the search; a partial answer states its limits")
	flags.StringVar(&zone, "zone", "", "the time `zone` of dates in the query and of printed times (default UTC)")
	return c
}

func (a *app) sayResult(r *desk.SearchResult, who desk.Who, zone *time.Location) error {
	for _, h := range r.Hits {
		if err := voice.Say(a.out, "hit", h, func(o *voice.Output, h desk.Hit) { voice.PrintHit(o, h, zone, false) }); err != nil {
			return err
		}
	}
	if len(r.Hits) > 0 {
		a.out.Aside("")
	}
	return voice.Say(a.out, "result", voice.Answer{SearchResult: r, Authority: who.Authority, Hits: len(r.Hits)}, func(o *voice.Output, r voice.Answer) { voice.PrintAnswer(o, r, zone) })
}

// allFound is the output of search --all after its hits.
type allFound struct {
	Query    string        `json:"query"`
	Hits     uint64        `json:"hits"`
	Messages uint64        `json:"messages"`
	Beside   []argus.Tally `json:"beside,omitempty"`
}

// sayAll prints each message as it is found.
func (a *app) sayAll(ctx context.Context, d *desk.Desk, who desk.Who, req desk.SearchRequest, zone *time.Location) error {
	all := allFound{Query: req.Query}
	types := make([]uint64, len(argus.TypeWords))
	_, err := d.SearchAll(ctx, who, req, func(h desk.Hit) error {
		all.Hits++
		if t := h.Message.Type; t.IsMessage() {
			all.Messages++
		} else {
			types[t]++
		}
		return voice.Say(a.out, "hit", h, func(o *voice.Output, h desk.Hit) { voice.PrintHit(o, h, zone, false) })
	})
	if err != nil {
		return err
	}
	for t, n := range types {
		if n > 0 {
			all.Beside = append(all.Beside, argus.Tally{Value: argus.Type(t).String(), Count: n})
		}
	}
	return voice.Say(a.out, "result", all, func(o *voice.Output, r allFound) { o.Linef("%s: %s", voice.Counted(r.Messages, r.Beside), r.Query) })
}

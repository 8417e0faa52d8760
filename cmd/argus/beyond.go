package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

// sampleSize is the number of messages that a preview shows.
const sampleSize = 10

// previewed is the output of authority preview after its samples.
type previewed struct {
	Scope string `json:"scope"`
	Words string `json:"words"`
	voice.Answer
}

func (a *app) authorityPreview() *cobra.Command {
	return &cobra.Command{
		Use:   "preview SCOPE",
		Short: "Show what a scope covers before an authority with it is added",
		Long: `Show a scope in plain words, the number of messages that it covers, and the ten newest
of them, for the person who signs the order. The command reads under your own authority,
and the ledger records it like any search.`,
		Example: `  argus authority preview 'delivery:D-0001 sent:2021-02-14..2021-03-09 with:list:accounts'`,
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				words, err := d.Change(desk.ChangeRequest{Query: args[0]})
				if err != nil {
					return err
				}
				r, err := d.Search(ctx, who, desk.SearchRequest{Query: args[0], Limit: sampleSize})
				if err != nil {
					return err
				}
				for _, h := range r.Hits {
					if err := voice.Say(a.out, "hit", h, func(o *voice.Output, h desk.Hit) { voice.PrintHit(o, h, time.UTC, false) }); err != nil {
						return err
					}
				}
				return voice.Say(a.out, "preview", previewed{args[0], words.Words, voice.Answer{SearchResult: r, Authority: who.Authority, Hits: len(r.Hits)}}, func(o *voice.Output, p previewed) {
					o.Linef("")
					o.Linef("%s.", printable.Plain(p.Words))
					o.Linef("It matches %s in the scope of %s.", voice.Counted(p.Messages, p.Beside), p.Authority)
				})
			})
		},
	}
}

func (a *app) authorityBeyond() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "beyond NUMBER QUERY",
		Short: "Count the messages that an authority leaves out, for the person who may extend it",
		Long: `Count the messages that a query finds inside and outside the scope of an authority, by
service, delivery and month. No content, no account and no conversation is shown. Only
messages covered by your own authority are counted. --out writes the result as a request
to extend the authority.`,
		Example: `  argus authority beyond A-0002 'with:Q3XK9A' --out request.txt`,
		Args:    arguments(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.reads(c, func(ctx context.Context, d *desk.Desk, who desk.Who) error {
				b, err := d.Beyond(ctx, who, desk.BeyondRequest{Authority: args[0], Query: args[1]})
				if err != nil {
					return err
				}
				if out != "" {
					if err := writeRequest(out, b, who); err != nil {
						return err
					}
				}
				return voice.Say(a.out, "beyond", b, printBeyond)
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "write a request to extend the authority into this new `file`")
	return c
}

// writeRequest writes a request to extend an authority.
func writeRequest(name string, b *desk.Beyond, who desk.Who) error {
	var text bytes.Buffer
	v := voice.New(&text)
	v.Aside("Request to extend the authority %s", b.Authority)
	v.Aside("Requested by %s on %s, under %s, for %s", printable.OneLine(who.Actor), time.Now().UTC().Format(time.RFC3339), who.Authority, printable.OneLine(who.Purpose))
	v.Aside("")
	if err := voice.Say(v, "beyond", b, printBeyond); err != nil {
		return err
	}
	return durable.WriteNew(durable.OS{}, name, text.Bytes())
}

func printBeyond(o *voice.Output, b *desk.Beyond) {
	o.Linef("Query: %s", printable.OneLine(b.Query))
	o.Linef("Scope of %s: %s.", b.Authority, printable.Plain(b.Scope))
	o.Linef("Inside   %s", voice.Counted(b.Inside.Messages, b.Inside.Beside))
	o.Linef("Outside  %s", voice.Counted(b.Outside.Messages, b.Outside.Beside))
	for _, part := range []struct {
		name   string
		counts []argus.Tally
	}{{"by service", b.Services}, {"by delivery", b.Deliveries}, {"by month", b.Months}} {
		var counts []string
		for _, t := range part.counts {
			counts = append(counts, fmt.Sprintf("%s %s", printable.OneLine(t.Value), printable.Group(t.Count)))
		}
		if counts != nil {
			o.Linef("  %-12s %s", part.name, strings.Join(counts, ", "))
		}
	}
	o.Linef("No content is shown: no text, no account and no conversation.")
}

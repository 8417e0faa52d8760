package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/exchange"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) requestCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "request",
		Short: "Ask another store for the messages of a case, and decide about such requests",
		Long: `A case asks the holder of data for messages: the case's store writes a signed request.
At the holder, whoever may counts the messages that it would get, without content and
names; a judge grants it under an authority of the holder's store, or refuses it; and
"argus transfer out" writes the package. docs/sharing.md describes the steps.`,
		Args: cobra.ArbitraryArgs,
		RunE: menu,
	}
	c.AddCommand(a.requestNew(), a.requestShow(), a.requestCount(), a.requestGrant(), a.requestRefuse())
	return c
}

func (a *app) requestNew() *cobra.Command {
	var r exchange.Request
	var accounts, words, period, out string
	c := &cobra.Command{
		Use:   "new",
		Short: "Write a signed request for messages of another store",
		Long: `Write a request, signed with the key of this store: the case's. A message is asked for
if it meets all conditions that are given; at least one is needed.`,
		Example: `  argus request new --accounts accounts.txt --period 2021-02-14..2021-03-09 --offence trafficking --purpose 'case Argus' --out case.request`,
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" || len(r.Offences) == 0 || r.Purpose == "" {
				return usageError{errors.New("a request needs --offence, --purpose and --out"), c.CommandPath()}
			}
			for _, list := range []struct {
				name string
				into *string
			}{{accounts, &r.Accounts}, {words, &r.Words}} {
				if list.name == "" {
					continue
				}
				text, err := durable.ReadGiven(list.name, query.MaxListBytes)
				if err != nil {
					return err
				}
				*list.into = string(text)
			}
			if period != "" {
				n, err := query.Parse("sent:"+period, query.Options{})
				sent, ok := n.(query.Sent)
				if err != nil || !ok {
					return usageError{fmt.Errorf("--period %q: want a day, or two like 2021-02-14..2021-03-09", period), c.CommandPath()}
				}
				r.From, r.Until = sent.From, sent.To
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				r.Purpose = cmp.Or(r.Purpose, a.purpose)
				file, key, err := n.Admin.NewRequest(ctx, a.actorName(), r)
				if err != nil {
					return err
				}
				return a.handOut(out, key, file)
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&accounts, "accounts", "", "a `file` with an account in each line: messages from or to one of them")
	flags.StringVar(&words, "words", "", "a `file` with a word or phrase in each line: messages with one of them")
	flags.StringVar(&period, "period", "", "the `days` of the messages in UTC, such as 2021-02-14..2021-03-09")
	flags.StringArrayVar(&r.Offences, "offence", nil, "an offence of the case; may be repeated")
	flags.StringVar(&r.Purpose, "purpose", "", "the `purpose` of the request")
	flags.StringVar(&out, "out", "", "write the request to this new `file`")
	return c
}

// fromFlag adds the flag that names the key of a signed file.
func fromFlag(c *cobra.Command, from *string) {
	c.Flags().StringVar(from, "from", "", "the `file` with the public key of the store that signed it")
}

// withRequest adds the argument and the flag of a command about a request.
func (a *app) withRequest(c *cobra.Command, do func(c *cobra.Command, file []byte, key string) error) *cobra.Command {
	var from string
	c.Args = arguments(1, 1)
	c.RunE = func(c *cobra.Command, args []string) error {
		if from == "" {
			return usageError{errors.New("missing --from"), c.CommandPath()}
		}
		file, key, err := signedFile(args[0], from)
		if err != nil {
			return err
		}
		return do(c, file, key)
	}
	fromFlag(c, &from)
	return c
}

func (a *app) requestShow() *cobra.Command {
	return a.withRequest(&cobra.Command{Use: "show FILE", Short: "Show a request"}, func(_ *cobra.Command, file []byte, key string) error {
		r, err := exchange.OpenRequest(file, key)
		if err != nil {
			return err
		}
		return voice.Say(a.out, "request", r, printRequest)
	})
}

func printRequest(o *voice.Output, r *exchange.Request) {
	o.Linef("Store %s asks, by %s at %s", r.Store, printable.OneLine(r.By), r.Made.Format(time.RFC3339))
	o.Linef("  purpose  %s", printable.OneLine(r.Purpose))
	o.Linef("  offences %s", printable.OneLine(strings.Join(r.Offences, "; ")))
	for _, list := range []struct{ name, text string }{{"accounts", r.Accounts}, {"words", r.Words}} {
		if list.text != "" {
			o.Linef("  %-8s %s", list.name, printable.OneLine(strings.Join(strings.Split(strings.TrimSpace(list.text), "\n"), ", ")))
		}
	}
	if !r.From.IsZero() {
		o.Linef("  from     %s", r.From.Format(time.RFC3339))
	}
	if !r.Until.IsZero() {
		o.Linef("  until    %s", r.Until.Format(time.RFC3339))
	}
}

func (a *app) requestCount() *cobra.Command {
	return a.withRequest(&cobra.Command{
		Use:   "count FILE",
		Short: "Count the messages that a request would get",
		Long: `Count the messages that a request would get under your authority: messages, accounts,
conversations and days, without content and names.`,
		Example: `  argus request count case.request --from case.pub --authority A-0002`,
	}, func(c *cobra.Command, file []byte, key string) error {
		n, who, err := a.open(c.Context())
		if err != nil {
			return err
		}
		counts, err := n.CountRequest(c.Context(), who, file, key)
		if err == nil {
			err = voice.Say(a.out, "counts", counts, func(o *voice.Output, d *desk.CaseCounts) {
				o.Linef("The request would get %s.", voice.Counted(d.Messages, d.Beside))
				o.Linef("  accounts %s, conversations %s, days %s", printable.Group(uint64(d.Accounts)), printable.Group(uint64(d.Conversations)), printable.Group(uint64(d.Days)))
			})
		}
		return errors.Join(err, n.Close())
	})
}

func (a *app) requestGrant() *cobra.Command {
	return a.withRequest(&cobra.Command{
		Use:   "grant FILE",
		Short: "Grant a request under the authority in --authority",
		Long: `Grant a request under an authority of this store, which --authority names. The authority
decides who may send the messages, which of them leave, and under which conditions. The
last decision about a request counts.`,
		Example: `  argus request grant case.request --from case.pub --authority A-0002`,
	}, func(c *cobra.Command, file []byte, key string) error {
		number, err := authority.ParseNumber(a.authority)
		if err != nil {
			return usageError{fmt.Errorf("--authority: %w", err), c.CommandPath()}
		}
		return a.decide(c, file, key, number, "")
	})
}

func (a *app) requestRefuse() *cobra.Command {
	var reason string
	c := a.withRequest(&cobra.Command{Use: "refuse FILE", Short: "Refuse a request, with a reason"}, func(c *cobra.Command, file []byte, key string) error {
		if reason == "" {
			return usageError{errors.New("missing --reason"), c.CommandPath()}
		}
		return a.decide(c, file, key, 0, reason)
	})
	c.Flags().StringVar(&reason, "reason", "", "the `reason`, recorded in the ledger")
	return c
}

func (a *app) decide(c *cobra.Command, file []byte, key string, number authority.Number, reason string) error {
	return a.administer(c, func(ctx context.Context, n *node.Node) error {
		d, err := n.Admin.DecideRequest(ctx, a.actorName(), file, key, number, reason)
		if err != nil {
			return err
		}
		return voice.Say(a.out, "decided", d, func(o *voice.Output, d *admin.Decision) {
			if d.Granted {
				o.Linef("Granted under %s by %s: entry %d of the ledger.", d.Authority, printable.OneLine(d.By), d.Entry)
			} else {
				o.Linef("Refused by %s: entry %d of the ledger.", printable.OneLine(d.By), d.Entry)
			}
			o.Linef("  The request has the SHA-256 %s.", d.Request)
		})
	})
}

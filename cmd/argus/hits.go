package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/exchange"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) hitsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "hits",
		Short: "Ask another store whether it has messages of accounts, without naming them",
		Long: `Two stores share a secret: a file of at least 32 random bytes. One asks with keyed hashes
of accounts; the other says for each whether it has messages, and names a contact, and
nothing more. Whoever lacks the secret learns nothing from the files. Whoever has it can
try every telephone number: it keeps the accounts from carriers, not from the other store.`,
		Args: cobra.ArbitraryArgs,
		RunE: menu,
	}
	c.AddCommand(a.hitsAsk(), a.hitsAnswer(), a.hitsShow())
	return c
}

// secretFlag adds the flag that names the shared secret.
func secretFlag(c *cobra.Command, secret *string) {
	c.Flags().StringVar(secret, "secret", "", "the `file` with the secret that both stores share, which only you can read")
}

func readSecret(name string) (exchange.Secret, error) {
	text, err := admin.ReadSecret(name)
	if err != nil {
		return nil, fmt.Errorf("read the shared secret: %w", err)
	}
	return exchange.ParseSecret(text)
}

func (a *app) hitsAsk() *cobra.Command {
	var accounts, secret, out string
	c := &cobra.Command{
		Use:     "ask",
		Short:   "Write a signed question about accounts",
		Example: `  argus hits ask --accounts accounts.txt --secret shared.secret --purpose 'case Argus' --out case.question`,
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			purpose := cmp.Or(a.purpose, os.Getenv("ARGUS_PURPOSE"))
			if accounts == "" || secret == "" || out == "" || purpose == "" {
				return usageError{errors.New("a question needs --accounts, --secret, --purpose and --out"), c.CommandPath()}
			}
			list, err := durable.ReadGiven(accounts, query.MaxListBytes)
			if err != nil {
				return err
			}
			key, err := readSecret(secret)
			if err != nil {
				return err
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				file, signer, err := n.Admin.AskHits(ctx, a.actorName(), purpose, key, list)
				if err != nil {
					return err
				}
				return a.handOut(out, signer, file)
			})
		},
	}
	c.Flags().StringVar(&accounts, "accounts", "", "a `file` with an account in each line")
	secretFlag(c, &secret)
	c.Flags().StringVar(&out, "out", "", "write the question to this new `file`")
	return c
}

func (a *app) hitsAnswer() *cobra.Command {
	var secret, contact, out string
	c := a.withRequest(&cobra.Command{
		Use:   "answer QUESTION",
		Short: "Write a signed answer: the accounts that have messages under your authority",
		Long: `Write an answer to a question: for each account, whether it sent or received a message
under your authority, and a contact. An account is compared as a whole, in lower case;
accounts in the text of messages do not count. With the handling code H2 nothing is answered.`,
		Example: `  argus hits answer case.question --from case.pub --secret shared.secret --contact 'desk 5' --out case.answer`,
	}, func(c *cobra.Command, file []byte, key string) error {
		if secret == "" || contact == "" || out == "" {
			return usageError{errors.New("an answer needs --secret, --contact and --out"), c.CommandPath()}
		}
		shared, err := readSecret(secret)
		if err != nil {
			return err
		}
		n, who, err := a.open(c.Context())
		if err != nil {
			return err
		}
		text, answer, err := n.AnswerHits(c.Context(), who, file, key, shared, contact)
		if err == nil {
			err = voice.Say(a.out, "answered", answered{len(answer.Hits)}, func(o *voice.Output, s answered) {
				o.Linef("Answered with %s.", printable.Count(uint64(s.Hits), "hit", "hits"))
			})
		}
		if err == nil {
			err = a.handOut(out, "argus/"+n.Info.Store, text)
		}
		return errors.Join(err, n.Close())
	})
	secretFlag(c, &secret)
	c.Flags().StringVar(&contact, "contact", "", "the `person` to ask about the hits")
	c.Flags().StringVar(&out, "out", "", "write the answer to this new `file`")
	return c
}

// answered is the answer of hits answer.
type answered struct {
	Hits int `json:"hits"`
}

// shownHits are the accounts of a list about which the other store has messages.
type shownHits struct {
	Store   string   `json:"store"`
	Contact string   `json:"contact"`
	Hits    []string `json:"hits"`
	Asked   int      `json:"asked"`
}

func (a *app) hitsShow() *cobra.Command {
	var question, accounts, secret string
	c := a.withRequest(&cobra.Command{
		Use:     "show ANSWER",
		Short:   "Show which of your accounts another store has messages of, and whom to ask",
		Example: `  argus hits show case.answer --from holder.pub --question case.question --accounts accounts.txt --secret shared.secret`,
	}, func(c *cobra.Command, file []byte, key string) error {
		if question == "" || accounts == "" || secret == "" {
			return usageError{errors.New("it needs --question, --accounts and --secret"), c.CommandPath()}
		}
		asked, err := durable.ReadGiven(question, signed.MaxFile)
		if err != nil {
			return err
		}
		answer, err := exchange.OpenAnswer(file, key, asked)
		if err != nil {
			return err
		}
		shared, err := readSecret(secret)
		if err != nil {
			return err
		}
		text, err := durable.ReadGiven(accounts, query.MaxListBytes)
		if err != nil {
			return err
		}
		list, err := query.ParseList("accounts", text)
		if err != nil {
			return err
		}
		hits := &exchange.Question{Accounts: answer.Hits}
		s := shownHits{Store: answer.Store, Contact: answer.Contact, Asked: len(list.Entries)}
		for _, account := range list.Entries {
			if hits.Asks(shared, account) {
				s.Hits = append(s.Hits, account)
			}
		}
		return voice.Say(a.out, "hits", s, func(o *voice.Output, s shownHits) {
			o.Linef("Store %s has messages of %d of %s: %s", s.Store, len(s.Hits), printable.Count(uint64(s.Asked), "account", "accounts"), printable.OneLine(cmp.Or(strings.Join(s.Hits, ", "), "no record found")))
			o.Linef("  contact  %s", printable.OneLine(s.Contact))
		})
	})
	c.Flags().StringVar(&question, "question", "", "the `file` of your question")
	c.Flags().StringVar(&accounts, "accounts", "", "the `file` with the accounts that you asked about")
	secretFlag(c, &secret)
	return c
}

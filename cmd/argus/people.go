package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/people"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) peopleCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "people",
		Short: "List, add or change the people who use a store, and their roles",
		Long: `A store without people takes everybody at his word: who acts is the user of the
system, or the name in --actor. As soon as it has people, only they can act, and each
only as himself: Argus recognises them by the user of the system, or by a link of their
own that "argus serve --for" makes. The ledger records each change. A person's roles
decide about each act, after the authority; "argus policy show" lists the rules.

Without a command, the people are listed.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return a.listPeople(c) },
	}
	c.AddCommand(a.peopleSet(), a.peopleEnd())
	return c
}

func printPerson(o *voice.Output, p people.Actor) {
	roles := "has left"
	if len(p.Roles) > 0 {
		roles = people.Names(p.Roles)
	}
	name := ""
	if p.Name != "" {
		name = "  " + printable.OneLine(p.Name)
	}
	o.Linef("%s%s  %s", o.Bold(p.ID), name, roles)
	if len(p.Users) > 0 {
		o.Linef("  is the user %s of the system", printable.OneLine(strings.Join(p.Users, ", ")))
	}
}

func (a *app) listPeople(c *cobra.Command) error {
	return a.administer(c, func(_ context.Context, n *node.Node) error {
		list, err := n.Admin.People()
		if err != nil {
			return err
		}
		for _, p := range list {
			if err := voice.Say(a.out, "person", p, printPerson); err != nil {
				return err
			}
		}
		if len(list) == 0 {
			a.out.Aside("This store has no people: everybody who can open it can act, under the name that he gives.")
		}
		return nil
	})
}

func (a *app) peopleSet() *cobra.Command {
	var name string
	var roles, users []string
	c := &cobra.Command{
		Use:   "set ID",
		Short: "Add somebody, or change somebody's name, roles or users",
		Long: `Add somebody under a short id, which is the name in the ledger and in authorities, or
change what the flags name. The first person of a store is its custodian: yourself.
Several roles or users are separated by commas.`,
		Example: `  argus people set carla --role custodian --user "$USER"
  argus people set anna --name 'Anna de Vries' --role investigator --user devries`,
		Args: arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changePerson(c, args[0], true, func(p *people.Actor) {
				flags := c.Flags()
				if flags.Changed("name") {
					p.Name = name
				}
				if flags.Changed("role") {
					p.Roles = nil
					for _, r := range roles {
						p.Roles = append(p.Roles, people.Role(r))
					}
				}
				if flags.Changed("user") {
					p.Users = users
				}
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "the full `name`")
	c.Flags().StringSliceVar(&roles, "role", nil, "the `roles`, in place of earlier ones: "+people.Names(people.Roles))
	c.Flags().StringSliceVar(&users, "user", nil, "the `users` of the system who are this person, in place of earlier ones")
	return c
}

func (a *app) peopleEnd() *cobra.Command {
	return &cobra.Command{
		Use:   "end ID",
		Short: "Take all roles from somebody, who then cannot act from that second",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changePerson(c, args[0], false, func(p *people.Actor) { p.Roles = nil })
		},
	}
}

// changePerson changes one of the people; add says whether it may be a new one.
func (a *app) changePerson(c *cobra.Command, id string, add bool, change func(*people.Actor)) error {
	return a.administer(c, func(ctx context.Context, n *node.Node) error {
		list, err := n.Admin.People()
		if err != nil {
			return err
		}
		p := people.Actor{ID: id}
		if i := slices.IndexFunc(list, func(one people.Actor) bool { return one.ID == id }); i >= 0 {
			p = list[i]
		} else if !add {
			return fmt.Errorf("person %q: %w", id, argus.ErrNotFound)
		}
		change(&p)
		if _, err := n.Admin.SetPerson(ctx, a.actorName(), p); err != nil {
			return err
		}
		return voice.Say(a.out, "person", p, printPerson)
	})
}

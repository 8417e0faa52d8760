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
		Long: `A store without people takes everybody at their word: the actor is the user of the
system, or the name in --actor. Once it has people, only they can act, and only as
themselves: Argus recognises them by the user of the system, or by a link of their own
that "argus serve --for" makes. The ledger records each change. An act must be allowed
by the authority and by the person's roles; "argus policy show" lists the rules.

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
		o.Linef("  system user %s", printable.OneLine(strings.Join(p.Users, ", ")))
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
			a.out.Aside("This store has no people: everybody who can open it can act, under any name.")
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
		Long: `Add somebody under a short id, the name used in the ledger and in authorities, or change
the facts that the flags name. The first person of a store is its custodian: yourself.
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
	c.Flags().StringSliceVar(&roles, "role", nil, "the `roles`, replacing earlier ones: "+people.Names(people.Roles))
	c.Flags().StringSliceVar(&users, "user", nil, "the `users` of the system who are this person, replacing earlier ones")
	return c
}

func (a *app) peopleEnd() *cobra.Command {
	return &cobra.Command{
		Use:   "end ID",
		Short: "Take all roles from somebody, who can then no longer act",
		Args:  arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.changePerson(c, args[0], false, func(p *people.Actor) { p.Roles = nil })
		},
	}
}

// changePerson changes one person; add allows a new one.
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

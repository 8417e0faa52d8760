package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/policy"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "Show and test the rules that say who may do what",
		Long: `The rules are written in Cedar. The generic rules are part of Argus; a jurisdiction is
a folder of rules that forbid more. be, fr and nl are part of Argus, and any folder can
be tested. docs/policy.md describes how to write one.`,
	}
	c.AddCommand(a.policyShow(), a.policyTest())
	return c
}

func (a *app) policyShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show [FOLDER]",
		Short:   "Print each rule as a sentence, with its source",
		Example: "  argus policy show\n  argus policy show nl",
		Args:    arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			rules, err := policy.Open(folderOf(args))
			if err != nil {
				return err
			}
			for _, r := range rules.Rules() {
				if err := voice.Say(a.out, "rule", r, printRule); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func folderOf(args []string) string {
	if len(args) == 0 {
		return policy.Generic
	}
	return args[0]
}

func printRule(o *voice.Output, r policy.Rule) {
	effect := "permits"
	if r.Forbid {
		effect = "forbids"
	}
	o.Linef("%s  %s: %s", o.Bold(printable.OneLine(r.Folder+"/"+r.ID)), effect, printable.OneLine(r.Says))
	o.Linef("  %s; %s", printable.OneLine(r.Cites), printable.Count(r.Cases, "case", "cases"))
	if r.Unchecked != "" {
		o.Linef("  UNCHECKED: %s", printable.OneLine(r.Unchecked))
	}
}

func (a *app) policyTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test [FOLDER]",
		Short: "Test the rules with their cases, and say why a folder cannot be loaded",
		Long: `The rules of a folder are tested together with the generic ones. Argus refuses the whole
folder if a rule cannot be read, names an attribute, a role or an act that the schema
does not have, has no cases, or changes nothing, or if the outcome of a case differs
from the stated one. Without a folder, the generic rules and every jurisdiction are
tested.`,
		Example: "  argus policy test\n  argus policy test our-rules --json",
		Args:    arguments(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = append([]string{policy.Generic}, policy.Jurisdictions()...)
			}
			var refused []string
			for _, name := range args {
				r := policy.Test(name)
				if err := voice.Say(a.out, "policy", r, printReport); err != nil {
					return err
				}
				if len(r.Faults) > 0 {
					refused = append(refused, name)
				}
			}
			if len(refused) > 0 {
				return errors.New("the rules of " + strings.Join(refused, ", ") + " cannot be loaded")
			}
			return nil
		},
	}
}

func printReport(o *voice.Output, r policy.Report) {
	o.Linef("%s  %s: %s, %s passed, %s failed", o.Bold(printable.OneLine(r.Folder)),
		printable.Count(r.Rules, "rule", "rules"), printable.Count(r.Cases, "case", "cases"), printable.Group(r.Passed), printable.Group(r.Failed))
	for _, one := range r.Results {
		o.Linef("  %s/%s  %s, %s failed", printable.OneLine(one.Folder), printable.OneLine(one.Rule), printable.Count(one.Cases, "case", "cases"), printable.Group(one.Failed))
	}
	for _, fault := range r.Faults {
		for line := range strings.Lines(fault) {
			o.Linef("  REFUSED: %s", printable.OneLine(strings.TrimSpace(line)))
		}
	}
	o.Linef("  version %s", r.Version)
}

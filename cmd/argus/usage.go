package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"
)

// usageError is returned for a command line that breaks the rules of its command.
type usageError struct {
	error
	command string
}

func (e usageError) Unwrap() error { return e.error }

func wrapUsage(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return usageError{err, c.CommandPath()}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapUsage(sub)
	}
}

// helpCommand is cobra's help, except that an unknown topic is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Describe a command and its flags",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return menu(c.Root(), args)
			}
			return of.Help()
		},
	}
}

// menu runs a command that only has subcommands.
func menu(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	err := fmt.Errorf("unknown command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, ", "))
	}
	return usageError{err, c.CommandPath()}
}

// arguments accepts from least to most arguments.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) < least {
			return fmt.Errorf("missing argument; usage: %s", c.UseLine())
		}
		if len(given) > most {
			return fmt.Errorf("unexpected argument %q; usage: %s", given[most], c.UseLine())
		}
		return nil
	}
}

// between accepts the number of a flag if it is from least to most.
func between(c *cobra.Command, flag string, number, least, most int) error {
	if number < least && most == math.MaxInt {
		return usageError{fmt.Errorf("--%s %d: want a number, at least %d", flag, number, least), c.CommandPath()}
	}
	if number < least || number > most {
		return usageError{fmt.Errorf("--%s %d: want a number from %d to %d", flag, number, least, most), c.CommandPath()}
	}
	return nil
}

// none translates a flag for a request to the desk, where 0 asks for the default and -1
// for none.
func none(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

package voice

import (
	"fmt"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/printable"
)

// PrintCompleteness prints the gaps that are visible in the messages.
func PrintCompleteness(o *Output, c argus.Completeness) {
	var asks []string
	ask := func(n uint64, one, many string) {
		if n > 0 {
			asks = append(asks, printable.Count(n, one, many))
		}
	}
	ask(c.Missing, "attachment is named but missing", "attachments are named but missing")
	ask(c.Unseen, "running number is missing", "running numbers are missing")
	ask(c.OneSided, "conversation has only one side", "conversations have only one side")
	ask(c.Backwards, "step goes back in time", "steps go back in time")
	ask(c.Replies, "reply is stated but missing", "replies are stated but missing")
	ask(c.Differs, "file states a different number of records than it has", "files state a different number of records than they have")
	if len(asks) > 0 {
		o.Linef("  to ask about: %s", strings.Join(asks, "; "))
	}
	for _, s := range c.Differing[:min(len(c.Differing), MostFiles)] {
		o.Linef("    %s states %s = %s, found %s", printable.OneLine(s.File), printable.OneLine(s.What), printable.Group(s.Stated), printable.Group(s.Found))
	}
	if more := c.Differs - uint64(min(len(c.Differing), MostFiles)); more > 0 {
		o.Linef("    … and %s", printable.Count(more, "file", "files"))
	}
	printGaps(o, c, "conversation", "conversations", c.More.Conversations, func(g argus.Gap) bool { return g.Account == "" })
	printGaps(o, c, "account", "accounts", c.More.Accounts, func(g argus.Gap) bool {
		told := argus.Gap{Service: g.Service, Account: g.Account, Name: g.Name, OneSided: 1} // reported in the line of the conversation
		return g.Account != "" && g != told
	})
	if c.Unnamed > 0 {
		o.Linef("  %s without a known account: name it with --owner, so that Argus can match its messages with other copies", printable.Count(c.Unnamed, "device's owner is", "devices' owners are"))
	}
	if c.BeyondLook > 0 {
		o.Linef("  %s in conversations beyond the first %s, which were not checked for gaps", printable.Count(c.BeyondLook, "message is", "messages are"), printable.Group(c.Conversations))
	}
	if c.AccountsBeyond > 0 {
		o.Linef("  %s from accounts beyond the first %s, which were not checked for gaps", printable.Count(c.AccountsBeyond, "message is", "messages are"), printable.Group(c.Accounts))
	}
}

// printGaps prints the first conversations or accounts with gaps.
func printGaps(o *Output, c argus.Completeness, one, many string, more uint64, is func(argus.Gap) bool) {
	shown := 0
	for _, g := range c.In {
		if !is(g) {
			continue
		}
		if shown++; shown > MostFiles {
			more++
			continue
		}
		o.Linef("    %s", gapLine(g))
	}
	if more > 0 {
		o.Linef("    … and %s", printable.Count(more, one, many))
	}
}

// gapLine names a place and its gaps.
func gapLine(g argus.Gap) string {
	where := g.Service
	switch {
	case g.Conversation != "":
		where += " in " + named(g.Conversation, g.Name)
	case g.Account != "":
		where += " from " + named(g.Account, g.Name)
	}
	var gaps []string
	if g.Missing > 0 {
		gaps = append(gaps, printable.Count(g.Missing, "attachment missing", "attachments missing"))
	}
	if g.Unseen > 0 {
		gaps = append(gaps, fmt.Sprintf("%s of the numbers %d to %d missing", printable.Group(g.Unseen), g.First, g.Last))
	}
	if g.Only != "" {
		gaps = append(gaps, "only "+named(g.Only, g.OnlyName)+" sends")
	}
	if g.OneSided > 0 {
		gaps = append(gaps, "the only sender in "+printable.Count(g.OneSided, "conversation", "conversations"))
	}
	if g.Backwards > 0 {
		gaps = append(gaps, printable.Count(g.Backwards, "step back in time", "steps back in time"))
	}
	if g.Replies > 0 {
		gaps = append(gaps, printable.Count(g.Replies, "stated reply missing", "stated replies missing"))
	}
	return printable.OneLine(where) + ": " + strings.Join(gaps, "; ")
}

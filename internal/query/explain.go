package query

import (
	"fmt"
	"strings"
	"time"
)

// Explain says in plain words which messages a query selects, a line for each condition:
// for people who sign an order and do not know the language.
func Explain(n Node) string {
	var b strings.Builder
	b.WriteString("A message is selected if ")
	explain(&b, n, "")
	return strings.TrimSuffix(b.String(), "\n")
}

// explain completes a line that says "if", and adds lines that begin with indent.
func explain(b *strings.Builder, n Node, indent string) {
	list := func(head string, nodes []Node) {
		fmt.Fprintf(b, "%s:\n", head)
		for _, each := range nodes {
			b.WriteString(indent + "  - ")
			explain(b, each, indent+"  ")
		}
	}
	switch n := n.(type) {
	case And:
		list("each of these is true", n.Nodes)
	case Or:
		list("at least one of these is true", n.Nodes)
	case Not:
		list("this is not true", []Node{n.Node})
	case Then:
		who := ""
		if n.Other {
			who = " that somebody else sent"
		}
		list(fmt.Sprintf("the second of these is true, and the first is true of one of the %d messages before it in its conversation%s", n.Within, who), []Node{n.First, n.Second})
	case All, Word, Phrase, Number, Written, Prefix, Part, Fuzzy, Stem, Regexp, Field, List, Sent:
		b.WriteString(condition(n) + "\n")
	}
}

// condition says what one node without others inside demands.
func condition(n Node) string {
	switch n := n.(type) {
	case All:
		return "it is in the store: every message is"
	case Word:
		return fmt.Sprintf("its text has the word %q", n.Term)
	case Phrase:
		return fmt.Sprintf("its text has the words %q, one after another", strings.Join(n.Terms, " "))
	case Number:
		return fmt.Sprintf("its text has the number %s, however its digits are grouped", n.Digits)
	case Written:
		return fmt.Sprintf("its text has %q, written exactly so", n.Text)
	case Prefix:
		return fmt.Sprintf("its text has a word that begins with %q", n.Term)
	case Part:
		if n.AtEnd {
			return fmt.Sprintf("its text has a word that ends with %q", n.Term)
		}
		return fmt.Sprintf("its text has a word that contains %q", n.Term)
	case Fuzzy:
		return fmt.Sprintf("its text has %q, or a word that differs from it in at most %s", n.Term, counted(n.Distance, "character"))
	case Stem:
		return fmt.Sprintf("its text has a form of the word %q in the language %q", n.Term, n.Lang)
	case Regexp:
		return fmt.Sprintf("its text has a place that matches the regular expression %s", n)
	case Field:
		return fieldCondition(n)
	case List:
		of := "its text has one of"
		if n.Field != "" {
			of = subject(n.Field) + " one of"
		}
		return fmt.Sprintf("%s the %s of the list %q, in the version with the SHA-256 %s", of, counted(len(n.Nodes), "entry"), n.Name, n.Hash)
	case Sent:
		return sentCondition(n)
	case And, Or, Not, Then:
	}
	return n.String()
}

func sentCondition(n Sent) string {
	day := func(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }
	switch {
	case n.From.IsZero() && n.To.IsZero():
		return "the time when it was sent is known"
	case n.From.IsZero():
		return "it was sent before " + day(n.To)
	case n.To.IsZero():
		return "it was sent on or after " + day(n.From)
	}
	return fmt.Sprintf("it was sent on or after %s, and before %s", day(n.From), day(n.To))
}

// subject begins a sentence about a field, which a value ends.
func subject(f FieldName) string {
	switch f {
	case From:
		return "its sender is"
	case To:
		return "one of its receivers is"
	case With, Named:
		return "its sender, a receiver or an account that it names is"
	case In:
		return "its conversation is"
	case Service:
		return "its service is"
	case Delivery:
		return "it was found in the delivery"
	case Has:
		return "it has something of this kind:"
	case Is:
		return "it is of this type or in this state:"
	case Lang:
		return "its language is"
	case Entity:
		return "its text has the identifier or the kind of identifier"
	}
	return "the field " + string(f) + " is"
}

func fieldCondition(n Field) string {
	value, exact := strings.CutPrefix(n.Value, Exact)
	switch {
	case n.Prefix:
		return fmt.Sprintf("%s one that begins with %q", subject(n.Name), value)
	case exact:
		return fmt.Sprintf("%s %q, written exactly so", subject(n.Name), value)
	case n.Name == Has || n.Name == Is || n.Name == Delivery:
		return subject(n.Name) + " " + value
	}
	return fmt.Sprintf("%s %q", subject(n.Name), value)
}

// counted formats a small number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if rest, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, rest)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

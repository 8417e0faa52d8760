// Package explain says in plain words which messages a query selects. It is for people
// who sign an order but do not know the query language.
package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/argus-evidence/argus/internal/query"
)

// Query returns a sentence, followed by a line for each condition if there are several.
func Query(n query.Node) string {
	var b strings.Builder
	b.WriteString("A message is selected if ")
	explain(&b, n, "")
	return strings.TrimSuffix(b.String(), "\n")
}

// explain completes a line that ends with "if", and adds lines that begin with indent.
func explain(b *strings.Builder, n query.Node, indent string) {
	list := func(head string, nodes []query.Node) {
		fmt.Fprintf(b, "%s:\n", head)
		for _, each := range nodes {
			b.WriteString(indent + "  - ")
			explain(b, each, indent+"  ")
		}
	}
	switch n := n.(type) {
	case query.And:
		list("each of these is true", n.Nodes)
	case query.Or:
		list("at least one of these is true", n.Nodes)
	case query.Not:
		list("this is not true", []query.Node{n.Node})
	case query.Then:
		who := ""
		if n.Other {
			who = " that somebody else sent"
		}
		list(fmt.Sprintf("the second of these is true, and the first is true of one of the %d messages before it in its conversation%s", n.Within, who), []query.Node{n.First, n.Second})
	case query.All, query.Word, query.Phrase, query.Number, query.Written, query.Prefix, query.Part, query.Fuzzy, query.Stem, query.Regexp, query.Field, query.List, query.Sent:
		b.WriteString(condition(n) + "\n")
	}
}

// condition describes a node that has no other nodes inside.
func condition(n query.Node) string {
	switch n := n.(type) {
	case query.All:
		return "it is in the store, as every message is"
	case query.Word:
		return fmt.Sprintf("its text contains the word %q", n.Term)
	case query.Phrase:
		return fmt.Sprintf("its text contains the words %q in this order, with no other words between them", strings.Join(n.Terms, " "))
	case query.Number:
		return fmt.Sprintf("its text contains the number %s, however its digits are grouped", n.Digits)
	case query.Written:
		return fmt.Sprintf("its text contains %q, written exactly like this", n.Text)
	case query.Prefix:
		return fmt.Sprintf("its text contains a word that begins with %q", n.Term)
	case query.Part:
		if n.AtEnd {
			return fmt.Sprintf("its text contains a word that ends with %q", n.Term)
		}
		return fmt.Sprintf("its text contains a word with %q in it", n.Term)
	case query.Fuzzy:
		return fmt.Sprintf("its text contains %q, or a word that differs from it by at most %s", n.Term, counted(n.Distance, "character"))
	case query.Stem:
		return fmt.Sprintf("its text contains a form of the word %q in the language %q", n.Term, n.Lang)
	case query.Regexp:
		return fmt.Sprintf("part of its text matches the regular expression %s", n)
	case query.Field:
		return fieldCondition(n)
	case query.List:
		of := "its text contains one of"
		if n.Field != "" {
			of = subject(n.Field) + " one of"
		}
		return fmt.Sprintf("%s the %s in the list %q, in its version with the SHA-256 %s", of, counted(len(n.Nodes), "entry"), n.Name, n.Hash)
	case query.Sent:
		return sentCondition(n)
	case query.And, query.Or, query.Not, query.Then:
	}
	return n.String()
}

func sentCondition(n query.Sent) string {
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

// subject returns the beginning of a sentence about a field; a value ends the sentence.
func subject(f query.FieldName) string {
	switch f {
	case query.From:
		return "its sender is"
	case query.To:
		return "one of its receivers is"
	case query.With, query.Named:
		return "its sender, one of its receivers or an account that it names is"
	case query.In:
		return "its conversation is"
	case query.Service:
		return "its service is"
	case query.Delivery:
		return "it was found in the delivery"
	case query.Has:
		return "it contains something of this kind:"
	case query.Is:
		return "it has this type or state:"
	case query.Lang:
		return "its language, stated or found by Argus, is"
	case query.Country:
		return "the country that its source states, or that gave out the number of its sender, of a receiver or of an account that it names, is"
	case query.Entity:
		return "its text contains the identifier or kind of identifier"
	case query.Same:
		return "its content is the same as that of the message"
	}
	return "the field " + string(f) + " is"
}

func fieldCondition(n query.Field) string {
	value, exact := strings.CutPrefix(n.Value, query.Exact)
	switch {
	case n.Prefix:
		return fmt.Sprintf("%s one that begins with %q", subject(n.Name), value)
	case n.Name == query.Lang && exact:
		return fmt.Sprintf("its stated language is %q", value)
	case n.Name == query.Lang && strings.HasSuffix(value, query.Found):
		return fmt.Sprintf("its language is not stated, and Argus found %q", strings.TrimSuffix(value, query.Found))
	case n.Name == query.Country && exact:
		return fmt.Sprintf("its source states the country %q", value)
	case n.Name == query.Country && strings.HasSuffix(value, query.Found):
		return fmt.Sprintf("its sender, a receiver or an account that it names has a number of the country %q", strings.TrimSuffix(value, query.Found))
	case n.Name == query.Same && exact:
		return "its content has the key " + value
	case exact:
		return fmt.Sprintf("%s %q, written exactly like this", subject(n.Name), value)
	case n.Name == query.Has || n.Name == query.Is || n.Name == query.Delivery:
		return subject(n.Name) + " " + value
	}
	return fmt.Sprintf("%s %q", subject(n.Name), value)
}

// counted formats a small number followed by its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if rest, ok := strings.CutSuffix(noun, "y"); ok {
		return fmt.Sprintf("%d %sies", n, rest)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

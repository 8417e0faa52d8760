package query

import (
	"strconv"
	"strings"
	"unicode"
)

func (All) String() string      { return "*" }
func (n And) String() string    { return join(n.Nodes, " ") }
func (n Or) String() string     { return join(n.Nodes, " OR ") }
func (n Not) String() string    { return "-" + inside(n.Node, true) }
func (n Phrase) String() string { return `"` + strings.Join(n.Terms, " ") + `"` }
func (n Prefix) String() string { return n.Term + "*" }
func (n Fuzzy) String() string  { return n.Term + "~" + strconv.Itoa(n.Distance) }

func (n Part) String() string {
	if n.AtEnd {
		return "*" + n.Term
	}
	return "*" + n.Term + "*"
}

// String quotes a word that would be read as a Number.
func (n Word) String() string {
	if _, number := numberNode([]string{n.Term}); number {
		return `"` + n.Term + `"`
	}
	return n.Term
}

// String escapes the slashes.
func (n Regexp) String() string {
	var b strings.Builder
	b.WriteByte('/')
	for i := 0; i < len(n.Expr); i++ {
		switch {
		case n.Expr[i] == '\\' && i+1 < len(n.Expr):
			b.WriteByte('\\')
			i++
		case n.Expr[i] == '/':
			b.WriteByte('\\')
		}
		b.WriteByte(n.Expr[i])
	}
	b.WriteByte('/')
	return b.String()
}

func (n Field) String() string {
	value, exact := n.Value, ""
	if rest, ok := strings.CutPrefix(value, Exact); ok {
		value, exact = rest, Exact
	}
	if strings.ContainsFunc(value, needsQuotes) || value != "" && !beginsPlain(value) || value == "" && !n.Prefix ||
		strings.HasPrefix(value, listValue) && exact == "" {
		value = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
	}
	if n.Prefix {
		value += "*"
	}
	return string(n.Name) + ":" + exact + value
}

func needsQuotes(r rune) bool {
	return !unicode.In(r, unicode.L, unicode.Nd) && !strings.ContainsRune("@._+-#:", r)
}

func beginsPlain(value string) bool { return !strings.ContainsRune("-:.", rune(value[0])) }

func join(nodes []Node, between string) string {
	var b strings.Builder
	for i, n := range nodes {
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(inside(n, between == " "))
	}
	return b.String()
}

// inside prints a node for use inside a larger one. It adds parentheses if the node would
// be read differently without them; tight is set inside an And or a Not.
func inside(n Node, tight bool) string {
	switch n.(type) {
	case Or:
		return "(" + n.String() + ")"
	case And, Then:
		if tight {
			return "(" + n.String() + ")"
		}
	case All, Field, Fuzzy, List, Not, Number, Part, Phrase, Prefix, Regexp, Sent, Stem, Word, Written:
	}
	return n.String()
}

// Package query implements the query language: it turns text into terms, parses and
// prints queries, and decides whether a message matches.
//
// [Match] on one message defines the meaning of a query. An index must give the same answer,
// only faster; it indexes the terms that [Terms] yields, so the two agree by construction.
package query

import "time"

// Node is a parsed query: one of And, Or, Not, Word, Phrase, Number, Written, Prefix, Part,
// Fuzzy, Stem, Regexp, Field, List, Sent, Then and All. Parsing the text that String
// returns gives an equal node. Nodes are not changed after parsing and may be shared.
//
//sumtype:decl
type Node interface {
	String() string
	isNode()
}

type (
	// All matches every message: the empty query.
	All struct{}
	// And matches the messages that all of two or more nodes match.
	And struct{ Nodes []Node }
	// Or matches the messages that at least one of two or more nodes matches.
	Or struct{ Nodes []Node }
	// Not matches the messages that its node does not match.
	Not struct{ Node Node }
	// Word matches a text that has the term. Term is in analysed form.
	Word struct{ Term string }
	// Phrase matches a text that has the terms consecutively.
	Phrase struct{ Terms []string }
	// Number matches a text with these digits, in one term or in several consecutive terms.
	// Fewer than seven digits match only ungrouped or in thousands: the groups after the
	// first have three each.
	Number struct{ Digits string }
	// Written matches a text that has the terms of Text letter for letter (NFC), with the
	// same characters between them.
	Written struct{ Text string }
	// Prefix matches a text with a term that begins with Term.
	Prefix struct{ Term string }
	// Part matches a text with a term that contains Term or, if AtEnd, ends with it.
	Part struct {
		Term  string
		AtEnd bool
	}
	// Fuzzy matches a text with a term within Distance (1 or 2) edits, counted
	// in characters: insertion, deletion, substitution (Levenshtein).
	Fuzzy struct {
		Term     string
		Distance int
	}
	// Stem matches a text with a term that has the stem of Term in a language
	// (Snowball), and begins with the same character unless it is Arabic.
	Stem struct{ Term, Lang string }
	// Regexp matches a text if Expr (RE2 syntax) matches anywhere in it, as it was written.
	Regexp struct{ Expr string }
	// Field matches a message with a term in the field ([Terms]) that is Value or, if
	// Prefix is set, begins with Value. A Value that begins with [Exact] is an account or
	// conversation letter for letter, or a stated language or country.
	Field struct {
		Name   FieldName
		Value  string
		Prefix bool
	}
	// List matches the messages that at least one of its nodes matches. The nodes are the
	// entries of the stored list that Name and Hash identify ([WordList]): words and
	// phrases in the text, or values of Field if Field is not empty.
	List struct {
		Field      FieldName
		Name, Hash string
		Nodes      []Node
	}
	// Then matches a message that matches Second if one of the Within messages before it in
	// its conversation matches First and, if Other is set, has another sender ([MatchAll]).
	Then struct {
		First, Second Node
		Within        int
		Other         bool
	}
	// Sent matches a message whose sent time is known and From <= sent < To.
	// A zero bound is open.
	Sent struct{ From, To time.Time }
)

// FieldName is a field of the language.
type FieldName string

const (
	From     FieldName = "from"
	To       FieldName = "to"
	With     FieldName = "with" // from or to, or an account that the facts name
	In       FieldName = "in"
	Service  FieldName = "service"
	Delivery FieldName = "delivery"
	Has      FieldName = "has" // attachment, link, reply, forward, text, time
	Is       FieldName = "is"  // locked, deleted, edited, system, differs, message, call and other types
	Lang     FieldName = "lang"
	Country  FieldName = "country" // that the source states, or that gave out the number of an account
	Entity   FieldName = "entity"  // an identifier in the text, or a kind of identifier
	Same     FieldName = "same"    // the content of a message (package same); a parsed query may name a message, which the desk replaces
)

// Named is the part of With that is neither From nor To: the accounts that the facts of a
// message name. Queries cannot use it.
const Named FieldName = "named"

// Thread and Begun are the parts of In: the conversation with its title, and the conversation
// that a message begins ([argus.Message.Begun]). Queries cannot use them.
const (
	Thread FieldName = "thread"
	Begun  FieldName = "begun"
)

// Parts returns the fields that a field combines, or nil if it combines none.
func (name FieldName) Parts() []FieldName {
	switch name {
	case With:
		return []FieldName{From, To, Named}
	case In:
		return []FieldName{Thread, Begun}
	}
	return nil
}

func (All) isNode()     {}
func (And) isNode()     {}
func (Or) isNode()      {}
func (Not) isNode()     {}
func (Word) isNode()    {}
func (Phrase) isNode()  {}
func (Number) isNode()  {}
func (Written) isNode() {}
func (Stem) isNode()    {}
func (Prefix) isNode()  {}
func (Part) isNode()    {}
func (Fuzzy) isNode()   {}
func (Regexp) isNode()  {}
func (Field) isNode()   {}
func (List) isNode()    {}
func (Sent) isNode()    {}
func (Then) isNode()    {}

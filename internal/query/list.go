package query

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// These are the limits of lists.
const (
	MaxList      = 10_000  // entries in a list
	MaxListBytes = 4 << 20 // bytes in its file
	MaxListName  = 64      // bytes in its name
	MaxLists     = 20      // lists in a query
)

// A WordList is a list of entries that queries refer to as list:NAME. An entry is read
// like quoted text or, with a field, like a quoted value; after an [Exact] it is matched
// letter for letter.
type WordList struct {
	Name string
	// Hash is the SHA-256 of the file, in hexadecimal. It identifies the version.
	Hash    string
	Entries []string
}

// ParseList reads a list from the content of its file: UTF-8 text with one entry per
// line. It ignores empty lines and white space around entries.
func ParseList(name string, data []byte) (*WordList, error) {
	if !isListName(name) {
		return nil, fmt.Errorf("read list: %q is not a valid list name: want a to z, digits, - and _, at most %d of them", oneLine(cut(name, 2*MaxListName)), MaxListName)
	}
	if len(data) > MaxListBytes {
		return nil, fmt.Errorf("read list %s: it is longer than %d bytes", name, MaxListBytes)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("read list %s: it is not UTF-8", name)
	}
	sum := sha256.Sum256(data)
	l := &WordList{Name: name, Hash: hex.EncodeToString(sum[:])}
	var a Analyzer
	number := 0
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\uFEFF"))) {
		number++
		entry := string(bytes.TrimSpace(line))
		if entry == "" {
			continue
		}
		if a.Reset(entry); !a.Next() {
			return nil, fmt.Errorf("read list %s: line %d has no letter, digit or emoji to search for", name, number)
		}
		if l.Entries = append(l.Entries, entry); len(l.Entries) > MaxList {
			return nil, fmt.Errorf("read list %s: it has more than %d entries", name, MaxList)
		}
	}
	if len(l.Entries) == 0 {
		return nil, fmt.Errorf("read list %s: it is empty", name)
	}
	return l, nil
}

func isListName(name string) bool {
	return name != "" && len(name) <= MaxListName && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// list reads NAME or NAME@HASH after list:.
func (p *parser) list(start int) (Node, error) {
	end := p.pos
	for !p.boundary(end) {
		end++
	}
	written := p.text[p.pos:end]
	p.pos = end
	name, hash, pinned := strings.Cut(written, "@")
	if _, err := hex.DecodeString(hash); !isListName(name) || pinned && (err != nil || len(hash) != 2*sha256.Size) {
		return nil, p.fail(start, end, "%q is not a list: want list:NAME or list:NAME@HASH", oneLine(cut(written, 2*MaxListName)))
	}
	if err := p.count(1, start); err != nil {
		return nil, err
	}
	if p.lists++; p.lists > MaxLists {
		return nil, p.fail(start, end, "the query has more than %d lists", MaxLists)
	}
	var found *WordList
	err := argus.ErrNotFound
	if p.find != nil {
		found, err = p.find(name, strings.ToLower(hash))
	}
	if errors.Is(err, argus.ErrNotFound) {
		return nil, p.fail(start, end, "there is no list %s", written).hint(`to search for the text, put it in quotes: "list:…"`)
	}
	if err != nil {
		return nil, err
	}
	return p.listNode(found), nil
}

func (p *parser) listNode(l *WordList) List {
	n := List{Field: p.field, Name: l.Name, Hash: l.Hash}
	for _, entry := range l.Entries {
		if p.field == "" {
			n.Nodes = append(n.Nodes, textNode(Analyze(entry)))
			continue
		}
		value, exact := strings.CutPrefix(entry, Exact)
		if exact {
			value = Exact + cut(value, MaxTerm-len(Exact))
		} else {
			value = string(p.analyzer.foldWhole(value))
		}
		n.Nodes = append(n.Nodes, Field{p.field, value, false})
	}
	// Sorted entries let an index look up their terms in one sweep.
	slices.SortFunc(n.Nodes, func(a, b Node) int { return cmp.Compare(a.String(), b.String()) })
	n.Nodes = slices.CompactFunc(n.Nodes, func(a, b Node) bool { return a.String() == b.String() })
	return n
}

// textNode returns a node that finds consecutive terms.
func textNode(terms []string) Node {
	if len(terms) > 1 {
		return Phrase{terms}
	}
	return Word{terms[0]}
}

func (n List) String() string {
	s := "list:" + n.Name + "@" + n.Hash
	if n.Field != "" {
		s = string(n.Field) + ":" + s
	}
	return s
}

// A listSet is a list prepared for matching.
type listSet struct {
	values  map[string]bool     // words, or values in the field
	phrases map[string][]Phrase // by their first term
}

func newListSet(n List) *listSet {
	s := &listSet{map[string]bool{}, map[string][]Phrase{}}
	for _, entry := range n.Nodes {
		switch entry := entry.(type) {
		case Word:
			s.values[entry.Term] = true
		case Field:
			s.values[entry.Value] = true
		case Phrase:
			s.phrases[entry.Terms[0]] = append(s.phrases[entry.Terms[0]], entry)
		case All, And, Fuzzy, List, Not, Number, Or, Part, Prefix, Regexp, Sent, Stem, Then, Written:
		}
	}
	return s
}

// find yields each place in a text where an entry is found.
func (s *listSet) find(l *termList, yield func(first, last int) bool) {
	more := true
	l.findTerms(func(term []byte) bool {
		for _, phrase := range s.phrases[string(term)] {
			if more {
				l.findPhrase(phrase.Terms, func(first, last int) bool { more = yield(first, last); return more })
			}
		}
		return s.values[string(term)]
	}, func(first, last int) bool {
		more = more && yield(first, last)
		return more
	})
}

package query

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// written reads the words after an = letter for letter, as they are written.
func (p *parser) written() (Node, error) {
	start := p.pos
	p.pos++
	w, err := p.piece()
	if err != nil {
		return nil, err
	}
	if w.part || w.prefix || w.fuzzy > 0 || w.stem != "" {
		return nil, p.fail(start, w.end, "= takes whole words as they are written").
			hint("for a part of a word, letter for letter, write a regular expression: /Caf/")
	}
	text := norm.NFC.String(w.value)
	begin, end, terms := 0, 0, 0
	for p.analyzer.Reset(text); p.analyzer.Next(); terms++ {
		if terms == 0 {
			begin = p.analyzer.Start()
		}
		end = p.analyzer.End()
	}
	if err := p.count(max(1, terms), start); err != nil {
		return nil, err
	}
	if terms == 0 {
		return nil, p.fail(start, w.end, "%q has no letter, digit or emoji to search for", oneLine(cut(w.value, 40))).
			hint(`search for punctuation with a regular expression: /\?/`)
	}
	return Written{text[begin:end]}, nil
}

// findWritten yields the places of the terms at which the text is exactly as written.
func (l *termList) findWritten(n Written, terms []string, yield func(first, last int) bool) {
	l.findPhrase(terms, func(first, last int) bool {
		place := l.text[l.terms[first].start:l.terms[last].end]
		return norm.NFC.String(place) != n.Text || yield(first, last)
	})
}

func (n Written) String() string {
	if strings.ContainsFunc(n.Text, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.Nd) }) {
		return `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(n.Text) + `"`
	}
	return "=" + n.Text
}

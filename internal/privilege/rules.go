package privilege

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/query"
)

// ruleFiles are the rules of each language, for people to read and change.
//
//go:embed rules/*.txt
var ruleFiles embed.FS

// A ruleKind is the meaning of a match.
type ruleKind uint8

const (
	// frame is for words in ordinary use. They remove the weak matches that they overlap.
	// If their pattern has no gap, they also remove matches of other kinds that are not
	// longer.
	frame ruleKind = iota
	// protects is for words that state the protection. They make the message and its
	// conversation suspected.
	protects
	// addresses is for words that address a protected person. They make the conversation
	// suspected, and the other account if it is a direct one.
	addresses
	// speaks is for words that a protected person uses in that role. They make the
	// conversation and the sender suspected.
	speaks
	// reports is for words about advice or about one's own lawyer. They make only the
	// message suspected.
	reports
	// counsel is for advice and acts of lawyers. Two different counsel rules are enough to
	// make a conversation suspected, and so is one together with a profession or a matter.
	counsel
	// profession is for words for a profession, and matter for words for a case. Both
	// together are not enough.
	profession
	matter
	// named is for a role in the name of a contact or of a conversation. It makes the
	// account's messages or the conversation suspected.
	named
)

var kindNames = map[string]ruleKind{"not": frame, "protects": protects, "addresses": addresses, "speaks": speaks, "reports": reports,
	"counsel": counsel, "profession": profession, "matter": matter, "name": named}

// A rule is one line of a rules file.
type rule struct {
	kind ruleKind
	// name consists of the file and the line, as in nl:12.
	name string
	// tag identifies the pattern, not its line.
	tag uint32
	// gapped is set if the pattern has a gap.
	gapped bool
}

// The limits of rules. They bound the time for each word of a text.
const (
	maxRuleWords    = 12
	maxRuleVariants = 4096 // per line
	maxGap          = 4    // maximum number of words that ... may replace
	startWord       = "^"
	endWord         = "$"
	anyWord         = "?"
	gapWord         = "..."
)

// Rules recognise protected communication from words. They do not change and may be used
// by several goroutines.
type Rules struct {
	rules   []rule
	root    node
	version argus.Hash
}

// node is a node of the tree of all patterns. Its children are words, beginnings of words,
// any word, or a gap.
type node struct {
	words map[string]*node
	// prefixes are keyed by their first bytes, so that few are compared with a word.
	prefixes map[string][]part
	// suffixes are the same for the ends of words: German and Dutch compounds.
	suffixes map[string][]part
	any, gap *node
	rules    []int32 // the rules that end here
}

// partKey is the minimum length in bytes of the beginning or end of a word in a pattern.
const partKey = 3

type part struct {
	text string
	node *node
}

// DefaultRules returns the rules of all languages that come with Argus.
func DefaultRules() (*Rules, error) {
	sub, err := fs.Sub(ruleFiles, "rules")
	if err != nil {
		return nil, err
	}
	return ParseRules(sub)
}

// ParseRules reads all files NAME.txt in a folder. docs/privilege.md describes them.
func ParseRules(folder fs.FS) (*Rules, error) {
	names, err := fs.Glob(folder, "*.txt")
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("read the rules: the folder has no rules")
	}
	r := &Rules{}
	sum := sha256.New()
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, fmt.Errorf("read the rules: %w", err)
		}
		fmt.Fprintf(sum, "%s\n%d\n%s", name, len(text), text)
		lang := strings.TrimSuffix(path.Base(name), ".txt")
		in := bufio.NewScanner(strings.NewReader(string(text)))
		for n := 1; in.Scan(); n++ {
			if err := r.line(lang, n, in.Text()); err != nil {
				return nil, fmt.Errorf("read the rules: %s, line %d: %w", name, n, err)
			}
		}
		if err := in.Err(); err != nil {
			return nil, fmt.Errorf("read the rules: %s: %w", name, err)
		}
	}
	r.version = argus.Hash(sum.Sum(nil))
	return r, nil
}

// Version returns a hash that identifies the text of the rules.
func (r *Rules) Version() argus.Hash { return r.version }

// line parses a line of the form "kind pattern". Lines that begin with # are comments.
func (r *Rules) line(lang string, number int, text string) error {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return nil
	}
	word, pattern, ok := strings.Cut(text, " ")
	kind, known := kindNames[word]
	if !ok || !known {
		return fmt.Errorf("a line needs a kind (%s) and a pattern", "not, protects, addresses, speaks, reports, counsel, profession, matter, name")
	}
	variants, err := variantsOf(pattern)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(word + " " + strings.Join(strings.Fields(pattern), " ")))
	r.rules = append(r.rules, rule{kind, fmt.Sprintf("%s:%d", lang, number), binary.LittleEndian.Uint32(sum[:]), strings.Contains(pattern, gapWord)})
	for _, v := range variants {
		if err := r.root.add(v, int32(len(r.rules)-1)); err != nil {
			return err
		}
	}
	return nil
}

// variantsOf expands (a|b c|d) and [e] into lists of words.
func variantsOf(pattern string) ([][]string, error) {
	variants := [][]string{nil}
	for rest := strings.TrimSpace(pattern); rest != ""; rest = strings.TrimSpace(rest) {
		var choices [][]string
		if rest[0] == '(' || rest[0] == '[' {
			closing := byte(')')
			if rest[0] == '[' {
				closing = ']'
				choices = append(choices, nil)
			}
			end := strings.IndexByte(rest, closing)
			if end < 0 {
				return nil, errors.New("a bracket is not closed")
			}
			if strings.ContainsAny(rest[1:end], "([") {
				return nil, errors.New("a bracket is inside another")
			}
			for choice := range strings.SplitSeq(rest[1:end], "|") {
				words, err := wordsOf(choice)
				if err != nil {
					return nil, err
				}
				choices = append(choices, words)
			}
			rest = rest[end+1:]
		} else {
			end := strings.IndexAny(rest, "([ ")
			if end < 0 {
				end = len(rest)
			}
			words, err := wordsOf(rest[:end])
			if err != nil {
				return nil, err
			}
			choices = [][]string{words}
			rest = rest[end:]
		}
		if len(variants)*len(choices) > maxRuleVariants {
			return nil, fmt.Errorf("the pattern has more than %d variants", maxRuleVariants)
		}
		var next [][]string
		for _, v := range variants {
			for _, c := range choices {
				next = append(next, slices.Concat(v, c))
			}
		}
		variants = next
	}
	return variants, nil
}

// wordsOf folds the words of a pattern in the same way as texts are folded.
func wordsOf(text string) (words []string, err error) {
	for w := range strings.FieldsSeq(text) {
		switch {
		case w == startWord || w == endWord || w == anyWord || w == gapWord:
			words = append(words, w)
			continue
		case strings.ContainsAny(w, ")]|"):
			return nil, fmt.Errorf("%q is outside a bracket", w)
		}
		stem, begins := strings.CutSuffix(w, "*")
		stem, ends := strings.CutPrefix(stem, "*")
		terms := query.Analyze(stem)
		if len(terms) == 0 || strings.Contains(stem, "*") || begins && ends {
			return nil, fmt.Errorf("%q is not a word", w)
		}
		first, last := &terms[0], &terms[len(terms)-1]
		if begins && len(*last) < partKey || ends && len(*first) < partKey {
			return nil, fmt.Errorf("%q has fewer than %d bytes without the *", w, partKey)
		}
		if begins {
			*last += "*"
		}
		if ends {
			*first = "*" + *first
		}
		words = append(words, terms...)
	}
	if len(words) == 0 {
		return nil, errors.New("a choice is empty; [a] means with or without a")
	}
	return words, nil
}

func (n *node) add(words []string, number int32) error {
	if len(words) == 0 || len(words) > maxRuleWords || words[0] == gapWord || words[0] == anyWord || words[len(words)-1] == gapWord {
		return fmt.Errorf("a pattern has 1 to %d words, and begins and ends with one", maxRuleWords)
	}
	for _, w := range words {
		n = n.child(w)
	}
	if !slices.Contains(n.rules, number) {
		n.rules = append(n.rules, number)
	}
	return nil
}

func (n *node) child(w string) *node {
	special := func(at **node) *node {
		if *at == nil {
			*at = &node{}
		}
		return *at
	}
	switch {
	case w == anyWord:
		return special(&n.any)
	case w == gapWord:
		return special(&n.gap)
	case strings.HasSuffix(w, "*"):
		stem := strings.TrimSuffix(w, "*")
		return childPart(&n.prefixes, stem[:partKey], stem)
	case strings.HasPrefix(w, "*"):
		stem := strings.TrimPrefix(w, "*")
		return childPart(&n.suffixes, stem[len(stem)-partKey:], stem)
	}
	if n.words == nil {
		n.words = map[string]*node{}
	}
	if n.words[w] == nil {
		n.words[w] = &node{}
	}
	return n.words[w]
}

func childPart(parts *map[string][]part, key, text string) *node {
	for _, p := range (*parts)[key] {
		if p.text == text {
			return p.node
		}
	}
	if *parts == nil {
		*parts = map[string][]part{}
	}
	p := part{text, &node{}}
	(*parts)[key] = append((*parts)[key], p)
	return p.node
}

// A match is a rule that matches the words [first, last] of a text.
type match struct {
	rule        int32
	first, last int32
}

// A scanner holds the words of one text. It reuses its memory.
type scanner struct {
	rules    *Rules
	analyzer query.Analyzer
	text     string
	// terms are the words, with startWord and endWord around them. starts and ends are
	// their positions.
	terms        []string
	starts, ends []int32
	known        map[string]string
	found        []match
	// names is set if the texts are names, to which different rules apply.
	names bool
}

// read reads the words of a text.
func (s *scanner) read(text string) {
	s.text = text
	s.terms, s.starts, s.ends = append(s.terms[:0], startWord), append(s.starts[:0], 0), append(s.ends[:0], 0)
	if s.known == nil || len(s.known) > 1<<16 {
		s.known = map[string]string{}
	}
	for s.analyzer.Reset(text); s.analyzer.Next(); {
		term, ok := s.known[string(s.analyzer.Term())]
		if !ok {
			term = string(s.analyzer.Term())
			s.known[term] = term
		}
		s.terms = append(s.terms, term)
		s.starts, s.ends = append(s.starts, int32(s.analyzer.Start())), append(s.ends, int32(s.analyzer.End()))
	}
	s.terms = append(s.terms, endWord)
	s.starts, s.ends = append(s.starts, int32(len(text))), append(s.ends, int32(len(text)))
}

// words returns the terms without startWord and endWord.
func (s *scanner) words() []string { return s.terms[1 : len(s.terms)-1] }

// scan returns the matches that are not covered by others, in order. Its time is
// proportional to the number of words.
func (s *scanner) scan() []match {
	s.found = s.found[:0]
	for i := range s.terms {
		s.walk(&s.rules.root, i, i, 0)
	}
	if len(s.found) == 0 {
		return nil
	}
	// Keep the longest match of each rule at each position. Then remove matches inside a frame
	// or inside a longer match.
	slices.SortFunc(s.found, func(a, b match) int {
		if a.first != b.first {
			return int(a.first - b.first)
		}
		if a.last != b.last {
			return int(b.last - a.last)
		}
		return int(a.rule - b.rule)
	})
	all := slices.Compact(s.found)
	var kept []match
	for i, m := range all {
		if s.rules.rules[m.rule].kind != frame && !s.covered(all, i) {
			kept = append(kept, m)
		}
	}
	return kept
}

// reach is the distance around a match within which overlapping matches are looked for, because
// no match is longer.
const reach = maxRuleWords * (maxGap + 1)

// covered reports whether a frame overlaps a match, or whether it is a weak match inside
// a longer one: "lawyer" in "my lawyer says" does not count again.
func (s *scanner) covered(all []match, i int) bool {
	m := all[i]
	weak := s.rules.rules[m.rule].kind >= counsel
	covers := func(o match) bool {
		if o.last < m.first || o.first > m.last {
			return false
		}
		if by := s.rules.rules[o.rule]; by.kind == frame {
			return weak || !by.gapped && o.last-o.first >= m.last-m.first
		}
		return (weak || o.rule == m.rule) && o.first <= m.first && m.last <= o.last && o.last-o.first > m.last-m.first
	}
	for j := i - 1; j >= 0 && all[j].first >= m.first-reach; j-- {
		if covers(all[j]) {
			return true
		}
	}
	for j := i + 1; j < len(all) && all[j].first <= m.last; j++ {
		if covers(all[j]) {
			return true
		}
	}
	return false
}

// walk matches the patterns under a node against the words from index at on. Its running time
// is bounded by the depth of the tree and the sizes of the gaps.
func (s *scanner) walk(n *node, first, at, gap int) {
	if gap == 0 {
		for _, number := range n.rules {
			if kind := s.rules.rules[number].kind; kind != frame && (kind == named) != s.names {
				continue
			}
			s.found = append(s.found, match{number, int32(first), int32(at - 1)})
		}
	}
	if at >= len(s.terms) {
		return
	}
	term := s.terms[at]
	for bare, ok := term, true; ok; bare, ok = withoutClitic(bare) {
		if next := n.words[bare]; next != nil {
			s.walk(next, first, at+1, 0)
			break
		}
	}
	if len(term) >= partKey {
		for _, p := range n.prefixes[term[:partKey]] {
			if strings.HasPrefix(term, p.text) {
				s.walk(p.node, first, at+1, 0)
			}
		}
		for _, p := range n.suffixes[term[len(term)-partKey:]] {
			if strings.HasSuffix(term, p.text) {
				s.walk(p.node, first, at+1, 0)
			}
		}
	}
	if term == startWord || term == endWord {
		return
	}
	if n.any != nil {
		s.walk(n.any, first, at+1, 0)
	}
	if n.gap != nil {
		s.leap(n.gap, first, at)
	}
}

// clitics are the one-letter Arabic words that are written together with the next word:
// and, so, with, to, as.
const clitics = "وفبلك"

// withoutClitic returns an Arabic word without its leading clitic, if at least three
// letters remain.
func withoutClitic(term string) (string, bool) {
	if len(term) < 8 || term[0] != 0xD9 && term[0] != 0xD8 || !strings.Contains(clitics, term[:2]) {
		return "", false
	}
	return term[2:], true
}

// leap continues after a gap of 0 to maxGap words.
func (s *scanner) leap(n *node, first, at int) {
	for end := min(at+maxGap, len(s.terms)-1); at <= end; at++ {
		s.walk(n, first, at, 1)
	}
}

// quote returns the text of a match, truncated to a maximum length.
func (s *scanner) quote(m match) string {
	const most = 200
	words := s.text[s.starts[m.first]:max(s.ends[m.last], s.starts[m.first])]
	return strings.ToValidUTF8(words[:min(len(words), most)], "")
}

package query

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
)

// These are the limits of a query. A query that exceeds them is a [SyntaxError].
const (
	MaxQuery  = 4 << 20 // bytes of text, as written and as printed
	MaxTerms  = 10_000  // words, values and dates together
	MaxDepth  = 100     // nested parentheses and negations
	MaxFuzzy  = 100     // words with typing errors
	MaxParts  = 100     // parts of words
	MaxRegexp = 1000    // bytes of a regular expression
	// MaxRegexpSize is the maximum number of states that all regular expressions in a
	// query may have together: about one for each character and repetition.
	MaxRegexpSize = 5000
)

// Options are the options for reading a query's text.
type Options struct {
	// Zone is the time zone in which the days of sent: and on: begin. Default: UTC.
	Zone *time.Location
	// Lists finds the version of a list that has the given hash, or the current version
	// if hash is "". It returns argus.ErrNotFound if there is none. Default: no lists.
	Lists func(name, hash string) (*WordList, error)
}

// Parse reads a query. Its error is a [*SyntaxError], or an error of [Options.Lists] other
// than argus.ErrNotFound. The result is in canonical form: no And directly in an And, no Or
// in an Or, no Not in a Not.
func Parse(text string, opts Options) (Node, error) {
	n, _, err := parse(text, opts)
	return n, err
}

// parse is like Parse, and also returns the query's demands as they are written.
func parse(text string, opts Options) (Node, []demand, error) {
	p := parser{text: text, zone: opts.Zone, find: opts.Lists}
	if p.zone == nil {
		p.zone = time.UTC
	}
	n, err := p.query()
	if err != nil {
		var e *SyntaxError
		if errors.As(err, &e) {
			e.Query = text
		}
		return nil, nil, err
	}
	if _, and := n.(And); !and && len(p.outermost) > 1 { // an Or or a Then
		first, last := p.outermost[0], p.outermost[len(p.outermost)-1]
		return n, []demand{{n, text[first.start:last.end], true}}, nil
	}
	var demands []demand
	for _, o := range p.outermost {
		demands = append(demands, demand{o.node, text[o.start:o.end], false})
	}
	return n, demands, nil
}

// parser reads this grammar. A keyword is in capitals and ends at a space, parenthesis or
// quotation mark.
//
//	query   = [ or ]
//	or      = then { "OR" then }
//	then    = and { "->" [ number ] [ ":other" ] and }
//	and     = not { [ "AND" ] not }
//	not     = { "NOT" | "-" } operand
//	operand = "(" or ")" | name ":" value | list | text
//	text    = "*" | [ "*" ] word [ "*" ] | word "~" [ "1" | "2" | language ] | "=" word | quoted [ "*" | "~" … ] | "/" expression "/"
//	list    = "list:" name [ "@" hash ]
//	value   = "(" or of values ")" | list | [ "=" ] ( word | quoted ) [ "*" ] | "*"
type parser struct {
	text string
	pos  int
	zone *time.Location
	find func(name, hash string) (*WordList, error)

	field FieldName // the field of the value or group being read
	depth int
	// outermost holds the operands that are inside no parentheses, and no negation but
	// their own.
	outermost []operand
	operator  string // the last one read, if its right side is still to come
	operatorAt,
	operatorEnd int

	terms, fuzzy, parts, stems, lists, thens, regexpSize int
	analyzer                                             Analyzer
}

// An operand is a node with its place in the query, in bytes.
type operand struct {
	node       Node
	start, end int
}

func (p *parser) query() (Node, error) {
	if len(p.text) > MaxQuery {
		return nil, p.fail(MaxQuery, MaxQuery, "the query is longer than %d bytes", MaxQuery)
	}
	for i, r := range p.text {
		if r == utf8.RuneError && !strings.HasPrefix(p.text[i:], "\uFFFD") {
			return nil, p.fail(i, i+1, "the query is not valid UTF-8")
		}
	}
	if p.space(); p.end() {
		return All{}, nil
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.end() {
		return nil, p.fail(p.pos, p.pos+1, "this ) has no ( before it").hint(`to search for one, write a regular expression: /\)/`)
	}
	if len(n.String()) > MaxQuery {
		return nil, p.fail(0, len(p.text), "the query, written out, is longer than %d bytes", MaxQuery)
	}
	return n, nil
}

func (p *parser) or() (Node, error) {
	var nodes []Node
	for {
		n, err := p.then()
		if err != nil {
			return nil, err
		}
		if inner, ok := n.(Or); ok {
			nodes = append(nodes, inner.Nodes...)
		} else {
			nodes = append(nodes, n)
		}
		if !p.keyword("OR") {
			break
		}
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return Or{nodes}, nil
}

func (p *parser) and() (Node, error) {
	var nodes []Node
	for {
		p.space()
		start := p.pos
		n, err := p.not()
		if err != nil {
			return nil, err
		}
		if p.depth == 0 {
			p.outermost = append(p.outermost, operand{n, start, p.pos})
		}
		if inner, ok := n.(And); ok {
			nodes = append(nodes, inner.Nodes...)
		} else {
			nodes = append(nodes, n)
		}
		if p.space(); !p.keyword("AND") && (p.end() || p.text[p.pos] == ')' || p.atKeyword("OR") || p.atArrow()) {
			break
		}
	}
	if len(nodes) == 1 {
		return nodes[0], nil
	}
	return And{nodes}, nil
}

func (p *parser) not() (Node, error) {
	p.space()
	start := p.pos
	switch {
	case p.keyword("NOT"):
	case strings.HasPrefix(p.text[start:], "->"):
		if p.operator != "" {
			return nil, p.missing(p.operator)
		}
		return nil, p.fail(start, p.wordEnd(start), "%s has nothing on its left", p.text[start:p.wordEnd(start)])
	case strings.HasPrefix(p.text[start:], "-"):
		p.pos++
		if p.boundary(p.pos) && !p.atAny(p.pos, `("“”„‟`) {
			return nil, p.fail(start, p.pos, "- is not directly before a word").hint("write it directly before an unwanted word: -word")
		}
		p.operator, p.operatorAt, p.operatorEnd = "-", start, p.pos
	default:
		return p.operand()
	}
	if err := p.enter(start); err != nil {
		return nil, err
	}
	defer p.leave()
	n, err := p.not()
	if err != nil {
		return nil, err
	}
	if inner, ok := n.(Not); ok {
		return inner.Node, nil
	}
	return Not{n}, nil
}

func (p *parser) operand() (Node, error) {
	start := p.pos
	operator := p.operator
	p.operator = ""
	if p.end() || p.text[start] == ')' || p.atKeyword("OR") || p.atKeyword("AND") {
		return nil, p.missing(operator)
	}
	if p.text[start] == '(' {
		return p.group()
	}
	if p.field != "" {
		return p.value()
	}
	if name, ok := p.name(); ok {
		return p.fieldValue(name)
	}
	if p.text[start] == '/' {
		return p.regexp()
	}
	if p.text[start] == '=' && (!p.boundary(start+1) || p.atAny(start+1, `"“”„‟`)) {
		return p.written()
	}
	return p.words()
}

// missing returns the error for a place where an operand should begin.
func (p *parser) missing(operator string) error {
	switch {
	case operator != "":
		return p.fail(p.operatorAt, p.operatorEnd, "%s has nothing on its right", operator)
	case p.end():
		return p.fail(p.pos, p.pos, "the query ends where a word should follow")
	case p.text[p.pos] == ')':
		if p.depth == 0 {
			return p.fail(p.pos, p.pos+1, "this ) has no ( before it")
		}
		return p.fail(p.pos, p.pos+1, "there is nothing between the parentheses")
	}
	end := p.wordEnd(p.pos)
	word := p.text[p.pos:end]
	return p.fail(p.pos, end, "%s has nothing on its left", word).hint(`to search for the word, write it in small letters`)
}

func (p *parser) group() (Node, error) {
	start := p.pos
	if err := p.enter(start); err != nil {
		return nil, err
	}
	defer p.leave()
	p.pos++
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.end() {
		return nil, p.fail(start, start+1, "this ( is never closed")
	}
	p.pos++
	return n, nil
}

func (p *parser) enter(at int) error {
	if p.depth++; p.depth > MaxDepth {
		return p.fail(at, at+1, "parentheses and negations are nested more than %d deep", MaxDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// count counts terms against the limit.
func (p *parser) count(n, start int) error {
	if p.terms += n; p.terms > MaxTerms {
		return p.fail(start, p.pos, "the query has more than %d terms", MaxTerms)
	}
	return nil
}

// A piece is a word or a quoted text, with the signs directly before and after it.
type piece struct {
	value      string // without quotes, escapes and ending
	start, end int    // in the query
	quoted     bool
	part       bool // a * before it
	prefix     bool // a * after it
	fuzzy      int  // 0 for none
	stem       string
}

func (p *parser) words() (Node, error) {
	w, err := p.piece()
	if err != nil {
		return nil, err
	}
	if w.prefix && !w.part && w.value == "" && !w.quoted {
		return All{}, p.count(1, w.start)
	}
	var terms []string
	// A * is ignored next to a character that is a word of its own: the word ends there.
	before, behind := w.part, w.prefix
	for p.analyzer.Reset(w.value); p.analyzer.Next(); {
		before = before && (len(terms) > 0 || !p.analyzer.single)
		behind = w.prefix && !p.analyzer.single
		terms = append(terms, string(p.analyzer.Term()))
	}
	if err := p.count(max(1, len(terms)), w.start); err != nil {
		return nil, err
	}
	switch written := oneLine(cut(p.text[w.start:w.end], 40)); {
	case len(terms) == 0:
		return nil, p.fail(w.start, w.end, "%q has no letter, digit or emoji to search for", written).
			hint(`search for punctuation with a regular expression: /\?/`)
	case (w.fuzzy > 0 || w.stem != "") && len(terms) > 1:
		return nil, p.fail(w.start, w.end, "only a single word can have typing errors or a stem, but this is read as %d words: %s", len(terms), list(terms))
	case (w.fuzzy > 0 || w.stem != "") && w.part:
		return nil, p.fail(w.start, w.end, "a part of a word cannot have typing errors or a stem")
	case w.stem != "":
		return p.stemNode(w, terms[0])
	case w.fuzzy > 0:
		return p.fuzzyNode(w, terms[0])
	case before && len(terms) > 1:
		return nil, p.fail(w.start, w.end, "only a single word can have parts, but this is read as %d words: %s", len(terms), list(terms))
	case before:
		return p.partNode(w, Part{terms[0], !behind})
	case behind && len(terms) > 1:
		return nil, p.fail(w.start, w.end, "only a single word can be a prefix, but this is read as %d words: %s", len(terms), list(terms))
	case behind:
		return Prefix{terms[0]}, nil
	}
	if number, ok := numberNode(terms); ok && !w.quoted {
		return number, nil
	}
	return textNode(terms), nil
}

func (p *parser) partNode(w piece, n Part) (Node, error) {
	if utf8.RuneCountInString(n.Term) < 2 {
		return nil, p.fail(w.start, w.end, "%s is too short for a part of a word: too much would match", n.Term)
	}
	if p.parts++; p.parts > MaxParts {
		return nil, p.fail(w.start, w.end, "the query has more than %d parts of words", MaxParts)
	}
	return n, nil
}

func (p *parser) fuzzyNode(w piece, term string) (Node, error) {
	if w.fuzzy > 2 {
		return nil, p.fail(w.start, w.end, "a word can have at most 2 typing errors")
	}
	if utf8.RuneCountInString(term) <= w.fuzzy {
		return nil, p.fail(w.start, w.end, "%s is too short for %d typing errors: anything would match", term, w.fuzzy)
	}
	if p.fuzzy++; p.fuzzy > MaxFuzzy {
		return nil, p.fail(w.start, w.end, "the query has more than %d words with typing errors", MaxFuzzy)
	}
	return Fuzzy{term, w.fuzzy}, nil
}

func (p *parser) regexp() (Node, error) {
	start := p.pos
	var expr strings.Builder
	i := start + 1
	for ; i < len(p.text) && p.text[i] != '/'; i++ {
		if p.text[i] == '\\' && i+1 < len(p.text) {
			i++
			if p.text[i] != '/' {
				expr.WriteByte('\\')
			}
		}
		expr.WriteByte(p.text[i])
	}
	const path = `to search for a path, put it in quotes: "/a/b"`
	if i == len(p.text) {
		return nil, p.fail(start, start+1, "this regular expression has no / at its end").hint(path)
	}
	p.pos = i + 1
	if !p.boundary(p.pos) {
		return nil, p.fail(start, p.wordEnd(p.pos), "something follows the / that ends the regular expression").hint(path)
	}
	if err := p.count(1, start); err != nil {
		return nil, err
	}
	size, err := regexpSize(expr.String())
	if err != nil {
		return nil, p.fail(start, p.pos, "%v", err).hint("RE2 syntax")
	}
	if p.regexpSize += size; p.regexpSize > MaxRegexpSize {
		return nil, p.fail(start, p.pos, "the regular expressions are too large")
	}
	return Regexp{expr.String()}, nil
}

// regexpSize checks an expression, and returns approximately how many states it has.
func regexpSize(expr string) (int, error) {
	if len(expr) > MaxRegexp {
		return 0, fmt.Errorf("the regular expression is longer than %d bytes", MaxRegexp)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			return 0, fmt.Errorf("the regular expression has an error: %s: %s", e.Code, e.Expr)
		}
		return 0, fmt.Errorf("the regular expression has an error: %w", err)
	}
	size := states(tree)
	if size > MaxRegexpSize {
		return 0, errors.New("the regular expression is too large")
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return 0, fmt.Errorf("the regular expression has an error: %w", err)
	}
	if re.MatchString("") {
		return 0, errors.New("the regular expression matches every text, even an empty one")
	}
	return size, nil
}

func states(re *syntax.Regexp) int {
	if re.Op == syntax.OpLiteral {
		return len(re.Rune)
	}
	n := 0
	for _, sub := range re.Sub {
		n = min(n+states(sub), MaxRegexpSize+1)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(1, re.Min, re.Max)
	}
	return min(n+1, MaxRegexpSize+1)
}

// name reads a field's name and its colon, if they are next.
func (p *parser) name() (string, bool) {
	i := p.pos
	for i < len(p.text) && (p.text[i]|0x20 >= 'a' && p.text[i]|0x20 <= 'z' || p.text[i] == '_') {
		i++
	}
	if i == p.pos || i == len(p.text) || p.text[i] != ':' || strings.HasPrefix(p.text[i:], "://") {
		return "", false
	}
	return p.text[p.pos:i], true
}

// listValue begins a list that is used as a value.
const listValue = "list:"

const (
	sentField FieldName = "sent"
	onField   FieldName = "on"
)

func (p *parser) fieldValue(written string) (Node, error) {
	start, colon := p.pos, p.pos+len(written)
	name := FieldName(strings.ToLower(written))
	known := append(slices.Clone(Fields), sentField, onField)
	if name == "list" {
		p.pos = colon + 1
		return p.list(start)
	}
	if !slices.Contains(known, name) {
		return nil, p.fail(start, colon+1, "there is no field %s%s", written, nearest(string(name), known)).
			hint(fmt.Sprintf(`to search for the text, put it in quotes: "%s:"`, written))
	}
	p.pos = colon + 1
	if p.boundary(p.pos) && !p.atAny(p.pos, `("“”„‟`) {
		return nil, p.fail(start, colon+1, "%s: has no value directly after it", name)
	}
	p.field = name
	defer func() { p.field = "" }()
	if p.text[p.pos] == '(' {
		return p.group()
	}
	return p.value()
}

// value reads one value of the field.
func (p *parser) value() (Node, error) {
	name, start := p.field, p.pos
	named := isNamed(name)
	if rest := p.text[start:]; named && len(rest) >= len(listValue) && strings.EqualFold(rest[:len(listValue)], listValue) {
		p.pos += len(listValue)
		return p.list(start)
	}
	if p.text[start] == '/' {
		return nil, p.fail(start, p.wordEnd(start), "regular expressions search only the text, not %s:", name).
			hint(fmt.Sprintf(`for a value that begins with /, put it in quotes: %s:"/…"`, name))
	}
	exact := (named || isMarked(name) || name == Same) && p.text[start] == '='
	if exact {
		p.pos++
		if p.boundary(p.pos) && !p.atAny(p.pos, `"“”„‟`) {
			return nil, p.fail(start, p.pos, "= has no value directly after it")
		}
	}
	w, err := p.piece()
	if err != nil {
		return nil, err
	}
	if err := p.count(1, start); err != nil {
		return nil, err
	}
	if w.fuzzy > 0 || w.stem != "" {
		return nil, p.fail(w.start, w.end, "typing errors and stems are for words of the text, not for %s:", name).
			hint(fmt.Sprintf(`for a value that ends like this, put it in quotes: %s:"…"`, name))
	}
	if w.part {
		return nil, p.fail(w.start, w.end, "parts are for words of the text, not for %s:", name).
			hint(fmt.Sprintf(`for a value that begins with *, put it in quotes: %s:"*…"`, name))
	}
	if w.prefix && slices.Contains([]FieldName{Delivery, Has, Is, Same, sentField, onField}, name) {
		return nil, p.fail(w.start, w.end, "%s: takes only whole values", name)
	}
	if name == sentField || name == onField {
		return p.sent(w)
	}
	value, err := p.fieldTerm(name, w, exact)
	if err != nil {
		return nil, err
	}
	if value == "" && (!w.prefix || w.quoted) {
		return nil, p.fail(w.start, w.end, "%s: has an empty value", name)
	}
	return Field{name, value, w.prefix}, nil
}

// fieldTerm turns a value into the corresponding term of messages.
func (p *parser) fieldTerm(name FieldName, w piece, exact bool) (string, error) {
	switch name {
	case Delivery:
		n, err := argus.ParseDelivery(w.value)
		if err != nil {
			return "", p.fail(w.start, w.end, "%q is not a delivery: want a form like D-0007", w.value)
		}
		return n.String(), nil
	case Has:
		return p.known(name, HasWords, w)
	case Is:
		return p.known(name, IsWords, w)
	case Lang:
		tag := foldLang(w.value)
		if strings.ContainsFunc(tag, func(r rune) bool { return r != '-' && (r >= utf8.RuneSelf || ascii[r] == asciiSeparator) }) {
			return "", p.fail(w.start, w.end, "%q is not a language: want a form like nl or pt-BR", w.value)
		}
		return p.marked(name, cut(tag, MaxTerm-1), w, exact)
	case Country:
		code := strings.ToUpper(strings.TrimSuffix(w.value, Found))
		if !w.prefix && !entity.IsCountry(code) {
			return "", p.fail(w.start, w.end, "%q is not a country: want its code of two letters, like NL", w.value)
		}
		return p.marked(name, code, w, exact)
	case Entity:
		return p.entity(w)
	case Same:
		return p.same(w, exact)
	}
	if exact {
		return Exact + cut(w.value, MaxTerm-len(Exact)), nil
	}
	return string(p.analyzer.foldWhole(w.value)), nil
}

// marked returns the term for a value that is stated or found, or either.
func (p *parser) marked(name FieldName, value string, w piece, exact bool) (string, error) {
	found := strings.HasSuffix(w.value, Found)
	switch shown := oneLine(cut(value, 40)); {
	case exact && found:
		return "", p.fail(w.start, w.end, "a value of %s: is either stated, %s:=%s, or found, %s:%s?", name, name, shown, name, shown)
	case value == "":
	case exact:
		return Exact + value, nil
	case found:
		return value + Found, nil
	}
	return value, nil
}

// entity reads a kind, an identifier written in any way, or the beginning of a
// normal form.
func (p *parser) entity(w piece) (string, error) {
	if w.prefix {
		return cut(strings.TrimLeft(w.value, Exact), MaxTerm), nil
	}
	if kind := strings.ToLower(w.value); entity.IsKind(kind) {
		return kind, nil
	}
	if normal, ok := entity.Normal(w.value); ok {
		return normal, nil
	}
	return "", p.fail(w.start, w.end, "%q is neither an identifier that would be found in a text nor a kind of identifier%s", oneLine(cut(w.value, 40)), nearest(w.value, entity.Kinds())).
		hint(`write it in quotes as in a text: entity:"+44 7700 900123"; entity:+4477* finds identifiers that begin with it`)
}

func (p *parser) known(name FieldName, words []string, w piece) (string, error) {
	if word := strings.ToLower(w.value); slices.Contains(words, word) {
		return word, nil
	}
	return "", p.fail(w.start, w.end, "%s:%s does not exist%s", name, w.value, nearest(w.value, words))
}

// nearest returns the end of an error about an unknown word: the known word that was
// probably meant, or a list of all known words.
func nearest[S ~string](word string, known []S) string {
	best, distance := S(""), 3
	for _, k := range known {
		if d := editDistance([]rune(strings.ToLower(word)), []rune(string(k)), distance); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; there are " + list(known)
}

// mostListed is the maximum number of words that an error lists.
const mostListed = 14

func list[S ~string](words []S) string {
	var b strings.Builder
	for i, w := range words[:min(len(words), mostListed)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(cut(string(w), 40))
	}
	if len(words) > mostListed {
		b.WriteString(" …")
	}
	return b.String()
}

// piece reads a word or a quoted text and its ending.
func (p *parser) piece() (piece, error) {
	w := piece{start: p.pos}
	if w.part = p.text[p.pos] == '*' && !p.boundary(p.pos+1); w.part {
		p.pos++
	}
	var err error
	if w.quoted = p.atAny(p.pos, `"“”„‟`); w.quoted {
		w.value, err = p.quoted()
	} else {
		w.value, err = p.bare()
	}
	if err != nil {
		return w, err
	}
	switch ending := p.ending(p.pos); {
	case ending == "*":
		w.prefix = true
		p.pos++
	case len(ending) == 3 && ending[1] >= 'a':
		w.stem = ending[1:]
		p.pos += len(ending)
	case ending != "":
		w.fuzzy = 1
		if ending != "~" {
			w.fuzzy = 3
			if ending == "~1" || ending == "~2" {
				w.fuzzy = int(ending[1] - '0')
			}
		}
		p.pos += len(ending)
	}
	w.end = p.pos
	return w, nil
}

func (p *parser) quoted() (string, error) {
	start := p.pos
	open, openSize := utf8.DecodeRuneInString(p.text[start:])
	closing := `"`
	if open != '"' {
		closing = `"“”‟`
	}
	var value strings.Builder
	for i := start + openSize; i < len(p.text); {
		r, size := utf8.DecodeRuneInString(p.text[i:])
		if strings.ContainsRune(closing, r) {
			p.pos = i + size
			return value.String(), nil
		}
		if r == '\\' && i+1 < len(p.text) {
			i++
			r, size = utf8.DecodeRuneInString(p.text[i:])
		}
		value.WriteRune(r)
		i += size
	}
	return "", p.fail(start, start+openSize, "this quotation mark is never closed")
}

// bare reads a word up to its ending.
func (p *parser) bare() (string, error) {
	start := p.pos
	var value strings.Builder
	var last rune
	for i := start; ; {
		if p.boundary(i) || p.ending(i) != "" && (i > start || p.text[i] == '*') {
			if p.atAny(i, `"“”„‟`) {
				quote, size := utf8.DecodeRuneInString(p.text[i:])
				next, _ := utf8.DecodeRuneInString(p.text[i+size:])
				if isHebrewLetter(last) && isHebrewLetter(next) {
					value.WriteRune(quote)
					i += size
					continue
				}
				return "", p.fail(i, i+size, "a quotation mark directly follows a word").
					hint(`put a space before it, or write \" for the character itself`)
			}
			p.pos = i
			return value.String(), nil
		}
		r, size := utf8.DecodeRuneInString(p.text[i:])
		if r == '*' {
			return "", p.fail(i, i+1, "* is inside a word").
				hint(`word* finds words that begin with it, *word words that end with it, *word* words that contain it; \* is the character itself`)
		}
		if r == '\\' {
			if i++; i == len(p.text) {
				return "", p.fail(i-1, i, `nothing follows the \`).hint(`\\ is the character itself`)
			}
			r, size = utf8.DecodeRuneInString(p.text[i:])
		}
		value.WriteRune(r)
		last = r
		i += size
	}
}

// ending returns the * or ~ with digits or a language at i, if the word ends after it.
func (p *parser) ending(i int) string {
	if !p.atAny(i, "*~") {
		return ""
	}
	end := i + 1
	for p.text[i] == '~' && end < len(p.text) && p.text[end] >= '0' && p.text[end] <= '9' {
		end++
	}
	if language := p.text[i+1 : min(i+3, len(p.text))]; p.text[i] == '~' && len(language) == 2 &&
		language[0] >= 'a' && language[0] <= 'z' && language[1] >= 'a' && language[1] <= 'z' {
		end = i + 3
	}
	if !p.boundary(end) {
		return ""
	}
	return p.text[i:end]
}

func (p *parser) end() bool { return p.pos >= len(p.text) }

// space skips white space and invisible direction marks.
func (p *parser) space() {
	for !p.end() {
		r, size := utf8.DecodeRuneInString(p.text[p.pos:])
		if !unicode.IsSpace(r) && argus.CleanName(string(r)) != "" {
			return
		}
		p.pos += size
	}
}

// boundary reports whether a word ends at i.
func (p *parser) boundary(i int) bool {
	if i >= len(p.text) || p.atAny(i, `()"“”„‟`) {
		return true
	}
	r, _ := utf8.DecodeRuneInString(p.text[i:])
	return unicode.IsSpace(r)
}

func (p *parser) atAny(i int, chars string) bool {
	if i >= len(p.text) {
		return false
	}
	r, _ := utf8.DecodeRuneInString(p.text[i:])
	return strings.ContainsRune(chars, r)
}

// wordEnd returns the end of the word at i, at least one character after i.
func (p *parser) wordEnd(i int) int {
	for start := i; i < len(p.text) && (i == start || !p.boundary(i)); {
		_, size := utf8.DecodeRuneInString(p.text[i:])
		i += size
	}
	return i
}

func (p *parser) atKeyword(word string) bool {
	return strings.HasPrefix(p.text[p.pos:], word) && p.boundary(p.pos+len(word))
}

// keyword reads a keyword, if it is next.
func (p *parser) keyword(word string) bool {
	if p.space(); !p.atKeyword(word) {
		return false
	}
	p.operator, p.operatorAt, p.operatorEnd = word, p.pos, p.pos+len(word)
	p.pos += len(word)
	return true
}

package query

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// Needs returns conditions that every text matching the expression meets: each function
// accepts at least one of the text's terms. The result may be empty. An index that checks
// its terms first has fewer texts to read. The longest condition, which excludes the most
// texts, comes first.
//
// A part of an expression that matches only ASCII letters and digits always matches
// inside one term, because folding keeps them together. Its function looks for it there,
// ignoring case. Each goroutine needs its own functions.
func (n Regexp) Needs() []func(term []byte) bool {
	tree, err := syntax.Parse(n.Expr, syntax.Perl)
	if err != nil {
		return nil
	}
	var needs []func(term []byte) bool
	list := parts(tree)
	slices.SortStableFunc(list, func(a, b *syntax.Regexp) int { return len(b.String()) - len(a.String()) })
	for _, part := range list {
		re, err := regexp.Compile(part.String())
		if err != nil || re.MatchString("") {
			continue
		}
		inside := re.Match
		if part.Op == syntax.OpLiteral {
			literal := []byte(string(part.Rune))
			inside = func(term []byte) bool { return bytes.Contains(term, literal) }
		}
		var latin []byte
		needs = append(needs, func(term []byte) bool {
			if len(term) > longestUncut || inside(term) {
				return true
			}
			if !bytes.ContainsFunc(term, isCyrillic) {
				return false
			}
			latin = appendLatin(latin[:0], term)
			return inside(latin)
		})
	}
	return needs
}

// longestUncut is the maximum size in bytes of a term that certainly was not cut.
const longestUncut = MaxTerm - utf8.UTFMax

// appendLatin appends a term, undoing the changes that oneScript may have made to its
// Latin letters.
func appendLatin(dst, term []byte) []byte {
	for rest := term; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		if isCyrillic(r) && toLatin[r] != 0 {
			r = toLatin[r]
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// parts returns the parts of an expression that every match contains inside a term.
func parts(re *syntax.Regexp) []*syntax.Regexp {
	if part := inTerm(re); part != nil {
		return []*syntax.Regexp{part}
	}
	switch re.Op {
	case syntax.OpLiteral:
		if len(re.Rune) > 1 {
			return parts(&syntax.Regexp{Op: syntax.OpConcat, Sub: split([]*syntax.Regexp{re})})
		}
	case syntax.OpCapture, syntax.OpPlus:
		return parts(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return parts(re.Sub[0])
		}
	case syntax.OpConcat:
		var found, run []*syntax.Regexp
		flush := func() {
			if len(run) > 0 {
				found = append(found, joined(run))
			}
			run = nil
		}
		for _, sub := range split(re.Sub) {
			if part := inTerm(sub); part != nil {
				run = append(run, part)
				continue
			}
			flush()
			found = append(found, parts(sub)...)
		}
		flush()
		return found
	}
	return nil
}

// joined concatenates expressions; adjacent literals become one.
func joined(run []*syntax.Regexp) *syntax.Regexp {
	literal := &syntax.Regexp{Op: syntax.OpLiteral}
	for _, part := range run {
		switch part.Op {
		case syntax.OpLiteral:
			literal.Rune = append(literal.Rune, part.Rune...)
		case syntax.OpEmptyMatch:
		default:
			return &syntax.Regexp{Op: syntax.OpConcat, Sub: run}
		}
	}
	if len(literal.Rune) == 0 {
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	return literal
}

// split divides literals into single-character literals.
func split(subs []*syntax.Regexp) (list []*syntax.Regexp) {
	for _, sub := range subs {
		if sub.Op != syntax.OpLiteral {
			list = append(list, sub)
			continue
		}
		for i := range sub.Rune {
			list = append(list, &syntax.Regexp{Op: syntax.OpLiteral, Flags: sub.Flags, Rune: sub.Rune[i : i+1]})
		}
	}
	return list
}

// inTerm returns an expression that matches terms as re matches texts, or nil if re
// matches anything but ASCII letters and digits.
func inTerm(re *syntax.Regexp) *syntax.Regexp {
	switch re.Op {
	case syntax.OpLiteral:
		part := &syntax.Regexp{Op: syntax.OpLiteral}
		for _, r := range re.Rune {
			plain, ok := folds(r)
			if !ok {
				return nil
			}
			part.Rune = append(part.Rune, plain)
		}
		return part
	case syntax.OpCharClass:
		part := &syntax.Regexp{Op: syntax.OpCharClass}
		for i := 0; i < len(re.Rune); i += 2 {
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				plain, ok := folds(r)
				if !ok {
					return nil
				}
				part.Rune = append(part.Rune, plain, plain)
			}
		}
		return part
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case syntax.OpCapture, syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat, syntax.OpConcat, syntax.OpAlternate:
		part := *re
		part.Sub = nil
		for _, sub := range re.Sub {
			inner := inTerm(sub)
			if inner == nil {
				return nil
			}
			part.Sub = append(part.Sub, inner)
		}
		return &part
	}
	return nil
}

// folds returns the form that an ASCII letter or digit has in a term. It also accepts the
// two other characters that equal an ASCII letter if case is ignored.
func folds(r rune) (rune, bool) {
	switch {
	case r == 'ſ':
		return 's', true
	case r == '\u212A':
		return 'k', true
	case r < utf8.RuneSelf && ascii[r] > asciiBeyond:
		return rune(ascii[r]), true
	}
	return 0, false
}

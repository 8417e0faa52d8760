package query

import "strings"

// anyGroups is the minimum number of digits that may be grouped in any way. A shorter
// number may be grouped only in thousands: 20:21 is not 2021.
const anyGroups = 7

// A Number has from minNumber to maxNumber digits.
const minNumber, maxNumber = 4, 32

// numberNode returns a Number if the terms of a word form one.
func numberNode(terms []string) (Node, bool) {
	digits := strings.Join(terms, "")
	if len(digits) < minNumber || len(digits) > maxNumber || !isDigits(digits) {
		return nil, false
	}
	for _, group := range terms[1:] {
		if len(digits) < anyGroups && len(group) != 3 {
			return nil, false
		}
	}
	return Number{digits}, true
}

func isDigits[S string | []byte](s S) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}

// Follows reports whether a group of digits may continue the number after the digits
// already read, and returns the new number of digits read.
func (n Number) Follows(read int, group string) (int, bool) {
	if !strings.HasPrefix(n.Digits[read:], group) || read > 0 && len(n.Digits) < anyGroups && len(group) != 3 {
		return read, false
	}
	return read + len(group), group != ""
}

// In reports whether groups of digits contain the number. In groups, other terms are "".
func (n Number) In(groups []string) bool {
	for first := range groups {
		read, ok := 0, true
		for at := first; ok && read < len(n.Digits) && at < len(groups); at++ {
			read, ok = n.Follows(read, groups[at])
		}
		if ok && read == len(n.Digits) {
			return true
		}
	}
	return false
}

// findNumber yields each place where a number is found, however it is grouped.
func (l *termList) findNumber(n Number, yield func(first, last int) bool) {
	for first := range l.terms {
		read, ok := n.Follows(0, string(l.term(int32(first))))
		last := first
		for ; ok && read < len(n.Digits) && last+1 < len(l.terms); last++ {
			read, ok = n.Follows(read, string(l.term(int32(last+1))))
		}
		if ok && read == len(n.Digits) && !yield(first, last) {
			return
		}
	}
}

func (n Number) String() string { return n.Digits }

package reader

import (
	"cmp"
	"slices"
)

// Formats are the formats that a program reads, in order of preference: if formats are
// equally sure of a file, the earlier one wins.
type Formats []*Format

// ByName returns the format that --format names.
func (l Formats) ByName(name string) (*Format, bool) {
	for _, f := range l {
		if f.Name == name {
			return f, true
		}
	}
	return nil, false
}

// Claim is a format that recognises a file.
type Claim struct {
	Format *Format
	// Sure is from 1 to 100.
	Sure int
}

// Claims returns the formats that recognise a file, surest first. Formats that are
// equally sure keep their order.
func (l Formats) Claims(s Sample) []Claim {
	var claims []Claim
	for _, f := range l {
		if n := f.Detect(s); n > 0 {
			claims = append(claims, Claim{f, n})
		}
	}
	slices.SortStableFunc(claims, func(a, b Claim) int { return cmp.Compare(b.Sure, a.Sure) })
	return claims
}

// Detect returns the format that is surest of a file and how sure it is; nil and 0 when
// no format recognises it.
func (l Formats) Detect(s Sample) (*Format, int) {
	if claims := l.Claims(s); len(claims) > 0 {
		return claims[0].Format, claims[0].Sure
	}
	return nil, 0
}

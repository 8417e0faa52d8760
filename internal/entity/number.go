package entity

import "strings"

// A number is a number as it is written in a text.
type number struct {
	start, end int
	// digits holds count digits without separators; the last decimals of them come after
	// the point.
	digits          [mostDigits + 6]byte
	count, decimals int
	// unclear is set for three digits after a single point or comma. They may be
	// thousands, as in digits, or decimals.
	unclear bool
}

// mostDigits is the maximum number of digits in a number.
const mostDigits = 15

// numberAt reads the number that begins with the digit at i, with groups of
// thousands or decimals in continental or in English style: 1250000,
// 1.250.000,50, 1,250,000.50, 1 250 000, 1'250'000. ok is false if the digits are part of
// something longer, such as a date, a time or an address.
func numberAt(b []byte, i int) (n number, ok bool) {
	n.start, n.end = i, digitsEnd(b, i)
	if i > 0 {
		switch before := i > 1 && isDigit(b[i-2]); b[i-1] {
		case '.', ',':
			return n, false
		case ':', '/', '-', '\'':
			if before {
				return n, false
			}
		case ' ':
			if before && n.end-i == 3 && inThousands(b, i-2) {
				return n, false
			}
		}
	}
	if n.count = n.end - i; n.count > mostDigits {
		return n, false
	}
	copy(n.digits[:], b[i:n.end])
	first, groups, thousands := n.count, 1, true
	var separator, last byte
	lastSize := 0
	for n.end+1 < len(b) && isDigit(b[n.end+1]) {
		c := b[n.end]
		end := digitsEnd(b, n.end+1)
		size := end - n.end - 1
		if c == ' ' && (size != 3 || first > 3 || separator != 0 && separator != ' ' || end < len(b) && class[b[end]] == classGlue) {
			break
		}
		switch c {
		case ' ', '.', ',', '\'':
		default:
			return n, false // 10:30, 2021-02-14
		}
		if groups > 1 && last != separator || groups > 1 && lastSize != 3 || n.count+size > mostDigits {
			return n, false // after the decimals; a date
		}
		if separator == 0 {
			separator = c
		}
		thousands = thousands && c == separator && size == 3
		n.count += copy(n.digits[n.count:], b[n.end+1:end])
		groups++
		last, lastSize, n.end = c, size, end
	}
	thousands = thousands && first <= 3
	switch {
	case groups == 1:
	case groups == 2 && (last == '.' || last == ',') && lastSize == 3 && thousands && b[i] != '0':
		n.unclear = true
	case thousands && (groups > 2 || last == ' ' || last == '\''):
	case last == ' ' || last == '\'', groups > 2 && (last == separator || first > 3):
		return n, false
	default:
		n.decimals = lastSize
	}
	return n, true
}

// inThousands reports whether the digits that end at i could begin a number in
// thousands.
func inThousands(b []byte, i int) bool {
	begin := i
	for begin > 0 && isDigit(b[begin-1]) && i-begin < 3 {
		begin--
	}
	return i-begin < 3 && (begin == 0 || class[b[begin-1]] == classNone)
}

// times moves the point by a number of places, at most 6: 3 for thousands.
func (n *number) times(places int) {
	for n.decimals -= places; n.decimals < 0; n.decimals++ {
		n.digits[n.count] = '0'
		n.count++
	}
}

// normal formats the number between a prefix and a suffix: without separators of
// thousands, with a point, and without superfluous zeros, but with at least the given
// number of decimals if it has any, and not with three, which would be unclear. It is
// empty if the number would be too long to be read again.
func (n *number) normal(before string, least int, behind string) string {
	digits := string(n.digits[:n.count])
	if missing := n.decimals + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	whole := strings.TrimLeft(digits[:len(digits)-n.decimals], "0")
	decimals := strings.TrimRight(digits[len(digits)-n.decimals:], "0")
	if whole == "" {
		whole = "0"
	}
	for decimals != "" && (len(decimals) < least || len(decimals) == 3 && whole != "0" && len(whole) <= 3) {
		decimals += "0"
	}
	if len(whole)+len(decimals) > mostDigits {
		return ""
	}
	if decimals != "" {
		whole += "." + decimals
	}
	return before + whole + behind
}

// words are looked up in any case. The first two letters rule out most words.
type words[V any] struct {
	values map[string]V
	begin  [1 << 10]bool
}

func newWords[V any](values map[string]V) *words[V] {
	w := &words[V]{values: values}
	for word := range values {
		w.begin[begin([]byte(word))] = true
	}
	return w
}

func (w *words[V]) get(letters []byte) (value V, known bool) {
	if len(letters) == 0 || !w.begin[begin(letters)] {
		return value, false
	}
	value, known = w.values[lowered(letters)]
	return value, known
}

// begin numbers the first one or two letters of a word, in any case.
func begin(letters []byte) int {
	first := int(letters[0]&31) << 5
	if len(letters) > 1 {
		first |= int(letters[1] & 31)
	}
	return first
}

// lettersEnd returns the end of the letters from i on, up to a limit.
func lettersEnd(b []byte, i int) int {
	begin := i
	for i < len(b) && i-begin < 16 && isLetter(b[i]) {
		i++
	}
	return i
}

// lettersBegin returns the beginning of the letters that end at i, up to a limit.
func lettersBegin(b []byte, i int) int {
	end := i
	for i > 0 && end-i < 16 && isLetter(b[i-1]) {
		i--
	}
	return i
}

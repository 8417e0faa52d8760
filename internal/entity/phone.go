package entity

import "slices"

// phone finds telephone numbers in international form (ITU-T E.164): + or 00, the code of
// a country, and as many digits as its numbers have, optionally with spaces, hyphens,
// points, slashes and parentheses between them. After 00 the number has at least eight
// digits after the code. Normal form: +32470123456, without a 0 that is dialled only
// inside the country: +44 (0)20, +31 06.
//
// Plans change and new ranges are assigned, so a number counts by its length, whether or
// not it was assigned. A number in national form could be of any country and is not
// found.
func phone(b []byte, from, _ int) (start, end int, normal string) {
	if !isDigit(b[from]) {
		return 0, 0, ""
	}
	start, least := from, 1
	switch {
	case from > 0 && b[from-1] == '+':
		start--
	case b[from] == '0' && from+1 < len(b) && b[from+1] == '0':
		from, least = from+2, 8
		if from < len(b) && b[from] == ' ' {
			from++
		}
	default:
		return 0, 0, ""
	}
	if from == len(b) || b[from] == '0' || !begins(b, start) || start > 0 && b[start-1] == '+' ||
		start > 1 && (b[start-1] == '.' || b[start-1] == ',' || b[start-1] == '-' || b[start-1] == '/') && isDigit(b[start-2]) {
		return 0, 0, ""
	}
	// The digits, and where each group of them ends.
	var digits [18]byte
	count, first := 0, true
	for i := from; ; {
		group := digitsEnd(b, i)
		if group == i || count+group-i > len(digits) {
			break
		}
		count += copy(digits[count:], b[i:group])
		if number := international(digits[:count], least); number != "" && ends(b, group) {
			end, normal = group, number
			if first && count >= 10 {
				break // +32470123456 10: if a long group is a complete number by itself, the number ends there
			}
		}
		first = false
		i = group
		for i < len(b) && i-group < 3 && !isDigit(b[i]) && slices.Contains(phoneBetween, b[i]) {
			i++
		}
		if i+2 < len(b) && b[i-1] == '(' && b[i] == '0' && b[i+1] == ')' {
			for i += 2; i < len(b) && b[i] == ' '; {
				i++
				break
			}
		}
		if i == group {
			break
		}
	}
	return start, end, normal
}

var phoneBetween = []byte(" -.()/")

// international returns the number made of a country code and the digits after it, or
// nothing if the country has no numbers of this length.
func international(digits []byte, least int) string {
	for size := 1; size <= 3 && size < len(digits); size++ {
		code := 0
		for _, c := range digits[:size] {
			code = 10*code + int(c-'0')
		}
		plan := phonePlans[code]
		if plan == 0 {
			continue
		}
		national := digits[size:]
		if national[0] == '0' && plan&phoneZero == 0 {
			if national = national[1:]; len(national) == 0 || national[0] == '0' {
				return ""
			}
		}
		if len(national) < least || size+len(national) < 7 || len(national) > 15 || plan>>len(national)&1 == 0 || allZero(national) {
			return ""
		}
		return "+" + string(digits[:size]) + string(national)
	}
	return ""
}

func allZero(digits []byte) bool {
	return !slices.ContainsFunc(digits, func(c byte) bool { return c != '0' })
}

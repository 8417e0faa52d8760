package entity

import "bytes"

// imei finds the numbers of handsets (3GPP TS 23.003, annex B): fifteen digits, the last
// one a check digit (Luhn), optionally with spaces, hyphens or slashes between them, and
// preceded by IMEI at most 16 characters earlier. Normal form: IMEI 490154203237518.
func imei(b []byte, from, to int) (start, end int, normal string) {
	if !isDigit(b[from]) {
		return 0, 0, ""
	}
	var number [15]byte
	n, i := 0, from
	for ; i < len(b) && n < len(number); i++ {
		switch {
		case isDigit(b[i]):
			number[n] = b[i]
			n++
		case b[i] == ' ', b[i] == '-', b[i] == '/':
			if !digitAt(b, i+1) {
				return 0, 0, ""
			}
		default:
			return 0, 0, ""
		}
	}
	if n < len(number) || !free(b, from, i) || !luhn(number[:]) {
		return 0, 0, ""
	}
	for start = from - 4; start >= max(0, from-16); start-- {
		if lowered(b[start:start+4]) != "imei" || !begins(b, start) {
			continue
		}
		between := b[start+4 : from]
		if len(between) > 0 && isDigit(between[0]) { // the second IMEI of a handset
			between = between[1:]
		}
		if bytes.ContainsAny(between, "0123456789\n;,") {
			break
		}
		return start, i, "IMEI " + string(number[:])
	}
	return 0, 0, ""
}

// luhn reports whether the last digit is the check digit of the others (ISO/IEC 7812-1,
// annex B).
func luhn(digits []byte) bool {
	sum := 0
	for i, c := range digits {
		d := int(c - '0')
		if (len(digits)-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

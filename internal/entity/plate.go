package entity

import (
	"bytes"
	"slices"
)

// plateForms are the forms of number plates that are hard to mistake: 9 means a digit, A
// a letter; other letters mean themselves.
var plateForms = [...]string{
	// Dutch sidecodes 3 to 14 (RDW), used for cars since 1978. The older forms, AA-99-99
	// and 99-99-AA, too often turn out to be dates and part numbers.
	"99-AA-99", "AA-99-AA", "AA-AA-99", "99-AA-AA", "99-AAA-9", "9-AAA-99",
	"AA-999-A", "A-999-AA", "AAA-99-A", "9-AA-999", "999-AA-9",
	// Dutch light commercial vehicles, tractors, and electric scooters.
	"V-99-AAA", "T-99-AAA", "E-99-AAA",
	// Belgian plates, for cars since 2010 (the first digit is 1 or 2) and on request.
	"9-ABB-999",
}

// plateLetters are the letters of Dutch plates; Belgian plates use all.
const plateLetters = "BDFGHJKLMNPRSTVWXYZ"

// platesRefused are combinations of letters that Dutch plates do not use.
var platesRefused = [...]string{"GVD", "KKK", "KVT", "LPF", "NSB", "PKK", "PSV", "PVV", "SD", "SGP", "SS", "TBS", "VVD"}

// plate finds number plates of Dutch and Belgian form, in capitals and with
// their hyphens. Normal form: as written. A country's form does not
// prove that the plate is from there.
func plate(b []byte, from, to int) (start, end int, normal string) {
	start = from
	for start > 0 && from-start < 7 && (class[b[start-1]] >= classDigit || b[start-1] == '-') {
		start--
	}
	end = to
	for end < len(b) && end-start < 11 && (class[b[end]] >= classDigit || b[end] == '-') {
		end++
	}
	s := b[start:end]
	if len(s) != 8 && len(s) != 9 || !free(b, start, end) || !slices.ContainsFunc(plateForms[:], func(form string) bool { return isPlate(s, form) }) {
		return 0, 0, ""
	}
	return start, end, string(s)
}

func isPlate(s []byte, form string) bool {
	if len(s) != len(form) {
		return false
	}
	for i, c := range s {
		switch form[i] {
		case '9':
			if !isDigit(c) {
				return false
			}
		case 'A':
			if len(form) == 8 && bytes.IndexByte([]byte(plateLetters), c) < 0 || class[c] != classUpper {
				return false
			}
		case 'B':
			if class[c] != classUpper {
				return false
			}
		default:
			if c != form[i] {
				return false
			}
		}
	}
	if len(form) == 9 {
		return s[0] != '0'
	}
	for part := range bytes.SplitSeq(s, []byte("-")) {
		if slices.Contains(platesRefused[:], string(part)) {
			return false
		}
	}
	return true
}

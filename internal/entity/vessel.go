package entity

// vessel finds the numbers of ships (IMO Resolution A.1117(30)): IMO in
// capitals and seven digits, the last one a check digit. Normal form:
// IMO 9074729.
func vessel(b []byte, from, to int) (start, end int, normal string) {
	digits := from
	for digits < to && !isDigit(b[digits]) {
		digits++
	}
	if to-digits != 7 || digitsEnd(b, digits) != to {
		return 0, 0, ""
	}
	start = digits
	for start > 0 && digits-start < 2 && (b[start-1] == ' ' || b[start-1] == ':' || b[start-1] == '-') {
		start--
	}
	if start -= 3; start < 0 || string(b[start:start+3]) != "IMO" || !free(b, start, to) {
		return 0, 0, ""
	}
	sum := 0
	for i, c := range b[digits : to-1] {
		sum += int(c-'0') * (7 - i)
	}
	if sum%10 != int(b[to-1]-'0') {
		return 0, 0, ""
	}
	return start, to, "IMO " + string(b[digits:to])
}

package entity

// container finds the numbers of freight containers (ISO 6346:2022): three
// letters of the owner, U, J or Z, six digits and a check digit, in one word;
// or in capitals with a space or hyphen after the letters or before the check
// digit. Normal form: MSCU1234566.
func container(b []byte, from, to int) (start, end int, normal string) {
	switch n := to - from; {
	case n == 10 || n == 11:
		return containerAt(b, from)
	case (n == 6 || n == 7) && isDigit(b[from]) && from >= 5 && (b[from-1] == ' ' || b[from-1] == '-'):
		return containerAt(b, from-5)
	}
	return 0, 0, ""
}

func containerAt(b []byte, start int) (_, end int, normal string) {
	var number [11]byte
	i, separated := start, false
	for n := range number {
		if (n == 4 || n == 10) && i < len(b) && (b[i] == ' ' || b[i] == '-') {
			i++
			separated = true
		}
		if i == len(b) || n < 4 != isLetter(b[i]) || n >= 4 && !isDigit(b[i]) {
			return 0, 0, ""
		}
		number[n] = upper(b[i])
		if n > 0 && n < 4 && class[b[i]] != class[b[start]] {
			return 0, 0, ""
		}
		i++
	}
	category := number[3] == 'U' || number[3] == 'J' || number[3] == 'Z'
	if !category || separated && class[b[start]] != classUpper || !free(b, start, i) || number[10] != containerCheck(number[:10]) {
		return 0, 0, ""
	}
	return start, i, string(number[:])
}

// containerCheck returns the check digit (ISO 6346, annex A): letters have the values
// from 10 up, skipping the multiples of 11; each place weighs twice as much as the
// previous one.
func containerCheck(number []byte) byte {
	sum := 0
	for i, c := range number {
		value := int(c - '0')
		if c >= 'A' {
			value = int(c-'A') + 10
			value += (value - 1) / 10
		}
		sum += value << i
	}
	return '0' + byte(sum%11%10)
}

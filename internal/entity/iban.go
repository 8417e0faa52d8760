package entity

// ibanLengths is the length of the account numbers of each country (SWIFT IBAN
// Registry, release 99).
var ibanLengths = map[[2]byte]int{
	{'A', 'D'}: 24, {'A', 'E'}: 23, {'A', 'L'}: 28, {'A', 'T'}: 20, {'A', 'Z'}: 28, {'B', 'A'}: 20, {'B', 'E'}: 16,
	{'B', 'G'}: 22, {'B', 'H'}: 22, {'B', 'I'}: 27, {'B', 'R'}: 29, {'B', 'Y'}: 28, {'C', 'H'}: 21, {'C', 'R'}: 22,
	{'C', 'Y'}: 28, {'C', 'Z'}: 24, {'D', 'E'}: 22, {'D', 'J'}: 27, {'D', 'K'}: 18, {'D', 'O'}: 28, {'E', 'E'}: 20,
	{'E', 'G'}: 29, {'E', 'S'}: 24, {'F', 'I'}: 18, {'F', 'K'}: 18, {'F', 'O'}: 18, {'F', 'R'}: 27, {'G', 'B'}: 22,
	{'G', 'E'}: 22, {'G', 'I'}: 23, {'G', 'L'}: 18, {'G', 'R'}: 27, {'G', 'T'}: 28, {'H', 'N'}: 28, {'H', 'R'}: 21,
	{'H', 'U'}: 28, {'I', 'E'}: 22, {'I', 'L'}: 23, {'I', 'Q'}: 23, {'I', 'S'}: 26, {'I', 'T'}: 27, {'J', 'O'}: 30,
	{'K', 'W'}: 30, {'K', 'Z'}: 20, {'L', 'B'}: 28, {'L', 'C'}: 32, {'L', 'I'}: 21, {'L', 'T'}: 20, {'L', 'U'}: 20,
	{'L', 'V'}: 21, {'L', 'Y'}: 25, {'M', 'C'}: 27, {'M', 'D'}: 24, {'M', 'E'}: 22, {'M', 'K'}: 19, {'M', 'N'}: 20,
	{'M', 'R'}: 27, {'M', 'T'}: 31, {'M', 'U'}: 30, {'N', 'I'}: 28, {'N', 'L'}: 18, {'N', 'O'}: 15, {'O', 'M'}: 23,
	{'P', 'K'}: 24, {'P', 'L'}: 28, {'P', 'S'}: 29, {'P', 'T'}: 25, {'Q', 'A'}: 29, {'R', 'O'}: 24, {'R', 'S'}: 22,
	{'R', 'U'}: 33, {'S', 'A'}: 24, {'S', 'C'}: 31, {'S', 'D'}: 18, {'S', 'E'}: 24, {'S', 'I'}: 19, {'S', 'K'}: 24,
	{'S', 'M'}: 27, {'S', 'O'}: 23, {'S', 'T'}: 25, {'S', 'V'}: 28, {'T', 'L'}: 23, {'T', 'N'}: 24, {'T', 'R'}: 26,
	{'U', 'A'}: 29, {'V', 'A'}: 22, {'V', 'G'}: 24, {'X', 'K'}: 20, {'Y', 'E'}: 30,
}

// iban finds international bank account numbers (ISO 13616-1): of the country's length,
// with correct check digits (ISO 7064, mod 97-10), in one word or in groups of four
// separated by a space or hyphen. Normal form: in one word, in capitals.
func iban(b []byte, from, to int) (start, end int, normal string) {
	if !isLetter(b[from]) || !isLetter(b[from+1]) || !isDigit(b[from+2]) || !isDigit(b[from+3]) {
		return 0, 0, ""
	}
	length := ibanLengths[[2]byte{upper(b[from]), upper(b[from+1])}]
	if length == 0 || to-from != 4 && to-from != length {
		return 0, 0, ""
	}
	var number [34]byte
	i := from
	for n := range length {
		if to-from == 4 && n%4 == 0 && n > 0 {
			if i == len(b) || b[i] != ' ' && b[i] != '-' {
				return 0, 0, ""
			}
			i++
		}
		if i == len(b) || class[b[i]] < classDigit {
			return 0, 0, ""
		}
		number[n] = upper(b[i])
		i++
	}
	if !free(b, from, i) || mod97(number[4:length], number[:4]) != 1 {
		return 0, 0, ""
	}
	return from, i, string(number[:length])
}

func mod97(parts ...[]byte) (rest int) {
	for _, part := range parts {
		for _, c := range part {
			if isDigit(c) {
				rest = (10*rest + int(c-'0')) % 97
			} else {
				rest = (100*rest + int(c-'A') + 10) % 97
			}
		}
	}
	return rest
}

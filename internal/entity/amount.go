package entity

// currencies are words for currencies, in upper or lower case.
var currencies = newWords(map[string]string{
	"eur": "EUR", "euro": "EUR", "euros": "EUR", "usd": "USD", "gbp": "GBP", "chf": "CHF",
	"dollar": "$", "dollars": "$", "btc": "BTC", "bitcoin": "BTC", "bitcoins": "BTC", "usdt": "USDT", "usdc": "USDC",
})

// currencyCodes are codes (ISO 4217) that count only in capitals, without those that are
// also words, such as ALL, MAD and TOP; TL means TRY.
var currencyCodes = map[string]bool{
	"AED": true, "AUD": true, "BGN": true, "BRL": true, "CAD": true, "CNY": true, "CZK": true, "DKK": true, "HKD": true,
	"HUF": true, "ILS": true, "INR": true, "JPY": true, "KRW": true, "MXN": true, "NOK": true, "NZD": true, "PLN": true,
	"RSD": true, "RUB": true, "SAR": true, "SEK": true, "SGD": true, "TL": true, "UAH": true, "ZAR": true,
}

// dollars are the prefixes of a $ that indicate its country.
var dollars = map[string]string{"US": "USD", "A": "AUD", "AU": "AUD", "C": "CAD", "CA": "CAD", "HK": "HKD", "NZ": "NZD", "R": "BRL"}

// signCodes are the codes of the signs, in the same order. A $ is the dollar of many
// countries, and ¥ is two currencies: they are not translated.
var signCodes = [plainSignEnd - plainSign]string{"EUR", "GBP", "¥", "TL", "RUB", "UAH", "BTC", "INR", "ILS", "KRW"}

// multiples are words after a number, with the zeros that they add.
var multiples = newWords(map[string]int{
	"k": 3, "thousand": 3, "duizend": 3, "tausend": 3, "mille": 3,
	"m": 6, "mln": 6, "mio": 6, "million": 6, "millions": 6, "miljoen": 6, "millionen": 6, "millones": 6,
})

// amount finds amounts of money: a number with the sign, the code or the name of a
// currency before or after it, and optionally thousand or million, short or long:
// €50.000, EUR 50 000, 50k euro, 1,5 mln euro. Three digits after a point or a comma
// are thousands, because money has at most two decimals; in a currency with more
// decimals such an amount is ambiguous and not found. Normal form: code and number,
// EUR 50000, EUR 12.50.
func amount(b []byte, from, to int) (start, end int, normal string) {
	digit := from
	for digit < to && !isDigit(b[digit]) {
		digit++
	}
	n, ok := numberAt(b, digit)
	if !ok {
		return 0, 0, ""
	}
	before, code := currencyBefore(b, from, digit)
	if code == "" && from < digit {
		return 0, 0, ""
	}
	places, multiple := multipleAt(b, n.end, code != "")
	after, codeBehind := currencyAt(b, multiple)
	if codeBehind != "" && (code == "" || before > 1 && (digitAt(b, before-1) || b[before-1] == ' ' && digitAt(b, before-2))) {
		code, before = codeBehind, digit // the currency before belongs to another number
		end = after
	} else if end = multiple; code == "" {
		return 0, 0, ""
	}
	fine := code == "BTC" || code == "USDT" || code == "USDC"
	if n.unclear && (fine || places > 0) || !fine && places == 0 && n.decimals > 2 {
		return 0, 0, ""
	}
	n.times(places)
	if !fine && n.decimals > 2 {
		return 0, 0, ""
	}
	if end+1 < len(b) && (b[end] == ',' || b[end] == '.') && b[end+1] == '-' && ends(b, end+2) {
		end += 2 // 50,-
	}
	if !free(b, before, end) {
		return 0, 0, ""
	}
	least := 2
	if fine {
		least = 0
	}
	return before, end, n.normal(code+" ", least, "")
}

// currencyBefore returns where the currency before the digit of a word begins.
func currencyBefore(b []byte, from, digit int) (start int, code string) {
	start = digit
	if from == digit && start > 0 && b[start-1] == ' ' {
		start--
	}
	if start > 0 && b[start-1] == '$' {
		letters := lettersBegin(b, start-1)
		if letters == start-1 {
			return start - 1, "$"
		}
		return letters, dollars[string(b[letters:start-1])]
	}
	if start > 0 && b[start-1] >= plainSign && b[start-1] < plainSignEnd {
		return start - 1, signCodes[b[start-1]-plainSign]
	}
	letters := lettersBegin(b, start)
	if !begins(b, letters) {
		return letters, ""
	}
	return letters, currencyWord(b[letters:start])
}

// currencyAt returns where the currency at i ends.
func currencyAt(b []byte, i int) (end int, code string) {
	if i < len(b) && b[i] == ' ' {
		i++
	}
	if i == len(b) {
		return i, ""
	}
	if b[i] == '$' {
		return i + 1, "$"
	}
	if b[i] >= plainSign && b[i] < plainSignEnd {
		return i + 1, signCodes[b[i]-plainSign]
	}
	end = lettersEnd(b, i)
	return end, currencyWord(b[i:end])
}

func currencyWord(letters []byte) string {
	if len(letters) > 0 && class[letters[0]] == classUpper && currencyCodes[string(letters)] {
		return string(letters)
	}
	code, _ := currencies.get(letters)
	return code
}

// multipleAt reads a multiple at i. A short multiple after a space counts only if no
// currency precedes the number.
func multipleAt(b []byte, i int, currency bool) (places, end int) {
	begin := i
	if begin < len(b) && b[begin] == ' ' {
		begin++
	}
	end = lettersEnd(b, begin)
	if end == begin {
		return 0, i
	}
	places, _ = multiples.get(b[begin:end])
	switch {
	case places > 0 && (begin == i || !currency || end-begin > 1):
		return places, end
	case begin == i && lower(b[begin]) == 'k' && currencyWord(b[begin+1:end]) != "":
		return 3, begin + 1 // 50keuro
	}
	return 0, i
}

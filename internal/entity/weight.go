package entity

// units has, for each unit, the place of the point when converting to grams.
var units = newWords(map[string]int{
	"kg": 3, "kgs": 3, "kilo": 3, "kilos": 3, "kilogram": 3, "kilograms": 3, "kilogramm": 3, "kilogramme": 3,
	"kilogrammes": 3, "kilogramo": 3, "kilogramos": 3,
	"g": 0, "gr": 0, "gram": 0, "grams": 0, "gramm": 0, "gramme": 0, "grammes": 0, "gramo": 0, "gramos": 0,
	"tonne": 6, "tonnes": 6,
})

// weight finds a number with kg or kilo, g or gram, tonne (1,000 kg), or the words
// for them in a few languages. Normal form: whole kilograms, or grams: 50 kg,
// 2500 g. A ton is not found: it may be short, long, or 100,000 euro. Neither is
// 1.250 kg, which is about one kilogram in one country and a thousand in another.
func weight(b []byte, from, _ int) (start, end int, normal string) {
	if !isDigit(b[from]) || !begins(b, from) {
		return 0, 0, ""
	}
	n, ok := numberAt(b, from)
	if !ok || n.unclear {
		return 0, 0, ""
	}
	unit := n.end
	if unit < len(b) && b[unit] == ' ' {
		unit++
	}
	end = lettersEnd(b, unit)
	places, known := units.get(b[unit:end])
	if !known || !ends(b, end) {
		return 0, 0, ""
	}
	if end == unit+1 && (b[unit] == 'G' || unit == n.end && n.count == 1) {
		return 0, 0, "" // 4G, and its variants
	}
	n.times(places)
	if n.decimals == 0 && n.count > 3 && string(n.digits[n.count-3:n.count]) == "000" {
		n.count -= 3
		return n.start, end, n.normal("", 0, " kg")
	}
	return n.start, end, n.normal("", 0, " g")
}

package entity

import (
	"strconv"
	"strings"
)

// coordinates finds a latitude and a longitude in degrees (WGS 84 or another
// datum: the text does not state it), each with at least four decimals, and a comma
// between them or N or S and E or W after them, as maps print them. Normal
// form: five decimals, about a metre: 51.22170,4.40250.
func coordinates(b []byte, from, to int) (start, end int, normal string) {
	if to-from > 2 || !isDigit(b[from]) || to == len(b) || b[to] != '.' {
		return 0, 0, ""
	}
	start = from
	if start > 0 && b[start-1] == '-' && !digitAt(b, start-2) {
		start--
	}
	if start > 0 && (class[b[start-1]] != classNone || b[start-1] == '.' || b[start-1] == '-') ||
		start > 1 && b[start-1] == ',' && isDigit(b[start-2]) {
		return 0, 0, ""
	}
	latitude, i, turnedLatitude := degrees(b, start, 90, 'N', 'S')
	if i == 0 {
		return 0, 0, ""
	}
	comma := false
	for space := 0; i < len(b) && (b[i] == ' ' || !comma && b[i] == ',') && space < 3; i++ {
		comma = comma || b[i] == ','
		space++
	}
	longitude, end, turnedLongitude := degrees(b, i, 180, 'E', 'W')
	if end == 0 || turnedLatitude != turnedLongitude || !comma && !turnedLatitude || !free(b, start, end) ||
		end < len(b)-1 && b[end] == '.' && isDigit(b[end+1]) {
		return 0, 0, ""
	}
	return start, end, latitude + "," + longitude
}

// degrees reads a number of degrees and the letter of its hemisphere; end is 0 if there
// is no number.
func degrees(b []byte, i int, most float64, positive, negative byte) (normal string, end int, turned bool) {
	begin := i
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := digitsEnd(b, i)
	if whole == i || whole-i > 3 || whole == len(b) || b[whole] != '.' {
		return "", 0, false
	}
	end = digitsEnd(b, whole+1)
	if decimals := end - whole - 1; decimals < 4 || decimals > 17 {
		return "", 0, false
	}
	value, err := strconv.ParseFloat(string(b[begin:end]), 64)
	if err != nil || value > most || value < -most {
		return "", 0, false
	}
	side := end
	for side < len(b) && side-end < 2 && (b[side] == plainDegree || b[side] == ' ') {
		if end == side && b[side] == plainDegree {
			end++
		}
		side++
	}
	if side < len(b) && (b[side] == positive || b[side] == negative) && b[begin] != '-' && free(b[side:], 0, 1) {
		if b[side] == negative {
			value = -value
		}
		end, turned = side+1, true
	}
	normal = strconv.FormatFloat(value, 'f', 5, 64)
	if strings.Trim(normal, "-0.") == "" {
		normal = "0.00000"
	}
	return normal, end, turned
}

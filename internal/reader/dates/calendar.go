package dates

import "time"

// Calendar converts a date whose year shows that it belongs to another calendar to the
// Gregorian one. The calendar is "" for Gregorian; ok is false for a day that does not
// exist, and for the Islamic calendar, whose days depend on the country.
//
// In the years of phones with chats, the calendars do not overlap: 1990 to 2046 are
// 2533 to 2589 of the Buddhist one and 1369 to 1425 of the Persian one, and 2007 to
// 2046 are 1428 to 1468 of the Islamic one.
func Calendar(year, month, day int) (y, m, d int, calendar string, ok bool) {
	switch {
	case year >= 2513 && year <= 2743:
		return year - 543, month, day, "Buddhist", Valid(year-543, month, day)
	case year >= 1348 && year <= 1425:
		y, m, d, ok = persianDate(year, month, day)
		return y, m, d, "Persian", ok
	case year >= 1426 && year <= 1500:
		return year, month, day, "Islamic", false
	}
	return year, month, day, "", Valid(year, month, day)
}

// persianDate converts a day of the years 1348, which began on 21 March 1969, to 1502.
// In these, 8 of 33 years are leap years.
func persianDate(year, month, day int) (y, m, d int, ok bool) {
	leap := func(year int) bool { return (8*year+29)%33 < 8 }
	if month < 1 || month > 12 || day < 1 {
		return 0, 0, 0, false
	}
	longest := 30
	if month <= 6 {
		longest = 31
	} else if month == 12 && !leap(year) {
		longest = 29
	}
	days := day - 1 + 30*(month-1) + min(month-1, 6)
	for before := 1348; before < year; before++ {
		days += 365
		if leap(before) {
			days++
		}
	}
	at := time.Date(1969, time.March, 21+days, 0, 0, 0, 0, time.UTC)
	return at.Year(), int(at.Month()), at.Day(), day <= longest
}

package entity

// email finds addresses in the form of e-mail (RFC 5321, without quotes and comments),
// which Jabber accounts also have. Normal form: lower case, which in theory joins
// addresses that a server may distinguish.
func email(b []byte, from, to int) (start, end int, normal string) {
	start = from
	for start > 0 && from-start < 64 && isLocal(b[start-1]) {
		start--
	}
	for start < from && (b[start] == '.' || b[start] == '-' || b[start] == '+') {
		start++
	}
	if start == from || b[from-1] == '.' || !begins(b, start) {
		return 0, 0, ""
	}
	for i := start; i < from-1; i++ {
		if b[i] == '.' && b[i+1] == '.' {
			return 0, 0, ""
		}
	}
	user := start // part of a link, as in https://user:password@example.org
	for user > 0 && from-user < 2*64 && isAuthority(b[user-1]) {
		user--
	}
	if user > 1 && b[user-1] == '/' && b[user-2] == '/' {
		return 0, 0, ""
	}
	end = domainEnd(b, to)
	if end == to || end-start > MaxNormal || end < len(b) && b[end] == '@' {
		return 0, 0, ""
	}
	return start, end, lowered(b[start:end])
}

func isLocal(c byte) bool {
	return class[c] >= classDigit || c == '.' || c == '_' || c == '-' || c == '+' || c == '%'
}

// domainEnd returns where the domain name that begins at i ends (RFC 1035,
// section 2.3.1): labels of letters, digits and hyphens, at least two, the
// last one not only of digits. It is i if there is none, or if it contains a letter beyond ASCII.
func domainEnd(b []byte, i int) int {
	begin, label, end, labels := i, i, i, 0
	for ; i <= len(b) && i-begin <= 253; i++ {
		if i < len(b) && (class[b[i]] >= classDigit || b[i] == '-') {
			continue
		}
		if i == label || i-label > 63 || b[label] == '-' || b[i-1] == '-' {
			break
		}
		if i < len(b) && class[b[i]] == classGlue {
			return begin
		}
		labels++
		end = i
		if label = i + 1; i == len(b) || b[i] != '.' {
			break
		}
	}
	last := end
	for last > begin && b[last-1] != '.' {
		last--
	}
	if labels < 2 || end-last < 2 || !isLetter(b[last]) || i < len(b) && class[b[i]] == classGlue {
		return begin
	}
	return end
}

func lowered(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		out[i] = lower(c)
	}
	return string(out)
}

package entity

// host finds the host of links that begin with http:// or https:// (RFC 3986):
// a name of several labels, or an IPv4 address. Normal form: in lower case,
// otherwise as written. Nothing is ever fetched.
func host(b []byte, from, to int) (start, end int, normal string) {
	scheme := from
	for scheme > 0 && from-scheme < 6 && isLetter(b[scheme-1]) {
		scheme--
	}
	if s := lowered(b[scheme:from]); s != "http" && s != "https" || !free(b, scheme, from) {
		return 0, 0, ""
	}
	start, end = to, to
	for ; end < len(b) && end-to <= MaxNormal && isAuthority(b[end]); end++ {
		if b[end] == '@' {
			start = end + 1
		}
	}
	if end-to > MaxNormal {
		return 0, 0, ""
	}
	for i := start; i < end; i++ {
		if b[i] == ':' {
			end = i
		}
	}
	for end > start && b[end-1] == '.' {
		end--
	}
	dots := 0
	for i := start; i < end; i++ {
		switch {
		case b[i] == '.':
			dots++
			if i == start || b[i-1] == '.' {
				return 0, 0, ""
			}
		case class[b[i]] == classNone && b[i] != '-' || b[i] == '_':
			return 0, 0, ""
		}
	}
	if dots == 0 {
		return 0, 0, ""
	}
	return start, end, "host"
}

// isAuthority reports whether a character may be in the part of a link with the host,
// the user and the port.
func isAuthority(c byte) bool {
	return class[c] != classNone || c == '.' || c == '-' || c == '@' || c == ':' || c == '%' || c == '~' || c == '!' || c == '$' || c == '&' || c == '+' || c == '='
}

package mail

import (
	"net/mail"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/build"
)

// mailAddresses reads a list of addresses (RFC 5322, 3.4). A list that breaks the rules is
// split at the separators of mail programs: a comma, a semicolon, the line's end, a closing
// bracket, and the space between two addresses. others are the pieces without an address.
func mailAddresses(raw string) (list []*mail.Address, others []string) {
	parser := mail.AddressParser{WordDecoder: &wordDecoder}
	list, err := parser.ParseList(raw)
	if err != nil {
		for raw != "" {
			end, next := addressEnd(raw)
			one := strings.TrimSpace(raw[:end])
			raw = raw[next:]
			if one == "" {
				continue
			}
			if found := addressesIn(one); found != nil {
				list = append(list, found...)
			} else {
				others = append(others, words(one))
			}
		}
	}
	for i, a := range list {
		if strings.HasPrefix(a.Address, "=?") { // encoded as a whole
			if found := addressesIn(words(a.Address)); len(found) == 1 {
				*list[i] = *found[0]
			}
		}
		a.Name = plainName(words(a.Name)) // encoded inside quotes, which is common
		if n := len(a.Address); n > 2 && a.Address[0] == '\'' && a.Address[n-1] == '\'' {
			a.Address = a.Address[1 : n-1]
		}
	}
	return list, others
}

// addressEnd returns the end of the first address of a list and the start of the next one.
// Nothing ends in quotes, in a comment or in angle brackets.
func addressEnd(s string) (end, next int) {
	quoted, comments, angle := false, 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && (quoted || comments > 0):
			i++
		case c == '"' && comments == 0:
			quoted = !quoted && strings.IndexByte(s[i+1:], '"') >= 0
		case quoted:
		case c == '(':
			comments++
		case c == ')':
			comments = max(0, comments-1)
		case comments > 0:
		case c == '<':
			angle = true
		case c == '>':
			return i + 1, i + 1
		case angle && c != '\n':
		case c == ',' || c == ';' || c == '\n':
			return i, i + 1
		}
	}
	return len(s), len(s)
}

// addressesIn returns the address in a piece, or several separated by spaces. It returns none
// if the piece has no address.
func addressesIn(s string) []*mail.Address {
	if group, behind, ok := strings.Cut(s, ":"); ok && !strings.ContainsAny(group, `"<(@`) {
		s = strings.TrimSpace(behind) // the name of a group, or mailto
	}
	if at := strings.LastIndexByte(s, '<'); at >= 0 {
		name := s[:at]
		address, _, _ := strings.Cut(s[at+1:], ">")
		address = strings.TrimPrefix(strings.TrimSpace(address), "mailto:")
		if build.IsAddress(address) {
			name = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.Trim(strings.TrimSpace(name), `"`))
			return []*mail.Address{{Name: words(name), Address: address}}
		}
		if s = strings.TrimSpace(name); s == "" {
			return nil
		}
	}
	if whole := words(s); whole != s && strings.Contains(whole, "@") && !strings.Contains(whole, "=?") {
		return addressesIn(whole)
	}
	s, comment, _ := strings.Cut(s, "(")
	var list []*mail.Address
	for one := range strings.FieldsSeq(s) {
		if !build.IsAddress(one) {
			return nil
		}
		list = append(list, &mail.Address{Address: one})
	}
	if len(list) == 1 {
		list[0].Name = words(strings.TrimSuffix(comment, ")"))
	}
	return list
}

// plainName removes the quotes that programs put around a name once too often.
func plainName(name string) string {
	name = argus.CleanName(name)
	for len(name) > 1 && (name[0] == '"' || name[0] == '\'') && name[len(name)-1] == name[0] {
		name = argus.CleanName(name[1 : len(name)-1])
	}
	return name
}

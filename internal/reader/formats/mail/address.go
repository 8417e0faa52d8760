package mail

import (
	"net/mail"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/build"
)

// mailAddresses reads a list of addresses (RFC 5322, 3.4). Where it does not follow the
// rules, it is taken apart at what mail programs take for an end: a comma, a semicolon,
// the line's end, a closing bracket, and the space between two addresses. others are
// the pieces that no address is in.
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
		a.Name = plainName(words(a.Name)) // encoded inside of quotes, which is common
		if n := len(a.Address); n > 2 && a.Address[0] == '\'' && a.Address[n-1] == '\'' {
			a.Address = a.Address[1 : n-1]
		}
	}
	return list, others
}

// addressEnd returns where the first address of a list ends, and where the next one
// begins. Nothing ends in quotes, in a comment or in angle brackets.
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

// addressesIn returns the address of a piece, or several that stand with spaces
// between them; none if there is no address in it.
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

// plainName is a name without the quotes that programs put around it once too often.
func plainName(name string) string {
	name = argus.CleanName(name)
	for len(name) > 1 && (name[0] == '"' || name[0] == '\'') && name[len(name)-1] == name[0] {
		name = argus.CleanName(name[1 : len(name)-1])
	}
	return name
}

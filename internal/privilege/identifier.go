package privilege

import (
	"strings"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/publicsuffix"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
)

// The kinds of identifier.
const (
	kindAccount = "account" // on a service; "" for any service
	kindPhone   = "phone"   // E.164: +32470123456
	kindEmail   = "email"   // in lower case; also used for Jabber accounts
	kindDomain  = "domain"  // of a firm; it matches every address in it and its subdomains
)

// An Identifier is one way to recognise a person, in its normal form.
type Identifier struct {
	Kind string `json:"kind"`
	// Service is the service of an account; "" means any service.
	Service string `json:"service,omitempty"`
	Value   string `json:"value"`
}

// accountForm returns the normal form of an account: case-folded, without invisible marks
// and without a leading @.
func accountForm(account string) string {
	return strings.ToLower(strings.TrimPrefix(argus.CleanName(account), "@"))
}

// leastBare is the minimum number of digits in an international number without its +. The user
// numbers that services assign are shorter.
const leastBare = 11

// phoneForm returns a telephone number in E.164. It accepts any spelling in international
// form, and in the national form of one of the given countries (ISO 3166) if the number is
// valid there.
func phoneForm(written string, countries []string) (string, bool) {
	written = argus.CleanName(strings.TrimPrefix(argus.CleanName(written), "tel:"))
	if len(written) > 64 {
		return "", false
	}
	if len(written) >= leastBare && strings.Trim(written, "0123456789") == "" && written[0] != '0' {
		if normal, ok := entity.Normal("+" + written); ok {
			return normal, true
		}
	}
	if normal, ok := entity.Normal(written); ok && normal[0] == '+' {
		return normal, true
	}
	if strings.HasPrefix(written, "+") || strings.HasPrefix(written, "00") {
		return "", false // it is international, but its length is not valid in any country
	}
	for _, country := range countries {
		number, err := phonenumbers.Parse(written, country)
		if err == nil && phonenumbers.IsValidNumberForRegion(number, country) {
			return phonenumbers.Format(number, phonenumbers.E164), true
		}
	}
	return "", false
}

// emailForm returns an e-mail or Jabber address, without a resource.
func emailForm(written string) (string, bool) {
	written = strings.TrimPrefix(argus.CleanName(written), "mailto:")
	if i := strings.IndexByte(written, '/'); i > 0 && strings.IndexByte(written[:i], '@') > 0 {
		written = written[:i] // the resource of a Jabber account
	}
	normal, ok := entity.Normal(written)
	return normal, ok && strings.Contains(normal, "@")
}

// domainForm returns the domain of an address or a link, or a domain itself. It returns false
// for a public suffix, under which anyone can register a name.
func domainForm(written string) (string, bool) {
	s := strings.ToLower(argus.CleanName(written))
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	s = s[strings.LastIndexByte(s, '@')+1:]
	if i := strings.IndexAny(s, "/?#:"); i >= 0 {
		s = s[:i]
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "www."), ".")
	if email, ok := emailForm("a@" + s); !ok || email != "a@"+s {
		return "", false
	}
	_, err := publicsuffix.EffectiveTLDPlusOne(s)
	return s, err == nil
}

// parents yields a domain and its parent domains, as long as they contain a dot.
func parents(domain string, yield func(string) bool) {
	for strings.Contains(domain, ".") {
		if !yield(domain) {
			return
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
}

// forms yields the identifiers that match an account in a message.
func forms(service, account string, countries []string, yield func(Identifier)) {
	if form := accountForm(account); form != "" {
		yield(Identifier{kindAccount, service, form})
		yield(Identifier{kindAccount, "", form})
	}
	if strings.ContainsAny(account, "0123456789") {
		if phone, ok := phoneForm(account, countries); ok {
			yield(Identifier{kindPhone, "", phone})
		}
	}
	if strings.Contains(account, "@") {
		if email, ok := emailForm(account); ok {
			yield(Identifier{kindEmail, "", email})
			_, host, _ := strings.Cut(email, "@")
			parents(host, func(domain string) bool {
				yield(Identifier{kindDomain, "", domain})
				return true
			})
		}
	}
}

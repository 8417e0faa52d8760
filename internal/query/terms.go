package query

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/entity"
	"github.com/argus-evidence/argus/internal/same"
)

// Fields are the fields that have terms, in the order of their description.
var Fields = []FieldName{From, To, With, In, Service, Delivery, Has, Is, Lang, Country, Entity, Same}

// These are the words that has: and is: take.
var (
	HasWords = []string{"attachment", "link", "reply", "forward", "text", "time"}
	IsWords  = slices.Concat(argus.StateWords[:], []string{"differs", argus.MessageWord}, argus.TypeWords[1:])
)

// These are the indexes in IsWords of the words that are not states.
const (
	isDiffers = len(argus.StateWords) + iota
	isMessage
	isType // of type 1, which other types follow: type 0, a text, has only the word message
)

// Exact begins a value that matches an account or conversation letter for letter:
// from:=Q3XK9A matches the account Q3XK9A, but no name or longer account that contains that
// word. Each account and conversation has one such term; no other term begins with Exact.
//
// lang:=nl and country:=NL match the messages whose source states the language, the country.
const Exact = "="

// Found ends a language or a country that no source states: lang:nl? matches messages that
// Argus found to be in nl.
const Found = "?"

// Terms yields the terms that a message has in a field. If yield returns false, Terms
// stops and returns false. It defines the fields: [Match] compares a value with these
// terms, and an index indexes them. A term of any sighting is a term of the message,
// except is:locked, is:differs and same.
//
//	from, to, with  for each account: Exact followed by the account as it is; and
//	                for the account and the sender's shown name: the whole, each
//	                part between spaces, and each word. with also has these terms
//	                for the accounts that facts name: those that took part in a
//	                call, or are on a card, in a room or in a change of its members
//	in              the same for the conversation and its title, and Exact followed
//	                by the conversation that the message begins
//	service         the service
//	delivery        each delivery as D-0007
//	has, is         words from HasWords and IsWords: is:locked if no sighting can be
//	                read, is:differs if two of them differ
//	lang            the language in lower case and its shorter forms: pt-br, pt. A
//	                language that the source states also has each form after Exact. If
//	                the source states none, the language that Argus finds in the text
//	                also has each form before Found
//	country         each of [entity.Countries]; also after Exact if the source states it,
//	                otherwise also before Found
//	entity          the kind and the normal form of each identifier in the text
//	                (package entity), and of each telephone number in national
//	                form that intake found
//	same            the key of the content ([Doc.SameKey]), if it has one
//
// Terms are folded like text, except for Exact, delivery, country, entity and same; wholes
// and parts keep their punctuation. A term may come more than once, and is valid until yield
// returns. Terms replaces the analyzer's text.
func (a *Analyzer) Terms(d *Doc, name FieldName, yield func(term []byte) bool) bool {
	switch name {
	case Has:
		set := uint(0)
		for i := range d.Sightings {
			set |= has(d.Sightings[i].Message)
		}
		return a.words(HasWords, set, yield)
	case Is:
		return a.words(IsWords, d.is(), yield)
	case Same:
		key := a.sameKey(d)
		return key == (same.Key{}) || yield(append(a.whole[:0], key.String()...))
	case Entity:
		for text := range d.texts {
			if !a.entities(a.finder.Find(text), yield) {
				return false
			}
		}
		return !slices.ContainsFunc(d.Sightings, func(s Sighting) bool { return !a.entities(entity.National(s.Message, ""), yield) })
	}
	for i := range d.Sightings {
		if !a.sightingTerms(&d.Sightings[i], name, yield) {
			return false
		}
	}
	return true
}

// sightingTerms yields the terms in those fields for which each sighting has its own terms.
func (a *Analyzer) sightingTerms(s *Sighting, name FieldName, yield func(term []byte) bool) bool {
	m := s.Message
	switch name {
	case From:
		return a.exact(m.From, yield) && a.name(m.From, yield) && a.name(m.FromName, yield)
	case To:
		for _, account := range m.To {
			if !a.exact(account, yield) || !a.name(account, yield) {
				return false
			}
		}
	case With, In:
		return !slices.ContainsFunc(name.Parts(), func(name FieldName) bool { return !a.sightingTerms(s, name, yield) })
	case Named:
		for account := range m.Facts.Accounts {
			if !a.exact(account, yield) || !a.name(account, yield) {
				return false
			}
		}
	case Begun:
		return a.exact(m.Begun(), yield)
	case Thread:
		return a.exact(m.Conversation, yield) && a.name(m.Conversation, yield) && a.name(m.Title, yield)
	case Service:
		whole := a.foldWhole(m.Service)
		return len(whole) == 0 || yield(whole)
	case Delivery:
		if s.Delivery == 0 {
			return true
		}
		return a.term(s.Delivery.String(), yield)
	case Lang:
		if found := a.FoundLanguage(m); found != "" {
			return a.lang(found, Found, yield)
		}
		return a.lang(m.Lang, Exact, yield)
	case Country:
		for one := range entity.Countries(m) {
			mark := Exact
			if one.Number != "" {
				mark = Found
			}
			if !a.marked(one.Country, mark, yield) {
				return false
			}
		}
	}
	return true
}

// FoundLanguage returns the language that Argus finds in a message's text, or "" if the
// source states one or there is no text.
func (a *Analyzer) FoundLanguage(m *argus.Message) string {
	if m.Lang != "" {
		return ""
	}
	return a.languages.Detect(m.Text)
}

func (a *Analyzer) entities(found []entity.Entity, yield func(term []byte) bool) bool {
	for _, e := range found {
		if !a.term(e.Kind, yield) || !a.term(e.Normal, yield) {
			return false
		}
	}
	return true
}

// is returns the set of IsWords that are true of the message.
func (d *Doc) is() (set uint) {
	for i := range d.Sightings {
		m := d.Sightings[i].Message
		set |= uint(m.State &^ argus.StateLocked)
		if m.Type.IsMessage() {
			set |= 1 << isMessage
		}
		if m.Type != argus.TypeText {
			set |= 1 << (isType + int(m.Type) - 1)
		}
	}
	if d.Locked() {
		set |= uint(argus.StateLocked)
	}
	if d.Differs() {
		set |= 1 << isDiffers
	}
	return set
}

// Terms returns the terms that a message has in a field, each once.
func Terms(d *Doc, name FieldName) []string {
	var terms []string
	seen := map[string]bool{}
	var a Analyzer
	a.Terms(d, name, func(term []byte) bool {
		if !seen[string(term)] {
			seen[string(term)] = true
			terms = append(terms, string(term))
		}
		return true
	})
	return terms
}

func (a *Analyzer) exact(s string, yield func([]byte) bool) bool {
	if s == "" {
		return true
	}
	a.whole = append(append(a.whole[:0], Exact...), cut(s, MaxTerm-len(Exact))...)
	return yield(a.whole)
}

// name yields a name as a whole, its parts and its words.
func (a *Analyzer) name(s string, yield func([]byte) bool) bool {
	whole := a.foldWhole(s)
	if len(whole) == 0 {
		return true
	}
	if !yield(whole) {
		return false
	}
	for rest := whole; len(rest) > 0; {
		part, after, _ := bytes.Cut(rest, []byte(" "))
		part = bytes.TrimLeft(part, Exact) // a name must not look like an exact account
		if len(part) > 0 && len(part) < len(whole) && !yield(part) {
			return false
		}
		rest = after
	}
	for a.Reset(s); a.Next(); {
		if string(a.Term()) != string(whole) && !yield(a.Term()) {
			return false
		}
	}
	return true
}

// foldWhole folds a name like text, but keeps its punctuation. Each run of white space
// becomes one space, and an Exact at the beginning is left out. The result is valid until
// the next call.
func (a *Analyzer) foldWhole(s string) []byte {
	a.Reset(s)
	a.full, a.cyrillic = false, false
	for i := 0; ; {
		if len(a.rest) == 0 && i < len(s) && ascii[s[i]] > asciiBeyond && a.n < MaxTerm {
			a.buf[a.n] = ascii[s[i]]
			a.n++
			i++
			continue
		}
		f, _, to := a.peek(i)
		if to == 0 {
			break
		}
		i = to
		a.rest = a.rest[min(1, len(a.rest)):]
		switch r := f.char(); f.kind() {
		case kindNothing:
		case kindAccent:
			a.accent(r)
		case kindMark:
			if a.n > 0 {
				a.mark(r)
			}
		case kindSeparator:
			if a.n == 0 && (r == ' ' || r == '=') || r == ' ' && a.buf[a.n-1] == ' ' {
				continue
			}
			a.letter(r)
		default:
			a.letter(r)
		}
	}
	whole := bytes.TrimSuffix(a.buf[:a.n], []byte(" "))
	if a.cyrillic {
		a.mixed = oneScripts(a.mixed[:0], whole)
		whole = a.mixed
	}
	a.whole = append(a.whole[:0], whole...)
	return a.whole
}

// lang yields a tag and its shorter forms, each also with its mark, as marked does.
func (a *Analyzer) lang(tag, mark string, yield func([]byte) bool) bool {
	tag = foldLang(tag)
	for tag = cut(tag, MaxTerm-len(mark)); tag != ""; {
		if !a.marked(tag, mark, yield) {
			return false
		}
		tag = tag[:max(0, strings.LastIndexByte(tag, '-'))]
	}
	return true
}

// marked yields a value as it is and with its mark, which is Exact before it or Found after
// it. A found value comes with its mark first.
func (a *Analyzer) marked(value, mark string, yield func([]byte) bool) bool {
	first, second := value, mark+value
	if mark == Found {
		first, second = value+mark, value
	}
	return a.term(first, yield) && a.term(second, yield)
}

func (a *Analyzer) term(s string, yield func([]byte) bool) bool {
	a.whole = append(a.whole[:0], s...)
	return yield(a.whole)
}

// foldLang writes a language tag (BCP 47) in lower case with hyphens, and without the
// characters that mark it as stated or found.
func foldLang(tag string) string {
	return strings.ToLower(strings.NewReplacer("_", "-", Exact, "", Found, "").Replace(tag))
}

// has returns the set of HasWords that are true of a message.
func has(m *argus.Message) (set uint) {
	for i, is := range []bool{
		len(m.Attachments) > 0, hasLink(m.Text), m.ReplyTo != "", m.ForwardedFrom != "", m.Text != "", m.Sent.Known(),
	} {
		if is {
			set |= 1 << i
		}
	}
	return set
}

// hasLink reports whether a text has http://, https:// or, not inside a word, www.
func hasLink(text string) bool {
	for i := 0; i < len(text); i++ {
		switch rest := text[i:]; text[i] {
		case ':':
			if strings.HasPrefix(rest, "://") && (endsFold(text[:i], "http") || endsFold(text[:i], "https")) {
				return true
			}
		case 'w', 'W':
			if len(rest) > 4 && strings.EqualFold(rest[:4], "www.") && (i == 0 || ascii[text[i-1]] == asciiSeparator) {
				return true
			}
		}
	}
	return false
}

func endsFold(s, end string) bool {
	return len(s) >= len(end) && strings.EqualFold(s[len(s)-len(end):], end)
}

func (a *Analyzer) words(all []string, set uint, yield func([]byte) bool) bool {
	for i, w := range all {
		if set&(1<<i) != 0 && !a.term(w, yield) {
			return false
		}
	}
	return true
}

// cut shortens a string to n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

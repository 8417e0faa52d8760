package phone

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime/quotedprintable"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// VCard is described in docs/readers-xml-mail.md.
var VCard = &reader.Format{
	Name:    "vcard",
	Version: 3,
	About:   "contacts as vCards 2.1 (versit), 3.0 (RFC 2426) and 4.0 (RFC 6350), one or many",
	Checked: "the vCard file of a phone in the public samples, 6 of 6 contacts; invented examples",
	Kept: []string{
		"ADR*", "AGENT*", "ANNIVERSARY*", "BDAY*", "CALADRURI*", "CALURI*", "CATEGORIES*", "CLASS*", "CLIENTPIDMAP*", "EMAIL*", "FBURL*", "FN*", "GENDER*",
		"GEO*", "IMPP*", "ITEM*", "KEY*", "KIND*", "LABEL*", "LANG*", "LOGO*", "MAILER*", "MEMBER*", "N", "N;*", "NAME*", "NICKNAME*", "NOTE*", "ORG*",
		"PHOTO*", "PRODID*", "PROFILE*", "RELATED*", "REV*", "ROLE*", "SORT-STRING*", "SOUND*", "SOURCE*", "TEL*", "TITLE*", "TZ*", "UID*", "URL*",
		"VERSION*", "X-*", "XML*", "line",
	},
	Detect: detectVCard,
	Read:   readVCard,
}

func detectVCard(s reader.Sample) int {
	line, rest, _ := bytes.Cut(bytes.TrimLeft(s.Text, "\n"), []byte("\n"))
	if strings.EqualFold(string(bytes.TrimSpace(line)), "BEGIN:VCARD") && bytes.IndexByte(rest, ':') > 0 {
		return 95
	}
	return 0
}

// readVCard yields one item for each card, and one for each stretch of lines outside cards.
func readVCard(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		r := vcardReading{options: in.Options, limit: in.RecordLimit()}
		lines := textdoc.NewLines(ctx, in.Reader(), in.RecordLimit())
		for lines.Next() {
			if item, ok := r.line(&lines.Line); ok && !yield(item, nil) {
				return
			}
		}
		if item, ok := r.close("want END:VCARD, found the end of the file"); ok && !yield(item, nil) {
			return
		}
		if lines.Err != nil {
			yield(reader.Item{}, lines.Err)
		}
	}
}

// vcardReading is the state of reading a file.
type vcardReading struct {
	options reader.Options
	limit   int
	records uint64
	open    bool // a card, or lines outside cards, has begun
	card    bool
	where   argus.Where
	// fields are the lines of the card, unfolded; raw is its beginning.
	fields []string
	size   int
	raw    []byte
	// written are the accounts of the last card as written.
	written []string
	// problem is the reason why the card is unreadable.
	problem string
}

// line takes a line and returns the item that it completes.
func (r *vcardReading) line(l *textdoc.Line) (item reader.Item, ended bool) {
	text := strings.TrimRight(string(l.Text), " \t")
	begins := strings.EqualFold(text, "BEGIN:VCARD")
	if text == "" && l.Problem == "" && !r.open {
		return reader.Item{}, false
	}
	if begins {
		item, ended = r.close("want END:VCARD before the next card, found none")
	}
	if !r.open {
		r.open, r.card, r.problem = true, begins, ""
		r.records++
		r.where = argus.Where{Record: r.records, Offset: l.Offset}
		r.fields, r.size, r.raw = r.fields[:0], 0, nil
	}
	r.where.Length = l.Offset + l.Length - r.where.Offset
	if n := argus.QuarantineRaw - len(r.raw); n > 0 {
		r.raw = append(append(r.raw, l.Text[:min(n, len(l.Text))]...), '\n')
		r.raw = r.raw[:min(len(r.raw), argus.QuarantineRaw)]
	}
	if r.size += len(l.Text); r.size > r.limit || l.Problem != "" {
		r.problem = fmt.Sprintf("want a card of at most %d bytes, found a longer one", r.limit)
		r.fields = r.fields[:0]
		r.size = r.limit // the following lines are not kept either
	} else {
		r.unfold(string(l.Text))
	}
	if r.card && strings.EqualFold(text, "END:VCARD") {
		return r.close("")
	}
	return item, ended
}

// unfold adds a line: a field, or the continuation of the previous one, which begins with
// space, or whose quoted-printable line ended in =.
func (r *vcardReading) unfold(text string) {
	last := len(r.fields) - 1
	switch {
	case last >= 0 && text != "" && (text[0] == ' ' || text[0] == '\t'):
		r.fields[last] += text[1:]
	case last >= 0 && strings.HasSuffix(r.fields[last], "=") && isQuoted(r.fields[last]):
		r.fields[last] = r.fields[last][:len(r.fields[last])-1] + text
	case text != "":
		r.fields = append(r.fields, text)
	}
}

func isQuoted(field string) bool {
	head, _, ok := strings.Cut(field, ":")
	return ok && strings.Contains(strings.ToUpper(head), "QUOTED-PRINTABLE")
}

// close completes the open card or lines. reason names the missing part of a card.
func (r *vcardReading) close(reason string) (reader.Item, bool) {
	if !r.open {
		return reader.Item{}, false
	}
	r.open = false
	item := reader.Item{Where: r.where}
	problem := cmp.Or(r.problem, reason)
	if !r.card {
		problem = "want BEGIN:VCARD, found something else"
	}
	if problem == "" {
		m, err := r.message()
		if err == nil {
			item.Message = m
			return item, true
		}
		problem = err.Error()
	}
	item.Problem, item.Raw = problem, r.raw
	return item, true
}

// message makes a message of the card.
func (r *vcardReading) message() (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(r.options.Service, "vcard")}
	var name, parts, organisation string
	var accounts []string
	r.written = []string{}
	add := func(written string, write func(string) string) {
		written = argus.CleanName(written)
		accounts, r.written = append(accounts, write(written)), append(r.written, written)
	}
	for _, line := range r.fields {
		f, ok := vcardFieldOf(line)
		if !ok {
			build.KeepExtra(m, "line", line)
			continue
		}
		switch f.name {
		case "BEGIN", "END":
			continue
		case "FN":
			name = cmp.Or(name, f.value)
		case "N":
			parts = strings.Join(strings.FieldsFunc(f.value, func(c rune) bool { return c == ';' }), " ")
		case "ORG":
			organisation = strings.Trim(strings.ReplaceAll(f.value, ";", " "), " ")
		case "UID":
			m.ServiceID = f.value
		case "TEL":
			add(strings.TrimPrefix(f.value, "tel:"), build.AccountOf)
		case "EMAIL":
			add(f.value, strings.ToLower)
		case "IMPP", "X-JABBER", "X-SIP", "X-SKYPE", "X-SKYPE-USERNAME", "X-ICQ", "X-AIM", "X-MSN", "X-QQ", "X-TELEGRAM", "X-SIGNAL", "X-WHATSAPP":
			add(f.value, strings.Clone)
		}
		build.KeepExtra(m, f.title, f.value)
	}
	if len(r.fields) < 3 { // BEGIN and END
		return nil, errors.New("want a card with something in it, found an empty one")
	}
	build.Contact(m, "contact", accounts, cmp.Or(name, parts, organisation))
	return m, m.Valid()
}

// sentVCard adds the card if a message's text is one, and reports whether it is. The card's
// accounts are in the text as written.
func sentVCard(m *argus.Message, text string) bool {
	r := vcardReading{limit: build.ExtraLimit}
	for text := range strings.Lines(textdoc.LineFeeds(text)) {
		if item, ok := r.line(&textdoc.Line{Text: []byte(strings.TrimSuffix(text, "\n")), Length: int64(len(text))}); ok && item.Message != nil {
			build.SentCard(m, item.Message.Facts.Contact, r.written...)
			return true
		}
	}
	return false
}

// vcardField is one line of a card: its name without a group, the name with
// its parameters, and its value.
type vcardField struct{ name, title, value string }

func vcardFieldOf(line string) (f vcardField, ok bool) {
	quoted := false
	colon := strings.IndexFunc(line, func(c rune) bool {
		if c == '"' {
			quoted = !quoted
		}
		return c == ':' && !quoted
	})
	if colon < 1 {
		return f, false
	}
	head, value := line[:colon], line[colon+1:]
	parts := strings.Split(head, ";")
	name := strings.ToUpper(parts[0])
	f.name = name[strings.IndexByte(name, '.')+1:]
	f.title = name
	charset, encoding := "", ""
	for _, p := range parts[1:] {
		key, of, has := strings.Cut(p, "=")
		switch upper := strings.ToUpper(key); {
		case upper == "CHARSET":
			charset = of
		case upper == "ENCODING":
			encoding = strings.ToUpper(of)
		case !has && (upper == "QUOTED-PRINTABLE" || upper == "BASE64"):
			encoding = upper
		default:
			f.title += ";" + p
		}
	}
	if encoding == "QUOTED-PRINTABLE" {
		// An undecodable value is kept unchanged.
		if decoded, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(value))); err == nil {
			value = textdoc.Decode(decoded, cmp.Or(charset, "utf-8"))
		}
	} else if encoding != "" {
		f.title += ";" + encoding // a picture, for example: kept as written
	}
	f.value = vcardText(value)
	return f, true
}

// vcardText undoes the escapes of a value (RFC 6350, 3.4).
func vcardText(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return textdoc.LineFeeds(s)
	}
	return textdoc.LineFeeds(strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\:`, ":").Replace(s))
}

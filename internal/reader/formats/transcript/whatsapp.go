package transcript

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// WhatsApp reads the output of "Export chat" in WhatsApp: one message per paragraph,
// "DATE, TIME - NAME: text" (Android) or "[DATE, TIME] NAME: text" (iOS), with date and time
// in the form of the phone's language and settings.
//
//   - Order of day, month and year: decided over the whole file. The order with the
//     fewest impossible dates wins, then the one under which the file goes back in
//     time least often, then day before month. If no impossible date proves it,
//     each message says so in Extra date_order.
//   - Layout: that of the first line that begins like a message. A later line in
//     another layout is text, as in a pasted chat; one in the same layout cannot
//     be told from a message.
//   - Conversation: the export names no id. It is the name of the chat in the
//     file's name ("WhatsApp Chat with X.txt", also of the archive or folder
//     around "_chat.txt"), otherwise the group's name in the line of its creation,
//     otherwise the file's name with the key of the first message.
//   - From: the name as the exporting phone shows it; a phone number without its
//     spaces. "NAME:text" without a space is a message too, if the name is one
//     word, or occurs twice in that form.
//   - Service: Options.Service, otherwise whatsapp if the file has the name of an
//     export of WhatsApp, or contains text that only WhatsApp writes: its notices,
//     placeholders and iPhone marks. Element's export has the same layout; its
//     file's name identifies it (matrix). Otherwise unknown.
//   - A line without "NAME: " is a notice of the service. So is, in the bracketed
//     layout, a text that begins with the mark that iPhones put before WhatsApp's own
//     words, in any language, unless the mark also precedes the line, as with media.
//   - Years of the Buddhist, Persian and Japanese calendars are converted, and a message
//     says so. Those of the Islamic one are a problem: its days differ between places.
//   - A line with an unreadable date and clock in the layout of the file (a day that
//     does not exist, an unknown word) is a problem of its own, never text of the
//     message above it.
//   - The order of the lines resolves an hour that the zone has twice.
//   - "<attached: NAME>" is an attachment, also after text or on a line below it,
//     if WhatsApp's mark or a known word shows that it is not text.
//   - "<Media omitted>" and the like are attachments without bytes, "This message
//     was deleted" the deleted state, "<This message was edited>" the edited one.
//     The phrases are known in the languages of the tables below; in others they
//     stay in Text. Extra placeholder keeps a phrase that was removed.
//
// Record is the number of a message's first line.
var WhatsApp = &reader.Format{
	Name:    "whatsapp",
	Version: 4,
	About:   `WhatsApp text export ("Export chat"), Android and iOS`,
	Checked: "5 exports in five date layouts from the tests of chat-miner: 30 of 30 messages with a name as in its target, 10 service lines, 5 messages that the target omits; 476 public exports of the tests of whats_json, in 17 languages and 3 calendars, of phones of 2010 to 2023: each is read, 647,067 messages and notices, 33 problems, all from scanned pages and lines above the first message; the texts were checked in part",
	Log:     true,
	Detect:  detectWhatsApp,
	Read:    readWhatsApp,
}

// dateOrder is the order of the three numbers of a date, as indices of year, month and day.
type dateOrder struct {
	name             string
	year, month, day int
}

// dateOrders are tried in this order of preference.
var dateOrders = [...]dateOrder{{"day-first", 2, 1, 0}, {"month-first", 2, 0, 1}, {"year-first", 0, 1, 2}}

// of returns a date, its calendar and whether the day exists. Two-digit years are in this
// century: WhatsApp began in 2009.
func (o *dateOrder) of(h *whatsappHead) (year, month, day int, calendar string, ok bool) {
	year, month, day = h.date[o.year], h.date[o.month], h.date[o.day]
	switch {
	case h.era == 'R':
		return 2018 + year, month, day, "Japanese (Reiwa)", dates.Valid(2018+year, month, day)
	case h.era == 'H':
		return 1988 + year, month, day, "Japanese (Heisei)", dates.Valid(1988+year, month, day)
	case !h.longYear:
		year += 2000
	case year == 0:
		return 0, month, day, "", dates.Valid(2000, month, day)
	}
	return dates.Calendar(year, month, day)
}

// whatsappSurvey is the result of a first pass over a file.
type whatsappSurvey struct {
	layout         whatsappLayout // of the first head
	heads, senders int            // lines in the layout; those with a sender
	orders         [len(dateOrders)]struct{ impossible, back, first, last int }
	// names are the senders, up to maxNames. The value is true for those who wrote anything
	// that does not begin with a mark, as notices of iOS do.
	names map[string]bool
	// short counts names whose colon is directly followed by text. Whether they are names is
	// only known at the end of the file.
	short  map[string]int
	group  string // the group's name in the line of its creation
	first  bool   // the first non-blank line is a head
	proven bool   // something in it is written only by WhatsApp
	begins string // the beginning of the first message
}

const maxNames = 4096

func surveyWhatsApp(lines *textdoc.Lines) (whatsappSurvey, error) {
	s := whatsappSurvey{names: map[string]bool{}, short: map[string]int{}}
	blank := true
	for lines.Next() {
		h, ok := parseWhatsAppHead(lines.Text)
		if blank && len(bytes.TrimSpace(lines.Text)) > 0 {
			blank, s.first = false, ok
		}
		if ok {
			s.add(&h)
		}
	}
	return s, lines.Err
}

func (s *whatsappSurvey) add(h *whatsappHead) {
	if h.stray {
		return
	}
	if s.heads == 0 {
		s.layout = h.whatsappLayout
		s.begins = string(h.raw) + " " + string(h.rest[:min(len(h.rest), jsondoc.FactSize)])
	}
	if h.whatsappLayout != s.layout {
		return
	}
	s.heads++
	for i := range dateOrders {
		o := &s.orders[i]
		year, month, day, _, ok := dateOrders[i].of(h)
		if !ok {
			o.impossible++
			continue
		}
		moment := (year*12+month)*31 + day
		if moment < o.last {
			o.back++
		}
		if o.last = moment; o.first == 0 {
			o.first = moment
		}
	}
	if at := bytes.Index(h.rest, []byte(": ")); at >= 0 && plausibleName(h.rest[:at]) {
		s.senders++
		if name := h.rest[:at]; len(s.names) < maxNames && !s.names[string(name)] {
			s.names[string(name)] = !bytes.HasPrefix(h.rest[at+2:], []byte(leftToRight))
		}
		s.proven = s.proven || provesWhatsApp(h, h.rest[at+2:])
		return
	} else if name, ok := shortSender(h.rest); ok {
		s.senders++
		if len(s.short) < maxNames || s.short[string(name)] > 0 {
			s.short[string(name)]++
		}
		return
	}
	if s.group == "" {
		s.group = createdGroup(h.rest)
	}
	s.proven = s.proven || s.group != "" || isEncryptionNotice(string(h.rest))
}

// shortSender returns the name in NAME:text, which may also be part of a notice. It returns
// none for a time or an address.
func shortSender(rest []byte) (name []byte, ok bool) {
	at := bytes.IndexByte(rest, ':')
	if at <= 0 || at == len(rest)-1 || rest[at+1] == ' ' || rest[at+1] == '/' || !plausibleName(rest[:at]) {
		return nil, false
	}
	return rest[:at], !textdoc.IsDigit(rest[at-1]) || rest[0] == '+' || textdoc.IsDigit(rest[0])
}

// provesWhatsApp reports whether a text is one that WhatsApp writes and people do not: iPhone
// marks, a file, or a placeholder for omitted or deleted content.
func provesWhatsApp(h *whatsappHead, text []byte) bool {
	if len(text) == 0 || len(text) > 1024 {
		return false
	}
	if h.bracket && markedText(text) {
		return true
	}
	switch last := text[len(text)-1]; {
	case text[0] == '<' && last == '>':
		_, ok := whatsappAttachment(string(text))
		return ok
	case last == ')':
		name, word, ok := cutLast(text, " (")
		return ok && (filePhrases[phrase(string(word[:len(word)-1]))] || isPhoneFile(string(name)))
	}
	return false
}

// markedText reports whether a text begins with a mark that sets the direction of its
// language, as iPhones write before all of WhatsApp's own words.
func markedText[T string | []byte](text T) bool {
	return len(text) > 2 && text[0] == leftToRight[0] && text[1] == leftToRight[1] && (text[2] == leftToRight[2] || text[2] == rightToLeft[2])
}

// order determines the order of dates, and doubt explains the choice if no date proves it. A
// two-digit year at the front is rare: it is chosen only if both other orders contradict the
// file.
func (s *whatsappSurvey) order() (order *dateOrder, doubt string) {
	if s.layout.yearFirst {
		return &dateOrders[2], ""
	}
	better := func(a, b int) bool {
		x, y := s.orders[a], s.orders[b]
		return cmp.Or(cmp.Compare(x.impossible, y.impossible), cmp.Compare(x.back, y.back)) < 0
	}
	best, other := 0, 1
	if better(1, 0) {
		best, other = 1, 0
	}
	if !s.layout.longYear && better(2, best) {
		return &dateOrders[2], "year-first, from the order of the messages"
	}
	// A chat over a few days in one month would otherwise become one on the same day in many
	// years.
	span := func(i int) int { return s.orders[i].last - s.orders[i].first }
	if first := &s.orders[2]; !s.layout.longYear && !better(best, 2) && first.impossible == 0 && span(2) >= 0 && span(best) > 12*31 && span(best) > 6*span(2) {
		return &dateOrders[2], "assumed year-first: the other orders spread the messages over years"
	}
	order = &dateOrders[best]
	switch {
	case s.orders[other].impossible > s.orders[best].impossible:
		return order, ""
	case s.orders[other].back > s.orders[best].back:
		return order, order.name + ", from the order of the messages"
	}
	return order, "assumed " + order.name
}

// detectWhatsApp rejects "[2019-12-24, 12:23] NAME: text": exports of Signal have this form,
// and no layout of WhatsApp does (iOS writes seconds).
func detectWhatsApp(s reader.Sample) int {
	if s.Text == nil {
		return 0
	}
	survey, err := surveyWhatsApp(textdoc.NewLines(context.Background(), bytes.NewReader(s.Text), len(s.Text)))
	if err != nil || survey.senders == 0 || survey.senders*10 < survey.heads {
		return 0
	}
	if survey.layout == (whatsappLayout{bracket: true, comma: true, yearFirst: true, longYear: true, separator: '-'}) {
		return 0
	}
	if survey.first {
		return 85
	}
	return min(80, 10*survey.heads)
}

// whatsappReading is one reading of a file, with the message being gathered.
type whatsappReading struct {
	messages build.Messages
	in       reader.Input
	whatsappSurvey
	accounts map[string]string // by name, up to maxNames
	dates    *dateOrder
	doubt    string
	service  string
	chat     string
	title    string
	reach    argus.Reach
	zone     *time.Location
	zoneFrom argus.ZoneSource
	hours    dates.LogHours

	open    bool
	where   argus.Where
	problem string
	sent    argus.Time
	assumed []argus.Field // about the time
	marked  bool          // a mark precedes the line
	text    []byte        // its lines; for a problem, the beginning of them
	head    int           // the length of the date and time in text
	guessed bool          // a line was decoded as Windows-1252
}

func readWhatsApp(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		survey, err := surveyWhatsApp(textdoc.NewLines(ctx, in.Reader(), in.RecordLimit()))
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		r := whatsappReading{in: in, whatsappSurvey: survey, accounts: map[string]string{}}
		r.zone, r.zoneFrom = in.ZoneOrUTC()
		r.dates, r.doubt = survey.order()
		r.place()

		orphan := "the line is before the first message; want DATE, TIME - NAME: text or [DATE, TIME] NAME: text"
		lines := textdoc.NewLines(ctx, in.Reader(), in.RecordLimit())
		for lines.Next() {
			if lines.Problem != "" {
				if item, ok := r.close(); ok && !yield(item, nil) {
					return
				}
				if !yield(reader.ProblemOf(&lines.Line, lines.Problem), nil) {
					return
				}
				orphan = "the line follows a line that is too long to read; its message is unknown"
				continue
			}
			h, ok := parseWhatsAppHead(lines.Text)
			if !ok || h.whatsappLayout != r.layout {
				r.add(&lines.Line, orphan)
				continue
			}
			if item, ok := r.close(); ok && !yield(item, nil) {
				return
			}
			r.begin(&lines.Line, &h)
		}
		if item, ok := r.close(); ok && !yield(item, nil) {
			return
		}
		if lines.Err != nil {
			yield(reader.Item{}, lines.Err)
		}
	}
}

// place names the service and the conversation as documented at WhatsApp.
func (r *whatsappReading) place() {
	title, by, shown := whatsappChat(r.in.Name)
	if !shown && r.group != "" {
		title, shown = r.group, true
	}
	r.chat, r.title, r.reach = title, title, argus.ReachExport // a name
	if !shown {
		r.chat, r.reach = build.LogConversation(r.begins), argus.ReachFile
	}
	if by == "" && r.proven {
		by = "whatsapp"
	}
	r.service = cmp.Or(r.in.Service, by, "unknown")
}

// begin starts a message.
func (r *whatsappReading) begin(l *textdoc.Line, h *whatsappHead) {
	r.open, r.where = true, l.Where()
	r.guessed = l.Charset == textdoc.Windows1252
	r.marked = markedText(l.Text)
	r.text, r.head = append(r.text[:0], l.Text...), len(l.Text)-len(h.rest)
	r.sent, r.problem = r.moment(h)
}

// moment reads the date and the time.
func (r *whatsappReading) moment(h *whatsappHead) (_ argus.Time, problem string) {
	r.assumed = r.assumed[:0]
	year, month, day, calendar, ok := r.dates.of(h)
	if calendar == "Islamic" {
		return argus.Time{}, fmt.Sprintf("want a date of the Gregorian, Buddhist, Persian or Japanese calendar, and found the Islamic one, whose days depend on the country: %q", h.raw)
	}
	if !ok {
		return argus.Time{}, fmt.Sprintf("want a date, %s, and found %q", r.dates.name, h.raw)
	}
	if calendar != "" {
		r.assumed = append(r.assumed, argus.Assumed("calendar", calendar+", from the year"))
	}
	if !h.longYear && r.service != "whatsapp" {
		r.assumed = append(r.assumed, argus.Assumed("year", "of two digits, taken as of this century"))
	}
	if h.stray && h.period != '?' {
		return argus.Time{}, fmt.Sprintf("want a dash between clock and name, and found %q without one", h.raw)
	}
	hour := h.hour
	switch h.period {
	case '?':
		return argus.Time{}, fmt.Sprintf("want a.m., p.m. or a clock of 24 hours, and found the word %q", h.word)
	case 'a': // some phones write 00:08 a.m.
		if hour == 12 {
			hour = 0
		} else if hour > 12 {
			return argus.Time{}, fmt.Sprintf("want an hour before noon and found %q", h.raw)
		}
	case 'p':
		if hour < 12 {
			hour += 12
		}
	case 'n': // 11 in the morning to 4 in the afternoon
		if hour < 5 {
			hour += 12
		}
	case 'm':
		if hour == 12 {
			hour = 0
		}
	case 'e':
		if hour == 12 {
			return argus.Time{}, fmt.Sprintf("want an hour whose day is certain and found %q", h.raw)
		}
		if hour > 3 && hour < 12 {
			hour += 12
		}
	}
	if hour > 23 || h.minute > 59 || h.second > 59 {
		return argus.Time{}, fmt.Sprintf("want a time of day and found %q", h.raw)
	}
	precision := argus.Minute
	if h.seconds {
		precision = argus.Second
	}
	if r.sent.Raw != string(h.raw) {
		r.sent.Raw = string(h.raw)
	}
	if year == 0 {
		r.assumed = append(r.assumed, argus.Unread("year", string(h.raw)))
		return argus.Time{}, ""
	}
	sent := argus.Time{Raw: r.sent.Raw, Zone: r.zoneFrom, Precision: precision}
	if seconds, _ := dates.UTCSeconds(year, month, day, hour, h.minute, h.second); r.zone == time.UTC {
		sent.Micros = seconds * 1e6
	} else {
		sent.Micros = time.Date(year, time.Month(month), day, hour, h.minute, h.second, 0, r.zone).UnixMicro()
	}
	if hours, doubt := r.hours.Settle(&sent, r.zone, hour, h.minute); doubt {
		r.assumed = append(r.assumed, hours)
	}
	if !sent.Plausible() {
		return argus.Time{}, fmt.Sprintf("want a date between %d and %d and found %q", argus.FirstYear, argus.LastYear, h.raw)
	}
	return sent, ""
}

// add adds a line to the open message. orphan is the problem if no message is open.
func (r *whatsappReading) add(l *textdoc.Line, orphan string) {
	if !r.open {
		if len(bytes.TrimSpace(l.Text)) == 0 {
			return
		}
		r.open, r.where, r.problem = true, l.Where(), orphan
		r.text = append(r.text[:0], l.Text...)
		return
	}
	r.where.Length = l.Offset + l.Length - r.where.Offset
	r.guessed = r.guessed || l.Charset == textdoc.Windows1252
	if r.problem == "" && r.where.Length > int64(r.in.RecordLimit()) {
		r.problem = fmt.Sprintf("the message is longer than %d bytes, the longest record that is read", r.in.RecordLimit())
	}
	if r.problem == "" || len(r.text) < argus.QuarantineRaw {
		r.text = append(append(r.text, '\n'), l.Text...)
	}
}

// close returns the open item and closes it, if there is one.
func (r *whatsappReading) close() (reader.Item, bool) {
	if !r.open {
		return reader.Item{}, false
	}
	r.open = false
	item := reader.Item{Where: r.where}
	if r.problem != "" {
		item.Problem = r.problem
		item.Raw = bytes.Clone(r.text[:min(len(r.text), argus.QuarantineRaw)])
		return item, true
	}
	item.Message = r.message()
	return item, true
}

// message makes a message of the gathered lines.
func (r *whatsappReading) message() *argus.Message {
	m := r.messages.Next()
	m.Service, m.Conversation, m.Title, m.Sent = r.service, r.chat, r.title, r.sent
	m.ConversationReach = r.reach
	m.Extra = append(m.Extra, r.assumed...)
	if r.doubt != "" {
		m.Extra = append(m.Extra, argus.Field{Name: "date_order", Value: r.doubt})
	}
	if r.guessed {
		m.Extra = append(m.Extra, guessedCharset)
	}
	body := strings.TrimRight(string(r.text[r.head:]), "\n")
	name, text, ok := r.sender(body)
	if !ok {
		build.Notice(m, trimMarks(body), "")
		return m
	}
	marked := markedText(text)
	text = trimMarks(text)
	shown := argus.CleanName(name)
	if said, known := r.saysWhatsApp(shown, name, text, marked); said || shown == "" {
		build.Notice(m, text, "")
		m.Extra = append(m.Extra, argus.Field{Name: "name", Value: name})
		if !known && shown != "" {
			m.Extra = append(m.Extra, argus.Assumed("sender", "WhatsApp itself, whose mark the text begins with"))
		}
		return m
	}
	m.From, m.FromName = r.account(shown)
	build.Named(m, m.From)
	readWhatsAppText(m, text, marked)
	return m
}

// saysWhatsApp reports whether a text under a name is WhatsApp's own: iPhones put a mark
// before it. If a mark also precedes the line, a user sent a file or a place; known is true if
// this is certain.
func (r *whatsappReading) saysWhatsApp(shown, name, text string, marked bool) (said, known bool) {
	switch {
	case !marked || r.marked && !isEncryptionNotice(text):
		return false, false
	case isEncryptionNotice(text), shown == r.title && !r.names[name] && !hasWhatsAppAttachment(text):
		return true, true
	case !r.layout.bracket || len(r.text)-r.head > 1024:
		return false, false
	}
	first, _, _ := strings.Cut(text, "\n")
	if deletedPhrases[phrase(first)] || hasWhatsAppAttachment(text) || strings.Contains(first, "https://maps.") {
		return false, false
	}
	return true, false
}

// guessedCharset is the Extra of a message whose stored bytes are not UTF-8.
var guessedCharset = argus.Field{Name: "charset", Value: "windows-1252 assumed: the bytes are not valid UTF-8"}

const (
	leftToRight = "\u200E"
	rightToLeft = "\u200F"
)

// trimMarks removes the leading direction marks that the export writes.
func trimMarks(s string) string {
	return strings.TrimLeftFunc(s, isMark)
}

// sender splits NAME: text. A colon without a following space ends a name only if other
// messages have that name.
func (r *whatsappReading) sender(body string) (name, text string, ok bool) {
	first, _, _ := strings.Cut(body, "\n")
	if at := strings.Index(first, ": "); at >= 0 {
		if plausibleName(first[:at]) {
			return body[:at], body[at+2:], true
		}
		return "", "", false
	}
	at := strings.IndexByte(first, ':')
	if at <= 0 {
		return "", "", false
	}
	_, known := r.names[first[:at]]
	_, short := shortSender([]byte(first))
	// Text that is not a name of this file occurs once and has several words.
	short = short && (r.short[first[:at]] > 1 || strings.IndexByte(first[:at], ' ') < 0)
	if !known && !short && (at < len(first)-1 || !plausibleName(first[:at])) {
		return "", "", false
	}
	return body[:at], body[at+1:], true
}

// plausibleName reports whether the text before ": " is a name. In a notice such as X changed
// the subject to “a: b” it contains an unclosed quotation mark.
func plausibleName[T string | []byte](name T) bool {
	if len(name) == 0 || len(name) > 256 {
		return false
	}
	straight, curly := 0, 0
	for _, r := range string(name) {
		switch r {
		case '"':
			straight++
		case '“', '«', '„':
			curly++
		case '”', '»':
			curly--
		}
	}
	return straight%2 == 0 && curly <= 0
}

// account returns the account for a name, and the name if it differs.
func (r *whatsappReading) account(shown string) (from, name string) {
	from, ok := r.accounts[shown]
	if !ok {
		from = build.AccountOf(shown)
		if len(r.accounts) < maxNames {
			r.accounts[strings.Clone(shown)] = strings.Clone(from)
		}
	}
	if from != shown {
		name = shown
	}
	return from, name
}

// phrase converts text to the form of the phrase tables. It returns "" for text longer than
// any of them.
func phrase(s string) string {
	if len(s) > 64 {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(argus.CleanName(s), "."))
}

func isEncryptionNotice(text string) bool {
	lower := strings.ToLower(text[:min(len(text), 512)])
	return slices.ContainsFunc(encryptionPhrases, func(p string) bool { return strings.Contains(lower, p) })
}

// createdGroup returns the group's name from the line that names its creator.
func createdGroup(notice []byte) string {
	lower := bytes.ToLower(notice[:min(len(notice), 1024)])
	if !slices.ContainsFunc(createdPhrases, func(p string) bool { return bytes.Contains(lower, []byte(p)) }) {
		return ""
	}
	for _, quotes := range [][2]string{{`"`, `"`}, {"“", "”"}, {"„", "“"}, {"«", "»"}} {
		if _, after, ok := strings.Cut(string(notice), quotes[0]); ok {
			if end := strings.LastIndex(after, quotes[1]); end > 0 {
				return argus.CleanName(after[:end])
			}
		}
	}
	return ""
}

// whatsappChat derives the conversation from the file's name. It also returns the service
// whose app uses such names, or "" if there is none. shown is true if the name is the
// chat's name as the app displays it, rather than an arbitrary one.
func whatsappChat(name string) (chat, service string, shown bool) {
	name = strings.ReplaceAll(strings.ReplaceAll(name, "!/", "/"), "\u00A0", " ")
	base := path.Base(name)
	if strings.HasPrefix(base, "_chat") {
		service = "whatsapp"
		if path.Dir(name) != "." {
			base = path.Base(path.Dir(name))
		}
	}
	for _, ending := range []string{".txt", ".zip"} {
		if len(base) > len(ending) && strings.EqualFold(base[len(base)-len(ending):], ending) {
			base = base[:len(base)-len(ending)]
		}
	}
	base = argus.CleanName(base)
	for _, prefix := range chatPrefixes {
		if len(base) > len(prefix) && strings.EqualFold(base[:len(prefix)], prefix) {
			return argus.CleanName(base[len(prefix):]), "whatsapp", true
		}
	}
	if room, ok := strings.CutPrefix(base, "Element - "); ok {
		if room, ok = strings.CutSuffix(room, " - Chat Export"); ok {
			return room, "matrix", true
		}
	}
	return base, service, false
}

// readWhatsAppText moves WhatsApp's own phrases from a message's text into its fields. marked
// means that leftToRight preceded the text.
func readWhatsAppText(m *argus.Message, text string, marked bool) {
	placeholder := func(s string) {
		m.Extra = append(m.Extra, argus.Field{Name: "placeholder", Value: argus.CleanName(s)})
	}
	if at := lastOpening(text); at >= 0 && editedPhrases[phrase(text[at+1:len(text)-1])] {
		m.State |= argus.StateEdited
		placeholder(text[at:])
		text = strings.TrimRight(text[:at], " "+leftToRight)
	}
	first, rest, _ := strings.Cut(text, "\n")
	if rest == "" && deletedPhrases[phrase(first)] {
		m.State |= argus.StateDeleted
		placeholder(first)
		return
	}
	if caption, kind := whatsappCaption(text); kind != "" {
		m.Attachments = []argus.Attachment{{Type: kind}}
		placeholder(text[len(caption):])
		m.Text = strings.TrimRight(caption, " \n")
		return
	}
	if attachment, ok := whatsappAttachment(first); ok {
		m.Attachments = []argus.Attachment{attachment}
		placeholder(first)
		m.Text = trimMarks(rest)
		return
	}
	name, start, end := whatsappTag(text, marked)
	if end == 0 {
		m.Text = text
		return
	}
	m.Attachments = []argus.Attachment{{Name: name}}
	placeholder(text[start:end])
	before := strings.TrimRight(text[:start], " \n"+leftToRight)
	m.Text = strings.TrimLeft(strings.ReplaceAll(before, " • "+leftToRight, " • ")+text[end:], "\n") // Plan.pdf • 3 pages
}

// whatsappCaption splits a text before "image omitted" and the like, which follow the caption
// of a picture; a document is preceded by its name. kind is "" if there is no such phrase.
func whatsappCaption(text string) (caption, kind string) {
	at := lastMark(text)
	if at <= 0 || strings.TrimSpace(text[:at]) == "" {
		return "", ""
	}
	if kind = omittedPhrases[phrase(text[at:])]; kind == "document" {
		return "", ""
	}
	return text[:at], kind
}

// hasWhatsAppAttachment distinguishes a sender who sends only files from the notices under the
// chat's own name.
func hasWhatsAppAttachment(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	_, whole := whatsappAttachment(first)
	_, _, end := whatsappTag(text, true)
	return whole || end > 0
}

// whatsappTag finds the first line that ends in an attachment tag, <attached: NAME>, which iOS
// writes after a caption. It returns the name and the position of the tag. leftToRight must
// precede the tag, or its word must be known, so that text that people write does not become
// an attachment. marked means that leftToRight precedes the text.
func whatsappTag(text string, marked bool) (name string, start, end int) {
	for line := range strings.Lines(text) {
		begin := end
		end += len(line)
		line = strings.TrimSuffix(line, "\n")
		if !strings.HasSuffix(line, ">") {
			continue
		}
		at := strings.LastIndexByte(line, '<')
		sure := marked && begin+at == 0
		if mark := strings.LastIndex(line, leftToRight+"<"); mark >= 0 {
			at, sure = mark+len(leftToRight), true
		}
		if at < 0 || len(line)-at > 1024 {
			continue
		}
		word, name, _ := strings.Cut(line[at+1:len(line)-1], ":")
		if name = argus.CleanName(name); name != "" && (sure || attachedPhrases[phrase(word)]) {
			return name, begin + at, begin + len(line)
		}
	}
	return "", 0, 0
}

// lastOpening returns the index of the last < in a text that ends with >, or -1.
func lastOpening(text string) int {
	if !strings.HasSuffix(text, ">") {
		return -1
	}
	return strings.LastIndexByte(text, '<')
}

// whatsappAttachment reads a line that represents an attachment.
func whatsappAttachment(line string) (a argus.Attachment, ok bool) {
	if len(line) > 1024 {
		return a, false
	}
	if inner, ok := strings.CutPrefix(line, "<"); ok {
		inner, ok = strings.CutSuffix(inner, ">")
		if !ok {
			return a, false
		}
		if kind, ok := omittedPhrases[phrase(inner)]; ok {
			return argus.Attachment{Type: kind}, true
		}
		word, name, ok := strings.Cut(inner, ":")
		name = argus.CleanName(name)
		if ok && name != "" && (attachedPhrases[phrase(word)] || isPhoneFile(name)) {
			return argus.Attachment{Name: name}, true
		}
		return a, false
	}
	if name, word, ok := strings.Cut(line, " <"); ok && strings.HasSuffix(word, ">") { // iPhones before 2016
		word = strings.TrimSuffix(word, ">")
		return argus.Attachment{Name: argus.CleanName(name)}, strings.Contains(name, ".") && (markedText(word) || attachedPhrases[phrase(word)])
	}
	if inner, ok := strings.CutSuffix(line, ")"); ok {
		at := strings.LastIndex(inner, " (")
		if at <= 0 {
			return a, false
		}
		name := argus.CleanName(inner[:at])
		if name != "" && (filePhrases[phrase(inner[at+2:])] || isPhoneFile(name)) {
			return argus.Attachment{Name: name}, true
		}
		return a, false
	}
	before, last := "", line
	if at := lastMark(line); at >= 0 {
		before, last = line[:at], line[at:]
	}
	kind, ok := omittedPhrases[phrase(last)]
	if !ok || kind == "" {
		return a, false
	}
	name, _, _ := strings.Cut(before, " • ") // plan.pdf • 12 pages document omitted
	return argus.Attachment{Name: argus.CleanName(name), Type: kind}, true
}

// lastMark returns the index of the last leftToRight, or -1.
func lastMark(line string) int {
	if strings.IndexByte(line, leftToRight[0]) < 0 { // true of most lines, and faster to check
		return -1
	}
	return strings.LastIndex(line, leftToRight)
}

// isPhoneFile recognises the file names that WhatsApp gives: IMG-20200101-WA0001.jpg
// (Android), 00000012-PHOTO-2020-01-01-10-00-00.jpg (iOS). They contain no space.
func isPhoneFile(name string) bool {
	if !strings.Contains(name, ".") || strings.Contains(name, " ") {
		return false
	}
	parts := strings.SplitN(name, "-", 3)
	if len(parts) < 3 {
		return false
	}
	digits := func(s string) bool { return len(s) == 8 && strings.Trim(s, "0123456789") == "" }
	capitals := func(s string) bool { return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" }
	return capitals(parts[0]) && digits(parts[1]) && strings.HasPrefix(parts[2], "WA") ||
		digits(parts[0]) && capitals(parts[1])
}

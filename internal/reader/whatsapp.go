package reader

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
	"unicode"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// whatsappFormat reads what "Export chat" of WhatsApp writes: one message a
// paragraph, "DATE, TIME - NAME: text" (Android) or "[DATE, TIME] NAME: text"
// (iOS), in the form that the phone's language and settings give date and time.
//
//   - Order of day, month and year: decided over the whole file. The order that
//     makes the fewest dates impossible wins, then the one under which the file
//     goes back in time least often, then day before month. Where it is not
//     proven by an impossible date, each message says so in Extra date_order.
//   - Layout: that of the first line that begins like a message. A later line in
//     another layout is text, as when somebody pasted a chat; one in the same
//     layout cannot be told from a message.
//   - Conversation: the export names no id. It is the name of the chat as the
//     file's name states it ("WhatsApp Chat with X.txt", also of the archive or
//     folder around "_chat.txt"), else the group's name in the line of its
//     creation, else the file's name without its ending.
//   - From: the name as the exporting phone shows it; a phone number without its
//     spaces. Service: whatsapp, or Options.Service.
//   - A line without "NAME: " is a notice of the service. So are the iOS
//     notices that stand under the chat's own name.
//   - "<attached: NAME>" is an attachment, also behind text or on a line below it,
//     if the mark that WhatsApp writes or a known word says that it is no text.
//   - "<Media omitted>" and its kind are attachments without bytes, "This message
//     was deleted" the deleted state, "<This message was edited>" the edited one.
//     The phrases are known in the languages of the tables below; in others they
//     stay in Text. Extra placeholder keeps a phrase that was taken out.
//
// Record is the number of the line that a message begins on.
var whatsappFormat = &Format{
	Name:    "whatsapp",
	Version: 3,
	About:   `WhatsApp text export ("Export chat"), Android and iOS`,
	Checked: "5 exports in five date layouts from the tests of chat-miner: 30 of 30 messages with a name as in its target, 10 service lines, 5 messages it leaves out",
	Log:     true,
	Detect:  detectWhatsApp,
	Read:    readWhatsApp,
}

// whatsappLayout is what is equal in all messages of one export.
type whatsappLayout struct {
	bracket, comma, seconds bool
	yearFirst               bool
	longYear                bool // of four digits
	separator               byte // of the date: / . -
}

// whatsappHead is the beginning of a message, before its name. Its slices
// belong to the line.
type whatsappHead struct {
	whatsappLayout
	date                 [3]int // as written, not yet in order
	hour, minute, second int
	period               byte   // of a 12-hour clock: 'a', 'p', 0 none, '?' unknown word
	word                 []byte // the unknown word
	raw                  []byte // date and time as written
	rest                 []byte // what follows
}

// clockWords are the words around a clock, in lower case without dots and
// spaces: a.m., p.m., or no more than a joining word. Source: Unicode CLDR, day
// periods; joining words from the layouts of its date-time patterns.
var clockWords = map[string]byte{
	"am": 'a', "pm": 'p', "a": 'a', "p": 'p',
	"vorm": 'a', "nachm": 'p', "voorm": 'a', "de": 'a', "du": 'p',
	"πμ": 'a', "μμ": 'p', "öö": 'a', "ös": 'p', "dop": 'a', "odp": 'p', "odpo": 'p', "ap": 'a', "ip": 'p',
	"fm": 'a', "em": 'p', "sa": 'a', "ch": 'p', "pg": 'a', "ptg": 'p', "pd": 'a', "md": 'p',
	"ص": 'a', "م": 'p', "قظ": 'a', "بظ": 'p', "पूर्वाह्न": 'a', "अपराह्न": 'p',
	"上午": 'a', "凌晨": 'a', "清晨": 'a', "早上": 'a', "下午": 'p', "晚上": 'p',
	"오전": 'a', "오후": 'p', "午前": 'a', "午後": 'p',
	"à": '-', "às": '-', "alas": '-', "klo": '-', "kl": '-', "um": '-', "ore": '-', "в": '-', "at": '-',
}

// parseWhatsAppHead reads the beginning of a message. The clock's fields are
// not yet checked.
func parseWhatsAppHead(text []byte) (h whatsappHead, ok bool) {
	if len(text) < len("1/1/19 1:11") || text[0] > '9' && text[0] != '[' && text[0] < 0x80 {
		return h, false
	}
	c := clockText{text, 0}
	c.marks()
	if h.bracket = c.byte('['); h.bracket {
		c.marks()
	}
	start := c.at
	if !c.date(&h) {
		return h, false
	}
	h.comma = c.byte(',') || c.bytes("،")
	if !c.spaces() && !h.comma {
		return h, false
	}
	if word := c.word(); len(word) > 0 {
		period := clockWord(word)
		if period == 0 {
			return h, false
		}
		if period != '-' {
			h.period = period
		}
	}
	if !c.clock(&h) {
		return h, false
	}
	end := c.at
	tail := text[end:min(len(text), end+40)]
	stop, size := bytes.IndexByte(tail, ']'), 1
	if !h.bracket {
		stop, size = dash(tail)
	}
	if stop < 0 {
		return h, false
	}
	if word := bytes.TrimRightFunc(tail[:stop], isSpaceOrMark); len(word) > 0 {
		if bytes.ContainsAny(word, "0123456789:") {
			return h, false
		}
		if h.period = clockWord(word); h.period == 0 || h.period == '-' {
			h.period, h.word = '?', bytes.TrimLeftFunc(word, isSpaceOrMark)
		}
		end += len(word)
	}
	h.raw = text[start:end]
	h.rest = text[c.at+stop+size:]
	if h.bracket && len(h.rest) > 0 {
		if h.rest[0] != ' ' {
			return h, false
		}
		h.rest = h.rest[1:]
	}
	return h, true
}

// dash finds the dash between clock and name, and how long it is.
func dash(b []byte) (at, size int) {
	for _, d := range []string{" - ", " – ", "\u00A0- "} {
		if at := bytes.Index(b, []byte(d)); at >= 0 {
			return at, len(d)
		}
	}
	return -1, 0
}

func isSpaceOrMark(r rune) bool { return unicode.IsSpace(r) || isMark(r) }

// isMark knows the marks that set the direction of text.
func isMark(r rune) bool { return r == 0xFEFF || unicode.Is(unicode.Bidi_Control, r) }

// clockWord looks up a word as people and phones write it: "a. m.", "PM".
func clockWord(word []byte) byte {
	return clockWords[strings.Map(func(r rune) rune {
		if r == '.' || isSpaceOrMark(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, string(word))]
}

// clockText is a place in a line that holds a date and a clock.
type clockText struct {
	b  []byte
	at int
}

func (c *clockText) byte(want byte) bool {
	if c.at < len(c.b) && c.b[c.at] == want {
		c.at++
		return true
	}
	return false
}

func (c *clockText) bytes(want string) bool {
	if bytes.HasPrefix(c.b[c.at:], []byte(want)) {
		c.at += len(want)
		return true
	}
	return false
}

// marks skips the marks that set the direction of text.
func (c *clockText) marks() {
	if c.at < len(c.b) && c.b[c.at] >= 0x80 {
		c.skipMarks()
	}
}

func (c *clockText) skipMarks() {
	for c.at < len(c.b) && c.b[c.at] >= 0x80 {
		r, n := utf8.DecodeRune(c.b[c.at:])
		if !isMark(r) {
			return
		}
		c.at += n
	}
}

// spaces skips white space of any kind, and marks, and says if there was any.
func (c *clockText) spaces() bool {
	start := c.at
	for c.marks(); c.at < len(c.b); c.marks() {
		n := 1
		if c.b[c.at] != ' ' {
			var r rune
			if r, n = utf8.DecodeRune(c.b[c.at:]); r < 0x80 || !unicode.IsSpace(r) {
				break
			}
		}
		c.at += n
	}
	return c.at > start
}

// number reads a number of at most limit digits, in any of the digits that
// phones write.
func (c *clockText) number(limit int) (n, digits int) {
	for c.at < len(c.b) {
		if d := c.b[c.at] - '0'; d < 10 {
			n = 10*n + int(d)
			c.at++
		} else if c.b[c.at] < 0x80 {
			break
		} else {
			r, size := utf8.DecodeRune(c.b[c.at:])
			zero := digitZero(r)
			if zero == 0 {
				break
			}
			n = 10*n + int(r-zero)
			c.at += size
		}
		if digits++; digits > limit {
			return 0, 0
		}
	}
	return n, digits
}

func digitZero(r rune) rune {
	for _, zero := range []rune{0x660, 0x6F0, 0x966, 0x9E6} { // Arabic, Persian, Hindi, Bengali
		if r >= zero && r < zero+10 {
			return zero
		}
	}
	return 0
}

func (c *clockText) date(h *whatsappHead) bool {
	var digits [3]int
	for i := range h.date {
		h.date[i], digits[i] = c.number(4)
		c.marks()
		if digits[i] == 0 || c.at == len(c.b) {
			return false
		}
		if i == 2 {
			break
		}
		separator := c.b[c.at]
		if separator != '/' && separator != '.' && separator != '-' || i == 1 && separator != h.separator {
			return false
		}
		h.separator = separator
		c.at++
		c.marks()
		if separator == '.' {
			c.byte(' ')
		}
	}
	h.yearFirst = digits[0] == 4
	h.longYear = h.yearFirst || digits[2] == 4
	if h.separator == '.' {
		c.byte('.') // 2019. 1. 20.
	}
	if h.yearFirst {
		return digits[1] <= 2 && digits[2] <= 2
	}
	return digits[0] <= 2 && digits[1] <= 2 && (digits[2] == 2 || digits[2] == 4)
}

func (c *clockText) clock(h *whatsappHead) bool {
	var digits int
	if h.hour, digits = c.number(2); digits == 0 {
		return false
	}
	separator := byte(':')
	if !c.byte(separator) {
		if separator = '.'; !c.byte(separator) {
			return false
		}
	}
	if h.minute, digits = c.number(2); digits != 2 {
		return false
	}
	if c.byte(separator) {
		h.seconds = true
		if h.second, digits = c.number(2); digits != 2 {
			return false
		}
	}
	return true
}

// word returns what stands before the clock's first digit, at most 24 bytes.
func (c *clockText) word() []byte {
	start := c.at
	for c.at < len(c.b) && c.at-start < 24 {
		r, n := utf8.DecodeRune(c.b[c.at:])
		if r >= '0' && r <= '9' || digitZero(r) != 0 {
			return bytes.TrimSpace(c.b[start:c.at])
		}
		c.at += n
	}
	return nil
}

// dateOrder is the order of the three numbers of a date, as indices of year,
// month and day.
type dateOrder struct {
	name             string
	year, month, day int
}

// dateOrders are tried in this order of preference.
var dateOrders = [...]dateOrder{{"day-first", 2, 1, 0}, {"month-first", 2, 0, 1}, {"year-first", 0, 1, 2}}

// of returns the parts of a date. Years of two digits are of this century:
// WhatsApp began in 2009.
func (o *dateOrder) of(h *whatsappHead) (year, month, day int) {
	year, month, day = h.date[o.year], h.date[o.month], h.date[o.day]
	if !h.longYear {
		year += 2000
	}
	return year, month, day
}

func validDate(year, month, day int) bool {
	return month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
		(day <= 28 || day <= time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day())
}

// whatsappSurvey is what a first pass over a file finds out.
type whatsappSurvey struct {
	layout         whatsappLayout // of the first head
	heads, senders int            // lines of the layout; those that name a sender
	orders         [len(dateOrders)]struct{ impossible, back, last int }
	// names are those of senders, up to maxNames, and whether they wrote
	// anything but what begins with a mark, as the notices of iOS do.
	names map[string]bool
	group string // the group's name in the line of its creation
	first bool   // the first line that is not blank is a head
}

const maxNames = 4096

func surveyWhatsApp(lines *lineScanner) (whatsappSurvey, error) {
	s := whatsappSurvey{names: map[string]bool{}}
	blank := true
	for lines.next() {
		h, ok := parseWhatsAppHead(lines.Text)
		if blank && len(bytes.TrimSpace(lines.Text)) > 0 {
			blank, s.first = false, ok
		}
		if ok {
			s.add(&h)
		}
	}
	return s, lines.err
}

func (s *whatsappSurvey) add(h *whatsappHead) {
	if s.heads == 0 {
		s.layout = h.whatsappLayout
	}
	if h.whatsappLayout != s.layout {
		return
	}
	s.heads++
	for i := range dateOrders {
		o := &s.orders[i]
		year, month, day := dateOrders[i].of(h)
		if !validDate(year, month, day) {
			o.impossible++
			continue
		}
		moment := (year*12+month)*31 + day
		if moment < o.last {
			o.back++
		}
		o.last = moment
	}
	if at := bytes.Index(h.rest, []byte(": ")); at >= 0 && plausibleName(h.rest[:at]) {
		s.senders++
		if name := h.rest[:at]; len(s.names) < maxNames && !s.names[string(name)] {
			s.names[string(name)] = !bytes.HasPrefix(h.rest[at+2:], []byte(leftToRight))
		}
	} else if s.group == "" {
		s.group = createdGroup(h.rest)
	}
}

// order decides on the order of dates, and says what it rests on if no date
// proves it. A year of two digits in front is rare: it is taken only where both
// other orders contradict the file.
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
	order = &dateOrders[best]
	switch {
	case s.orders[other].impossible > s.orders[best].impossible:
		return order, ""
	case s.orders[other].back > s.orders[best].back:
		return order, order.name + ", from the order of the messages"
	}
	return order, "assumed " + order.name
}

// detectWhatsApp leaves "[2019-12-24, 12:23] NAME: text" alone: it is how
// exports of Signal look, and no layout of WhatsApp (iOS writes seconds).
func detectWhatsApp(s Sample) int {
	if s.Text == nil {
		return 0
	}
	survey, err := surveyWhatsApp(newLines(context.Background(), bytes.NewReader(s.Text), len(s.Text)))
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
	messages messages
	in       Input
	names    map[string]bool
	accounts map[string]string // of names, up to maxNames
	order    *dateOrder
	doubt    string
	chat     string
	zone     *time.Location
	zoneFrom argus.ZoneSource

	open    bool
	where   argus.Where
	problem string
	sent    argus.Time
	text    []byte // its lines; of a problem, their beginning
	head    int    // how much of text is date and clock
	guessed bool   // a line was taken as Windows-1252
}

func readWhatsApp(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		survey, err := surveyWhatsApp(newLines(ctx, in.Reader(), in.maxRecord()))
		if err != nil {
			yield(Item{}, err)
			return
		}
		r := whatsappReading{in: in, names: survey.names, accounts: map[string]string{}, chat: whatsappChat(in.Name, survey.group)}
		r.zone, r.zoneFrom = in.zone()
		r.order, r.doubt = survey.order()

		orphan := "the line stands before the first message; want DATE, TIME - NAME: text or [DATE, TIME] NAME: text"
		lines := newLines(ctx, in.Reader(), in.maxRecord())
		for lines.next() {
			if lines.Problem != "" {
				if item, ok := r.close(); ok && !yield(item, nil) {
					return
				}
				if !yield(lines.line.problem(lines.Problem), nil) {
					return
				}
				orphan = "the line stands behind one that is too long to read; what message it belongs to is not known"
				continue
			}
			h, ok := parseWhatsAppHead(lines.Text)
			if !ok || h.whatsappLayout != survey.layout {
				r.add(&lines.line, orphan)
				continue
			}
			if item, ok := r.close(); ok && !yield(item, nil) {
				return
			}
			r.begin(&lines.line, &h)
		}
		if item, ok := r.close(); ok && !yield(item, nil) {
			return
		}
		if lines.err != nil {
			yield(Item{}, lines.err)
		}
	}
}

// zone returns the zone of clocks that name none, and who said so.
func (o Options) zone() (*time.Location, argus.ZoneSource) {
	if o.Zone == nil {
		return time.UTC, argus.ZoneAssumed
	}
	return o.Zone, argus.ZoneOperator
}

// begin starts a message.
func (r *whatsappReading) begin(l *line, h *whatsappHead) {
	r.open, r.where = true, l.where()
	r.guessed = l.Charset == charsetWindows1252
	r.text, r.head = append(r.text[:0], l.Text...), len(l.Text)-len(h.rest)
	r.sent, r.problem = r.moment(h)
}

// moment reads the date and the clock.
func (r *whatsappReading) moment(h *whatsappHead) (_ argus.Time, problem string) {
	year, month, day := r.order.of(h)
	if !validDate(year, month, day) {
		return argus.Time{}, fmt.Sprintf("want a date, %s, and found %q", r.order.name, h.raw)
	}
	hour := h.hour
	switch h.period {
	case '?':
		return argus.Time{}, fmt.Sprintf("want a.m., p.m. or a clock of 24 hours, and found the word %q", h.word)
	case 'a': // 00:08 a.m. is written by some phones
		if hour == 12 {
			hour = 0
		} else if hour > 12 {
			return argus.Time{}, fmt.Sprintf("want an hour before noon and found %q", h.raw)
		}
	case 'p':
		if hour < 12 {
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
	sent := argus.Time{Raw: r.sent.Raw, Zone: r.zoneFrom, Precision: precision}
	if seconds, _ := utcSeconds(year, month, day, hour, h.minute, h.second); r.zone == time.UTC {
		sent.Micros = seconds * 1e6
	} else {
		sent.Micros = time.Date(year, time.Month(month), day, hour, h.minute, h.second, 0, r.zone).UnixMicro()
	}
	if !sent.Plausible() {
		return argus.Time{}, fmt.Sprintf("want a date between %d and %d and found %q", argus.FirstYear, argus.LastYear, h.raw)
	}
	return sent, ""
}

// add takes a further line of a message, or one without a message.
func (r *whatsappReading) add(l *line, orphan string) {
	if !r.open {
		if len(bytes.TrimSpace(l.Text)) == 0 {
			return
		}
		r.open, r.where, r.problem = true, l.where(), orphan
		r.text = append(r.text[:0], l.Text...)
		return
	}
	r.where.Length = l.Offset + l.Length - r.where.Offset
	r.guessed = r.guessed || l.Charset == charsetWindows1252
	if r.problem == "" && r.where.Length > int64(r.in.maxRecord()) {
		r.problem = fmt.Sprintf("the message is longer than %d bytes, the longest record that is read", r.in.maxRecord())
	}
	if r.problem == "" || len(r.text) < argus.QuarantineRaw {
		r.text = append(append(r.text, '\n'), l.Text...)
	}
}

// close ends what is being gathered and returns it, if there is any.
func (r *whatsappReading) close() (Item, bool) {
	if !r.open {
		return Item{}, false
	}
	r.open = false
	item := Item{Where: r.where}
	if r.problem != "" {
		item.Problem = r.problem
		item.Raw = bytes.Clone(r.text[:min(len(r.text), argus.QuarantineRaw)])
		return item, true
	}
	item.Message = r.message()
	return item, true
}

// message makes a message of what was gathered.
func (r *whatsappReading) message() *argus.Message {
	m := r.messages.next()
	m.Service, m.Conversation, m.Title, m.Sent = cmp.Or(r.in.Service, "whatsapp"), r.chat, r.chat, r.sent
	m.ConversationReach = argus.ReachExport // a name
	if r.doubt != "" {
		m.Extra = append(m.Extra, argus.Field{Name: "date_order", Value: r.doubt})
	}
	if r.guessed {
		m.Extra = append(m.Extra, guessedCharset)
	}
	body := strings.TrimRight(string(r.text[r.head:]), "\n")
	name, text, ok := r.sender(body)
	if !ok {
		notice(m, trimMarks(body), "")
		return m
	}
	marked := strings.HasPrefix(text, leftToRight)
	text = trimMarks(text)
	shown := argus.CleanName(name)
	group := marked && shown == r.chat && !r.names[name] && !hasWhatsAppAttachment(text)
	if shown == "" || marked && (group || isEncryptionNotice(text)) {
		notice(m, text, "")
		m.Extra = append(m.Extra, argus.Field{Name: "name", Value: name})
		return m
	}
	m.From, m.FromName = r.account(shown)
	named(m, m.From)
	readWhatsAppText(m, text, marked)
	return m
}

// guessedCharset is the Extra of a message whose stored bytes are not UTF-8.
var guessedCharset = argus.Field{Name: "charset", Value: "windows-1252 assumed: the bytes are not valid UTF-8"}

const leftToRight = "\u200E"

// trimMarks removes the direction marks that the export puts in front.
func trimMarks(s string) string {
	return strings.TrimLeftFunc(s, isMark)
}

// sender splits NAME: text. A colon without a space behind it ends a name only
// if the name is known from other messages.
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
	if !known && (at < len(first)-1 || !plausibleName(first[:at])) {
		return "", "", false
	}
	return body[:at], body[at+1:], true
}

// plausibleName says whether text before ": " is a name. In a notice such as
// X changed the subject to “a: b” it holds a quotation mark that is not closed.
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

// account returns the account that a name stands for, and the name where it
// differs.
func (r *whatsappReading) account(shown string) (from, name string) {
	from, ok := r.accounts[shown]
	if !ok {
		from = accountOf(shown)
		if len(r.accounts) < maxNames {
			r.accounts[strings.Clone(shown)] = strings.Clone(from)
		}
	}
	if from != shown {
		name = shown
	}
	return from, name
}

// accountOf writes a phone number without what people put between its digits;
// any other name stays, with plain spaces.
func accountOf(shown string) string {
	if shown == "" || shown[0] >= 'a' && shown[0] <= 'z' && !strings.ContainsFunc(shown, unicode.IsSpace) {
		return shown
	}
	number := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\u00A0', '\u202F', '-', '‑', '(', ')':
			return -1
		}
		return r
	}, shown)
	if len(number) >= 8 && number[0] == '+' && strings.Trim(number[1:], "0123456789") == "" {
		return number
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, shown)
}

// The phrases that WhatsApp itself writes into exports, in lower case, without
// direction marks and full stop. English, German, Dutch, French, Spanish,
// Portuguese, Italian, Turkish, Russian, Polish.
var (
	deletedPhrases = phrases("this message was deleted", "you deleted this message",
		"diese nachricht wurde gelöscht", "du hast diese nachricht gelöscht",
		"dit bericht is verwijderd", "je hebt dit bericht verwijderd", "u hebt dit bericht verwijderd",
		"ce message a été supprimé", "vous avez supprimé ce message",
		"se eliminó este mensaje", "este mensaje fue eliminado", "eliminaste este mensaje",
		"mensagem apagada", "esta mensagem foi apagada", "você apagou esta mensagem", "essa mensagem foi apagada",
		"questo messaggio è stato eliminato", "hai eliminato questo messaggio",
		"bu mesaj silindi", "bu mesajı sildiniz",
		"данное сообщение удалено", "вы удалили данное сообщение",
		"ta wiadomość została usunięta", "usunięto tę wiadomość")
	editedPhrases = phrases("this message was edited", "diese nachricht wurde bearbeitet", "dit bericht is bewerkt",
		"ce message a été modifié", "se editó este mensaje", "mensagem editada", "esta mensagem foi editada",
		"questo messaggio è stato modificato", "bu mesaj düzenlendi", "сообщение изменено", "wiadomość została zmieniona")
	// omittedPhrases name what was left out, by kind where they tell it.
	omittedPhrases = map[string]string{
		"media omitted": "", "medien ausgeschlossen": "", "medien weggelassen": "", "media weggelaten": "",
		"médias omis": "", "fichier omis": "", "multimedia omitido": "", "archivo omitido": "", "mídia oculta": "",
		"arquivo de mídia oculto": "", "ficheiro não revelado": "", "media omessi": "", "media omesso": "",
		"medya dahil edilmedi": "", "без медиафайлов": "", "файл пропущен": "", "pominięto multimedia": "",
		"image omitted": "image", "video omitted": "video", "audio omitted": "audio", "gif omitted": "gif",
		"sticker omitted": "sticker", "document omitted": "document", "contact card omitted": "contact", "video note omitted": "video",
		"bild weggelassen": "image", "video weggelassen": "video", "audio weggelassen": "audio", "gif weggelassen": "gif",
		"sticker weggelassen": "sticker", "dokument weggelassen": "document", "kontaktkarte ausgelassen": "contact",
		"afbeelding weggelaten": "image", "video weggelaten": "video", "audio weggelaten": "audio", "gif weggelaten": "gif",
		"sticker weggelaten": "sticker", "document weggelaten": "document",
		"image absente": "image", "vidéo absente": "video", "audio omis": "audio", "sticker omis": "sticker", "document omis": "document",
		"imagen omitida": "image", "video omitido": "video", "audio omitido": "audio", "sticker omitido": "sticker", "documento omitido": "document",
		"imagem ocultada": "image", "vídeo omitido": "video", "áudio ocultado": "audio",
		"immagine omessa": "image", "video omesso": "video", "audio omesso": "audio", "documento omesso": "document",
	}
	attachedPhrases = phrases("attached", "anhang", "bijgevoegd", "bijlage", "pièce jointe", "fichier joint", "adjunto",
		"anexado", "allegato", "ekli", "вложение", "прикреплено", "załączono")
	filePhrases = phrases("file attached", "datei angehängt", "bestand bijgevoegd", "fichier joint", "archivo adjunto",
		"arquivo anexado", "ficheiro anexado", "file allegato", "dosya ekli", "файл добавлен", "plik załączony")
	createdPhrases = []string{"created group", "created the group", "hat die gruppe", "heeft de groep", "heeft groep",
		"a créé le groupe", "creó el grupo", "criou o grupo", "ha creato il gruppo", "grubunu oluşturdu",
		"создал(-а) группу", "создал(а) группу", "создал группу", "utworzył(a) grupę"}
	encryptionPhrases = []string{"end-to-end encrypted", "ende-zu-ende-verschlüsselt", "end-to-end versleuteld",
		"chiffrés de bout en bout", "cifrados de extremo a extremo", "criptografia de ponta a ponta",
		"crittografati end-to-end", "uçtan uca şifreli", "сквозным шифрованием", "szyfrowane end-to-end"}
	chatPrefixes = []string{"whatsapp chat with ", "whatsapp chat - ", "whatsapp-chat mit ", "whatsapp chat mit ", "whatsapp-chat met ",
		"whatsapp chat met ", "discussion whatsapp avec ", "chat de whatsapp con ", "conversa do whatsapp com ",
		"chat whatsapp con ", "chat do whatsapp com ", "whatsapp sohbeti - ", "чат whatsapp с ", "czat whatsapp z "}
)

func phrases(list ...string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, p := range list {
		set[p] = true
	}
	return set
}

// phrase writes text as the tables have it; of what is longer than any of them
// it makes nothing.
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

// createdGroup returns the group's name from the line that says who created it.
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

// whatsappChat names the conversation, as whatsappFormat documents.
func whatsappChat(name, group string) string {
	name = strings.ReplaceAll(name, "!/", "/")
	base := path.Base(name)
	if strings.HasPrefix(base, "_chat") && path.Dir(name) != "." {
		base = path.Base(path.Dir(name))
	}
	for _, ending := range []string{".txt", ".zip"} {
		if len(base) > len(ending) && strings.EqualFold(base[len(base)-len(ending):], ending) {
			base = base[:len(base)-len(ending)]
		}
	}
	base = argus.CleanName(base)
	for _, prefix := range chatPrefixes {
		if len(base) > len(prefix) && strings.EqualFold(base[:len(prefix)], prefix) {
			return argus.CleanName(base[len(prefix):])
		}
	}
	return cmp.Or(group, base)
}

// readWhatsAppText takes the phrases of WhatsApp itself out of a message's
// text, and says what they say in the message's fields. marked says that
// leftToRight stood in front of it.
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

// whatsappCaption cuts a text before "image omitted" and the like, which stand
// behind what was written with a picture; before a document stands its name. The
// kind is "" where there is none.
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

// hasWhatsAppAttachment tells what somebody sent who sends nothing but files from
// the notices that stand under the chat's own name.
func hasWhatsAppAttachment(text string) bool {
	first, _, _ := strings.Cut(text, "\n")
	_, whole := whatsappAttachment(first)
	_, _, end := whatsappTag(text, true)
	return whole || end > 0
}

// whatsappTag finds the first line that ends in the tag of an attachment,
// <attached: NAME>, as iOS writes it behind a caption: the name, and where the tag
// is. It is one if leftToRight stands before it, or if its word is known, so that
// nothing that people write becomes an attachment. marked says that it stands
// before the text.
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

// lastOpening returns the place of the last < in a text that ends with >, or -1.
func lastOpening(text string) int {
	if !strings.HasSuffix(text, ">") {
		return -1
	}
	return strings.LastIndexByte(text, '<')
}

// whatsappAttachment reads the line that stands for an attachment.
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

// lastMark returns the place of the last leftToRight, or -1.
func lastMark(line string) int {
	if strings.IndexByte(line, leftToRight[0]) < 0 { // as in most lines, and sooner known
		return -1
	}
	return strings.LastIndex(line, leftToRight)
}

// isPhoneFile knows the names that WhatsApp gives files: IMG-20200101-WA0001.jpg
// (Android), 00000012-PHOTO-2020-01-01-10-00-00.jpg (iOS). No space is in them.
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

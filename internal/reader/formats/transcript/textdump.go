// Package transcript reads chats that a program wrote down one message after another:
// text exports, logs, and streams of XMPP.
package transcript

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Textdump reads chats that programs and people wrote out as plain text, in one of
// textLayouts. The first message decides the layout of the whole file. Text after a message up
// to the next is its body; a line in another layout is text.
//
//   - Lines that consist of - = _ * # ~ are separators. Facts before the first
//     message ("Device: …") are kept in Extra of every message; App or Service
//     names the service. Other text there is a problem of its own.
//   - A report has headings, at its beginning or after an empty line: "… found on
//     device D" begins the log of another device (Item.Device), "APP conversation about
//     A containing N messages …" another conversation, with its service and its number
//     of messages. Both are in Extra of the messages that follow.
//   - From and To: as written; Jabber ids as in the jabber format.
//   - Conversation: the two accounts if a message names both, otherwise the file's
//     name without its extension, with the key of the first message.
//   - Service: Options.Service, otherwise the one that the file names, otherwise matrix
//     for @user:server, and, as assumed, xmpp between a@b and c@d and signal in the layout
//     of its export; otherwise unknown.
//   - A line that begins with a date and a clock in the form of the message above it,
//     but does not fit the file's layout, is a problem, never text of that message.
//   - Day before month in a date with two digits for each.
//   - Messages have no id: equal ones within the precision of the clock are
//     counted apart.
var Textdump = &reader.Format{
	Name:    "textdump",
	Version: 4,
	About:   "chats as plain text: @user:server, a -> b, [date] nick:, time | From: | To:, and Signal's text export",
	Checked: "chat-miner's Signal sample, 2 of 2 messages as in its target; otherwise invented examples in layouts of public dumps",
	Log:     true,
	Devices: true,
	Detect:  detectTextdump,
	Read:    readTextdump,
}

// textHead is the beginning of a message.
type textHead struct {
	raw, from, to, text string
	// sent is unknown if there is no such time.
	sent argus.Time
}

// textLayout describes how one kind of dump begins its messages.
type textLayout struct {
	name string
	// service is the service that the layout proves, or "" if it proves none.
	service string
	parse   func(line string, o reader.Options) (textHead, bool)
}

// textLayouts are tried in this order.
var textLayouts = []textLayout{
	{"matrix", "matrix", parseBracketUser},
	{"arrow", "", parseArrow},
	{"signal", "", parseSignalText},
	{"nick", "", parseNickTab},
	{"fields", "", parseFields},
}

// detectTextdump looks for messages in one layout: two of them, or one at the beginning of the
// file, however many lines it has.
func detectTextdump(s reader.Sample) int {
	for _, layout := range textLayouts {
		found, lines, first := 0, 0, false
		for line := range bytes.Lines(s.Text) {
			if lines++; lines > 200 || len(line) > build.ExtraLimit {
				break
			}
			if len(bytes.TrimSpace(line)) == 0 {
				lines--
			} else if h, ok := layout.parse(strings.TrimRight(string(line), "\r\n"), reader.Options{}); ok && h.sent.Known() {
				found++
				first = first || lines == 1
			}
		}
		if found > 1 || found == 1 && (lines <= 3 || first) {
			return 90
		}
	}
	return 0
}

// inBrackets splits "[stamp] rest".
func inBrackets(line string) (stamp, rest string, ok bool) {
	if inside, ok := strings.CutPrefix(line, "["); ok && len(line) > 20 {
		return strings.Cut(inside, "] ")
	}
	return "", "", false
}

// parseBracketUser reads [YYYY-MM-DD HH:MM:SS] @user:server: text.
func parseBracketUser(line string, o reader.Options) (h textHead, ok bool) {
	stamp, rest, ok := inBrackets(line)
	if !ok || len(stamp) < len("2006-01-02 15:04:05") || !strings.HasPrefix(rest, "@") {
		return h, false
	}
	server := strings.IndexByte(rest, ':')
	if server < 0 {
		return h, false
	}
	// The server may have a port: @user:server:8448: text.
	end := strings.Index(rest[server:]+" ", ": ")
	if end < 2 || strings.IndexByte(rest[:server+end], ' ') >= 0 {
		return h, false
	}
	h.raw, h.from, h.text = stamp, rest[:server+end], strings.TrimPrefix(rest[min(len(rest), server+end+1):], " ")
	h.sent, _ = dates.ISO(stamp, o)
	return h, isStamp(stamp)
}

// parseArrow reads 2020-07-22T12:33:03 a -> b, with the body on the same line or below it.
func parseArrow(line string, o reader.Options) (h textHead, ok bool) {
	if len(line) < len("2020-07-22T12:33 a -> b") || line[0] < '0' || line[0] > '9' {
		return h, false
	}
	stamp, parties, _ := strings.Cut(line, " ")
	if len(stamp) == len("2006-01-02") { // with a space between date and time
		var clock string
		clock, parties, _ = strings.Cut(parties, " ")
		stamp += " " + clock
	}
	h.raw = stamp
	from, to, found := strings.Cut(parties, " -> ")
	if !found || strings.TrimSpace(from) == "" {
		return h, false
	}
	to = strings.TrimSuffix(strings.TrimSpace(to), ":")
	if name, text, found := strings.Cut(to, ": "); found {
		to, h.text = name, text
	}
	h.from, h.to = strings.TrimSpace(from), strings.TrimSpace(to)
	h.sent, _ = dates.ISO(h.raw, o)
	return h, isStamp(h.raw) && h.to != "" && !strings.ContainsAny(h.from+h.to, " \t")
}

// parseSignalText reads [YYYY-MM-DD, HH:MM] Name: text.
func parseSignalText(line string, o reader.Options) (h textHead, ok bool) {
	stamp, rest, ok := inBrackets(line)
	day, clock, comma := strings.Cut(stamp, ", ")
	if !ok || !comma || len(day) != len("2006-01-02") || len(clock) != len("15:04") {
		return h, false
	}
	if h.from, h.text, ok = strings.Cut(rest+" ", ": "); !ok || h.from == "" {
		return h, false
	}
	h.raw, h.text = stamp, strings.TrimSuffix(h.text, " ")
	if h.sent, ok = dates.ISO(day+" "+clock, o); ok {
		h.sent.Raw = stamp
	}
	return h, isStamp(stamp)
}

// parseNickTab reads [22.11.21 11:08:01] nick:<TAB>text.
func parseNickTab(line string, o reader.Options) (h textHead, ok bool) {
	stamp, rest, ok := inBrackets(line)
	if !ok {
		return h, false
	}
	if h.from, h.text, ok = strings.Cut(rest+"\t", ":\t"); !ok || strings.TrimSpace(h.from) == "" {
		return h, false
	}
	h.raw, h.text = stamp, strings.TrimSuffix(h.text, "\t")
	h.sent = parseDottedDate(stamp, o)
	return h, isStamp(stamp)
}

// parseDottedDate reads 22.11.21 11:08:01 and 22.11.2021 11:08. The time of any other text is
// unknown.
func parseDottedDate(stamp string, o reader.Options) argus.Time {
	zone, source := o.ZoneOrUTC()
	for _, layout := range [...]string{"2.1.06 15:04:05", "2.1.2006 15:04:05", "2.1.06 15:04", "2.1.2006 15:04"} {
		if at, err := time.ParseInLocation(layout, stamp, zone); err == nil && !strings.Contains(stamp, ",") {
			precision := argus.Second
			if !strings.Contains(layout, ":05") {
				precision = argus.Minute
			}
			return argus.At(at, stamp, source, precision)
		}
	}
	return argus.Time{}
}

// parseFields reads time | From: a | To: b | Message: text.
func parseFields(line string, o reader.Options) (h textHead, ok bool) {
	stamp, rest, ok := strings.Cut(line, "|")
	if !ok {
		return h, false
	}
	h.raw = strings.TrimSpace(stamp)
	for rest != "" {
		field, behind, _ := strings.Cut(rest, "|")
		name, value, _ := strings.Cut(strings.TrimSpace(field), ":")
		switch strings.ToLower(name) {
		case "from":
			h.from = strings.TrimSpace(value)
		case "to":
			h.to = strings.TrimSpace(value)
		case "message", "text", "body":
			_, h.text, _ = strings.Cut(rest, ":")
			h.text = strings.TrimPrefix(h.text, " ")
			behind, ok = "", h.from != ""
		default:
			return h, false
		}
		rest = behind
	}
	if !ok {
		return h, false
	}
	if h.sent, ok = dates.ISO(h.raw, o); !ok {
		h.sent = parseDottedDate(h.raw, o)
	}
	return h, isStamp(h.raw)
}

// isStamp reports whether a text has the form of a date and a time, even with impossible
// values: a message with an impossible time is not part of the one before it.
func isStamp(s string) bool {
	digits := 0
	for _, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case strings.IndexByte("-.:/, TZ+", c) < 0:
			return false
		}
	}
	return digits >= len("1121108") && strings.IndexByte(s, ':') > 0
}

// readTextdump yields one item for each message and one for each line before the first that is
// not a fact. Record is the number of an item's first line.
func readTextdump(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		r := textReading{in: in, lines: textdoc.NewLines(ctx, in.Reader(), in.RecordLimit()), yield: yield}
		for r.lines.Next() {
			if !r.line(&r.lines.Line) {
				return
			}
		}
		if r.lines.Err != nil {
			yield(reader.Item{}, r.lines.Err)
			return
		}
		if r.flush() {
			r.state(false)
		}
	}
}

// textReading is the state of reading a dump.
type textReading struct {
	messages build.Messages
	in       reader.Input
	lines    *textdoc.Lines
	yield    func(reader.Item, error) bool
	layout   *textLayout
	facts    []argus.Field
	open     bool
	head     textHead
	assumed  []argus.Field // of the open message
	hours    dates.LogHours
	begins   string // the file's first message
	log      string // the conversation, if it is named only by the file's name
	body     []byte
	where    argus.Where

	// device and chat are the current headings, and app is the service that chat names. apart
	// is set after a heading or an empty line.
	device, chat, app string
	apart             bool
	// stated is the number of messages that chat states, or "" if it states none; before is
	// the number of items before chat.
	stated        string
	before, items uint64
}

// give yields an item and counts it.
func (r *textReading) give(item reader.Item) bool {
	r.items++
	item.Device = r.device
	return r.yield(item, nil)
}

// heading takes a heading of a report and reports whether the line is one.
func (r *textReading) heading(line string) (is, more bool) {
	_, device, isDevice := strings.Cut(line, " found on device ")
	chat, isChat := parseTextChat(line)
	if !isDevice && !isChat || strings.Contains(line, "|") {
		return false, true
	}
	if !r.flush() || !r.state(isChat) {
		return true, false
	}
	r.chat, r.app, r.stated, r.before = "", "", "", r.items
	if isDevice {
		r.device = argus.CleanName(device)
	} else {
		r.chat, r.app, r.stated = argus.CleanName(line), chat.app, chat.count
	}
	return true, true
}

// textChat is the heading of a conversation.
type textChat struct{ app, count string }

// parseTextChat reads APP conversation about A containing N messages between M
// participants.
func parseTextChat(line string) (c textChat, ok bool) {
	app, rest, ok := strings.Cut(line, " conversation about ")
	at := strings.LastIndex(rest, " containing ")
	if !ok || at < 0 || len(app) > 40 {
		return c, false
	}
	count, _, ok := strings.Cut(rest[at+len(" containing "):], " message")
	if _, err := strconv.ParseUint(count, 10, 32); err != nil {
		return c, false
	}
	return textChat{strings.ToLower(argus.CleanName(app)), count}, ok
}

// state yields the stated number of messages of the conversation that ends here. A device
// without a conversation is a problem, unless begins says that one begins here.
func (r *textReading) state(begins bool) bool {
	n, err := strconv.ParseUint(r.stated, 10, 32)
	if err != nil && r.device != "" && r.items == r.before && !begins {
		return r.give(reader.Item{Problem: "want conversations under the heading of a device, found none", Raw: []byte(r.device[:min(len(r.device), argus.QuarantineRaw)]), Where: r.where})
	}
	if err != nil {
		return true
	}
	at := argus.Where{Record: r.where.Record, Offset: r.where.Offset + r.where.Length}
	return r.yield(reader.Item{Stated: &argus.Stated{What: "messages of a conversation", Count: n, Besides: r.before}, Where: at, Device: r.device}, nil)
}

// line takes one line and reports whether more are wanted.
func (r *textReading) line(l *textdoc.Line) bool {
	if l.Problem != "" {
		return r.flush() && r.give(reader.ProblemOf(l, l.Problem))
	}
	text := string(l.Text)
	if apart := r.apart || !r.open; apart {
		if is, more := r.heading(text); is {
			r.apart, r.where = true, l.Where()
			return more
		}
	}
	r.apart = strings.TrimSpace(text) == ""
	if h, layout, ok := r.parse(text); ok {
		if !r.flush() {
			return false
		}
		if !h.sent.Known() {
			return r.give(reader.ProblemOf(l, "want a date and a clock that exist, found other digits"))
		}
		r.layout, r.head, r.open, r.where = layout, h, true, l.Where()
		r.body = append(r.body[:0], h.text...)
		r.assume()
		if r.begins == "" {
			r.begins = h.raw + " " + h.from + " " + h.text[:min(len(h.text), jsondoc.FactSize)]
		}
		return true
	}
	if r.layout != nil && r.head.raw != "" && isAlike(text, r.head.raw) {
		return r.flush() && r.give(reader.ProblemOf(l, "want a message after date and time, found a line in another layout"))
	}
	switch {
	case r.open && int(l.Offset+l.Length-r.where.Offset) > r.in.RecordLimit():
		return r.flush() && r.give(reader.ProblemOf(l, fmt.Sprintf("the message goes on beyond %d bytes, the longest record that is read", r.in.RecordLimit())))
	case r.open:
		r.where.Length = l.Offset + l.Length - r.where.Offset
		r.body = append(append(r.body, '\n'), text...)
	case strings.TrimSpace(text) == "" || isSeparator(text):
	case r.layout == nil && r.fact(text):
	default:
		return r.give(reader.ProblemOf(l, "want the beginning of a message, found other text"))
	}
	return true
}

// isAlike reports whether a line begins with a date and a time in the form of stamp.
func isAlike(line, stamp string) bool {
	line = strings.TrimPrefix(line, "[")
	if len(line) < len(stamp) || !isStamp(stamp) {
		return false
	}
	for i := range len(stamp) {
		if textdoc.IsDigit(stamp[i]) != textdoc.IsDigit(line[i]) || !textdoc.IsDigit(stamp[i]) && stamp[i] != line[i] {
			return false
		}
	}
	return len(line) == len(stamp) || !textdoc.IsDigit(line[len(stamp)])
}

// assume records the assumptions about the time of the message that begins.
func (r *textReading) assume() {
	r.assumed = r.assumed[:0]
	if zone, _ := r.in.ZoneOrUTC(); zone != time.UTC {
		hour, minute := clockIn(r.head.raw)
		if doubt, ok := r.hours.Settle(&r.head.sent, zone, hour, minute); ok {
			r.assumed = append(r.assumed, doubt)
		}
	}
	if year := r.head.raw[:max(strings.IndexAny(r.head.raw, " T"), 0)]; strings.Count(year, ".") == 2 && len(year)-strings.LastIndexByte(year, '.') == 3 {
		r.assumed = append(r.assumed, argus.Assumed("year", "of two digits, taken as of 1969 to 2068"))
	}
}

// clockIn finds the hour and the minute in a date with a time, in which each has two digits.
func clockIn(raw string) (hour, minute int) {
	at := strings.IndexByte(raw, ':')
	if at < 2 || at+3 > len(raw) {
		return 0, 0
	}
	return decimal([]byte(raw[at-2 : at])), decimal([]byte(raw[at+1 : at+3]))
}

// parse reads a line in the file's layout, or in any layout until that is known.
func (r *textReading) parse(line string) (textHead, *textLayout, bool) {
	if r.layout != nil {
		h, ok := r.layout.parse(line, r.in.Options)
		return h, r.layout, ok
	}
	for i := range textLayouts {
		if h, ok := textLayouts[i].parse(line, r.in.Options); ok && h.sent.Known() {
			return h, &textLayouts[i], true
		}
	}
	return textHead{}, nil, false
}

// fact keeps "Name: value" before the first message.
func (r *textReading) fact(line string) bool {
	name, value, ok := strings.Cut(line, ":")
	if name = argus.CleanName(name); !ok || name == "" || len(name) > 40 || len(r.facts) == jsondoc.FactLimit {
		return false
	}
	value = argus.CleanName(value)
	r.facts = append(r.facts, argus.Field{Name: name, Value: strings.ToValidUTF8(value[:min(len(value), jsondoc.FactSize)], "")})
	return true
}

// isSeparator reports whether a line is a drawn rule, or the names of the fields.
func isSeparator(line string) bool {
	line = strings.TrimSpace(line)
	return len(line) >= 3 && strings.Trim(line, "-=_*#~") == "" ||
		strings.Contains(line, "| From: |") && strings.HasSuffix(line, "| Message:")
}

// flush yields the open message without trailing empty lines.
func (r *textReading) flush() bool {
	if !r.open {
		return true
	}
	r.open = false
	m := r.messages.Next()
	m.Sent, m.Extra = r.head.sent, r.facts[:len(r.facts):len(r.facts)]
	m.Service = r.service()
	if m.Service == "" {
		m.Service = r.assumedService()
	}
	m.Extra = append(m.Extra, r.assumed...)
	build.Keep(m, "device", r.device)
	build.Keep(m, "heading", r.chat)
	m.Text = trimBody(string(r.body))
	from, to := argus.CleanName(r.head.from), argus.CleanName(r.head.to)
	if strings.Contains(from, "@") && strings.Contains(to, "@") {
		setParties(m, from, to, false)
	} else if m.From = from; to != "" {
		m.To = []string{to}
		m.Conversation = argus.DirectConversation(from, to)
		build.Named(m, from, to)
		m.ConversationReach = m.AccountReach
	} else {
		base := path.Base(r.in.Name)
		m.Title = strings.TrimSuffix(base, path.Ext(base))
		if r.log == "" {
			r.log = build.LogConversation(r.begins)
		}
		m.Conversation, m.ConversationReach = r.log, argus.ReachFile
		if r.layout.name != "matrix" { // whose accounts include their server
			build.Named(m, from)
		}
	}
	if err := m.Valid(); err != nil {
		raw := r.head.raw + " " + string(r.body)
		return r.give(reader.Item{Problem: err.Error(), Raw: []byte(raw[:min(len(raw), argus.QuarantineRaw)]), Where: r.where})
	}
	return r.give(reader.Item{Message: m, Where: r.where})
}

// trimBody removes empty lines before a text, and empty lines and rules after it. A rule on
// the head's own line is part of the text.
func trimBody(text string) string {
	for end := strings.LastIndexByte(text, '\n'); end >= 0; end = strings.LastIndexByte(text, '\n') {
		if last := text[end+1:]; strings.TrimSpace(last) != "" && !isSeparator(last) {
			break
		}
		text = text[:end]
	}
	for {
		first, rest, more := strings.Cut(text, "\n")
		if !more || strings.TrimSpace(first) != "" {
			return text
		}
		text = rest
	}
}

// service names the service: the operator's choice, the file's own statement, or the one that
// the layout proves.
func (r *textReading) service() string {
	named := ""
	for _, f := range r.facts {
		switch strings.ToLower(f.Name) {
		case "app", "application", "service":
			named = cmp.Or(named, strings.ToLower(f.Value))
		}
	}
	return cmp.Or(r.in.Service, r.app, named, r.layout.service)
}

// assumedService names a service without proof, and records that it is assumed.
func (r *textReading) assumedService() string {
	service, why := "unknown", ""
	switch {
	case r.layout.name == "signal":
		service, why = "signal", "signal, from the layout"
	case r.layout.name == "arrow" && strings.Contains(r.head.from, "@") && strings.Contains(r.head.to, "@"):
		service, why = "xmpp", "xmpp, from accounts of the form user@server"
	}
	if why != "" {
		r.assumed = append(r.assumed, argus.Assumed("service", why))
	}
	return service
}

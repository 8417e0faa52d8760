package transcript

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// IRC reads the logs of IRC clients, one item per line:
//
//		[hh:mm] <nick> text           [hh:mm:ss] too, and [YYYY-MM-DD hh:mm:ss]
//		hh:mm < nick> text            irssi
//		hh:mm:ss< nick> text          irssi too
//		YYYY-MM-DD hh:mm:ss<TAB>nick<TAB>text   WeeChat; since 2025 hh:mm:ss.ffffffZ, in UTC
//		Mon DD hh:mm:ss <nick><TAB>text         HexChat
//		YYYY-MM-DDThh:mm:ss  <nick> text        Limnoria
//		[hh:mm]  * nick does          an action: Text is the rest after the nick
//		=== nick [user@host]  has joined #channel    also -!-, ***, --> <-- --
//		--- Day changed Sat Feb 11 2006         also Log opened, Log closed; eggdrop's --- Sat Feb 11 2006
//		**** BEGIN LOGGING AT Mon Sep 30 23:58:44 2019      HexChat
//		Session Start: Mon Sep 30 23:58:44 2019             mIRC; Session Ident: #channel
//
//	  - Day: of the line itself, otherwise of the last day line, otherwise of the file's
//	    name (2004-12-25, 20041225, or a path 2004/12/25), if that names exactly one.
//	    Lines before any known day are one problem. A month and day without a year
//	    take that of the previous line, or the next one after December.
//	  - Clock: as written. If it runs back by more than an hour and no line names
//	    a new day, the messages from there on say so in Extra clock, and keep the
//	    day and hour as written: a new day, a clock of 12 hours without a.m. and
//	    p.m., and an adjusted clock cannot be told apart. A line without a clock
//	    takes that of the previous line, and says so in Extra clock; before any
//	    clock it has only the day.
//	  - From: the nick, folded according to RFC 1459 section 2.2, because the service
//	    treats Nick[x] and nick{x} as equal; FromName is the unfolded nick if it
//	    differs. Rank signs before it (@ + %) are removed, and so is the space that
//	    some logs put after each ], since no nick can contain one.
//	  - Conversation: the one channel that joins name, folded too; otherwise the
//	    #channel in the file's name; otherwise the file's name without date and
//	    extension, or the folder's if nothing remains (NETWORK/WINDOW/2019-09-30.log);
//	    without such a folder the file's name, with the key of its first line.
//	  - Nicks and channels are unique in a network, which no line names.
//	  - Joins, departures and kicks are memberships, a topic is of the room; every
//	    other event is a notice.
//	  - Events of the service (join, part, quit, nick, mode, topic, kick, notice,
//	    log) have State system, the line as Text, Extra event, and Extra address
//	    and reason if the line has them. A new nick is Extra alias. Any other line
//	    "=== nick words" is an action.
//
// Service: irc, or Options.Service. Record is the number of the line.
var IRC = &reader.Format{
	Name:    "irc",
	Version: 4,
	About:   "logs of IRC clients: [hh:mm] <nick> text, irssi, WeeChat, ZNC, HexChat, mIRC, Limnoria, eggdrop",
	Checked: "30 days of #Ubuntu, 44,673 lines: 36,196 messages, 350 actions, 6,565 joins, 1,052 parts, 394 renames, 105 modes, 7 topics, 4 kicks, no problem; WeeChat, HexChat, mIRC, ZNC, Limnoria and eggdrop on invented lines in their layouts",
	Log:     true,
	Detect:  detectIRC,
	Read:    readIRC,
}

// ircLine is a parsed line. Its slices belong to the line.
type ircLine struct {
	// day is the day that the line states, or zero if there is none; clock counts seconds
	// from midnight, or is -1 if there is no time.
	day       time.Time
	yearless  bool // the line states no year; day uses year 4
	clock     int
	micros    int  // of the second
	offset    int  // seconds east of UTC, if stated
	zoned     bool // offset is stated
	precision argus.Precision
	raw       []byte // date and time as written
	bad       string // the error in the date or the time

	padded  bool
	kind    ircKind
	nick    []byte // who said or did it
	text    []byte
	event   string
	alias   []byte
	address []byte
	reason  []byte
	channel []byte // the channel the channel of a join
	whom    []byte // who was kicked
}

type ircKind uint8

const (
	ircUnknown ircKind = iota
	ircMessage
	ircAction
	ircEvent
)

// parseIRC parses a line. padded means that the log has a space after each ].
func parseIRC(b []byte, padded bool) ircLine {
	l := ircLine{clock: -1, padded: padded}
	rest := b
	switch {
	case len(b) > 5 && b[0] == '[' && textdoc.IsDigit(b[1]):
		end := bytes.IndexByte(b[:min(len(b), 32)], ']')
		if end < 0 || !l.stamp(b[1:end]) {
			return l
		}
		rest = bytes.TrimPrefix(b[end+1:], []byte(" "))
	case len(b) > 19 && textdoc.IsDigit(b[0]) && b[4] == '-':
		end := stampEnd(b, len("2006-01-02 "))
		if end == len(b) || !l.stamp(b[:end]) {
			return l
		}
		if b[end] == '\t' {
			l.weechat(b[end+1:])
			return l
		}
		rest = bytes.TrimPrefix(b[end+1:], []byte(" "))
	case len(b) > 5 && textdoc.IsDigit(b[0]):
		end := stampEnd(b, 0)
		if end == len(b) || !l.stamp(b[:end]) {
			return l
		}
		if rest = b[end:]; b[end] == ' ' {
			rest = b[end+1:]
		}
	case len(b) > 16 && b[3] == ' ' && b[6] == ' ' && textdoc.IsDigit(b[5]) && textdoc.IsDigit(b[7]):
		return l.hexchat(b)
	case len(b) > 16 && (b[0] == 'S' || b[0] == '*') && l.session(b):
		return l
	}
	l.body(rest)
	return l
}

// stampEnd returns the end of the digits and signs of the date and time after from.
func stampEnd(b []byte, from int) int {
	end := from
	for end < len(b) && (textdoc.IsDigit(b[end]) || strings.IndexByte(":.-+TZ", b[end]) >= 0) {
		end++
	}
	return end
}

// hexchat reads Mon DD hh:mm:ss and the rest of the line.
func (l *ircLine) hexchat(b []byte) ircLine {
	day, err := time.Parse("Jan _2 2006", string(b[:6])+" 0004") // a leap year
	if end := stampEnd(b, 7); err == nil && end < len(b) && b[end] == ' ' && l.stamp(b[7:end]) {
		l.day, l.yearless, l.raw = day, true, b[:end]
		l.body(bytes.Replace(b[end+1:], []byte{'\t'}, []byte{' '}, 1))
	}
	return *l
}

// session reads the lines in which HexChat and mIRC record when a log begins and ends, and
// with whom. It reports whether the line is one of these.
func (l *ircLine) session(b []byte) bool {
	if window, ok := bytes.CutPrefix(b, []byte("Session Ident: ")); ok {
		l.kind, l.text, l.event = ircEvent, b, "log"
		if strings.IndexByte("#&", window[0]) >= 0 {
			l.channel, _, _ = bytes.Cut(window, []byte(" "))
		}
		return true
	}
	for _, words := range []string{"**** BEGIN LOGGING AT ", "**** ENDING LOGGING AT ", "Session Start: ", "Session Time: ", "Session Close: "} {
		if date, ok := bytes.CutPrefix(b, []byte(words)); ok {
			l.logDate(b, date)
			return true
		}
	}
	return false
}

// stamp reads hh:mm or hh:mm:ss, optionally after YYYY-MM-DD. It reports whether b has that
// form; bad names an impossible value.
func (l *ircLine) stamp(b []byte) bool {
	raw := b
	if len(b) > 11 && b[4] == '-' && b[7] == '-' && (b[10] == ' ' || b[10] == 'T') {
		year, month, day := decimal(b[:4]), decimal(b[5:7]), decimal(b[8:10])
		if year < 0 || month < 0 || day < 0 {
			return false
		}
		if !dates.Valid(year, month, day) || year < argus.FirstYear || year > argus.LastYear {
			l.bad = fmt.Sprintf("want a date and found %q", b[:10])
		} else {
			l.day = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
		}
		b = b[11:]
	}
	if len(b) > 8 && b[2] == ':' {
		b = l.zoneOf(l.fraction(b[8:]), b)
	}
	if len(b) != 5 && len(b) != 8 || b[2] != ':' {
		return false
	}
	hour, minute, second := decimal(b[:2]), decimal(b[3:5]), 0
	if len(b) == 5 {
		l.precision = argus.Minute
	} else {
		if b[5] != ':' {
			return false
		}
		second, l.precision = decimal(b[6:8]), max(l.precision, argus.Second)
	}
	if hour < 0 || minute < 0 || second < 0 {
		return false
	}
	if hour > 23 || minute > 59 || second > 59 {
		l.bad = fmt.Sprintf("want a time of day and found %q", b)
	}
	l.clock, l.raw = hour*3600+minute*60+second, raw
	return true
}

// fraction reads .ffffff after a time and returns the rest.
func (l *ircLine) fraction(b []byte) (rest []byte) {
	if len(b) < 2 || b[0] != '.' || !textdoc.IsDigit(b[1]) {
		return b
	}
	unit := 100_000
	for b = b[1:]; len(b) > 0 && textdoc.IsDigit(b[0]); b, unit = b[1:], unit/10 {
		l.micros += int(b[0]-'0') * unit
	}
	l.precision = argus.Micro
	return b
}

// zoneOf reads Z or +01:00 after a time and returns the time. It returns everything if there
// is something other than a zone.
func (l *ircLine) zoneOf(rest, b []byte) []byte {
	switch {
	case len(rest) == 1 && rest[0] == 'Z':
		l.zoned = true
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' && decimal(rest[1:3]) >= 0 && decimal(rest[4:]) >= 0:
		l.zoned, l.offset = true, decimal(rest[1:3])*3600+decimal(rest[4:])*60
		if rest[0] == '-' {
			l.offset = -l.offset
		}
	case len(rest) > 0:
		return b
	}
	return b[:8]
}

// decimal reads digits. It returns -1 if there is anything else.
func decimal(b []byte) int {
	n := 0
	for _, c := range b {
		if !textdoc.IsDigit(c) {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// body reads the rest of the line after the date and time.
func (l *ircLine) body(b []byte) {
	switch {
	case len(b) > 2 && b[0] == '<':
		if end := bytes.IndexByte(b, '>'); end > 0 && (end+1 == len(b) || b[end+1] == ' ' || b[end+1] == '\t') {
			l.say(b[1:end], b[min(end+2, len(b)):])
		}
	case bytes.HasPrefix(b, []byte("* ")) || bytes.HasPrefix(b, []byte(" * ")):
		if rest := b[bytes.IndexByte(b, '*')+2:]; !l.talking(rest) && !l.starred(rest) {
			l.act(rest)
		}
	case bytes.HasPrefix(b, []byte("-!- ")):
		l.kind, l.text, l.event = ircEvent, b[4:], "notice"
		l.happen(b[4:])
	case bytes.HasPrefix(b, []byte("*** ")):
		l.kind, l.text, l.event = ircEvent, b[4:], "notice"
		l.announce(b[4:])
	case bytes.HasPrefix(b, []byte("=== ")):
		l.text = b[4:]
		if !l.happen(b[4:]) {
			l.act(b[4:])
		}
	case bytes.HasPrefix(b, []byte("--> ")) || bytes.HasPrefix(b, []byte("<-- ")):
		l.kind, l.text, l.event = ircEvent, b[4:], "notice"
		l.happen(b[4:])
	case bytes.HasPrefix(b, []byte("--- ")):
		l.dayLine(b[4:])
	case len(b) > 3 && b[0] == '-' && b[1] != '-' && bytes.IndexByte(b[1:], '-') > 0 && l.clock >= 0:
		end := 1 + bytes.Index(b[1:], []byte("- "))
		if end < 2 || bytes.ContainsRune(b[1:end], ' ') {
			return
		}
		nick, _, _ := bytes.Cut(b[1:end], []byte(":")) // -nick:#channel- text
		l.kind, l.nick, l.text, l.event = ircEvent, nick, b[end+2:], "notice"
	}
}

// starred reads the events of mIRC and HexChat, which begin like actions. An address, or the
// whole line, distinguishes them: anybody may write in an action that he has quit.
func (l *ircLine) starred(b []byte) bool {
	l.text = b
	if old, alias, ok := bytes.Cut(b, []byte(" is now known as ")); ok && isNick(old) && isNick(alias) {
		l.is("nick", old)
		l.alias = alias
		return true
	}
	if nick, _, ok := bytes.Cut(b, []byte(" sets mode: ")); ok && isNick(nick) {
		l.is("mode", nick)
		return true
	}
	nick, rest, _ := bytes.Cut(b, []byte(" ("))
	address, rest, ok := bytes.Cut(rest, []byte(") "))
	if !ok || !isNick(nick) || bytes.IndexByte(address, '@') < 0 {
		return false
	}
	for _, e := range [...]struct{ words, event string }{{"has joined", "join"}, {"has left", "part"}, {"has quit", "quit"}, {"Quit", "quit"}} {
		if behind, ok := bytes.CutPrefix(rest, []byte(e.words)); ok {
			l.is(e.event, nick)
			l.address = address
			channel, reason, _ := bytes.Cut(bytes.TrimSpace(behind), []byte(" "))
			if len(channel) == 0 || strings.IndexByte("#&", channel[0]) < 0 {
				channel, reason = nil, behind
			}
			if l.reason = unwrap(reason); e.event == "join" {
				l.channel = channel
			}
			return true
		}
	}
	return false
}

// talking reads the line that mIRC and HexChat write when a window opens.
func (l *ircLine) talking(b []byte) bool {
	for _, words := range []string{"Now talking on ", "Now talking in "} {
		if channel, ok := bytes.CutPrefix(b, []byte(words)); ok && len(channel) > 0 && strings.IndexByte("#&", channel[0]) >= 0 {
			l.kind, l.text, l.event, l.channel = ircEvent, b, "log", channel
			return true
		}
	}
	return false
}

// say reads a message. Rank signs precede a nick and cannot begin one.
func (l *ircLine) say(nick, text []byte) {
	for len(nick) > 0 && strings.IndexByte(" @+%&~!", nick[0]) >= 0 {
		nick = nick[1:]
	}
	if isNick(nick) {
		l.kind, l.nick, l.text = ircMessage, nick, text
	}
}

// act reads "nick does".
func (l *ircLine) act(b []byte) {
	end := bytes.IndexByte(b, ' ')
	for l.padded && end > 0 && b[end-1] == ']' { // one space belongs to the nick, two end it
		next := bytes.IndexByte(b[end+1:], ' ')
		if next < 0 {
			end = next
			break
		}
		if end += 1 + next; next == 0 {
			break
		}
	}
	if end < 0 {
		end = len(b)
	}
	if nick := b[:end]; isNick(nick) {
		l.kind, l.nick, l.text, l.event = ircAction, nick, b[min(end+1, len(b)):], "action"
	}
}

// happen reads an event that a client logs, and reports whether it is one. The line is kept as
// Text.
func (l *ircLine) happen(b []byte) bool {
	if old, alias, ok := bytes.Cut(b, []byte(" is now known as ")); ok && isNick(old) && isNick(alias) {
		l.is("nick", old)
		l.alias = alias
		return true
	}
	for _, e := range ircEvents {
		at := bytes.Index(b, []byte(e.words))
		if at <= 0 {
			continue
		}
		nick, address, ok := cutAddress(b[:at])
		if !ok {
			continue
		}
		l.is(e.event, nick)
		l.address = address
		rest := b[at+len(e.words):]
		if e.event != "quit" {
			var channel []byte
			channel, rest, _ = bytes.Cut(b[at+len(e.words)-1:], []byte(" "))
			if e.event == "join" {
				l.channel = channel
			}
		}
		l.reason = unwrap(rest)
		return true
	}
	for _, words := range []string{" was kicked off ", " was kicked from "} {
		if nick, rest, ok := bytes.Cut(b, []byte(words)); ok && isNick(nick) {
			_, by, _ := bytes.Cut(rest, []byte(" by "))
			by, reason, _ := bytes.Cut(by, []byte(" "))
			l.is("kick", by)
			l.reason, l.whom = unwrap(reason), nick
			return true
		}
	}
	if kicker, rest, ok := bytes.Cut(b, []byte(" has kicked ")); ok && isNick(kicker) {
		whom, reason, _ := bytes.Cut(rest, []byte(" "))
		l.is("kick", kicker)
		l.reason, l.whom = unwrap(reason), whom
		return true
	}
	lower := bytes.ToLower(b[:min(len(b), 32)])
	switch {
	case bytes.HasPrefix(lower, []byte("mode/")), bytes.HasPrefix(lower, []byte("servermode/")), bytes.HasPrefix(lower, []byte("mode #")):
		_, by, _ := cutLast(b, " by ")
		l.is("mode", bytes.TrimSpace(by))
	case bytes.HasPrefix(lower, []byte("..[topic/")):
		_, by, _ := bytes.Cut(b[:max(0, bytes.IndexByte(b, ']'))], []byte(":"))
		l.is("topic", by)
	case bytes.HasPrefix(lower, []byte("topic for #")), bytes.HasPrefix(lower, []byte("topic (#")):
		l.is("topic", nil)
	case bytes.Contains(b, []byte(" changed the topic of #")), bytes.Contains(b, []byte(" has changed topic for #")):
		nick, _, _ := bytes.Cut(b, []byte(" "))
		l.is("topic", nick)
	default:
		return false
	}
	return true
}

// ircEvents are the events of users with an address.
var ircEvents = []struct{ words, event string }{
	{" has joined #", "join"}, {" has joined &", "join"}, {" has left #", "part"}, {" has left &", "part"}, {" has quit", "quit"},
}

func (l *ircLine) is(event string, nick []byte) {
	l.kind, l.event, l.nick = ircEvent, event, nick
}

// cutAddress splits "nick [user@host]" and "nick (user@host)".
func cutAddress(b []byte) (nick, address []byte, ok bool) {
	b = bytes.TrimSpace(b)
	for _, open := range []string{" [", " (", " <"} {
		if at := bytes.Index(b, []byte(open)); at > 0 && bytes.IndexByte(b[at:], '@') > 0 {
			return b[:at], bytes.TrimRight(b[at+2:], ")]>"), isNick(b[:at])
		}
	}
	return b, nil, isNick(b)
}

// isNick reports whether b is a nick: it has no space except after a ].
func isNick(b []byte) bool {
	b = trimNick(b)
	return len(b) > 0 && bytes.IndexByte(b, ' ') < 0
}

// trimNick removes the spaces that a log puts around a nick and after each ].
func trimNick(b []byte) []byte {
	b = bytes.TrimSpace(b)
	if bytes.IndexByte(b, ' ') < 0 {
		return b
	}
	return bytes.ReplaceAll(b, []byte("] "), []byte("]"))
}

func cutLast(b []byte, separator string) (before, after []byte, ok bool) {
	at := bytes.LastIndex(b, []byte(separator))
	if at < 0 {
		return b, nil, false
	}
	return b[:at], b[at+len(separator):], true
}

// unwrap removes the brackets and quotation marks around a reason.
func unwrap(b []byte) []byte {
	b = bytes.TrimSpace(b)
	for _, pair := range []string{"[]", "()", `""`} {
		if len(b) >= 2 && b[0] == pair[0] && b[len(b)-1] == pair[1] {
			b = b[1 : len(b)-1]
		}
	}
	return b
}

// announce reads events as ZNC and mIRC write them: "Joins: nick (user@host)".
func (l *ircLine) announce(b []byte) {
	for _, e := range [...]struct{ words, event string }{{"Joins: ", "join"}, {"Parts: ", "part"}, {"Quits: ", "quit"}} {
		who, ok := bytes.CutPrefix(b, []byte(e.words))
		if !ok {
			continue
		}
		nick, rest, _ := bytes.Cut(who, []byte(" "))
		address, reason, _ := bytes.Cut(rest, []byte(" "))
		l.is(e.event, nick)
		l.address, l.reason = unwrap(address), unwrap(reason)
		return
	}
	if nick, _, ok := bytes.Cut(b, []byte(" sets mode: ")); ok && isNick(nick) {
		l.is("mode", nick)
		return
	}
	l.happen(b)
}

// weechat reads the columns after the time: the nick and the text.
func (l *ircLine) weechat(b []byte) {
	who, text, ok := bytes.Cut(b, []byte("\t"))
	if !ok {
		return
	}
	switch sign := bytes.TrimSpace(who); string(sign) {
	case "*":
		l.act(text)
	case "-->", "<--", "--", "=!=", "":
		l.kind, l.text, l.event = ircEvent, text, "notice"
		l.happen(text)
	default:
		l.say(sign, text)
	}
}

// dayLine reads the lines that irssi writes when it starts, stops or passes midnight.
func (l *ircLine) dayLine(b []byte) {
	for _, words := range []string{"Day changed ", "Log opened ", "Log closed "} {
		if date, ok := bytes.CutPrefix(b, []byte(words)); ok {
			l.logDate(b, date)
			return
		}
	}
	if _, err := time.Parse("Mon Jan _2 2006", string(b)); err == nil { // eggdrop
		l.logDate(b, b)
	}
}

// logDate takes the day, and the time if there is one, from a line that the client wrote.
func (l *ircLine) logDate(text, date []byte) {
	l.kind, l.text, l.event, l.raw = ircEvent, text, "log", date
	at, err := time.Parse("Mon Jan _2 15:04:05 2006", string(date))
	if err == nil {
		l.clock, l.precision = at.Hour()*3600+at.Minute()*60+at.Second(), argus.Second
	} else {
		at, err = time.Parse("Mon Jan _2 2006", string(date))
	}
	if err != nil || at.Year() < argus.FirstYear || at.Year() > argus.LastYear {
		l.bad = fmt.Sprintf("want a date like Sat Feb 11 2006 and found %q", date[:min(len(date), 64)])
		return
	}
	l.day = at.Truncate(24 * time.Hour)
}

func detectIRC(s reader.Sample) int {
	lines, known, said := 0, 0, 0
	for b := range bytes.Lines(s.Text) {
		if b = bytes.TrimRight(b, "\n"); len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		lines++
		if l := parseIRC(b, false); l.kind != ircUnknown {
			known++
			if l.kind == ircMessage || l.event == "join" || l.event == "log" {
				said++
			}
		}
	}
	if said == 0 || known*2 < lines {
		return 0
	}
	return 50 + 40*known/lines
}

// foldNick folds a nick or channel as the service does to compare it (RFC 1459, 2.2).
func foldNick(b []byte) string {
	folded := make([]byte, len(b))
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= '[' && c <= '^':
			c += '{' - '['
		}
		folded[i] = c
	}
	return string(folded)
}

// ircReading is one reading of a file.
type ircReading struct {
	messages build.Messages
	in       reader.Input
	channel  string
	title    string      // title title of a log whose conversation has no name
	reach    argus.Reach // of the conversation
	padded   bool
	accounts map[string][2]string // by nick: folded and original, up to maxNames
	zone     *time.Location
	zoneFrom argus.ZoneSource
	hours    dates.LogHours

	day       time.Time // zero until known
	clock     int       // time of the last line that has one, in seconds from midnight; -1 before
	precision argus.Precision
	raw       string
	back      string // the remark on a clock that runs back, "" while it runs forward

	// undated is the place of the lines before any known day.
	undated      argus.Where
	undatedLines int
	undatedRaw   []byte
}

func readIRC(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		channel, begins, padded, err := surveyIRC(ctx, in)
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		r := ircReading{in: in, channel: channel, padded: padded, accounts: map[string][2]string{}, clock: -1, day: dayOfName(in.Name)}
		r.zone, r.zoneFrom = in.ZoneOrUTC()
		if r.reach = argus.ReachServer; channel == "" || strings.IndexByte("#&", channel[0]) < 0 {
			r.reach = argus.ReachExport // the other party of a private chat, or any name that somebody gave the log
		}
		if r.channel == "" { // the file's name is just a day
			r.channel, r.title, r.reach = build.LogConversation(begins), argus.CleanName(path.Base(in.Name)), argus.ReachFile
		}
		lines := textdoc.NewLines(ctx, in.Reader(), in.RecordLimit())
		for lines.Next() {
			if lines.Problem == "" && len(bytes.TrimSpace(lines.Text)) == 0 {
				continue
			}
			item, ok := r.line(&lines.Line)
			if !ok {
				continue
			}
			if undated, ok := r.closeUndated(); ok && !yield(undated, nil) {
				return
			}
			if !yield(item, nil) {
				return
			}
		}
		if undated, ok := r.closeUndated(); ok && !yield(undated, nil) {
			return
		}
		if lines.Err != nil {
			yield(reader.Item{}, lines.Err)
		}
	}
}

// line makes an item of a line. There is none while the line waits for a day.
func (r *ircReading) line(l *textdoc.Line) (reader.Item, bool) {
	if l.Problem != "" {
		return reader.ProblemOf(l, l.Problem), true
	}
	p := parseIRC(l.Text, r.padded)
	switch {
	case p.kind == ircUnknown:
		return reader.ProblemOf(l, "want a line of an IRC log, like [hh:mm] <nick> text or === nick has joined #channel"), true
	case p.bad != "":
		if p.event == "log" { // the day changes to an unknown one
			r.day, r.clock = time.Time{}, -1
		}
		return reader.ProblemOf(l, p.bad), true
	}
	if p.yearless {
		if r.day.IsZero() {
			r.addUndated(l)
			return reader.Item{}, false
		}
		p.day = time.Date(r.day.Year(), p.day.Month(), p.day.Day(), 0, 0, 0, 0, time.UTC)
		if p.day.Month() < r.day.Month() {
			p.day = p.day.AddDate(1, 0, 0)
		}
	}
	if !p.day.IsZero() {
		if p.day != r.day {
			r.clock, r.back = -1, ""
		}
		r.day = p.day
	}
	if r.day.IsZero() {
		r.addUndated(l)
		return reader.Item{}, false
	}
	m := r.message(&p)
	if l.Charset == textdoc.Windows1252 {
		m.Extra = append(m.Extra, guessedCharset)
	}
	return reader.Item{Message: m, Where: l.Where()}, true
}

func (r *ircReading) addUndated(l *textdoc.Line) {
	if r.undatedLines == 0 {
		r.undated = l.Where()
	}
	r.undatedLines++
	r.undated.Length = l.Offset + l.Length - r.undated.Offset
	if free := argus.QuarantineRaw - len(r.undatedRaw); free > 1 {
		r.undatedRaw = append(append(r.undatedRaw, l.Text[:min(len(l.Text), free-1)]...), '\n')
	}
}

func (r *ircReading) closeUndated() (reader.Item, bool) {
	if r.undatedLines == 0 {
		return reader.Item{}, false
	}
	item := reader.Item{Where: r.undated, Raw: r.undatedRaw, Problem: fmt.Sprintf(
		"%d lines have no day: neither a line before them nor the file's name states one; give the file a name like 2004-12-25.txt", r.undatedLines)}
	r.undatedLines, r.undatedRaw = 0, nil
	return item, true
}

// message makes a message of a line whose day is known.
func (r *ircReading) message(p *ircLine) *argus.Message {
	m := r.messages.Next()
	m.Service, m.Conversation, m.Title, m.Text = cmp.Or(r.in.Service, "irc"), r.channel, r.title, string(p.text)
	m.From, m.FromName = r.account(trimNick(p.nick))
	m.AccountReach, m.ConversationReach = argus.ReachServer, r.reach
	if p.kind == ircEvent {
		p.record(m)
	}
	if p.event != "" {
		m.Extra = append(make([]argus.Field, 0, 4), argus.Field{Name: "event", Value: p.event})
	}
	for _, f := range [...]struct {
		name  string
		value []byte
	}{{"alias", trimNick(p.alias)}, {"address", p.address}, {"reason", p.reason}} {
		if len(f.value) > 0 {
			m.Extra = append(m.Extra, argus.Field{Name: f.name, Value: string(f.value)})
		}
	}
	m.Sent = r.sent(p)
	if doubt, ok := r.hours.Settle(&m.Sent, r.zone, r.clock/3600, r.clock/60%60); ok {
		m.Extra = append(m.Extra, doubt)
	}
	if p.clock < 0 && r.clock >= 0 {
		m.Extra = append(m.Extra, argus.Field{Name: "clock", Value: "of the line before"})
	}
	if r.back != "" {
		m.Extra = append(m.Extra, argus.Field{Name: "clock", Value: r.back})
	}
	return m
}

// record gives an event its type and facts; the line remains its text.
func (p *ircLine) record(m *argus.Message) {
	switch p.event {
	case "join":
		build.Joined(m, "join", nil, m.Text, "")
	case "part", "quit":
		build.Joined(m, "leave", nil, m.Text, "")
	case "kick":
		build.Joined(m, "remove", []string{foldNick(trimNick(p.whom))}, m.Text, "")
	case "topic":
		_, topic, said := strings.Cut(m.Text, " to: ")
		if !said {
			_, topic, _ = strings.Cut(m.Text, "] : ")
		}
		build.SetTopic(m, topic, m.Text, "")
	default:
		build.Notice(m, m.Text, "")
	}
}

// account returns the folded nick, and the nick itself if it differs.
func (r *ircReading) account(nick []byte) (from, name string) {
	if known, ok := r.accounts[string(nick)]; ok {
		return known[0], known[1]
	}
	if from = foldNick(nick); from != string(nick) {
		name = string(nick)
	}
	if len(r.accounts) < maxNames {
		r.accounts[string(nick)] = [2]string{from, name}
	}
	return from, name
}

// clockBack is the number of seconds that a clock may run back without a remark: lines of the
// same minute are not always in order, and clocks are adjusted.
const clockBack = 3600

// sent returns the time of a line and advances the clock. A day without a time is that day in
// UTC, as everywhere: in another zone it would be shown as the day before.
func (r *ircReading) sent(p *ircLine) argus.Time {
	if p.clock >= 0 {
		if p.day.IsZero() && r.clock-p.clock > clockBack {
			r.back = fmt.Sprintf("runs back from %s to %s and no line names a new day: day and hour are as written", r.raw, p.raw)
		}
		if r.clock, r.precision = p.clock, p.precision; r.raw != string(p.raw) {
			r.raw = string(p.raw)
		}
	}
	if r.clock < 0 {
		at := time.Date(r.day.Year(), r.day.Month(), r.day.Day(), 0, 0, 0, 0, time.UTC)
		return argus.At(at, string(p.raw), r.zoneFrom, argus.Day)
	}
	at := r.day.Add(time.Duration(r.clock)*time.Second + time.Duration(p.micros)*time.Microsecond)
	if p.zoned {
		return argus.At(at.Add(-time.Duration(p.offset)*time.Second), r.raw, argus.ZoneStated, r.precision)
	}
	if r.zone != time.UTC {
		at = time.Date(r.day.Year(), r.day.Month(), r.day.Day(), 0, 0, r.clock, p.micros*1000, r.zone)
	}
	return argus.At(at, r.raw, r.zoneFrom, r.precision)
}

// surveyIRC names the conversation as documented at IRC, or returns "" if only the file's
// name does. It also returns the beginning of the file, and whether the log has a space after
// each ].
func surveyIRC(ctx context.Context, in reader.Input) (channel, begins string, padded bool, err error) {
	several := false
	lines := textdoc.NewLines(ctx, in.Reader(), in.RecordLimit())
	for lines.Next() {
		if begins == "" {
			begins = string(bytes.TrimSpace(lines.Text[:min(len(lines.Text), jsondoc.FactSize)]))
		}
		joins := !several && (bytes.Contains(lines.Text, []byte(" has joined ")) || bytes.Contains(lines.Text, []byte("Now talking ")) || bytes.HasPrefix(lines.Text, []byte("Session Ident")))
		if !joins && (padded || !bytes.Contains(behindClock(lines.Text[:min(len(lines.Text), 64)]), []byte("] "))) {
			continue
		}
		p := parseIRC(lines.Text, false)
		if p.kind == ircMessage && bytes.Contains(p.nick, []byte("] ")) {
			padded = true
		}
		if len(p.channel) > 0 {
			joined := foldNick(p.channel)
			several = several || channel != "" && channel != joined
			channel = joined
		}
	}
	if several || channel == "" {
		channel = channelOfName(in.Name)
	}
	return channel, begins, padded, lines.Err
}

// behindClock returns a line without the bracketed time at its beginning.
func behindClock(b []byte) []byte {
	if len(b) > 5 && b[0] == '[' && textdoc.IsDigit(b[1]) {
		return b[bytes.IndexByte(b, ']')+1:]
	}
	return b
}

// channelOfName finds a #channel in a file's name. Otherwise it returns the name without date
// and extension, or the folder's name, or "" if there is only a date.
func channelOfName(name string) string {
	base := argus.CleanName(path.Base(name))
	if at := strings.IndexByte(base, '#'); at >= 0 {
		end := strings.IndexFunc(base[at+1:], func(r rune) bool { return r == '.' || r == '_' || unicode.IsSpace(r) })
		if end < 0 {
			end = len(base) - at - 1
		}
		if end > 0 {
			return foldNick([]byte(base[at : at+1+end]))
		}
	}
	stem := strings.TrimSuffix(base, path.Ext(base))
	window := ""
	if _, from, to := findDay(stem); to > 0 {
		if stem = strings.Trim(stem[:from]+stem[to:], "-_. "); stem == "" {
			window = windowOfPath(name)
		}
	}
	return foldNick([]byte(cmp.Or(stem, window)))
}

// windowOfPath returns the folder of a file whose name is just a day, as ZNC writes them:
// NETWORK/WINDOW/YYYY-MM-DD.log. It returns "" if the folder is part of a date.
func windowOfPath(name string) string {
	window := argus.CleanName(path.Base(path.Dir(name)))
	if strings.Trim(window, "0123456789-_./") == "" || strings.HasSuffix(window, "!") { // an archive is not a folder
		return ""
	}
	return window
}

// dayOfName returns the one day that a file's name states, or its path if the name has none.
func dayOfName(name string) time.Time {
	day, _, end := findDay(path.Base(name))
	if end > 0 {
		if other, _, more := findDay(path.Base(name)[end:]); more > 0 && other != day {
			return time.Time{}
		}
		return day
	}
	day, _, _ = findDay(strings.ReplaceAll(path.Dir(name), "/", "-"))
	return day
}

// findDay finds the first YYYY-MM-DD (also with . or _) or YYYYMMDD without an adjacent digit;
// to is 0 if there is none.
func findDay(s string) (day time.Time, from, to int) {
	for from := range s {
		if from > 0 && textdoc.IsDigit(s[from-1]) {
			continue
		}
		for _, layout := range []string{"2006-01-02", "2006_01_02", "2006.01.02", "20060102"} {
			to := from + len(layout)
			if to > len(s) || to < len(s) && textdoc.IsDigit(s[to]) {
				continue
			}
			if day, err := time.Parse(layout, s[from:to]); err == nil && day.Year() >= argus.FirstYear && day.Year() <= argus.LastYear {
				return day, from, to
			}
		}
	}
	return time.Time{}, 0, 0
}

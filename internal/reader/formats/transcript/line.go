package transcript

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// LINE reads the output of "Export chat history" in LINE: a line with the name of the chat,
// one with the time of saving, a line for each day, and for each message
// CLOCK<TAB>NAME<TAB>text.
//
//   - Conversation: the name of the chat in the first line. From: the name as the
//     phone shows it.
//   - Order of day, month and year: the order under which most days match the day of the
//     week next to them, otherwise the order with the fewest impossible dates, otherwise
//     day before month. If nothing proves it, each message says so in Extra date_order.
//   - A text of several lines is in quotation marks, which are removed.
//   - [Photo], [Sticker] and the like are attachments without bytes.
//   - A line with no name between the tabs is a notice of the service.
//   - A line with an unreadable time is a problem, never text.
//
// Record is the number of a message's first line.
var LINE = &reader.Format{
	Name:    "line",
	Version: 1,
	About:   `LINE text export ("Export chat history"), with tabs`,
	Checked: "invented examples only, after the layouts that its parsers describe (English, Japanese, Chinese)",
	Log:     true,
	Detect:  detectLine,
	Read:    readLine,
}

// lineHeads are the words around the name of the chat in the first line.
var lineHeads = [...]struct{ before, behind string }{
	{"[LINE] Chat history with ", ""}, {"[LINE] Chat history in ", ""}, {"Chat history with ", ""}, {"Chat history in ", ""},
	{"[LINE] ", "とのトーク履歴"}, {"[LINE] ", "のトーク履歴"}, {"[LINE] 與", "的聊天記錄"}, {"[LINE] ", "的聊天記錄"}, {"[LINE] 与", "的聊天记录"}, {"[LINE] ", "的聊天记录"},
}

// linePlaceholders are the placeholders for omitted files, by kind.
var linePlaceholders = map[string]string{
	"[sticker]": "sticker", "[photo]": "image", "[video]": "video", "[voice message]": "audio", "[file]": "document", "[contact]": "contact",
	"[スタンプ]": "sticker", "[写真]": "image", "[動画]": "video", "[ボイスメッセージ]": "audio", "[ファイル]": "document", "[連絡先]": "contact",
	"[貼圖]": "sticker", "[照片]": "image", "[影片]": "video", "[語音訊息]": "audio", "[檔案]": "document", "[贴图]": "sticker", "[图片]": "image", "[视频]": "video",
}

// lineChat returns the name of the chat from the first line.
func lineChat(first string) (name string, ok bool) {
	for _, h := range lineHeads {
		if inside, ok := strings.CutPrefix(first, h.before); ok {
			if inside, ok = strings.CutSuffix(inside, h.behind); ok {
				return argus.CleanName(inside), true
			}
		}
	}
	return "", false
}

// lineDay is the line that begins a day.
type lineDay struct {
	whatsappHead
	weekday time.Weekday
	named   bool // with the day of the week, in English
}

// parseLineDay reads Sun, 14/2/2021, 2021/02/15(月) and 2021.02.15 Monday.
func parseLineDay(text []byte) (d lineDay, ok bool) {
	if len(text) > 60 || len(text) < len("1/1/2021") {
		return d, false
	}
	c := clockText{b: text}
	for day := time.Sunday; day <= time.Saturday && !d.named; day++ {
		if d.named = c.bytes(day.String()[:3]+", ") || c.bytes(day.String()+", "); d.named {
			d.weekday = day
		}
	}
	// date needs something after the last number, but the line may hold nothing except a day.
	c.b = append(bytes.Clone(text), ' ')
	if !c.date(&d.whatsappHead) || d.separator == ' ' || !d.longYear {
		return d, false
	}
	rest := string(c.b[c.at:])
	return d, !strings.ContainsAny(rest, "\t:0123456789") && len(strings.Fields(rest)) < 2
}

// parseLineMessage parses CLOCK<TAB>…; ok reports whether it has that form. The period is '?'
// for an unknown word.
func parseLineMessage(text []byte) (h whatsappHead, ok bool) {
	stamp, rest, ok := bytes.Cut(text, []byte{'\t'})
	if !ok || len(stamp) > 40 || len(stamp) < len("1:05") {
		return h, false
	}
	c := clockText{b: stamp}
	if !c.periodBefore(&h) || !c.clock(&h) {
		return h, false
	}
	if word := bytes.TrimSpace(stamp[c.at:]); len(word) > 0 {
		if h.period = clockWord(word); h.period == 0 || h.period == '-' {
			h.period, h.word = '?', word
		}
	}
	h.raw, h.rest = stamp, rest
	return h, true
}

func detectLine(s reader.Sample) int {
	first, rest, _ := bytes.Cut(bytes.TrimLeft(s.Text, "\n"), []byte{'\n'})
	if _, ok := lineChat(string(first)); !ok {
		return 0
	}
	day := false
	for line := range bytes.Lines(rest) {
		line = bytes.TrimRight(line, "\n")
		if _, ok := parseLineDay(line); ok {
			day = true
		} else if _, ok := parseLineMessage(line); ok && day {
			return 90
		}
	}
	return 0
}

// surveyLine determines the order of dates.
func surveyLine(lines *textdoc.Lines) (order *dateOrder, doubt string, err error) {
	var wrong [len(dateOrders)]int
	for lines.Next() {
		d, ok := parseLineDay(lines.Text)
		if !ok {
			continue
		}
		if d.yearFirst {
			return &dateOrders[2], "", nil
		}
		for i := range dateOrders[:2] {
			year, month, day, _, ok := dateOrders[i].of(&d.whatsappHead)
			if !ok || d.named && time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Weekday() != d.weekday {
				wrong[i]++
			}
		}
	}
	switch {
	case wrong[0] < wrong[1]:
		return &dateOrders[0], "", lines.Err
	case wrong[1] < wrong[0]:
		return &dateOrders[1], "", lines.Err
	}
	return &dateOrders[0], "assumed day-first", lines.Err
}

// lineReading is one reading of a file: that of a WhatsApp export, plus days.
type lineReading struct {
	whatsappReading
	day   [3]int // year, month and day as written, zero until known
	quote bool   // a text in quotation marks continues
	blank bool   // the previous line was blank, as above each day
}

func readLine(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		order, doubt, err := surveyLine(textdoc.NewLines(ctx, in.Reader(), in.RecordLimit()))
		if err != nil {
			yield(reader.Item{}, err)
			return
		}
		r := lineReading{whatsappReading: whatsappReading{in: in, accounts: map[string]string{}, dates: order, doubt: doubt}}
		r.zone, r.zoneFrom = in.ZoneOrUTC()
		r.service, r.reach = cmp.Or(in.Service, "line"), argus.ReachExport
		lines := textdoc.NewLines(ctx, in.Reader(), in.RecordLimit())
		for lines.Next() {
			item, more := r.line(&lines.Line)
			if more && !yield(item, nil) {
				return
			}
			if lines.Problem != "" && !yield(reader.ProblemOf(&lines.Line, lines.Problem), nil) {
				return
			}
		}
		if item, ok := r.end(); ok && !yield(item, nil) {
			return
		}
		if lines.Err != nil {
			yield(reader.Item{}, lines.Err)
		}
	}
}

// line takes a line and returns the item that it completes, if there is one.
func (r *lineReading) line(l *textdoc.Line) (reader.Item, bool) {
	if l.Problem != "" {
		return r.end()
	}
	if l.Number <= 2 && !r.open { // the chat, and the time of saving
		if name, ok := lineChat(string(l.Text)); ok {
			r.chat, r.title = name, name
			return reader.Item{}, false
		}
		if r.chat != "" && bytes.ContainsAny(l.Text, ":：") {
			return reader.Item{}, false
		}
	}
	blank := r.blank
	r.blank = len(bytes.TrimSpace(l.Text)) == 0
	if d, ok := parseLineDay(l.Text); ok && (!r.quote || blank) {
		item, more := r.end()
		r.day = d.date
		r.whatsappSurvey.layout = d.whatsappLayout
		return item, more
	}
	h, ok := parseLineMessage(l.Text)
	if !ok {
		if r.open || len(bytes.TrimSpace(l.Text)) > 0 {
			r.add(l, "the line is before the first message; want CLOCK, tab, NAME, tab, text")
			r.quote = r.quote && !bytes.HasSuffix(l.Text, []byte{'"'})
		}
		return reader.Item{}, false
	}
	item, more := r.end()
	h.whatsappLayout = r.whatsappSurvey.layout
	h.date, h.stray = r.day, false
	if _, text, _ := bytes.Cut(h.rest, []byte{'\t'}); len(text) > 1 && text[0] == '"' && text[len(text)-1] != '"' {
		r.quote = true
	}
	if r.begin(l, &h); r.day == [3]int{} {
		r.problem = fmt.Sprintf("want a day above the clock %q, found none", h.raw)
	}
	return item, more
}

// end returns the pending item, if there is one.
func (r *lineReading) end() (reader.Item, bool) {
	r.quote = false
	if !r.open || r.problem != "" {
		return r.close()
	}
	r.open = false
	m := r.messages.Next()
	m.Service, m.Conversation, m.Title, m.Sent, m.ConversationReach = r.service, r.chat, r.title, r.sent, r.reach
	m.Extra = append(m.Extra, r.assumed...)
	if r.doubt != "" {
		m.Extra = append(m.Extra, argus.Field{Name: "date_order", Value: r.doubt})
	}
	if r.guessed {
		m.Extra = append(m.Extra, guessedCharset)
	}
	body := strings.TrimRight(string(r.text[r.head:]), "\n")
	name, text, ok := strings.Cut(body, "\t")
	if shown := argus.CleanName(name); !ok || shown == "" {
		build.Notice(m, strings.TrimPrefix(body, "\t"), "")
		return reader.Item{Message: m, Where: r.where}, true
	} else {
		m.From, m.FromName = r.account(shown)
		build.Named(m, m.From)
	}
	if inside, ok := strings.CutPrefix(text, `"`); ok && strings.IndexByte(text, '\n') >= 0 {
		if inside, ok = strings.CutSuffix(inside, `"`); ok {
			text = inside
		}
	}
	if kind, ok := linePlaceholders[strings.ToLower(text)]; ok {
		m.Attachments = []argus.Attachment{{Type: kind}}
		m.Extra = append(m.Extra, argus.Field{Name: "placeholder", Value: text})
		text = ""
	}
	m.Text = text
	return reader.Item{Message: m, Where: r.where}, true
}

package chat

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
)

// TelegramHTML reads the pages that Telegram Desktop exports unless the user chooses JSON:
// messages.html, messages2.html and so on, a thousand messages each.
//
//   - A page shows names instead of ids. Conversation: the title of the page, which
//     all pages of a chat share. From: the name, even of a message that is "joined" to
//     the previous one.
//   - ServiceID: the message's number in its chat.
//   - Sent: the title of the time shown, which has seconds and, since 2021, an offset; before,
//     the operator's zone.
//   - Text: line breaks as shown, and below them the targets of links that show
//     something else, the questions and answers of a poll, a card, the name of a place.
//   - Telegram's own messages (service) are notices of the day that the page shows above
//     them.
//   - Files are named as the page links to them, with their thumbnails.
//
// golang.org/x/net/html finds the tags, because a page is not XML: <br> has no end.
var TelegramHTML = &reader.Format{
	Name:    "telegram-html",
	Version: 2,
	About:   "Telegram Desktop's messages.html, messages2.html …",
	Checked: "invented pages in the layouts of 2019 to 2026, as public readers know them; no page of a real chat",
	Kept: []string{
		"forwarded_date", "media", "reactions", "reply_to", "signature", "via",
	},
	Detect: detectTelegramHTML,
	Read:   readTelegramHTML,
}

func detectTelegramHTML(s reader.Sample) int {
	if bytes.Contains(s.Text, []byte(`class="page_header"`)) && bytes.Contains(s.Text, []byte(`class="history"`)) && bytes.Contains(s.Text, []byte(`class="message `)) {
		return 90
	}
	return 0
}

// telegramPage is the state of reading a page.
type telegramPage struct {
	in    reader.Input
	title string
	// from is the writer of the last message: a message joined to it names nobody.
	from string
	// day is the date that the page shows above the next messages.
	day argus.Time
}

// telegramPageDepth is the maximum nesting of a page, the same as in golang.org/x/net/html.
const telegramPageDepth = 512

// readTelegramHTML yields one item for each message, and one for each broken one.
func readTelegramHTML(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		p := telegramPage{in: in}
		source := &failing{Reader: in.Reader()}
		z := html.NewTokenizer(source)
		z.SetMaxBuf(in.RecordLimit())
		at, records := int64(0), uint64(0)
		var message, header []byte // the beginning of the open message, or of the title
		var begins int64
		depth := 0
		give := func(item reader.Item, end int64) bool {
			if item.Message == nil && item.Problem == "" {
				return true
			}
			records++
			item.Where = argus.Where{Record: records, Offset: begins, Length: end - begins}
			if item.Problem != "" {
				p.from = "" // the writer of messages joined to a broken one is unknown
				item.Raw = bytes.Clone(message[:min(len(message), argus.QuarantineRaw)])
			}
			return yield(item, nil)
		}
		for {
			if err := ctx.Err(); err != nil {
				yield(reader.Item{}, err)
				return
			}
			kind := z.Next()
			raw := z.Raw()
			from := at
			at += int64(len(raw))
			if kind == html.ErrorToken {
				break
			}
			class, isDiv := "", false
			if kind == html.StartTagToken || kind == html.EndTagToken {
				raw = bytes.Clone(raw) // reading the tag changes it
				name, more := z.TagName()
				isDiv = string(name) == "div"
				for isDiv && more {
					var key, value []byte
					if key, value, more = z.TagAttr(); string(key) == "class" {
						class = string(value)
					}
				}
			}
			starts := isDiv && kind == html.StartTagToken
			if starts && hasClass(class, "message") {
				if message != nil && !give(reader.Item{Problem: "want the end of a message, found the next one"}, from) {
					return
				}
				message, header, begins, depth = []byte{}, nil, from, 0
			} else if starts && message == nil && hasClass(class, "page_header") {
				header, depth = []byte{}, 0
			}
			switch {
			case message != nil:
				message = append(message, raw...)
			case header != nil:
				header = append(header, raw...)
			default:
				continue
			}
			if starts {
				depth++
			} else if isDiv {
				depth--
			}
			switch {
			case len(message)+len(header) > in.RecordLimit():
				if message != nil && !give(reader.Item{Problem: fmt.Sprintf("want a message of at most %d bytes, found a longer one", in.RecordLimit())}, at) {
					return
				}
				message, header = nil, nil
			case depth == 0 && message != nil:
				item := reader.Item{}
				m, err := p.message(message)
				if item.Message = m; err != nil {
					item = reader.Item{Problem: err.Error()}
				}
				if !give(item, at) {
					return
				}
				message = nil
			case depth == 0 && header != nil:
				if tree, err := telegramTree(header); err == nil && p.title == "" {
					p.title = argus.CleanName(shownText(findClass(tree, "text"), nil))
				}
				header = nil
			}
		}
		if source.err != nil {
			yield(reader.Item{}, fmt.Errorf("read the page: %w", source.err))
			return
		}
		if message != nil && !give(reader.Item{Problem: "want the end of a message, found the end of the file"}, at) {
			return
		}
		if records == 0 {
			yield(reader.Item{Problem: "want messages, found a page without any", Where: argus.Where{Offset: at}}, nil)
		}
	}
}

// failing remembers the error that ended reading.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// telegramTree reads the markup of one message.
func telegramTree(raw []byte) (*html.Node, error) {
	tree, err := html.Parse(bytes.NewReader(bytes.ToValidUTF8(raw, []byte("\uFFFD"))))
	if err != nil {
		return nil, fmt.Errorf("want a message in HTML: %w", err)
	}
	return tree, nil
}

// message reads one message. It returns nil for the date above the next ones.
func (p *telegramPage) message(raw []byte) (*argus.Message, error) {
	tree, err := telegramTree(raw)
	if err != nil {
		return nil, err
	}
	top := findClass(tree, "message")
	if top == nil {
		return nil, errors.New("want a message, found something else")
	}
	m := &argus.Message{Service: cmp.Or(p.in.Service, "telegram"), Conversation: p.title, Title: p.title, ConversationReach: argus.ReachExport}
	m.ServiceID = strings.TrimPrefix(attrOf(top, "id"), "message")
	m.Sequence, _ = strconv.ParseUint(m.ServiceID, 10, 64)
	body := childClass(top, "body")
	if hasClass(attrOf(top, "class"), "service") {
		said := shownText(body, nil)
		if strings.HasPrefix(m.ServiceID, "-") {
			if day, err := time.Parse("2 January 2006", said); err == nil {
				zone, source := p.in.ZoneOrUTC()
				p.day = argus.At(time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone), said, source, argus.Day)
			}
			return nil, nil
		}
		m.Sent = p.day
		build.Happened(m, argus.TypeNotice, argus.Facts{}, cmp.Or(said, "service"), "")
		return m, build.Valid(m)
	}
	if clock := attrOf(findClass(body, "date"), "title"); clock != "" {
		if m.Sent, err = telegramClock(clock, p.in.Options); err != nil {
			return nil, err
		}
	} else {
		return nil, errors.New("want the title of a clock, found none")
	}
	if name := shownText(childClass(body, "from_name"), nil); name != "" {
		name, bot, via := strings.Cut(name, " via @")
		if p.from = argus.CleanName(name); via {
			build.Keep(m, "via", "@"+bot)
		}
	} else if !hasClass(attrOf(top, "class"), "joined") {
		p.from = ""
	}
	m.From = p.from
	build.Named(m, m.From)
	p.said(m, body)
	return m, build.Valid(m)
}

// said reads the body of a message.
func (p *telegramPage) said(m *argus.Message, body *html.Node) {
	var shown []string
	if answer := childClass(body, "reply_to"); answer != nil {
		if link := findTag(answer, "a"); link != nil {
			_, m.ReplyTo, _ = strings.Cut(attrOf(link, "href"), "#go_to_message")
		}
		if m.ReplyTo == "" { // in another chat
			build.Keep(m, "reply_to", shownText(answer, nil))
		}
	}
	in := body
	if forwarded := childClass(body, "forwarded"); forwarded != nil {
		in = forwarded
		m.ForwardedFrom = "?"
		if name := childClass(forwarded, "from_name"); name != nil {
			when := findClass(name, "date")
			m.ForwardedFrom = cmp.Or(argus.CleanName(strings.TrimSuffix(shownText(name, nil), shownText(when, nil))), "?")
			build.Keep(m, "forwarded_date", attrOf(when, "title"))
		}
	}
	m.Text = shownText(childClass(in, "text"), &shown)
	build.AlsoSaid(m, shown...)
	for media := range childrenClass(in, "media_wrap") {
		p.media(m, media)
	}
	for _, class := range []string{"signature", "reactions"} {
		build.Keep(m, class, strings.ReplaceAll(shownText(findClass(body, class), nil), "\n", " "))
	}
	for button := range allTags(findClass(body, "bot_buttons_table"), "a") {
		build.AlsoSaid(m, shownText(button, nil), outsideAddress(attrOf(button, "href")))
	}
	telegramOthers(m, body)
	if in != body {
		telegramOthers(m, in)
	}
}

// telegramParts are the parts of a message that are read.
var telegramParts = []string{"date", "from_name", "text", "media_wrap", "reply_to", "forwarded", "signature", "reactions", "bot_buttons_table"}

// telegramOthers marks the parts that are not.
func telegramOthers(m *argus.Message, body *html.Node) {
	if body == nil {
		return
	}
	for part := range body.ChildNodes() {
		class := attrOf(part, "class")
		isRead := slices.ContainsFunc(telegramParts, func(one string) bool { return hasClass(class, one) })
		if said := shownText(part, nil); part.Type == html.ElementNode && !isRead && said != "" {
			build.NotUnderstood(m, cmp.Or(class, part.Data), strings.ReplaceAll(said, "\n", " "))
		}
	}
}

// media reads content other than words: files, a card, a place, a call, a poll. Its shown text
// stays in Extra.
func (p *telegramPage) media(m *argus.Message, wrap *html.Node) {
	said := shownText(wrap, nil)
	title, status := shownText(findClass(wrap, "title"), nil), shownText(findClass(wrap, "status"), nil)
	kind := telegramMedia(wrap)
	files := len(m.Attachments)
	for link := range allTags(wrap, "a") {
		if file := attrOf(link, "href"); file != "" && outsideAddress(file) == "" && !strings.HasPrefix(file, "#") {
			m.Attachments = append(m.Attachments, argus.Attachment{Name: telegramPageFile(file), Type: kind})
		}
	}
	for picture := range allTags(wrap, "img") {
		if file := attrOf(picture, "src"); file != "" && outsideAddress(file) == "" && !strings.HasPrefix(file, "data:") {
			m.Attachments = append(m.Attachments, argus.Attachment{Name: telegramPageFile(file), Type: "thumbnail"})
		}
	}
	switch kind {
	case "contact":
		build.SentCard(m, build.Card(build.OneOf(build.AccountOf(argus.CleanName(status))), title), status)
	case "location", "venue", "live_location":
		address, err := url.Parse(attrOf(findTag(wrap, "a"), "href"))
		if err != nil {
			break
		}
		place := argus.Location{}
		place.Latitude, place.Longitude, _ = strings.Cut(address.Query().Get("q"), ",")
		if kind == "venue" { // otherwise the title is Telegram's word for a place
			place.Name = strings.TrimSpace(title + " " + shownText(findClass(wrap, "description"), nil))
		}
		build.SentPlace(m, place)
	case "call":
		c := argus.Call{}
		if seconds, ok := strings.CutSuffix(status[strings.IndexByte(status, '(')+1:], " seconds)"); ok {
			c.Seconds, _ = strconv.ParseUint(seconds, 10, 31)
		}
		c.Answered = build.AnsweredIn(c.Seconds)
		build.Called(m, c, "call", strings.TrimSpace(title+"; "+status))
	case "poll":
		var answers []string
		for answer := range allClass(wrap, "answer") {
			details := shownText(findClass(answer, "details"), nil)
			text := strings.TrimSpace(strings.TrimSuffix(shownText(answer, nil), details))
			answers = append(answers, strings.TrimPrefix(text, "- "))
		}
		build.Polled(m, shownText(findClass(wrap, "question"), nil), answers)
	case "game", "invoice":
		build.AlsoSaid(m, title, shownText(findClass(wrap, "description"), nil))
	default:
		if len(m.Attachments) == files && title != "" { // the export omitted it
			m.Attachments = append(m.Attachments, argus.Attachment{Name: title, Type: kind})
		}
	}
	build.Keep(m, "media", strings.ReplaceAll(said, "\n", "; "))
}

// telegramMedia returns the kind of media, from its class: media_photo.
func telegramMedia(wrap *html.Node) string {
	for node := range nodesOf(wrap) {
		for class := range strings.FieldsSeq(attrOf(node, "class")) {
			if kind, ok := strings.CutPrefix(class, "media_"); ok && kind != "wrap" {
				return kind
			}
			switch class {
			case "photo_wrap", "video_file_wrap", "sticker_wrap", "animated_wrap":
				return strings.TrimSuffix(strings.TrimSuffix(class, "_wrap"), "_file")
			}
		}
	}
	return ""
}

// telegramPageFile returns the path of a page's file, relative to the page.
func telegramPageFile(link string) string {
	if plain, err := url.PathUnescape(link); err == nil {
		link = plain
	}
	return path.Clean(link)
}

// outsideAddress returns the address if it leads out of the export, and "" otherwise.
func outsideAddress(link string) string {
	if scheme, _, ok := strings.Cut(link, ":"); ok && scheme != "" && !strings.ContainsAny(scheme, "/?#. ") && scheme != "data" && scheme != "javascript" {
		return link
	}
	return ""
}

// telegramClock reads 01.07.2021 14:00:00 UTC+02:00, or before 2021 the same without an
// offset.
func telegramClock(clock string, o reader.Options) (argus.Time, error) {
	clock = strings.TrimSpace(clock)
	if t, err := time.Parse("02.01.2006 15:04:05 UTC-07:00", clock); err == nil {
		return dates.UnlessZero(argus.At(t, clock, argus.ZoneStated, argus.Second)), nil
	}
	zone, source := o.ZoneOrUTC()
	t, err := time.ParseInLocation("02.01.2006 15:04:05", clock, zone)
	if err != nil {
		return argus.Time{}, errors.New("want a time like 01.07.2021 14:00:00 UTC+02:00, found other text")
	}
	return argus.At(t, clock, source, argus.Second), nil
}

// The walk over the nodes of a page.

// nodesOf yields the nodes below a node in order, down to telegramPageDepth.
func nodesOf(top *html.Node) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) { walkNodes(top, 0, yield) }
}

func walkNodes(n *html.Node, depth int, yield func(*html.Node) bool) bool {
	if n == nil || depth > telegramPageDepth {
		return true
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if !yield(c) || !walkNodes(c, depth+1, yield) {
			return false
		}
	}
	return true
}

func attrOf(n *html.Node, name string) string {
	if n != nil {
		for _, a := range n.Attr {
			if a.Key == name {
				return a.Val
			}
		}
	}
	return ""
}

func hasClass(classes, class string) bool {
	for c := range strings.FieldsSeq(classes) {
		if c == class {
			return true
		}
	}
	return false
}

// allClass yields the nodes below a node that have the given class, and allTags those with
// the given tag.
func allClass(top *html.Node, class string) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for n := range nodesOf(top) {
			if hasClass(attrOf(n, "class"), class) && !yield(n) {
				return
			}
		}
	}
}

func allTags(top *html.Node, tag string) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for n := range nodesOf(top) {
			if n.Type == html.ElementNode && n.Data == tag && !yield(n) {
				return
			}
		}
	}
}

// childrenClass yields the children of a node that have the given class.
func childrenClass(top *html.Node, class string) iter.Seq[*html.Node] {
	return func(yield func(*html.Node) bool) {
		for n := range allClass(top, class) {
			if n.Parent == top && !yield(n) {
				return
			}
		}
	}
}

func first(nodes iter.Seq[*html.Node]) *html.Node {
	for n := range nodes {
		return n
	}
	return nil
}

func findClass(top *html.Node, class string) *html.Node  { return first(allClass(top, class)) }
func findTag(top *html.Node, tag string) *html.Node      { return first(allTags(top, tag)) }
func childClass(top *html.Node, class string) *html.Node { return first(childrenClass(top, class)) }

// indentation matches the line breaks of the page's source, which it does not show.
var indentation = regexp.MustCompile(`[ \t\r]*\n\s*`)

// shownText returns the text that a node shows: <br> and the borders of blocks become line
// ends. links collects the targets of its links that the text does not show.
func shownText(n *html.Node, links *[]string) string {
	var out strings.Builder
	for node := range nodesOf(n) {
		switch {
		case node.Type == html.TextNode:
			out.WriteString(indentation.ReplaceAllString(node.Data, " "))
		case node.Type != html.ElementNode:
		case node.Data == "br" || node.Data == "div" && out.Len() > 0:
			out.WriteByte('\n')
		case node.Data == "a" && links != nil:
			if address := outsideAddress(attrOf(node, "href")); address != "" && !strings.HasSuffix(strings.TrimRight(address, "/"), strings.TrimRight(shownText(node, nil), "/")) {
				*links = append(*links, address)
			}
		}
	}
	lines := strings.Split(out.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

package chat

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
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

// Telegram is described in docs/format/telegram.md.
var Telegram = &reader.Format{
	Name:    "telegram",
	Version: 5,
	About:   "Telegram Desktop's result.json, of one chat or of an account with its contacts",
	Checked: "chat-export-structurer's Telegram samples, 4 of 4 messages as its target has them",
	Ignored: map[string]string{"about": "Telegram's words about the export", "text.type": "the look of words"},
	Kept: []string{
		"action", "address", "amount", "author", "bio", "boost_peer_id", "boosts", "chats.list.type", "contact_information", "contact_vcard",
		"contact_vcard_file_size", "cost", "currency", "date", "date_unixtime", "discard_reason", "distance", "duration", "duration_seconds", "edited",
		"edited_unixtime", "emoticon", "file", "file_name", "first_name", "forwarded_from", "forwarded_from_id", "from", "from_id", "game_description",
		"game_link", "game_message_id", "game_title", "gift_code", "giveaway_information", "giveaway_message_id", "giveaway_results", "height",
		"information_text", "inline_bot_buttons", "inviter", "invoice_information", "last_name", "left_chats.list.type", "live_location_period_seconds",
		"location_information", "media_spoiler", "media_type", "members", "message_id", "method", "months", "new_icon_emoji_id", "new_title",
		"paid_stars_amount", "performer", "period", "phone_number", "photo", "place_name", "poll", "reactions", "reason_app_name", "reason_domain",
		"reply_to_message_id", "reply_to_peer_id", "saved_from", "saved_from_id", "schedule_date", "score", "self_destruct_period_seconds", "stars",
		"sticker_emoji", "text", "text_entities", "thumbnail", "thumbnail_file_size", "title", "to", "todo_list", "type", "unclaimed", "user_id", "username",
		"values", "via_bot", "width", "winners",
	},
	Detect: detectTelegram,
	Read:   readTelegram,
}

// detectTelegram looks for a message in a list of messages, or the first words of an account's
// export, whose messages may be far away.
func detectTelegram(s reader.Sample) int {
	if start := jsondoc.Space(s.Text, 0); start == len(s.Text) || s.Text[start] != '{' {
		return 0
	}
	if list := bytes.Index(s.Text, []byte(`"messages"`)); list >= 0 {
		for i := list; ; i++ {
			n := bytes.IndexByte(s.Text[i:], '{')
			if n < 0 {
				break
			}
			if i += n; beginsMessage(s.Text[i:]) && (jsondoc.HasKeys(s.Text[i:], "date") || jsondoc.HasKeys(s.Text[i:], "date_unixtime")) {
				return 95
			}
		}
	}
	about := s.Text[:min(len(s.Text), textdoc.PeekSize)]
	if bytes.Contains(about, []byte(`"about"`)) && bytes.Contains(about, []byte("Telegram")) {
		return 80
	}
	return 0
}

// beginsMessage reports whether an object is a message: Telegram writes id, type and date
// first.
func beginsMessage(b []byte) bool {
	return jsondoc.HasMember(b, func(key, value []byte) bool {
		return string(key) == `"type"` && (string(value) == `"message"` || string(value) == `"service"`)
	})
}

// beginsContact recognises a contact of the address book by a member that a contact inside a
// message lacks: the date of its addition.
func beginsContact(b []byte) bool { return jsondoc.HasKeys(b, "phone_number", "date") }

// beginsTelegram also recognises a chat, in whose list reading can continue.
func beginsTelegram(b []byte) bool {
	return beginsMessage(b) || beginsContact(b) || jsondoc.HasMember(b, func(key, _ []byte) bool { return string(key) == `"messages"` })
}

// readTelegram yields one item for each object of a list of messages or of contacts, one for
// the account's own data, and one for each damaged stretch; Record counts all of them.
func readTelegram(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		f := telegramFile{Objects: jsondoc.NewObjects(in.Reader(), in.RecordLimit(), beginsTelegram), options: in.Options}
		f.open = new(telegramMessage)
		f.keys.Twice = f.open.again
		for record := uint64(1); ; record++ {
			item, err := f.next(ctx)
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if item.Message == nil && item.Problem == "" {
				return
			}
			item.Where.Record = record
			if !yield(item, nil) {
				return
			}
		}
	}
}

// telegramFile is the state of reading an export: in a list of messages or contacts, or
// outside the lists.
type telegramFile struct {
	*jsondoc.Objects
	options reader.Options
	// around are the enclosing objects, outermost first, with the facts read from them: a
	// chat's name, type and id.
	around []telegramChat
	// key is the last key; valued means that its value is still to come.
	key    string
	valued bool
	// list is the current list: listMessages, listContacts, or empty outside them.
	list string
	// damaged means that something outside the lists may have been lost, so that around proves
	// nothing any more; ended means that the end was reported.
	damaged, ended bool
	late           jsondoc.Late
	commas         jsondoc.Commas // of the list
	keys           jsondoc.Keys
	open           *telegramMessage // the one being read
}

// telegramChat is an object outside the lists. path is the keys that lead to it, list the key
// of its open list.
// more are its other values.
type telegramChat struct {
	name, kind, id, path, list string
	more                       []argus.Field
	// said is set if it has messages; these have the first had entries of more.
	said bool
	had  int
}

const (
	listMessages = "messages"
	listContacts = "contacts"
)

// aroundLimit is the maximum nesting outside the lists. Telegram nests to 4. Paths longer than
// pathLimit are not Telegram's.
const (
	aroundLimit = 16
	pathLimit   = 64
)

// next returns the next item, or none at the end of the file.
func (f *telegramFile) next(ctx context.Context) (reader.Item, error) {
	for {
		if err := ctx.Err(); err != nil {
			return reader.Item{}, err
		}
		found, err := f.Pass("")
		if err != nil {
			return reader.Item{}, err
		}
		switch {
		case !found && (f.ended || f.list == "" && (f.damaged || len(f.around) == 0)):
			return f.late.Item(f.At), nil
		case !found:
			f.ended = true
			return reader.Item{Problem: "want the end of the export, found the end of the file", Where: argus.Where{Offset: f.At}}, nil
		case f.list != "" && f.Buf[0] == ',':
			f.commas.Comma()
			f.Drop(1)
		case f.list == "" && f.Buf[0] == '{' && f.valued && f.key == "personal_information":
			return f.contact(f.key)
		case f.list == "" && f.Buf[0] == '{' && f.isMessage():
			f.list = listMessages // its beginning is lost
		case f.list == "" && f.Buf[0] == '{' && f.inSection():
			return f.entry()
		case f.list == "" && f.Buf[0] == '}' && f.isSilent():
			return f.silent()
		case f.list == "":
			if reason, err := f.step(); reason != "" || err != nil {
				return f.broken(reason, err)
			}
		case f.Buf[0] == ']':
			f.Drop(1)
			f.list, f.commas = "", jsondoc.Commas{}
		case f.list == listContacts:
			return f.contact("contact")
		default:
			return f.message()
		}
	}
}

func (f *telegramFile) isMessage() bool {
	return f.See(textdoc.PeekSize) == nil && beginsMessage(f.Buf)
}

// broken moves to the next message, contact or chat.
func (f *telegramFile) broken(reason string, err error) (reader.Item, error) {
	if err != nil {
		return reader.Item{}, err
	}
	was := f.list
	f.commas = jsondoc.Commas{}
	item, err := f.Resume(reason)
	switch {
	case len(f.Buf) > 0 && beginsMessage(f.Buf):
		f.list = listMessages
	case len(f.Buf) > 0 && beginsContact(f.Buf):
		f.list = listContacts
	default:
		f.list = ""
	}
	if was != "" && f.list != was && len(f.around) > 0 {
		f.around = f.around[:len(f.around)-1] // the list and its enclosing object ended in the damaged stretch
	}
	f.ended = len(f.Buf) == 0
	f.damaged = f.damaged || was == "" || f.list != was
	f.valued = false
	return item, err
}

// step reads one token outside the lists. reason is the error of a misplaced token.
func (f *telegramFile) step() (reason string, err error) {
	switch f.Buf[0] {
	case '{':
		if len(f.around) == aroundLimit {
			return fmt.Sprintf("want at most %d levels around messages, found more", aroundLimit), nil
		}
		f.around = append(f.around, telegramChat{path: f.path()})
		f.valued = false
	case '}':
		if len(f.around) == 0 && !f.damaged {
			return "want one end of the export, found a second", nil
		}
		if n := len(f.around) - 1; n >= 0 {
			f.late.Add(f.around[n].more[f.around[n].had:]...)
			f.around = f.around[:n]
		}
		f.valued = false
	case '[':
		if n := len(f.around); n > 0 && f.valued {
			f.around[n-1].list = f.key
			if f.key == "list" && f.around[n-1].path == listContacts {
				f.list = listContacts
			}
		}
		if f.valued && f.key == listMessages {
			f.list = listMessages
		}
		f.valued = false
	case ':':
		f.valued = true
	case ',', ']':
		f.valued = false
	default:
		return f.scalar()
	}
	f.Drop(1)
	return "", nil
}

// path returns the keys that lead to the object at this position.
func (f *telegramFile) path() string {
	if len(f.around) == 0 {
		return ""
	}
	top := &f.around[len(f.around)-1]
	key := top.list
	if f.valued {
		key = f.key
	}
	path := strings.TrimPrefix(top.path+"."+key, ".")
	if len(path) > pathLimit {
		path = strings.ToValidUTF8(path[:pathLimit], "") + "…"
	}
	return path
}

// scalar reads a text, number or word: a key, or the value of one.
func (f *telegramFile) scalar() (reason string, err error) {
	end, broken, err := f.Value()
	for err == nil && broken == nil && end == len(f.Buf) && !f.EOF && f.Buf[0] != '"' {
		if err = f.More(); err == nil { // a number may continue
			end, broken, err = f.Value()
		}
	}
	if err != nil {
		return "", err
	}
	if broken != nil {
		return broken.Error(), nil
	}
	raw := string(f.Buf[:min(end, build.ExtraLimit)])
	text := raw
	if raw[0] == '"' && len(raw) == end {
		text, _ = jsondoc.Unquote(raw)
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	f.Drop(end)
	if !f.valued {
		f.key = text
		return "", nil
	}
	f.valued = false
	if len(f.around) > 0 {
		f.around[len(f.around)-1].set(f.key, text)
	}
	return "", nil
}

func (c *telegramChat) set(key, text string) {
	switch key {
	case "name":
		c.name = argus.CleanName(text)
	case "type":
		c.kind = text
	case "id":
		c.id = text
	case "about":
	default:
		if text != "" && text != "null" && len(c.more) < jsondoc.FactLimit {
			c.more = append(c.more, argus.Field{Name: strings.TrimPrefix(c.path+"."+key, "."), Value: strings.ToValidUTF8(text[:min(len(text), jsondoc.FactSize)], "")})
		}
	}
}

// message reads the object at the start of the view.
func (f *telegramFile) message() (reader.Item, error) {
	var chat telegramChat
	if n := len(f.around); n > 0 {
		f.around[n-1].said, f.around[n-1].had = true, len(f.around[n-1].more)
		chat = f.around[n-1]
	}
	if f.damaged {
		chat.path = ""
	}
	return f.object("a message", func(raw string) (*argus.Message, error) {
		p := f.open
		*p = telegramMessage{Message: new(argus.Message), chat: chat, options: f.options}
		if _, err := f.keys.Each(raw, 0, p.set); err != nil {
			return nil, err
		}
		p.Service = cmp.Or(f.options.Service, "telegram")
		p.raw = raw
		return p.finish()
	})
}

// contact reads the object at the start of the view: a contact, or the account's own data. Its
// accounts are the id as in messages, the number and the user name.
func (f *telegramFile) contact(word string) (reader.Item, error) {
	f.valued = false
	return f.object("a contact", func(raw string) (*argus.Message, error) {
		m := &argus.Message{Service: cmp.Or(f.options.Service, "telegram")}
		var first, last, id, number, username string
		err := jsondoc.Members(raw, func(key, raw string) (err error) {
			switch key {
			case "first_name":
				first, err = jsondoc.TextMember(m, key, raw)
			case "last_name":
				last, err = jsondoc.TextMember(m, key, raw)
			case "phone_number":
				number, err = jsondoc.TextMember(m, key, raw)
			case "username":
				username, err = jsondoc.TextMember(m, key, raw)
			case "user_id":
				id, err = jsondoc.ScalarMember(raw)
			}
			jsondoc.KeepMember(m, key, raw)
			return err
		})
		if err != nil {
			return nil, err
		}
		var accounts []string
		if id != "" && id != "0" { // 0: the number has no account
			accounts = append(accounts, "user"+id)
		}
		for _, account := range []string{build.AccountOf(argus.CleanName(number)), argus.CleanName(username)} {
			if account != "" {
				accounts = append(accounts, account)
			}
		}
		name := argus.CleanName(first + " " + last)
		if name == "" && accounts == nil {
			return nil, errors.New("want a name or an account, found neither")
		}
		build.Contact(m, word, accounts, name)
		return m, build.Valid(m)
	})
}

// inSection reports whether the object at the start of the view is in a list of another
// section of an account's export, such as its sessions: it is in none of chats, and is
// not a chat.
func (f *telegramFile) inSection() bool {
	n := len(f.around)
	if n == 0 || f.valued || f.damaged {
		return false
	}
	top := &f.around[n-1]
	return top.list != "" && top.path != "" && top.path != "chats" && top.path != "left_chats" &&
		!jsondoc.HasMember(f.Buf, func(key, _ []byte) bool { return string(key) == `"messages"` })
}

// entry reads an entry of such a section, which is about the account and not a message.
func (f *telegramFile) entry() (reader.Item, error) {
	section := f.around[len(f.around)-1].path
	return f.object("an entry", func(raw string) (*argus.Message, error) {
		m := &argus.Message{Service: cmp.Or(f.options.Service, "telegram"), Conversation: "export", ConversationReach: argus.ReachExport}
		build.Notice(m, section, jsondoc.Compact(raw))
		return m, build.Valid(m)
	})
}

// isSilent reports whether the object that ends here is a chat without messages.
func (f *telegramFile) isSilent() bool {
	n := len(f.around)
	return n > 0 && !f.damaged && !f.around[n-1].said && f.around[n-1].id != "" && f.around[n-1].kind != ""
}

// silent makes an item of a chat without messages, at the chat's end, because the chat
// existed.
func (f *telegramFile) silent() (reader.Item, error) {
	top := &f.around[len(f.around)-1]
	top.had = len(top.more)
	chat := *top
	m := &argus.Message{Service: cmp.Or(f.options.Service, "telegram"), Conversation: chat.conversation(), Title: chat.name, Extra: chat.more, ConversationReach: argus.ReachExport}
	build.Notice(m, "chat without messages", chat.name)
	build.Keep(m, strings.TrimPrefix(chat.path+".type", "."), chat.kind)
	item := reader.Item{Message: m, Where: argus.Where{Offset: f.At, Length: 1}}
	if _, err := f.step(); err != nil {
		return item, err
	}
	if err := build.Valid(m); err != nil {
		item.Message, item.Problem = nil, err.Error()
	}
	return item, nil
}

// object makes an item of the object at the start of the view.
func (f *telegramFile) object(what string, parse func(raw string) (*argus.Message, error)) (reader.Item, error) {
	if f.Buf[0] != '{' {
		return f.broken("want "+what+", found something else", nil)
	}
	did := ""
	if f.list != "" {
		did = f.commas.Element()
	}
	end, broken, err := f.Value()
	if err != nil {
		return reader.Item{}, err
	}
	if broken != nil {
		if item, ok, err := f.Mend(parse); ok || err != nil {
			jsondoc.KeepMended(item.Message, did)
			return item, err
		}
		return f.broken(broken.Error(), nil)
	}
	item := f.Record(end, parse)
	jsondoc.KeepMended(item.Message, did)
	return item, nil
}

// conversation names a chat in the way in which from_id names an account, group or channel:
// user1, chat1, channel1.
func (c *telegramChat) conversation() string {
	if c.id == "" {
		return c.name
	}
	switch c.kind {
	case "personal_chat", "bot_chat", "saved_messages", "replies", "verification_codes":
		return "user" + c.id
	case "private_group":
		return "chat" + c.id
	case "private_supergroup", "public_supergroup", "private_channel", "public_channel":
		return "channel" + c.id
	}
	return strings.TrimSpace(c.kind + " " + c.id)
}

// telegramAccount returns an account in the form of exports since 2021. Before, it was a
// number: that of a user, or with a kind in the bits above the 32nd.
func telegramAccount(id string) string {
	if id == "" || !textdoc.IsDigit(id[0]) {
		return id
	}
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return id
	}
	switch low := strconv.FormatUint(n&(1<<32-1), 10); n >> 32 {
	case 0:
		return "user" + low
	case 1:
		return "chat" + low
	case 2:
		return "channel" + low
	}
	return id
}

// telegramMessage becomes a message member by member.
type telegramMessage struct {
	*argus.Message
	raw     string
	chat    telegramChat
	options reader.Options
	// kind is message or service; the other fields are members that depend on each other.
	kind, from, fromID, date, file, fileName, thumb, mime, media, peer string
	size                                                               int64
	// pieces is the list from which text was joined, if the list contains more than the text;
	// respaced means that spaces were added to the text; entities means that text_entities,
	// which also has the targets of links, is kept.
	pieces             string
	respaced, entities bool
	// text is the member as written.
	text string
	// atZero means that the time is given as 0, i.e. there is no time.
	atZero bool
	// shown are the words of buttons and the addresses of links, which text lacks.
	shown []string
	// said are the members that describe a service message.
	said []string
	// card, at, placed, poll and list accompany the words, as written.
	card, at, poll, list string
	placed               []string
}

// set takes one member.
func (p *telegramMessage) set(key, raw string) (err error) {
	if raw == "null" && key != "forwarded_from" {
		return nil
	}
	switch key {
	case "id":
		p.ServiceID, err = jsondoc.ScalarMember(raw)
		p.Sequence, _ = strconv.ParseUint(p.ServiceID, 10, 64)
	case "type":
		p.kind, err = jsondoc.String(raw)
	case "date_unixtime":
		p.Sent, err = unixMember(raw)
		p.atZero = !p.Sent.Known()
		jsondoc.AtZero(p.Message, key, raw, p.Sent)
	case "date":
		p.date, err = jsondoc.String(raw)
	case "edited_unixtime", "edited":
		if never := strings.Trim(raw, `"`); never != "0" && !strings.HasPrefix(never, "1970-01-0") {
			at, problem := unixMember(raw)
			if problem != nil { // a time without a zone; the other member has one
				at, _ = dates.ISO(never, p.options)
			}
			known := p.Edited
			if jsondoc.EditedAt(p.Message, key, raw, at); problem != nil && known.Known() {
				p.Edited = known
			}
		}
	case "from", "actor":
		p.from, err = jsondoc.TextMember(p.Message, key, raw)
	case "from_id", "actor_id":
		p.fromID, err = jsondoc.ScalarMember(raw)
	case "text":
		p.text = raw
		p.Text, err = p.joined(raw)
	case "text_entities":
		// Repeats the text, except for the targets of its links and mentions.
		if p.entities = strings.Contains(raw, `"href"`) || strings.Contains(raw, `"user_id"`); p.entities {
			jsondoc.AddExtra(p.Message, key, raw)
			for piece := range jsondoc.Listed(raw) {
				p.leads(jsondoc.InsideText(piece, "href"), jsondoc.InsideText(piece, "user_id"))
			}
		}
	case "reply_to_message_id":
		p.ReplyTo, err = jsondoc.ScalarMember(raw)
	case "reply_to_peer_id":
		p.peer, err = jsondoc.ScalarMember(raw)
		jsondoc.AddExtra(p.Message, key, raw)
	case "inline_bot_buttons":
		p.buttons(raw)
		jsondoc.AddExtra(p.Message, key, raw)
	case "forwarded_from":
		if raw == "null" {
			jsondoc.AddExtra(p.Message, key, raw)
			return nil
		}
		p.ForwardedFrom, err = jsondoc.TextMember(p.Message, key, raw)
	case "photo", "file":
		p.file, err = jsondoc.TextMember(p.Message, key, raw)
		if key == "photo" {
			p.media = "photo"
		}
		jsondoc.AddExtra(p.Message, key, raw)
	case "thumbnail":
		p.thumb, err = jsondoc.TextMember(p.Message, key, raw)
		jsondoc.AddExtra(p.Message, key, raw)
	case "file_name":
		p.fileName, err = jsondoc.TextMember(p.Message, key, raw)
		jsondoc.AddExtra(p.Message, key, raw)
	case "file_size", "photo_file_size":
		var n uint64
		n, err = jsondoc.Uint(raw, 63)
		p.size = int64(n)
	case "mime_type":
		p.mime, err = jsondoc.String(raw)
	case "media_type":
		p.media, err = jsondoc.String(raw)
		jsondoc.AddExtra(p.Message, key, raw)
	default:
		switch key {
		case "contact_information":
			p.card = raw
		case "location_information":
			p.at = raw
		case "place_name", "address":
			p.placed = append(p.placed, raw)
		case "poll":
			p.poll = raw
		case "todo_list":
			p.list = raw
		case "game_title", "game_description":
			p.shown = append(p.shown, jsondoc.ScalarText(raw))
		case "invoice_information":
			p.shown = append(p.shown, jsondoc.InsideText(raw, "title"), jsondoc.InsideText(raw, "description"))
		}
		jsondoc.AddExtra(p.Message, key, raw)
		last := p.Extra[len(p.Extra)-1]
		p.said = append(p.said, last.Name+": "+last.Value)
	}
	return err
}

// again takes a member that occurs a second time in a message: Telegram Desktop writes the
// words of a gift twice, the second time empty.
func (p *telegramMessage) again(key, raw string) error {
	if key != "text" || p.text != `""` && raw != `""` {
		return errors.New("want each key once, found one twice")
	}
	jsondoc.AddExtra(p.Message, key, p.text)
	jsondoc.AddExtra(p.Message, key, raw)
	second, err := p.joined(raw)
	p.Text += second // one of them is empty
	return err
}

// leads takes the target of words that show something else: an address, or an account without
// a user name.
func (p *telegramMessage) leads(href, user string) {
	p.shown = append(p.shown, href)
	if user != "" {
		p.shown = append(p.shown, telegramAccount(user))
	}
}

// buttons takes the labels of the buttons below a message and the addresses that they open: a
// list of rows.
func (p *telegramMessage) buttons(raw string) {
	for row := range jsondoc.Listed(raw) {
		for button := range jsondoc.Listed(row) {
			p.shown = append(p.shown, jsondoc.InsideText(button, "text"))
			if address := jsondoc.InsideText(button, "data"); strings.Contains(jsondoc.InsideText(button, "type"), "url") {
				p.shown = append(p.shown, address)
			}
		}
	}
}

// finish sets the fields that depend on several members.
func (p *telegramMessage) finish() (*argus.Message, error) {
	p.Conversation, p.Title = p.chat.conversation(), p.chat.name
	if p.chat.id == "" || !strings.HasPrefix(p.Conversation, "chat") && !strings.HasPrefix(p.Conversation, "channel") {
		p.ConversationReach = argus.ReachExport // the other party of the account's chat
	}
	if p.From = telegramAccount(p.fromID); p.From != p.fromID {
		build.Keep(p.Message, "from_id", p.fromID)
	}
	p.FromName = argus.CleanName(p.from)
	if p.From == "" {
		p.From, p.FromName = p.FromName, ""
		build.Named(p.Message, p.From)
	}
	if strings.HasPrefix(p.Conversation, "user") && p.chat.kind == "personal_chat" && p.From != p.Conversation && p.From != "" {
		p.To = []string{p.Conversation}
	}
	if p.peer != "" && telegramAccount(p.peer) != p.Conversation {
		build.Keep(p.Message, "reply_to_message_id", p.ReplyTo)
		p.ReplyTo = "" // it is a number of another chat
	}
	switch p.kind {
	case "message":
		build.AlsoSaid(p.Message, p.shown...)
		p.carried()
	case "service":
		if p.Text != "" {
			p.said = append(p.said, p.Text)
		}
		p.happened(strings.TrimPrefix(strings.Join(p.said, "; "), "action: "))
	default:
		return nil, errors.New("type: want message or service, found something else")
	}
	if p.date != "" && (p.Sent.Known() || p.atZero || strings.HasPrefix(p.date, "1970-01-01T")) {
		p.Extra = append(p.Extra, argus.Field{Name: "date", Value: p.date})
	} else if p.date != "" {
		sent, ok := dates.ISO(p.date, p.options)
		if !ok {
			return nil, errors.New("date: want a time like 2021-02-14T12:03:11, found other text")
		}
		p.Sent = sent
	}
	if !p.Sent.Known() && !p.atZero && p.date == "" {
		return nil, errors.New("want date_unixtime or date, found neither")
	}
	if p.pieces != "" && (p.respaced || !p.entities) {
		jsondoc.AddExtra(p.Message, "text", p.pieces)
	}
	build.Keep(p.Message, strings.TrimPrefix(p.chat.path+".type", "."), p.chat.kind)
	p.Extra = append(p.Extra, p.chat.more...)
	if p.file != "" {
		p.Attachments = []argus.Attachment{{Name: p.attachmentName(), Size: p.size, Type: cmp.Or(p.mime, p.media)}}
	}
	if p.thumb != "" && !strings.HasPrefix(p.thumb, "(") { // a picture that accompanies the file
		p.Attachments = append(p.Attachments, argus.Attachment{Name: telegramPath(p.thumb), Type: "thumbnail"})
	}
	return p.Message, build.Valid(p.Message)
}

// carried reads the content of a message other than words: a card, a place, a poll.
func (p *telegramMessage) carried() {
	if p.card != "" {
		name := strings.TrimSpace(jsondoc.InsideText(p.card, "first_name") + " " + jsondoc.InsideText(p.card, "last_name"))
		build.SentCard(p.Message, build.Card([]string{build.AccountOf(argus.CleanName(jsondoc.InsideText(p.card, "phone_number")))}, name))
	}
	if p.at != "" {
		var name []string
		for _, raw := range p.placed {
			if text, err := jsondoc.String(raw); err == nil {
				name = append(name, text)
			}
		}
		build.SentPlace(p.Message, argus.Location{Latitude: jsondoc.InsideText(p.at, "latitude"), Longitude: jsondoc.InsideText(p.at, "longitude"), Name: strings.Join(name, " ")})
	}
	if question, answers := telegramList(p.poll, "question"); question != "" || answers != nil {
		build.Polled(p.Message, question, answers)
	}
	if title, things := telegramList(p.list, "title"); title != "" || things != nil {
		lines := append([]string{p.Text, title}, things...)
		for i := range things {
			lines[i+2] = "- " + things[i]
		}
		p.Text = strings.TrimSpace(strings.Join(lines, "\n"))
	}
}

// telegramList reads a heading and the options or tasks, each a text or an object with a text.
func telegramList(raw, heading string) (title string, list []string) {
	words := func(raw, key string) string {
		return cmp.Or(jsondoc.InsideText(raw, key), jsondoc.InsideText(raw, key, "text"))
	}
	for one := range jsondoc.Listed(jsondoc.Inside(raw, "answers")) {
		list = append(list, words(one, "text"))
	}
	return words(raw, heading), list
}

// happened makes an event of the service. Members are named as shown.
func (p *telegramMessage) happened(told string) {
	m, whom := p.Message, jsondoc.TextsIn(jsondoc.Inside(p.raw, "members"))
	switch jsondoc.InsideText(p.raw, "action") {
	case "create_group", "create_channel":
		x := argus.Membership{Action: "create", Members: whom, Name: argus.CleanName(jsondoc.InsideText(p.raw, "title"))}
		build.Happened(m, argus.TypeMembership, argus.Facts{Membership: &x}, told, "")
	case "invite_members":
		build.Joined(m, "add", whom, told, "")
	case "remove_members":
		if len(whom) == 1 && argus.CleanName(whom[0]) == cmp.Or(m.FromName, m.From) {
			build.Joined(m, "leave", nil, told, "")
			return
		}
		build.Joined(m, "remove", whom, told, "")
	case "join_group_by_link", "join_group_by_request":
		build.Joined(m, "join", nil, told, "")
	case "edit_group_title":
		build.Renamed(m, argus.CleanName(jsondoc.InsideText(p.raw, "title")), told, "")
	case "phone_call", "group_call":
		c := argus.Call{}
		c.Seconds, _ = strconv.ParseUint(cmp.Or(jsondoc.InsideText(p.raw, "duration_seconds"), jsondoc.InsideText(p.raw, "duration")), 10, 31)
		if c.Answered = build.AnsweredIn(c.Seconds); c.Seconds == 0 {
			switch jsondoc.InsideText(p.raw, "discard_reason") {
			case "missed", "busy":
				c.Answered = "no"
			}
		}
		build.Called(m, c, told, "")
	default:
		build.Notice(m, told, "")
	}
}

// attachmentName is the path that the export gave the file, from its own folder. In place of a
// path there may be a sentence in parentheses, the reason why the file is missing: then the
// file's own name is used.
func (p *telegramMessage) attachmentName() string {
	if strings.HasPrefix(p.file, "(") {
		return cmp.Or(p.fileName, p.media, "file")
	}
	return telegramPath(p.file)
}

// telegramPath is a path in an export with forward slashes.
func telegramPath(file string) string { return path.Clean(strings.ReplaceAll(file, `\`, "/")) }

// joined returns the text of a message: a text, or a list of texts and {type, text} objects.
// Telegram splits a text where its formatting changes, so that the joined pieces are the
// written text. Exports that other programs rewrote may lack the space between two formatted
// pieces, such as two links: the space is restored, and the list is kept. The list is also
// kept if pieces have more than text.
func (p *telegramMessage) joined(raw string) (string, error) {
	if raw[0] == '"' {
		text, err := jsondoc.TextMember(p.Message, "text", raw)
		return textdoc.LineFeeds(text), err
	}
	pieces, err := jsondoc.List(raw, func(raw string) (piece telegramText, err error) {
		if raw[0] == '"' {
			piece.text, err = jsondoc.TextMember(p.Message, "text", raw)
			return piece, err
		}
		if raw[0] != '{' {
			return piece, fmt.Errorf("want text or an object, found %s", jsondoc.Kind(raw))
		}
		var keys jsondoc.Keys
		_, err = keys.Each(raw, 0, func(key, raw string) (err error) {
			switch key {
			case "type":
				piece.kind, err = jsondoc.String(raw)
			case "text":
				piece.text, err = jsondoc.TextMember(p.Message, "text", raw)
			case "href":
				p.leads(jsondoc.ScalarOf(p.Message, "text.href", raw), "")
				piece.more = true
			case "user_id":
				p.leads("", jsondoc.ScalarOf(p.Message, "text.user_id", raw))
				piece.more = true
			case "language", "document_id", "collapsed":
				piece.more = true
			default:
				build.NotUnderstood(p.Message, "text."+key, jsondoc.Compact(raw))
			}
			return err
		})
		return piece, err
	})
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for i, piece := range pieces {
		if i > 0 && piece.kind == "link" && pieces[i-1].kind != "" && !touchesSpace(pieces[i-1].text, piece.text) {
			text.WriteByte(' ')
			p.respaced = true
		}
		text.WriteString(piece.text)
	}
	if p.respaced || slices.ContainsFunc(pieces, func(piece telegramText) bool { return piece.more }) {
		p.pieces = raw
	}
	return textdoc.LineFeeds(text.String()), nil
}

// telegramText is a piece of a text; kind is empty if it is not formatted; more means that it
// has other members, such as the target of a link or of a mention.
type telegramText struct {
	kind, text string
	more       bool
}

func touchesSpace(before, behind string) bool {
	return strings.TrimRight(before, " \t\n") != before || strings.TrimLeft(behind, " \t\n") != behind
}

// unixMember reads seconds since 1970, as a number or in a string.
func unixMember(raw string) (argus.Time, error) {
	text, err := jsondoc.ScalarMember(raw)
	if err != nil {
		return argus.Time{}, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if t := argus.At(time.Unix(n, 0), "", argus.ZoneStated, argus.Second); err == nil && n < 1<<40 && t.Plausible() {
		return dates.UnlessZero(t), nil
	}
	return argus.Time{}, errors.New("want seconds since 1970, found another number or text")
}

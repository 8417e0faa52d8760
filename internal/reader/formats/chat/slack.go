// Package chat reads what chat services and their programs export.
package chat

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Slack reads Slack's workspace export: one folder per channel, with one file per day, each a
// list of messages; users.json, channels.json, groups.json, mpims.json and dms.json next to
// the folders list the users and channels.
//
//   - Conversation: the channel's id, found by the folder's name in the files
//     next to the folders; otherwise the folder's name (of a direct conversation
//     it is the id).
//   - ServiceID and Sent: ts, seconds with six decimal places.
//   - Text: Slack's markup stays (<@U1>, <https://…|…>); only &amp; &lt; &gt; are
//     undone. If there is none, Text is the text of blocks, otherwise that of attachments;
//     blocks are then kept in Extra. They are also kept if they contain more than the text,
//     and are then appended to it. Attachments are appended too, unless they quote a
//     message.
//   - FromName: the name in the message, otherwise the one in users.json.
//   - To: the members of a direct conversation, even of one with several.
//   - A message in a thread answers thread_ts.
//   - message_changed is a separate edit, message_deleted a removal: both name the affected
//     message in ReplyTo and keep its previous content.
//   - The subtypes of slackSpoken are written by people and programs; every other
//     subtype is the service's.
//   - slackdump writes one file per channel, with channel_id after the messages, and the
//     answers to a message inside it (slackdump_thread_replies): each is a message.
//   - A user of users.json is a contact: its names, with id, phone and mail as
//     accounts. A channel of the other lists is a room: its name (otherwise its id),
//     topic and purpose, from its creator at the time of creation, to its members.
var Slack = &reader.Format{
	Name:    "slack",
	Version: 5,
	About:   "Slack workspace export, a folder per channel and a file per day, with its lists of users and channels; slackdump's file per channel",
	Checked: "invented examples only",
	Ignored: map[string]string{"blocks": "repeat the text; they are kept if they say more"},
	Kept: []string{
		"app_id", "attachments", "blocks", "bot_id", "bot_profile", "channel", "channel_id", "client_msg_id", "color", "created", "creator", "deleted",
		"deleted_ts", "display_as_bot", "edited", "files", "has_2fa", "hidden", "icons", "inviter", "is_admin", "is_app_user", "is_archived", "is_bot",
		"is_channel", "is_email_confirmed", "is_ext_shared", "is_general", "is_group", "is_im", "is_intro", "is_invited_user", "is_locked", "is_mpim",
		"is_open", "is_org_shared", "is_owner", "is_primary_owner", "is_private", "is_read_only", "is_restricted", "is_shared", "is_starred",
		"is_ultra_restricted", "language_code", "last_read", "latest_reply", "members", "message", "metadata", "name", "name_normalized", "no_notifications",
		"num_members", "old_name", "parent_user_id", "permalink", "pinned_info", "pinned_to", "pins", "previous_message", "previous_names", "profile",
		"purpose", "reactions", "real_name", "replies", "reply_count", "reply_users", "reply_users_count", "room", "root", "source_team", "state",
		"subscribed", "subtype", "team", "team_id", "topic", "tz", "tz_label", "tz_offset", "unread_count", "unread_count_display", "updated", "upload",
		"user_profile", "user_team", "who_can_share_contact_card", "x_files",
	},
	Detect: detectSlack,
	Read:   readSlack,
}

// detectSlack looks for a message with Slack's ts, a user or a channel.
func detectSlack(s reader.Sample) int {
	if sure := jsondoc.SureOfRecord(s, "[", 90, beginsSlackMessage); sure > 0 {
		return sure
	}
	return jsondoc.SureOfRecord(s, "[", 85, beginsSlack)
}

func beginsSlack(b []byte) bool {
	return beginsSlackMessage(b) || beginsSlackUser(b) || beginsSlackChannel(b)
}

// beginsSlackUser and beginsSlackChannel recognise an object by its id, whose first letter is
// its kind, and by members that are always there.
func beginsSlackUser(b []byte) bool {
	return hasSlackID(b, slackUserIDs) && jsondoc.HasKeys(b, "name", "deleted", "profile")
}

func beginsSlackChannel(b []byte) bool {
	return hasSlackID(b, slackChannelIDs) && (jsondoc.HasKeys(b, "created", "members") || jsondoc.HasKeys(b, "created", "creator"))
}

// The first letters of ids: users of this and of other workspaces; channels,
// closed groups, direct conversations.
const (
	slackUserIDs    = "UW"
	slackChannelIDs = "CGD"
)

func hasSlackID(b []byte, kinds string) bool {
	return jsondoc.HasMember(b, func(key, value []byte) bool {
		return string(key) == `"id"` && len(value) > 3 && strings.IndexByte(kinds, value[1]) >= 0 &&
			len(bytes.Trim(value[1:len(value)-1], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")) == 0
	})
}

func beginsSlackMessage(b []byte) bool {
	kind, ts := false, false
	jsondoc.HasMember(b, func(key, value []byte) bool {
		switch string(key) {
		case `"type"`:
			kind = string(value) == `"message"`
		case `"ts"`:
			ts = len(value) > 0 && value[0] == '"'
		}
		return kind && ts
	})
	return kind && ts
}

// slackSpoken are the subtypes of messages that accounts and programs write.
var slackSpoken = map[string]bool{
	"": true, "bot_message": true, "me_message": true, "thread_broadcast": true, "file_share": true, "file_comment": true,
	"reply_broadcast": true, "slackbot_response": true, "tombstone": true, "document_mention": true, "assistant_app_thread": true,
}

// readSlack reads one day of one channel, or a list of users or channels.
func readSlack(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		channel := slackChannelOf(ctx, in)
		names := sync.OnceValue(func() map[string]string { return slackNames(ctx, in) })
		s := jsondoc.Shape{Lists: func(key string) bool { return key == "" || key == "messages" }, Begins: beginsSlack}
		if begins := make([]byte, 1); in.Size > 0 {
			if _, err := in.File.ReadAt(begins, 0); err == nil && begins[0] == '{' { // slackdump's: the channel follows its messages
				s.Take = channel.take
				for _, err := range jsondoc.New(in, s).Items(ctx, nil) {
					if err != nil {
						yield(reader.Item{}, err)
						return
					}
				}
			}
		}
		d := jsondoc.New(in, s)
		replies, records := "", uint64(0)
		for item, err := range d.Items(ctx, func(raw string) (*argus.Message, error) {
			replies = ""
			switch {
			case beginsSlackMessage(d.Buf): // at the start of the record
			case hasSlackID(d.Buf, slackUserIDs): // which no message has
				return slackContact(d, in.Options, raw)
			case hasSlackID(d.Buf, slackChannelIDs):
				return slackChannelMessage(d, in.Options, raw)
			}
			m, err := slackMessage(d, in.Options, channel, names, raw)
			if strings.Contains(raw, slackReplies) {
				replies = raw
			}
			return m, err
		}) {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			records++
			item.Where.Record = records
			answers := slackAnswers(d, in.Options, channel, names, replies, &item)
			if !yield(item, nil) {
				return
			}
			for _, answer := range answers {
				records++
				answer.Where.Record = records
				if !yield(answer, nil) {
					return
				}
			}
		}
	}
}

// slackReplies is the member under which slackdump keeps the answers to a message.
const slackReplies = `"slackdump_thread_replies"`

// slackAnswers reads the answers in a message from slackdump, each at its own position: the
// message's stretch ends before them.
func slackAnswers(d *jsondoc.Document, options reader.Options, channel slackChannel, names func() map[string]string, raw string, item *reader.Item) (answers []reader.Item) {
	if raw == "" {
		return nil
	}
	m := jsondoc.Scanner[string]{Text: raw}
	at := item.Where.Offset
	for m.Next() {
		if m.Key != slackReplies || m.Value[0] != '[' {
			continue
		}
		begin := m.At - len(m.Value)
		item.Where.Length = int64(begin)
		list := jsondoc.Scanner[string]{Text: m.Value}
		for list.Next() {
			answer := reader.Item{Where: argus.Where{Offset: at + int64(begin+list.At-len(list.Value)), Length: int64(len(list.Value))}}
			var err error
			if list.Value[0] != '{' {
				err = fmt.Errorf("want an object, found %s", jsondoc.Kind(list.Value))
			} else {
				answer.Message, err = slackMessage(d, options, channel, names, list.Value)
			}
			if err != nil {
				answer.Message, answer.Problem, answer.Raw = nil, err.Error(), []byte(list.Value[:min(len(list.Value), argus.QuarantineRaw)])
			}
			answers = append(answers, answer)
		}
		break
	}
	return answers
}

// take takes the facts about the channel from a file of slackdump.
func (c *slackChannel) take(name, text string) bool {
	switch name {
	case "channel_id":
		c.id, c.reach = text, argus.ReachService
	case "name":
		c.title = argus.CleanName(text)
	default:
		return false
	}
	return true
}

// slackChannel is the information about a folder in the files next to the folders.
type slackChannel struct {
	id, title string
	members   []string
	direct    bool
	reach     argus.Reach
}

func slackChannelOf(ctx context.Context, in reader.Input) slackChannel {
	folder := path.Base(path.Dir(in.Name))
	if folder == "." || folder == "/" || strings.HasSuffix(folder, "!") { // an archive is not a folder
		folder = ""
	}
	for _, list := range []string{"channels.json", "groups.json", "mpims.json", "dms.json"} {
		for raw := range jsondoc.SiblingRecords(ctx, in, "../"+list, "id") {
			c := slackChannel{direct: list == "dms.json" || list == "mpims.json"}
			err := jsondoc.Members(raw, func(key, raw string) (err error) {
				switch key {
				case "id":
					c.id, err = jsondoc.String(raw)
				case "name":
					c.title, err = jsondoc.String(raw)
				case "members":
					c.members, err = jsondoc.List(raw, jsondoc.String)
				}
				return err
			})
			if err == nil && folder != "" && (c.title == folder || c.id == folder) {
				return c
			}
		}
	}
	c := slackChannel{id: folder, title: folder}
	if !hasSlackID([]byte(`{"id":"`+folder+`"}`), slackChannelIDs) {
		c.reach = argus.ReachExport // a name
	}
	return c
}

// slackNames returns the names of accounts.
func slackNames(ctx context.Context, in reader.Input) map[string]string {
	names := map[string]string{}
	for raw := range jsondoc.SiblingRecords(ctx, in, "../users.json", "id") {
		if len(names) == slackUsers {
			break
		}
		id, name, real, shown := "", "", "", ""
		err := jsondoc.Members(raw, func(key, raw string) (err error) {
			switch key {
			case "id":
				id, err = jsondoc.String(raw)
			case "name":
				name, err = jsondoc.String(raw)
			case "real_name":
				real, err = jsondoc.String(raw)
			case "profile":
				shown, err = slackProfile(raw)
			}
			return err
		})
		if err == nil {
			names[strings.Clone(id)] = strings.Clone(argus.CleanName(cmp.Or(shown, real, name)))
		}
	}
	return names
}

// slackUsers is the maximum number of known account names.
const slackUsers = 1 << 20

// slackProfile returns the name that a profile shows.
func slackProfile(raw string) (string, error) {
	shown, real := "", ""
	err := jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "display_name":
			shown, err = jsondoc.String(raw)
		case "real_name":
			real, err = jsondoc.String(raw)
		}
		return err
	})
	return argus.CleanName(cmp.Or(shown, real)), err
}

// slackContact makes a contact of a user.
func slackContact(d *jsondoc.Document, options reader.Options, raw string) (*argus.Message, error) {
	var name, real, shown, phone, mail string
	m, err := d.Begin(cmp.Or(options.Service, "slack"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "id":
			m.ServiceID, err = jsondoc.String(raw)
			return err
		case "name":
			name, err = jsondoc.TextMember(m, key, raw)
		case "real_name":
			var own string
			own, err = jsondoc.TextMember(m, key, raw)
			real = cmp.Or(own, real)
		case "profile":
			profile := jsonStrings(raw)
			shown, phone, mail = profile["display_name"], profile["phone"], profile["email"]
			real = cmp.Or(real, profile["real_name"])
		}
		jsondoc.KeepMember(m, key, raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	accounts := []string{m.ServiceID}
	for _, account := range []string{build.AccountOf(argus.CleanName(phone)), strings.ToLower(argus.CleanName(mail))} {
		if account != "" {
			accounts = append(accounts, account)
		}
	}
	build.Contact(m, "user", accounts, real, shown, name)
	return m, build.Valid(m)
}

// slackChannelMessage makes a message of a channel in a list.
func slackChannelMessage(d *jsondoc.Document, options reader.Options, raw string) (*argus.Message, error) {
	var topic, purpose string
	var in []string
	m, err := d.Begin(cmp.Or(options.Service, "slack"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "id":
			m.ServiceID, err = jsondoc.String(raw)
		case "name":
			m.Title, err = jsondoc.TextMember(m, key, raw)
		case "created":
			if raw != "0" { // nothing is known
				m.Sent, err = unixMember(raw)
			}
		case "creator":
			m.From, err = jsondoc.String(raw)
		case "members":
			if in, err = jsondoc.List(raw, jsondoc.String); len(in) > build.ParticipantLimit {
				jsondoc.AddExtra(m, key, raw)
			}
		case "topic":
			topic = slackEntities.Replace(jsonStrings(raw)["value"])
			jsondoc.KeepMember(m, key, raw)
		case "purpose":
			purpose = slackEntities.Replace(jsonStrings(raw)["value"])
			jsondoc.KeepMember(m, key, raw)
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m.Conversation, m.Title = m.ServiceID, argus.CleanName(m.Title)
	m.To = build.Others(in, m.From)
	build.Room(m, "channel", in, topic, purpose)
	return m, build.Valid(m)
}

var slackEntities = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")

func slackMessage(d *jsondoc.Document, options reader.Options, channel slackChannel, names func() map[string]string, raw string) (*argus.Message, error) {
	subtype, text, thread, bot, botName, target, blocks, attached := "", "", "", "", "", "", "", ""
	m, err := d.Begin(cmp.Or(options.Service, "slack"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "type":
			if raw != `"message"` {
				err = fmt.Errorf("want message, found something else")
			}
		case "subtype":
			subtype, err = jsondoc.String(raw)
		case "ts":
			m.ServiceID, err = jsondoc.ScalarMember(raw)
		case "thread_ts":
			thread, err = jsondoc.ScalarMember(raw)
		case "user":
			m.From, err = jsondoc.String(raw)
		case "bot_id":
			bot, err = jsondoc.String(raw)
		case "username":
			botName, err = jsondoc.TextMember(m, key, raw)
		case "user_profile":
			m.FromName, err = slackProfile(raw)
			jsondoc.KeepMember(m, key, raw)
		case "text":
			text, err = jsondoc.TextOf(m, key, raw)
		case "edited":
			jsondoc.EditedAt(m, key, raw, slackEdited(raw))
		case "reply_count":
			build.Replied(m, raw)
			jsondoc.KeepMember(m, key, raw)
		case "files":
			jsondoc.KeepMember(m, key, raw)
			err = jsondoc.Elements(raw, func(raw string) error { return addSlackFile(m, raw) })
		case "message", "previous_message":
			jsondoc.AddExtra(m, key, raw)
			err = jsondoc.Members(raw, func(inner, raw string) (err error) {
				switch {
				case inner == "ts":
					target, err = jsondoc.ScalarMember(raw)
				case inner == "user" && key == "message" && m.From == "":
					m.From, err = jsondoc.String(raw)
				case inner == "text" && key == "message":
					text, err = jsondoc.TextOf(m, key+"."+inner, raw)
				case inner == "blocks" && key == "message":
					blocks = raw
				case inner == "attachments" && key == "message":
					attached = raw
				case inner == "edited" && key == "message":
					m.Edited = slackEdited(raw)
				}
				return err
			})
		case "deleted_ts":
			target, err = jsondoc.ScalarMember(raw)
			jsondoc.AddExtra(m, key, raw)
		case "slackdump_thread_replies": // are messages
		case "blocks": // repeats the text, if there is one
			blocks = raw
		case "attachments":
			attached = raw
			jsondoc.KeepMember(m, key, raw)
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var ok bool
	if m.Sent, ok = slackTime(m.ServiceID); !ok {
		return nil, fmt.Errorf("ts: want seconds since 1970 with six digits after a point, found other text")
	}
	if text == "" {
		text = textdoc.LineFeeds(cmp.Or(slackBlocks(blocks), slackAttached(attached)))
		if blocks != "" {
			jsondoc.KeepMember(m, "blocks", blocks)
		}
	} else if said := slackBesides(text, blocks); said != "" {
		jsondoc.KeepMember(m, "blocks", blocks)
		text += "\n" + textdoc.LineFeeds(said)
	}
	for one := range jsondoc.Listed(attached) { // content of programs, and previews of links
		if jsondoc.InsideText(one, "author_id") != "" {
			continue // another message, quoted
		}
		if said := strings.TrimSpace(textdoc.LineFeeds(slackAttached("[" + one + "]"))); said != "" && !strings.Contains(text, said) {
			text += "\n" + said
		}
	}
	switch m.Text = slackEntities.Replace(text); {
	case subtype == "message_changed":
		build.Edited(m, m.Edited)
		m.ReplyTo = target
		build.Keep(m, "subtype", subtype)
	case !slackSpoken[subtype]:
		m.ReplyTo = target
		slackHappened(m, subtype, raw)
	default:
		build.Keep(m, "subtype", subtype)
	}
	if subtype == "tombstone" {
		m.State |= argus.StateDeleted
	}
	build.Keep(m, "bot_id", bot)
	if m.From = cmp.Or(m.From, bot); m.From == "" {
		m.From = botName
		build.Named(m, m.From)
	}
	if m.FromName = cmp.Or(m.FromName, argus.CleanName(botName)); m.FromName == "" {
		m.FromName = names()[m.From]
	}
	m.Conversation, m.Title, m.ConversationReach = channel.id, channel.title, channel.reach
	if channel.direct {
		m.To = build.Others(channel.members, m.From)
	}
	if thread != "" && thread != m.ServiceID && m.ReplyTo == "" {
		m.ReplyTo = thread
	}
	return m, build.Valid(m)
}

// slackEdited returns the time of an edit.
func slackEdited(raw string) argus.Time {
	if t, ok := slackTime(jsondoc.InsideText(raw, "ts")); ok {
		return t
	}
	return argus.Time{}
}

// slackHappened makes an event of the service. A joining member is the sender, no matter who
// sent the invitation; a huddle is a call.
func slackHappened(m *argus.Message, subtype, raw string) {
	switch said := m.Text; subtype {
	case "channel_join", "group_join":
		build.Joined(m, "join", nil, subtype, said)
	case "channel_leave", "group_leave":
		build.Joined(m, "leave", nil, subtype, said)
	case "channel_name", "group_name":
		build.Renamed(m, jsondoc.InsideText(raw, "name"), subtype, said)
	case "channel_topic", "group_topic":
		build.SetTopic(m, slackEntities.Replace(jsondoc.InsideText(raw, "topic")), subtype, said)
	case "channel_purpose", "group_purpose":
		build.SetTopic(m, slackEntities.Replace(jsondoc.InsideText(raw, "purpose")), subtype, said)
	case "huddle_thread":
		c := argus.Call{Participants: jsondoc.TextsIn(jsondoc.Inside(raw, "room", "participant_history"))}
		began, _ := strconv.ParseUint(jsondoc.InsideText(raw, "room", "date_start"), 10, 40)
		if ended, _ := strconv.ParseUint(jsondoc.InsideText(raw, "room", "date_end"), 10, 40); began > 0 && ended > began {
			c.Seconds = ended - began
		}
		build.Called(m, c, subtype, said)
	default:
		build.Notice(m, subtype, said)
	}
}

// jsonStrings returns the members of an object that are text.
func jsonStrings(raw string) map[string]string {
	texts := map[string]string{}
	m := jsondoc.Scanner[string]{Text: raw}
	for raw[0] == '{' && m.Next() {
		if m.Value[0] == '"' {
			texts[m.Key[1:len(m.Key)-1]], _ = jsondoc.Unquote(m.Value)
		}
	}
	return texts
}

// slackBlocks returns the text of a message's blocks, one per line: blocks of written text,
// not buttons and pictures.
func slackBlocks(raw string) string {
	var lines []string
	list := jsondoc.Scanner[string]{Text: raw}
	for strings.HasPrefix(raw, "[") && list.Next() {
		switch jsonStrings(list.Value)["type"] {
		case "rich_text", "section", "header", "context", "markdown":
			var line strings.Builder
			writeSlackBlock(&line, list.Value, 0)
			if text := strings.TrimSpace(line.String()); text != "" {
				lines = append(lines, text)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// slackBesides returns the text of a message's blocks that its text lacks: programs put a
// short form into text, and the shown content into blocks. For people's messages both are the
// same, except for marks.
func slackBesides(text, blocks string) string {
	if !strings.Contains(blocks, `"section"`) && !strings.Contains(blocks, `"header"`) && !strings.Contains(blocks, `"context"`) && !strings.Contains(blocks, `"markdown"`) {
		return ""
	}
	said := slackBlocks(blocks)
	if strings.Contains(lettersOf(text), lettersOf(said)) {
		return ""
	}
	return said
}

// lettersOf returns the letters and digits of a text.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, text)
}

// slackBlockDepth is the maximum depth of a block. Slack nests to 5: a block, its elements, a
// list or section, its elements, a text.
const slackBlockDepth = 8

// writeSlackBlock writes every text of a block, or of an element in one, in order, and other
// content (a mention, a link) in the markup of text.
func writeSlackBlock(out *strings.Builder, raw string, depth int) {
	if depth > slackBlockDepth {
		return
	}
	apart := func(by string) {
		if before := out.String(); before != "" && !strings.HasSuffix(before, "\n") && !strings.HasSuffix(before, by) {
			out.WriteString(by)
		}
	}
	said := jsonStrings(raw)
	switch kind := said["type"]; kind {
	case "link":
		out.WriteString("<" + said["url"])
		if said["text"] != "" {
			out.WriteString("|" + said["text"])
		}
		out.WriteByte('>')
	case "user":
		out.WriteString("<@" + said["user_id"] + ">")
	case "usergroup":
		out.WriteString("<!subteam^" + said["usergroup_id"] + ">")
	case "channel":
		out.WriteString("<#" + said["channel_id"] + ">")
	case "broadcast":
		out.WriteString("<!" + said["range"] + ">")
	case "emoji":
		out.WriteString(":" + said["name"] + ":")
	default:
		if kind == "mrkdwn" || kind == "plain_text" {
			apart(" ")
		} else if strings.HasPrefix(kind, "rich_text_") {
			apart("\n")
		}
		out.WriteString(cmp.Or(said["text"], said["fallback"]))
		m := jsondoc.Scanner[string]{Text: raw}
		for (raw[0] == '{' || raw[0] == '[') && m.Next() {
			writeSlackBlock(out, m.Value, depth+1)
		}
	}
}

// slackAttached returns the texts of a message's attachments, one per line: an attachment's
// own text, otherwise that of its blocks, otherwise its fallback.
func slackAttached(raw string) string {
	var lines []string
	list := jsondoc.Scanner[string]{Text: raw}
	for strings.HasPrefix(raw, "[") && list.Next() {
		said := jsonStrings(list.Value)
		own := len(lines)
		add := func(text string) {
			if text != "" {
				lines = append(lines, text)
			}
		}
		add(said["pretext"])
		add(said["title"])
		add(said["text"])
		m := jsondoc.Scanner[string]{Text: list.Value}
		for own == len(lines) && list.Value[0] == '{' && m.Next() {
			if m.Key == `"blocks"` {
				add(slackBlocks(m.Value))
			}
		}
		if own == len(lines) {
			add(said["fallback"])
		}
	}
	return strings.Join(lines, "\n")
}

// slackTime reads a ts.
func slackTime(ts string) (argus.Time, bool) {
	seconds, micros, _ := strings.Cut(ts, ".")
	n, err := strconv.ParseInt(seconds+micros, 10, 64)
	t := argus.At(time.UnixMicro(n), "", argus.ZoneStated, argus.Micro)
	return t, err == nil && len(micros) == 6 && t.Plausible()
}

func addSlackFile(m *argus.Message, raw string) error {
	var a argus.Attachment
	title := ""
	err := jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "name":
			a.Name, err = jsondoc.TextMember(m, key, raw)
		case "title":
			title, err = jsondoc.TextMember(m, key, raw)
		case "mimetype":
			a.Type, err = jsondoc.String(raw)
		case "size":
			a.Size, err = jsondoc.SizeMember(raw)
		}
		return err
	})
	a.Name = cmp.Or(a.Name, title, "file")
	m.Attachments = append(m.Attachments, a)
	return err
}

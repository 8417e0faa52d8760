package chat

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/sheetdoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// DiscordPackage reads the messages that Discord hands to the account that wrote them ("data
// package"): one folder per channel, named c and its id, with messages.json or, before 2024,
// messages.csv, and channel.json next to it.
//
//   - Conversation: the channel's id. Title: its server and name.
//   - From: the account, by account/user.json of the package; otherwise Options.Owner, or
//     the package's owner. To: the other side of a direct conversation.
//   - Sent: Timestamp, which Discord writes in UTC, with or without an offset.
//   - Attachments are addresses separated by spaces.
//   - channel.json is a room.
var DiscordPackage = &reader.Format{
	Name:    "discord-package",
	Version: 2,
	About:   "Discord's data package of one account (messages.json or messages.csv in a folder per channel)",
	Checked: "invented examples in the layout that public readers describe; no package of a real account",
	Kept: []string{
		"attachment", "guild", "icon", "last_message_id", "nicks", "owner_id", "type",
	},
	Detect: detectDiscordPackage,
	Read:   readDiscordPackage,
}

const discordCSV = "ID,Timestamp,Contents,Attachments"

func detectDiscordPackage(s reader.Sample) int {
	if bytes.HasPrefix(s.Text, []byte(discordCSV)) {
		return 95
	}
	if i := jsondoc.Space(s.Text, 0); i < len(s.Text) && s.Text[i] == '{' && path.Base(s.Name) == "channel.json" && beginsDiscordChannel(s.Text[i:]) {
		return 80
	}
	return jsondoc.SureOfRecord(s, "[", 95, beginsDiscordOwn)
}

func beginsDiscordOwn(b []byte) bool { return jsondoc.HasKeys(b, "ID", "Timestamp", "Contents") }

func beginsDiscordChannel(b []byte) bool {
	return jsondoc.HasKeys(b, "id", "type", "recipients") || jsondoc.HasKeys(b, "id", "type", "guild") || jsondoc.HasKeys(b, "id", "type", "name")
}

// discordPackage is the context of a channel's messages.
type discordPackage struct {
	options             reader.Options
	account, name       string
	conversation, title string
	other               string // side of a direct conversation
}

// readDiscordPackage reads one channel.
func readDiscordPackage(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		p := discordPackage{options: in.Options, account: in.Owner}
		if folder := strings.TrimPrefix(path.Base(path.Dir(in.Name)), "c"); strings.Trim(folder, "0123456789") == "" {
			p.conversation = folder // the channel's id
		}
		for raw := range jsondoc.SiblingRecords(ctx, in, "../../account/user.json", "username") {
			p.account = cmp.Or(p.account, strings.Clone(jsondoc.InsideText(raw, "id")))
			p.name = strings.Clone(argus.CleanName(cmp.Or(jsondoc.InsideText(raw, "global_name"), jsondoc.InsideText(raw, "username"))))
		}
		p.account = cmp.Or(p.account, argus.OwnerOf+path.Dir(path.Dir(path.Dir(in.Name))))
		for raw := range jsondoc.SiblingRecords(ctx, in, "channel.json", "id") {
			p.channel(raw)
		}
		head := make([]byte, min(in.Size, int64(len(discordCSV))))
		if n, err := in.File.ReadAt(head, 0); n < len(head) {
			yield(reader.Item{}, err)
			return
		}
		if string(head) != discordCSV {
			d := jsondoc.New(in, jsondoc.Shape{Lists: func(key string) bool { return key == "" },
				Begins: func(b []byte) bool { return beginsDiscordOwn(b) || beginsDiscordChannel(b) }})
			d.Items(ctx, func(raw string) (*argus.Message, error) {
				if len(d.Open) == 0 { // a channel alone
					return p.room(raw)
				}
				m, err := p.message(jsondoc.InsideText(raw, "ID"), jsondoc.InsideText(raw, "Timestamp"), jsondoc.InsideText(raw, "Contents"), jsondoc.InsideText(raw, "Attachments"))
				if err == nil {
					jsondoc.KeepMembers(m, raw, "ID", "Timestamp", "Contents", "Attachments")
				}
				return m, err
			})(yield)
			return
		}
		first := true
		for row, err := range sheetdoc.CSV(ctx, in, ',', 4, 0) {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if first || len(row.Cells) == 0 && row.Problem == "" {
				first = false
				continue
			}
			item := reader.Item{Problem: row.Problem, Raw: row.Raw, Where: row.Where}
			if row.Problem == "" {
				cells := make([]string, 4)
				for i := range min(4, len(row.Cells)) {
					cells[i] = strings.Clone(row.Cells[i].Text)
				}
				m, err := p.message(cells[0], cells[1], textdoc.LineFeeds(cells[2]), cells[3])
				if item.Message = m; err != nil {
					item.Message, item.Problem, item.Raw = nil, err.Error(), sheetdoc.Raw(row)
				}
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// channel takes the facts of channel.json.
func (p *discordPackage) channel(raw string) {
	p.conversation = strings.Clone(cmp.Or(jsondoc.InsideText(raw, "id"), p.conversation))
	p.title = strings.Clone(argus.CleanName(jsondoc.InsideText(raw, "name")))
	if server := argus.CleanName(jsondoc.InsideText(raw, "guild", "name")); server != "" {
		p.title = strings.TrimSuffix(server+" / "+p.title, " / ")
	}
	if recipients := jsondoc.TextsIn(jsondoc.Inside(raw, "recipients")); len(recipients) == 2 {
		for _, one := range recipients {
			if one != p.account {
				p.other = strings.Clone(one)
			}
		}
	}
}

// room makes a room of channel.json.
func (p *discordPackage) room(raw string) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(p.options.Service, "discord")}
	p.channel(raw)
	m.Conversation, m.Title, m.ServiceID = p.conversation, p.title, p.conversation
	m.To = jsondoc.TextsIn(jsondoc.Inside(raw, "recipients"))
	jsondoc.KeepMembers(m, raw, "id", "recipients", "name")
	build.Room(m, "channel", m.To)
	return m, build.Valid(m)
}

// message makes a message.
func (p *discordPackage) message(id, stamp, text, files string) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(p.options.Service, "discord"), Conversation: p.conversation, Title: p.title, ServiceID: id, From: p.account, FromName: p.name}
	m.Sequence, _ = strconv.ParseUint(id, 10, 64)
	var err error
	if m.Sent, err = jsondoc.ISOMember(strconv.Quote(stamp), reader.Options{}); err != nil {
		return nil, err
	}
	m.Sent.Zone = argus.ZoneStated // Discord writes UTC
	m.Text = textdoc.LineFeeds(text)
	m.To = build.OneOf(p.other)
	for address := range strings.FieldsSeq(files) {
		name, _, _ := strings.Cut(address, "?")
		m.Attachments = append(m.Attachments, argus.Attachment{Name: path.Base(name)})
		build.Keep(m, "attachment", address)
	}
	return m, build.Valid(m)
}

package reader

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// discordpackageFormat reads what Discord hands an account of the messages that it
// wrote ("data package"): a folder a channel, c and its id, with messages.json or,
// before 2024, messages.csv, and channel.json beside it.
//
//   - Conversation: the channel's id. Title: its server and name.
//   - From: the account, by account/user.json of the package; else Options.Owner, or
//     the package's owner. To: the other side of a direct conversation.
//   - Sent: Timestamp, which Discord writes in UTC, with an offset or without.
//   - Attachments are addresses with spaces between.
//   - channel.json is a room.
var discordpackageFormat = &Format{
	Name:    "discord-package",
	Version: 1,
	About:   "Discord's data package of one account (messages.json or messages.csv in a folder a channel)",
	Checked: "invented examples in the layout that public readers describe; no package of a real account",
	Detect:  detectDiscordPackage,
	Read:    readDiscordPackage,
}

const discordCSV = "ID,Timestamp,Contents,Attachments"

func detectDiscordPackage(s Sample) int {
	if bytes.HasPrefix(s.Text, []byte(discordCSV)) {
		return 95
	}
	if i := jsonSpace(s.Text, 0); i < len(s.Text) && s.Text[i] == '{' && path.Base(s.Name) == "channel.json" && beginsDiscordChannel(s.Text[i:]) {
		return 80
	}
	return sureOfRecord(s, "[", 95, beginsDiscordOwn)
}

func beginsDiscordOwn(b []byte) bool { return hasKeys(b, "ID", "Timestamp", "Contents") }

func beginsDiscordChannel(b []byte) bool {
	return hasKeys(b, "id", "type", "recipients") || hasKeys(b, "id", "type", "guild") || hasKeys(b, "id", "type", "name")
}

// discordPackage is what lies beside the messages of a channel.
type discordPackage struct {
	options             Options
	account, name       string
	conversation, title string
	other               string // side of a direct conversation
}

// readDiscordPackage reads one channel.
func readDiscordPackage(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		p := discordPackage{options: in.Options, account: in.Owner}
		if folder := strings.TrimPrefix(path.Base(path.Dir(in.Name)), "c"); strings.Trim(folder, "0123456789") == "" {
			p.conversation = folder // the channel's id
		}
		for raw := range siblingRecords(ctx, in, "../../account/user.json", "username") {
			p.account = cmp.Or(p.account, strings.Clone(insideText(raw, "id")))
			p.name = strings.Clone(argus.CleanName(cmp.Or(insideText(raw, "global_name"), insideText(raw, "username"))))
		}
		p.account = cmp.Or(p.account, argus.OwnerOf+path.Dir(path.Dir(path.Dir(in.Name))))
		for raw := range siblingRecords(ctx, in, "channel.json", "id") {
			p.channel(raw)
		}
		head := make([]byte, min(in.Size, int64(len(discordCSV))))
		if n, err := in.File.ReadAt(head, 0); n < len(head) {
			yield(Item{}, err)
			return
		}
		if string(head) != discordCSV {
			d := newDocument(in, shape{lists: func(key string) bool { return key == "" },
				begins: func(b []byte) bool { return beginsDiscordOwn(b) || beginsDiscordChannel(b) }})
			d.items(ctx, func(raw string) (*argus.Message, error) {
				if len(d.open) == 0 { // a channel alone
					return p.room(raw)
				}
				m, err := p.message(insideText(raw, "ID"), insideText(raw, "Timestamp"), insideText(raw, "Contents"), insideText(raw, "Attachments"))
				if err == nil {
					keepMembers(m, raw, "ID", "Timestamp", "Contents", "Attachments")
				}
				return m, err
			})(yield)
			return
		}
		first := true
		for row, err := range csvRows(ctx, in, ',', 4, 0) {
			if err != nil {
				yield(Item{}, err)
				return
			}
			if first || len(row.cells) == 0 && row.problem == "" {
				first = false
				continue
			}
			item := Item{Problem: row.problem, Raw: row.raw, Where: row.where}
			if row.problem == "" {
				cells := make([]string, 4)
				for i := range min(4, len(row.cells)) {
					cells[i] = strings.Clone(row.cells[i].text)
				}
				m, err := p.message(cells[0], cells[1], withLineFeeds(cells[2]), cells[3])
				if item.Message = m; err != nil {
					item.Message, item.Problem, item.Raw = nil, err.Error(), rowRaw(row)
				}
			}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// channel takes what channel.json says.
func (p *discordPackage) channel(raw string) {
	p.conversation = strings.Clone(cmp.Or(insideText(raw, "id"), p.conversation))
	p.title = strings.Clone(argus.CleanName(insideText(raw, "name")))
	if server := argus.CleanName(insideText(raw, "guild", "name")); server != "" {
		p.title = strings.TrimSuffix(server+" / "+p.title, " / ")
	}
	if recipients := textsIn(inside(raw, "recipients")); len(recipients) == 2 {
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
	m.To = textsIn(inside(raw, "recipients"))
	keepMembers(m, raw, "id", "recipients", "name")
	room(m, "channel", m.To)
	return m, valid(m)
}

// message makes a message.
func (p *discordPackage) message(id, stamp, text, files string) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(p.options.Service, "discord"), Conversation: p.conversation, Title: p.title, ServiceID: id, From: p.account, FromName: p.name}
	m.Sequence, _ = strconv.ParseUint(id, 10, 64)
	var err error
	if m.Sent, err = isoMember(strconv.Quote(stamp), Options{}); err != nil {
		return nil, err
	}
	m.Sent.Zone = argus.ZoneStated // Discord writes UTC
	m.Text = withLineFeeds(text)
	m.To = oneOf(p.other)
	for address := range strings.FieldsSeq(files) {
		name, _, _ := strings.Cut(address, "?")
		m.Attachments = append(m.Attachments, argus.Attachment{Name: path.Base(name)})
		keep(m, "attachment", address)
	}
	return m, valid(m)
}

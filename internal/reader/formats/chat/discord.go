package chat

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
)

// Discord reads the JSON of DiscordChatExporter: one channel per file.
//
//   - Conversation: the channel's id. From: the author's id.
//   - The types Default, Reply, ChatInputCommand and ContextMenuCommand (numbers
//     0, 19, 20, 23 in old files) are written by people. A Call is a call; additions,
//     removals, joins and new names are memberships; every other type is the service's.
//   - Sent: timestamp; if there is none, the time in the id.
//   - The words and addresses of embeds are lines of the text.
//   - A reference is a reply, or with forwardedMessage a forward.
//   - An attachment is named by the path under which its bytes were saved, or by
//     its own name if they were not.
//   - messageCount at the end of the file is the file's own count of messages.
var Discord = &reader.Format{
	Name:    "discord",
	Version: 4,
	About:   "Discord channels as DiscordChatExporter writes them in JSON",
	Checked: "invented examples only",
	Kept: []string{
		"attachments", "author.*", "callEndedTimestamp", "channel.*", "dateRange.*", "embeds", "exportedAt", "forwardedMessage", "guild.*", "inlineEmojis",
		"interaction", "isPinned", "mentions", "reactions", "reference", "sent", "stickers", "timestamp", "timestampEdited",
	},
	Detect: detectDiscord,
	Read:   readDiscord,
}

// detectDiscord looks for a message, or the channel at the beginning of a file.
func detectDiscord(s reader.Sample) int {
	if sure := jsondoc.SureOfRecord(s, `"guild"`, 95, beginsDiscord); sure > 0 {
		return sure
	}
	return jsondoc.SureOfRecord(s, `"guild"`, 85, func(b []byte) bool { return jsondoc.HasKeys(b, "id", "type", "categoryId", "topic") })
}

// beginsDiscord recognises a message by members that no object inside one has.
func beginsDiscord(b []byte) bool { return jsondoc.HasKeys(b, "id", "timestampEdited", "isPinned") }

// readDiscord reads one channel.
func readDiscord(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		var channel discordChannel
		d := jsondoc.New(in, jsondoc.Shape{Lists: func(key string) bool { return key == "messages" }, Begins: beginsDiscord, Take: channel.take})
		d.StatedItems(ctx, func(raw string) (*argus.Message, error) { return discordMessage(d, in.Options, &channel, raw) }, "messageCount", &channel.count)(yield)
	}
}

type discordChannel struct{ guild, category, name, id, count string }

func (c *discordChannel) take(name, text string) bool {
	switch name {
	case "guild.name":
		c.guild = argus.CleanName(text)
	case "channel.category":
		c.category = argus.CleanName(text)
	case "channel.name":
		c.name = argus.CleanName(text)
	case "channel.id":
		c.id = text
	case "messageCount":
		c.count = text
	default:
		return false
	}
	return true
}

// title names a channel as people do: guild / category / channel.
func (c *discordChannel) title() string {
	var parts []string
	for _, part := range []string{c.guild, c.category, c.name} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " / ")
}

// discordSpoken are the types of messages that accounts write.
var discordSpoken = map[string]bool{
	"": true, "Default": true, "Reply": true, "ChatInputCommand": true, "ContextMenuCommand": true,
	"0": true, "19": true, "20": true, "23": true,
}

func discordMessage(d *jsondoc.Document, options reader.Options, channel *discordChannel, raw string) (*argus.Message, error) {
	kind, content, reference, forwarded := "", "", "", ""
	var embedded []string
	m, err := d.Begin(cmp.Or(options.Service, "discord"), raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "id":
			m.ServiceID, err = jsondoc.ScalarMember(raw)
			m.Sequence, _ = strconv.ParseUint(m.ServiceID, 10, 64)
		case "type":
			kind, err = jsondoc.ScalarMember(raw)
		case "timestamp":
			m.Sent, err = jsondoc.ISOMember(raw, options)
			jsondoc.AtZero(m, key, raw, m.Sent)
		case "timestampEdited":
			at, _ := jsondoc.ISOMember(raw, options)
			jsondoc.EditedAt(m, key, raw, at)
		case "content":
			content, err = jsondoc.TextOf(m, key, raw)
		case "author":
			err = discordAuthor(m, raw)
		case "attachments":
			jsondoc.KeepMember(m, key, raw)
			err = jsondoc.Elements(raw, func(raw string) error { return addDiscordFile(m, raw) })
		case "reference":
			jsondoc.AddExtra(m, key, raw)
			err = jsondoc.Members(raw, func(key, raw string) (err error) {
				switch key {
				case "messageId":
					m.ReplyTo, err = jsondoc.ScalarMember(raw)
				case "channelId":
					reference, err = jsondoc.ScalarMember(raw)
				}
				return err
			})
		case "embeds": // content from programs, and the service's preview of a link
			jsondoc.KeepMember(m, key, raw)
			for one := range jsondoc.Listed(raw) {
				embedded = append(embedded, jsondoc.InsideText(one, "author", "name"), jsondoc.InsideText(one, "title"), jsondoc.InsideText(one, "url"), jsondoc.InsideText(one, "description"))
				for field := range jsondoc.Listed(jsondoc.Inside(one, "fields")) {
					embedded = append(embedded, jsondoc.InsideText(field, "name"), jsondoc.InsideText(field, "value"))
				}
			}
		case "forwardedMessage":
			jsondoc.AddExtra(m, key, raw)
			err = jsondoc.Members(raw, func(key, raw string) (err error) {
				switch key {
				case "content":
					forwarded, err = jsondoc.TextOf(m, key, raw)
				case "attachments":
					err = jsondoc.Elements(raw, func(raw string) error { return addDiscordFile(m, raw) })
				}
				return err
			})
			m.ForwardedFrom = "?"
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m.Text = cmp.Or(content, forwarded)
	if !discordSpoken[kind] {
		discordHappened(m, kind, content, raw, options)
	} else {
		build.AlsoSaid(m, embedded...)
	}
	if m.ForwardedFrom != "" {
		m.ForwardedFrom, m.ReplyTo = cmp.Or(reference, "?"), ""
	}
	m.Conversation, m.Title = channel.id, channel.title()
	if !m.Sent.Known() {
		if m.Sent = snowflakeTime(m.Sequence); !m.Sent.Known() {
			return nil, fmt.Errorf("want a timestamp, or an id that carries one, found neither")
		}
		build.Keep(m, "sent", "the time in the id")
	}
	return m, build.Valid(m)
}

// discordHappened makes an event of the service, identified by the name of its type or, in
// old files, by its number. Members who were added or removed are mentioned in it.
func discordHappened(m *argus.Message, kind, content, raw string, options reader.Options) {
	var mentioned []string
	for user := range jsondoc.Listed(jsondoc.Inside(raw, "mentions")) {
		if id := jsondoc.InsideText(user, "id"); id != "" {
			mentioned = append(mentioned, id)
		}
	}
	switch kind {
	case "RecipientAdd", "1":
		build.Joined(m, "add", mentioned, kind, content)
	case "RecipientRemove", "2":
		if len(mentioned) == 1 && mentioned[0] == m.From {
			build.Joined(m, "leave", nil, kind, content)
			return
		}
		build.Joined(m, "remove", mentioned, kind, content)
	case "GuildMemberJoin", "7":
		build.Joined(m, "join", nil, kind, content)
	case "ChannelNameChange", "4":
		_, name, _ := strings.Cut(content, ": ")
		build.Renamed(m, strings.TrimSuffix(name, "."), kind, content)
	case "Call", "3":
		var c argus.Call
		if ended, ok := dates.ISO(jsondoc.InsideText(raw, "callEndedTimestamp"), options); ok && ended.Micros > m.Sent.Micros && m.Sent.Known() {
			c.Seconds = uint64(ended.Micros-m.Sent.Micros) / 1e6
		}
		build.Called(m, c, kind, content)
	default:
		build.Notice(m, kind, content)
	}
}

// snowflakeTime returns the time in an id: its upper 42 bits count milliseconds since 2015.
// Shorter numbers are not ids of this kind.
func snowflakeTime(id uint64) argus.Time {
	const since2015 = 1420070400000
	if id < 1<<40 {
		return argus.Time{}
	}
	t := argus.Time{Micros: int64(id>>22+since2015) * 1000, Precision: argus.Milli}
	if !t.Plausible() {
		return argus.Time{}
	}
	return t
}

func discordAuthor(m *argus.Message, raw string) error {
	return jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "id":
			m.From, err = jsondoc.ScalarMember(raw)
		case "name":
			m.FromName, err = jsondoc.TextMember(m, key, raw)
			m.FromName = argus.CleanName(m.FromName)
		default:
			jsondoc.KeepMember(m, "author."+key, raw)
		}
		return err
	})
}

func addDiscordFile(m *argus.Message, raw string) error {
	var a argus.Attachment
	url := ""
	err := jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "url":
			url, err = jsondoc.TextMember(m, key, raw)
		case "fileName":
			a.Name, err = jsondoc.TextMember(m, key, raw)
		case "fileSizeBytes":
			a.Size, err = jsondoc.SizeMember(raw)
		}
		return err
	})
	if url = strings.ReplaceAll(url, `\`, "/"); url != "" && !strings.Contains(url, "://") {
		a.Name = path.Clean(url)
	}
	m.Attachments = append(m.Attachments, a)
	return err
}

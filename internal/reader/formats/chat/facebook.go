package chat

import (
	"cmp"
	"context"
	"iter"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// Facebook reads the JSON in which Facebook and Instagram hand accounts their messages
// ("Download your information"): one folder per conversation, with message_1.json,
// message_2.json …, newest first. It also reads Messenger's export of end-to-end encrypted
// chats (senderName, text, timestamp, media).
//
//   - Text: these files write each byte of UTF-8 as an escape of its own (é as
//     \u00c3\u00a9). Runs of such escapes that form UTF-8 together are mended; other
//     runs are left unchanged.
//   - Service: instagram if the file's path says so, otherwise facebook, or
//     Options.Service. The files themselves do not state it.
//   - From: the name of the sender, the only identifier there is. Closed accounts
//     all have one name (facebookClosed): their thread distinguishes them,
//     and names the conversation too.
//   - Conversation: for two participants who are not a group, their two names, so that both
//     sides' exports meet; otherwise the last part of thread_path, which all parts share,
//     otherwise the title, otherwise the file's folder.
//   - Messages have no id; their times have milliseconds.
//   - photos, videos, audio_files, gifs, files, media and sticker are
//     attachments; their uri is shortened to the path from the file's folder and
//     kept whole in Extra.
//   - A Call is a call, from the caller; a Subscribe or Unsubscribe is a membership.
//     Any type other than Generic, Share, text, media and link is the service's.
//   - A shared place is a location in addition to the text.
var Facebook = &reader.Format{
	Name:    "facebook",
	Version: 4,
	About:   "Facebook and Instagram messages as JSON (message_1.json …)",
	Checked: "chat-miner's Instagram sample, 2 of 2 messages as in its target; otherwise invented examples",
	Kept: []string{
		"audio_files", "bumped_message_metadata", "call_duration", "files", "gifs", "image.*", "ip", "isUnsent", "is_geoblocked_for_viewer",
		"is_still_participant", "is_taken_down", "is_unsent", "is_unsent_image_by_messenger_kid_parent", "joinable_mode.*", "magic_words", "media", "missed",
		"photos", "reactions", "share", "sticker", "threadName", "thread_path", "thread_type", "timestamp", "timestamp_ms", "title", "type", "users",
		"videos",
	},
	Detect: detectFacebook,
	Read:   readFacebook,
}

// detectFacebook looks for a message in a list of messages.
func detectFacebook(s reader.Sample) int {
	return jsondoc.SureOfRecord(s, `"messages"`, 95, func(b []byte) bool {
		return jsondoc.HasKeys(b, "sender_name", "timestamp_ms") || jsondoc.HasKeys(b, "senderName", "timestamp")
	})
}

func beginsFacebook(b []byte) bool {
	return jsondoc.HasKeys(b, "sender_name") || jsondoc.HasKeys(b, "senderName")
}

// facebookThread is the information before and after the messages.
type facebookThread struct {
	participants []string
	title, path  string
	group        bool
	// closed is the name of a closed account that takes part, and closedAs the account used
	// for it here.
	closed, closedAs string
	facts            []argus.Field
	conversation     string
}

// readFacebook reads a file twice, first for the thread around the messages.
func readFacebook(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		var thread facebookThread
		s := jsondoc.Shape{Lists: func(key string) bool { return key == "messages" }, Begins: beginsFacebook, Take: thread.take}
		for _, err := range jsondoc.New(in, s).Items(ctx, nil) {
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
		}
		thread.name(in.Name)
		s.Take = func(string, string) bool { return true }
		d := jsondoc.New(in, s)
		service := cmp.Or(in.Service, facebookService(in.Name))
		d.Items(ctx, func(raw string) (*argus.Message, error) {
			return facebookMessage(d, service, path.Base(path.Dir(in.Name)), mendLatin1(raw), &thread)
		})(yield)
	}
}

func facebookService(name string) string {
	if strings.Contains(strings.ToLower(name), "instagram") {
		return "instagram"
	}
	return "facebook"
}

// take takes one fact.
func (t *facebookThread) take(name, text string) bool {
	text = mendText(text)
	switch name {
	case "participants.name", "participants":
		if name := argus.CleanName(text); name != "" && !slices.Contains(t.participants, name) && len(t.participants) < build.ParticipantLimit {
			t.participants = append(t.participants, name)
		}
	case "title", "threadName":
		t.title = argus.CleanName(text)
	case "thread_path":
		t.path = text
		fallthrough
	default:
		// Only groups state how people may join them.
		t.group = t.group || name == "thread_type" && text == "RegularGroup" || strings.HasPrefix(name, "joinable_mode")
		if len(t.facts) < jsondoc.FactLimit {
			t.facts = append(t.facts, argus.Field{Name: name, Value: strings.ToValidUTF8(text[:min(len(text), jsondoc.FactSize)], "")})
		}
	}
	return true
}

// name determines the conversation.
func (t *facebookThread) name(file string) {
	folder := path.Base(path.Dir(file))
	if folder == "." || folder == "/" {
		folder = ""
	}
	id := strings.Trim(path.Base("/"+t.path), "/")
	t.conversation = cmp.Or(id, t.title, folder)
	all := slices.Sorted(slices.Values(t.participants))
	if at := slices.IndexFunc(t.participants, isFacebookClosed); at >= 0 {
		t.closed = t.participants[at]
		t.closedAs = argus.Within(t.closed, append(all, id)...)
		t.participants[at] = t.closedAs
		if id != "" && !t.group {
			t.conversation = argus.Within(id, all...)
			return
		}
	}
	if len(t.participants) == 2 && !t.group {
		t.conversation = argus.DirectConversation(t.participants[0], t.participants[1])
	}
}

// facebookClosed are the names shown for closed accounts, in the known languages.
var facebookClosed = []string{
	"facebook user", "instagram user", "facebook-nutzer", "facebook-gebruiker", "utilisateur facebook", "utilisateur de facebook", "usuario de facebook",
	"utente di facebook", "utente facebook", "usuário do facebook", "utilizador do facebook", "facebook kullanıcısı", "użytkownik facebooka",
	"пользователь facebook", "facebook-användare", "facebook-bruger", "facebook-bruker", "facebook-käyttäjä",
}

func isFacebookClosed(name string) bool {
	return slices.Contains(facebookClosed, strings.ToLower(name))
}

func facebookMessage(d *jsondoc.Document, service, folder, raw string, thread *facebookThread) (*argus.Message, error) {
	kind, content := "", ""
	var c argus.Call
	var place argus.Location
	var users, shared []string
	m, err := d.Begin(service, raw, func(m *argus.Message, key, raw string) (err error) {
		switch key {
		case "sender_name", "senderName":
			m.From, err = jsondoc.TextMember(m, key, raw)
			m.From = argus.CleanName(m.From)
		case "timestamp_ms", "timestamp":
			m.Sent, err = jsondoc.MillisMember(raw)
			jsondoc.AtZero(m, key, raw, m.Sent)
		case "content", "text":
			content, err = jsondoc.TextOf(m, key, raw)
		case "type":
			kind, err = jsondoc.String(raw)
		case "is_unsent", "isUnsent":
			if raw == "true" {
				m.State |= argus.StateDeleted
			} else if raw != "false" {
				build.NotUnderstood(m, key, jsondoc.Compact(raw))
			}
		case "photos", "videos", "audio_files", "gifs", "files", "media":
			jsondoc.KeepMember(m, key, raw)
			err = jsondoc.Elements(raw, func(raw string) error { return addFacebookFile(m, strings.TrimSuffix(key, "s"), folder, raw) })
		case "share":
			jsondoc.KeepMember(m, key, raw)
			place = argus.Location{
				Latitude: jsondoc.InsideText(raw, "coordinate", "latitude"), Longitude: jsondoc.InsideText(raw, "coordinate", "longitude"),
			}
			if place != (argus.Location{}) {
				place.Name = jsondoc.InsideText(raw, "name")
			}
			shared = []string{jsondoc.InsideText(raw, "share_text"), jsondoc.InsideText(raw, "link")}
		case "call_duration":
			c.Seconds, _ = strconv.ParseUint(raw, 10, 31)
			jsondoc.KeepMember(m, key, raw)
		case "missed":
			if raw == "true" {
				c.Answered = "no"
			}
			jsondoc.KeepMember(m, key, raw)
		case "users":
			for user := range jsondoc.Listed(raw) {
				if name := argus.CleanName(jsondoc.InsideText(user, "name")); name != "" {
					users = append(users, name)
				}
			}
			jsondoc.KeepMember(m, key, raw)
		case "sticker":
			jsondoc.AddExtra(m, key, raw)
			err = addFacebookFile(m, key, folder, raw)
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	m.Text = content
	switch kind {
	case "", "Generic", "Share", "text", "media", "link", "placeholder":
		if kind != "Generic" && kind != "text" {
			build.Keep(m, "type", kind)
		}
	case "Call":
		c.Answered = cmp.Or(c.Answered, build.AnsweredIn(c.Seconds))
		build.Called(m, c, kind, content)
	case "Subscribe":
		build.Joined(m, "add", users, kind, content)
	case "Unsubscribe":
		facebookLeft(m, users, kind, content)
	default:
		build.Notice(m, kind, content)
	}
	build.SentPlace(m, place)
	build.AlsoSaid(m, shared...)
	if m.From == thread.closed && m.From != "" {
		m.From, m.FromName = thread.closedAs, thread.closed
	}
	m.AccountReach, m.ConversationReach = argus.ReachExport, argus.ReachExport
	m.Conversation, m.Title, m.To = thread.conversation, thread.title, build.Others(thread.participants, m.From)
	m.Extra = append(m.Extra, thread.facts...)
	return m, build.Valid(m)
}

// facebookLeft marks in a message who left, or whom its sender removed.
func facebookLeft(m *argus.Message, users []string, kind, content string) {
	if len(users) == 0 || len(users) == 1 && users[0] == m.From {
		build.Joined(m, "leave", nil, kind, content)
		return
	}
	build.Joined(m, "remove", users, kind, content)
}

// addFacebookFile adds an attachment {uri}, named by its path from the folder
// of the file that names it.
func addFacebookFile(m *argus.Message, kind, folder, raw string) error {
	return jsondoc.Members(raw, func(key, raw string) error {
		if key != "uri" {
			return nil
		}
		uri, err := jsondoc.String(raw)
		if _, inside, ok := strings.Cut(uri, "/"+folder+"/"); ok {
			uri = inside
		}
		m.Attachments = append(m.Attachments, argus.Attachment{Name: strings.TrimPrefix(uri, "./"), Type: kind})
		return err
	})
}

// mendLatin1 replaces runs of the escapes \u0080 to \u00ff that are the bytes of UTF-8 with
// the characters that they form.
func mendLatin1(raw string) string {
	var out, run []byte
	done := 0
	for i := strings.IndexByte(raw, '\\'); i >= 0 && i < len(raw); {
		run = run[:0]
		end := i
		for end+6 <= len(raw) && raw[end:end+4] == `\u00` && raw[end+4] >= '8' && textdoc.IsHex(raw[end+4]) && textdoc.IsHex(raw[end+5]) {
			run, end = append(run, hexDigit(raw[end+4])<<4|hexDigit(raw[end+5])), end+6
		}
		switch {
		case len(run) == 0:
			end = i + 2 // another escape
		case utf8.Valid(run):
			if out == nil {
				out = make([]byte, 0, len(raw))
			}
			out = append(append(out, raw[done:i]...), run...)
			done = end
		}
		if end >= len(raw) {
			break
		}
		next := strings.IndexByte(raw[end:], '\\')
		if next < 0 {
			break
		}
		i = end + next
	}
	if done == 0 {
		return raw
	}
	return string(append(out, raw[done:]...))
}

// hexDigit returns the value of a hexadecimal digit.
func hexDigit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// mendText does the same for a text whose escapes have already been replaced.
func mendText(text string) string {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			return text
		}
		b = append(b, byte(r))
	}
	if utf8.Valid(b) {
		return string(b)
	}
	return text
}

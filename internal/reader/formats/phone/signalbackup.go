package phone

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/jsondoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// SignalBackup reads the export that Signal's apps write without encryption (main.jsonl):
// one frame per line, each the JSON form of a frame of Signal's backups (libsignal,
// backup.proto). Recipients and chats precede their contents, and have numbers valid in this
// file.
//
//   - From and To: the number of a recipient, otherwise its UUID (aci), otherwise its user
//     name. The account itself is not named: Options.Owner, otherwise the file's owner.
//   - ServiceID: the sent time in milliseconds, by which Signal identifies a message of a
//     sender, as in signal-cli's reader.
//   - Conversation: the two accounts; for a group, a key made from the secret that only its members
//     share (masterKey), which is the same in each member's export.
//   - A recipient with an entry in the address book (a name of its own, a nickname, a
//     note, a user name) is a contact, and so is the account itself; a group is a room.
//     Messages name the others; those who wrote none are listed in notices at the end.
//   - Calls, group changes and updates are of their types; anything without a form
//     here is a notice.
//   - revisions are the previous texts of an edited message: Extra.
var SignalBackup = &reader.Format{
	Name:     "signal-export",
	Version:  2,
	About:    "Signal's own export without encryption (main.jsonl)",
	Checked:  "invented examples after Signal's backup.proto; no export of a real account",
	OfDevice: true,
	Ignored: map[string]string{
		"mediaRootBackupKey": "a key of the backup", "account.profileKey": "a key", "recipient.contact.profileKey": "a key", "recipient.contact.identityKey": "a key",
		"recipient.id": "numbers the recipients of one file", "recipient.group.masterKey": "a key; the conversation is its hash",
		"chat.id": "numbers the chats of one file", "chat.recipientId": "numbers the recipients of one file",
	},
	Kept: []string{
		"accountSettings", "aci", "androidSpecificSettings", "archived", "attachment", "attachments", "avatarColor", "avatarUrlPath", "backupTimeMs",
		"backupsSubscriberData", "bioEmoji", "bioText", "blocked", "bodyRanges", "contact", "currentAppVersion", "debugInfo", "directionless",
		"donationSubscriberData", "dontNotifyForMentionsIfMuted", "e164", "expirationTimerMs", "expireStartDate", "expireTimerVersion", "expiresInMs",
		"familyName", "firstAppVersion", "giftBadge", "givenName", "hideStory", "identityState", "incoming", "keyTransparencyData", "linkPreview",
		"longText", "markedUnread", "muteUntilMs", "nickname", "notRegistered", "note", "outgoing", "paymentNotification", "pinDetails", "pinnedOrder",
		"pni", "poll", "profileFamilyName", "profileGivenName", "profileSharing", "quote", "reactions", "registered", "revisions", "sealedSender", "sms",
		"snapshot", "sticker", "storySendMode", "style", "svrPin", "systemFamilyName", "systemGivenName", "systemNickname", "textReply",
		"unregisteredTimestamp", "username", "usernameEntropy", "usernameLink", "version", "viewOnceMessage", "visibility", "whitelisted",
	},
	Detect: detectSignalBackup,
	Read:   readSignalBackup,
}

// signalFrames are the possible members of a frame.
var signalFrames = []string{"account", "recipient", "chat", "chatItem", "stickerPack", "adHocCall", "notificationProfile", "chatFolder"}

// detectSignalBackup looks for the header of a backup, or a frame that names a chat.
func detectSignalBackup(s reader.Sample) int {
	if i := jsondoc.Space(s.Text, 0); i < len(s.Text) && s.Text[i] == '{' && jsondoc.HasKeys(s.Text[i:], "version", "backupTimeMs") {
		return 95
	}
	return jsondoc.SureOfRecord(s, `"chatItem"`, 90, func(b []byte) bool { return jsondoc.HasKeys(b, "chatId", "dateSent") })
}

// beginsSignalFrame recognises a frame by its only member.
func beginsSignalFrame(b []byte) bool {
	first := true
	return jsondoc.HasMember(b, func(key, value []byte) bool {
		was := first
		first = false
		return was && slices.Contains(signalFrames, string(key[1:len(key)-1])) && (len(value) == 0 || value[0] == '{')
	})
}

// signalBackupLimit is the maximum number of known recipients and chats.
const signalBackupLimit = 1 << 20

// signalQuiet are the members of contacts about whom the owner noted nothing: such contacts
// get no entry of their own.
var signalQuiet = []string{
	"aci", "pni", "e164", "profileGivenName", "profileFamilyName", "profileSharing", "hideStory", "identityState", "registered", "notRegistered", "visibility", "avatarColor",
}

// signalBackup holds the recipients and chats read so far.
type signalBackup struct {
	options    reader.Options
	owner      string
	ownName    string
	recipients map[string]signalRecipient
	chats      map[string]string // the recipient of each
	aci        map[string]string // the accounts of UUIDs, as base64
	// quiet are the recipients, by number, who are not contacts and have written nothing so
	// far.
	quiet map[string]bool
	begun bool // the facts of the export are in a record
}

// signalRecipient is an account or a group. self means that it is the owner.
type signalRecipient struct {
	account, name string
	uuid          string // in addition to a number
	group         string // the conversation
	members       []string
	self          bool
}

// readSignalBackup reads one frame after the other.
func readSignalBackup(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	b := signalBackup{options: in.Options, owner: cmp.Or(in.Owner, argus.OwnerOf+in.Name),
		recipients: map[string]signalRecipient{}, chats: map[string]string{}, aci: map[string]string{}, quiet: map[string]bool{}}
	d := jsondoc.New(in, jsondoc.Shape{Lists: func(string) bool { return false }, Begins: beginsSignalFrame, Many: true})
	return func(yield func(reader.Item, error) bool) {
		last := argus.Where{}
		for item, err := range d.Items(ctx, func(raw string) (*argus.Message, error) { return b.frame(d, raw) }) {
			if last = item.Where; !yield(item, err) || err != nil {
				return
			}
		}
		for quiet := range slices.Chunk(slices.Sorted(maps.Keys(b.quiet)), build.ParticipantLimit) {
			last = argus.Where{Record: last.Record + 1, Offset: last.Offset + last.Length}
			if !yield(reader.Item{Message: b.silent(quiet), Where: last}, nil) {
				return
			}
		}
	}
}

// silent lists recipients who wrote nothing.
func (b *signalBackup) silent(ids []string) *argus.Message {
	m := b.message()
	m.Conversation, m.ConversationReach = "export", argus.ReachExport
	var lines []string
	for _, id := range ids {
		r := b.recipients[id]
		m.To = append(m.To, r.account)
		lines = append(lines, strings.TrimSpace(r.account+" "+r.name+" "+r.uuid))
	}
	build.Notice(m, "recipients who wrote nothing", strings.Join(lines, "\n"))
	return m
}

// frame reads one frame. m is nil if it has nothing to show.
func (b *signalBackup) frame(d *jsondoc.Document, raw string) (m *argus.Message, err error) {
	err = jsondoc.Members(raw, func(key, raw string) (err error) {
		if raw[0] != '{' {
			return fmt.Errorf("want an object, found %s", jsondoc.Kind(raw))
		}
		switch key {
		case "account":
			b.ownName = argus.CleanName(jsondoc.InsideText(raw, "givenName") + " " + jsondoc.InsideText(raw, "familyName"))
			m = b.message()
			jsondoc.KeepMembers(m, raw, "profileKey")
			if m.Extra == nil {
				m = nil
				break
			}
			build.Contact(m, key, []string{b.owner}, b.ownName, jsondoc.InsideText(raw, "username"))
		case "recipient":
			m, err = b.recipient(raw)
		case "chat":
			m = b.chat(raw)
		case "chatItem":
			m, err = b.item(raw)
		default:
			m = b.message()
			m.Conversation, m.ConversationReach = "export", argus.ReachExport
			build.Notice(m, key, jsondoc.Compact(raw))
		}
		return err
	})
	if m == nil || err != nil {
		return nil, err
	}
	for _, fact := range d.Facts { // facts facts of the export: the first record has them
		if !b.begun && fact.Name != "mediaRootBackupKey" {
			m.Extra = append(m.Extra, fact)
		}
	}
	b.begun = true
	return m, build.Valid(m)
}

// chat learns whom a chat is with, and returns the owner's settings for it, or nil if there
// are none.
func (b *signalBackup) chat(raw string) *argus.Message {
	with := strings.Clone(jsondoc.InsideText(raw, "recipientId"))
	if id := jsondoc.InsideText(raw, "id"); len(b.chats) < signalBackupLimit {
		b.chats[strings.Clone(id)] = with
	}
	m := b.message()
	jsondoc.KeepMembers(m, raw, "id", "recipientId")
	if m.Extra == nil {
		return nil
	}
	r := b.recipients[with]
	m.Title = r.name
	if m.Conversation = r.group; r.group == "" {
		m.Conversation = argus.DirectConversation(b.owner, r.account)
	}
	build.Notice(m, "chat", "")
	return m
}

func (b *signalBackup) message() *argus.Message {
	return &argus.Message{Service: cmp.Or(b.options.Service, "signal")}
}

// recipient reads a recipient.
func (b *signalBackup) recipient(raw string) (*argus.Message, error) {
	id := strings.Clone(jsondoc.InsideText(raw, "id"))
	if id == "" {
		return nil, errors.New("want an id, found none")
	}
	m, r := b.message(), signalRecipient{}
	jsondoc.KeepOthers(m, raw, "id", "contact", "group", "self")
	switch c, group := jsondoc.Inside(raw, "contact"), jsondoc.Inside(raw, "group"); {
	case c != "":
		name := func(given, family string) string {
			return argus.CleanName(jsondoc.InsideText(c, given) + " " + jsondoc.InsideText(c, family))
		}
		names := []string{name("profileGivenName", "profileFamilyName"), name("systemGivenName", "systemFamilyName"),
			argus.CleanName(jsondoc.InsideText(c, "nickname", "given") + " " + jsondoc.InsideText(c, "nickname", "family"))}
		var accounts []string
		if number := jsondoc.InsideText(c, "e164"); number != "" && number != "0" {
			accounts = append(accounts, "+"+strings.TrimPrefix(number, "+"))
		}
		for _, account := range []string{uuidText(jsondoc.InsideText(c, "aci")), jsondoc.InsideText(c, "username"), uuidText(jsondoc.InsideText(c, "pni"))} {
			if account != "" {
				accounts = append(accounts, account)
			}
		}
		if len(accounts) == 0 {
			return nil, errors.New("want a number, a UUID or a user name, found none")
		}
		r.account, r.name = strings.Clone(accounts[0]), strings.Clone(cmp.Or(names...))
		if aci := jsondoc.InsideText(c, "aci"); aci != "" && len(b.aci) < signalBackupLimit {
			b.aci[strings.Clone(aci)] = r.account
		}
		if uuid := uuidText(jsondoc.InsideText(c, "aci")); uuid != r.account {
			r.uuid = uuid
		}
		jsondoc.KeepMembers(m, c, slices.Concat(signalQuiet, []string{"profileKey", "identityKey"})...)
		if m.Extra == nil {
			m = nil
			if len(b.quiet) < signalBackupLimit {
				b.quiet[id] = true
			}
			break
		}
		build.Contact(m, "recipient", accounts, names...)
		build.AlsoSaid(m, jsondoc.InsideText(c, "note"))
		for _, name := range signalQuiet {
			if raw := jsondoc.Inside(c, name); raw != "" {
				jsondoc.KeepMember(m, name, raw)
			}
		}
	case group != "":
		key := jsondoc.InsideText(group, "masterKey")
		if key == "" {
			return nil, errors.New("want the key of a group, found none")
		}
		r.group = argus.Within("group", key)
		r.name = strings.Clone(argus.CleanName(jsondoc.InsideText(group, "snapshot", "title", "title")))
		for one := range jsondoc.Listed(jsondoc.Inside(group, "snapshot", "members")) {
			r.members = append(r.members, b.account(jsondoc.InsideText(one, "userId")))
		}
		m.Conversation, m.Title = r.group, r.name
		jsondoc.KeepMembers(m, group, "masterKey")
		build.Room(m, "group", r.members, jsondoc.InsideText(group, "snapshot", "description", "descriptionText"), jsondoc.InsideText(group, "snapshot", "descriptionText", "descriptionText"))
		m.To = r.members
	case jsondoc.Inside(raw, "self") != "":
		r.account, r.name, r.self = b.owner, b.ownName, true
		m.Conversation, m.ConversationReach = "export", argus.ReachExport
		if jsondoc.KeepMembers(m, jsondoc.Inside(raw, "self")); m.Extra == nil {
			m = nil
			break
		}
		build.Notice(m, "self", "")
	default: // Signal's own notes, a list of receivers, a link to a call
		m.Extra = nil // all of it is in the text
		r.account = strings.Clone(compactName(raw, id))
		m.Conversation, m.ConversationReach = "export", argus.ReachExport
		build.Notice(m, "recipient", jsondoc.Compact(raw))
	}
	if len(b.recipients) < signalBackupLimit {
		b.recipients[id] = r
	}
	return m, nil
}

// compactName names a recipient that has no account: by its kind, with a key made from its
// entry in the export.
func compactName(raw, id string) string {
	list := jsondoc.Scanner[string]{Text: raw}
	for list.Next() {
		if kind, _ := jsondoc.Unquote(list.Key); kind != "id" {
			return argus.Within(kind, jsondoc.Compact(list.Value))
		}
	}
	return argus.Within("recipient", id)
}

// account returns the account of a UUID in base64.
func (b *signalBackup) account(aci string) string {
	return cmp.Or(b.aci[aci], strings.Clone(uuidText(aci)))
}

// uuidText writes 16 bytes given in base64 as a UUID, and returns "" for anything else.
func uuidText(base string) string {
	b, err := base64.StdEncoding.DecodeString(base)
	if err != nil || len(b) == 17 {
		b = b[min(1, len(b)):] // the kind precedes the UUID in a service id
	}
	if len(b) != 16 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// item reads a message or an event of a chat.
func (b *signalBackup) item(raw string) (*argus.Message, error) {
	m := b.message()
	with, ok := b.recipients[b.chats[jsondoc.InsideText(raw, "chatId")]]
	if !ok {
		return nil, errors.New("want an earlier chat and its recipient, found none with that number")
	}
	author, ok := b.recipients[jsondoc.InsideText(raw, "authorId")]
	if !ok {
		return nil, errors.New("want an earlier recipient as its writer, found none with that number")
	}
	stamp := jsondoc.InsideText(raw, "dateSent")
	if m.Sent, ok = dates.Millis(stamp); !ok {
		return nil, errors.New("dateSent: want milliseconds since 1970, found other text or none")
	}
	if m.Sent = dates.UnlessZero(m.Sent); m.Sent.Known() {
		m.ServiceID = stamp
		m.Sequence, _ = strconv.ParseUint(stamp, 10, 64)
	}
	if received := jsondoc.Inside(raw, "incoming", "dateReceived"); received != "" {
		at, err := jsondoc.MillisMember(received)
		m.Received = jsondoc.Further(m, "incoming.dateReceived", received, at, err)
	}
	delete(b.quiet, jsondoc.InsideText(raw, "authorId"))
	m.From, m.FromName = author.account, author.name
	build.Keep(m, "aci", author.uuid)
	if author.self {
		m.FromName = b.ownName
	}
	if with.group != "" {
		m.Conversation, m.Title, m.To = with.group, with.name, build.Others(with.members, m.From)
	} else {
		m.Conversation, m.Title = argus.DirectConversation(b.owner, with.account), with.name
		if m.To = []string{b.owner}; author.self {
			m.To = []string{with.account}
		}
	}
	err := jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "chatId", "authorId", "dateSent":
		case "standardMessage", "viewOnceMessage", "stickerMessage", "directStoryReplyMessage", "contactMessage":
			err = b.said(m, raw)
		case "poll":
			var options []string
			for one := range jsondoc.Listed(jsondoc.Inside(raw, "options")) {
				options = append(options, jsondoc.InsideText(one, "option"))
			}
			build.Polled(m, jsondoc.InsideText(raw, "question"), options)
			jsondoc.KeepMember(m, key, raw)
		case "remoteDeletedMessage", "adminDeletedMessage":
			m.State |= argus.StateDeleted
		case "updateMessage":
			b.update(m, raw, author, with)
		case "revisions":
			if raw != "[]" {
				build.Edited(m, argus.Time{})
			}
			jsondoc.KeepMember(m, key, raw)
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
	return m, err
}

// said reads a sent message.
func (b *signalBackup) said(m *argus.Message, raw string) error {
	return jsondoc.Members(raw, func(key, raw string) (err error) {
		switch key {
		case "text":
			m.Text = textdoc.LineFeeds(jsondoc.InsideText(raw, "body"))
			jsondoc.KeepMembers(m, raw, "body")
		case "textReply":
			m.Text = textdoc.LineFeeds(jsondoc.InsideText(raw, "text", "body"))
		case "emoji":
			m.Text, err = jsondoc.TextOf(m, key, raw)
		case "quote":
			if target := jsondoc.InsideText(raw, "targetSentTimestamp"); target != "0" {
				m.ReplyTo = target
			}
			jsondoc.AddExtra(m, key, raw)
		case "attachments":
			for one := range jsondoc.Listed(raw) {
				signalBackupFile(m, one)
			}
			jsondoc.KeepMember(m, key, raw)
		case "attachment", "sticker":
			signalBackupFile(m, raw)
			jsondoc.KeepMember(m, key, raw)
		case "contact":
			if raw[0] == '[' {
				raw = inside1(raw)
			}
			signalBackupCard(m, raw)
			jsondoc.KeepMember(m, key, raw)
		default:
			jsondoc.KeepMember(m, key, raw)
		}
		return err
	})
}

// inside1 returns the first entry of a list, or "" if there is none.
func inside1(raw string) string {
	for one := range jsondoc.Listed(raw) {
		return one
	}
	return "null"
}

// signalBackupFile adds a file, or a sticker, whose file is data.
func signalBackupFile(m *argus.Message, raw string) {
	file := jsondoc.Inside(raw, "pointer")
	if file == "" {
		file = jsondoc.Inside(raw, "data")
	}
	a := argus.Attachment{Name: jsondoc.InsideText(file, "fileName"), Type: jsondoc.InsideText(file, "contentType")}
	a.Name = cmp.Or(a.Name, jsondoc.InsideText(raw, "clientUuid"), jsondoc.InsideText(raw, "emoji"), "file")
	a.Size, _ = strconv.ParseInt(jsondoc.InsideText(file, "locatorInfo", "size"), 10, 64)
	m.Attachments = append(m.Attachments, a)
	build.AlsoSaid(m, jsondoc.InsideText(file, "caption"))
}

// signalBackupCard adds a sent card.
func signalBackupCard(m *argus.Message, raw string) {
	name := jsondoc.Inside(raw, "name")
	whole := argus.CleanName(jsondoc.InsideText(name, "givenName") + " " + jsondoc.InsideText(name, "familyName"))
	var accounts, written []string
	for _, list := range []string{"number", "email"} {
		for one := range jsondoc.Listed(jsondoc.Inside(raw, list)) {
			if value := jsondoc.InsideText(one, "value"); value != "" {
				accounts, written = append(accounts, build.AccountOf(argus.CleanName(value))), append(written, value)
			}
		}
	}
	build.SentCard(m, build.Card(accounts, whole, jsondoc.InsideText(name, "nickname"), jsondoc.InsideText(raw, "organization")), written...)
}

// update makes an event of the service: a call, a membership, a notice.
func (b *signalBackup) update(m *argus.Message, raw string, author, with signalRecipient) {
	told := jsondoc.Compact(raw)
	switch call, groupCall := jsondoc.Inside(raw, "individualCall"), jsondoc.Inside(raw, "groupCall"); {
	case call != "":
		c := argus.Call{Video: jsondoc.InsideText(call, "type") == "VIDEO_CALL", Direction: "in", Answered: "no"}
		if jsondoc.InsideText(call, "direction") == "OUTGOING" {
			c.Direction = "out"
			m.From, m.FromName, m.To = b.owner, b.ownName, build.OneOf(with.account)
		} else if !author.self {
			m.To = []string{b.owner}
		}
		if jsondoc.InsideText(call, "state") == "ACCEPTED" {
			c.Answered = "yes"
		}
		build.Called(m, c, "individualCall", told)
	case groupCall != "":
		c := argus.Call{}
		began, _ := strconv.ParseUint(jsondoc.InsideText(groupCall, "startedCallTimestamp"), 10, 50)
		if ended, _ := strconv.ParseUint(jsondoc.InsideText(groupCall, "endedCallTimestamp"), 10, 50); began > 0 && ended > began {
			c.Seconds = (ended - began) / 1000
		}
		build.Called(m, c, "groupCall", told)
	default:
		b.groupChange(m, jsondoc.Inside(raw, "groupChange", "updates"), told)
	}
}

// signalGroupChanges are the membership changes of a group: the event, and the members that
// name its actor and its object.
var signalGroupChanges = map[string][3]string{
	"groupCreationUpdate":      {"create", "updaterAci", ""},
	"groupMemberAddedUpdate":   {"add", "updaterAci", "newMemberAci"},
	"groupMemberJoinedUpdate":  {"join", "newMemberAci", ""},
	"groupMemberLeftUpdate":    {"leave", "aci", ""},
	"groupMemberRemovedUpdate": {"remove", "removerAci", "removedAci"},
	"groupNameUpdate":          {"rename", "updaterAci", ""},
}

// groupChange turns a single change into a membership, and several into a notice.
func (b *signalBackup) groupChange(m *argus.Message, updates, told string) {
	changes := jsondoc.Scanner[string]{Text: inside1(updates)}
	if !strings.HasPrefix(changes.Text, "{") || !changes.Next() {
		build.Notice(m, "updateMessage", told)
		return
	}
	word, _ := jsondoc.Unquote(changes.Key)
	change, known := signalGroupChanges[word]
	if who := jsondoc.InsideText(changes.Value, change[1]); known && who != "" {
		m.From = b.account(who)
		m.FromName = ""
	}
	switch whom := build.OneOf(b.account(jsondoc.InsideText(changes.Value, change[2]))); {
	case !known:
		build.Notice(m, "updateMessage", told)
	case change[0] == "rename":
		build.Renamed(m, argus.CleanName(jsondoc.InsideText(changes.Value, "newGroupName")), word, told)
	default:
		build.Joined(m, change[0], whom, word, told)
	}
}

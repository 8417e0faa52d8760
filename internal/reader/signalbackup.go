package reader

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
)

// signalbackupFormat reads the export that Signal's apps write without encryption
// (main.jsonl): a line a frame, each the JSON form of a frame of Signal's backups
// (libsignal, backup.proto). Recipients and chats come before what is in them, and
// are known by numbers of this file.
//
//   - From and To: the number of a recipient, else its UUID (aci), else its user name.
//     The account itself is not named: Options.Owner, else the file's owner.
//   - ServiceID: the sent time in milliseconds, by which Signal names a message of a
//     sender, as signal-cli's reader has it.
//   - Conversation: the two accounts; of a group a key of what its members alone
//     share (masterKey), which is the same in each member's export.
//   - A recipient of whom the address book says something (a name of its own, a
//     nickname, a note, a user name) is a contact, and so is the account itself; a
//     group is a room. The others are named by their messages; those who wrote none
//     are listed in notices at the end.
//   - Calls, group changes and updates are of their types; what is in no other form
//     here is a notice.
//   - revisions are what an edited message said before: Extra.
var signalbackupFormat = &Format{
	Name:     "signal-export",
	Version:  1,
	About:    "Signal's own export without encryption (main.jsonl)",
	Checked:  "invented examples after Signal's backup.proto; no export of a real account",
	OfDevice: true,
	Detect:   detectSignalBackup,
	Read:     readSignalBackup,
}

// signalFrames are the members that a frame consists of.
var signalFrames = []string{"account", "recipient", "chat", "chatItem", "stickerPack", "adHocCall", "notificationProfile", "chatFolder"}

// detectSignalBackup wants the header of a backup, or a frame that names a chat.
func detectSignalBackup(s Sample) int {
	if i := jsonSpace(s.Text, 0); i < len(s.Text) && s.Text[i] == '{' && hasKeys(s.Text[i:], "version", "backupTimeMs") {
		return 95
	}
	return sureOfRecord(s, `"chatItem"`, 90, func(b []byte) bool { return hasKeys(b, "chatId", "dateSent") })
}

// beginsSignalFrame knows a frame by its first member: it has no other.
func beginsSignalFrame(b []byte) bool {
	first := true
	return hasMember(b, func(key, value []byte) bool {
		was := first
		first = false
		return was && slices.Contains(signalFrames, string(key[1:len(key)-1])) && (len(value) == 0 || value[0] == '{')
	})
}

// signalBackupLimit is how many recipients and chats are known.
const signalBackupLimit = 1 << 20

// signalBackup is what was read of who and where.
type signalBackup struct {
	options    Options
	owner      string
	ownName    string
	recipients map[string]signalRecipient
	chats      map[string]string // the recipient of each
	aci        map[string]string // the accounts of UUIDs, as base64
	// quiet are those recipients, by their numbers, who are no contacts and wrote
	// nothing so far.
	quiet map[string]bool
}

// signalRecipient is an account or a group. self says that it is the owner's.
type signalRecipient struct {
	account, name string
	uuid          string // beside a number
	group         string // the conversation
	members       []string
	self          bool
}

// readSignalBackup reads one frame after the other.
func readSignalBackup(ctx context.Context, in Input) iter.Seq2[Item, error] {
	b := signalBackup{options: in.Options, owner: cmp.Or(in.Owner, argus.OwnerOf+in.Name),
		recipients: map[string]signalRecipient{}, chats: map[string]string{}, aci: map[string]string{}, quiet: map[string]bool{}}
	d := newDocument(in, shape{lists: func(string) bool { return false }, begins: beginsSignalFrame, many: true})
	return func(yield func(Item, error) bool) {
		last := argus.Where{}
		for item, err := range d.items(ctx, b.frame) {
			if last = item.Where; !yield(item, err) || err != nil {
				return
			}
		}
		for quiet := range slices.Chunk(slices.Sorted(maps.Keys(b.quiet)), participantLimit) {
			last = argus.Where{Record: last.Record + 1, Offset: last.Offset + last.Length}
			if !yield(Item{Message: b.silent(quiet), Where: last}, nil) {
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
	notice(m, "recipients who wrote nothing", strings.Join(lines, "\n"))
	return m
}

// frame reads one frame: a message, or nothing to show.
func (b *signalBackup) frame(raw string) (m *argus.Message, err error) {
	err = members(raw, func(key, raw string) (err error) {
		if raw[0] != '{' {
			return fmt.Errorf("want an object, found %s", jsonKind(raw))
		}
		switch key {
		case "account":
			b.ownName = argus.CleanName(insideText(raw, "givenName") + " " + insideText(raw, "familyName"))
			if user := insideText(raw, "username"); b.ownName != "" || user != "" {
				m = b.message()
				contact(m, key, []string{b.owner}, b.ownName, user)
				keepMembers(m, raw, "profileKey")
			}
		case "recipient":
			m, err = b.recipient(raw)
		case "chat":
			if id := insideText(raw, "id"); len(b.chats) < signalBackupLimit {
				b.chats[strings.Clone(id)] = strings.Clone(insideText(raw, "recipientId"))
			}
		case "chatItem":
			m, err = b.item(raw)
		default:
			m = b.message()
			m.Conversation, m.ConversationReach = "export", argus.ReachExport
			notice(m, key, compactJSON(raw))
		}
		return err
	})
	if m == nil || err != nil {
		return nil, err
	}
	return m, valid(m)
}

func (b *signalBackup) message() *argus.Message {
	return &argus.Message{Service: cmp.Or(b.options.Service, "signal")}
}

// recipient reads who somebody is.
func (b *signalBackup) recipient(raw string) (*argus.Message, error) {
	id := strings.Clone(insideText(raw, "id"))
	if id == "" {
		return nil, errors.New("want an id, found none")
	}
	m, r := b.message(), signalRecipient{}
	switch c, group := inside(raw, "contact"), inside(raw, "group"); {
	case c != "":
		name := func(given, family string) string {
			return argus.CleanName(insideText(c, given) + " " + insideText(c, family))
		}
		names := []string{name("profileGivenName", "profileFamilyName"), name("systemGivenName", "systemFamilyName"),
			argus.CleanName(insideText(c, "nickname", "given") + " " + insideText(c, "nickname", "family"))}
		var accounts []string
		if number := insideText(c, "e164"); number != "" && number != "0" {
			accounts = append(accounts, "+"+strings.TrimPrefix(number, "+"))
		}
		for _, account := range []string{uuidText(insideText(c, "aci")), insideText(c, "username"), uuidText(insideText(c, "pni"))} {
			if account != "" {
				accounts = append(accounts, account)
			}
		}
		if len(accounts) == 0 {
			return nil, errors.New("want a number, a UUID or a user name, found none")
		}
		r.account, r.name = strings.Clone(accounts[0]), strings.Clone(cmp.Or(names...))
		if aci := insideText(c, "aci"); aci != "" && len(b.aci) < signalBackupLimit {
			b.aci[strings.Clone(aci)] = r.account
		}
		if uuid := uuidText(insideText(c, "aci")); uuid != r.account {
			r.uuid = uuid
		}
		if names[1]+names[2]+insideText(c, "note")+insideText(c, "username") == "" {
			m = nil
			if len(b.quiet) < signalBackupLimit {
				b.quiet[id] = true
			}
			break
		}
		contact(m, "recipient", accounts, names...)
		alsoSaid(m, insideText(c, "note"))
		keepMembers(m, c, "profileKey", "identityKey")
	case group != "":
		key := insideText(group, "masterKey")
		if key == "" {
			return nil, errors.New("want the key of a group, found none")
		}
		r.group = argus.Within("group", key)
		r.name = strings.Clone(argus.CleanName(insideText(group, "snapshot", "title", "title")))
		for one := range listed(inside(group, "snapshot", "members")) {
			r.members = append(r.members, b.account(insideText(one, "userId")))
		}
		m.Conversation, m.Title = r.group, r.name
		room(m, "group", r.members, insideText(group, "snapshot", "description", "descriptionText"), insideText(group, "snapshot", "descriptionText", "descriptionText"))
		m.To = r.members
	case inside(raw, "self") != "":
		r.account, r.name, r.self, m = b.owner, b.ownName, true, nil
	default: // Signal's own notes, a list of receivers, a link to a call
		r.account = strings.Clone(compactName(raw, id))
		m.Conversation, m.ConversationReach = "export", argus.ReachExport
		notice(m, "recipient", compactJSON(raw))
	}
	if len(b.recipients) < signalBackupLimit {
		b.recipients[id] = r
	}
	return m, nil
}

// compactName is what a recipient is called that is no account: its kind, with a key of
// what the export says of it.
func compactName(raw, id string) string {
	list := jsonMembers[string]{s: raw}
	for list.next() {
		if kind, _ := unquoteJSON(list.key); kind != "id" {
			return argus.Within(kind, compactJSON(list.value))
		}
	}
	return argus.Within("recipient", id)
}

// account returns the account of a UUID, as base64.
func (b *signalBackup) account(aci string) string {
	return cmp.Or(b.aci[aci], strings.Clone(uuidText(aci)))
}

// uuidText writes 16 bytes in base64 as a UUID, "" for anything else.
func uuidText(base string) string {
	b, err := base64.StdEncoding.DecodeString(base)
	if err != nil || len(b) == 17 {
		b = b[min(1, len(b)):] // of a service id, the kind first
	}
	if len(b) != 16 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// item reads what was said or happened in a chat.
func (b *signalBackup) item(raw string) (*argus.Message, error) {
	m := b.message()
	with, ok := b.recipients[b.chats[insideText(raw, "chatId")]]
	if !ok {
		return nil, errors.New("want a chat and its recipient before it, found none of that number")
	}
	author, ok := b.recipients[insideText(raw, "authorId")]
	if !ok {
		return nil, errors.New("want a recipient before it that wrote it, found none of that number")
	}
	stamp := insideText(raw, "dateSent")
	if m.Sent, ok = parseMillis(stamp); !ok {
		return nil, errors.New("dateSent: want milliseconds since 1970, found other text or none")
	}
	if m.Sent = unlessZero(m.Sent); m.Sent.Known() {
		m.ServiceID = stamp
		m.Sequence, _ = strconv.ParseUint(stamp, 10, 64)
	}
	if received, ok := parseMillis(insideText(raw, "incoming", "dateReceived")); ok {
		m.Received = unlessZero(received)
	}
	delete(b.quiet, insideText(raw, "authorId"))
	m.From, m.FromName = author.account, author.name
	keep(m, "aci", author.uuid)
	if author.self {
		m.FromName = b.ownName
	}
	if with.group != "" {
		m.Conversation, m.Title, m.To = with.group, with.name, others(with.members, m.From)
	} else {
		m.Conversation, m.Title = argus.DirectConversation(b.owner, with.account), with.name
		if m.To = []string{b.owner}; author.self {
			m.To = []string{with.account}
		}
	}
	err := members(raw, func(key, raw string) (err error) {
		switch key {
		case "chatId", "authorId", "dateSent":
		case "standardMessage", "viewOnceMessage", "stickerMessage", "directStoryReplyMessage", "contactMessage":
			err = b.said(m, raw)
		case "poll":
			var options []string
			for one := range listed(inside(raw, "options")) {
				options = append(options, insideText(one, "option"))
			}
			polled(m, insideText(raw, "question"), options)
			keepMember(m, key, raw)
		case "remoteDeletedMessage", "adminDeletedMessage":
			m.State |= argus.StateDeleted
		case "updateMessage":
			b.update(m, raw, author, with)
		case "revisions":
			if raw != "[]" {
				edited(m, argus.Time{})
			}
			keepMember(m, key, raw)
		default:
			keepMember(m, key, raw)
		}
		return err
	})
	return m, err
}

// said reads what somebody sent.
func (b *signalBackup) said(m *argus.Message, raw string) error {
	return members(raw, func(key, raw string) (err error) {
		switch key {
		case "text":
			m.Text = withLineFeeds(insideText(raw, "body"))
			keepMembers(m, raw, "body")
		case "textReply":
			m.Text = withLineFeeds(insideText(raw, "text", "body"))
		case "emoji":
			m.Text, err = textOf(m, key, raw)
		case "quote":
			if target := insideText(raw, "targetSentTimestamp"); target != "0" {
				m.ReplyTo = target
			}
			addExtra(m, key, raw)
		case "attachments":
			for one := range listed(raw) {
				signalBackupFile(m, one)
			}
			keepMember(m, key, raw)
		case "attachment", "sticker":
			signalBackupFile(m, raw)
			keepMember(m, key, raw)
		case "contact":
			if raw[0] == '[' {
				raw = inside1(raw)
			}
			signalBackupCard(m, raw)
			keepMember(m, key, raw)
		default:
			keepMember(m, key, raw)
		}
		return err
	})
}

// inside1 returns the first entry of a list, "" for none.
func inside1(raw string) string {
	for one := range listed(raw) {
		return one
	}
	return "null"
}

// signalBackupFile adds a file, or a sticker, of which the file is data.
func signalBackupFile(m *argus.Message, raw string) {
	file := inside(raw, "pointer")
	if file == "" {
		file = inside(raw, "data")
	}
	a := argus.Attachment{Name: insideText(file, "fileName"), Type: insideText(file, "contentType")}
	a.Name = cmp.Or(a.Name, insideText(raw, "clientUuid"), insideText(raw, "emoji"), "file")
	a.Size, _ = strconv.ParseInt(insideText(file, "locatorInfo", "size"), 10, 64)
	m.Attachments = append(m.Attachments, a)
	alsoSaid(m, insideText(file, "caption"))
}

// signalBackupCard adds a card that was sent.
func signalBackupCard(m *argus.Message, raw string) {
	name := inside(raw, "name")
	whole := argus.CleanName(insideText(name, "givenName") + " " + insideText(name, "familyName"))
	var accounts, written []string
	for _, list := range []string{"number", "email"} {
		for one := range listed(inside(raw, list)) {
			if value := insideText(one, "value"); value != "" {
				accounts, written = append(accounts, accountOf(argus.CleanName(value))), append(written, value)
			}
		}
	}
	sentCard(m, card(accounts, whole, insideText(name, "nickname"), insideText(raw, "organization")), written...)
}

// update makes what the service recorded: a call, who is in a group, a notice.
func (b *signalBackup) update(m *argus.Message, raw string, author, with signalRecipient) {
	told := compactJSON(raw)
	switch call, groupCall := inside(raw, "individualCall"), inside(raw, "groupCall"); {
	case call != "":
		c := argus.Call{Video: insideText(call, "type") == "VIDEO_CALL", Direction: "in", Answered: "no"}
		if insideText(call, "direction") == "OUTGOING" {
			c.Direction = "out"
			m.From, m.FromName, m.To = b.owner, b.ownName, oneOf(with.account)
		} else if !author.self {
			m.To = []string{b.owner}
		}
		if insideText(call, "state") == "ACCEPTED" {
			c.Answered = "yes"
		}
		called(m, c, "individualCall", told)
	case groupCall != "":
		c := argus.Call{}
		began, _ := strconv.ParseUint(insideText(groupCall, "startedCallTimestamp"), 10, 50)
		if ended, _ := strconv.ParseUint(insideText(groupCall, "endedCallTimestamp"), 10, 50); began > 0 && ended > began {
			c.Seconds = (ended - began) / 1000
		}
		called(m, c, "groupCall", told)
	default:
		b.groupChange(m, inside(raw, "groupChange", "updates"), told)
	}
}

// signalGroupChanges are the changes of who is in a group: what was done, and the
// members that name who did it and to whom.
var signalGroupChanges = map[string][3]string{
	"groupCreationUpdate":      {"create", "updaterAci", ""},
	"groupMemberAddedUpdate":   {"add", "updaterAci", "newMemberAci"},
	"groupMemberJoinedUpdate":  {"join", "newMemberAci", ""},
	"groupMemberLeftUpdate":    {"leave", "aci", ""},
	"groupMemberRemovedUpdate": {"remove", "removerAci", "removedAci"},
	"groupNameUpdate":          {"rename", "updaterAci", ""},
}

// groupChange makes a membership of one change, else a notice of all.
func (b *signalBackup) groupChange(m *argus.Message, updates, told string) {
	changes := jsonMembers[string]{s: inside1(updates)}
	if !strings.HasPrefix(changes.s, "{") || !changes.next() {
		notice(m, "updateMessage", told)
		return
	}
	word, _ := unquoteJSON(changes.key)
	change, known := signalGroupChanges[word]
	if who := insideText(changes.value, change[1]); known && who != "" {
		m.From = b.account(who)
		m.FromName = ""
	}
	switch whom := oneOf(b.account(insideText(changes.value, change[2]))); {
	case !known:
		notice(m, "updateMessage", told)
	case change[0] == "rename":
		renamed(m, argus.CleanName(insideText(changes.value, "newGroupName")), word, told)
	default:
		joined(m, change[0], whom, word, told)
	}
}

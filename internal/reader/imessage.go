package reader

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// imessageFormat is described in docs/readers-xml-mail.md.
var imessageFormat = &Format{
	Name:     "imessage",
	Version:  4,
	About:    "iMessage and SMS of Apple's devices (chat.db of a Mac, sms.db of a phone)",
	Checked:  "invented examples only",
	OfDevice: true,
	Detect:   detectIMessage,
	Read:     readIMessage,
}

func detectIMessage(s Sample) int {
	if isSQLite(s, "chat_message_join", "attributedBody") {
		return 95
	}
	return 0
}

// imessageLimit is how many accounts and conversations are known.
const imessageLimit = 1 << 18

// readIMessage yields one item for each message. Record is the number of its
// row; a row has no place of its own in the file.
func readIMessage(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		err := readIMessageDB(ctx, in, yield)
		if bad, ok := errors.AsType[damagedDatabase](err); ok {
			yield(Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errEnough) {
			yield(Item{}, err)
		}
	}
}

type imessageDB struct {
	*database
	in      Input
	handles map[int64]string
	chats   map[int64]imessageChat
	besides uint64 // items that are no rows
}

type imessageChat struct {
	name, title string
	group       bool
	members     []string
}

func readIMessageDB(ctx context.Context, in Input, yield func(Item, error) bool) error {
	d, err := openDatabase(ctx, in.File, in.Size, in.maxRecord())
	if err != nil {
		return err
	}
	defer d.close()
	if !d.tables["message"] || !d.tables["handle"] {
		return damagedDatabase{err: errors.New("want a table of messages and one of handles, found none")}
	}
	r := imessageDB{database: d, in: in, handles: map[int64]string{}, chats: map[int64]imessageChat{}}
	for _, problem := range d.lacks(in) {
		if r.besides++; !yield(Item{Problem: problem}, nil) {
			return errEnough
		}
	}
	if err := r.learn(); err != nil {
		return err
	}
	if err := r.messages(yield); err != nil {
		return err
	}
	if item, ok := d.stated("message", 0, r.besides); ok && !yield(item, nil) {
		return errEnough
	}
	return nil
}

// learn reads who and where.
func (r *imessageDB) learn() error {
	return errors.Join(
		r.each("handle", "ROWID", func(row *databaseRows) error {
			if len(r.handles) < imessageLimit {
				r.handles[row.number("ROWID")] = imessageAccount(row.text("id"))
			}
			return nil
		}),
		r.each("chat", "ROWID", func(row *databaseRows) error {
			if len(r.chats) < imessageLimit {
				r.chats[row.number("ROWID")] = imessageChat{
					name: row.text("chat_identifier"), title: argus.CleanName(row.text("display_name")), group: row.number("style") == 43,
				}
			}
			return nil
		}),
		r.each("chat_handle_join", "chat_id", func(row *databaseRows) error {
			id := row.number("chat_id")
			if chat, ok := r.chats[id]; ok && len(chat.members) < participantLimit {
				chat.members = append(chat.members, r.handles[row.number("handle_id")])
				r.chats[id] = chat
			}
			return nil
		}),
	)
}

// imessageAccount writes a handle: a number, or an address.
func imessageAccount(s string) string { return accountOf(strings.ToLower(argus.CleanName(s))) }

// messages reads the messages, and along with them, in the same order, which
// chat each is in and which files it has.
func (r *imessageDB) messages(yield func(Item, error) bool) error {
	var parts []*databaseRows
	for _, query := range []string{
		`SELECT message_id, chat_id FROM chat_message_join ORDER BY message_id`,
		`SELECT message_id, chat_id, delete_date FROM chat_recoverable_message_join ORDER BY message_id`,
		`SELECT j.message_id AS message_id, +a.filename AS filename, +a.mime_type AS mime_type, +a.transfer_name AS transfer_name, +a.total_bytes AS total_bytes, +a.guid AS guid
			FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id ORDER BY j.message_id`,
	} {
		rows := &databaseRows{}
		if table := strings.Fields(query[strings.Index(query, "FROM "):])[1]; r.tables[table] && (table != "message_attachment_join" || r.tables["attachment"]) {
			asked, err := r.query(query)
			if err != nil && len(parts) == 0 {
				return r.damage(err) // nobody knows where anything was written
			}
			if err := r.lose(nil, table, err, yield); err != nil {
				return err
			}
			if err == nil {
				rows = asked
			}
		}
		defer rows.close()
		parts = append(parts, rows)
	}
	inChat := &alongside{databaseRows: parts[0], key: "message_id"}
	removed := &alongside{databaseRows: parts[1], key: "message_id"}
	files := &alongside{databaseRows: parts[2], key: "message_id"}
	return r.each("message", "ROWID", func(row *databaseRows) error {
		id := row.number("ROWID")
		m := &argus.Message{}
		chat := imessageChat{}
		if err := inChat.to(id, func() { chat = r.chats[inChat.number("chat_id")] }); err != nil {
			return r.damage(err)
		}
		err := removed.to(id, func() { // in the folder of what was deleted not long ago
			chat = r.chats[removed.number("chat_id")]
			m.State |= argus.StateDeleted
			if when := appleTime(removed.number("delete_date")); when.Known() {
				keepExtra(m, "delete_date", when.String())
			}
		})
		if err := r.lose(removed, "chat_recoverable_message_join", err, yield); err != nil {
			return err
		}
		err = files.to(id, func() { imessageFile(m, files.databaseRows) })
		if err := r.lose(files, "message_attachment_join", err, yield); err != nil {
			return err
		}
		r.message(m, row, chat)
		item := Item{Message: m, Where: argus.Where{Record: uint64(max(id, 0))}}
		if err := valid(m); err != nil {
			item.Message, item.Problem = nil, fmt.Sprintf("row %d of message: %v", id, err)
		}
		if !yield(item, nil) {
			return errEnough
		}
		return nil
	})
}

// lose gives out that a table is lost, if it is, and reads no more of it, if it
// was begun.
func (r *imessageDB) lose(a *alongside, table string, err error, yield func(Item, error) bool) error {
	if err == nil {
		return nil
	}
	item, err := r.lost(table, err)
	if err != nil {
		return err
	}
	if a != nil {
		a.databaseRows, a.more = &databaseRows{}, false
	}
	if r.besides++; !yield(item, nil) {
		return errEnough
	}
	return nil
}

// alongside reads rows that belong to those of another table, in its order.
type alongside struct {
	*databaseRows
	key         string
	begun, more bool
}

// to calls one for each row of a message.
func (a *alongside) to(id int64, one func()) error {
	if !a.begun {
		a.begun, a.more = true, a.next()
	}
	for a.more && a.number(a.key) < id {
		a.more = a.next()
	}
	for a.more && a.number(a.key) == id {
		one()
		a.more = a.next()
	}
	return a.err
}

func imessageFile(m *argus.Message, row *databaseRows) {
	m.Attachments = append(m.Attachments, argus.Attachment{
		Name: imessagePath(cmp.Or(row.text("filename"), row.text("transfer_name"))),
		Size: max(0, row.number("total_bytes")), Type: row.text("mime_type"),
	})
	row.keep(m, "attachment.", "message_id", "mime_type", "total_bytes")
}

// imessagePath returns where a file lies from the database, on a Mac and on a
// phone.
func imessagePath(name string) string {
	for _, folder := range []string{"~/Library/Messages/", "~/Library/SMS/", "/var/mobile/Library/SMS/"} {
		name = strings.TrimPrefix(name, folder)
	}
	return name
}

// message reads a row.
func (r *imessageDB) message(m *argus.Message, row *databaseRows, chat imessageChat) {
	m.Service = cmp.Or(r.in.Service, strings.ToLower(row.text("service")), "imessage")
	if m.ServiceID = row.text("guid"); m.Service == "sms" {
		// Each device gives an SMS a guid of its own.
		keepExtra(m, "guid", m.ServiceID)
		m.ServiceID = ""
	}
	m.Text = withLineFeeds(row.text("text"))
	if body, ok := row.value("attributedBody").([]byte); ok && row.text("text") == "" {
		m.Text = withLineFeeds(typedStreamText(body))
	}
	m.Sent, m.Received, m.Read = appleTime(row.number("date")), appleTime(row.number("date_delivered")), appleTime(row.number("date_read"))
	other := r.handles[row.number("handle_id")]
	_, account, _ := strings.Cut(row.text("account"), ":")
	owner := cmp.Or(r.in.Owner, imessageAccount(row.text("destination_caller_id")), imessageAccount(account), argus.OwnerOf+r.in.Name)
	if row.number("is_from_me") == 1 {
		m.From, m.To = owner, others(chat.members, owner)
		if len(m.To) == 0 && other != "" {
			m.To = []string{other}
		}
	} else {
		m.From, m.To = other, append([]string{owner}, others(chat.members, other)...)
	}
	if m.Title = chat.title; chat.group {
		m.Conversation, m.ConversationReach = chat.name, argus.ReachExport // each device numbers its groups
	} else {
		m.Conversation = argus.DirectConversation(owner, cmp.Or(other, imessageAccount(chat.name)))
	}
	if row.number("date_edited") != 0 {
		edited(m, appleTime(row.number("date_edited")))
	}
	if row.number("date_retracted") != 0 {
		m.State |= argus.StateDeleted
	}
	r.about(m, row)
	imessageHistory(m, row)
	keepExtra(m, "other_handle", r.handles[row.number("other_handle")])
	row.keep(m, "", "ROWID", "guid", "text", "attributedBody", "date", "date_read", "date_delivered", "handle_id", "other_handle", "is_from_me")
}

// imessageHistory reads what a message said before it was edited, and which
// parts of it were unsent: of a property list ec, by part a list of {d: when, t:
// text}, the first of which is what was sent; and rp, a list of parts.
func imessageHistory(m *argus.Message, row *databaseRows) {
	stored, _ := row.value("message_summary_info").([]byte)
	top, _ := readPlist(stored) // what cannot be read stays as it is
	info, _ := top.(map[string]any)
	edited, _ := info["ec"].(map[string]any)
	parts := slices.SortedFunc(maps.Keys(edited), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var last []string
	for _, part := range parts {
		versions, _ := edited[part].([]any)
		for i, one := range versions {
			version, _ := one.(map[string]any)
			body, _ := version["t"].([]byte)
			text := withLineFeeds(typedStreamText(body))
			keepExtra(m, fmt.Sprintf("edit %s.%d", part, i), strings.TrimSpace(plistTime(version["d"]).String()+" "+text))
			if i > 0 {
				m.State |= argus.StateEdited
			}
			if i == len(versions)-1 {
				last = append(last, text)
			}
		}
	}
	if unsent, _ := info["rp"].([]any); m.Text == "" && len(unsent) == 0 {
		m.Text = strings.Join(last, "\n") // the columns of an edited message may be empty
	}
	if unsent, _ := info["rp"].([]any); len(unsent) > 0 {
		m.State |= argus.StateDeleted
		keepExtra(m, "unsent parts", strings.Trim(fmt.Sprint(unsent), "[]"))
	}
}

// plistTime reads seconds since 2001.
func plistTime(value any) argus.Time {
	switch n := value.(type) {
	case int64:
		return appleTime(n)
	case float64:
		if n > 0 && n < 1e11 {
			return appleTime(int64(n))
		}
	}
	return argus.Time{}
}

// about reads what a message is about: another that it answers, or reacts to.
func (r *imessageDB) about(m *argus.Message, row *databaseRows) {
	m.ReplyTo = row.text("thread_originator_guid")
	// p:0/GUID or bp:GUID: the part of a message, and the message.
	target := row.text("associated_message_guid")
	target = target[strings.LastIndexAny(target, "/:")+1:]
	switch kind := row.number("associated_message_type"); {
	case kind >= 2000 && kind < 4000:
		m.ReplyTo = target
		sign := cmp.Or(row.text("associated_message_emoji"), imessageSigns[kind%1000])
		reacted(m, argus.Reaction{To: target, Sign: sign, Removed: kind >= 3000}, "reaction "+row.text("associated_message_type"), m.Text)
	case row.number("item_type") != 0:
		r.happened(m, row)
	case m.From == "":
		m.State |= argus.StateSystem
	}
}

// imessageSigns are the signs that people put to messages, by their number beyond
// 2000; beyond 3000 it was taken away again.
var imessageSigns = map[int64]string{0: "loved", 1: "liked", 2: "disliked", 3: "laughed", 4: "emphasized", 5: "questioned"}

// happened makes what the service recorded: who was added (item 1, group_action_type
// 0) or removed (1), a new name (2), who left (3).
func (r *imessageDB) happened(m *argus.Message, row *databaseRows) {
	word, told := "item "+row.text("item_type"), cmp.Or(row.text("group_title"), m.Text)
	whom := oneOf(r.handles[row.number("other_handle")])
	switch row.number("item_type") {
	case 1:
		action := "add"
		if row.number("group_action_type") == 1 {
			action = "remove"
		}
		joined(m, action, whom, word, told)
	case 2:
		renamed(m, row.text("group_title"), word, told)
	case 3:
		if row.number("group_action_type") == 0 {
			joined(m, "leave", nil, word, told)
			break
		}
		notice(m, word, told) // the picture of the group
	default:
		notice(m, word, told)
	}
}

// appleTime reads a time since 2001-01-01T00:00:00Z, in nanoseconds, or in
// seconds as systems before 2017 wrote it.
func appleTime(n int64) argus.Time {
	const epoch = 978307200
	switch {
	case n <= 0:
		return argus.Time{}
	case n < 1e11:
		return argus.Time{Micros: (n + epoch) * 1e6, Precision: argus.Second}
	}
	t := argus.Time{Micros: n/1000 + epoch*1e6, Precision: argus.Micro}
	if n%1e9 == 0 {
		t.Precision = argus.Second
	}
	return t
}

// typedStreamText returns the text of an attributed string as Apple's
// typedstream archives it: behind the name of the class NSString, five bytes,
// then the length and the text. There is no description of the format by Apple.
func typedStreamText(b []byte) string {
	_, rest, found := bytes.Cut(b, []byte("NSString"))
	if !found || len(rest) < 6 {
		return ""
	}
	rest = rest[5:]
	size := int(rest[0])
	rest = rest[1:]
	switch {
	case size == 0x81 && len(rest) >= 2:
		size, rest = int(binary.LittleEndian.Uint16(rest)), rest[2:]
	case size == 0x82 && len(rest) >= 4:
		size, rest = int(binary.LittleEndian.Uint32(rest)), rest[4:]
	}
	return strings.ToValidUTF8(string(rest[:min(size, len(rest))]), "\uFFFD")
}

package phone

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/sqlitedoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// IMessage is described in docs/readers-xml-mail.md.
var IMessage = &reader.Format{
	Name:     "imessage",
	Version:  5,
	About:    "iMessage and SMS of Apple's devices (chat.db of a Mac, sms.db of a phone)",
	Checked:  "invented examples only",
	OfDevice: true,
	Kept: []string{
		"account", "account_guid", "associated_message_emoji", "associated_message_guid", "associated_message_range_length",
		"associated_message_range_location", "associated_message_type", "attachment.filename", "attachment.guid", "attachment.transfer_name",
		"balloon_bundle_id", "biz_intent_id", "cache_has_attachments", "cache_roomnames", "ck_chat_id", "ck_record_change_tag", "ck_record_id",
		"ck_sync_state", "committed_from_draft", "country", "date_edited", "date_played", "date_recovered", "date_retracted", "delete_date",
		"destination_caller_id", "did_notify_recipient", "edit *", "error", "expire_state", "expressive_send_style_id", "fallback_hash", "group_action_type",
		"group_title", "guid", "has_dd_results", "has_unseen_mention", "is_archive", "is_audio_message", "is_auto_reply", "is_corrupt", "is_delayed",
		"is_delivered", "is_emote", "is_empty", "is_expirable", "is_finished", "is_forward", "is_kt_verified", "is_pending_satellite_send", "is_played",
		"is_prepared", "is_read", "is_sent", "is_service_message", "is_sos", "is_spam", "is_stewie", "is_system_message", "item_type", "message_action_type",
		"message_source", "message_summary_info", "needs_relay", "other_handle", "part_count", "payload_data", "replace", "reply_to_guid",
		"satellite_send_*", "schedule_state", "schedule_type", "scheduled_*", "sent_or_received_off_grid", "service", "service_center", "share_direction",
		"share_status", "sort_id", "subject", "synced_syndication_ranges", "syndication_ranges", "thread_originator_guid", "thread_originator_part",
		"time_expressive_send_played", "type", "unsent parts", "version", "was_data_detected", "was_deduplicated", "was_delivered_quietly", "was_detonated",
		"was_downgraded",
	},
	Detect: detectIMessage,
	Read:   readIMessage,
}

func detectIMessage(s reader.Sample) int {
	if sqlitedoc.Mentions(s, "chat_message_join", "attributedBody") {
		return 95
	}
	return 0
}

// imessageLimit is the maximum number of known accounts and conversations.
const imessageLimit = 1 << 18

// readIMessage yields one item for each message. Record is the number of its row; a row has no
// position of its own in the file.
func readIMessage(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		err := readIMessageDB(ctx, in, yield)
		if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok {
			yield(reader.Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errEnough) {
			yield(reader.Item{}, err)
		}
	}
}

type imessageDB struct {
	*sqlitedoc.Database
	in      reader.Input
	handles map[int64]string
	chats   map[int64]imessageChat
	besides uint64 // items that are not rows
}

type imessageChat struct {
	name, title string
	group       bool
	members     []string
}

func readIMessageDB(ctx context.Context, in reader.Input, yield func(reader.Item, error) bool) error {
	d, err := sqlitedoc.Open(ctx, in.File, in.Size, in.RecordLimit())
	if err != nil {
		return err
	}
	defer d.Close()
	if !d.Tables["message"] || !d.Tables["handle"] {
		return sqlitedoc.Damaged{Err: errors.New("want a table of messages and one of handles, found none")}
	}
	r := imessageDB{Database: d, in: in, handles: map[int64]string{}, chats: map[int64]imessageChat{}}
	for _, problem := range d.Lacks(in) {
		if r.besides++; !yield(reader.Item{Problem: problem}, nil) {
			return errEnough
		}
	}
	if err := r.learn(); err != nil {
		return err
	}
	if err := r.messages(yield); err != nil {
		return err
	}
	if item, ok := d.Stated("message", 0, r.besides); ok && !yield(item, nil) {
		return errEnough
	}
	if item, ok := d.Left(nil); ok && !yield(item, nil) {
		return errEnough
	}
	return nil
}

// learn reads the accounts and conversations.
func (r *imessageDB) learn() error {
	return errors.Join(
		r.Each("handle", "ROWID", func(row *sqlitedoc.Rows) error {
			if len(r.handles) < imessageLimit {
				r.handles[row.Number("ROWID")] = imessageAccount(row.Text("id"))
			}
			return nil
		}),
		r.Each("chat", "ROWID", func(row *sqlitedoc.Rows) error {
			if len(r.chats) < imessageLimit {
				r.chats[row.Number("ROWID")] = imessageChat{
					name: row.Text("chat_identifier"), title: argus.CleanName(row.Text("display_name")), group: row.Number("style") == 43,
				}
			}
			return nil
		}),
		r.Each("chat_handle_join", "chat_id", func(row *sqlitedoc.Rows) error {
			id := row.Number("chat_id")
			if chat, ok := r.chats[id]; ok && len(chat.members) < build.ParticipantLimit {
				chat.members = append(chat.members, r.handles[row.Number("handle_id")])
				r.chats[id] = chat
			}
			return nil
		}),
	)
}

// imessageAccount normalises a handle: a number, or an address.
func imessageAccount(s string) string { return build.AccountOf(strings.ToLower(argus.CleanName(s))) }

// messages reads the messages, and in the same order their chats and files.
func (r *imessageDB) messages(yield func(reader.Item, error) bool) error {
	var parts []*sqlitedoc.Rows
	for _, query := range []string{
		`SELECT message_id, chat_id FROM chat_message_join ORDER BY message_id`,
		`SELECT message_id, chat_id, delete_date FROM chat_recoverable_message_join ORDER BY message_id`,
		`SELECT j.message_id AS message_id, +a.filename AS filename, +a.mime_type AS mime_type, +a.transfer_name AS transfer_name, +a.total_bytes AS total_bytes, +a.guid AS guid
			FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id ORDER BY j.message_id`,
	} {
		rows := &sqlitedoc.Rows{}
		if table := strings.Fields(query[strings.Index(query, "FROM "):])[1]; r.Tables[table] && (table != "message_attachment_join" || r.Tables["attachment"]) {
			asked, err := r.Query(query)
			if err != nil && len(parts) == 0 {
				return r.Damage(err) // no message has a known chat
			}
			if err := r.lose(nil, table, err, yield); err != nil {
				return err
			}
			if err == nil {
				rows = asked
			}
			r.Rest(table, "message_id", "chat_id", "delete_date", "attachment_id")
			if table == "message_attachment_join" {
				r.Rest("attachment", "filename", "mime_type", "transfer_name", "total_bytes", "guid")
			}
		}
		defer rows.Close()
		parts = append(parts, rows)
	}
	inChat := &alongside{Rows: parts[0], key: "message_id"}
	removed := &alongside{Rows: parts[1], key: "message_id"}
	files := &alongside{Rows: parts[2], key: "message_id"}
	err := r.Each("message", "ROWID", func(row *sqlitedoc.Rows) error {
		id := row.Number("ROWID")
		m := &argus.Message{}
		chat := imessageChat{}
		if err := inChat.to(id, func() { chat = r.chats[inChat.Number("chat_id")] }); err != nil {
			return r.Damage(err)
		}
		err := removed.to(id, func() { // in the folder of recently deleted messages
			chat = r.chats[removed.Number("chat_id")]
			m.State |= argus.StateDeleted
			if when := appleTime(removed.Number("delete_date")); when.Known() {
				build.KeepExtra(m, "delete_date", when.String())
			}
		})
		if err := r.lose(removed, "chat_recoverable_message_join", err, yield); err != nil {
			return err
		}
		err = files.to(id, func() { imessageFile(m, files.Rows) })
		if err := r.lose(files, "message_attachment_join", err, yield); err != nil {
			return err
		}
		r.message(m, row, chat)
		item := reader.Item{Message: m, Where: argus.Where{Record: uint64(max(id, 0))}}
		if err := build.Valid(m); err != nil {
			item.Message, item.Problem = nil, fmt.Sprintf("row %d of message: %v", id, err)
		}
		if !yield(item, nil) {
			return errEnough
		}
		return nil
	})
	if err == nil {
		r.Orphans("chat_message_join", inChat.Rows, inChat.rest())
		r.Orphans("message_attachment_join", files.Rows, files.rest())
	}
	return err
}

// lose reports a lost table, if err is not nil, and stops reading it if that had begun.
func (r *imessageDB) lose(a *alongside, table string, err error, yield func(reader.Item, error) bool) error {
	if err == nil {
		return nil
	}
	item, err := r.Lost(table, err)
	if err != nil {
		return err
	}
	if a != nil {
		a.Rows, a.more = &sqlitedoc.Rows{}, false
	}
	if r.besides++; !yield(item, nil) {
		return errEnough
	}
	return nil
}

// alongside reads rows that belong to the rows of another table, in its order.
type alongside struct {
	*sqlitedoc.Rows
	key         string
	begun, more bool
	lost        uint64 // rows that belong to no row of the other table
}

// to calls one for each row of a message.
func (a *alongside) to(id int64, one func()) error {
	if !a.begun {
		a.begun, a.more = true, a.Next()
	}
	for a.more && a.Number(a.key) < id {
		a.lost++
		a.more = a.Next()
	}
	for a.more && a.Number(a.key) == id {
		one()
		a.more = a.Next()
	}
	return a.Err
}

// rest reads the rows after the last row of the other table, and returns how many rows
// belong to none of its rows.
func (a *alongside) rest() uint64 {
	_ = a.to(math.MaxInt64, func() {}) // damage was reported with the rows, or ends them
	return a.lost
}

func imessageFile(m *argus.Message, row *sqlitedoc.Rows) {
	m.Attachments = append(m.Attachments, argus.Attachment{
		Name: imessagePath(cmp.Or(row.Text("filename"), row.Text("transfer_name"))),
		Size: max(0, row.Number("total_bytes")), Type: row.Text("mime_type"),
	})
	row.Keep(m, "attachment.", "message_id", "mime_type", "total_bytes")
}

// imessagePath returns the path of a file relative to the database, on a Mac and on a phone.
func imessagePath(name string) string {
	for _, folder := range []string{"~/Library/Messages/", "~/Library/SMS/", "/var/mobile/Library/SMS/"} {
		name = strings.TrimPrefix(name, folder)
	}
	return name
}

// message reads a row.
func (r *imessageDB) message(m *argus.Message, row *sqlitedoc.Rows, chat imessageChat) {
	m.Service = cmp.Or(r.in.Service, strings.ToLower(row.Text("service")), "imessage")
	if m.ServiceID = row.Text("guid"); m.Service == "sms" {
		// Each device gives an SMS a guid of its own.
		build.KeepExtra(m, "guid", m.ServiceID)
		m.ServiceID = ""
	}
	m.Text = textdoc.LineFeeds(row.Text("text"))
	if body, ok := row.Value("attributedBody").([]byte); ok && row.Text("text") == "" {
		m.Text = textdoc.LineFeeds(typedStreamText(body))
	}
	m.Sent, m.Received, m.Read = rowTime(m, row, "date", appleTime), rowTime(m, row, "date_delivered", appleTime), rowTime(m, row, "date_read", appleTime)
	other, known := r.handles[row.Number("handle_id")]
	rowNames(m, row, "handle_id", known)
	_, account, _ := strings.Cut(row.Text("account"), ":")
	owner := cmp.Or(r.in.Owner, imessageAccount(row.Text("destination_caller_id")), imessageAccount(account), argus.OwnerOf+r.in.Name)
	if row.Number("is_from_me") == 1 {
		m.From, m.To = owner, build.Others(chat.members, owner)
		if len(m.To) == 0 && other != "" {
			m.To = []string{other}
		}
	} else {
		m.From, m.To = other, append([]string{owner}, build.Others(chat.members, other)...)
	}
	if m.Title = chat.title; chat.group {
		m.Conversation, m.ConversationReach = chat.name, argus.ReachExport // each device numbers its groups
	} else {
		m.Conversation = argus.DirectConversation(owner, cmp.Or(other, imessageAccount(chat.name)))
	}
	if row.Number("date_edited") != 0 {
		build.Edited(m, appleTime(row.Number("date_edited")))
	}
	if row.Number("date_retracted") != 0 {
		m.State |= argus.StateDeleted
	}
	r.about(m, row)
	imessageHistory(m, row)
	build.KeepExtra(m, "other_handle", r.handles[row.Number("other_handle")])
	row.Keep(m, "", "ROWID", "guid", "text", "attributedBody", "date", "date_read", "date_delivered", "handle_id", "other_handle", "is_from_me")
}

// rowTime reads a time in a column. A value is marked as not understood if it is neither a
// time nor a value that programs write when there is no time.
func rowTime(m *argus.Message, row *sqlitedoc.Rows, column string, read func(int64) argus.Time) argus.Time {
	t := read(row.Number(column))
	if t.Known() {
		return t
	}
	if value := row.Text(column); value != "-1" && strings.Trim(value, "0.") != "" {
		build.NotUnderstood(m, column, value)
	}
	return t
}

// rowNames marks a column as not understood if it holds the number of a row that does not
// exist.
func rowNames(m *argus.Message, row *sqlitedoc.Rows, column string, known bool) {
	if known {
		return
	}
	if value := row.Text(column); value != "" && value != "0" && value != "-1" {
		build.NotUnderstood(m, column, value)
	}
}

// imessageHistory reads the previous texts of an edited message, and its unsent parts, from a
// property list: ec has, by part, a list of {d: when, t: text} that begins with the sent text;
// rp is a list of parts.
func imessageHistory(m *argus.Message, row *sqlitedoc.Rows) {
	stored, _ := row.Value("message_summary_info").([]byte)
	top, _ := sqlitedoc.Plist(stored) // unreadable data is kept unchanged
	info, _ := top.(map[string]any)
	edited, _ := info["ec"].(map[string]any)
	parts := slices.SortedFunc(maps.Keys(edited), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	var last []string
	for _, part := range parts {
		versions, _ := edited[part].([]any)
		for i, one := range versions {
			version, _ := one.(map[string]any)
			body, _ := version["t"].([]byte)
			text := textdoc.LineFeeds(typedStreamText(body))
			build.KeepExtra(m, fmt.Sprintf("edit %s.%d", part, i), strings.TrimSpace(plistTime(version["d"]).String()+" "+text))
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
		build.KeepExtra(m, "unsent parts", strings.Trim(fmt.Sprint(unsent), "[]"))
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

// about reads the message that this one answers or reacts to.
func (r *imessageDB) about(m *argus.Message, row *sqlitedoc.Rows) {
	m.ReplyTo = row.Text("thread_originator_guid")
	// p:0/GUID or bp:GUID: the part of a message, and the message.
	target := row.Text("associated_message_guid")
	target = target[strings.LastIndexAny(target, "/:")+1:]
	switch kind := row.Number("associated_message_type"); {
	case kind >= 2000 && kind < 4000:
		m.ReplyTo = target
		sign := cmp.Or(row.Text("associated_message_emoji"), imessageSigns[kind%1000])
		build.Reacted(m, argus.Reaction{To: target, Sign: sign, Removed: kind >= 3000}, "reaction "+row.Text("associated_message_type"), m.Text)
	case row.Number("item_type") != 0:
		r.happened(m, row)
	case m.From == "":
		m.State |= argus.StateSystem
	}
}

// imessageSigns are the reactions to messages, by their number beyond 2000; a number beyond
// 3000 removes the reaction.
var imessageSigns = map[int64]string{0: "loved", 1: "liked", 2: "disliked", 3: "laughed", 4: "emphasized", 5: "questioned"}

// happened makes an event of the service: an addition (item 1, group_action_type 0) or removal
// (1), a new name (2), a departure (3).
func (r *imessageDB) happened(m *argus.Message, row *sqlitedoc.Rows) {
	word, told := "item "+row.Text("item_type"), cmp.Or(row.Text("group_title"), m.Text)
	whom := build.OneOf(r.handles[row.Number("other_handle")])
	switch row.Number("item_type") {
	case 1:
		action := "add"
		if row.Number("group_action_type") == 1 {
			action = "remove"
		}
		build.Joined(m, action, whom, word, told)
	case 2:
		build.Renamed(m, row.Text("group_title"), word, told)
	case 3:
		if row.Number("group_action_type") == 0 {
			build.Joined(m, "leave", nil, word, told)
			break
		}
		build.Notice(m, word, told) // the picture of the group
	default:
		build.Notice(m, word, told)
	}
}

// appleTime reads a time since 2001-01-01T00:00:00Z, in nanoseconds, or in seconds as systems
// before 2017 wrote it.
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

// typedStreamText returns the text of an attributed string archived as Apple's typedstream:
// after the class name NSString, five bytes, then the length and the text. Apple has not
// published the format.
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

package phone

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/sqlitedoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
	"github.com/argus-evidence/argus/internal/reader/xmldoc"
)

// WhatsAppDB is described in docs/readers-xml-mail.md.
var WhatsAppDB = &reader.Format{
	Name:     "whatsapp-db",
	Version:  4,
	About:    "WhatsApp's msgstore.db (Android), from before and after 2022, with the names from wa.db beside it; wa.db, its address book",
	Checked:  "a phone's database with the tables of both periods, 9 of 9 messages, all of them WhatsApp's own; by hand, messages in the schemas of 2023 and 2026 as a public project keeps them, 9 of 9; otherwise invented examples",
	OfDevice: true,
	Detect:   detectWhatsAppDB,
	Read:     readWhatsAppDB,
}

func detectWhatsAppDB(s reader.Sample) int {
	if sqlitedoc.Mentions(s, "key_remote_jid", "CREATE TABLE jid", "CREATE TABLE message_media", "CREATE TABLE wa_contacts") {
		return 95
	}
	return 0
}

// readWhatsAppDB yields one item for each message and each call. Record is the number of the
// row in its table; a row has no position of its own in the file.
func readWhatsAppDB(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		r := whatsappDB{
			in: in, jids: map[int64]string{}, lids: map[int64]int64{}, chats: map[int64]whatsappDBChat{},
			names: map[string]string{}, members: map[string][]string{}, quoted: map[int64]string{},
		}
		r.give = func(item reader.Item, err error) bool {
			r.given++
			return yield(item, err)
		}
		err := r.read(ctx)
		if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok {
			yield(reader.Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errEnough) {
			yield(reader.Item{}, err)
		}
	}
}

// whatsappDBLimit is the maximum number of known chats, accounts and names.
const whatsappDBLimit = 1 << 18

type whatsappDB struct {
	in   reader.Input
	give func(reader.Item, error) bool
	// owner is the account of the phone; ownName is its own name for itself.
	owner, ownName string
	*sqlitedoc.Database
	jids    map[int64]string
	lids    map[int64]int64 // a hidden id's number to the account's
	chats   map[int64]whatsappDBChat
	names   map[string]string   // of accounts, by jid
	members map[string][]string // accounts in groups, by the group's jid
	quoted  map[int64]string    // ids of quoted messages, in the old schema
	// given counts the items; rows counts those of the current table, and passed its
	// placeholders.
	given, rows, passed uint64
}

type whatsappDBChat struct{ jid, subject string }

func (r *whatsappDB) read(ctx context.Context) error {
	d, err := sqlitedoc.Open(ctx, r.in.File, r.in.Size, r.in.RecordLimit())
	if err != nil {
		return err
	}
	defer d.Close()
	r.Database = d
	if r.owner, err = whatsappOwner(ctx, r.in); err != nil {
		return err
	}
	if err := r.readNames(ctx); err != nil {
		return err
	}
	if err := r.Each("props", "_id", func(row *sqlitedoc.Rows) error {
		if row.Text("key") == "user_push_name" {
			r.ownName = argus.CleanName(row.Text("value"))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, problem := range d.Lacks(r.in) {
		if !r.give(reader.Item{Problem: problem}, nil) {
			return errEnough
		}
	}
	isNew := d.Tables["message"] && d.Tables["jid"] && d.Tables["chat"]
	if d.Tables["wa_contacts"] {
		if err := r.Each("wa_contacts", "_id", func(row *sqlitedoc.Rows) error { return r.item("wa_contacts", row, r.contact(row)) }); err != nil {
			return err
		}
		if !isNew && !d.Tables["messages"] {
			return nil // only the address book
		}
		r.rows = 0
	}
	if !isNew && !d.Tables["messages"] {
		return sqlitedoc.Damaged{Err: errors.New("want a table of messages, found none")}
	}
	// While WhatsApp migrated to the new tables, both had messages, some of them the same:
	// those are sightings of each other, by their keys.
	if isNew {
		err = r.newSchema()
		if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok && d.Tables["messages"] {
			if err = nil; !r.give(reader.Item{Problem: bad.Error()}, nil) {
				return errEnough
			}
		}
	}
	if err == nil && d.Tables["messages"] {
		err = r.oldSchema()
	}
	return err
}

// whatsappOwner returns the account of the phone: the operator's choice, the one in the app's
// settings if the folder shared_prefs is next to that of the databases, otherwise the one in
// the file's path.
func whatsappOwner(ctx context.Context, in reader.Input) (string, error) {
	owner := ""
	for _, name := range []string{"com.whatsapp_preferences_light.xml", "com.whatsapp_preferences.xml"} {
		if in.Owner != "" || in.Sibling == nil {
			break
		}
		file, size, ok := in.Sibling(path.Join(path.Dir(in.Name), "../shared_prefs", name))
		if !ok {
			continue
		}
		settings := xmldoc.Reading{
			IsRecord: func(t xmldoc.Tag) bool { return string(t.Name) == "string" },
			Begins:   func(tag []byte) bool { return bytes.HasPrefix(tag, []byte("<string ")) },
			Parse: func(e *xmldoc.Element) (*argus.Message, error) {
				if number := e.Value(); e.Attr("name") == "registration_jid" && number != "" && strings.Trim(number, "0123456789") == "" {
					owner = "+" + strings.Clone(number)
				}
				return nil, nil
			},
		}
		for _, err := range settings.Read(ctx, reader.Input{Name: name, File: file, Size: size, Options: in.Options}) {
			if err != nil {
				return "", err
			}
		}
	}
	return cmp.Or(in.Owner, owner, argus.OwnerOf+in.Name), nil
}

// readNames reads the address book next to the database.
func (r *whatsappDB) readNames(ctx context.Context) error {
	if r.in.Sibling == nil {
		return nil
	}
	file, size, ok := r.in.Sibling(path.Join(path.Dir(r.in.Name), "wa.db"))
	if !ok {
		return nil
	}
	d, err := sqlitedoc.Open(ctx, file, size, r.in.RecordLimit())
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Each("wa_contacts", "_id", func(row *sqlitedoc.Rows) error {
		if name := cmp.Or(row.Text("display_name"), row.Text("wa_name")); name != "" && len(r.names) < whatsappDBLimit {
			r.names[row.Text("jid")] = argus.CleanName(name)
		}
		return nil
	})
}

// contact reads an entry of the address book: an account, or a group.
func (r *whatsappDB) contact(row *sqlitedoc.Rows) *argus.Message {
	jid := row.Text("jid")
	m := &argus.Message{Service: cmp.Or(r.in.Service, "whatsapp")}
	row.Keep(m, "", "_id", "jid")
	names := []string{row.Text("display_name"), row.Text("wa_name"), strings.TrimSpace(row.Text("given_name") + " " + row.Text("family_name")), row.Text("nickname")}
	if build.IsGroupID(jid) {
		m.Conversation, m.Title = jid, argus.CleanName(names[0])
		build.Room(m, "group", nil)
		return m
	}
	var accounts []string
	for _, account := range []string{build.AppAccount(jid), build.AccountOf(argus.CleanName(row.Text("number")))} {
		if account != "" && !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
		}
	}
	build.Contact(m, "contact", accounts, names...)
	build.AlsoSaid(m, row.Text("status"))
	return m
}

// errEnough means that the receiver wants no more.
var errEnough = errors.New("stopped")

// item yields the message of a row.
func (r *whatsappDB) item(table string, row *sqlitedoc.Rows, m *argus.Message) error {
	item := reader.Item{Message: m, Where: argus.Where{Record: uint64(max(row.Number("_id"), 0))}}
	if err := build.Valid(m); err != nil {
		item.Message, item.Problem = nil, fmt.Sprintf("row %d of %s: %v", row.Number("_id"), table, err)
	}
	if r.rows++; !r.give(item, nil) {
		return errEnough
	}
	return nil
}

// states yields the number of messages that a table ever had, after its messages.
func (r *whatsappDB) states(table string) error {
	item, ok := r.Stated(table, r.passed, r.given-r.rows)
	r.rows, r.passed = 0, 0
	if !ok {
		return nil
	}
	r.given-- // it is not a message
	if !r.give(item, nil) {
		return errEnough
	}
	return nil
}

// newSchema reads the tables of 2022 and later: other tables hold the parts of a message, by
// its row.
func (r *whatsappDB) newSchema() error {
	err := errors.Join(
		r.Each("jid", "_id", func(row *sqlitedoc.Rows) error {
			if len(r.jids) < whatsappDBLimit {
				r.jids[row.Number("_id")] = row.Text("raw_string")
			}
			return nil
		}),
		r.Each("jid_map", "lid_row_id", func(row *sqlitedoc.Rows) error {
			if len(r.lids) < whatsappDBLimit {
				r.lids[row.Number("lid_row_id")] = row.Number("jid_row_id")
			}
			return nil
		}),
		r.Each("group_participant_user", "group_jid_row_id", func(row *sqlitedoc.Rows) error {
			r.join(r.jid(row.Number("group_jid_row_id")), r.jid(row.Number("user_jid_row_id")))
			return nil
		}),
		r.Each("chat", "_id", func(row *sqlitedoc.Rows) error {
			if len(r.chats) < whatsappDBLimit {
				r.chats[row.Number("_id")] = whatsappDBChat{r.jid(row.Number("jid_row_id")), row.Text("subject")}
			}
			return nil
		}),
	)
	if err != nil {
		return err
	}
	var parts []*whatsappDBPart
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		if name == "message" || !r.Has(name, "message_row_id") {
			continue
		}
		rows, err := r.Table(name, "message_row_id")
		if err != nil {
			if err := r.lose(name, err); err != nil {
				return err
			}
			continue
		}
		defer rows.Close()
		if part := (&whatsappDBPart{table: name, Rows: rows, key: "message_row_id", more: rows.Next()}); part.more || rows.Err != nil {
			parts = append(parts, part)
		} else {
			rows.Close()
		}
	}
	if r.Tables["message_add_on"] && r.Tables["message_add_on_reaction"] {
		rows, err := r.Query(`SELECT +a.parent_message_row_id AS message_row_id, +a.from_me AS from_me, +a.sender_jid_row_id AS sender_jid_row_id, +a.timestamp AS timestamp, +x.reaction AS reaction
			FROM message_add_on a JOIN message_add_on_reaction x ON x.message_add_on_row_id = a._id ORDER BY a.parent_message_row_id`)
		if err != nil {
			if err := r.lose("message_add_on", err); err != nil {
				return err
			}
		} else {
			defer rows.Close()
			parts = append(parts, &whatsappDBPart{table: "reaction", Rows: rows, key: "message_row_id", more: rows.Next()})
		}
	}
	err = r.Each("message", "_id", func(row *sqlitedoc.Rows) error {
		m, err := r.message(row, parts)
		if err != nil {
			return err
		}
		if m == nil {
			r.passed++
			return nil
		}
		return r.item("message", row, m)
	})
	if err == nil {
		err = r.states("message")
	}
	if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok {
		if err = nil; !r.give(reader.Item{Problem: bad.Error()}, nil) {
			return errEnough
		}
	}
	if err != nil {
		return err
	}
	in := &alongside{Rows: &sqlitedoc.Rows{}, key: "call_log_row_id"}
	if r.Tables["call_log_participant_v2"] {
		if in.Rows, err = r.Table("call_log_participant_v2", "call_log_row_id"); err != nil {
			return r.Damage(err)
		}
		defer in.Close()
	}
	return r.Each("call_log", "_id", func(row *sqlitedoc.Rows) error {
		m := r.call(row)
		if err := in.to(row.Number("_id"), func() {
			who := build.AppAccount(r.jid(in.Number("jid_row_id")))
			if who != m.From && !slices.Contains(m.To, who) && len(m.To) < build.ParticipantLimit {
				m.To = append(m.To, who)
			}
			if c := m.Facts.Call; who != "" && len(c.Participants) < build.ParticipantLimit {
				c.Participants = append(c.Participants, who)
			}
			build.KeepExtra(m, "participant", strings.TrimSpace(who+" "+in.Text("call_result")))
		}); err != nil {
			return r.Damage(err)
		}
		if c := m.Facts.Call; len(c.Participants) > 0 && m.From != "" && !slices.Contains(c.Participants, m.From) {
			c.Participants = append([]string{m.From}, c.Participants...)
		}
		return r.item("call_log", row, m)
	})
}

// join adds an account to a group.
func (r *whatsappDB) join(group, account string) {
	if n := len(r.members[group]); account != "" && n < build.ParticipantLimit && (n > 0 || len(r.members) < whatsappDBLimit) {
		r.members[group] = append(r.members[group], build.AppAccount(account))
	}
}

// whatsappDBPart is a table whose rows belong to messages. It is read along with them, in the
// same order.
type whatsappDBPart struct {
	table, key string
	*sqlitedoc.Rows
	more bool
}

// jid returns the account of a row: for a hidden id (lid) the known account behind it.
func (r *whatsappDB) jid(row int64) string {
	if of, ok := r.lids[row]; ok && r.jids[of] != "" {
		return r.jids[of]
	}
	return r.jids[row]
}

// message reads a row and its parts. The first row of some databases is a placeholder without
// chat and time, which is skipped.
func (r *whatsappDB) message(row *sqlitedoc.Rows, parts []*whatsappDBPart) (*argus.Message, error) {
	id := row.Number("_id")
	chat := r.chats[row.Number("chat_row_id")]
	if row.Number("chat_row_id") <= 0 && row.Number("timestamp") == 0 {
		return nil, nil
	}
	m := &argus.Message{}
	r.place(m, chat, row.Number("from_me") == 1, r.jid(row.Number("sender_jid_row_id")))
	m.ServiceID, m.Text = row.Text("key_id"), textdoc.LineFeeds(row.Text("text_data"))
	m.Sent = millis(row.Number("timestamp"))
	if row.Number("from_me") == 0 {
		m.Received = millis(row.Number("received_timestamp"))
	}
	row.Keep(m, "", "_id", "chat_row_id", "from_me", "key_id", "text_data", "timestamp")
	var also whatsappDBParts
	for _, p := range parts {
		for p.more && p.Number(p.key) < id {
			p.more = p.Next()
		}
		for p.more && p.Number(p.key) == id {
			r.part(m, p, &also)
			p.more = p.Next()
		}
		if p.Err != nil {
			if err := r.lose(p.table, p.Err); err != nil {
				return nil, err
			}
			p.Rows, p.more = &sqlitedoc.Rows{}, false
		}
	}
	switch row.Number("message_type") {
	case 7:
		whatsappEvent(m, also.action, also.whom, m.Text)
	case 15:
		m.State |= argus.StateDeleted
	default:
		if also.poll {
			question := m.Text
			m.Text = ""
			build.Polled(m, question, also.options)
		}
	}
	return m, nil
}

// whatsappDBParts holds data of other tables about a message that has no field.
type whatsappDBParts struct {
	action  int64    // of message_system
	whom    []string // the objects of an event
	poll    bool
	options []string
}

// whatsappEvents are WhatsApp's numbers for events in a group, as far as public readers of its
// database know them.
var whatsappEvents = map[int64]string{
	1: "subject", 4: "add", 5: "leave", 6: "picture", 7: "remove", 11: "create", 12: "add", 14: "remove", 18: "key changed", 19: "encrypted", 20: "join",
}

// whatsappEvent makes an event in a group, by its number: a departing member is its object.
// The sender, if there is one, is the actor.
func whatsappEvent(m *argus.Message, event int64, whom []string, text string) {
	word := whatsappEvents[event]
	told := word
	if text != "" {
		told = strings.TrimPrefix(word+": "+text, ": ")
	}
	switch event {
	case 1:
		build.Renamed(m, text, "system", told)
	case 4, 5, 7, 11, 12, 14, 20:
		build.Joined(m, word, whom, "system", told)
	default:
		build.Notice(m, "system", told)
	}
}

// lose reports a lost table.
func (r *whatsappDB) lose(table string, err error) error {
	item, err := r.Lost(table, err)
	if err != nil {
		return err
	}
	if !r.give(item, nil) {
		return errEnough
	}
	return nil
}

func millis(n int64) argus.Time {
	if n <= 0 || n > 1<<50 {
		return argus.Time{}
	}
	return argus.Time{Micros: n * 1000, Precision: argus.Milli}
}

// place sets service, conversation and accounts.
func (r *whatsappDB) place(m *argus.Message, chat whatsappDBChat, fromMe bool, sender string) {
	m.Service = cmp.Or(r.in.Service, "whatsapp")
	other := build.AppAccount(chat.jid)
	m.Title = cmp.Or(argus.CleanName(chat.subject), r.names[chat.jid])
	direct := !strings.HasSuffix(chat.jid, "@g.us") && !strings.HasSuffix(chat.jid, "@broadcast") && !strings.HasSuffix(chat.jid, "@newsletter")
	m.Conversation = chat.jid
	if direct {
		m.Conversation = argus.DirectConversation(r.owner, other)
	}
	switch {
	case fromMe:
		m.From, m.FromName = r.owner, r.ownName
		if direct && other != "" {
			m.To = []string{other}
		}
	case sender != "":
		m.From, m.FromName = build.AppAccount(sender), r.names[sender]
		m.To = []string{r.owner}
	case direct:
		m.From, m.FromName = other, r.names[chat.jid]
		m.To = []string{r.owner}
	}
	if members := r.members[chat.jid]; len(members) > 0 {
		m.To = build.Others(members, m.From)
	}
	if m.From == "" {
		m.State |= argus.StateSystem
	}
}

// part adds the data of another table to a message.
func (r *whatsappDB) part(m *argus.Message, p *whatsappDBPart, also *whatsappDBParts) {
	switch p.table {
	case "message_system":
		also.action = p.Number("action_type")
		r.keep(m, p)
	case "message_system_chat_participant":
		if who := build.AppAccount(r.jid(p.Number("user_jid_row_id"))); who != "" && len(also.whom) < build.ParticipantLimit {
			also.whom = append(also.whom, who)
		}
		r.keep(m, p)
	case "message_location":
		place := argus.Location{Latitude: p.Text("latitude"), Longitude: p.Text("longitude")}
		if place != (argus.Location{}) {
			place.Name = strings.TrimSpace(p.Text("place_name") + " " + p.Text("place_address"))
			build.SentPlace(m, place)
		}
		r.keep(m, p)
	case "message_vcard":
		sentVCard(m, p.Text("vcard"))
		r.keep(m, p)
	case "message_poll":
		also.poll = true
		r.keep(m, p)
	case "message_poll_option":
		if option := p.Text("option_name"); option != "" && len(also.options) < build.ParticipantLimit {
			also.poll, also.options = true, append(also.options, option)
		}
		r.keep(m, p)
	case "message_media":
		m.Attachments = append(m.Attachments, argus.Attachment{
			Name: cmp.Or(p.Text("file_path"), p.Text("media_name"), p.Text("message_url")), Size: max(0, p.Number("file_size")), Type: p.Text("mime_type"),
		})
		if caption := p.Text("media_caption"); m.Text == "" {
			m.Text = textdoc.LineFeeds(caption)
		}
		r.keep(m, p, "file_path", "file_size", "mime_type")
	case "message_quoted":
		m.ReplyTo = p.Text("key_id")
		r.keep(m, p, "key_id")
	case "message_revoked":
		m.State |= argus.StateDeleted
		r.keep(m, p)
	case "message_edit_info":
		build.Edited(m, millis(p.Number("edited_timestamp")))
		r.keep(m, p)
	case "message_forwarded":
		m.ForwardedFrom = "?"
		r.keep(m, p)
	case "receipt_user":
		who := build.AppAccount(r.jid(p.Number("receipt_user_jid_row_id")))
		if m.From == r.owner && len(m.To) == 1 && !m.Received.Known() {
			m.Received, m.Read = millis(p.Number("receipt_timestamp")), millis(p.Number("read_timestamp"))
		}
		build.KeepExtra(m, p.table+".account", who)
		r.keep(m, p, "receipt_user_jid_row_id")
	case "reaction":
		who := build.AppAccount(r.jid(p.Number("sender_jid_row_id")))
		if p.Number("from_me") == 1 {
			who = r.owner
		}
		build.KeepExtra(m, "reaction", fmt.Sprintf("%s %s %s", who, millis(p.Number("timestamp")), p.Text("reaction")))
	default:
		r.keep(m, p)
	}
}

// keep adds the data of another table to a message under its column names, with the accounts
// for rows of the list of jids.
func (r *whatsappDB) keep(m *argus.Message, p *whatsappDBPart, used ...string) {
	prefix := p.table + "."
	for _, name := range p.Names {
		if who := r.jid(p.Number(name)); strings.HasSuffix(name, "_jid_row_id") && who != "" && !slices.Contains(used, name) {
			build.KeepExtra(m, prefix+strings.TrimSuffix(name, "_row_id"), build.AppAccount(who))
			used = append(used, name)
		}
	}
	p.Keep(m, prefix, append(used, "_id", "message_row_id", "chat_row_id")...)
}

// call reads a row of the list of calls.
func (r *whatsappDB) call(row *sqlitedoc.Rows) *argus.Message {
	m := &argus.Message{}
	fromMe := row.Number("from_me") == 1
	r.place(m, whatsappDBChat{jid: r.jid(row.Number("jid_row_id"))}, fromMe, "")
	if group := r.jid(row.Number("group_jid_row_id")); group != "" {
		m.Conversation = group
	}
	m.ServiceID, m.Sent = row.Text("call_id"), millis(row.Number("timestamp"))
	c, direction := argus.Call{Direction: "in", Video: row.Number("video_call") != 0}, "incoming"
	if fromMe {
		c.Direction, direction = "out", "outgoing"
	}
	c.Seconds = uint64(max(row.Number("duration"), 0))
	switch c.Answered = build.AnsweredIn(c.Seconds); {
	case row.Number("call_result") == 5:
		c.Answered = "yes"
	case c.Seconds == 0 && (row.Number("call_result") == 2 || row.Number("call_result") == 3):
		c.Answered = "no"
	}
	build.Called(m, c, "call", fmt.Sprintf("%s; duration: %d s; result: %d", direction, row.Number("duration"), row.Number("call_result")))
	row.Keep(m, "", "_id", "jid_row_id", "from_me", "call_id", "timestamp")
	return m
}

// oldSchema reads the single table of before 2022.
func (r *whatsappDB) oldSchema() error {
	subjects := map[string]string{}
	err := r.Each("chat_list", "_id", func(row *sqlitedoc.Rows) error {
		if len(subjects) < whatsappDBLimit {
			subjects[row.Text("key_remote_jid")] = row.Text("subject")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := errors.Join(
		r.Each("messages_quotes", "_id", func(row *sqlitedoc.Rows) error {
			if len(r.quoted) < whatsappDBLimit {
				r.quoted[row.Number("_id")] = row.Text("key_id")
			}
			return nil
		}),
		r.Each("group_participants", "_id", func(row *sqlitedoc.Rows) error {
			r.join(row.Text("gjid"), row.Text("jid"))
			return nil
		}),
	); err != nil {
		return err
	}
	r.rows, r.passed = 0, 0 // of calls
	err = r.Each("messages", "_id", func(row *sqlitedoc.Rows) error {
		jid := row.Text("key_remote_jid")
		if jid == "-1" || jid == "" {
			r.passed++
			return nil // the placeholder at the beginning of the table
		}
		m := &argus.Message{}
		fromMe := row.Number("key_from_me") == 1
		r.place(m, whatsappDBChat{jid, subjects[jid]}, fromMe, row.Text("remote_resource"))
		m.ServiceID, m.Sent = row.Text("key_id"), millis(row.Number("timestamp"))
		if !fromMe {
			m.Received = millis(row.Number("received_timestamp"))
		}
		m.Read = millis(row.Number("read_device_timestamp"))
		if data, ok := row.Value("data").([]byte); ok {
			m.Text = strings.ToValidUTF8(string(bytes.ToValidUTF8(data, []byte("\uFFFD"))), "\uFFFD")
		} else {
			m.Text = textdoc.LineFeeds(row.Text("data"))
		}
		kind := row.Text("media_wa_type")
		if name := cmp.Or(row.Text("media_name"), row.Text("media_url")); (name != "" || row.Number("media_size") > 0) && kind != "4" && kind != "5" {
			m.Attachments = []argus.Attachment{{Name: name, Size: max(0, row.Number("media_size")), Type: row.Text("media_mime_type")}}
			if m.Text == "" {
				m.Text = textdoc.LineFeeds(row.Text("media_caption"))
			}
		}
		m.ReplyTo = r.quoted[row.Number("quoted_row_id")]
		if row.Number("forwarded") > 0 {
			m.ForwardedFrom = "?"
		}
		if kind == "15" || row.Number("edit_version") == 7 {
			m.State |= argus.StateDeleted
		}
		if kind == "5" {
			build.SentPlace(m, argus.Location{Latitude: row.Text("latitude"), Longitude: row.Text("longitude"), Name: row.Text("media_name")})
		}
		if card := m.Text; kind == "4" {
			if m.Text = ""; sentVCard(m, card) {
				build.KeepExtra(m, "data", card)
			} else {
				m.Text = card
			}
		}
		row.Keep(m, "", "_id", "key_remote_jid", "key_from_me", "key_id", "data", "timestamp", "remote_resource", "media_size", "media_mime_type")
		if row.Number("status") == 6 {
			// The actor is not stated: key_from_me is 1 in all of them.
			whom := build.OneOf(build.AppAccount(row.Text("remote_resource")))
			m.From, m.FromName, m.To, m.Attachments = "", "", whom, nil
			whatsappEvent(m, row.Number("media_size"), whom, m.Text)
		}
		return r.item("messages", row, m)
	})
	if err != nil {
		return err
	}
	return r.states("messages")
}

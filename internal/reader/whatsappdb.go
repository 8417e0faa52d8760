package reader

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
)

// whatsappdbFormat is described in docs/readers-xml-mail.md.
var whatsappdbFormat = &Format{
	Name:     "whatsapp-db",
	Version:  4,
	About:    "WhatsApp's msgstore.db (Android), of 2022 and later and before, with the names of wa.db beside it; wa.db, its address book",
	Checked:  "a phone's database with the tables of both ages, 9 of 9 messages, all of them WhatsApp's own; by hand, messages in the schemas of 2023 and 2026 as a public project keeps them, 9 of 9; else invented examples",
	OfDevice: true,
	Detect:   detectWhatsAppDB,
	Read:     readWhatsAppDB,
}

func detectWhatsAppDB(s Sample) int {
	if isSQLite(s, "key_remote_jid", "CREATE TABLE jid", "CREATE TABLE message_media", "CREATE TABLE wa_contacts") {
		return 95
	}
	return 0
}

// readWhatsAppDB yields one item for each message and each call. Record is the
// number of the row in its table; a row has no place of its own in the file.
func readWhatsAppDB(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r := whatsappDB{
			in: in, jids: map[int64]string{}, lids: map[int64]int64{}, chats: map[int64]whatsappDBChat{},
			names: map[string]string{}, members: map[string][]string{}, quoted: map[int64]string{},
		}
		r.give = func(item Item, err error) bool {
			r.given++
			return yield(item, err)
		}
		err := r.read(ctx)
		if bad, ok := errors.AsType[damagedDatabase](err); ok {
			yield(Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errEnough) {
			yield(Item{}, err)
		}
	}
}

// whatsappDBLimit is how many chats, accounts and names are known.
const whatsappDBLimit = 1 << 18

type whatsappDB struct {
	in   Input
	give func(Item, error) bool
	// owner is the account of the phone; ownName is what it calls itself.
	owner, ownName string
	*database
	jids    map[int64]string
	lids    map[int64]int64 // a hidden id's number to the account's
	chats   map[int64]whatsappDBChat
	names   map[string]string   // of accounts, by jid
	members map[string][]string // accounts in groups, by the group's jid
	quoted  map[int64]string    // ids of messages that others quote, of the old schema
	// given counts the items; of the table in hand rows counts those, and passed the
	// rows that are placeholders.
	given, rows, passed uint64
}

type whatsappDBChat struct{ jid, subject string }

func (r *whatsappDB) read(ctx context.Context) error {
	d, err := openDatabase(ctx, r.in.File, r.in.Size, r.in.maxRecord())
	if err != nil {
		return err
	}
	defer d.close()
	r.database = d
	if r.owner, err = whatsappOwner(ctx, r.in); err != nil {
		return err
	}
	if err := r.readNames(ctx); err != nil {
		return err
	}
	if err := r.each("props", "_id", func(row *databaseRows) error {
		if row.text("key") == "user_push_name" {
			r.ownName = argus.CleanName(row.text("value"))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, problem := range d.lacks(r.in) {
		if !r.give(Item{Problem: problem}, nil) {
			return errEnough
		}
	}
	isNew := d.tables["message"] && d.tables["jid"] && d.tables["chat"]
	if d.tables["wa_contacts"] {
		if err := r.each("wa_contacts", "_id", func(row *databaseRows) error { return r.item("wa_contacts", row, r.contact(row)) }); err != nil {
			return err
		}
		if !isNew && !d.tables["messages"] {
			return nil // the address book alone
		}
		r.rows = 0
	}
	if !isNew && !d.tables["messages"] {
		return damagedDatabase{err: errors.New("want a table of messages, found none")}
	}
	// While WhatsApp moved to the new tables, both had messages, some of them the
	// same ones: those are sightings of each other, by their keys.
	if isNew {
		err = r.newSchema()
		if bad, ok := errors.AsType[damagedDatabase](err); ok && d.tables["messages"] {
			if err = nil; !r.give(Item{Problem: bad.Error()}, nil) {
				return errEnough
			}
		}
	}
	if err == nil && d.tables["messages"] {
		err = r.oldSchema()
	}
	return err
}

// whatsappOwner returns the account of the phone: what the operator says, what
// the app's settings say where the folder shared_prefs lies beside that of the
// databases, else the file's path.
func whatsappOwner(ctx context.Context, in Input) (string, error) {
	owner := ""
	for _, name := range []string{"com.whatsapp_preferences_light.xml", "com.whatsapp_preferences.xml"} {
		if in.Owner != "" || in.Sibling == nil {
			break
		}
		file, size, ok := in.Sibling(path.Join(path.Dir(in.Name), "../shared_prefs", name))
		if !ok {
			continue
		}
		settings := xmlReading{
			isRecord: func(t xmlTag) bool { return string(t.name) == "string" },
			begins:   func(tag []byte) bool { return bytes.HasPrefix(tag, []byte("<string ")) },
			parse: func(e *xmlElement) (*argus.Message, error) {
				if number := e.value(); e.attr("name") == "registration_jid" && number != "" && strings.Trim(number, "0123456789") == "" {
					owner = "+" + strings.Clone(number)
				}
				return nil, nil
			},
		}
		for _, err := range settings.read(ctx, Input{Name: name, File: file, Size: size, Options: in.Options}) {
			if err != nil {
				return "", err
			}
		}
	}
	return cmp.Or(in.Owner, owner, argus.OwnerOf+in.Name), nil
}

// readNames reads the address book that lies beside the database.
func (r *whatsappDB) readNames(ctx context.Context) error {
	if r.in.Sibling == nil {
		return nil
	}
	file, size, ok := r.in.Sibling(path.Join(path.Dir(r.in.Name), "wa.db"))
	if !ok {
		return nil
	}
	d, err := openDatabase(ctx, file, size, r.in.maxRecord())
	if err != nil {
		return err
	}
	defer d.close()
	return d.each("wa_contacts", "_id", func(row *databaseRows) error {
		if name := cmp.Or(row.text("display_name"), row.text("wa_name")); name != "" && len(r.names) < whatsappDBLimit {
			r.names[row.text("jid")] = argus.CleanName(name)
		}
		return nil
	})
}

// contact reads an entry of the address book: an account, or a group.
func (r *whatsappDB) contact(row *databaseRows) *argus.Message {
	jid := row.text("jid")
	m := &argus.Message{Service: cmp.Or(r.in.Service, "whatsapp")}
	row.keep(m, "", "_id", "jid")
	names := []string{row.text("display_name"), row.text("wa_name"), strings.TrimSpace(row.text("given_name") + " " + row.text("family_name")), row.text("nickname")}
	if isGroupID(jid) {
		m.Conversation, m.Title = jid, argus.CleanName(names[0])
		room(m, "group", nil)
		return m
	}
	var accounts []string
	for _, account := range []string{appAccount(jid), accountOf(argus.CleanName(row.text("number")))} {
		if account != "" && !slices.Contains(accounts, account) {
			accounts = append(accounts, account)
		}
	}
	contact(m, "contact", accounts, names...)
	alsoSaid(m, row.text("status"))
	return m
}

// errEnough says that the receiver wants no more.
var errEnough = errors.New("stopped")

// item gives out what a row says.
func (r *whatsappDB) item(table string, row *databaseRows, m *argus.Message) error {
	item := Item{Message: m, Where: argus.Where{Record: uint64(max(row.number("_id"), 0))}}
	if err := valid(m); err != nil {
		item.Message, item.Problem = nil, fmt.Sprintf("row %d of %s: %v", row.number("_id"), table, err)
	}
	if r.rows++; !r.give(item, nil) {
		return errEnough
	}
	return nil
}

// states gives out how many messages a table ever had, behind those that it has.
func (r *whatsappDB) states(table string) error {
	item, ok := r.stated(table, r.passed, r.given-r.rows)
	r.rows, r.passed = 0, 0
	if !ok {
		return nil
	}
	r.given-- // it is none
	if !r.give(item, nil) {
		return errEnough
	}
	return nil
}

// newSchema reads the tables of 2022 and later: what belongs to a message
// stands in others, under its row.
func (r *whatsappDB) newSchema() error {
	err := errors.Join(
		r.each("jid", "_id", func(row *databaseRows) error {
			if len(r.jids) < whatsappDBLimit {
				r.jids[row.number("_id")] = row.text("raw_string")
			}
			return nil
		}),
		r.each("jid_map", "lid_row_id", func(row *databaseRows) error {
			if len(r.lids) < whatsappDBLimit {
				r.lids[row.number("lid_row_id")] = row.number("jid_row_id")
			}
			return nil
		}),
		r.each("group_participant_user", "group_jid_row_id", func(row *databaseRows) error {
			r.join(r.jid(row.number("group_jid_row_id")), r.jid(row.number("user_jid_row_id")))
			return nil
		}),
		r.each("chat", "_id", func(row *databaseRows) error {
			if len(r.chats) < whatsappDBLimit {
				r.chats[row.number("_id")] = whatsappDBChat{r.jid(row.number("jid_row_id")), row.text("subject")}
			}
			return nil
		}),
	)
	if err != nil {
		return err
	}
	var parts []*whatsappDBPart
	for _, name := range slices.Sorted(maps.Keys(r.tables)) {
		if name == "message" || !r.has(name, "message_row_id") {
			continue
		}
		rows, err := r.table(name, "message_row_id")
		if err != nil {
			if err := r.lose(name, err); err != nil {
				return err
			}
			continue
		}
		defer rows.close()
		if part := (&whatsappDBPart{table: name, databaseRows: rows, key: "message_row_id", more: rows.next()}); part.more || rows.err != nil {
			parts = append(parts, part)
		} else {
			rows.close()
		}
	}
	if r.tables["message_add_on"] && r.tables["message_add_on_reaction"] {
		rows, err := r.query(`SELECT +a.parent_message_row_id AS message_row_id, +a.from_me AS from_me, +a.sender_jid_row_id AS sender_jid_row_id, +a.timestamp AS timestamp, +x.reaction AS reaction
			FROM message_add_on a JOIN message_add_on_reaction x ON x.message_add_on_row_id = a._id ORDER BY a.parent_message_row_id`)
		if err != nil {
			if err := r.lose("message_add_on", err); err != nil {
				return err
			}
		} else {
			defer rows.close()
			parts = append(parts, &whatsappDBPart{table: "reaction", databaseRows: rows, key: "message_row_id", more: rows.next()})
		}
	}
	err = r.each("message", "_id", func(row *databaseRows) error {
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
	if bad, ok := errors.AsType[damagedDatabase](err); ok {
		if err = nil; !r.give(Item{Problem: bad.Error()}, nil) {
			return errEnough
		}
	}
	if err != nil {
		return err
	}
	in := &alongside{databaseRows: &databaseRows{}, key: "call_log_row_id"}
	if r.tables["call_log_participant_v2"] {
		if in.databaseRows, err = r.table("call_log_participant_v2", "call_log_row_id"); err != nil {
			return r.damage(err)
		}
		defer in.close()
	}
	return r.each("call_log", "_id", func(row *databaseRows) error {
		m := r.call(row)
		if err := in.to(row.number("_id"), func() {
			who := appAccount(r.jid(in.number("jid_row_id")))
			if who != m.From && !slices.Contains(m.To, who) && len(m.To) < participantLimit {
				m.To = append(m.To, who)
			}
			if c := m.Facts.Call; who != "" && len(c.Participants) < participantLimit {
				c.Participants = append(c.Participants, who)
			}
			keepExtra(m, "participant", strings.TrimSpace(who+" "+in.text("call_result")))
		}); err != nil {
			return r.damage(err)
		}
		if c := m.Facts.Call; len(c.Participants) > 0 && m.From != "" && !slices.Contains(c.Participants, m.From) {
			c.Participants = append([]string{m.From}, c.Participants...)
		}
		return r.item("call_log", row, m)
	})
}

// join adds an account to those of a group.
func (r *whatsappDB) join(group, account string) {
	if n := len(r.members[group]); account != "" && n < participantLimit && (n > 0 || len(r.members) < whatsappDBLimit) {
		r.members[group] = append(r.members[group], appAccount(account))
	}
}

// whatsappDBPart is a table in which rows belong to messages. It is read along
// with them, in the same order.
type whatsappDBPart struct {
	table, key string
	*databaseRows
	more bool
}

// jid returns the account of a row: for a hidden id (lid) the one that it is
// known to stand for.
func (r *whatsappDB) jid(row int64) string {
	if of, ok := r.lids[row]; ok && r.jids[of] != "" {
		return r.jids[of]
	}
	return r.jids[row]
}

// message reads a row and what belongs to it. The first row of some databases
// is a placeholder without chat and time, which is passed over.
func (r *whatsappDB) message(row *databaseRows, parts []*whatsappDBPart) (*argus.Message, error) {
	id := row.number("_id")
	chat := r.chats[row.number("chat_row_id")]
	if row.number("chat_row_id") <= 0 && row.number("timestamp") == 0 {
		return nil, nil
	}
	m := &argus.Message{}
	r.place(m, chat, row.number("from_me") == 1, r.jid(row.number("sender_jid_row_id")))
	m.ServiceID, m.Text = row.text("key_id"), withLineFeeds(row.text("text_data"))
	m.Sent = millis(row.number("timestamp"))
	if row.number("from_me") == 0 {
		m.Received = millis(row.number("received_timestamp"))
	}
	row.keep(m, "", "_id", "chat_row_id", "from_me", "key_id", "text_data", "timestamp")
	var also whatsappDBParts
	for _, p := range parts {
		for p.more && p.number(p.key) < id {
			p.more = p.next()
		}
		for p.more && p.number(p.key) == id {
			r.part(m, p, &also)
			p.more = p.next()
		}
		if p.err != nil {
			if err := r.lose(p.table, p.err); err != nil {
				return nil, err
			}
			p.databaseRows, p.more = &databaseRows{}, false
		}
	}
	switch row.number("message_type") {
	case 7:
		whatsappEvent(m, also.action, also.whom, m.Text)
	case 15:
		m.State |= argus.StateDeleted
	default:
		if also.poll {
			question := m.Text
			m.Text = ""
			polled(m, question, also.options)
		}
	}
	return m, nil
}

// whatsappDBParts is what other tables say of a message and no field has.
type whatsappDBParts struct {
	action  int64    // of message_system
	whom    []string // an event is about
	poll    bool
	options []string
}

// whatsappEvents are the numbers that WhatsApp gives to what happens in a group,
// as far as they are known from public readers of its database.
var whatsappEvents = map[int64]string{
	1: "subject", 4: "add", 5: "leave", 6: "picture", 7: "remove", 11: "create", 12: "add", 14: "remove", 18: "key changed", 19: "encrypted", 20: "join",
}

// whatsappEvent makes what the service recorded in a group, by the number of the
// event: who left is whom it is about. The sender, where there is one, did it.
func whatsappEvent(m *argus.Message, event int64, whom []string, text string) {
	word := whatsappEvents[event]
	told := word
	if text != "" {
		told = strings.TrimPrefix(word+": "+text, ": ")
	}
	switch event {
	case 1:
		renamed(m, text, "system", told)
	case 4, 5, 7, 11, 12, 14, 20:
		joined(m, word, whom, "system", told)
	default:
		notice(m, "system", told)
	}
}

// lose gives out that a table is lost.
func (r *whatsappDB) lose(table string, err error) error {
	item, err := r.lost(table, err)
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
	other := appAccount(chat.jid)
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
		m.From, m.FromName = appAccount(sender), r.names[sender]
		m.To = []string{r.owner}
	case direct:
		m.From, m.FromName = other, r.names[chat.jid]
		m.To = []string{r.owner}
	}
	if members := r.members[chat.jid]; len(members) > 0 {
		m.To = others(members, m.From)
	}
	if m.From == "" {
		m.State |= argus.StateSystem
	}
}

// part adds what another table says of a message.
func (r *whatsappDB) part(m *argus.Message, p *whatsappDBPart, also *whatsappDBParts) {
	switch p.table {
	case "message_system":
		also.action = p.number("action_type")
		r.keep(m, p)
	case "message_system_chat_participant":
		if who := appAccount(r.jid(p.number("user_jid_row_id"))); who != "" && len(also.whom) < participantLimit {
			also.whom = append(also.whom, who)
		}
		r.keep(m, p)
	case "message_location":
		place := argus.Location{Latitude: p.text("latitude"), Longitude: p.text("longitude")}
		if place != (argus.Location{}) {
			place.Name = strings.TrimSpace(p.text("place_name") + " " + p.text("place_address"))
			sentPlace(m, place)
		}
		r.keep(m, p)
	case "message_vcard":
		sentVCard(m, p.text("vcard"))
		r.keep(m, p)
	case "message_poll":
		also.poll = true
		r.keep(m, p)
	case "message_poll_option":
		if option := p.text("option_name"); option != "" && len(also.options) < participantLimit {
			also.poll, also.options = true, append(also.options, option)
		}
		r.keep(m, p)
	case "message_media":
		m.Attachments = append(m.Attachments, argus.Attachment{
			Name: cmp.Or(p.text("file_path"), p.text("media_name"), p.text("message_url")), Size: max(0, p.number("file_size")), Type: p.text("mime_type"),
		})
		if caption := p.text("media_caption"); m.Text == "" {
			m.Text = withLineFeeds(caption)
		}
		r.keep(m, p, "file_path", "file_size", "mime_type")
	case "message_quoted":
		m.ReplyTo = p.text("key_id")
		r.keep(m, p, "key_id")
	case "message_revoked":
		m.State |= argus.StateDeleted
		r.keep(m, p)
	case "message_edit_info":
		edited(m, millis(p.number("edited_timestamp")))
		r.keep(m, p)
	case "message_forwarded":
		m.ForwardedFrom = "?"
		r.keep(m, p)
	case "receipt_user":
		who := appAccount(r.jid(p.number("receipt_user_jid_row_id")))
		if m.From == r.owner && len(m.To) == 1 && !m.Received.Known() {
			m.Received, m.Read = millis(p.number("receipt_timestamp")), millis(p.number("read_timestamp"))
		}
		keepExtra(m, p.table+".account", who)
		r.keep(m, p, "receipt_user_jid_row_id")
	case "reaction":
		who := appAccount(r.jid(p.number("sender_jid_row_id")))
		if p.number("from_me") == 1 {
			who = r.owner
		}
		keepExtra(m, "reaction", fmt.Sprintf("%s %s %s", who, millis(p.number("timestamp")), p.text("reaction")))
	default:
		r.keep(m, p)
	}
}

// keep adds what another table says of a message under its names, with the
// accounts that rows of the list of jids stand for.
func (r *whatsappDB) keep(m *argus.Message, p *whatsappDBPart, used ...string) {
	prefix := p.table + "."
	for _, name := range p.names {
		if who := r.jid(p.number(name)); strings.HasSuffix(name, "_jid_row_id") && who != "" && !slices.Contains(used, name) {
			keepExtra(m, prefix+strings.TrimSuffix(name, "_row_id"), appAccount(who))
			used = append(used, name)
		}
	}
	p.keep(m, prefix, append(used, "_id", "message_row_id", "chat_row_id")...)
}

// call reads a row of the list of calls.
func (r *whatsappDB) call(row *databaseRows) *argus.Message {
	m := &argus.Message{}
	fromMe := row.number("from_me") == 1
	r.place(m, whatsappDBChat{jid: r.jid(row.number("jid_row_id"))}, fromMe, "")
	if group := r.jid(row.number("group_jid_row_id")); group != "" {
		m.Conversation = group
	}
	m.ServiceID, m.Sent = row.text("call_id"), millis(row.number("timestamp"))
	c, direction := argus.Call{Direction: "in", Video: row.number("video_call") != 0}, "incoming"
	if fromMe {
		c.Direction, direction = "out", "outgoing"
	}
	c.Seconds = uint64(max(row.number("duration"), 0))
	switch c.Answered = answeredIn(c.Seconds); {
	case row.number("call_result") == 5:
		c.Answered = "yes"
	case c.Seconds == 0 && (row.number("call_result") == 2 || row.number("call_result") == 3):
		c.Answered = "no"
	}
	called(m, c, "call", fmt.Sprintf("%s; duration: %d s; result: %d", direction, row.number("duration"), row.number("call_result")))
	row.keep(m, "", "_id", "jid_row_id", "from_me", "call_id", "timestamp")
	return m
}

// oldSchema reads the one table of before 2022.
func (r *whatsappDB) oldSchema() error {
	subjects := map[string]string{}
	err := r.each("chat_list", "_id", func(row *databaseRows) error {
		if len(subjects) < whatsappDBLimit {
			subjects[row.text("key_remote_jid")] = row.text("subject")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := errors.Join(
		r.each("messages_quotes", "_id", func(row *databaseRows) error {
			if len(r.quoted) < whatsappDBLimit {
				r.quoted[row.number("_id")] = row.text("key_id")
			}
			return nil
		}),
		r.each("group_participants", "_id", func(row *databaseRows) error {
			r.join(row.text("gjid"), row.text("jid"))
			return nil
		}),
	); err != nil {
		return err
	}
	r.rows, r.passed = 0, 0 // of calls
	err = r.each("messages", "_id", func(row *databaseRows) error {
		jid := row.text("key_remote_jid")
		if jid == "-1" || jid == "" {
			r.passed++
			return nil // the placeholder that the table begins with
		}
		m := &argus.Message{}
		fromMe := row.number("key_from_me") == 1
		r.place(m, whatsappDBChat{jid, subjects[jid]}, fromMe, row.text("remote_resource"))
		m.ServiceID, m.Sent = row.text("key_id"), millis(row.number("timestamp"))
		if !fromMe {
			m.Received = millis(row.number("received_timestamp"))
		}
		m.Read = millis(row.number("read_device_timestamp"))
		if data, ok := row.value("data").([]byte); ok {
			m.Text = strings.ToValidUTF8(string(bytes.ToValidUTF8(data, []byte("\uFFFD"))), "\uFFFD")
		} else {
			m.Text = withLineFeeds(row.text("data"))
		}
		kind := row.text("media_wa_type")
		if name := cmp.Or(row.text("media_name"), row.text("media_url")); (name != "" || row.number("media_size") > 0) && kind != "4" && kind != "5" {
			m.Attachments = []argus.Attachment{{Name: name, Size: max(0, row.number("media_size")), Type: row.text("media_mime_type")}}
			if m.Text == "" {
				m.Text = withLineFeeds(row.text("media_caption"))
			}
		}
		m.ReplyTo = r.quoted[row.number("quoted_row_id")]
		if row.number("forwarded") > 0 {
			m.ForwardedFrom = "?"
		}
		if kind == "15" || row.number("edit_version") == 7 {
			m.State |= argus.StateDeleted
		}
		if kind == "5" {
			sentPlace(m, argus.Location{Latitude: row.text("latitude"), Longitude: row.text("longitude"), Name: row.text("media_name")})
		}
		if card := m.Text; kind == "4" {
			if m.Text = ""; sentVCard(m, card) {
				keepExtra(m, "data", card)
			} else {
				m.Text = card
			}
		}
		row.keep(m, "", "_id", "key_remote_jid", "key_from_me", "key_id", "data", "timestamp", "remote_resource", "media_size", "media_mime_type")
		if row.number("status") == 6 {
			// Who did it is not said: key_from_me is 1 in all of them.
			whom := oneOf(appAccount(row.text("remote_resource")))
			m.From, m.FromName, m.To, m.Attachments = "", "", whom, nil
			whatsappEvent(m, row.number("media_size"), whom, m.Text)
		}
		return r.item("messages", row, m)
	})
	if err != nil {
		return err
	}
	return r.states("messages")
}

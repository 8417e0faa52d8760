package reader

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"

	"github.com/argus-evidence/argus"
)

// whatsappdbFormat is described in docs/readers-xml-mail.md.
var whatsappdbFormat = &Format{
	Name:    "whatsapp-db",
	Version: 1,
	About:   "WhatsApp's msgstore.db (Android), of 2022 and later and before, with the names of wa.db beside it",
	Checked: "invented examples only",
	Detect:  detectWhatsAppDB,
	Read:    readWhatsAppDB,
}

func detectWhatsAppDB(s Sample) int {
	if isSQLite(s, "key_remote_jid", "CREATE TABLE jid", "CREATE TABLE message_media") {
		return 95
	}
	return 0
}

// readWhatsAppDB yields one item for each message and each call. Record is the
// number of the row in its table; a row has no place of its own in the file.
func readWhatsAppDB(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r := whatsappDB{in: in, give: yield, owner: cmp.Or(in.Owner, "owner of "+in.Name), jids: map[int64]string{}, lids: map[int64]int64{}, chats: map[int64]whatsappDBChat{}, names: map[string]string{}}
		err := r.read(ctx)
		if bad, ok := errors.AsType[damagedDatabase](err); ok {
			yield(Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errStopped) {
			yield(Item{}, err)
		}
	}
}

// whatsappDBLimit is how many chats, accounts and names are known.
const whatsappDBLimit = 1 << 18

type whatsappDB struct {
	in    Input
	give  func(Item, error) bool
	owner string
	*database
	jids  map[int64]string
	lids  map[int64]int64 // a hidden id's number to the account's
	chats map[int64]whatsappDBChat
	names map[string]string // of accounts, by jid
}

type whatsappDBChat struct{ jid, subject string }

func (r *whatsappDB) read(ctx context.Context) error {
	d, err := openDatabase(ctx, r.in.File, r.in.Size, r.in.maxRecord())
	if err != nil {
		return err
	}
	defer d.close()
	r.database = d
	if err := r.readNames(ctx); err != nil {
		return err
	}
	if problem := logBeside(r.in); problem != "" && !r.give(Item{Problem: problem}, nil) {
		return errStopped
	}
	switch {
	case d.tables["message"] && d.tables["jid"] && d.tables["chat"]:
		err = r.newSchema()
	case d.tables["messages"]:
		err = r.oldSchema()
	default:
		return damagedDatabase{errors.New("want a table of messages, found none")}
	}
	return err
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

// each calls one for each row of a table.
func (d *database) each(table, order string, one func(*databaseRows) error) error {
	rows, err := d.table(table, order)
	if err != nil {
		return d.damage(err)
	}
	defer rows.close()
	for rows.next() {
		if err := one(rows); err != nil {
			return err
		}
	}
	if rows.err != nil {
		return d.damage(rows.err)
	}
	return nil
}

// item gives out what a row says.
func (r *whatsappDB) item(table string, row *databaseRows, m *argus.Message) error {
	item := Item{Message: m, Where: argus.Where{Record: uint64(max(row.number("_id"), 0))}}
	if err := m.Valid(); err != nil {
		item.Message, item.Problem = nil, fmt.Sprintf("row %d of %s: %v", row.number("_id"), table, err)
	}
	if !r.give(item, nil) {
		return errStopped
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
	for _, name := range []string{"message_media", "message_quoted", "message_revoked", "message_edit_info", "message_forwarded", "message_location",
		"message_system", "message_ephemeral", "receipt_user", "message_link", "message_vcard"} {
		rows, err := r.table(name, "message_row_id")
		if err != nil {
			return r.damage(err)
		}
		defer rows.close()
		parts = append(parts, &whatsappDBPart{table: name, databaseRows: rows, key: "message_row_id", more: rows.next()})
	}
	if r.tables["message_add_on"] && r.tables["message_add_on_reaction"] {
		rows, err := r.query(`SELECT +a.parent_message_row_id AS message_row_id, +a.from_me AS from_me, +a.sender_jid_row_id AS sender_jid_row_id, +a.timestamp AS timestamp, +x.reaction AS reaction
			FROM message_add_on a JOIN message_add_on_reaction x ON x.message_add_on_row_id = a._id ORDER BY a.parent_message_row_id`)
		if err != nil {
			return r.damage(err)
		}
		defer rows.close()
		parts = append(parts, &whatsappDBPart{table: "reaction", databaseRows: rows, key: "message_row_id", more: rows.next()})
	}
	err = r.each("message", "_id", func(row *databaseRows) error {
		m, err := r.message(row, parts)
		if err != nil || m == nil {
			return err
		}
		return r.item("message", row, m)
	})
	if bad, ok := errors.AsType[damagedDatabase](err); ok {
		if err = nil; !r.give(Item{Problem: bad.Error()}, nil) {
			return errStopped
		}
	}
	if err != nil {
		return err
	}
	return r.each("call_log", "_id", func(row *databaseRows) error { return r.item("call_log", row, r.call(row)) })
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
	for _, p := range parts {
		for p.more && p.number(p.key) < id {
			p.more = p.next()
		}
		for p.more && p.number(p.key) == id {
			r.part(m, p)
			p.more = p.next()
		}
		if p.err != nil {
			return nil, r.damage(p.err)
		}
	}
	switch row.number("message_type") {
	case 7:
		happened(m, "system", m.Text)
	case 15:
		m.State |= argus.StateDeleted
	}
	return m, nil
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
		m.From = r.owner
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
	if m.From == "" {
		m.State |= argus.StateSystem
	}
}

// part adds what another table says of a message.
func (r *whatsappDB) part(m *argus.Message, p *whatsappDBPart) {
	prefix := p.table + "."
	switch p.table {
	case "message_media":
		m.Attachments = append(m.Attachments, argus.Attachment{
			Name: cmp.Or(p.text("file_path"), p.text("media_name"), p.text("message_url")), Size: max(0, p.number("file_size")), Type: p.text("mime_type"),
		})
		if caption := p.text("media_caption"); m.Text == "" {
			m.Text = caption
		}
		p.keep(m, prefix, "message_row_id", "file_path", "file_size", "mime_type")
	case "message_quoted":
		m.ReplyTo = p.text("key_id")
		p.keep(m, prefix, "message_row_id", "key_id")
	case "message_revoked":
		m.State |= argus.StateDeleted
		p.keep(m, prefix, "message_row_id")
	case "message_edit_info":
		m.State |= argus.StateEdited
		p.keep(m, prefix, "message_row_id")
	case "receipt_user":
		who := appAccount(r.jid(p.number("receipt_user_jid_row_id")))
		if read := millis(p.number("read_timestamp")); read.Known() && !m.Read.Known() && m.From == r.owner && len(m.To) == 1 {
			m.Read = read
		}
		keepExtra(m, prefix+"account", who)
		p.keep(m, prefix, "_id", "message_row_id", "receipt_user_jid_row_id")
	case "reaction":
		who := appAccount(r.jid(p.number("sender_jid_row_id")))
		if p.number("from_me") == 1 {
			who = r.owner
		}
		keepExtra(m, "reaction", fmt.Sprintf("%s %s %s", who, millis(p.number("timestamp")), p.text("reaction")))
	default:
		p.keep(m, prefix, "_id", "message_row_id")
	}
}

// call reads a row of the list of calls.
func (r *whatsappDB) call(row *databaseRows) *argus.Message {
	m := &argus.Message{}
	fromMe := row.number("from_me") == 1
	r.place(m, whatsappDBChat{jid: r.jid(row.number("jid_row_id"))}, fromMe, "")
	m.ServiceID, m.Sent = row.text("call_id"), millis(row.number("timestamp"))
	direction := "incoming"
	if fromMe {
		direction = "outgoing"
	}
	happened(m, "call", fmt.Sprintf("%s; duration: %d s; result: %d", direction, row.number("duration"), row.number("call_result")))
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
	return r.each("messages", "_id", func(row *databaseRows) error {
		jid := row.text("key_remote_jid")
		if jid == "-1" || jid == "" {
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
		if name := cmp.Or(row.text("media_name"), row.text("media_url")); name != "" || row.number("media_size") > 0 {
			m.Attachments = []argus.Attachment{{Name: name, Size: max(0, row.number("media_size")), Type: row.text("media_mime_type")}}
			if m.Text == "" {
				m.Text = row.text("media_caption")
			}
		}
		row.keep(m, "", "_id", "key_remote_jid", "key_from_me", "key_id", "data", "timestamp", "remote_resource", "media_size", "media_mime_type")
		if row.number("status") == 6 {
			happened(m, "system", m.Text)
		}
		return r.item("messages", row, m)
	})
}

package reader

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/argus-evidence/argus"
)

// whatsappiosFormat reads the database of WhatsApp on an iPhone. Apple's Core Data
// names its tables and columns; no description by WhatsApp exists, and the numbers of
// types and events are those on which public readers of it agree.
//
//   - ServiceID: ZSTANZAID, by which the other phone's database knows the message, too.
//   - From: in a group the member (ZGROUPMEMBER), as ZFROMJID names the group there;
//     else the other side. What the phone sent is its owner's, whom the database does
//     not name.
//   - FromName: what the account calls itself (ZWAPROFILEPUSHNAME), else what the
//     owner calls it. ZPUSHNAME of a message is no text in newer databases: Extra.
//   - ReplyTo: field 5 of the protobuf in ZMETADATA. Reactions: field 7 of ZRECEIPTINFO.
//   - ZLATITUDE and ZLONGITUDE are a place in messages of type 5 only; else they are
//     the size of a picture.
//   - A file lies in the folder Message beside the database.
//   - Stated is Z_MAX, how many messages were ever given a number.
var whatsappiosFormat = &Format{
	Name:     "whatsapp-ios",
	Version:  1,
	About:    "WhatsApp's ChatStorage.sqlite (iPhone)",
	Checked:  "invented examples in the tables that public readers name; no database of a real phone",
	OfDevice: true,
	Detect:   detectWhatsAppIOS,
	Read:     readWhatsAppIOS,
}

func detectWhatsAppIOS(s Sample) int {
	if isSQLite(s, "ZWAMESSAGE") {
		return 95
	}
	return 0
}

// readWhatsAppIOS yields one item for each message. Record is the number of its row; a
// row has no place of its own in the file.
func readWhatsAppIOS(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r := whatsappIOS{in: in, owner: cmp.Or(in.Owner, argus.OwnerOf+in.Name),
			chats: map[int64]whatsappIOSChat{}, members: map[int64]string{}, names: map[string]string{}}
		r.give = func(item Item) error {
			if !yield(item, nil) {
				return errEnough
			}
			return nil
		}
		err := r.read(ctx)
		if bad, ok := errors.AsType[damagedDatabase](err); ok {
			yield(Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errEnough) {
			yield(Item{}, err)
		}
	}
}

type whatsappIOS struct {
	in    Input
	give  func(Item) error
	owner string
	*database
	chats   map[int64]whatsappIOSChat
	members map[int64]string  // the account of a member, by its row
	names   map[string]string // what accounts call themselves, else what the owner calls them
	besides uint64            // items that are no rows
}

// whatsappIOSChat is a conversation; members are the accounts of a group.
type whatsappIOSChat struct {
	jid, title string
	members    []string
}

func (r *whatsappIOS) read(ctx context.Context) error {
	d, err := openDatabase(ctx, r.in.File, r.in.Size, r.in.maxRecord())
	if err != nil {
		return err
	}
	defer d.close()
	r.database = d
	for _, problem := range d.lacks(r.in) {
		r.besides++
		if err := r.give(Item{Problem: problem}); err != nil {
			return err
		}
	}
	if !d.tables["ZWAMESSAGE"] || !d.tables["ZWACHATSESSION"] {
		return damagedDatabase{err: errors.New("want a table of messages and one of chats, found none")}
	}
	if err := r.learn(); err != nil {
		return err
	}
	if err := r.messages(); err != nil {
		return err
	}
	return r.states()
}

// learn reads who and where.
func (r *whatsappIOS) learn() error {
	name := func(jid, name string) {
		if name = argus.CleanName(name); name != "" && r.names[jid] == "" && len(r.names) < whatsappDBLimit {
			r.names[jid] = name
		}
	}
	return errors.Join(
		r.each("ZWAPROFILEPUSHNAME", "Z_PK", func(row *databaseRows) error {
			name(row.text("ZJID"), row.text("ZPUSHNAME"))
			return nil
		}),
		r.each("ZWACHATSESSION", "Z_PK", func(row *databaseRows) error {
			jid := row.text("ZCONTACTJID")
			if len(r.chats) < whatsappDBLimit {
				r.chats[row.number("Z_PK")] = whatsappIOSChat{jid: jid, title: argus.CleanName(row.text("ZPARTNERNAME"))}
			}
			if !isGroupID(jid) {
				name(jid, row.text("ZPARTNERNAME"))
			}
			return nil
		}),
		r.each("ZWAGROUPMEMBER", "Z_PK", func(row *databaseRows) error {
			jid := row.text("ZMEMBERJID")
			name(jid, cmp.Or(row.text("ZCONTACTNAME"), row.text("ZFIRSTNAME")))
			if len(r.members) < whatsappDBLimit {
				r.members[row.number("Z_PK")] = jid
			}
			id := row.number("ZCHATSESSION")
			if chat, ok := r.chats[id]; ok && jid != "" && len(chat.members) < participantLimit {
				chat.members = append(chat.members, appAccount(jid))
				r.chats[id] = chat
			}
			return nil
		}),
	)
}

// messages reads the messages, and along with them what other tables say of each.
func (r *whatsappIOS) messages() error {
	var beside []*alongside
	for _, table := range []string{"ZWAMEDIAITEM", "ZWAMESSAGEINFO", "ZWAMESSAGEDATAITEM"} {
		rows := &databaseRows{}
		if r.has(table, "ZMESSAGE") {
			var err error
			if rows, err = r.table(table, "ZMESSAGE"); err != nil {
				return r.damage(err)
			}
		}
		defer rows.close()
		beside = append(beside, &alongside{databaseRows: rows, key: "ZMESSAGE"})
	}
	media, info, links := beside[0], beside[1], beside[2]
	return r.each("ZWAMESSAGE", "Z_PK", func(row *databaseRows) error {
		m := r.message(row)
		id := row.number("Z_PK")
		err := errors.Join(
			media.to(id, func() { r.media(m, media.databaseRows, row.number("ZMESSAGETYPE")) }),
			info.to(id, func() { r.info(m, info.databaseRows) }),
			links.to(id, func() { links.keep(m, "ZWAMESSAGEDATAITEM.", "Z_PK", "Z_ENT", "Z_OPT", "ZMESSAGE") }),
		)
		if err != nil {
			return r.damage(err)
		}
		r.happened(m, row)
		item := Item{Message: m, Where: argus.Where{Record: uint64(max(id, 0))}}
		if err := valid(m); err != nil {
			item.Message, item.Problem = nil, fmt.Sprintf("row %d of ZWAMESSAGE: %v", id, err)
		}
		return r.give(item)
	})
}

// message reads a row.
func (r *whatsappIOS) message(row *databaseRows) *argus.Message {
	m := &argus.Message{Service: cmp.Or(r.in.Service, "whatsapp"), ServiceID: row.text("ZSTANZAID"), Text: withLineFeeds(row.text("ZTEXT"))}
	chat := r.chats[row.number("ZCHATSESSION")]
	jid := cmp.Or(chat.jid, row.text("ZFROMJID"), row.text("ZTOJID"))
	m.Conversation, m.Title = jid, chat.title
	other := ""
	if !isGroupID(jid) && !strings.HasSuffix(jid, "@broadcast") && !strings.HasSuffix(jid, "@newsletter") {
		other = appAccount(jid)
		m.Conversation = argus.DirectConversation(r.owner, other)
	}
	sender, from := r.members[row.number("ZGROUPMEMBER")], row.text("ZFROMJID")
	if other != "" {
		sender = jid
	} else if sender == "" && from != jid {
		sender = from
	}
	if from != jid && from != sender {
		keepExtra(m, "ZFROMJID", from)
	}
	if row.number("ZISFROMME") == 1 {
		m.From = r.owner
		m.To = oneOf(other)
	} else {
		m.From, m.FromName, m.To = appAccount(sender), r.names[sender], []string{r.owner}
	}
	if len(chat.members) > 0 {
		m.To = others(chat.members, m.From)
	}
	m.Sent = coreDataTime(row.value("ZMESSAGEDATE"))
	if row.number("ZFLAGS")&(1<<7) != 0 {
		m.ForwardedFrom = "?"
	}
	used := []string{"Z_PK", "Z_ENT", "Z_OPT", "ZCHATSESSION", "ZMEDIAITEM", "ZMESSAGEINFO", "ZGROUPMEMBER", "ZISFROMME", "ZMESSAGEDATE", "ZSTANZAID", "ZTEXT", "ZSORT", "ZFROMJID", "ZTOJID", "ZDOCID", "ZLASTSESSION"}
	if coreDataTime(row.value("ZSENTDATE")) == m.Sent {
		used = append(used, "ZSENTDATE")
	}
	row.keep(m, "", used...)
	return m
}

// media reads a file, a card or a place, and which message is answered.
func (r *whatsappIOS) media(m *argus.Message, row *databaseRows, kind int64) {
	m.ReplyTo = cmp.Or(m.ReplyTo, protoText(row.value("ZMETADATA"), 5))
	used := []string{"Z_PK", "Z_ENT", "Z_OPT", "ZMESSAGE"}
	card := false
	switch kind {
	case 4:
		for one := range strings.SplitSeq(withLineFeeds(row.text("ZVCARDSTRING")), "END:VCARD") {
			card = strings.TrimSpace(one) != "" && sentVCard(m, strings.TrimLeft(one, " \n,")+"END:VCARD") || card
		}
	case 5:
		latitude, longitude := row.text("ZLATITUDE"), row.text("ZLONGITUDE")
		if latitude != longitude || latitude != "0" && latitude != "" {
			sentPlace(m, argus.Location{Latitude: latitude, Longitude: longitude, Name: row.text("ZTITLE")})
		}
	}
	if file := row.text("ZMEDIALOCALPATH"); file != "" || row.text("ZMEDIAURL") != "" && kind != 7 {
		a := argus.Attachment{Name: row.text("ZMEDIAURL"), Size: max(0, row.number("ZFILESIZE"))}
		if file != "" {
			a.Name = file
			if !strings.HasPrefix(file, "Message/") {
				a.Name = "Message/" + strings.TrimPrefix(file, "/")
			}
		}
		if kind != 4 && strings.Contains(row.text("ZVCARDSTRING"), "/") {
			a.Type = row.text("ZVCARDSTRING") // where files have their media type
			used = append(used, "ZVCARDSTRING")
		}
		m.Attachments = append(m.Attachments, a)
	}
	if m.Text == "" && !card {
		m.Text = withLineFeeds(row.text("ZTITLE"))
	}
	row.keep(m, "ZWAMEDIAITEM.", used...)
}

// info reads the signs that were put to a message: field 7 holds in 1 those of others,
// with who (2), sign (3) and when (4), and in 2 the owner's, with sign (2) and when (3).
func (r *whatsappIOS) info(m *argus.Message, row *databaseRows) {
	blob, _ := row.value("ZRECEIPTINFO").([]byte)
	for number, signs := range protoFields(blob) {
		if number != 7 {
			continue
		}
		for whose, sign := range protoFields(signs) {
			switch whose {
			case 1:
				keepExtra(m, "reaction", strings.TrimSpace(appAccount(protoText(sign, 2))+" "+protoText(sign, 3)))
			case 2:
				keepExtra(m, "reaction", strings.TrimSpace(r.owner+" "+protoText(sign, 2)))
			}
		}
	}
	row.keep(m, "ZWAMESSAGEINFO.", "Z_PK", "Z_ENT", "Z_OPT", "ZMESSAGE")
}

// whatsappIOSEvents are the numbers of what happens in a group (type 6).
var whatsappIOSEvents = map[int64]string{
	1: "subject", 2: "join", 3: "leave", 4: "picture", 5: "picture removed", 7: "remove", 10: "promote", 12: "create", 50: "add",
}

// happened makes what the service recorded: events in a group, whose member is whom
// they are about, calls that nobody took, and notices.
func (r *whatsappIOS) happened(m *argus.Message, row *databaseRows) {
	event, text := row.number("ZGROUPEVENTTYPE"), m.Text
	switch row.number("ZMESSAGETYPE") {
	case 6:
		word := whatsappIOSEvents[event]
		told := strings.TrimPrefix(word+": "+text, ": ")
		if text == "" {
			told = word
		}
		whom := oneOf(appAccount(r.members[row.number("ZGROUPMEMBER")]))
		m.From, m.FromName, m.To = "", "", whom
		switch event {
		case 1:
			renamed(m, text, "system", told)
		case 2, 3, 7, 10, 12, 50:
			joined(m, word, whom, "system", told)
		default:
			notice(m, "system", told)
		}
	case 10:
		switch event {
		case 1, 4, 22:
			called(m, argus.Call{Answered: "no", Video: event != 1, Direction: "in"}, "call", "missed")
		default:
			m.From, m.FromName = "", ""
			notice(m, "system", text)
		}
	case 12:
		m.From, m.FromName = "", ""
		notice(m, "system", text)
	case 14:
		m.State |= argus.StateDeleted
	}
}

// states gives out how many messages ever had a number.
func (r *whatsappIOS) states() error {
	if !r.tables["Z_PRIMARYKEY"] {
		return nil
	}
	rows, err := r.query(`SELECT Z_MAX FROM Z_PRIMARYKEY WHERE Z_NAME = 'WAMessage'`)
	if err != nil {
		return nil // of another form: what is damaged shows in the tables
	}
	defer rows.close()
	if !rows.next() || rows.number("Z_MAX") < 0 {
		return nil
	}
	return r.give(Item{Stated: &argus.Stated{What: "Z_MAX of WAMessage", Count: uint64(rows.number("Z_MAX")), Besides: r.besides}})
}

// coreDataTime reads seconds since 2001, with a fraction or without.
func coreDataTime(value any) argus.Time {
	const epoch = 978307200
	seconds, ok := value.(float64)
	if n, whole := value.(int64); whole {
		seconds, ok = float64(n), true
	}
	if !ok || !(seconds > 0 && seconds < 1e10) {
		return argus.Time{}
	}
	t := argus.Time{Micros: int64(math.Round((seconds+epoch)*1e3)) * 1e3, Precision: argus.Milli}
	if t.Micros%1e6 == 0 {
		t.Precision = argus.Second
	}
	return t
}

// protoFields yields the fields of a protobuf message that are bytes, with their
// numbers, until something in it is none.
func protoFields(b []byte) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		for len(b) > 0 {
			tag, n := binary.Uvarint(b)
			if n <= 0 {
				return
			}
			b = b[n:]
			var size uint64
			switch tag & 7 {
			case 0:
				if _, n = binary.Uvarint(b); n <= 0 {
					return
				}
				size = uint64(n)
			case 1:
				size = 8
			case 2:
				if size, n = binary.Uvarint(b); n <= 0 {
					return
				}
				b = b[n:]
			case 5:
				size = 4
			default:
				return
			}
			if size > uint64(len(b)) {
				return
			}
			if tag&7 == 2 && !yield(tag>>3, b[:size]) {
				return
			}
			b = b[size:]
		}
	}
}

// protoText returns a field of a protobuf message if it is text without control
// characters, which bytes and messages hardly are.
func protoText(value any, number uint64) string {
	b, _ := value.([]byte)
	for n, field := range protoFields(b) {
		if text := string(field); n == number && strings.ToValidUTF8(text, "") == text &&
			!slices.ContainsFunc([]byte(text), func(c byte) bool { return c < ' ' }) {
			return text
		}
	}
	return ""
}

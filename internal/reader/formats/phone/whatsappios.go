package phone

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
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/sqlitedoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// WhatsAppIOS reads the database of WhatsApp on an iPhone. Apple's Core Data names its tables
// and columns; WhatsApp has published no description, and the numbers of types and events are
// those on which public readers of it agree.
//
//   - ServiceID: ZSTANZAID, which the message also has in the other phone's database.
//   - From: in a group the member (ZGROUPMEMBER), as ZFROMJID names the group there;
//     otherwise the other side. Messages from the phone are its owner's, whom the
//     database does not name.
//   - FromName: the account's own name (ZWAPROFILEPUSHNAME), otherwise the owner's name
//     for it. ZPUSHNAME of a message is not text in newer databases: Extra.
//   - ReplyTo: field 5 of the protobuf in ZMETADATA. Reactions: field 7 of ZRECEIPTINFO.
//   - ZLATITUDE and ZLONGITUDE are a place only in messages of type 5; in others they are
//     the size of a picture.
//   - A file is in the folder Message next to the database.
//   - Stated is Z_MAX, the number of messages that have ever been numbered.
var WhatsAppIOS = &reader.Format{
	Name:     "whatsapp-ios",
	Version:  2,
	About:    "WhatsApp's ChatStorage.sqlite (iPhone)",
	Checked:  "invented examples in the tables that public readers name; no database of a real phone",
	OfDevice: true,
	Kept: []string{
		"ZCHILDMESSAGESDELIVEREDCOUNT", "ZCHILDMESSAGESPLAYEDCOUNT", "ZCHILDMESSAGESREADCOUNT", "ZDATAITEMVERSION", "ZENCRETRYCOUNT",
		"ZFILTEREDRECIPIENTCOUNT", "ZFLAGS", "ZFROMJID", "ZGROUPEVENTTYPE", "ZMEDIASECTIONID", "ZMESSAGEERRORSTATUS", "ZMESSAGESTATUS", "ZMESSAGETYPE",
		"ZPARENTMESSAGE", "ZPHASH", "ZPUSHNAME", "ZSENTDATE", "ZSPOTLIGHTSTATUS", "ZSTARRED", "ZTOJID", "ZWAMEDIAITEM.ZASPECTRATIO",
		"ZWAMEDIAITEM.ZAUTHORNAME", "ZWAMEDIAITEM.ZCLOUDSTATUS", "ZWAMEDIAITEM.ZCOLLECTIONNAME", "ZWAMEDIAITEM.ZFILESIZE", "ZWAMEDIAITEM.ZHACCURACY",
		"ZWAMEDIAITEM.ZLATITUDE", "ZWAMEDIAITEM.ZLONGITUDE", "ZWAMEDIAITEM.ZMEDIAKEY", "ZWAMEDIAITEM.ZMEDIAKEYTIMESTAMP", "ZWAMEDIAITEM.ZMEDIALOCALPATH",
		"ZWAMEDIAITEM.ZMEDIAORIGIN", "ZWAMEDIAITEM.ZMEDIAURL", "ZWAMEDIAITEM.ZMEDIAURLDATE", "ZWAMEDIAITEM.ZMETADATA", "ZWAMEDIAITEM.ZMOVIEDURATION",
		"ZWAMEDIAITEM.ZORIGIN", "ZWAMEDIAITEM.ZTHUMBNAILLOCALPATH", "ZWAMEDIAITEM.ZTITLE", "ZWAMEDIAITEM.ZVCARDNAME", "ZWAMEDIAITEM.ZVCARDSTRING",
		"ZWAMEDIAITEM.ZXMPPTHUMBPATH", "ZWAMESSAGEDATAITEM.ZCHATJID", "ZWAMESSAGEDATAITEM.ZCONTENT1", "ZWAMESSAGEDATAITEM.ZCONTENT2",
		"ZWAMESSAGEDATAITEM.ZDATE", "ZWAMESSAGEDATAITEM.ZINDEX", "ZWAMESSAGEDATAITEM.ZMATCHEDTEXT", "ZWAMESSAGEDATAITEM.ZOWNSTHUMBNAIL",
		"ZWAMESSAGEDATAITEM.ZSECTIONID", "ZWAMESSAGEDATAITEM.ZSENDERJID", "ZWAMESSAGEDATAITEM.ZSUMMARY", "ZWAMESSAGEDATAITEM.ZTHUMBNAILPATH",
		"ZWAMESSAGEDATAITEM.ZTITLE", "ZWAMESSAGEDATAITEM.ZTYPE", "ZWAMESSAGEINFO.ZRECEIPTINFO", "reaction",
	},
	Detect: detectWhatsAppIOS,
	Read:   readWhatsAppIOS,
}

func detectWhatsAppIOS(s reader.Sample) int {
	if sqlitedoc.Mentions(s, "ZWAMESSAGE") {
		return 95
	}
	return 0
}

// readWhatsAppIOS yields one item for each message. Record is the number of its row; a row has
// no position of its own in the file.
func readWhatsAppIOS(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		r := whatsappIOS{in: in, owner: cmp.Or(in.Owner, argus.OwnerOf+in.Name),
			chats: map[int64]whatsappIOSChat{}, members: map[int64]string{}, names: map[string]string{}}
		r.give = func(item reader.Item) error {
			if !yield(item, nil) {
				return errEnough
			}
			return nil
		}
		err := r.read(ctx)
		if bad, ok := errors.AsType[sqlitedoc.Damaged](err); ok {
			yield(reader.Item{Problem: bad.Error()}, nil)
		} else if err != nil && !errors.Is(err, errEnough) {
			yield(reader.Item{}, err)
		}
	}
}

type whatsappIOS struct {
	in    reader.Input
	give  func(reader.Item) error
	owner string
	*sqlitedoc.Database
	chats   map[int64]whatsappIOSChat
	members map[int64]string  // the account of a member, by its row
	names   map[string]string // the accounts' own names, otherwise the owner's names for them
	besides uint64            // items that are not rows
}

// whatsappIOSChat is a conversation; members are the accounts of a group.
type whatsappIOSChat struct {
	jid, title string
	members    []string
}

func (r *whatsappIOS) read(ctx context.Context) error {
	d, err := sqlitedoc.Open(ctx, r.in.File, r.in.Size, r.in.RecordLimit())
	if err != nil {
		return err
	}
	defer d.Close()
	r.Database = d
	for _, problem := range d.Lacks(r.in) {
		r.besides++
		if err := r.give(reader.Item{Problem: problem}); err != nil {
			return err
		}
	}
	if !d.Tables["ZWAMESSAGE"] || !d.Tables["ZWACHATSESSION"] {
		return sqlitedoc.Damaged{Err: errors.New("want a table of messages and one of chats, found none")}
	}
	if err := r.learn(); err != nil {
		return err
	}
	if err := r.messages(); err != nil {
		return err
	}
	if err := r.states(); err != nil {
		return err
	}
	if item, ok := d.Left(nil); ok {
		return r.give(item)
	}
	return nil
}

// learn reads the accounts and conversations.
func (r *whatsappIOS) learn() error {
	name := func(jid, name string) {
		if name = argus.CleanName(name); name != "" && r.names[jid] == "" && len(r.names) < whatsappDBLimit {
			r.names[jid] = name
		}
	}
	return errors.Join(
		r.Each("ZWAPROFILEPUSHNAME", "Z_PK", func(row *sqlitedoc.Rows) error {
			name(row.Text("ZJID"), row.Text("ZPUSHNAME"))
			return nil
		}),
		r.Each("ZWACHATSESSION", "Z_PK", func(row *sqlitedoc.Rows) error {
			jid := row.Text("ZCONTACTJID")
			if len(r.chats) < whatsappDBLimit {
				r.chats[row.Number("Z_PK")] = whatsappIOSChat{jid: jid, title: argus.CleanName(row.Text("ZPARTNERNAME"))}
			}
			if !build.IsGroupID(jid) {
				name(jid, row.Text("ZPARTNERNAME"))
			}
			return nil
		}),
		r.Each("ZWAGROUPMEMBER", "Z_PK", func(row *sqlitedoc.Rows) error {
			jid := row.Text("ZMEMBERJID")
			name(jid, cmp.Or(row.Text("ZCONTACTNAME"), row.Text("ZFIRSTNAME")))
			if len(r.members) < whatsappDBLimit {
				r.members[row.Number("Z_PK")] = jid
			}
			id := row.Number("ZCHATSESSION")
			if chat, ok := r.chats[id]; ok && jid != "" && len(chat.members) < build.ParticipantLimit {
				chat.members = append(chat.members, build.AppAccount(jid))
				r.chats[id] = chat
			}
			return nil
		}),
	)
}

// messages reads the messages, along with the data of other tables about each.
func (r *whatsappIOS) messages() error {
	var beside []*alongside
	for _, table := range []string{"ZWAMEDIAITEM", "ZWAMESSAGEINFO", "ZWAMESSAGEDATAITEM"} {
		rows := &sqlitedoc.Rows{}
		if r.Has(table, "ZMESSAGE") {
			var err error
			if rows, err = r.Table(table, "ZMESSAGE"); err != nil {
				return r.Damage(err)
			}
		}
		defer rows.Close()
		beside = append(beside, &alongside{Rows: rows, key: "ZMESSAGE"})
	}
	media, info, links := beside[0], beside[1], beside[2]
	err := r.Each("ZWAMESSAGE", "Z_PK", func(row *sqlitedoc.Rows) error {
		m := r.message(row)
		id := row.Number("Z_PK")
		err := errors.Join(
			media.to(id, func() { r.media(m, media.Rows, row.Number("ZMESSAGETYPE")) }),
			info.to(id, func() { r.info(m, info.Rows) }),
			links.to(id, func() { links.Keep(m, "ZWAMESSAGEDATAITEM.", "Z_PK", "Z_ENT", "Z_OPT", "ZMESSAGE") }),
		)
		if err != nil {
			return r.Damage(err)
		}
		r.happened(m, row)
		item := reader.Item{Message: m, Where: argus.Where{Record: uint64(max(id, 0))}}
		if err := build.Valid(m); err != nil {
			item.Message, item.Problem = nil, fmt.Sprintf("row %d of ZWAMESSAGE: %v", id, err)
		}
		return r.give(item)
	})
	if err == nil {
		r.Orphans("ZWAMEDIAITEM", media.Rows, media.rest())
		r.Orphans("ZWAMESSAGEINFO", info.Rows, info.rest())
		r.Orphans("ZWAMESSAGEDATAITEM", links.Rows, links.rest())
	}
	return err
}

// message reads a row.
func (r *whatsappIOS) message(row *sqlitedoc.Rows) *argus.Message {
	m := &argus.Message{Service: cmp.Or(r.in.Service, "whatsapp"), ServiceID: row.Text("ZSTANZAID"), Text: textdoc.LineFeeds(row.Text("ZTEXT"))}
	chat, known := r.chats[row.Number("ZCHATSESSION")]
	rowNames(m, row, "ZCHATSESSION", known)
	rowNames(m, row, "ZGROUPMEMBER", r.members[row.Number("ZGROUPMEMBER")] != "")
	jid := cmp.Or(chat.jid, row.Text("ZFROMJID"), row.Text("ZTOJID"))
	m.Conversation, m.Title = jid, chat.title
	other := ""
	if !build.IsGroupID(jid) && !strings.HasSuffix(jid, "@broadcast") && !strings.HasSuffix(jid, "@newsletter") {
		other = build.AppAccount(jid)
		m.Conversation = argus.DirectConversation(r.owner, other)
	}
	sender, from := r.members[row.Number("ZGROUPMEMBER")], row.Text("ZFROMJID")
	if other != "" {
		sender = jid
	} else if sender == "" && from != jid {
		sender = from
	}
	if from != jid && from != sender {
		build.KeepExtra(m, "ZFROMJID", from)
	}
	if row.Number("ZISFROMME") == 1 {
		m.From = r.owner
		m.To = build.OneOf(other)
	} else {
		m.From, m.FromName, m.To = build.AppAccount(sender), r.names[sender], []string{r.owner}
	}
	if len(chat.members) > 0 {
		m.To = build.Others(chat.members, m.From)
	}
	m.Sent = rowTime(m, row, "ZMESSAGEDATE", func(int64) argus.Time { return coreDataTime(row.Value("ZMESSAGEDATE")) })
	if row.Number("ZFLAGS")&(1<<7) != 0 {
		m.ForwardedFrom = "?"
	}
	used := []string{"Z_PK", "Z_ENT", "Z_OPT", "ZCHATSESSION", "ZMEDIAITEM", "ZMESSAGEINFO", "ZGROUPMEMBER", "ZISFROMME", "ZMESSAGEDATE", "ZSTANZAID", "ZTEXT", "ZSORT", "ZFROMJID", "ZTOJID", "ZDOCID", "ZLASTSESSION"}
	if coreDataTime(row.Value("ZSENTDATE")) == m.Sent {
		used = append(used, "ZSENTDATE")
	}
	row.Keep(m, "", used...)
	return m
}

// media reads a file, a card or a place, and the message that is answered.
func (r *whatsappIOS) media(m *argus.Message, row *sqlitedoc.Rows, kind int64) {
	m.ReplyTo = cmp.Or(m.ReplyTo, protoText(row.Value("ZMETADATA"), 5))
	used := []string{"Z_PK", "Z_ENT", "Z_OPT", "ZMESSAGE"}
	card := false
	switch kind {
	case 4:
		for one := range strings.SplitSeq(textdoc.LineFeeds(row.Text("ZVCARDSTRING")), "END:VCARD") {
			card = strings.TrimSpace(one) != "" && sentVCard(m, strings.TrimLeft(one, " \n,")+"END:VCARD") || card
		}
	case 5:
		latitude, longitude := row.Text("ZLATITUDE"), row.Text("ZLONGITUDE")
		if latitude != longitude || latitude != "0" && latitude != "" {
			build.SentPlace(m, argus.Location{Latitude: latitude, Longitude: longitude, Name: row.Text("ZTITLE")})
		}
	}
	if file := row.Text("ZMEDIALOCALPATH"); file != "" || row.Text("ZMEDIAURL") != "" && kind != 7 {
		a := argus.Attachment{Name: row.Text("ZMEDIAURL"), Size: max(0, row.Number("ZFILESIZE"))}
		if file != "" {
			a.Name = file
			if !strings.HasPrefix(file, "Message/") {
				a.Name = "Message/" + strings.TrimPrefix(file, "/")
			}
		}
		if kind != 4 && strings.Contains(row.Text("ZVCARDSTRING"), "/") {
			a.Type = row.Text("ZVCARDSTRING") // the media type, for files
			used = append(used, "ZVCARDSTRING")
		}
		m.Attachments = append(m.Attachments, a)
	}
	if m.Text == "" && !card {
		m.Text = textdoc.LineFeeds(row.Text("ZTITLE"))
	}
	row.Keep(m, "ZWAMEDIAITEM.", used...)
}

// info reads the reactions to a message: field 7 holds the reactions of others in 1, with
// the person (2), the sign (3) and the time (4), and the owner's in 2, with the sign (2) and
// the time (3).
func (r *whatsappIOS) info(m *argus.Message, row *sqlitedoc.Rows) {
	blob, _ := row.Value("ZRECEIPTINFO").([]byte)
	for number, signs := range protoFields(blob) {
		if number != 7 {
			continue
		}
		for whose, sign := range protoFields(signs) {
			switch whose {
			case 1:
				build.KeepExtra(m, "reaction", strings.TrimSpace(build.AppAccount(protoText(sign, 2))+" "+protoText(sign, 3)))
			case 2:
				build.KeepExtra(m, "reaction", strings.TrimSpace(r.owner+" "+protoText(sign, 2)))
			}
		}
	}
	row.Keep(m, "ZWAMESSAGEINFO.", "Z_PK", "Z_ENT", "Z_OPT", "ZMESSAGE")
}

// whatsappIOSEvents are the numbers of events in a group (type 6).
var whatsappIOSEvents = map[int64]string{
	1: "subject", 2: "join", 3: "leave", 4: "picture", 5: "picture removed", 7: "remove", 10: "promote", 12: "create", 50: "add",
}

// happened makes an event of the service: events in a group (with the member as object),
// unanswered calls, and notices.
func (r *whatsappIOS) happened(m *argus.Message, row *sqlitedoc.Rows) {
	event, text := row.Number("ZGROUPEVENTTYPE"), m.Text
	switch row.Number("ZMESSAGETYPE") {
	case 6:
		word := whatsappIOSEvents[event]
		told := strings.TrimPrefix(word+": "+text, ": ")
		if text == "" {
			told = word
		}
		whom := build.OneOf(build.AppAccount(r.members[row.Number("ZGROUPMEMBER")]))
		m.From, m.FromName, m.To = "", "", whom
		switch event {
		case 1:
			build.Renamed(m, text, "system", told)
		case 2, 3, 7, 10, 12, 50:
			build.Joined(m, word, whom, "system", told)
		default:
			build.Notice(m, "system", told)
		}
	case 10:
		switch event {
		case 1, 4, 22:
			build.Called(m, argus.Call{Answered: "no", Video: event != 1, Direction: "in"}, "call", "missed")
		default:
			m.From, m.FromName = "", ""
			build.Notice(m, "system", text)
		}
	case 12:
		m.From, m.FromName = "", ""
		build.Notice(m, "system", text)
	case 14:
		m.State |= argus.StateDeleted
	}
}

// states yields the number of messages that have ever been numbered.
func (r *whatsappIOS) states() error {
	if !r.Tables["Z_PRIMARYKEY"] {
		return nil
	}
	rows, err := r.Query(`SELECT Z_MAX FROM Z_PRIMARYKEY WHERE Z_NAME = 'WAMessage'`)
	if err != nil {
		return nil // the table has another form: any damage shows in the tables themselves
	}
	defer rows.Close()
	if !rows.Next() || rows.Number("Z_MAX") < 0 {
		return nil
	}
	return r.give(reader.Item{Stated: &argus.Stated{What: "Z_MAX of WAMessage", Count: uint64(rows.Number("Z_MAX")), Besides: r.besides}})
}

// coreDataTime reads seconds since 2001, with or without a fraction.
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

// protoFields yields the byte fields of a protobuf message, with their numbers, up to the
// first error.
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

// protoText returns a field of a protobuf message if it is text without control characters,
// which bytes and messages hardly ever are.
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

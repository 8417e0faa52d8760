// Package report reads what forensic and interception systems report, and what Argus
// writes itself.
package report

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/xmldoc"
)

// UFDR is described in docs/readers-xml-mail.md.
var UFDR = &reader.Format{
	Name:     "ufdr",
	Version:  5,
	About:    "Cellebrite's report.xml, alone or in a .ufdr archive with its files",
	Checked:  "a chat and two accounts as IPED keeps them of real reports, 11 of 11 messages with their 6 files, and 2 of 2; whole reports: invented examples only",
	OfDevice: true,
	Kept: []string{
		"Account", "ActivityLog.*", "AdditionalInfo.*", "Address", "Addresses.*", "AllTimeStamps.*", "Attachment.*", "Attachments.*", "Case number",
		"Case number.fieldType", "Category", "Cell*", "ChatType", "Confidence", "CountryCode", "DateDelivered", "DateDelivered.*", "DateRead", "DateRead.*",
		"Description", "DeviceInfo*", "Direction", "Duration", "Elevation", "Email*", "EmbeddedInstantMessage.*", "EndTime", "EndTime.*", "Entries.*",
		"Entry*", "Examiner", "Folder", "ForwardedMessageData.*", "From.*", "Group", "HasAttachments", "Id", "Identifier", "InteractionStatuses",
		"IsLocationSharing", "IsPhoneOwner", "IsRecoveredModel", "JumpTargetId", "Label", "Labels", "LastActivity", "LastActivity.*", "Map",
		"MessageExtraData.*", "MessageLabels.*", "Name", "NetworkCode", "NetworkName", "Notes.*", "Organizations.*", "Participants.*", "Parties.*",
		"Password", "Phone*", "Photos.*", "Platform", "Position*", "Precision", "Priority", "Profile*", "ReplyMessageData.*", "SMSC", "SelfDestructDuration",
		"ServerAddress", "ServiceIdentifier", "ServiceType", "SharedContacts.*", "Source", "SourceApplication", "SourceFile", "StartTime", "StartTime.*",
		"Status", "Subject", "TimeContacted", "TimeCreated", "TimeCreated.*", "TimeStamp.*", "TimesContacted", "To.*", "Type", "User ID*", "UserID*",
		"UserMapping", "Username", "VideoCall", "WebAddress*", "containsGarbage", "decoding_confidence", "deleted_state", "extractionId", "extractionType",
		"id", "isrelated", "jumptargets", "licenseID", "name", "name of *", "reportVersion", "role of *", "section", "source", "sourceExtraction", "type",
	},
	Detect: detectUFDR,
	Read:   readUFDR,
}

const ufdrNamespace = "http://pa.cellebrite.com/report/2.0"

func detectUFDR(s reader.Sample) int {
	root := xmldoc.Root(s)
	switch {
	case (root.Name == "model" || root.Name == "modelType") && root.Attr("type") != "" && bytes.Contains(s.Text, []byte("<field name=")):
		return 80 // a part of a report, without the elements around it
	case root.Name != "project":
		return 0
	case root.Attr("xmlns") == ufdrNamespace:
		return 95
	case bytes.Contains(s.Text, []byte("<decodedData")) || bytes.Contains(s.Text, []byte("<sourceExtractions")):
		return 80
	}
	return 0
}

// ufdrRecords are the models that are read as a whole.
var ufdrRecords = []string{"InstantMessage", "SMS", "MMS", "Email", "Call", "Contact", "UserAccount", "Location"}

// beginsUFDR recognises a chat, or a model that is read.
func beginsUFDR(tag []byte) bool {
	if !bytes.HasPrefix(tag, []byte("<model ")) {
		return false
	}
	end, _, err := xmldoc.Markup(tag)
	if err != nil {
		return false
	}
	kind := (&xmldoc.Tag{Raw: tag[:end]}).Element().Attr("type")
	return kind == "Chat" || slices.Contains(ufdrRecords, kind)
}

// Limits of a report.
const (
	// ufdrSeen is the number of remembered messages in chats that they do not name themselves.
	// A copy outside the chat gets its conversation from them.
	ufdrSeen = 1 << 20
	// ufdrAccounts is the maximum number of participants of a chat that become accounts.
	ufdrAccounts = 4096
	// ufdrOwners is the maximum number of remembered accounts of the device's owner.
	ufdrOwners = 256
	// ufdrTypes is the maximum number of counted types of models that are not read.
	ufdrTypes = 256
)

// ufdrReport is the state of reading a report.
type ufdrReport struct {
	*xmldoc.File
	in reader.Input
	// project is the report's own id.
	project string
	// chat is the current chat, or nil outside a chat; its direct children are at depth
	// inChat.
	chat   *ufdrChat
	inChat int
	// held is a problem that waits until the chat's own message has been yielded.
	held *reader.Item
	// ahead is the number of bytes read ahead, to find the fields of a chat after its
	// messages.
	ahead int64
	// seen maps messages that do not name their chat to its index in chats.
	seen  map[[16]byte]uint32
	chats []ufdrPlace
	// owners are the known accounts of the device's owner.
	owners ufdrOwned
	// within is the current list, decodedData or taggedFiles; about counts the report's
	// statements about itself.
	within string
	about  uint64
	// other counts the files and the models of types that are not read.
	other map[string]int
	said  bool // they have been reported
}

// ufdrPlace is a chat with seen messages; owned means that the device's owner takes part.
type ufdrPlace struct {
	conversation string
	owned        bool
}

// ufdrOwned are accounts of the device's owner.
type ufdrOwned map[string]bool

// add remembers a participant if the report marks it as the owner.
func (o ufdrOwned) add(p ufdrAccount) {
	if p.owner && p.account != "" && len(o) < ufdrOwners {
		o[strings.Clone(p.account)] = true
	}
}

// any reports whether one of the accounts is the owner's.
func (o ufdrOwned) any(accounts []string) bool {
	return slices.ContainsFunc(accounts, func(a string) bool { return o[a] })
}

// ufdrChat is the information that a chat gives about its messages.
type ufdrChat struct {
	*argus.Message // the chat's own, without Where
	// at is the start of the part that has not been yielded.
	at       int64
	id       string
	accounts []string
	group    bool
	owners   ufdrOwned // of the report
	owner    string    // the owner the owner of the device, if the report gives no account of the owner
	// given means that the message has been yielded once; size is the length in bytes of the
	// fields that have not been yielded.
	given bool
	size  int
}

// readUFDR yields one item for each chat, message, call, contact and account, and for each
// damaged stretch.
func readUFDR(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		r := ufdrReport{File: xmldoc.NewFile(ctx, in, beginsUFDR), in: in, seen: map[[16]byte]uint32{}, owners: ufdrOwned{}, other: map[string]int{}}
		if in.Owner != "" {
			r.owners[in.Owner] = true
		}
		for {
			item, atEnd, err := r.next()
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if (item.Message != nil || item.Problem != "") && !yield(item, nil) || atEnd {
				return
			}
		}
	}
}

// next returns the next item, which may be empty, and whether the file ended. The fields of a
// chat precede a problem in it. The damage may hide the end of a chat, so nothing after it
// belongs to the chat.
func (r *ufdrReport) next() (reader.Item, bool, error) {
	if r.held != nil {
		item := *r.held
		r.held = nil
		return item, false, nil
	}
	damages := r.Damages
	item, atEnd, err := r.read()
	if r.Damages > damages {
		r.within = "" // its end may be in the damage
	}
	if r.chat == nil || err != nil || item.Problem == "" {
		return item, atEnd, err
	}
	chat := r.chatItem(item.Where.Offset)
	if r.Damages > damages {
		r.chat = nil
	}
	if chat.Where.Record == 0 {
		return item, false, nil
	}
	chat.Where.Record, item.Where.Record = item.Where.Record, chat.Where.Record
	r.held = &item
	return chat, false, nil
}

func (r *ufdrReport) read() (item reader.Item, atEnd bool, err error) {
	tag, err := r.File.Next()
	switch {
	case err != nil:
		return reader.Item{}, false, err
	case tag.Problem != "":
		item, err = r.Resume(tag.Problem)
		return item, false, err
	case tag.Kind == xmldoc.None && r.chat != nil:
		item = r.chatItem(r.At)
		r.chat = nil
		return item, false, nil
	case tag.Kind == xmldoc.None && len(r.other) > 0 && !r.said:
		r.said = true
		return r.Remark(r.notRead()), false, nil
	case tag.Kind == xmldoc.None && r.Records == r.about && len(r.other) == 0 && r.At > 0:
		return r.Remark("want records, found a document without any"), true, nil
	case tag.Kind == xmldoc.None:
		return r.CutOff(), true, nil
	case r.chat != nil && r.Depth == r.inChat:
		item, err = r.chatPart(tag)
		return item, false, err
	case tag.Kind == xmldoc.Close:
		if string(tag.Name) == r.within {
			r.within = ""
		}
	case r.within == "" && slices.Contains(ufdrAbout, string(tag.Name)):
		item, err = r.File.Item(r.aboutMessage)
		if item.Message != nil {
			r.about++
		}
		return item, false, err
	case string(tag.Name) == "project":
		r.project = tag.Element().Attr("id")
		return r.aboutProject(tag), false, nil
	case tag.Kind == xmldoc.Open && (string(tag.Name) == "taggedFiles" || string(tag.Name) == "decodedData"):
		r.within = string(tag.Name)
	case r.within == "taggedFiles" && string(tag.Name) == "file":
		r.other["taggedFiles/file"]++
	case string(tag.Name) == "model":
		kind := tag.Element().Attr("type")
		if slices.Contains(ufdrRecords, kind) {
			item, err = r.File.Item(func(e *xmldoc.Element) (*argus.Message, error) { return r.message(kind, e) })
			return item, false, err
		}
		if kind == "Chat" && tag.Kind == xmldoc.Open {
			r.begin(tag)
		} else if len(r.other) < ufdrTypes || r.other[kind] > 0 {
			if kind != "Chat" {
				r.other[strings.Clone(kind)]++
			}
		}
	}
	r.Pass(tag)
	return item, false, nil
}

// ufdrAbout are the elements in which a report describes itself: the device, each extraction,
// whose id messages name as extractionId, and the case.
var ufdrAbout = []string{"metadata", "extractionInfo", "caseInformation"}

// aboutMessage makes a record of the report's description of itself, a device or a notice,
// from attributes and from the elements inside, by their names. The record has no sender. An
// id alone makes no record.
func (r *ufdrReport) aboutMessage(e *xmldoc.Element) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(r.in.Service, "ufdr"), Conversation: "report", Title: "report", ConversationReach: argus.ReachExport}
	lines, said := []string{e.Attr("section")}, false
	keep := func(name, value string) {
		if value != "" {
			build.KeepExtra(m, name, value)
			lines, said = append(lines, name+": "+value), said || name != "id"
		}
	}
	for _, a := range e.Attrs {
		if a.Name == "section" {
			build.KeepExtra(m, a.Name, a.Value)
		} else if !strings.HasPrefix(a.Name, "xmlns") {
			keep(a.Name, a.Value)
		}
	}
	for i := range e.Inside {
		field := &e.Inside[i]
		name := cmp.Or(field.Attr("name"), field.Name)
		if len(field.Inside) > 0 {
			keep(name, field.Raw)
			continue
		}
		keep(name, field.Value())
		for _, a := range field.Attrs {
			if a.Name != "name" && a.Name != "id" {
				build.KeepExtra(m, name+"."+a.Name, a.Value)
			}
		}
	}
	if !said {
		return nil, nil
	}
	told := strings.TrimPrefix(strings.Join(lines, "\n"), "\n")
	if device := ufdrDevice(m.Extra); device != nil {
		build.Happened(m, argus.TypeDevice, argus.Facts{Device: device}, e.Name, told)
	} else {
		build.Notice(m, e.Name, told)
	}
	return m, build.Valid(m)
}

// ufdrDevice returns the device in a report's description of itself, or nil if there is
// none.
func ufdrDevice(about []argus.Field) *argus.Device {
	d := &argus.Device{}
	for _, x := range about {
		if strings.Contains(x.Name, ".") { // an attribute of a field
			continue
		}
		name := strings.ToLower(strings.Join(strings.Fields(x.Name), ""))
		switch {
		case strings.HasSuffix(name, "devicename"):
			d.Name = cmp.Or(d.Name, x.Value)
		case strings.HasSuffix(name, "model"):
			d.Model = cmp.Or(d.Model, x.Value)
		case slices.ContainsFunc(ufdrIdentifiers, func(word string) bool { return strings.Contains(name, word) }) && len(d.Identifiers) < build.ParticipantLimit:
			d.Identifiers = append(d.Identifiers, x)
		}
	}
	if d.Name == "" && d.Model == "" && d.Identifiers == nil {
		return nil
	}
	return d
}

// ufdrIdentifiers are parts of the names of fields that hold the numbers of devices and
// their cards.
var ufdrIdentifiers = []string{"imei", "imsi", "iccid", "msisdn", "serial", "udid", "uniquedeviceid", "macaddress", "androidid"}

// aboutProject makes such a record from the tag that encloses the whole report, and skips
// the tag.
func (r *ufdrReport) aboutProject(tag xmldoc.Tag) reader.Item {
	item := reader.Item{Where: argus.Where{Record: r.Records + 1, Offset: r.At, Length: int64(len(tag.Raw))}}
	raw := bytes.Clone(tag.Raw)
	if tag.Kind == xmldoc.Open {
		raw = append(raw, "</project>"...)
	}
	e, err := r.Parse(raw)
	if err == nil {
		item.Message, err = r.aboutMessage(e)
	}
	if err != nil {
		item.Message, item.Problem, item.Raw = nil, err.Error(), bytes.Clone(tag.Raw[:min(len(tag.Raw), argus.QuarantineRaw)])
	}
	if item.Message != nil || err != nil {
		r.Records++
		r.about++
	}
	r.Pass(tag)
	return item
}

// notRead describes the rest of the report, which was not read. Models inside models are
// counted as well.
func (r *ufdrReport) notRead() string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(r.other)) {
		list = append(list, fmt.Sprintf("%d %.40s", r.other[kind], kind))
	}
	return "the report contains models and files that are not communications and are not read: " + strings.ToValidUTF8(strings.Join(list, ", "), "\uFFFD")
}

// begin enters a chat.
func (r *ufdrReport) begin(tag xmldoc.Tag) {
	r.chat = &ufdrChat{Message: &argus.Message{State: argus.StateSystem}, at: r.At, owners: r.owners, owner: strings.Clone(r.ownerOf(tag.Element()))}
	r.inChat = r.Depth + 1
	ufdrAttributes(r.chat.Message, tag.Element())
}

// chatPart reads a direct child of a chat. It enters the messages; the fields before and after
// them are the chat's own message.
func (r *ufdrReport) chatPart(tag xmldoc.Tag) (reader.Item, error) {
	chat := r.chat
	switch {
	case tag.Kind == xmldoc.Close:
		item := r.chatItem(r.At)
		r.chat = nil
		r.Pass(tag)
		return item, nil
	case tag.Kind == xmldoc.Open && tag.Element().Attr("name") == "Messages":
		if len(chat.accounts) == 0 {
			if err := r.readAhead(tag); err != nil {
				return reader.Item{}, err
			}
		}
		item := r.chatItem(r.At)
		r.Pass(tag)
		return item, nil
	}
	if chat.given && len(chat.Extra) == 0 {
		chat.at = r.At
	}
	item, err := r.File.Item(chat.part)
	if chat.size > r.Limit && item.Problem == "" && err == nil {
		item = r.chatItem(r.At) // too many fields for one message
	}
	return item, err
}

// part reads a field of a chat.
func (c *ufdrChat) part(e *xmldoc.Element) (*argus.Message, error) {
	c.size += len(e.Raw)
	ufdrFlatten(c.Message, "", e)
	switch e.Attr("name") {
	case "Id":
		c.id = strings.Clone(ufdrValue(e)) // without retaining the record around it
	case "Name":
		c.Title = strings.Clone(ufdrValue(e))
	case "ChatType":
		c.group = strings.EqualFold(ufdrValue(e), "Group")
	case "Source":
		c.Service = strings.Clone(strings.ToLower(ufdrValue(e)))
	case "Participants":
		for i := range e.Inside {
			p := ufdrParty(&e.Inside[i])
			if p.account == "" && p.owner {
				p.account = c.owner
			}
			c.owners.add(p)
			if p.named {
				build.Named(c.Message, p.account)
			}
			if p.account != "" && len(c.accounts) < ufdrAccounts && !slices.Contains(c.accounts, p.account) {
				c.accounts = append(c.accounts, strings.Clone(p.account))
			}
		}
	}
	return nil, nil
}

// readAhead looks after a chat's messages for the participants, which precede them in every
// report seen so far. All look-aheads together read a file at most once.
func (r *ufdrReport) readAhead(tag xmldoc.Tag) error {
	from := r.At + int64(len(tag.Raw))
	rest := reader.Input{Size: r.in.Size - from, File: io.NewSectionReader(r.in.File, from, r.in.Size-from), Options: r.in.Options}
	x := xmldoc.NewFile(r.Ctx, rest, beginsUFDR)
	x.Depth, x.Charset = 1, r.Charset
	defer func() { r.ahead += x.At + int64(len(x.Buf)) }()
	for r.ahead+x.At < r.in.Size {
		tag, err := x.Next()
		if err != nil {
			return err
		}
		if tag.Problem != "" || tag.Kind == xmldoc.None || tag.Kind == xmldoc.Close && x.Depth == 0 {
			return nil
		}
		if name := tag.Element().Attr("name"); x.Depth == 0 && tag.Kind == xmldoc.Open && (name == "Participants" || name == "Id" || name == "ChatType") {
			chat := ufdrChat{Message: new(argus.Message), owners: r.owners, owner: r.chat.owner}
			if _, err := x.Item(chat.part); err != nil || x.Damages > 0 {
				return err
			}
			r.chat.accounts = append(r.chat.accounts, chat.accounts...)
			r.chat.id = cmp.Or(r.chat.id, chat.id)
			r.chat.group = r.chat.group || chat.group
			continue
		}
		x.Pass(tag)
	}
	return nil
}

// chatItem yields the chat's own message, which ends at end. It returns nothing if the chat
// has no fields.
func (r *ufdrReport) chatItem(end int64) reader.Item {
	c := r.chat
	if len(c.Extra) == 0 && c.given {
		return reader.Item{}
	}
	c.given = true
	m := *c.Message
	m.Service = cmp.Or(r.in.Service, m.Service, "ufdr")
	m.Conversation = c.conversation()
	c.reach(&m)
	m.To = build.Others(c.accounts, "")
	build.Happened(&m, argus.TypeRoom, argus.Facts{Room: &argus.Room{Name: m.Title, Members: c.accounts}}, "chat", strings.Join(c.accounts, ", "))
	r.Records++
	item := reader.Item{Message: &m, Where: argus.Where{Record: r.Records, Offset: c.at, Length: end - c.at}}
	if err := m.Valid(); err != nil {
		item.Message, item.Problem = nil, err.Error()
	}
	c.Extra, c.size = nil, 0
	return item
}

// conversation names a chat by its accounts if there are two and they are not the remainder
// of a group, otherwise by the service's id.
func (c *ufdrChat) conversation() string {
	group := (c.group || build.IsGroupID(c.id)) && c.id+c.Title != ""
	if len(c.accounts) == 2 && !group {
		return argus.DirectConversation(c.accounts[0], c.accounts[1])
	}
	if c.id != "" || c.Title != "" {
		return cmp.Or(c.id, c.Title)
	}
	return build.ConversationOf(slices.Clone(c.accounts))
}

// reach sets the scope in which the name of the chat is unique.
func (c *ufdrChat) reach(m *argus.Message) {
	switch {
	case strings.Contains(m.Conversation, "|"):
		m.ConversationReach = max(m.AccountReach, c.AccountReach)
	case c.id == "":
		m.ConversationReach = argus.ReachExport // a name
	}
}

// ufdrNames reports whether an attribute names a model in the report, or its type. The name
// belongs to the report and not to the phone, and differs for each copy of a message: it is in
// the record that Where points at, and in no field.
func ufdrNames(attr string) bool { return attr == "type" || attr == "id" || attr == "source_index" }

// ufdrAttributes keeps the attributes of a model about the decoding.
func ufdrAttributes(m *argus.Message, e *xmldoc.Element) {
	for _, a := range e.Attrs {
		if !ufdrNames(a.Name) {
			build.KeepExtra(m, a.Name, a.Value)
		}
	}
	if state := e.Attr("deleted_state"); state == "Deleted" || state == "Trash" {
		m.State |= argus.StateDeleted
	}
}

// ufdrValue returns the value of a field.
func ufdrValue(e *xmldoc.Element) string {
	if v := e.Child("value"); v.Name != "" {
		return v.Value()
	}
	return e.Value()
}

// ufdrFlatten keeps everything in a field under its name, prefixed with the names of the
// enclosing fields.
func ufdrFlatten(m *argus.Message, prefix string, e *xmldoc.Element) {
	name := prefix + cmp.Or(e.Attr("name"), e.Name)
	switch e.Name {
	case "field", "multiField":
		for i := range e.Inside {
			build.KeepExtra(m, name, e.Inside[i].Value())
		}
	case "modelField", "multiModelField":
		for i := range e.Inside {
			model := &e.Inside[i]
			if state := model.Attr("deleted_state"); state != "" && state != "Intact" && state != "Unknown" {
				build.KeepExtra(m, name+".deleted_state", state)
			}
			build.KeepExtra(m, name+".file_id", model.Attr("file_id"))
			for j := range model.Inside {
				ufdrFlatten(m, name+".", &model.Inside[j])
			}
		}
	default:
		build.KeepExtra(m, name, e.Raw)
	}
}

// ufdrAccount is a Party: a participant and their role.
type ufdrAccount struct {
	account, name, role string
	owner, named        bool // the device's owner; no identifier is known
	system              bool // not an account: a notice of the service
}

// isUFDRSystem reports whether a party has Cellebrite's name for the sender of notices.
func isUFDRSystem(name string) bool { return strings.EqualFold(name, "System Message") }

func ufdrParty(model *xmldoc.Element) ufdrAccount {
	var p ufdrAccount
	for i := range model.Inside {
		switch e := &model.Inside[i]; e.Attr("name") {
		case "Identifier":
			p.account = build.AppAccount(ufdrValue(e))
		case "Name":
			p.name = argus.CleanName(ufdrValue(e))
		case "Role":
			p.role = ufdrValue(e)
		case "IsPhoneOwner":
			p.owner = strings.EqualFold(ufdrValue(e), "true")
		}
	}
	if isUFDRSystem(p.account) || p.account == "" && isUFDRSystem(p.name) {
		return ufdrAccount{system: true}
	}
	p.named = p.account == ""
	if p.named || p.account == p.name {
		p.account, p.name = cmp.Or(p.account, p.name), ""
	}
	return p
}

// ownerOf returns the name used for the owner of a device if the report gives no account of
// the owner.
func (r *ufdrReport) ownerOf(e *xmldoc.Element) string {
	return cmp.Or(r.in.Owner, argus.OwnerOf+strings.Trim(r.project+"/"+e.Attr("extractionId"), "/"))
}

// message makes a message of a model.
func (r *ufdrReport) message(kind string, e *xmldoc.Element) (*argus.Message, error) {
	m := &argus.Message{}
	ufdrAttributes(m, e)
	p := ufdrMessage{Message: m, kind: kind, chat: r.chat, owners: r.owners, options: r.in.Options, ownerAccount: r.ownerOf(e)}
	p.Service = p.serviceOf(e)
	for i := range e.Inside {
		if err := p.field(&e.Inside[i]); err != nil {
			return nil, err
		}
	}
	if kind == "Contact" || kind == "UserAccount" {
		build.Contact(m, strings.ToLower(kind), p.accounts, p.name)
		return m, build.Valid(m)
	}
	place := ufdrPosition(m.Extra)
	if kind == "Location" { // the position of the device, or one that an app on it states
		position := slices.DeleteFunc([]string{place.Latitude, place.Longitude}, func(s string) bool { return s == "" })
		place.Name = p.name
		build.Happened(m, argus.TypeLocation, argus.Facts{Location: &place}, "location", strings.Join(position, ", "))
		return m, build.Valid(m)
	}
	p.passOn()
	build.SentPlace(m, place)
	p.owner()
	r.place(&p)
	p.clock()
	switch {
	case kind == "Call":
		build.Called(m, p.call, "call", p.said)
	case p.system:
		p.happened()
	case m.From == "":
		m.State |= argus.StateSystem
	}
	return m, build.Valid(m)
}

// ufdrPosition returns the location in the fields of a model.
func ufdrPosition(fields []argus.Field) (l argus.Location) {
	for _, x := range fields {
		switch x.Name {
		case "Position.Latitude":
			l.Latitude = x.Value
		case "Position.Longitude":
			l.Longitude = x.Value
		case "Precision":
			l.Accuracy = x.Value
		case "Category", "Type":
			l.Source = cmp.Or(l.Source, x.Value)
		}
	}
	if l.Latitude == "" && l.Longitude == "" {
		return argus.Location{}
	}
	return l
}

// clock records whose clock stamped a message that is identified only by its second, so that
// the copies of two devices meet (docs/readers.md): a message that the owner sent has no
// time of receipt, and a received message without a time of receipt has the device's time. A
// mail has its sender's time in every copy.
func (p *ufdrMessage) clock() {
	switch {
	case len(p.ServiceID) >= argus.LongID || p.From == "" || p.kind == "Call" || p.kind == "Email":
	case p.owners[p.From] || p.folder == "Sent":
		if p.Received.Known() {
			build.KeepExtra(p.Message, "DateDelivered", p.Received.Raw)
			p.Received = argus.Time{}
		}
	case (p.toOwner || p.folder == "Inbox") && !p.Received.Known():
		p.Received = p.Sent
	}
}

// place sets the conversation.
func (r *ufdrReport) place(p *ufdrMessage) {
	m := p.Message
	p.toOwner = p.owners.any(m.To)
	alone := cmp.Or(p.chatID, build.ConversationOf(append(slices.Clone(m.To), m.From)))
	if r.chat != nil {
		p.toOwner = p.toOwner || p.owners.any(r.chat.accounts)
		m.Conversation, m.Title = r.chat.conversation(), r.chat.Title
		r.chat.reach(m)
		if len(m.To) == 0 {
			m.To = build.Others(r.chat.accounts, m.From)
		}
		if alone != m.Conversation && len(r.seen) < ufdrSeen {
			in := ufdrPlace{m.Conversation, p.toOwner}
			if n := len(r.chats); n == 0 || r.chats[n-1] != in {
				r.chats = append(r.chats, in)
			}
			r.seen[ufdrKey(p)] = uint32(len(r.chats) - 1)
		}
		return
	}
	m.Conversation = alone
	if n, ok := r.seen[ufdrKey(p)]; ok {
		m.Conversation = r.chats[n].conversation
		p.toOwner = p.toOwner || r.chats[n].owned
	}
}

// ufdrKey is the part that the copies of a message inside and outside a chat have in common.
func ufdrKey(p *ufdrMessage) [16]byte {
	id, _ := (&argus.Message{Service: p.Service, Conversation: p.chatID, From: p.From, Sent: p.Sent, ServiceID: p.ServiceID, Text: p.Text, Attachments: p.Attachments}).Identity()
	return id
}

// ufdrMessage is filled field by field.
type ufdrMessage struct {
	*argus.Message
	kind     string
	chat     *ufdrChat
	owners   ufdrOwned
	toOwner  bool // the device's owner is a receiver
	options  reader.Options
	chatID   string
	folder   string
	name     string   // of a contact
	accounts []string // of a contact
	said     string   // about a call
	call     argus.Call
	// ownerAccount is the name used for the device's owner if no account is known.
	ownerAccount string
	// system means that the service wrote the message; activity is the event in it.
	system   bool
	activity *xmldoc.Element
	// embedded is the message that this one forwards or quotes; quotes means that it does not
	// forward it.
	embedded *xmldoc.Element
	quotes   bool
}

// passOn reads the message inside another. A forwarding message has no content of its own: its
// words and files are those of the message inside.
func (p *ufdrMessage) passOn() {
	if p.embedded == nil {
		return
	}
	if p.quotes {
		p.ReplyTo = cmp.Or(p.ReplyTo, ufdrField(p.embedded, "Identifier"))
	}
	if p.ForwardedFrom == "" || p.Text != "" || len(p.Attachments) > 0 {
		return
	}
	for i := range p.embedded.Inside {
		switch e := &p.embedded.Inside[i]; e.Attr("name") {
		case "Body":
			p.Text = ufdrText(e)
		case "Attachments", "Attachment":
			p.attachments(e)
		case "From":
			for j := range e.Inside {
				if from := ufdrParty(&e.Inside[j]); from.account != "" && p.ForwardedFrom == "?" {
					p.ForwardedFrom = from.account
				}
			}
		}
	}
}

// attachments reads the files of a field, which may be <empty/>.
func (p *ufdrMessage) attachments(e *xmldoc.Element) {
	for i := range e.Inside {
		if e.Inside[i].Name == "model" {
			p.attachment(&e.Inside[i])
		}
	}
}

// ufdrActions are Cellebrite's words for actions in a conversation.
var ufdrActions = map[string]string{
	"ParticipantJoined": "join", "ParticipantLeft": "leave", "ParticipantAdded": "add", "ParticipantRemoved": "remove", "ParticipantInvited": "invite",
}

// happened makes a notice of the service, or its record about the members of a conversation:
// members who join or leave are the senders.
func (p *ufdrMessage) happened() {
	m := p.Message
	m.From, m.FromName = "", ""
	var action string
	var whom []string
	for i := range p.activities() {
		model := &p.activity.Inside[i]
		for j := range model.Inside {
			switch f := &model.Inside[j]; f.Attr("name") {
			case "Action":
				action = cmp.Or(action, ufdrActions[ufdrValue(f)])
			case "Participant", "Participants":
				for k := range f.Inside {
					if who := ufdrParty(&f.Inside[k]); who.account != "" && len(whom) < build.ParticipantLimit {
						whom = append(whom, strings.Clone(who.account))
					}
				}
			}
		}
	}
	text := strings.TrimSpace(m.Text)
	if action == "" {
		build.Happened(m, argus.TypeNotice, argus.Facts{}, cmp.Or(text, "notice"), "")
		return
	}
	if (action == "join" || action == "leave") && len(whom) == 1 {
		m.From, whom = whom[0], nil
		m.To = build.Others(m.To, m.From)
	}
	build.Joined(m, action, whom, cmp.Or(text, action), "")
}

// activities returns the number of changes that a notice lists.
func (p *ufdrMessage) activities() int {
	if p.activity == nil {
		return 0
	}
	return len(p.activity.Inside)
}

// extraData reads the reference to the message that this one answers or forwards.
func (p *ufdrMessage) extraData(e *xmldoc.Element) {
	for i := range e.Inside {
		model := &e.Inside[i]
		var label, id string
		for j := range model.Inside {
			switch f := &model.Inside[j]; f.Attr("name") {
			case "Label":
				label = ufdrValue(f)
			case "OriginalMessageID":
				id = cmp.Or(ufdrValue(f), id)
			case "InstantMessage":
				for k := range f.Inside {
					id = cmp.Or(id, ufdrField(&f.Inside[k], "Identifier"))
				}
			case "OriginalSender":
				for k := range f.Inside {
					from := ufdrParty(&f.Inside[k])
					p.ForwardedFrom = cmp.Or(from.account, p.ForwardedFrom)
				}
			}
		}
		kind := model.Attr("type")
		p.label(label)
		if kind == "ReplyMessageData" || kind == "QuotedMessageData" && label != "Forwarded" {
			p.ReplyTo, p.quotes = cmp.Or(p.ReplyTo, id), true
		}
	}
}

// ufdrField returns the value of a field of a model.
func ufdrField(model *xmldoc.Element, name string) string {
	for i := range model.Inside {
		if model.Inside[i].Attr("name") == name {
			return ufdrValue(&model.Inside[i])
		}
	}
	return ""
}

// label takes a label that Cellebrite gives messages.
func (p *ufdrMessage) label(word string) {
	switch word {
	case "System":
		p.system = true
	case "Forwarded":
		p.ForwardedFrom = cmp.Or(p.ForwardedFrom, "?")
	case "Edited":
		p.State |= argus.StateEdited
	}
}

// sharedContact adds a card that was sent.
func (p *ufdrMessage) sharedContact(model *xmldoc.Element) {
	var accounts, written []string
	for i := range model.Inside {
		if model.Inside[i].Attr("name") != "Entries" {
			continue
		}
		for j := range model.Inside[i].Inside {
			entry := &model.Inside[i].Inside[j]
			if value := ufdrField(entry, "Value"); value != "" && isUFDRAccount(entry) && len(accounts) < build.ParticipantLimit {
				accounts, written = append(accounts, build.AppAccount(value)), append(written, value)
			}
		}
	}
	build.SentCard(p.Message, build.Card(accounts, ufdrField(model, "Name")), written...)
}

// isUFDRAccount reports whether an entry of a contact is an account, and not another name or a
// picture.
func isUFDRAccount(entry *xmldoc.Element) bool {
	category := strings.ToLower(ufdrField(entry, "Category"))
	return entry.Attr("type") != "ProfilePicture" && category != "additional name" && category != "display name" && category != "full name"
}

// ufdrUnanswered are the types and states of unanswered calls.
var ufdrUnanswered = []string{"missed", "rejected", "declined", "unanswered", "notanswered", "cancelled", "canceled", "blocked"}

// about takes a report's statement about a call.
func (p *ufdrMessage) about(name, value string) {
	switch name {
	case "Type", "Direction", "Status":
		switch lower := strings.ToLower(strings.Join(strings.Fields(value), "")); {
		case lower == "incoming":
			p.call.Direction = "in"
		case lower == "outgoing":
			p.call.Direction = "out"
		case slices.Contains(ufdrUnanswered, lower):
			p.call.Answered = "no"
		case lower == "answered" || lower == "established":
			p.call.Answered = "yes"
		}
	case "Duration":
		p.call.Seconds = build.ClockSeconds(value)
		p.call.Answered = cmp.Or(p.call.Answered, build.AnsweredIn(p.call.Seconds))
	case "VideoCall":
		p.call.Video = strings.EqualFold(value, "true")
	}
}

// serviceOf returns the app of a model.
func (p *ufdrMessage) serviceOf(e *xmldoc.Element) string {
	source := ""
	for i := range e.Inside {
		if name := e.Inside[i].Attr("name"); name == "Source" || name == "ServiceType" && source == "" {
			source = ufdrValue(&e.Inside[i])
		}
	}
	if source == "" && p.chat != nil {
		source = p.chat.Service
	}
	byKind := map[string]string{"SMS": "sms", "MMS": "sms", "Email": "email", "Call": "phone"}
	return cmp.Or(p.options.Service, strings.ToLower(argus.CleanName(source)), byKind[p.kind], "ufdr")
}

// field reads one field of a model.
func (p *ufdrMessage) field(e *xmldoc.Element) error {
	var err error
	name := e.Attr("name")
	switch name {
	case "Body", "Snippet":
		if p.Text != "" {
			ufdrFlatten(p.Message, "", e)
			break
		}
		p.Text = ufdrText(e)
	case "Identifier":
		p.ServiceID = ufdrValue(e)
	case "TimeStamp":
		p.Sent, err = p.time(e)
	case "DateDelivered":
		p.Received = p.further(e)
	case "DateRead":
		p.Read = p.further(e)
	case "ChatId":
		p.chatID = ufdrValue(e)
	case "Folder":
		p.folder = ufdrValue(e)
		build.KeepExtra(p.Message, name, p.folder)
	case "From", "To", "Cc", "Bcc", "Parties", "Party":
		p.parties(name, e)
	case "Attachments", "Attachment":
		p.attachments(e)
	case "MessageExtraData":
		p.extraData(e)
		ufdrFlatten(p.Message, "", e)
	case "ActivityLog":
		p.activity = e
		ufdrFlatten(p.Message, "", e)
	case "SharedContacts":
		for i := range e.Inside {
			p.sharedContact(&e.Inside[i])
		}
		ufdrFlatten(p.Message, "", e)
	case "EmbeddedInstantMessage":
		if len(e.Inside) == 0 || p.embedded != nil && p.embedded.Attr("id") == e.Inside[0].Attr("id") {
			break // reports list it twice
		}
		if p.embedded == nil {
			p.embedded = &e.Inside[0]
		}
		ufdrFlatten(p.Message, "", e)
	case "Label":
		p.label(ufdrValue(e))
		ufdrFlatten(p.Message, "", e)
	case "Name":
		p.name = ufdrValue(e)
		build.KeepExtra(p.Message, name, p.name)
	case "Entries":
		p.entries(e)
	case "Username":
		p.accounts = append(p.accounts, build.AppAccount(ufdrValue(e)))
		build.KeepExtra(p.Message, name, ufdrValue(e))
	case "Type", "Direction", "Duration", "VideoCall":
		if value := ufdrValue(e); value != "" && p.kind == "Call" {
			p.said += strings.Repeat("; ", min(len(p.said), 1)) + strings.ToLower(name) + ": " + value
			p.about(name, value)
		}
		fallthrough
	default:
		ufdrFlatten(p.Message, "", e)
	}
	if err != nil {
		return errors.New(name + ": " + err.Error())
	}
	return nil
}

// ufdrText returns a text with the space around it: the text is in CDATA, or was written
// without indentation.
func ufdrText(e *xmldoc.Element) string {
	if v := e.Child("value"); v.Name != "" {
		return v.Text
	}
	return e.Value()
}

// parties reads the participants. Texts and calls list everybody in one list, with a role.
func (p *ufdrMessage) parties(name string, e *xmldoc.Element) {
	for i := range e.Inside {
		model := &e.Inside[i]
		for j := range model.Inside {
			switch f := &model.Inside[j]; f.Attr("name") {
			case "Identifier", "Name", "Role":
			default:
				ufdrFlatten(p.Message, name+".", f)
			}
		}
		party := ufdrParty(model)
		if party.system && (name == "From" || party.role == "From") {
			p.system = true
		}
		if party.account == "" && party.owner {
			party.account = p.ownerAccount
		}
		p.owners.add(party)
		if party.account == "" {
			continue
		}
		if party.named {
			build.Named(p.Message, party.account)
		}
		if (name == "From" || party.role == "From") && p.From == "" {
			p.From, p.FromName = party.account, party.name
			continue
		}
		p.To = append(p.To, party.account)
		build.KeepExtra(p.Message, "name of "+party.account, party.name)
		if role := cmp.Or(party.role, name); role != "To" && role != "Parties" {
			build.KeepExtra(p.Message, "role of "+party.account, role)
		}
	}
}

// owner adds the device's owner to a text or a call that names only the other side.
func (p *ufdrMessage) owner() {
	owner := p.ownerAccount
	if p.kind == "InstantMessage" || p.kind == "Email" {
		return
	}
	switch {
	case p.From == "" && len(p.To) > 0:
		p.From = owner
		p.owners.add(ufdrAccount{account: owner, owner: true})
	case p.From != "" && len(p.To) == 0:
		p.To = []string{owner}
		p.owners.add(ufdrAccount{account: owner, owner: true})
	}
}

// attachment reads a file. Its name is its path in the archive, which leads to its bytes. Its
// hashes are only the report's claims: Hash is for bytes that are present. Each of several
// attachments has its own deleted_state.
func (p *ufdrMessage) attachment(model *xmldoc.Element) {
	var a argus.Attachment
	for _, x := range model.Attrs {
		if !ufdrNames(x.Name) {
			build.KeepExtra(p.Message, "Attachment."+x.Name, x.Value)
		}
	}
	for i := range model.Inside {
		e := &model.Inside[i]
		value := ufdrValue(e)
		switch e.Attr("name") {
		case "attachment_extracted_path":
			a.Name = strings.ReplaceAll(value, `\`, "/")
		case "ContentType":
			a.Type = value
		default:
			ufdrFlatten(p.Message, "Attachment.", e)
		}
		if name := e.Attr("name"); name == "Filename" && a.Name == "" || name == "URL" && a.Name == "" {
			a.Name = value
		}
	}
	p.Attachments = append(p.Attachments, a)
}

// entries reads the numbers and names of a contact.
func (p *ufdrMessage) entries(e *xmldoc.Element) {
	for i := range e.Inside {
		var value, category string
		for j := range e.Inside[i].Inside {
			switch f := &e.Inside[i].Inside[j]; f.Attr("name") {
			case "Value":
				value = ufdrValue(f)
			case "Category":
				category = ufdrValue(f)
			default:
				ufdrFlatten(p.Message, "Entries.", f)
			}
		}
		build.KeepExtra(p.Message, cmp.Or(e.Inside[i].Attr("type"), "Entry")+strings.TrimRight(" "+category, " "), value)
		if value != "" && isUFDRAccount(&e.Inside[i]) {
			p.accounts = append(p.accounts, build.AppAccount(value))
		}
	}
}

// further reads a time other than the time of sending. One that makes no sense is marked,
// and the message is kept.
func (p *ufdrMessage) further(e *xmldoc.Element) argus.Time {
	t, err := p.time(e)
	if err != nil {
		build.NotUnderstood(p.Message, e.Attr("name"), e.Child("value").Value())
		return argus.Time{}
	}
	return t
}

// time reads a timestamp. Its text may lack the offset that the attribute formattedTimestamp
// has, as ISO 8601 or at its end as (UTC+1).
func (p *ufdrMessage) time(e *xmldoc.Element) (argus.Time, error) {
	v := e.Child("value")
	text, shown := v.Value(), strings.TrimSpace(v.Attr("formattedTimestamp"))
	if text == "" && shown == "" {
		return argus.Time{}, nil
	}
	if shown != "" && shown != text {
		build.KeepExtra(p.Message, e.Attr("name")+".formattedTimestamp", shown)
	}
	t, ok := dates.ISO(text, p.options)
	if !ok {
		if t, ok = dates.ISO(shown, p.options); !ok {
			return t, errors.New("want a time like 2021-02-14T12:03:11.000+01:00, found other text")
		}
	}
	if t.Zone == argus.ZoneStated || t.Precision == argus.Day {
		return t, nil
	}
	if zone := ufdrZone(shown); zone != nil {
		at, _ := dates.ISO(text, reader.Options{Zone: zone})
		if at.Known() {
			at.Zone = argus.ZoneStated
			return at, nil
		}
	}
	return t, nil
}

// ufdrZone returns the offset at the end of a written time, or nil if there is none.
func ufdrZone(s string) *time.Location {
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Location()
		}
	}
	at := strings.LastIndex(s, "(UTC")
	if at < 0 || !strings.HasSuffix(s, ")") {
		return nil
	}
	offset := s[at+len("(UTC") : len(s)-1]
	return offsetZone(offset)
}

// offsetZone reads an offset: "", +1, -05, +5:30, +05:30.
func offsetZone(offset string) *time.Location {
	if offset == "" {
		return time.UTC
	}
	hours, minutes, _ := strings.Cut(offset[1:], ":")
	h, err := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(cmp.Or(minutes, "0"))
	if err != nil || err2 != nil || offset[0] != '+' && offset[0] != '-' || h < 0 || h > 14 || m < 0 || m > 59 {
		return nil
	}
	seconds := (h*60 + m) * 60
	if offset[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds)
}

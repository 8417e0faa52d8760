package reader

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
)

// ufdrFormat is described in docs/readers-xml-mail.md.
var ufdrFormat = &Format{
	Name:     "ufdr",
	Version:  4,
	About:    "Cellebrite's report.xml, alone or in a .ufdr archive with its files",
	Checked:  "a chat and two accounts as IPED keeps them of real reports, 11 of 11 messages with their 6 files, and 2 of 2; whole reports: invented examples only",
	OfDevice: true,
	Detect:   detectUFDR,
	Read:     readUFDR,
}

const ufdrNamespace = "http://pa.cellebrite.com/report/2.0"

func detectUFDR(s Sample) int {
	root := xmlRoot(s)
	switch {
	case (root.name == "model" || root.name == "modelType") && root.attr("type") != "" && bytes.Contains(s.Text, []byte("<field name=")):
		return 80 // a part of a report, without what is around it
	case root.name != "project":
		return 0
	case root.attr("xmlns") == ufdrNamespace:
		return 95
	case bytes.Contains(s.Text, []byte("<decodedData")) || bytes.Contains(s.Text, []byte("<sourceExtractions")):
		return 80
	}
	return 0
}

// ufdrRecords are the models that are read whole.
var ufdrRecords = []string{"InstantMessage", "SMS", "MMS", "Email", "Call", "Contact", "UserAccount", "Location"}

// beginsUFDR knows a model that is read, and a chat.
func beginsUFDR(tag []byte) bool {
	if !bytes.HasPrefix(tag, []byte("<model ")) {
		return false
	}
	end, _, err := xmlMarkup(tag)
	if err != nil {
		return false
	}
	kind := (&xmlTag{raw: tag[:end]}).element().attr("type")
	return kind == "Chat" || slices.Contains(ufdrRecords, kind)
}

// Limits of a report.
const (
	// ufdrSeen is how many messages in chats that they do not name themselves are
	// remembered, so that the same one standing alone finds its conversation.
	ufdrSeen = 1 << 20
	// ufdrAccounts is how many participants of a chat are taken as accounts.
	ufdrAccounts = 4096
	// ufdrOwners is how many accounts are remembered as the device's owner's.
	ufdrOwners = 256
	// ufdrTypes is how many types of models are counted that are not read.
	ufdrTypes = 256
)

// ufdrReport is where the reading of a report stands.
type ufdrReport struct {
	*xmlFile
	in Input
	// project is the report's own id.
	project string
	// chat is the one that the place is in, nil outside; what is directly in
	// it stands at the depth inChat.
	chat   *ufdrChat
	inChat int
	// held is the problem that a chat's own message was given out before.
	held *Item
	// ahead is how many bytes were read ahead, to learn what stands in a chat
	// behind its messages.
	ahead int64
	// seen tells the chats of messages that do not name them, by their places in
	// chats.
	seen  map[[16]byte]uint32
	chats []ufdrPlace
	// owners are the accounts of the device's owner, as far as they are known.
	owners ufdrOwned
	// within is the list that the place is in, decodedData or taggedFiles; about
	// counts what the report says of itself.
	within string
	about  uint64
	// other counts the models of types that are not read, and the files.
	other map[string]int
	said  bool // of them
}

// ufdrPlace is a chat that messages were seen in; owned says that the device's
// owner takes part.
type ufdrPlace struct {
	conversation string
	owned        bool
}

// ufdrOwned are accounts of the device's owner.
type ufdrOwned map[string]bool

// add remembers who takes part, if the report says that it is the owner.
func (o ufdrOwned) add(p ufdrAccount) {
	if p.owner && p.account != "" && len(o) < ufdrOwners {
		o[strings.Clone(p.account)] = true
	}
}

// any says whether one of some accounts is the owner's.
func (o ufdrOwned) any(accounts []string) bool {
	return slices.ContainsFunc(accounts, func(a string) bool { return o[a] })
}

// ufdrChat is what a chat says about its messages.
type ufdrChat struct {
	*argus.Message // the chat's own, without Where
	// at is where what was not given out begins.
	at       int64
	id       string
	accounts []string
	group    bool
	owners   ufdrOwned // of the report
	owner    string    // of the device, where the report gives no account of his
	// given says that the message was given out once; size is how long the
	// fields are that were not, in bytes.
	given bool
	size  int
}

// readUFDR yields one item for each chat, message, call, contact and account,
// and for each stretch that is broken.
func readUFDR(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		r := ufdrReport{xmlFile: newXMLFile(ctx, in, beginsUFDR), in: in, seen: map[[16]byte]uint32{}, owners: ufdrOwned{}, other: map[string]int{}}
		if in.Owner != "" {
			r.owners[in.Owner] = true
		}
		for {
			item, atEnd, err := r.next()
			if err != nil {
				yield(Item{}, err)
				return
			}
			if (item.Message != nil || item.Problem != "") && !yield(item, nil) || atEnd {
				return
			}
		}
	}
}

// next returns the next item, which may hold nothing, and whether the file
// ended. What was read of a chat goes before a problem in it. Whether the end of
// a chat was in damage cannot be known, so that nothing behind is in it.
func (r *ufdrReport) next() (Item, bool, error) {
	if r.held != nil {
		item := *r.held
		r.held = nil
		return item, false, nil
	}
	damages := r.damages
	item, atEnd, err := r.read()
	if r.damages > damages {
		r.within = "" // its end may be in the damage
	}
	if r.chat == nil || err != nil || item.Problem == "" {
		return item, atEnd, err
	}
	chat := r.chatItem(item.Where.Offset)
	if r.damages > damages {
		r.chat = nil
	}
	if chat.Where.Record == 0 {
		return item, false, nil
	}
	chat.Where.Record, item.Where.Record = item.Where.Record, chat.Where.Record
	r.held = &item
	return chat, false, nil
}

func (r *ufdrReport) read() (item Item, atEnd bool, err error) {
	tag, err := r.xmlFile.next()
	switch {
	case err != nil:
		return Item{}, false, err
	case tag.problem != "":
		item, err = r.resume(tag.problem)
		return item, false, err
	case tag.kind == xmlNone && r.chat != nil:
		item = r.chatItem(r.at)
		r.chat = nil
		return item, false, nil
	case tag.kind == xmlNone && len(r.other) > 0 && !r.said:
		r.said = true
		return r.remark(r.notRead()), false, nil
	case tag.kind == xmlNone && r.records == r.about && len(r.other) == 0 && r.at > 0:
		return r.remark("want records, found a document without any"), true, nil
	case tag.kind == xmlNone:
		return r.cutOff(), true, nil
	case r.chat != nil && r.depth == r.inChat:
		item, err = r.chatPart(tag)
		return item, false, err
	case tag.kind == xmlClose:
		if string(tag.name) == r.within {
			r.within = ""
		}
	case r.within == "" && slices.Contains(ufdrAbout, string(tag.name)):
		item, err = r.xmlFile.item(r.aboutMessage)
		if item.Message != nil {
			r.about++
		}
		return item, false, err
	case string(tag.name) == "project":
		r.project = tag.element().attr("id")
		return r.aboutProject(tag), false, nil
	case tag.kind == xmlOpen && (string(tag.name) == "taggedFiles" || string(tag.name) == "decodedData"):
		r.within = string(tag.name)
	case r.within == "taggedFiles" && string(tag.name) == "file":
		r.other["taggedFiles/file"]++
	case string(tag.name) == "model":
		kind := tag.element().attr("type")
		if slices.Contains(ufdrRecords, kind) {
			item, err = r.xmlFile.item(func(e *xmlElement) (*argus.Message, error) { return r.message(kind, e) })
			return item, false, err
		}
		if kind == "Chat" && tag.kind == xmlOpen {
			r.begin(tag)
		} else if len(r.other) < ufdrTypes || r.other[kind] > 0 {
			if kind != "Chat" {
				r.other[strings.Clone(kind)]++
			}
		}
	}
	r.pass(tag)
	return item, false, nil
}

// ufdrAbout are the elements in which a report speaks of itself: the device, each
// extraction, whose id messages name as extractionId, and the case.
var ufdrAbout = []string{"metadata", "extractionInfo", "caseInformation"}

// aboutMessage makes a record of what the report says of itself, a device or a notice:
// of attributes, and of the elements inside by their names. Nobody sent it. An id
// alone says nothing.
func (r *ufdrReport) aboutMessage(e *xmlElement) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(r.in.Service, "ufdr"), Conversation: "report", Title: "report", ConversationReach: argus.ReachExport}
	lines, said := []string{e.attr("section")}, false
	keep := func(name, value string) {
		if value != "" {
			keepExtra(m, name, value)
			lines, said = append(lines, name+": "+value), said || name != "id"
		}
	}
	for _, a := range e.attrs {
		if a.name == "section" {
			keepExtra(m, a.name, a.value)
		} else if !strings.HasPrefix(a.name, "xmlns") {
			keep(a.name, a.value)
		}
	}
	for i := range e.inside {
		field := &e.inside[i]
		name := cmp.Or(field.attr("name"), field.name)
		if len(field.inside) > 0 {
			keep(name, field.raw)
			continue
		}
		keep(name, field.value())
		for _, a := range field.attrs {
			if a.name != "name" && a.name != "id" {
				keepExtra(m, name+"."+a.name, a.value)
			}
		}
	}
	if !said {
		return nil, nil
	}
	told := strings.TrimPrefix(strings.Join(lines, "\n"), "\n")
	if device := ufdrDevice(m.Extra); device != nil {
		happened(m, argus.TypeDevice, argus.Facts{Device: device}, e.name, told)
	} else {
		notice(m, e.name, told)
	}
	return m, valid(m)
}

// ufdrDevice returns what a report says of a device among other things, or nil.
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
		case slices.ContainsFunc(ufdrIdentifiers, func(word string) bool { return strings.Contains(name, word) }) && len(d.Identifiers) < participantLimit:
			d.Identifiers = append(d.Identifiers, x)
		}
	}
	if d.Name == "" && d.Model == "" && d.Identifiers == nil {
		return nil
	}
	return d
}

// ufdrIdentifiers are parts of the names of numbers of devices and their cards.
var ufdrIdentifiers = []string{"imei", "imsi", "iccid", "msisdn", "serial", "udid", "uniquedeviceid", "macaddress", "androidid"}

// aboutProject makes one of the tag around the whole report, and passes it.
func (r *ufdrReport) aboutProject(tag xmlTag) Item {
	item := Item{Where: argus.Where{Record: r.records + 1, Offset: r.at, Length: int64(len(tag.raw))}}
	raw := bytes.Clone(tag.raw)
	if tag.kind == xmlOpen {
		raw = append(raw, "</project>"...)
	}
	e, err := r.parse(raw)
	if err == nil {
		item.Message, err = r.aboutMessage(e)
	}
	if err != nil {
		item.Message, item.Problem, item.Raw = nil, err.Error(), bytes.Clone(tag.raw[:min(len(tag.raw), argus.QuarantineRaw)])
	}
	if item.Message != nil || err != nil {
		r.records++
		r.about++
	}
	r.pass(tag)
	return item
}

// notRead says what else the report holds. Models in models count as well.
func (r *ufdrReport) notRead() string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(r.other)) {
		list = append(list, fmt.Sprintf("%d %.40s", r.other[kind], kind))
	}
	return "the report holds models and files that are no communication and are not read: " + strings.ToValidUTF8(strings.Join(list, ", "), "\uFFFD")
}

// begin enters a chat.
func (r *ufdrReport) begin(tag xmlTag) {
	r.chat = &ufdrChat{Message: &argus.Message{State: argus.StateSystem}, at: r.at, owners: r.owners, owner: strings.Clone(r.ownerOf(tag.element()))}
	r.inChat = r.depth + 1
	ufdrAttributes(r.chat.Message, tag.element())
}

// chatPart reads what is directly in a chat. The messages are entered; what
// stands before and behind them is the chat's own message.
func (r *ufdrReport) chatPart(tag xmlTag) (Item, error) {
	chat := r.chat
	switch {
	case tag.kind == xmlClose:
		item := r.chatItem(r.at)
		r.chat = nil
		r.pass(tag)
		return item, nil
	case tag.kind == xmlOpen && tag.element().attr("name") == "Messages":
		if len(chat.accounts) == 0 {
			if err := r.readAhead(tag); err != nil {
				return Item{}, err
			}
		}
		item := r.chatItem(r.at)
		r.pass(tag)
		return item, nil
	}
	if chat.given && len(chat.Extra) == 0 {
		chat.at = r.at
	}
	item, err := r.xmlFile.item(chat.part)
	if chat.size > r.limit && item.Problem == "" && err == nil {
		item = r.chatItem(r.at) // so much that it is more than one message
	}
	return item, err
}

// part reads a field of a chat.
func (c *ufdrChat) part(e *xmlElement) (*argus.Message, error) {
	c.size += len(e.raw)
	ufdrFlatten(c.Message, "", e)
	switch e.attr("name") {
	case "Id":
		c.id = strings.Clone(ufdrValue(e)) // without the record around it
	case "Name":
		c.Title = strings.Clone(ufdrValue(e))
	case "ChatType":
		c.group = strings.EqualFold(ufdrValue(e), "Group")
	case "Source":
		c.Service = strings.Clone(strings.ToLower(ufdrValue(e)))
	case "Participants":
		for i := range e.inside {
			p := ufdrParty(&e.inside[i])
			if p.account == "" && p.owner {
				p.account = c.owner
			}
			c.owners.add(p)
			if p.named {
				named(c.Message, p.account)
			}
			if p.account != "" && len(c.accounts) < ufdrAccounts && !slices.Contains(c.accounts, p.account) {
				c.accounts = append(c.accounts, strings.Clone(p.account))
			}
		}
	}
	return nil, nil
}

// readAhead looks behind a chat's messages for who takes part, which stands
// before them in every report that was seen. All looks together read a file
// once at most.
func (r *ufdrReport) readAhead(tag xmlTag) error {
	from := r.at + int64(len(tag.raw))
	rest := Input{Size: r.in.Size - from, File: io.NewSectionReader(r.in.File, from, r.in.Size-from), Options: r.in.Options}
	x := newXMLFile(r.ctx, rest, beginsUFDR)
	x.depth, x.charset = 1, r.charset
	defer func() { r.ahead += x.at + int64(len(x.buf)) }()
	for r.ahead+x.at < r.in.Size {
		tag, err := x.next()
		if err != nil {
			return err
		}
		if tag.problem != "" || tag.kind == xmlNone || tag.kind == xmlClose && x.depth == 0 {
			return nil
		}
		if name := tag.element().attr("name"); x.depth == 0 && tag.kind == xmlOpen && (name == "Participants" || name == "Id" || name == "ChatType") {
			chat := ufdrChat{Message: new(argus.Message), owners: r.owners, owner: r.chat.owner}
			if _, err := x.item(chat.part); err != nil || x.damages > 0 {
				return err
			}
			r.chat.accounts = append(r.chat.accounts, chat.accounts...)
			r.chat.id = cmp.Or(r.chat.id, chat.id)
			r.chat.group = r.chat.group || chat.group
			continue
		}
		x.pass(tag)
	}
	return nil
}

// chatItem gives out the chat's own message, which ends at a place, unless there
// is nothing in it.
func (r *ufdrReport) chatItem(end int64) Item {
	c := r.chat
	if len(c.Extra) == 0 && c.given {
		return Item{}
	}
	c.given = true
	m := *c.Message
	m.Service = cmp.Or(r.in.Service, m.Service, "ufdr")
	m.Conversation = c.conversation()
	c.reach(&m)
	m.To = others(c.accounts, "")
	happened(&m, argus.TypeRoom, argus.Facts{Room: &argus.Room{Name: m.Title, Members: c.accounts}}, "chat", strings.Join(c.accounts, ", "))
	r.records++
	item := Item{Message: &m, Where: argus.Where{Record: r.records, Offset: c.at, Length: end - c.at}}
	if err := m.Valid(); err != nil {
		item.Message, item.Problem = nil, err.Error()
	}
	c.Extra, c.size = nil, 0
	return item
}

// conversation names a chat: by the accounts where there are two, unless they are
// those who are left of a group, else as the service does.
func (c *ufdrChat) conversation() string {
	group := (c.group || isGroupID(c.id)) && c.id+c.Title != ""
	if len(c.accounts) == 2 && !group {
		return argus.DirectConversation(c.accounts[0], c.accounts[1])
	}
	if c.id != "" || c.Title != "" {
		return cmp.Or(c.id, c.Title)
	}
	return conversationOf(slices.Clone(c.accounts))
}

// reach says in what the name of the chat is unique.
func (c *ufdrChat) reach(m *argus.Message) {
	switch {
	case strings.Contains(m.Conversation, "|"):
		m.ConversationReach = max(m.AccountReach, c.AccountReach)
	case c.id == "":
		m.ConversationReach = argus.ReachExport // a name
	}
}

// ufdrNames says whether an attribute names a model in the report, or its type.
// The name is of nothing in the phone, and another for each copy of a message: it
// is in the record that Where points at, and in no field.
func ufdrNames(attr string) bool { return attr == "type" || attr == "id" || attr == "source_index" }

// ufdrAttributes keeps what a model's tag says about the decoding.
func ufdrAttributes(m *argus.Message, e *xmlElement) {
	for _, a := range e.attrs {
		if !ufdrNames(a.name) {
			keepExtra(m, a.name, a.value)
		}
	}
	if state := e.attr("deleted_state"); state == "Deleted" || state == "Trash" {
		m.State |= argus.StateDeleted
	}
}

// ufdrValue returns the value of a field.
func ufdrValue(e *xmlElement) string {
	if v := e.child("value"); v.name != "" {
		return v.value()
	}
	return e.value()
}

// ufdrFlatten keeps everything in a field under its name, and under the names
// of the fields that it lies in.
func ufdrFlatten(m *argus.Message, prefix string, e *xmlElement) {
	name := prefix + cmp.Or(e.attr("name"), e.name)
	switch e.name {
	case "field", "multiField":
		for i := range e.inside {
			keepExtra(m, name, e.inside[i].value())
		}
	case "modelField", "multiModelField":
		for i := range e.inside {
			model := &e.inside[i]
			if state := model.attr("deleted_state"); state != "" && state != "Intact" && state != "Unknown" {
				keepExtra(m, name+".deleted_state", state)
			}
			keepExtra(m, name+".file_id", model.attr("file_id"))
			for j := range model.inside {
				ufdrFlatten(m, name+".", &model.inside[j])
			}
		}
	default:
		keepExtra(m, name, e.raw)
	}
}

// ufdrAccount is a Party: who took part, and how.
type ufdrAccount struct {
	account, name, role string
	owner, named        bool // of the device; no identifier is known
	system              bool // no account: a notice of the service
}

// isUFDRSystem says whether a party is how Cellebrite names the sender of notices.
func isUFDRSystem(name string) bool { return strings.EqualFold(name, "System Message") }

func ufdrParty(model *xmlElement) ufdrAccount {
	var p ufdrAccount
	for i := range model.inside {
		switch e := &model.inside[i]; e.attr("name") {
		case "Identifier":
			p.account = appAccount(ufdrValue(e))
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

// ownerOf is what the owner of a device is called where the report gives no account
// of his.
func (r *ufdrReport) ownerOf(e *xmlElement) string {
	return cmp.Or(r.in.Owner, argus.OwnerOf+strings.Trim(r.project+"/"+e.attr("extractionId"), "/"))
}

// message makes a message of a model.
func (r *ufdrReport) message(kind string, e *xmlElement) (*argus.Message, error) {
	m := &argus.Message{}
	ufdrAttributes(m, e)
	p := ufdrMessage{Message: m, kind: kind, chat: r.chat, owners: r.owners, options: r.in.Options, ownerAccount: r.ownerOf(e)}
	p.Service = p.serviceOf(e)
	for i := range e.inside {
		if err := p.field(&e.inside[i]); err != nil {
			return nil, err
		}
	}
	if kind == "Contact" || kind == "UserAccount" {
		contact(m, strings.ToLower(kind), p.accounts, p.name)
		return m, valid(m)
	}
	place := ufdrPosition(m.Extra)
	if kind == "Location" { // where the device was, or something on it says
		position := slices.DeleteFunc([]string{place.Latitude, place.Longitude}, func(s string) bool { return s == "" })
		place.Name = p.name
		happened(m, argus.TypeLocation, argus.Facts{Location: &place}, "location", strings.Join(position, ", "))
		return m, valid(m)
	}
	p.passOn()
	sentPlace(m, place)
	p.owner()
	r.place(&p)
	p.clock()
	switch {
	case kind == "Call":
		called(m, p.call, "call", p.said)
	case p.system:
		p.happened()
	case m.From == "":
		m.State |= argus.StateSystem
	}
	return m, valid(m)
}

// ufdrPosition returns the place that the fields of a model state.
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

// clock says whose clock stamped a message that nothing else names than its
// second, so that the copies of two devices meet (docs/readers.md): what the owner
// sent has no time of receipt, and what reached him without one has that of the
// device. A mail has the time of its sender in every copy.
func (p *ufdrMessage) clock() {
	switch {
	case len(p.ServiceID) >= argus.LongID || p.From == "" || p.kind == "Call" || p.kind == "Email":
	case p.owners[p.From] || p.folder == "Sent":
		if p.Received.Known() {
			keepExtra(p.Message, "DateDelivered", p.Received.Raw)
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
	alone := cmp.Or(p.chatID, conversationOf(append(slices.Clone(m.To), m.From)))
	if r.chat != nil {
		p.toOwner = p.toOwner || p.owners.any(r.chat.accounts)
		m.Conversation, m.Title = r.chat.conversation(), r.chat.Title
		r.chat.reach(m)
		if len(m.To) == 0 {
			m.To = others(r.chat.accounts, m.From)
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

// ufdrKey is what the copies of a message in a chat and alone have in common.
func ufdrKey(p *ufdrMessage) [16]byte {
	id, _ := (&argus.Message{Service: p.Service, Conversation: p.chatID, From: p.From, Sent: p.Sent, ServiceID: p.ServiceID, Text: p.Text, Attachments: p.Attachments}).Identity()
	return id
}

// ufdrMessage becomes a message field by field.
type ufdrMessage struct {
	*argus.Message
	kind     string
	chat     *ufdrChat
	owners   ufdrOwned
	toOwner  bool // the device's owner is among those whom it reached
	options  Options
	chatID   string
	folder   string
	name     string   // of a contact
	accounts []string // of a contact
	said     string   // about a call
	call     argus.Call
	// ownerAccount is what the device's owner is called without an account.
	ownerAccount string
	// system says that the service wrote it; activity is what it says happened.
	system   bool
	activity *xmlElement
	// embedded is the message that this one passes on or quotes; quotes that it
	// does not pass it on.
	embedded *xmlElement
	quotes   bool
}

// passOn reads the message inside of another. One that was forwarded has nothing of
// its own: its words and files are those of the message inside.
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
	for i := range p.embedded.inside {
		switch e := &p.embedded.inside[i]; e.attr("name") {
		case "Body":
			p.Text = ufdrText(e)
		case "Attachments", "Attachment":
			p.attachments(e)
		case "From":
			for j := range e.inside {
				if from := ufdrParty(&e.inside[j]); from.account != "" && p.ForwardedFrom == "?" {
					p.ForwardedFrom = from.account
				}
			}
		}
	}
}

// attachments reads the files of a field, which may be <empty/>.
func (p *ufdrMessage) attachments(e *xmlElement) {
	for i := range e.inside {
		if e.inside[i].name == "model" {
			p.attachment(&e.inside[i])
		}
	}
}

// ufdrActions are Cellebrite's words for who did what in a conversation.
var ufdrActions = map[string]string{
	"ParticipantJoined": "join", "ParticipantLeft": "leave", "ParticipantAdded": "add", "ParticipantRemoved": "remove", "ParticipantInvited": "invite",
}

// happened makes a notice of the service, or what it records of the members of a
// conversation: who joined or left did it himself.
func (p *ufdrMessage) happened() {
	m := p.Message
	m.From, m.FromName = "", ""
	var action string
	var whom []string
	for i := range p.activities() {
		model := &p.activity.inside[i]
		for j := range model.inside {
			switch f := &model.inside[j]; f.attr("name") {
			case "Action":
				action = cmp.Or(action, ufdrActions[ufdrValue(f)])
			case "Participant", "Participants":
				for k := range f.inside {
					if who := ufdrParty(&f.inside[k]); who.account != "" && len(whom) < participantLimit {
						whom = append(whom, strings.Clone(who.account))
					}
				}
			}
		}
	}
	text := strings.TrimSpace(m.Text)
	if action == "" {
		happened(m, argus.TypeNotice, argus.Facts{}, cmp.Or(text, "notice"), "")
		return
	}
	if (action == "join" || action == "leave") && len(whom) == 1 {
		m.From, whom = whom[0], nil
		m.To = others(m.To, m.From)
	}
	joined(m, action, whom, cmp.Or(text, action), "")
}

// activities is how many changes a notice lists.
func (p *ufdrMessage) activities() int {
	if p.activity == nil {
		return 0
	}
	return len(p.activity.inside)
}

// extraData reads what a message is about: which one it answers or passes on.
func (p *ufdrMessage) extraData(e *xmlElement) {
	for i := range e.inside {
		model := &e.inside[i]
		var label, id string
		for j := range model.inside {
			switch f := &model.inside[j]; f.attr("name") {
			case "Label":
				label = ufdrValue(f)
			case "OriginalMessageID":
				id = cmp.Or(ufdrValue(f), id)
			case "InstantMessage":
				for k := range f.inside {
					id = cmp.Or(id, ufdrField(&f.inside[k], "Identifier"))
				}
			case "OriginalSender":
				for k := range f.inside {
					from := ufdrParty(&f.inside[k])
					p.ForwardedFrom = cmp.Or(from.account, p.ForwardedFrom)
				}
			}
		}
		kind := model.attr("type")
		p.label(label)
		if kind == "ReplyMessageData" || kind == "QuotedMessageData" && label != "Forwarded" {
			p.ReplyTo, p.quotes = cmp.Or(p.ReplyTo, id), true
		}
	}
}

// ufdrField returns the value of a field of a model.
func ufdrField(model *xmlElement, name string) string {
	for i := range model.inside {
		if model.inside[i].attr("name") == name {
			return ufdrValue(&model.inside[i])
		}
	}
	return ""
}

// label takes a word that Cellebrite puts to messages.
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
func (p *ufdrMessage) sharedContact(model *xmlElement) {
	var accounts, written []string
	for i := range model.inside {
		if model.inside[i].attr("name") != "Entries" {
			continue
		}
		for j := range model.inside[i].inside {
			entry := &model.inside[i].inside[j]
			if value := ufdrField(entry, "Value"); value != "" && isUFDRAccount(entry) && len(accounts) < participantLimit {
				accounts, written = append(accounts, appAccount(value)), append(written, value)
			}
		}
	}
	sentCard(p.Message, card(accounts, ufdrField(model, "Name")), written...)
}

// isUFDRAccount says whether an entry of a contact is an account, and not another
// name or a picture.
func isUFDRAccount(entry *xmlElement) bool {
	category := strings.ToLower(ufdrField(entry, "Category"))
	return entry.attr("type") != "ProfilePicture" && category != "additional name" && category != "display name" && category != "full name"
}

// ufdrUnanswered are the types and states of calls that nobody took.
var ufdrUnanswered = []string{"missed", "rejected", "declined", "unanswered", "notanswered", "cancelled", "canceled", "blocked"}

// about takes what a report says about a call.
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
		p.call.Seconds = clockSeconds(value)
		p.call.Answered = cmp.Or(p.call.Answered, answeredIn(p.call.Seconds))
	case "VideoCall":
		p.call.Video = strings.EqualFold(value, "true")
	}
}

// serviceOf returns the app that a model is from.
func (p *ufdrMessage) serviceOf(e *xmlElement) string {
	source := ""
	for i := range e.inside {
		if name := e.inside[i].attr("name"); name == "Source" || name == "ServiceType" && source == "" {
			source = ufdrValue(&e.inside[i])
		}
	}
	if source == "" && p.chat != nil {
		source = p.chat.Service
	}
	byKind := map[string]string{"SMS": "sms", "MMS": "sms", "Email": "email", "Call": "phone"}
	return cmp.Or(p.options.Service, strings.ToLower(argus.CleanName(source)), byKind[p.kind], "ufdr")
}

// field reads one field of a model.
func (p *ufdrMessage) field(e *xmlElement) error {
	var err error
	name := e.attr("name")
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
		p.Received, err = p.time(e)
	case "DateRead":
		p.Read, err = p.time(e)
	case "ChatId":
		p.chatID = ufdrValue(e)
	case "Folder":
		p.folder = ufdrValue(e)
		keepExtra(p.Message, name, p.folder)
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
		for i := range e.inside {
			p.sharedContact(&e.inside[i])
		}
		ufdrFlatten(p.Message, "", e)
	case "EmbeddedInstantMessage":
		if len(e.inside) == 0 || p.embedded != nil && p.embedded.attr("id") == e.inside[0].attr("id") {
			break // reports list it twice
		}
		if p.embedded == nil {
			p.embedded = &e.inside[0]
		}
		ufdrFlatten(p.Message, "", e)
	case "Label":
		p.label(ufdrValue(e))
		ufdrFlatten(p.Message, "", e)
	case "Name":
		p.name = ufdrValue(e)
		keepExtra(p.Message, name, p.name)
	case "Entries":
		p.entries(e)
	case "Username":
		p.accounts = append(p.accounts, appAccount(ufdrValue(e)))
		keepExtra(p.Message, name, ufdrValue(e))
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

// ufdrText returns a text with the space around it: it is in CDATA, or was
// written without any.
func ufdrText(e *xmlElement) string {
	if v := e.child("value"); v.name != "" {
		return v.text
	}
	return e.value()
}

// parties reads who took part. Texts and calls name everybody in one list,
// with a role.
func (p *ufdrMessage) parties(name string, e *xmlElement) {
	for i := range e.inside {
		model := &e.inside[i]
		for j := range model.inside {
			switch f := &model.inside[j]; f.attr("name") {
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
			named(p.Message, party.account)
		}
		if (name == "From" || party.role == "From") && p.From == "" {
			p.From, p.FromName = party.account, party.name
			continue
		}
		p.To = append(p.To, party.account)
		keepExtra(p.Message, "name of "+party.account, party.name)
		if role := cmp.Or(party.role, name); role != "To" && role != "Parties" {
			keepExtra(p.Message, "role of "+party.account, role)
		}
	}
}

// owner puts the device's owner where a text or a call names the other side
// only.
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

// attachment reads a file that was sent. Its path in the archive is its name,
// by which its bytes are found. Its hashes are what the report says: Hash is for
// bytes that are held. Of several attachments each has its deleted_state, so that
// it can be told of which one it is.
func (p *ufdrMessage) attachment(model *xmlElement) {
	var a argus.Attachment
	for _, x := range model.attrs {
		if !ufdrNames(x.name) {
			keepExtra(p.Message, "Attachment."+x.name, x.value)
		}
	}
	for i := range model.inside {
		e := &model.inside[i]
		value := ufdrValue(e)
		switch e.attr("name") {
		case "attachment_extracted_path":
			a.Name = strings.ReplaceAll(value, `\`, "/")
		case "ContentType":
			a.Type = value
		default:
			ufdrFlatten(p.Message, "Attachment.", e)
		}
		if name := e.attr("name"); name == "Filename" && a.Name == "" || name == "URL" && a.Name == "" {
			a.Name = value
		}
	}
	p.Attachments = append(p.Attachments, a)
}

// entries reads the numbers and names of a contact.
func (p *ufdrMessage) entries(e *xmlElement) {
	for i := range e.inside {
		var value, category string
		for j := range e.inside[i].inside {
			switch f := &e.inside[i].inside[j]; f.attr("name") {
			case "Value":
				value = ufdrValue(f)
			case "Category":
				category = ufdrValue(f)
			default:
				ufdrFlatten(p.Message, "Entries.", f)
			}
		}
		keepExtra(p.Message, cmp.Or(e.inside[i].attr("type"), "Entry")+strings.TrimRight(" "+category, " "), value)
		if value != "" && isUFDRAccount(&e.inside[i]) {
			p.accounts = append(p.accounts, appAccount(value))
		}
	}
}

// time reads a time stamp. Its text may lack the offset that the attribute
// formattedTimestamp has, as ISO 8601 or at its end as (UTC+1).
func (p *ufdrMessage) time(e *xmlElement) (argus.Time, error) {
	v := e.child("value")
	text, shown := v.value(), strings.TrimSpace(v.attr("formattedTimestamp"))
	if text == "" && shown == "" {
		return argus.Time{}, nil
	}
	if shown != "" && shown != text {
		keepExtra(p.Message, e.attr("name")+".formattedTimestamp", shown)
	}
	t, ok := parseISO(text, p.options)
	if !ok {
		if t, ok = parseISO(shown, p.options); !ok {
			return t, errors.New("want a time like 2021-02-14T12:03:11.000+01:00, found other text")
		}
	}
	if t.Zone == argus.ZoneStated || t.Precision == argus.Day {
		return t, nil
	}
	if zone := ufdrZone(shown); zone != nil {
		at, _ := parseISO(text, Options{Zone: zone})
		if at.Known() {
			at.Zone = argus.ZoneStated
			return at, nil
		}
	}
	return t, nil
}

// ufdrZone returns the offset that a written time ends with, or nil.
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

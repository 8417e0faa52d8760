package reader

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
)

// smsbackupFormat is described in docs/readers-xml-mail.md.
var smsbackupFormat = &Format{
	Name:     "smsbackup",
	Version:  4,
	About:    "SMS Backup & Restore's XML: SMS, MMS with their parts, calls",
	Checked:  "invented examples only",
	OfDevice: true,
	Detect:   detectSMSBackup,
	Read:     readSMSBackup,
}

func detectSMSBackup(s Sample) int {
	switch root := xmlRoot(s); root.name {
	case "smses", "calls":
		if root.attr("count") != "" {
			return 95
		}
		if bytes.Contains(s.Text, []byte("<sms ")) || bytes.Contains(s.Text, []byte("<mms ")) || bytes.Contains(s.Text, []byte("<call ")) {
			return 90
		}
	}
	return 0
}

func beginsSMSBackup(tag []byte) bool {
	return bytes.HasPrefix(tag, []byte("<sms ")) || bytes.HasPrefix(tag, []byte("<mms ")) || bytes.HasPrefix(tag, []byte("<call "))
}

// readSMSBackup yields one item for each sms, mms and call, one for each
// stretch that is broken, and the count that the file begins with.
func readSMSBackup(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		b := smsBackup{options: in.Options, owner: cmp.Or(in.Owner, argus.OwnerOf+in.Name)}
		r := xmlReading{
			isRecord: func(t xmlTag) bool { return beginsSMSBackup(t.raw) },
			begins:   beginsSMSBackup,
			enter:    b.enter,
			parse:    b.message,
			stated:   b.complete,
		}
		r.read(ctx, in)(yield)
	}
}

// smsBackup is what holds for a file.
type smsBackup struct {
	options Options
	// owner is the account of the phone, which no SMS names.
	owner string
	// root is the name of the list and stated the count that it begins with.
	root, stated string
}

func (b *smsBackup) enter(t xmlTag) {
	if name := string(t.name); name != "smses" && name != "calls" {
		return
	}
	root := t.element()
	b.root, b.stated = root.name, root.attr("count")
	if set := root.attr("backup_set"); set != "" && b.options.Owner == "" {
		b.owner = argus.OwnerOf + set
	}
}

func (b *smsBackup) complete() *argus.Stated {
	n, err := strconv.ParseUint(b.stated, 10, 64)
	if err != nil {
		return nil
	}
	return &argus.Stated{What: "count of " + b.root, Count: n}
}

func (b *smsBackup) message(e *xmlElement) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(b.options.Service, "sms")}
	var err error
	unsent := ""
	switch e.name {
	case "sms":
		err, unsent = b.sms(m, e), smsUnsent[e.attr("type")]
	case "mms":
		err, unsent = b.mms(m, e), smsUnsent[e.attr("msg_box")]
	default:
		err = b.call(m, e)
	}
	if err != nil {
		return nil, err
	}
	if unsent != "" {
		happened(m, argus.TypeDraft, argus.Facts{}, unsent, m.Text)
	}
	return m, valid(m)
}

// stated returns an attribute; the app writes the word null for none.
func stated(e *xmlElement, name string) string {
	if value := e.attr(name); value != "null" {
		return value
	}
	return ""
}

// smsUnsent are the words for what is in those boxes of Android from which
// nothing was sent: drafts, with the same words as what was sent later.
var smsUnsent = map[string]string{"3": "draft", "4": "outbox", "5": "failed", "6": "queued"}

// sms reads a short message. The app copies Android's own table: type 1 was
// received, 2 sent, 3 is a draft, 4 to 6 did not leave; date is when the phone
// stored it and date_sent when the service centre took a received one.
func (b *smsBackup) sms(m *argus.Message, e *xmlElement) error {
	var err error
	var centre argus.Time
	for _, a := range e.attrs {
		if a.value == "null" {
			continue
		}
		switch a.name {
		case "date":
			m.Sent, err = androidTime(a.value)
		case "date_sent":
			centre, err = androidTime(a.value)
		case "body":
			m.Text = a.value
		case "address", "contact_name":
		default:
			keepExtra(m, a.name, a.value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	if stated(e, "date") == "" {
		return errors.New("want an sms with its date, found one without")
	}
	received := e.attr("type") == "1"
	if received {
		m.Received = m.Sent
		if centre.Known() {
			m.Sent = centre
		}
	} else if centre.Known() {
		keepExtra(m, "date_sent", e.attr("date_sent"))
	}
	b.parties(m, e, received, "", nil)
	return nil
}

// parties sets who wrote to whom: the phone's owner and the other side, whose
// numbers stand in address, several with ~ between them. sender and receivers are
// those that an mms names besides.
func (b *smsBackup) parties(m *argus.Message, e *xmlElement, received bool, sender string, receivers []string) {
	shown := stated(e, "address")
	var numbers []string
	for one := range strings.SplitSeq(shown, "~") {
		if one = phoneAccount(one); one != "" {
			numbers = append(numbers, one)
		}
	}
	if strings.Join(numbers, "~") != shown {
		keepExtra(m, "address", shown)
	}
	name := stated(e, "contact_name")
	if name == "(Unknown)" {
		name = ""
	}
	m.Title = name
	m.Conversation = conversationOf(append(slices.Clone(numbers), b.owner))
	if !received {
		m.From, m.To = b.owner, others(slices.Concat(numbers, receivers), b.owner)
		if len(m.To) == 0 && len(numbers) > 0 {
			m.To = []string{b.owner} // to himself
		}
		return
	}
	if m.From = sender; m.From == "" && len(numbers) > 0 {
		m.From = numbers[0]
	}
	if m.From == "" {
		m.State |= argus.StateSystem // nobody is named, as for some service messages
		return
	}
	if len(numbers) == 1 { // the sender's, maybe in another form; of several, the name is that of all
		if m.From == numbers[0] {
			m.FromName = name
		}
		numbers = nil
	}
	m.To = others(slices.Concat([]string{b.owner}, numbers, b.besides(receivers, append(numbers, m.From))), m.From)
	if len(m.To) == 0 {
		m.To = []string{b.owner} // to himself
	}
}

// phoneAccount is a number, in whichever form, without what people put between its
// digits, and anything else as it stands: the name of a sender, an address of a mail.
func phoneAccount(shown string) string {
	shown = argus.CleanName(shown)
	number := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \u00A0\u202F-‑()./", r) {
			return -1
		}
		return r
	}, shown)
	if digits := strings.TrimPrefix(number, "+"); digits != "" && strings.Trim(digits, "0123456789*#") == "" {
		return number
	}
	return accountOf(shown)
}

// besides returns those of the receivers of an mms that came who are not known.
// If it is one, and the owner is not among them, it is the owner's own number: the
// other messages of the file do not have it, so that it stays in Extra.
func (b *smsBackup) besides(receivers, known []string) []string {
	more := slices.DeleteFunc(slices.Clone(receivers), func(one string) bool { return slices.Contains(known, one) })
	if len(more) == 1 && !slices.Contains(receivers, b.owner) {
		return nil
	}
	return more
}

// mms reads a multimedia message. The types of its addresses are those of the
// headers in OMA-TS-MMS_ENC: 137 from, 151 to, 130 cc, 129 bcc.
func (b *smsBackup) mms(m *argus.Message, e *xmlElement) error {
	var err error
	var centre argus.Time
	for _, a := range e.attrs {
		if a.value == "null" {
			continue
		}
		switch a.name {
		case "date":
			m.Sent, err = androidTime(a.value)
		case "date_sent":
			centre, err = androidTime(a.value)
		case "m_id":
			m.ServiceID = a.value
		case "address", "contact_name":
		default:
			keepExtra(m, a.name, a.value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	if stated(e, "date") == "" {
		return errors.New("want an mms with its date, found one without")
	}
	received := e.attr("msg_box") == "1"
	if received {
		m.Received = m.Sent
		if centre.Known() {
			m.Sent = centre
		}
	}
	sender, receivers := addresses(m, e.child("addrs"))
	b.parties(m, e, received, sender, receivers)
	for i := range e.child("parts").inside {
		mmsPart(m, &e.child("parts").inside[i])
	}
	return nil
}

// addresses reads who an mms names, each once.
func addresses(m *argus.Message, list *xmlElement) (sender string, receivers []string) {
	for i := range list.inside {
		e := &list.inside[i]
		account := phoneAccount(e.attr("address"))
		keepExtra(m, "addr "+e.attr("type"), e.attr("address"))
		switch {
		case account == "" || account == "insert-address-token":
		case e.attr("type") == "137":
			sender = account
		case len(receivers) < participantLimit && !slices.Contains(receivers, account):
			receivers = append(receivers, account)
		}
	}
	return sender, receivers
}

// mmsPart reads a part: text, or a file as base64.
func mmsPart(m *argus.Message, e *xmlElement) {
	kind := stated(e, "ct")
	data := e.attr("data")
	if kind == "text/plain" && data == "" {
		if m.Text != "" {
			m.Text += "\n"
		}
		m.Text += stated(e, "text")
		return
	}
	if kind == "application/smil" {
		keepExtra(m, "smil", stated(e, "text"))
		return
	}
	a := argus.Attachment{Name: cmp.Or(stated(e, "cl"), stated(e, "name"), stated(e, "fn"), stated(e, "cid")), Type: kind}
	if data != "" && data != "null" {
		if content, err := base64.StdEncoding.DecodeString(data); err == nil {
			a.Hash, a.Size = sha256.Sum256(content), int64(len(content))
		} else {
			keepExtra(m, "part data that is not base64", data)
		}
	}
	m.Attachments = append(m.Attachments, a)
	keepExtra(m, "part text", stated(e, "text"))
}

var smsCallTypes = map[string]string{
	"1": "incoming", "2": "outgoing", "3": "missed", "4": "voicemail", "5": "rejected", "6": "blocked", "7": "answered elsewhere",
}

// smsCallAnswers says which of them were answered.
var smsCallAnswers = map[string]string{"3": "no", "5": "no", "6": "no", "7": "yes"}

// call reads a call.
func (b *smsBackup) call(m *argus.Message, e *xmlElement) error {
	sent, err := androidTime(e.attr("date"))
	if err != nil {
		return fmt.Errorf("date: %w", err)
	}
	if !sent.Known() {
		return errors.New("want a call with its date, found one without")
	}
	m.Service, m.Sent = cmp.Or(b.options.Service, "phone"), sent
	number := phoneAccount(stated(e, "number"))
	kind := e.attr("type")
	c := argus.Call{Direction: "in"}
	m.From, m.To = number, []string{b.owner}
	if kind == "2" {
		m.From, m.To, c.Direction = b.owner, []string{number}, "out"
	}
	if name := stated(e, "contact_name"); name != "(Unknown)" {
		m.Title = name
	}
	m.Conversation = conversationOf([]string{number, b.owner})
	if smsCallTypes[kind] == "" {
		c.Direction = ""
	}
	c.Seconds, _ = strconv.ParseUint(e.attr("duration"), 10, 31)
	if c.Answered = smsCallAnswers[kind]; kind == "1" || kind == "2" {
		c.Answered = answeredIn(c.Seconds)
	}
	called(m, c, "call", fmt.Sprintf("%s; duration: %s s", cmp.Or(smsCallTypes[kind], "type "+kind), cmp.Or(e.attr("duration"), "?")))
	for _, a := range e.attrs {
		if a.name != "date" && a.name != "contact_name" && a.value != "null" && !(a.name == "number" && a.value == number) {
			keepExtra(m, a.name, a.value)
		}
	}
	return nil
}

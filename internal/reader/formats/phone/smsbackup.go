package phone

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
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/xmldoc"
)

// SMSBackup is described in docs/readers-xml-mail.md.
var SMSBackup = &reader.Format{
	Name:     "smsbackup",
	Version:  5,
	About:    "SMS Backup & Restore's XML: SMS, MMS with their parts, calls",
	Checked:  "invented examples only",
	OfDevice: true,
	Kept: []string{
		"_id", "addr *", "address", "app_id", "block_type", "bubble", "callback_set", "cl", "cnt", "correlation_tag", "creator", "ct_cls", "ct_l", "ct_t",
		"d_rpt", "d_rpt_st", "d_tm", "date_sent", "deletable", "device_name", "duration", "error_code", "exp", "favorite", "features", "file_id", "fw_id",
		"group_id", "group_type", "hidden", "ipmsg_id", "link_url", "locked", "m_cls", "m_size", "m_type", "mms_id", "msg_box", "msg_id", "number",
		"part data that is not base64", "part text", "post_dial_digits", "presentation", "pri", "protocol", "read", "read_status", "readable_date",
		"reserved", "resp_st", "resp_txt", "retr_st", "retr_txt", "retr_txt_cs", "rpt_a", "rr", "rr_st", "safe_message", "sc_toa", "seen", "service_center",
		"sim_imsi", "sim_slot", "smil", "spam_report", "st", "star_status", "status", "sub", "sub_cs", "sub_id", "subject", "subscription_component_name",
		"subscription_id", "svc_cmd", "svc_cmd_content", "tag", "tag_eng", "text_only", "thread_id", "toa", "tr_id", "type", "using_mode", "v",
	},
	Detect: detectSMSBackup,
	Read:   readSMSBackup,
}

func detectSMSBackup(s reader.Sample) int {
	switch root := xmldoc.Root(s); root.Name {
	case "smses", "calls":
		if root.Attr("count") != "" {
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

// readSMSBackup yields one item for each sms, mms and call, one for each damaged stretch, and
// the count at the beginning of the file.
func readSMSBackup(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		b := smsBackup{options: in.Options, owner: cmp.Or(in.Owner, argus.OwnerOf+in.Name)}
		r := xmldoc.Reading{
			IsRecord: func(t xmldoc.Tag) bool { return beginsSMSBackup(t.Raw) },
			Begins:   beginsSMSBackup,
			Enter:    b.enter,
			Parse:    b.message,
			Stated:   b.complete,
		}
		r.Read(ctx, in)(yield)
	}
}

// smsBackup is the information that applies to the whole file.
type smsBackup struct {
	options reader.Options
	// owner is the account of the phone, which no SMS names.
	owner string
	// root is the name of the list, and stated is the count at its beginning.
	root, stated string
}

func (b *smsBackup) enter(t xmldoc.Tag) {
	if name := string(t.Name); name != "smses" && name != "calls" {
		return
	}
	root := t.Element()
	b.root, b.stated = root.Name, root.Attr("count")
	if set := root.Attr("backup_set"); set != "" && b.options.Owner == "" {
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

func (b *smsBackup) message(e *xmldoc.Element) (*argus.Message, error) {
	m := &argus.Message{Service: cmp.Or(b.options.Service, "sms")}
	var err error
	unsent := ""
	switch e.Name {
	case "sms":
		err, unsent = b.sms(m, e), smsUnsent[e.Attr("type")]
	case "mms":
		err, unsent = b.mms(m, e), smsUnsent[e.Attr("msg_box")]
	default:
		err = b.call(m, e)
	}
	if err != nil {
		return nil, err
	}
	if unsent != "" {
		build.Happened(m, argus.TypeDraft, argus.Facts{}, unsent, m.Text)
	}
	return m, build.Valid(m)
}

// stated returns an attribute; the app writes the word null if there is none.
func stated(e *xmldoc.Element, name string) string {
	if value := e.Attr(name); value != "null" {
		return value
	}
	return ""
}

// smsUnsent are the names of Android's boxes of unsent messages: drafts may have the same
// words as a message sent later.
var smsUnsent = map[string]string{"3": "draft", "4": "outbox", "5": "failed", "6": "queued"}

// storedAttributes reads the attributes that an sms and an mms share, and their own one
// into field. It returns the time at the service centre.
func storedAttributes(m *argus.Message, e *xmldoc.Element, own string, field *string) (centre argus.Time, err error) {
	for _, a := range e.Attrs {
		if a.Value == "null" {
			continue
		}
		switch a.Name {
		case "date":
			m.Sent, err = dates.Android(a.Value)
		case "date_sent":
			centre, err = dates.Android(a.Value)
		case own:
			*field = a.Value
		case "address", "contact_name":
		default:
			build.KeepExtra(m, a.Name, a.Value)
		}
		if err != nil {
			return centre, fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	if stated(e, "date") == "" {
		return centre, fmt.Errorf("want an %s with its date, found one without", e.Name)
	}
	return centre, nil
}

// sms reads a short message. The app copies Android's own table: type 1 was received, 2 sent,
// 3 is a draft, 4 to 6 did not leave the phone. date is the time of storage on the phone;
// date_sent of a received message is the time at the service centre.
func (b *smsBackup) sms(m *argus.Message, e *xmldoc.Element) error {
	centre, err := storedAttributes(m, e, "body", &m.Text)
	if err != nil {
		return err
	}
	received := e.Attr("type") == "1"
	if received {
		m.Received = m.Sent
		if centre.Known() {
			m.Sent = centre
		}
	} else if centre.Known() {
		build.KeepExtra(m, "date_sent", e.Attr("date_sent"))
	}
	b.parties(m, e, received, "", nil)
	return nil
}

// parties sets sender and receivers: the phone's owner and the other side, whose numbers are
// in address, separated by ~ if there are several. sender and receivers are those of an mms.
func (b *smsBackup) parties(m *argus.Message, e *xmldoc.Element, received bool, sender string, receivers []string) {
	shown := stated(e, "address")
	var numbers []string
	for one := range strings.SplitSeq(shown, "~") {
		if one = phoneAccount(one); one != "" {
			numbers = append(numbers, one)
		}
	}
	if strings.Join(numbers, "~") != shown {
		build.KeepExtra(m, "address", shown)
	}
	name := stated(e, "contact_name")
	if name == "(Unknown)" {
		name = ""
	}
	m.Title = name
	m.Conversation = build.ConversationOf(append(slices.Clone(numbers), b.owner))
	if !received {
		m.From, m.To = b.owner, build.Others(slices.Concat(numbers, receivers), b.owner)
		if len(m.To) == 0 && len(numbers) > 0 {
			m.To = []string{b.owner} // to himself
		}
		return
	}
	if m.From = sender; m.From == "" && len(numbers) > 0 {
		m.From = numbers[0]
	}
	if m.From == "" {
		m.State |= argus.StateSystem // without any name, as in some service messages
		return
	}
	if len(numbers) == 1 { // the sender's number, maybe in another form; with several numbers, the name is that of all of them
		if m.From == numbers[0] {
			m.FromName = name
		}
		numbers = nil
	}
	m.To = build.Others(slices.Concat([]string{b.owner}, numbers, b.besides(receivers, append(numbers, m.From))), m.From)
	if len(m.To) == 0 {
		m.To = []string{b.owner} // to himself
	}
}

// phoneAccount returns a number in any form without the signs between its digits, and anything
// else, such as a sender's name or a mail address, unchanged.
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
	return build.AccountOf(shown)
}

// Returns the unknown receivers of a received mms. A single one is the owner's own number if
// the owner is not among the receivers. It is left out and stays in Extra, because the other
// messages of the file lack it.
func (b *smsBackup) besides(receivers, known []string) []string {
	more := slices.DeleteFunc(slices.Clone(receivers), func(one string) bool { return slices.Contains(known, one) })
	if len(more) == 1 && !slices.Contains(receivers, b.owner) {
		return nil
	}
	return more
}

// mms reads a multimedia message. The types of its addresses are those of the headers in
// OMA-TS-MMS_ENC: 137 from, 151 to, 130 cc, 129 bcc.
func (b *smsBackup) mms(m *argus.Message, e *xmldoc.Element) error {
	centre, err := storedAttributes(m, e, "m_id", &m.ServiceID)
	if err != nil {
		return err
	}
	received := e.Attr("msg_box") == "1"
	if received {
		m.Received = m.Sent
		if centre.Known() {
			m.Sent = centre
		}
	}
	sender, receivers := addresses(m, e.Child("addrs"))
	b.parties(m, e, received, sender, receivers)
	for i := range e.Child("parts").Inside {
		mmsPart(m, &e.Child("parts").Inside[i])
	}
	return nil
}

// addresses reads the addresses of an mms, without duplicates.
func addresses(m *argus.Message, list *xmldoc.Element) (sender string, receivers []string) {
	for i := range list.Inside {
		e := &list.Inside[i]
		account := phoneAccount(e.Attr("address"))
		build.KeepExtra(m, "addr "+e.Attr("type"), e.Attr("address"))
		switch {
		case account == "" || account == "insert-address-token":
		case e.Attr("type") == "137":
			sender = account
		case len(receivers) < build.ParticipantLimit && !slices.Contains(receivers, account):
			receivers = append(receivers, account)
		}
	}
	return sender, receivers
}

// mmsPart reads a part: text, or a file as base64.
func mmsPart(m *argus.Message, e *xmldoc.Element) {
	kind := stated(e, "ct")
	data := e.Attr("data")
	if kind == "text/plain" && data == "" {
		if m.Text != "" {
			m.Text += "\n"
		}
		m.Text += stated(e, "text")
		return
	}
	if kind == "application/smil" {
		build.KeepExtra(m, "smil", stated(e, "text"))
		return
	}
	a := argus.Attachment{Name: cmp.Or(stated(e, "cl"), stated(e, "name"), stated(e, "fn"), stated(e, "cid")), Type: kind}
	if data != "" && data != "null" {
		if content, err := base64.StdEncoding.DecodeString(data); err == nil {
			a.Hash, a.Size = sha256.Sum256(content), int64(len(content))
		} else {
			build.KeepExtra(m, "part data that is not base64", data)
		}
	}
	m.Attachments = append(m.Attachments, a)
	build.KeepExtra(m, "part text", stated(e, "text"))
}

var smsCallTypes = map[string]string{
	"1": "incoming", "2": "outgoing", "3": "missed", "4": "voicemail", "5": "rejected", "6": "blocked", "7": "answered elsewhere",
}

// smsCallAnswers maps the type of a call to whether it was answered.
var smsCallAnswers = map[string]string{"3": "no", "5": "no", "6": "no", "7": "yes"}

// call reads a call.
func (b *smsBackup) call(m *argus.Message, e *xmldoc.Element) error {
	sent, err := dates.Android(e.Attr("date"))
	if err != nil {
		return fmt.Errorf("date: %w", err)
	}
	if !sent.Known() {
		return errors.New("want a call with its date, found one without")
	}
	m.Service, m.Sent = cmp.Or(b.options.Service, "phone"), sent
	number := phoneAccount(stated(e, "number"))
	kind := e.Attr("type")
	c := argus.Call{Direction: "in"}
	m.From, m.To = number, []string{b.owner}
	if kind == "2" {
		m.From, m.To, c.Direction = b.owner, []string{number}, "out"
	}
	if name := stated(e, "contact_name"); name != "(Unknown)" {
		m.Title = name
	}
	m.Conversation = build.ConversationOf([]string{number, b.owner})
	if smsCallTypes[kind] == "" {
		c.Direction = ""
	}
	c.Seconds, _ = strconv.ParseUint(e.Attr("duration"), 10, 31)
	if c.Answered = smsCallAnswers[kind]; kind == "1" || kind == "2" {
		c.Answered = build.AnsweredIn(c.Seconds)
	}
	build.Called(m, c, "call", fmt.Sprintf("%s; duration: %s s", cmp.Or(smsCallTypes[kind], "type "+kind), cmp.Or(e.Attr("duration"), "?")))
	for _, a := range e.Attrs {
		if a.Name != "date" && a.Name != "contact_name" && a.Value != "null" && !(a.Name == "number" && a.Value == number) {
			build.KeepExtra(m, a.Name, a.Value)
		}
	}
	return nil
}

package mail

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/richardlehane/mscfb"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/rtfdoc"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// MSG is described in docs/readers-xml-mail.md.
var MSG = &reader.Format{
	Name:    "msg",
	Version: 3,
	About:   "a mail as Outlook saves it (.msg, MS-OXMSG)",
	Checked: "by hand, the sample of the library mscfb, 1 of 1 mails with its 2 attachments; invented examples",
	Detect:  detectMSG,
	Read:    readMSG,
}

// msgLimit is the largest file that is read, in bytes: the list of its entries is held in
// memory.
const msgLimit = 256 << 20

// msgMarks are names that only a message has, in UTF-16 as in a directory.
var msgMarks = func() (marks [][]byte) {
	for _, name := range []string{"__substg1.0_", "__properties_version1.0", "__nameid_version1.0", msgRecipient, msgAttachment} {
		var mark []byte
		for _, c := range []byte(name) {
			mark = append(mark, c, 0)
		}
		marks = append(marks, mark)
	}
	return marks
}()

// detectMSG looks for a compound file with streams that only a message has.
func detectMSG(s reader.Sample) int {
	if !bytes.HasPrefix(s.Head, []byte(reader.CompoundMagic)) {
		return 0
	}
	has := func(mark []byte) bool { return bytes.Contains(s.Head, mark) || bytes.Contains(s.Schema, mark) }
	switch {
	case slices.ContainsFunc(msgMarks, has):
		return 90
	case strings.HasSuffix(strings.ToLower(s.Name), ".msg"):
		return 60 // the names that identify a message may be far away
	}
	return 0
}

// readMSG yields one item for the mail, and one for each mail inside it.
func readMSG(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		item := reader.Item{Where: argus.Where{Record: 1, Length: in.Size}}
		source := &msgSource{ctx: ctx, file: in.File}
		p, err := readMSGMail(source, in)
		switch {
		case source.err != nil:
			yield(reader.Item{}, source.err)
			return
		case err != nil:
			item.Problem = err.Error()
			item.Raw = make([]byte, min(in.Size, argus.QuarantineRaw))
			if n, err := in.File.ReadAt(item.Raw, 0); n < len(item.Raw) {
				yield(reader.Item{}, fmt.Errorf("read the beginning of the mail: %w", err))
				return
			}
		default:
			item.Message = p.Message
		}
		if yield(item, nil) {
			yieldInside(1, p.inside, yield)
		}
	}
}

// msgSource is the input of a mail. Its error is that of the file or the context, not one in
// the mail.
type msgSource struct {
	ctx  context.Context
	file io.ReaderAt
	err  error
}

func (s *msgSource) ReadAt(b []byte, at int64) (n int, err error) {
	if err = s.ctx.Err(); err == nil {
		n, err = s.file.ReadAt(b, at)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = fmt.Errorf("read the mail at byte %d: %w", at, err)
	}
	return n, err
}

// msgMail is a mail of Outlook, property by property.
type msgMail struct {
	letter
	texts map[uint16]string // properties that are text, by number
	// facts are properties that are not text and have no place in a message; names are the
	// names of properties without a plain number.
	facts, names map[uint16]string
	// page describes the page, property 1013; rtf is the text in Outlook's own form.
	page              string
	rtf               []byte
	recipients, files map[string]*msgPart
	// mails are the mails inside this one, keyed by the storage of the attachment; deep is
	// this mail's own nesting.
	mails map[string]*msgMail
	deep  int
}

func newMSGMail(in reader.Input) *msgMail {
	return &msgMail{
		letter: *newLetter(in),
		texts:  map[uint16]string{}, facts: map[uint16]string{}, recipients: map[string]*msgPart{}, files: map[string]*msgPart{},
		mails: map[string]*msgMail{},
	}
}

// msgPart is one of a mail's recipients or attachments.
type msgPart struct {
	texts map[uint16]string
	argus.Attachment
	kind uint32 // of a recipient: 2 got a copy, 3 a blind copy
}

// partOf returns the part with the given name, or a new one if there is none.
func partOf(parts map[string]*msgPart, name string) *msgPart {
	if parts[name] == nil {
		parts[name] = &msgPart{texts: map[uint16]string{}}
	}
	return parts[name]
}

// Properties (MS-OXPROPS).
const (
	msgSubject        = 0x0037
	msgSubmitted      = 0x0039
	msgFor            = 0x0042
	msgForType        = 0x0064
	msgForAddress     = 0x0065
	msgHeaders        = 0x007D
	msgSender         = 0x0C1A
	msgSenderType     = 0x0C1E
	msgSenderAddress  = 0x0C1F
	msgDelivered      = 0x0E06
	msgBody           = 0x1000
	msgRTF            = 0x1009
	msgHTML           = 0x1013
	msgID             = 0x1035
	msgReferences     = 0x1039
	msgInReplyTo      = 0x1042
	msgDisplayName    = 0x3001
	msgAddress        = 0x3003
	msgData           = 0x3701
	msgFileName       = 0x3704
	msgLongFileName   = 0x3707
	msgMediaType      = 0x370E
	msgSMTPAddress    = 0x39FE
	msgSenderSMTP     = 0x5D01
	msgForSMTP        = 0x5D02
	msgKind           = 0x0C15 // of a recipient
	msgTypeNumber     = 0x0003
	msgTypeText8      = 0x001E
	msgTypeText       = 0x001F
	msgTypeTime       = 0x0040
	msgTypeBinary     = 0x0102
	msgRecipient      = "__recip_version1.0_#"
	msgAttachment     = "__attach_version1.0_#"
	msgStream         = "__substg1.0_"
	msgFixed          = "__properties_version1.0"
	msgFixedHeader    = 32 // of a mail
	msgInsideHeader   = 24 // of a mail in a mail
	msgPartHeader     = 8  // of a recipient
	msgInside         = "__substg1.0_3701000D"
	filetimeToUnixSec = 11644473600
)

// readMSGMail reads the mail and those inside it, which may be good even if it is bad.
func readMSGMail(source io.ReaderAt, in reader.Input) (*msgMail, error) {
	p := newMSGMail(in)
	if in.Size > msgLimit {
		return p, fmt.Errorf("want a mail of at most %d bytes, found a longer one", msgLimit)
	}
	file, err := mscfb.New(source)
	if err != nil {
		return p, fmt.Errorf("open the compound file: %w", err)
	}
	for {
		entry, err := file.Next()
		if err == io.EOF { //nolint:errorlint // mscfb returns it
			break
		}
		if err != nil {
			return p, fmt.Errorf("read the compound file: %w", err)
		}
		if err := p.stream(entry, entry.Path); err != nil {
			return p, fmt.Errorf("read %.60q of the compound file: %w", entry.Name, err)
		}
	}
	p.finish()
	return p, p.Valid()
}

// stream takes a stream of the mail, of one of its recipients or attachments, or of a mail
// inside it.
func (p *msgMail) stream(entry *mscfb.File, path []string) error {
	in := ""
	if len(path) > 0 {
		in = path[0]
	}
	if len(path) > 1 && path[1] == msgInside && strings.HasPrefix(in, msgAttachment) {
		return p.mailIn(in, entry, path[2:])
	}
	if entry.Name == msgFixed && len(path) < 2 {
		return p.fixed(entry, in)
	}
	digits, ok := strings.CutPrefix(entry.Name, msgStream)
	tag, err := hex.DecodeString(digits)
	if !ok || err != nil || len(tag) != 4 || len(path) > 1 || len(p.recipients)+len(p.files) > mimeParts {
		return nil //nolint:nilerr // another stream
	}
	number, kind := binary.BigEndian.Uint16(tag), binary.BigEndian.Uint16(tag[2:])
	switch {
	case in == "":
		return p.property(p.texts, number, kind, entry)
	case strings.HasPrefix(in, msgRecipient):
		return p.property(partOf(p.recipients, in).texts, number, kind, entry)
	case strings.HasPrefix(in, msgAttachment):
		file := partOf(p.files, in)
		if number == msgData && kind == msgTypeBinary {
			part := mimePart{body: io.LimitReader(entry, msgLimit)}
			a, err := part.attachment()
			file.Hash, file.Size = a.Hash, a.Size
			return err
		}
		return p.property(file.texts, number, kind, entry)
	}
	return nil
}

// mailIn passes a stream to the mail that is the attachment.
func (p *msgMail) mailIn(attachment string, entry *mscfb.File, path []string) error {
	inner := p.mails[attachment]
	if inner == nil {
		if p.deep == mimeDepth || len(p.mails) == mimeParts {
			p.facts[msgData] = "some enclosed mails are not read: they are too many, or nested too deep"
			return nil
		}
		inner = newMSGMail(reader.Input{Options: p.options})
		inner.Service, inner.deep = p.Service, p.deep+1
		p.mails[attachment] = inner
		partOf(p.files, attachment)
	}
	return inner.stream(entry, path)
}

// property reads a property that is text, or a page as bytes.
func (p *msgMail) property(into map[uint16]string, number, kind uint16, entry *mscfb.File) error {
	if !isMSGText(number, kind) {
		return nil
	}
	limit := p.options.RecordLimit()
	stored, err := io.ReadAll(io.LimitReader(entry, int64(limit)+1))
	if err != nil {
		return err
	}
	if len(stored) > limit {
		build.KeepExtra(p.Message, "damage", fmt.Sprintf("property %04X is longer than the longest record; it is cut", number))
		stored = stored[:limit]
	}
	p.text(into, number, kind, stored, "")
	return nil
}

// isMSGText reports whether a property is text, or the page or RTF, which are bytes.
func isMSGText(number, kind uint16) bool {
	return kind == msgTypeText || kind == msgTypeText8 || (number == msgHTML || number == msgRTF) && kind == msgTypeBinary
}

// text takes a property that is text; 8-bit text is in a charset.
func (p *msgMail) text(into map[uint16]string, number, kind uint16, stored []byte, charset string) {
	if number == msgRTF {
		p.rtf = stored
		return
	}
	if number == msgHTML {
		p.page = fmt.Sprintf("text/html, %d bytes, sha256 %x", len(stored), sha256.Sum256(stored))
	}
	var text string
	if kind == msgTypeText {
		text = string(textdoc.AppendUTF16(nil, stored, binary.LittleEndian))
	} else {
		text = textdoc.Decode(stored, charset)
	}
	if text = strings.TrimRight(text, "\x00"); text != "" {
		into[number] = text
	}
}

// fixed reads the times of the mail, and the kind of a recipient, from tables that have 16
// bytes per property.
func (p *msgMail) fixed(entry *mscfb.File, in string) error {
	table, err := io.ReadAll(io.LimitReader(entry, headerLimit))
	if err != nil {
		return err
	}
	head := msgFixedHeader
	if in != "" {
		head = msgPartHeader
	} else if p.deep > 0 {
		head = msgInsideHeader
	}
	for at := head; at+16 <= len(table); at += 16 {
		number, kind := binary.LittleEndian.Uint16(table[at+2:]), binary.LittleEndian.Uint16(table[at:])
		switch {
		case in == "" && kind == msgTypeTime:
			p.when(number, binary.LittleEndian.Uint64(table[at+8:]))
		case number == msgKind && kind == msgTypeNumber && strings.HasPrefix(in, msgRecipient):
			partOf(p.recipients, in).kind = binary.LittleEndian.Uint32(table[at+8:])
		}
	}
	return nil
}

// when takes a property that is a time, in 100 ns since 1601.
func (p *msgMail) when(number uint16, ticks uint64) {
	when := argus.Time{Micros: int64(ticks/10) - filetimeToUnixSec*1e6, Precision: argus.Micro}
	switch {
	case !when.Plausible():
		p.facts[number] = fmt.Sprintf("no time: %d", ticks)
	case number == msgSubmitted:
		p.Sent = when
	case number == msgDelivered:
		p.Received = when
	default:
		p.facts[number] = when.String()
	}
}

// finish sets the fields that depend on several properties and parts. If the mail came from
// outside, its original header takes precedence.
func (p *msgMail) finish() {
	if headers := p.texts[msgHeaders]; headers != "" {
		h, err := readMailHeader(bufio.NewReader(strings.NewReader(headers)), p.options.RecordLimit())
		if err != nil {
			build.KeepExtra(p.Message, "damage", err.Error())
		}
		submitted := p.Sent
		p.header(h)
		if !p.Sent.Known() {
			p.Sent = submitted
		}
	}
	p.Title = cmp.Or(p.Title, p.texts[msgSubject])
	p.ServiceID = cmp.Or(p.ServiceID, messageID(p.texts[msgID]))
	p.ReplyTo = cmp.Or(p.ReplyTo, messageID(p.texts[msgInReplyTo]))
	p.sender()
	p.people()
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		f := p.files[name]
		if inner := p.mails[name]; inner != nil {
			p.attached(f, inner)
			continue
		}
		f.Name, f.Type = cmp.Or(f.texts[msgLongFileName], f.texts[msgFileName], f.texts[msgDisplayName]), f.texts[msgMediaType]
		p.Attachments = append(p.Attachments, f.Attachment)
		for _, number := range slices.Sorted(maps.Keys(f.texts)) {
			if value := f.texts[number]; value != f.Name && number != msgMediaType && number != msgFileName {
				build.KeepExtra(p.Message, fmt.Sprintf("attachment property %04X", number), f.Name+": "+value)
			}
		}
	}
	p.said()
	if p.texts[msgHeaders] == "" {
		p.thread(p.texts[msgReferences])
	}
	p.rest()
}

// attached completes a mail inside the mail.
func (p *msgMail) attached(f *msgPart, inner *msgMail) {
	build.KeepExtra(p.Message, "attached message", cmp.Or(f.texts[msgDisplayName], "unnamed"))
	inner.finish()
	p.inside = append(append(p.inside, insideItem(inner.Message, p.ServiceID, inner.Valid())), inner.inside...)
}

// said sets the text: the plain one, otherwise that of the page, otherwise that of the RTF. It
// describes the other forms.
func (p *msgMail) said() {
	p.Text = textdoc.LineFeeds(p.texts[msgBody])
	if p.Text == "" {
		p.Text, p.page = htmlText(p.texts[msgHTML]), ""
	}
	build.KeepExtra(p.Message, "alternative", p.page)
	switch {
	case len(p.rtf) == 0:
	case p.Text != "":
		build.KeepExtra(p.Message, "alternative", fmt.Sprintf("compressed RTF, %d bytes, sha256 %x", len(p.rtf), sha256.Sum256(p.rtf)))
	default:
		rtf, err := rtfdoc.Unpack(p.rtf, p.options.RecordLimit())
		if p.Text = rtfdoc.Text(rtf); err != nil {
			build.KeepExtra(p.Message, "damage", err.Error())
		}
	}
}

// sender sets the stated sender, otherwise the person who sent it on behalf of somebody.
// Items that were only written down have the address type UNKNOWN.
func (p *msgMail) sender() {
	for _, of := range []struct{ smtp, address, name, kind uint16 }{
		{msgForSMTP, msgForAddress, msgFor, msgForType},
		{msgSenderSMTP, msgSenderAddress, msgSender, msgSenderType},
	} {
		if p.From == "" && p.texts[of.kind] != "UNKNOWN" {
			p.From = strings.ToLower(argus.CleanName(cmp.Or(p.texts[of.smtp], p.texts[of.address], p.texts[of.name])))
			p.FromName = argus.CleanName(p.texts[of.name])
		}
	}
}

// people adds the recipients and their kinds.
func (p *msgMail) people() {
	for _, name := range slices.Sorted(maps.Keys(p.recipients)) {
		r := p.recipients[name]
		shown := argus.CleanName(r.texts[msgDisplayName])
		account := strings.ToLower(argus.CleanName(cmp.Or(r.texts[msgSMTPAddress], r.texts[msgAddress], shown)))
		if account == "" || slices.Contains(p.To, account) {
			continue // the same as in the header
		}
		p.To = append(p.To, account)
		how := "recipient"
		if r.kind == 2 {
			how = "Cc"
		} else if r.kind == 3 {
			how = "Bcc"
		} else if p.first == "" {
			p.first = account
		}
		switch {
		case shown != "" && !strings.EqualFold(shown, account):
			build.KeepExtra(p.Message, how, shown+" <"+account+">")
		case how != "recipient":
			build.KeepExtra(p.Message, how, account)
		}
	}
}

// rest keeps the properties that are not in the message yet.
func (p *msgMail) rest() {
	said := map[uint16]string{
		msgHeaders: p.texts[msgHeaders], msgBody: p.texts[msgBody], msgHTML: p.texts[msgHTML], msgSubject: p.Title,
		msgSender: p.FromName, msgFor: p.FromName, msgSenderAddress: p.From, msgForAddress: p.From, msgSenderSMTP: p.From, msgForSMTP: p.From,
		msgID: p.ServiceID, msgInReplyTo: p.ReplyTo,
	}
	for number, text := range p.texts {
		if known, ok := said[number]; !ok || !strings.EqualFold(known, strings.Trim(argus.CleanName(text), "<>")) && known != text {
			p.facts[number] = text
		}
	}
	for _, number := range slices.Sorted(maps.Keys(p.facts)) {
		build.KeepExtra(p.Message, cmp.Or(p.names[number], fmt.Sprintf("property %04X", number)), p.facts[number])
	}
}

package reader

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
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
)

// msgFormat is described in docs/readers-xml-mail.md.
var msgFormat = &Format{
	Name:    "msg",
	Version: 1,
	About:   "a mail as Outlook saves it (.msg, MS-OXMSG)",
	Checked: "by hand, the sample of the library mscfb, 1 of 1 mails with its 2 attachments; invented examples",
	Detect:  detectMSG,
	Read:    readMSG,
}

const (
	cfbMagic = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"
	// msgLimit is the largest file that is read, in bytes: the list of what is
	// in it is held.
	msgLimit = 256 << 20
)

// detectMSG wants a compound file with streams that only a message has.
func detectMSG(s Sample) int {
	if !bytes.HasPrefix(s.Head, []byte(cfbMagic)) {
		return 0
	}
	var name []byte // in UTF-16
	for _, c := range []byte("__substg1.0_") {
		name = append(name, c, 0)
	}
	switch {
	case bytes.Contains(s.Head, name):
		return 90
	case strings.HasSuffix(strings.ToLower(s.Name), ".msg"):
		return 60 // the list of streams may stand far away
	}
	return 0
}

// readMSG yields one item: the mail.
func readMSG(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		item := Item{Where: argus.Where{Record: 1, Length: in.Size}}
		source := &msgSource{ctx: ctx, file: in.File}
		m, err := readMSGMail(source, in)
		switch {
		case source.err != nil:
			yield(Item{}, source.err)
			return
		case err != nil:
			item.Problem = err.Error()
			item.Raw = make([]byte, min(in.Size, argus.QuarantineRaw))
			if n, err := in.File.ReadAt(item.Raw, 0); n < len(item.Raw) {
				yield(Item{}, fmt.Errorf("read the beginning of the mail: %w", err))
				return
			}
		default:
			item.Message = m
		}
		yield(item, nil)
	}
}

// msgSource is what a mail is read from. Its error is the file's or the
// context's, as against what is wrong with the mail.
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
	// charset is that of text of 8 bits, "" where nothing says it; room is how
	// many bytes of text a mailbox may still add.
	charset string
	room    int
	// names are those of properties, where a number is none.
	names      map[uint16]string
	texts      map[uint16]string // properties that are text, by number
	recipients map[string]map[uint16]string
	files      map[string]*msgFile
}

type msgFile struct {
	argus.Attachment
	texts map[uint16]string
}

// Properties (MS-OXPROPS).
const (
	msgSubject        = 0x0037
	msgSubmitted      = 0x0039
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
	msgTypeText8      = 0x001E
	msgTypeText       = 0x001F
	msgTypeTime       = 0x0040
	msgTypeBinary     = 0x0102
	msgRecipient      = "__recip_version1.0_#"
	msgAttachment     = "__attach_version1.0_#"
	msgStream         = "__substg1.0_"
	msgFixed          = "__properties_version1.0"
	msgFixedHeader    = 32
	filetimeToUnixSec = 11644473600
)

func readMSGMail(source io.ReaderAt, in Input) (*argus.Message, error) {
	if in.Size > msgLimit {
		return nil, fmt.Errorf("want a mail of at most %d bytes, found a longer one", msgLimit)
	}
	file, err := mscfb.New(source)
	if err != nil {
		return nil, fmt.Errorf("open the compound file: %w", err)
	}
	m := &argus.Message{Service: cmp.Or(in.Service, "email")}
	p := msgMail{letter: letter{Message: m, options: in.Options}, texts: map[uint16]string{}, recipients: map[string]map[uint16]string{}, files: map[string]*msgFile{}}
	for {
		entry, err := file.Next()
		if err == io.EOF { //nolint:errorlint // what mscfb returns
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the compound file: %w", err)
		}
		if err := p.stream(entry); err != nil {
			return nil, fmt.Errorf("read %.60q of the compound file: %w", entry.Name, err)
		}
	}
	p.finish()
	return m, m.Valid()
}

// stream takes a stream of the mail, of one of its recipients or of one of its
// attachments. What lies deeper is a mail in the mail.
func (p *msgMail) stream(entry *mscfb.File) error {
	in := ""
	if len(entry.Path) > 0 {
		in = entry.Path[0]
	}
	if entry.Name == msgFixed && len(entry.Path) == 0 {
		return p.fixed(entry)
	}
	digits, ok := strings.CutPrefix(entry.Name, msgStream)
	tag, err := hex.DecodeString(digits)
	if !ok || err != nil || len(tag) != 4 || len(entry.Path) > 1 || len(p.recipients)+len(p.files) > mimeParts {
		return nil //nolint:nilerr // another stream
	}
	number, kind := binary.BigEndian.Uint16(tag), binary.BigEndian.Uint16(tag[2:])
	switch {
	case in == "":
		return p.property(p.texts, number, kind, entry)
	case strings.HasPrefix(in, msgRecipient):
		if p.recipients[in] == nil {
			p.recipients[in] = map[uint16]string{}
		}
		return p.property(p.recipients[in], number, kind, entry)
	case strings.HasPrefix(in, msgAttachment):
		if p.files[in] == nil {
			p.files[in] = &msgFile{texts: map[uint16]string{}}
		}
		if number == msgData && kind == msgTypeBinary {
			part := mimePart{body: io.LimitReader(entry, msgLimit)}
			a, err := part.attachment()
			p.files[in].Hash, p.files[in].Size = a.Hash, a.Size
			return err
		}
		return p.property(p.files[in].texts, number, kind, entry)
	}
	return nil
}

// property reads a property that is text, or a page as bytes.
func (p *msgMail) property(into map[uint16]string, number, kind uint16, entry *mscfb.File) error {
	isText := kind == msgTypeText || kind == msgTypeText8 || number == msgHTML && kind == msgTypeBinary
	if !isText {
		if number == msgRTF {
			into[number] = unreadRTF
		}
		return nil
	}
	limit := p.options.maxRecord()
	stored, err := io.ReadAll(io.LimitReader(entry, int64(limit)+1))
	if err != nil {
		return err
	}
	if len(stored) > limit {
		keepExtra(p.Message, "damage", fmt.Sprintf("property %04X is longer than the longest record; it is cut", number))
		stored = stored[:limit]
	}
	if kind != msgTypeText {
		kind = msgTypeText8
	}
	into[number], _ = msgTextOf(kind, stored, p.charset)
	return nil
}

// unreadRTF stands for a text that is there in a form that is not read.
const unreadRTF = "(compressed RTF, not read)"

// msgTextOf returns what a property of text says, and whether its type is one.
func msgTextOf(kind uint16, stored []byte, charset string) (string, bool) {
	switch kind {
	case msgTypeText:
		return strings.TrimRight(string(appendUTF16(nil, stored, binary.LittleEndian)), "\x00"), true
	case msgTypeText8:
		return strings.TrimRight(charsetText(stored, charset), "\x00"), true
	}
	return "", false
}

// fixed reads the times, which stand in a table of 16 bytes a property.
func (p *msgMail) fixed(entry *mscfb.File) error {
	table, err := io.ReadAll(io.LimitReader(entry, headerLimit))
	if err != nil {
		return err
	}
	for at := msgFixedHeader; at+16 <= len(table); at += 16 {
		tag := binary.LittleEndian.Uint32(table[at:])
		if tag&0xFFFF != msgTypeTime {
			continue
		}
		p.when(uint16(tag>>16), binary.LittleEndian.Uint64(table[at+8:]))
	}
	return nil
}

// when takes a property that is a time, in 100 ns since 1601.
func (p *msgMail) when(number uint16, ticks uint64) {
	when := argus.Time{Micros: int64(ticks/10) - filetimeToUnixSec*1e6, Precision: argus.Micro}
	if !when.Plausible() {
		return
	}
	switch number {
	case msgSubmitted:
		p.Sent = when
	case msgDelivered:
		p.Received = when
	}
}

// finish sets what the streams say together. Where the mail came from outside,
// its header as it was sent goes before everything.
func (p *msgMail) finish() {
	if headers := p.texts[msgHeaders]; headers != "" {
		h, err := readMailHeader(bufio.NewReaderSize(strings.NewReader(strings.TrimLeft(headers, "\r\n")), 64<<10))
		if err != nil {
			keepExtra(p.Message, "damage", err.Error())
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
	if p.From == "" && p.texts[msgSenderType] != "UNKNOWN" { // as of what was only written down
		p.From = strings.ToLower(argus.CleanName(cmp.Or(p.texts[msgSenderSMTP], p.texts[msgSenderAddress], p.texts[msgSender])))
		p.FromName = argus.CleanName(p.texts[msgSender])
	}
	for _, name := range slices.Sorted(maps.Keys(p.recipients)) {
		r := p.recipients[name]
		account := strings.ToLower(argus.CleanName(cmp.Or(r[msgSMTPAddress], r[msgAddress], r[msgDisplayName])))
		if account != "" && !slices.Contains(p.To, account) {
			p.To = append(p.To, account)
		}
		keepExtra(p.Message, "recipient", r[msgDisplayName])
	}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		f := p.files[name]
		f.Name, f.Type = cmp.Or(f.texts[msgLongFileName], f.texts[msgFileName], f.texts[msgDisplayName]), f.texts[msgMediaType]
		p.Attachments = append(p.Attachments, f.Attachment)
	}
	p.Text = withLineFeeds(p.texts[msgBody])
	if page := p.texts[msgHTML]; p.Text == "" {
		p.Text = htmlText(page)
	}
	if p.Conversation == "" || len(p.texts[msgHeaders]) == 0 {
		references := strings.Fields(p.texts[msgReferences])
		if p.Conversation = cmp.Or(p.ReplyTo, p.ServiceID, conversationOf(append([]string{p.From}, p.To...))); len(references) > 0 {
			p.Conversation = messageID(references[0])
		}
	}
	for _, number := range slices.Sorted(maps.Keys(p.texts)) {
		switch number {
		case msgSubject, msgHeaders, msgSender, msgBody, msgHTML, msgID, msgInReplyTo:
		default:
			keepExtra(p.Message, cmp.Or(p.names[number], fmt.Sprintf("property %04X", number)), p.texts[number])
		}
	}
}

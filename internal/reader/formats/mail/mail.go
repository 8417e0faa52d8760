// Package mail reads mails, mailboxes, and other content that is sent as a mail.
package mail

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/dates"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// EML and Mbox are described in docs/readers-xml-mail.md.
var EML = &reader.Format{
	Name:    "eml",
	Version: 4,
	About:   "a mail as it was sent (RFC 5322, MIME)",
	Checked: "invented examples; the test mails of MimeKit (41 files, 52 mails with those in them) and of stalwartlabs' mail-parser (76 of 107 files, 86 mails; the other files name no sender)",
	Detect:  detectEML,
	Read:    readEML,
}

// Mbox is described in docs/readers-xml-mail.md.
var Mbox = &reader.Format{
	Name:    "mbox",
	Version: 4,
	About:   "mails one after another, as Unix mail programs, Thunderbird and Google Takeout write them",
	Checked: "invented examples; the test mailboxes of MimeKit (5 files, 42 mails), in forms of Netscape, Thunderbird and Google Takeout",
	Detect:  detectMbox,
	Read:    readMbox,
}

// detectEML looks for the header of a mail: only fields, and three typical ones.
func detectEML(s reader.Sample) int {
	if s.Text == nil {
		return 0
	}
	h, err := sampleHeader(s.Text)
	if err != nil {
		return 0
	}
	found := 0
	for _, name := range []string{"From", "To", "Date", "Subject", "Message-ID", "Received", "MIME-Version", "Content-Type", "Return-Path", "Newsgroups"} {
		if h.Get(name) != "" {
			found++
		}
	}
	for _, f := range h {
		if f.Name == "" {
			found--
		}
	}
	if found < 3 || h.Get("From") == "" && h.Get("Received") == "" {
		return 0
	}
	return 85
}

// sampleHeader reads the header at the beginning of a sample.
func sampleHeader(text []byte) (mailHeader, error) {
	if endsWithCR(text) {
		text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	}
	return readMailHeader(bufio.NewReader(bytes.NewReader(text)), headerLimit)
}

// endsWithCR reports whether the lines of a mail end with CR alone, as old Macs wrote them:
// the first line does, and no LF precedes an empty line.
func endsWithCR(head []byte) bool {
	cr, lf := bytes.IndexByte(head, '\r'), bytes.IndexByte(head, '\n')
	if cr < 0 || lf == cr+1 {
		return false
	}
	blank := bytes.Index(head, []byte("\r\r"))
	return lf < 0 || blank >= 0 && blank < lf && cr < lf
}

func detectMbox(s reader.Sample) int {
	eol := byte('\n')
	if endsWithCR(s.Text) {
		eol = '\r'
	}
	line, rest, _ := bytes.Cut(bytes.TrimLeft(s.Text, "\r\n"), []byte{eol})
	if !isPostmark(line, rest, true) {
		return 0
	}
	if h, err := sampleHeader(rest); err != nil || len(h) == 0 || h[0].Name == "" && !strings.HasPrefix(h[0].Value, ">") {
		return 0
	}
	return 90
}

// isPostmark recognises the line before a mail in an mbox: From, an address, and a date with a
// time of day and a year (RFC 4155), after an empty line or before a header field; a date in a
// form other than asctime's counts only before such a field. Some programs write From alone,
// From -, or From and an address, before a typical mail field.
func isPostmark(line, behind []byte, blank bool) bool {
	if !bytes.HasPrefix(line, []byte("From ")) || len(line) > postmarkLimit {
		return false
	}
	if who := strings.Trim(string(line[len("From"):]), " -\r"); who == "" || build.IsAddress(who) {
		return beginsMail(behind)
	}
	switch _, usual, ok := postmarkDate(string(line)); {
	case !ok:
		return false
	case blank && usual:
		return true
	default:
		name, _, ok := bytes.Cut(behind[:min(len(behind), postmarkLimit)], []byte(":"))
		return ok && isFieldName(string(name))
	}
}

// beginsMail reports whether a line is a typical field of mails.
func beginsMail(line []byte) bool {
	name, _, ok := bytes.Cut(line[:min(len(line), 80)], []byte(":"))
	return ok && slices.Contains(mailFields, strings.ToLower(string(bytes.TrimRight(name, " \t"))))
}

var mailFields = []string{"from", "to", "cc", "date", "subject", "message-id", "received", "return-path", "mime-version", "sender", "reply-to", "delivered-to", "content-type"}

const postmarkLimit = 512

// postmarkDate reads the date of a postmark, which is that of the delivery into the mailbox.
// usual means that it has the form of asctime, with or without a zone.
func postmarkDate(line string) (date string, usual, ok bool) {
	line, _, _ = strings.Cut(strings.TrimSpace(line), " remote from ")
	fields := strings.Fields(line)
	for i := 2; i+4 < len(fields)+1 && i < 5; i++ {
		date := strings.Join(fields[i:], " ")
		for _, layout := range []string{"Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 -0700 2006", "Mon Jan _2 15:04:05 MST 2006", "Mon Jan _2 15:04 2006"} {
			if _, err := time.Parse(layout, date); err == nil {
				return date, true, true
			}
		}
	}
	if len(fields) < 3 {
		return "", false, false
	}
	date = strings.Join(fields[2:], " ")
	at, ok := dates.Words(date, reader.Options{})
	return date, false, ok && at.Precision != argus.Day
}

func readEML(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		newMailReading(ctx, in, false).items(1, 0, in.Size, yield)
	}
}

// readMbox yields one item for each mail, one for each mail inside it, and one for the text
// before the first mail.
func readMbox(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		f := mboxFile{Window: textdoc.Window{Source: in.Reader()}}
		mails := newMailReading(ctx, in, true)
		for record := uint64(1); ; record++ {
			start, length, err := f.next(ctx)
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if length == 0 {
				return
			}
			if !mails.items(record, start, length, yield) {
				return
			}
		}
	}
}

// mboxFile finds the beginnings of mails.
type mboxFile struct {
	textdoc.Window
	eol string // ends a line
}

// next returns the position of the next mail, or a length of 0 at the end. The text before the
// first postmark is a piece as well; empty lines there are part of the first mail.
func (f *mboxFile) next(ctx context.Context) (start, length int64, err error) {
	at := 1
	if f.At == 0 && len(f.Buf) == 0 {
		if err := f.More(); err != nil {
			return 0, 0, err
		}
		if f.eol = "\n"; endsWithCR(f.Buf) {
			f.eol = "\r"
		}
		at += len(f.Buf) - len(bytes.TrimLeft(f.Buf, "\r\n"))
	}
	start = f.At
	for {
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		n := bytes.Index(f.Buf[min(at, len(f.Buf)):], []byte(f.eol+"From "))
		if n < 0 {
			// The end of the view may be the beginning of a postmark.
			skip := max(0, len(f.Buf)-2*postmarkLimit)
			if f.EOF {
				f.Drop(len(f.Buf))
				return start, f.At - start, nil
			}
			f.Drop(skip)
			at = max(1, at-skip, len(f.Buf)-len("\nFrom "))
			if err := f.More(); err != nil {
				return 0, 0, err
			}
			continue
		}
		at += n
		for len(f.Buf) < at+1+2*postmarkLimit && !f.EOF {
			if err := f.More(); err != nil {
				return 0, 0, err
			}
		}
		line, behind, _ := bytes.Cut(f.Buf[at+1:min(len(f.Buf), at+1+2*postmarkLimit)], []byte(f.eol))
		blank := f.Buf[at-1] == f.eol[0] || at > 1 && f.Buf[at-1] == '\r' && f.Buf[at-2] == '\n'
		if isPostmark(line, behind, blank) {
			f.Drop(at + 1)
			return start, f.At - start, nil
		}
		at++
	}
}

// fromReader removes the quoting of lines that look like postmarks in an mbox: one > before
// From, and before any number of > and From.
type fromReader struct {
	r      *bufio.Reader
	begins bool // a line begins here
	rest   []byte
}

func (f *fromReader) reset(r io.Reader) {
	f.r.Reset(r)
	f.begins, f.rest = true, nil
}

func (f *fromReader) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		line, err := f.r.ReadSlice('\n')
		if len(line) == 0 {
			return 0, err
		}
		if f.begins && line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			line = line[1:]
		}
		f.begins = line[len(line)-1] == '\n'
		f.rest = line
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

// mailReading reads the mails in a file one at a time, reusing the same buffers.
type mailReading struct {
	in     reader.Input
	source mailSource
	from   *fromReader // nil if nothing is quoted
	r      *bufio.Reader
	begun  bool // the line endings are known
}

func newMailReading(ctx context.Context, in reader.Input, quoted bool) *mailReading {
	r := &mailReading{in: in, source: mailSource{ctx: ctx}, r: bufio.NewReaderSize(nil, 64<<10)}
	if quoted {
		r.from = &fromReader{r: bufio.NewReaderSize(nil, 64<<10)}
	}
	return r
}

// items yields the mail at a position, and those inside it, which have no position of their
// own: their records consist of the mail's record and a running number, as in a mailbox of
// Outlook.
func (r *mailReading) items(record uint64, start, length int64, yield func(reader.Item, error) bool) bool {
	item := reader.Item{Where: argus.Where{Record: record, Offset: start, Length: length}}
	piece := io.NewSectionReader(r.in.File, start, length)
	l, err := r.mail(piece)
	bad, isBad := errors.AsType[badMail](err)
	if isBad {
		item.Problem, item.Raw, err = bad.Error(), make([]byte, min(length, argus.QuarantineRaw)), nil
		if n, readErr := piece.ReadAt(item.Raw, 0); n < len(item.Raw) {
			err = readErr
		}
	}
	if err != nil {
		yield(item, fmt.Errorf("read the mail at byte %d: %w", start, err))
		return false
	}
	if !isBad {
		item.Message = l.Message
	}
	return yield(item, nil) && yieldInside(record, l.inside, yield)
}

// insideShift is the number of bits by which a mail's record number is shifted to number the
// mails inside it.
const insideShift = 20

// yieldInside yields the mails inside a mail, or an error for those that are bad.
func yieldInside(record uint64, inside []reader.Item, yield func(reader.Item, error) bool) bool {
	for n, item := range inside {
		item.Where = argus.Where{Record: record<<insideShift | uint64(n+1)}
		if !yield(item, nil) {
			return false
		}
	}
	return true
}

// badMail is an error in a mail, not in reading it.
type badMail struct{ error }

// mailSource is the input of a mail. Its error is that of the file or the context, not one in
// the content.
type mailSource struct {
	ctx context.Context
	r   io.Reader
	cr  bool // lines end with CR alone, and are returned with LF
	err error
}

func (s *mailSource) Read(b []byte) (n int, err error) {
	if err = s.ctx.Err(); err == nil {
		n, err = s.r.Read(b)
	}
	if s.cr {
		for i, c := range b[:n] {
			if c == '\r' {
				b[i] = '\n'
			}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// mail reads a mail. If the mail is bad, the letter has the content that precedes the error.
func (f *mailReading) mail(piece io.Reader) (*letter, error) {
	source, r := &f.source, f.r
	l := newLetter(f.in)
	if !f.begun {
		head := make([]byte, min(f.in.Size, reader.HeadSize))
		if n, err := f.in.File.ReadAt(head, 0); n < len(head) {
			return l, err
		}
		f.begun, source.cr = true, endsWithCR(head)
	}
	source.r = piece
	if f.from == nil {
		r.Reset(source)
	} else {
		f.from.reset(source)
		r.Reset(f.from)
	}
	if mark, _ := r.Peek(len("\uFEFF")); string(mark) == "\uFEFF" {
		_, _ = r.Discard(len(mark)) // it is in view
	}
	if f.from != nil {
		for {
			if next, _ := r.Peek(1); len(next) == 0 || next[0] != '\n' && next[0] != '\r' {
				break
			}
			_, _ = r.Discard(1) // it is in view
		}
		if err := l.postmark(r); err != nil {
			return l, err
		}
	}
	err := l.read(r, 0)
	if source.err != nil {
		return l, source.err
	}
	if err != nil {
		return l, badMail{err}
	}
	return l, nil
}

// read reads a header and the body, depth parts deep.
func (l *letter) read(r *bufio.Reader, depth int) error {
	limit := l.room
	if depth == 0 {
		limit = l.options.RecordLimit()
	}
	h, err := readMailHeader(r, limit)
	if err != nil {
		return err
	}
	for _, f := range h {
		if depth > 0 { // for the mail itself, the limit of a header is enough
			l.room -= len(f.Name) + len(f.Value) + fieldSize
		}
	}
	if l.room < 0 {
		return errors.New("want enclosed mails no longer than the longest record, found a longer one")
	}
	l.header(h)
	w := mimeWalk{visit: l.part}
	if err := w.walk(h, r, depth, false); err != nil {
		return err
	}
	for _, remark := range w.remarks {
		build.KeepExtra(l.Message, "damage", strings.ToValidUTF8(remark, "\uFFFD"))
	}
	l.Text = strings.TrimRight(l.Text, "\n")
	return l.Valid()
}

// letter collects a message.
type letter struct {
	*argus.Message
	options  reader.Options
	envelope string // the sender in the postmark
	first    string // the first receiver, not of a copy
	utf7     bool   // a field of the header is in UTF-7
	// inside are the mails inside this one, at most mimeParts; room is the number of bytes
	// left for its text and for all of them.
	inside []reader.Item
	room   int
}

func newLetter(in reader.Input) *letter {
	return &letter{Message: &argus.Message{Service: cmp.Or(in.Service, "email")}, options: in.Options, room: in.RecordLimit()}
}

// fieldSize is the memory cost of a field in addition to its text, in bytes.
const fieldSize = 64

// insideItem returns the item of a mail inside another, or of its error.
func insideItem(m *argus.Message, to string, err error) reader.Item {
	if err != nil {
		return reader.Item{Problem: "an enclosed mail: " + strings.ToValidUTF8(err.Error(), "\uFFFD")}
	}
	build.KeepExtra(m, "attached to", to)
	return reader.Item{Message: m}
}

// mail reads a mail inside the mail.
func (l *letter) mail(p *mimePart, of io.Reader) error {
	inner := letter{Message: &argus.Message{Service: l.Service}, options: l.options, room: l.room}
	err := inner.read(bufio.NewReaderSize(of, 64<<10), p.depth+1)
	l.room = max(0, inner.room)
	l.inside = append(append(l.inside, insideItem(inner.Message, l.ServiceID, err)), inner.inside...)
	return nil
}

// postmark reads the line before a mail in an mbox.
func (l *letter) postmark(r *bufio.Reader) error {
	start, err := r.Peek(len("From "))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(start) != "From " {
		return badMail{errors.New("want a line From ADDRESS DATE before a mail, found none")}
	}
	line, err := r.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	text := strings.TrimSpace(textdoc.String(line))
	build.KeepExtra(l.Message, "postmark", text)
	if fields := strings.Fields(text); len(fields) > 1 && strings.Contains(fields[1], "@") {
		l.envelope = strings.ToLower(fields[1])
	}
	return nil
}

// header sets the fields of the header. Fields without a place in the message are kept, in
// their order.
func (l *letter) header(h mailHeader) {
	for _, f := range h {
		value := words(f.Value)
		l.utf7 = l.utf7 || value != f.Value && strings.Contains(strings.ToLower(f.Value), "utf-7?")
		switch strings.ToLower(f.Name) {
		case "from":
			l.from(value, f.Value)
		case "to", "cc", "bcc":
			l.to(f.Name, f.Value)
		case "date":
			l.date(value)
		case "subject":
			l.Title = value
		case "message-id":
			l.ServiceID = messageID(value)
		case "in-reply-to":
			l.ReplyTo = messageID(value)
		case "mime-version":
		case "":
			build.KeepExtra(l.Message, "header", value)
		default:
			build.KeepExtra(l.Message, f.Name, value)
		}
	}
	if l.From == "" {
		l.from(cmp.Or(h.Get("Sender"), h.Get("Return-Path"), l.envelope), "")
	}
	l.thread(h.Get("References"))
}

// thread sets the conversation: that of the first mail referred to, otherwise the one that
// subject and people make likely, with a remark.
func (l *letter) thread(references string) {
	if ids := messageIDs(references); len(ids) > 0 {
		l.ReplyTo = cmp.Or(l.ReplyTo, ids[len(ids)-1])
		l.Conversation = ids[0]
	}
	if l.Conversation = cmp.Or(l.Conversation, l.ReplyTo); l.Conversation != "" {
		return
	}
	if l.Conversation = derivedConversation(l.Title, l.From, l.first); l.Conversation != "" {
		build.KeepExtra(l.Message, argus.ExtraAssumed, "conversation: by subject, sender and first receiver")
		return
	}
	l.Conversation = cmp.Or(l.ServiceID, build.ConversationOf(append([]string{l.From}, l.To...)))
}

// messageIDs returns the ids in a field, between which there may be spaces, comments or nothing.
// In a field without brackets, each word is one.
func messageIDs(s string) (ids []string) {
	if !strings.Contains(s, "<") {
		return strings.Fields(s)
	}
	for rest := s; strings.Contains(rest, "<"); {
		id := messageID(rest)
		_, rest, _ = strings.Cut(rest, "<")
		if _, rest, _ = strings.Cut(rest, ">"); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// messageID returns the first id in a field, without its brackets (RFC 5322,
// 3.6.4).
func messageID(s string) string {
	if _, id, ok := strings.Cut(s, "<"); ok {
		s, _, _ = strings.Cut(id, ">")
	}
	return strings.TrimSpace(s)
}

// from sets the sender. A field without an address is used unchanged as the account.
func (l *letter) from(value, raw string) {
	list, _ := mailAddresses(cmp.Or(raw, value))
	if len(list) == 0 {
		l.From = argus.CleanName(value)
		return
	}
	l.From = strings.ToLower(list[0].Address)
	if name := list[0].Name; name != l.From {
		l.FromName = name
	}
	if len(list) > 1 {
		build.KeepExtra(l.Message, "From", value)
	}
}

// to adds receivers. It keeps names, the receivers of copies, and pieces without an address.
func (l *letter) to(field, raw string) {
	list, others := mailAddresses(raw)
	for _, a := range list {
		l.To = append(l.To, strings.ToLower(a.Address))
	}
	if strings.EqualFold(field, "to") && l.first == "" && len(list) > 0 {
		l.first = strings.ToLower(list[0].Address)
	}
	if len(list) == 0 || !strings.EqualFold(field, "to") || strings.ContainsAny(raw, "<\"(") {
		build.KeepExtra(l.Message, field, words(raw))
	}
	for _, one := range others {
		build.NotUnderstood(l.Message, field, one)
	}
}

// date reads the time of sending.
func (l *letter) date(value string) {
	var ok bool
	if l.Sent, ok = dates.Words(value, l.options); !ok {
		l.Sent = argus.Time{}
		build.NotUnderstood(l.Message, "Date", value)
	}
}

// part reads a part: the text, an alternative of it, or an attachment.
func (l *letter) part(p *mimePart) error {
	switch {
	case p.media == "application/pkcs7-mime" && p.params["smime-type"] != "signed-data", p.media == "application/octet-stream" && l.State&argus.StateLocked != 0:
		return l.lock(p)
	case p.media == "application/pgp-encrypted":
		l.State |= argus.StateLocked
		l.Locked = &argus.Locked{Algorithm: "openpgp"}
		return nil
	case p.media == "message/rfc822" && p.depth < mimeDepth && len(l.inside) < mimeParts:
		a, err := p.attachmentRead(func(of io.Reader) error { return l.mail(p, of) })
		l.Attachments = append(l.Attachments, a)
		return err
	case p.attached || p.name != "" || p.media != "text/plain" && p.media != "text/html":
		a, err := p.attachment()
		l.Attachments = append(l.Attachments, a)
		return err
	case p.alternative && l.Text != "":
		told, err := p.digest()
		build.KeepExtra(l.Message, "alternative", told)
		return err
	}
	text, cut, err := p.text(l.room)
	if charset := p.params["charset"]; charset != "" && !textdoc.KnownCharset(charset) {
		build.NotUnderstood(l.Message, "charset", charset)
	} else if l.utf7 && !textdoc.IsUTF7(charset) && strings.Contains(text, "+") {
		if decoded, ok := textdoc.UTF7([]byte(text)); ok && strings.IndexFunc(decoded, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0 {
			text = decoded
			build.KeepExtra(l.Message, argus.ExtraAssumed, "charset: UTF-7, as in the header")
		}
	}
	l.room = max(0, l.room-len(text)) // decoded text may be longer than stored
	if cut {
		build.KeepExtra(l.Message, "damage", "the text is longer than the longest record; it is cut")
	}
	if l.Text != "" && text != "" {
		l.Text += "\n"
	}
	l.Text += text
	if strings.HasPrefix(strings.TrimSpace(text), "-----BEGIN PGP MESSAGE-----") {
		l.State |= argus.StateLocked
		l.Locked = &argus.Locked{Algorithm: "openpgp", Payload: []byte(text)}
		l.Text = ""
	}
	return err
}

// lock keeps an encrypted part. One longer than the longest record becomes an attachment with
// only a hash.
func (l *letter) lock(p *mimePart) error {
	limit := l.options.RecordLimit()
	payload, err := io.ReadAll(io.LimitReader(p.body, int64(limit)))
	if err != nil {
		return err
	}
	if l.Locked == nil {
		l.Locked = &argus.Locked{Algorithm: "cms"}
	}
	l.State |= argus.StateLocked
	l.Locked.Payload = payload
	if len(payload) == limit {
		build.KeepExtra(l.Message, "damage", "the encrypted part is longer than the longest record; it is cut")
	}
	return nil
}

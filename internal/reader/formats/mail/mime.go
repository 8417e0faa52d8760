package mail

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// The structure of a mail (RFC 5322, RFC 2045 to 2047, RFC 2231), read from a stream: an
// attachment of any size is hashed and not held in memory.

// Limits of a mail.
const (
	// headerLimit is the longest header examined to recognise a mail, in bytes. The limit of a
	// mail that is read is the longest record.
	headerLimit = 1 << 20
	// mimeDepth is the maximum nesting of parts.
	mimeDepth = 16
	// mimeParts is the maximum number of parts of a mail.
	mimeParts = 1000
)

// mailHeader is a header in order, its lines unfolded but not decoded.
type mailHeader []argus.Field

// Get returns the first field with the given name, or "" if there is none.
func (h mailHeader) Get(name string) string {
	for i := range h {
		if strings.EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// readMailHeader reads a header of at most limit bytes and the empty line after it. A line
// that is not a field is kept with an empty name. Empty lines before the header are skipped,
// and so is one inside it: after fields that only describe the transport, and before one that
// mails begin with.
func readMailHeader(r *bufio.Reader, limit int) (mailHeader, error) {
	var h mailHeader
	var long []byte
	for size := 0; ; {
		line, err := r.ReadSlice('\n')
		if size += len(line); size > limit {
			return h, fmt.Errorf("want a header of at most %d bytes, found a longer one", limit)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			continue
		}
		if err != nil && err != io.EOF {
			return h, err
		}
		if long != nil {
			line, long = append(long, line...), nil
		}
		text := textdoc.String(bytes.TrimRight(line, "\r\n"))
		name, value, ok := strings.Cut(text, ":")
		name = strings.TrimRight(name, " \t") // RFC 5322, 4.5
		switch {
		case text == "" && err == nil && (len(h) == 0 || h.goesOn(r)):
		case text == "":
			return h, nil
		case (text[0] == ' ' || text[0] == '\t') && len(h) > 0:
			h[len(h)-1].Value += " " + strings.TrimSpace(text)
		case ok && isFieldName(name):
			h = append(h, argus.Field{Name: name, Value: strings.TrimSpace(value)})
			size += fieldSize
		default:
			h = append(h, argus.Field{Value: text})
			size += fieldSize
		}
		if err == io.EOF {
			return h, nil
		}
	}
}

// goesOn reports whether a header continues after an empty line.
func (h mailHeader) goesOn(r *bufio.Reader) bool {
	for _, name := range []string{"From", "To", "Date", "Subject", "Message-ID"} {
		if h.Get(name) != "" {
			return false
		}
	}
	next, _ := r.Peek(80) // after an error, the bytes that there are
	return beginsMail(next)
}

func isFieldName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7F }) < 0
}

// words decodes the encoded words of a header field (RFC 2047). It leaves undecodable words
// unchanged.
func words(s string) string {
	if !strings.Contains(s, "=?") {
		return s
	}
	decoded, err := wordDecoder.DecodeHeader(s)
	if err != nil || !utf8.ValidString(decoded) {
		return s
	}
	return decoded
}

var wordDecoder = mime.WordDecoder{CharsetReader: charsetReader}

func charsetReader(name string, r io.Reader) (io.Reader, error) {
	if textdoc.IsUTF7(name) {
		stored, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		text, ok := textdoc.UTF7(stored)
		if !ok {
			return nil, errors.New("want UTF-7, found other text")
		}
		return strings.NewReader(text), nil
	}
	charset, err := htmlindex.Get(name)
	if err != nil {
		return nil, fmt.Errorf("find the charset %.40q: %w", name, err)
	}
	return charset.NewDecoder().Reader(r), nil
}

// mimeHeader is the header of a mail, or of a part of it.
type mimeHeader interface{ Get(name string) string }

// mimePart is a part of a mail without parts of its own.
type mimePart struct {
	media  string
	params map[string]string
	// name is the file's name, if the part has one.
	name string
	// attached means that the part is intended to be saved.
	attached bool
	// alternative means that another part has the same content.
	alternative bool
	depth       int
	// body is the decoded content. Its source may be damaged: damaged is then the error, set
	// once body has been read.
	body    io.Reader
	damaged error
}

// mimeWalk visits the parts of a mail in their order.
type mimeWalk struct {
	visit func(*mimePart) error
	parts int
	// digest means that the part is one of mails, unless it states another type.
	digest bool
	// remarks are errors in the structure of the parts.
	remarks []string
}

// walk visits the parts in a body. It returns only visit's errors; an error in reading becomes
// a remark.
func (w *mimeWalk) walk(header mimeHeader, body io.Reader, depth int, alternative bool) error {
	usual := "text/plain"
	if w.digest {
		usual = "message/rfc822" // RFC 2046, 5.1.5
	}
	media, params := textdoc.MediaType(cmp.Or(header.Get("Content-Type"), usual))
	if !strings.HasPrefix(media, "multipart/") || params["boundary"] == "" {
		return w.leaf(header, &mimePart{media: media, params: params, alternative: alternative, depth: depth}, body)
	}
	if depth == mimeDepth {
		w.remarks = append(w.remarks, fmt.Sprintf("the parts are nested more than %d deep; deeper parts are not read", mimeDepth))
		return nil
	}
	r := multipart.NewReader(body, params["boundary"])
	found, outer := 0, w.digest
	defer func() { w.digest = outer }()
	for {
		w.digest = media == "multipart/digest"
		part, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			w.remarks = append(w.remarks, "the parts end early or are invalid: "+err.Error())
			break
		}
		found++
		if w.parts++; w.parts > mimeParts {
			w.remarks = append(w.remarks, fmt.Sprintf("the mail has more than %d parts; the rest of them is not read", mimeParts))
			break
		}
		if err := w.walk(part.Header, part, depth+1, alternative || media == "multipart/alternative" && found > 1); err != nil {
			return err
		}
	}
	return nil
}

func (w *mimeWalk) leaf(header mimeHeader, p *mimePart, body io.Reader) error {
	disposition, params := textdoc.MediaType(header.Get("Content-Disposition"))
	p.attached = disposition == "attachment"
	p.name = argus.CleanName(words(textdoc.String([]byte(cmp.Or(params["filename"], p.params["name"])))))
	switch strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, &base64Text{r: body})
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	p.body = &damageReader{p, body}
	if err := w.visit(p); err != nil {
		return err
	}
	if p.damaged != nil {
		w.remarks = append(w.remarks, fmt.Sprintf("a part (%s) is damaged: %v", p.media, p.damaged))
	}
	return nil
}

// damageReader ends its input at the damage and records the error.
type damageReader struct {
	part *mimePart
	r    io.Reader
}

func (d *damageReader) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if err != nil && err != io.EOF {
		d.part.damaged, err = err, io.EOF
	}
	return n, err
}

// base64Text skips bytes outside the alphabet, as RFC 2045 (6.8) requires.
type base64Text struct{ r io.Reader }

func (t *base64Text) Read(b []byte) (int, error) {
	for {
		n, err := t.r.Read(b)
		kept := 0
		for _, c := range b[:n] {
			if 'A' <= c&^0x20 && c&^0x20 <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '/' || c == '=' {
				b[kept] = c
				kept++
			}
		}
		if kept > 0 || err != nil {
			return kept, err
		}
	}
}

// text returns the text of a part, of at most limit bytes as stored, and whether it was
// longer.
func (p *mimePart) text(limit int) (text string, cut bool, err error) {
	stored, err := io.ReadAll(io.LimitReader(p.body, int64(limit)+1))
	if err != nil {
		return "", false, err
	}
	if cut = len(stored) > limit; cut {
		stored = stored[:limit]
	}
	text = textdoc.LineFeeds(textdoc.Decode(stored, p.params["charset"]))
	if p.media == "text/html" {
		text = htmlText(text)
	}
	return text, cut, nil
}

// attachment hashes a part.
func (p *mimePart) attachment() (argus.Attachment, error) {
	return p.attachmentRead(func(io.Reader) error { return nil })
}

// attachmentRead hashes a part while read reads it.
func (p *mimePart) attachmentRead(read func(io.Reader) error) (argus.Attachment, error) {
	a := argus.Attachment{Name: p.name, Type: strings.ToValidUTF8(p.media, "\uFFFD")}
	sum := sha256.New()
	var size byteCount
	body := io.TeeReader(p.body, io.MultiWriter(sum, &size))
	if err := read(body); err != nil {
		return a, err
	}
	_, err := io.Copy(io.Discard, body)
	a.Size = int64(size)
	sum.Sum(a.Hash[:0])
	return a, err
}

// byteCount counts written bytes.
type byteCount int64

func (n *byteCount) Write(b []byte) (int, error) {
	*n += byteCount(len(b))
	return len(b), nil
}

// digest describes a part that is not kept with a message.
func (p *mimePart) digest() (string, error) {
	a, err := p.attachment()
	return fmt.Sprintf("%s, %d bytes, sha256 %s", a.Type, a.Size, hex.EncodeToString(a.Hash[:])), err
}

// htmlText returns the text of a page, without tags, scripts and styles. The page itself
// remains in the original.
func htmlText(page string) string {
	var out strings.Builder
	for {
		n := strings.IndexByte(page, '<')
		if n < 0 {
			break
		}
		out.WriteString(page[:n])
		page = page[n:]
		end := strings.IndexByte(page, '>')
		if strings.HasPrefix(page, "<!--") {
			end = strings.Index(page, "-->")
			if end >= 0 {
				end += len("--")
			}
		}
		if end < 0 {
			break // the rest is text, whatever the intention
		}
		name := strings.ToLower(strings.Trim(page[1:min(end, 12)], "/ \n"))
		name, _, _ = strings.Cut(strings.NewReplacer("\n", " ", "/", " ").Replace(name), " ")
		closing := page[1] == '/'
		page = page[end+1:]
		switch name {
		case "script", "style":
			if n := strings.Index(page, "</"); n >= 0 && !closing {
				page = page[n:]
			} else if !closing {
				page = ""
			}
		case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "table", "blockquote":
			out.WriteByte('\n')
		case "td", "th":
			out.WriteByte('\t')
		}
	}
	out.WriteString(page)
	lines := strings.Split(html.UnescapeString(out.String()), "\n")
	kept := lines[:0]
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" || len(kept) > 0 && kept[len(kept)-1] != "" {
			kept = append(kept, line)
		}
	}
	return strings.TrimSpace(strings.Join(kept, "\n"))
}

// Package xmldoc finds the records in XML of any size, even after damage.
//
// A [Reading] yields an item for each record element, and for each broken stretch outside
// records. One record is held at a time, and its depth and the number of its parts are
// bounded.
package xmldoc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// The XML of exports (XML 1.0, fifth edition; the numbers are its productions).
// Package encoding/xml, with which a fuzz test compares this one, is not used: it reads 66
// MB/s before any processing, rejects the emoji that phones write as two references, each to
// half of a surrogate pair, and cannot continue after damage. Document types are not read
// and entities declared in them are unknown, so nothing unfolds to more than its own size.

// Limits of XML.
const (
	// depthLimit is the maximum nesting of elements.
	depthLimit = 64
	// xmlParts is how many elements and attributes a record may have.
	xmlParts = 1 << 17
)

// Element is an element with its content. Its strings share one copy of the record.
// Names of elements lack their prefix; those of attributes keep it.
type Element struct {
	Name  string
	Attrs []Attr
	// Text is the character data directly in it, joined.
	Text   string
	Inside []Element
	// Raw is the unchanged source of the element.
	Raw string
}

// Attr is an attribute.
type Attr struct{ Name, Value string }

// Attr returns the value of an attribute, or "" if there is none.
func (e *Element) Attr(name string) string {
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			return e.Attrs[i].Value
		}
	}
	return ""
}

// Child returns the first direct child with the given name, or an empty element.
func (e *Element) Child(name string) *Element {
	for i := range e.Inside {
		if e.Inside[i].Name == name {
			return &e.Inside[i]
		}
	}
	return &Element{}
}

// Value returns the text without the space around it.
func (e *Element) Value() string { return strings.TrimSpace(e.Text) }

// Kind is a kind of markup.
type Kind uint8

const (
	None     Kind = iota // the end of the file
	Open                 // <a>
	xmlEmpty             // <a/>
	Close                // </a>
	xmlOther             // a comment, a CDATA section, an instruction
)

// errXMLEnds means that the bytes in view end too early.
var errXMLEnds = errors.New("want the end of the markup, found the end of the file")

// Markup returns the end and the kind of the markup at the beginning of b.
func Markup(b []byte) (int, Kind, error) {
	switch {
	case len(b) < 2:
		return 0, 0, errXMLEnds
	case b[1] == '?':
		return xmlUntil(b, 2, "?>")
	case bytes.HasPrefix(b, []byte("<!--")):
		return xmlUntil(b, 4, "-->")
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		return xmlUntil(b, 9, "]]>")
	case b[1] == '!' && len(b) < len("<![CDATA["):
		return 0, 0, errXMLEnds
	case b[1] == '/':
		n := bytes.IndexAny(b[1:], "<>")
		if n < 0 {
			return 0, 0, errXMLEnds
		}
		if b[1+n] == '<' {
			return 0, 0, errors.New("want the end of a tag, found another tag")
		}
		return n + 2, Close, nil
	case !isNameStart(b[1]):
		return 0, 0, errors.New("want an element, found other markup")
	}
	for i := 1; i < len(b); i++ {
		switch xmlClass[b[i]] {
		case xmlCloses:
			if b[i-1] == '/' {
				return i + 1, xmlEmpty, nil
			}
			return i + 1, Open, nil
		case xmlOpens:
			return 0, 0, errors.New("want the end of a tag, found another tag")
		case xmlQuotes:
			quote := b[i]
			for i++; i < len(b) && b[i] != quote; i++ {
				if b[i] == '<' {
					return 0, 0, errors.New("want the end of a value in quotes, found a tag")
				}
			}
		}
	}
	return 0, 0, errXMLEnds
}

// xmlClass classifies the bytes that have a meaning in a tag.
var xmlClass = [256]uint8{'>': xmlCloses, '<': xmlOpens, '"': xmlQuotes, '\'': xmlQuotes, '/': xmlSlash, '=': xmlEquals, ' ': xmlSpace, '\n': xmlSpace, '\t': xmlSpace, '\r': xmlSpace}

const (
	xmlCloses = 1 + iota
	xmlOpens
	xmlQuotes
	xmlSlash
	xmlEquals
	xmlSpace
)

func xmlUntil(b []byte, from int, end string) (int, Kind, error) {
	n := bytes.Index(b[from:], []byte(end))
	if n < 0 {
		return 0, 0, errXMLEnds
	}
	return from + n + len(end), xmlOther, nil
}

// isNameStart recognises the bytes that a name may begin with [4]; it accepts all non-ASCII
// bytes.
func isNameStart(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == ':' || c >= 0x80
}

// TagName returns the name in a tag, with its prefix.
func TagName(tag []byte) []byte {
	tag = bytes.TrimPrefix(tag[1:], []byte("/"))
	for i, c := range tag {
		if class := xmlClass[c]; class == xmlSpace || class == xmlSlash || class == xmlCloses {
			return tag[:i]
		}
	}
	return tag
}

// LocalName returns a name without its prefix.
func LocalName[T string | []byte](name T) T {
	for i := range len(name) {
		if name[i] == ':' && i > 0 && i < len(name)-1 {
			return name[i+1:]
		}
	}
	return name
}

// xmlEnd returns the end of the element at the beginning of b.
func xmlEnd(b []byte) (int, error) {
	var open [depthLimit][]byte
	depth := 0
	for i := 0; ; {
		n, kind, err := Markup(b[i:])
		if err != nil {
			return 0, err
		}
		switch kind {
		case Open:
			if depth == depthLimit {
				return 0, fmt.Errorf("want elements at most %d deep, found a deeper one", depthLimit)
			}
			open[depth] = TagName(b[i : i+n])
			depth++
		case Close:
			if depth--; depth < 0 || !bytes.Equal(open[depth], TagName(b[i:i+n])) { //nolint:gosec // depth is not negative here
				return 0, errors.New("want the end of an element, found that of another")
			}
		case xmlOther:
			if depth == 0 {
				return 0, errors.New("want an element, found other markup")
			}
		}
		if i += n; depth == 0 {
			return i, nil
		}
		next := bytes.IndexByte(b[i:], '<')
		if next < 0 {
			return 0, errXMLEnds
		}
		i += next
	}
}

// Parse reads one element whose end xmlEnd found.
func Parse(s string) (*Element, error) { return new(parser).parse(s) }

// parser reads elements one after another into the same memory: an element is valid
// until it reads the next.
type parser struct {
	s        string
	i, parts int
	attrs    []Attr
	elements []Element
	// open are the unfinished elements and their children, outermost first.
	open []Element
}

// xmlKeep is how many elements and attributes a parser keeps room for between records.
const xmlKeep = 4096

func (p *parser) parse(s string) (*Element, error) {
	if len(p.attrs)+len(p.elements) > xmlKeep {
		*p = parser{}
	}
	p.s, p.i, p.parts = s, 0, 0
	p.attrs, p.elements, p.open = p.attrs[:0], p.elements[:0], p.open[:0]
	e, err := p.element()
	p.elements = append(p.elements, e)
	return &p.elements[len(p.elements)-1], err
}

// element reads the element that begins at p.i, and moves past it.
func (p *parser) element() (e Element, err error) {
	start, inside := p.i, len(p.open)
	empty, err := p.tag(&e)
	for err == nil && !empty {
		from := p.i
		n := strings.IndexByte(p.s[p.i:], '<')
		p.i += n
		e.addText(text(p.s[from:p.i]))
		switch rest := p.s[p.i:]; {
		case strings.HasPrefix(rest, "</"):
			p.i += strings.IndexByte(rest, '>') + 1
			empty = true
		case strings.HasPrefix(rest, "<?"):
			p.i += strings.Index(rest, "?>") + len("?>")
		case strings.HasPrefix(rest, "<!--"):
			p.i += 4 + strings.Index(rest[4:], "-->") + len("-->")
		case strings.HasPrefix(rest, "<![CDATA["):
			n := strings.Index(rest, "]]>")
			e.addText(textdoc.LineFeeds(rest[len("<![CDATA["):n]))
			p.i += n + len("]]>")
		default:
			var child Element
			child, err = p.element()
			p.open = append(p.open, child)
		}
	}
	at := len(p.elements)
	p.elements = append(p.elements, p.open[inside:]...)
	p.open = p.open[:inside]
	e.Inside = p.elements[at:len(p.elements):len(p.elements)]
	e.Raw = p.s[start:p.i]
	return e, err
}

func (e *Element) addText(s string) {
	if e.Text == "" {
		e.Text = s // shared with the record
	} else {
		e.Text += s
	}
}

// tag reads the tag that begins an element.
func (p *parser) tag(e *Element) (empty bool, _ error) {
	if p.parts++; p.parts > xmlParts {
		return false, fmt.Errorf("want at most %d elements and attributes, found more", xmlParts)
	}
	start, attrs := p.i+1, len(p.attrs)
	defer func() { e.Attrs = p.attrs[attrs:len(p.attrs):len(p.attrs)] }()
	for p.i++; xmlClass[p.s[p.i]] == 0 || xmlClass[p.s[p.i]] == xmlEquals || xmlClass[p.s[p.i]] == xmlOpens; p.i++ {
	}
	e.Name = LocalName(p.s[start:p.i])
	for {
		p.space()
		switch p.s[p.i] {
		case '>':
			p.i++
			return false, nil
		case '/':
			if p.i++; p.s[p.i] != '>' {
				return false, errors.New("want the end of a tag after /, found something else")
			}
			p.i++
			return true, nil
		}
		if p.parts++; p.parts > xmlParts {
			return false, fmt.Errorf("want at most %d elements and attributes, found more", xmlParts)
		}
		name := p.i
		for xmlClass[p.s[p.i]] == 0 || xmlClass[p.s[p.i]] == xmlOpens {
			p.i++
		}
		a := Attr{Name: p.s[name:p.i]}
		p.space()
		if p.s[p.i] != '=' || a.Name == "" {
			return false, errors.New("want an attribute with its value, found something else")
		}
		p.i++
		p.space()
		quote := p.s[p.i]
		if quote != '"' && quote != '\'' {
			return false, errors.New("want a value in quotes, found one without")
		}
		p.i++
		n := strings.IndexByte(p.s[p.i:], quote)
		if n < 0 {
			return false, errors.New("want a value in quotes, found no second quote")
		}
		a.Value = text(p.s[p.i : p.i+n])
		p.i += n + 1
		p.attrs = append(p.attrs, a)
	}
}

func (p *parser) space() {
	for isXMLSpace(p.s[p.i]) {
		p.i++
	}
}

func isXMLSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// text returns the decoded text, with \n line ends. A reference that does not name a
// character stays unchanged.
func text(s string) string {
	s = textdoc.LineFeeds(s)
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for {
		n := strings.IndexByte(s, '&')
		if n < 0 {
			return string(append(out, s...))
		}
		out, s = append(out, s[:n]...), s[n:]
		if r, size := xmlReference(s); size > 0 {
			out, s = utf8.AppendRune(out, r), s[size:]
		} else {
			out, s = append(out, '&'), s[1:]
		}
	}
}

// xmlReference returns the character that the reference at the beginning of s means, and the
// reference's length, which is 0 if it means none. Two halves of a surrogate pair, as phones
// write emoji, are one character.
func xmlReference(s string) (r rune, size int) {
	r, size = xmlCharacter(s)
	if utf16.IsSurrogate(r) {
		low, more := xmlCharacter(s[size:])
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError || more == 0 {
			return 0, 0
		}
		size += more
	}
	return r, size
}

func xmlCharacter(s string) (rune, int) {
	for _, e := range xmlEntities {
		if strings.HasPrefix(s, e.name) {
			return e.means, len(e.name)
		}
	}
	digits, base := "", 10
	switch {
	case strings.HasPrefix(s, "&#x"):
		digits, base = s[3:], 16
	case strings.HasPrefix(s, "&#"):
		digits = s[2:]
	}
	end := strings.IndexByte(digits[:min(len(digits), 12)], ';')
	if end < 0 {
		return 0, 0
	}
	n, err := strconv.ParseUint(digits[:end], base, 32)
	if err != nil || n > utf8.MaxRune {
		return 0, 0
	}
	return rune(n), len(s) - len(digits) + end + 1
}

// xmlEntities are the entities that need no declaration (4.6).
var xmlEntities = []struct {
	name  string
	means rune
}{{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}

// File finds tags and whole elements in a file, with their places, and continues after
// broken places. It holds one record of at most limit bytes.
type File struct {
	textdoc.Window
	Ctx   context.Context
	Limit int
	// begins reports whether a tag begins a record. It is called only after damage.
	begins func(tag []byte) bool
	// Charset is set when the file declares an encoding other than UTF-8.
	Charset encoding.Encoding
	// Records counts records and damaged stretches.
	Records uint64
	// Depth is how many elements are open around the place. It is meaningless after damage;
	// Damages counts the damaged places.
	Depth, Damages int
	parser         parser
}

// NewFile returns a file at the beginning of an input. begins reports whether a tag
// begins a record, in any place.
func NewFile(ctx context.Context, in reader.Input, begins func(tag []byte) bool) *File {
	return &File{Window: textdoc.Window{Source: in.Reader()}, Ctx: ctx, Limit: in.RecordLimit(), begins: begins}
}

// Tag is a tag in view.
type Tag struct {
	Kind Kind
	Name []byte // without its prefix
	Raw  []byte
	// Problem explains why there is no tag; the place is where the markup broke.
	Problem string
}

// Element reads a tag's attributes.
func (t *Tag) Element() *Element {
	p := parser{s: strings.ToValidUTF8(string(t.Raw), "\uFFFD")}
	e := &Element{}
	_, _ = p.tag(e) // a broken tag keeps the attributes before the fault
	return e
}

// Next moves to the next tag that begins or ends an element, and skips everything else.
// At the end of the file its kind is None.
func (x *File) Next() (Tag, error) {
	for {
		if err := x.Ctx.Err(); err != nil {
			return Tag{}, err
		}
		n := bytes.IndexByte(x.Buf, '<')
		if n < 0 {
			x.Drop(len(x.Buf))
			if x.EOF {
				return Tag{}, nil
			}
			if err := x.More(); err != nil {
				return Tag{}, err
			}
			if x.At == 0 && len(x.Buf) > 0 && textdoc.SniffCharset(x.Buf) != textdoc.UTF8 {
				return Tag{Problem: "want an encoding in which < is one byte, found UTF-16"}, nil
			}
			continue
		}
		x.Drop(n)
		end, kind, err := x.end(Markup)
		if isBroken(err) {
			return Tag{Problem: err.Error()}, nil
		}
		if err != nil {
			return Tag{}, err
		}
		if kind == xmlOther {
			problem := x.instruction(x.Buf[:end])
			if problem != "" {
				return Tag{Problem: problem}, nil
			}
			x.Drop(end)
			continue
		}
		raw := x.Buf[:end]
		return Tag{Kind: kind, Name: LocalName(TagName(raw)), Raw: raw}, nil
	}
}

// brokenXML is a fault in the XML, not an error in reading it.
type brokenXML struct{ error }

func isBroken(err error) bool {
	_, ok := errors.AsType[brokenXML](err)
	return ok
}

// end brings into view a piece whose end find returns.
func (x *File) end(find func([]byte) (int, Kind, error)) (int, Kind, error) {
	for {
		end, kind, err := find(x.Buf)
		switch {
		case err == nil && end <= x.Limit:
			return end, kind, nil
		case err == nil || errors.Is(err, errXMLEnds) && len(x.Buf) > x.Limit:
			return 0, 0, brokenXML{fmt.Errorf("want a record of at most %d bytes, found a longer one", x.Limit)}
		case !errors.Is(err, errXMLEnds) || x.EOF:
			return 0, 0, brokenXML{err}
		}
		if err := x.More(); err != nil {
			return 0, 0, err
		}
	}
}

// instruction reads the declaration that a file may begin with [23].
func (x *File) instruction(b []byte) (problem string) {
	if !bytes.HasPrefix(b, []byte("<?xml ")) {
		return ""
	}
	p := parser{s: strings.ToValidUTF8("<xml "+string(b[len("<?xml "):len(b)-2])+">", "\uFFFD")}
	var e Element
	_, _ = p.tag(&e)
	name := e.Attr("encoding")
	if name == "" {
		return ""
	}
	charset, err := htmlindex.Get(name)
	if err != nil {
		return fmt.Sprintf("want an encoding that is known, found %.40q", name)
	}
	if name, _ = htmlindex.Name(charset); name == "utf-8" {
		charset = nil
	}
	if name == "iso-2022-jp" || strings.HasPrefix(name, "utf-16") || name == "replacement" {
		return fmt.Sprintf("want an encoding in which < is one byte, found %q", name)
	}
	x.Charset = charset
	return ""
}

// Pass skips a tag that is not a record.
func (x *File) Pass(t Tag) {
	switch t.Kind {
	case Open:
		x.Depth++
	case Close:
		x.Depth--
	}
	x.Drop(len(t.Raw))
}

// Item makes an item of the whole element at the beginning of the view. The item has no
// message and no problem if parse returns neither message nor error.
func (x *File) Item(parse func(*Element) (*argus.Message, error)) (reader.Item, error) {
	end, _, err := x.end(func(b []byte) (int, Kind, error) {
		end, err := xmlEnd(b)
		return end, Open, err
	})
	if isBroken(err) {
		return x.Resume(err.Error())
	}
	if err != nil {
		return reader.Item{}, err
	}
	x.Records++
	item := reader.Item{Where: argus.Where{Record: x.Records, Offset: x.At, Length: int64(end)}}
	e, err := x.Parse(x.Buf[:end])
	if err == nil {
		item.Message, err = parse(e)
	}
	if err != nil {
		item.Message, item.Problem = nil, err.Error()
		item.Raw = bytes.Clone(x.Buf[:min(end, argus.QuarantineRaw)])
	}
	if item.Message == nil && err == nil {
		x.Records--
	}
	x.Drop(end)
	return item, nil
}

// Parse makes an element from its bytes.
func (x *File) Parse(raw []byte) (*Element, error) {
	if x.Charset != nil {
		decoded, err := x.Charset.NewDecoder().Bytes(raw)
		if err != nil {
			return nil, errors.New("want text in the encoding that the file states, found other bytes")
		}
		raw = decoded
	}
	if !utf8.Valid(raw) {
		return nil, errors.New("want UTF-8, found bytes that are not")
	}
	return x.parser.parse(string(raw))
}

// Resume returns a problem for the stretch from here to the beginning of the next record, or
// to the end of the file.
func (x *File) Resume(reason string) (reader.Item, error) {
	x.Records++
	x.Damages++
	item := reader.Item{Problem: reason, Where: argus.Where{Record: x.Records, Offset: x.At}}
	if err := x.see(argus.QuarantineRaw); err != nil {
		return item, err
	}
	item.Raw = bytes.Clone(x.Buf[:min(len(x.Buf), argus.QuarantineRaw)])
	for x.Drop(1); ; x.Drop(1) {
		if err := x.Ctx.Err(); err != nil {
			return item, err
		}
		n := bytes.IndexByte(x.Buf, '<')
		for n < 0 && !x.EOF {
			x.Drop(len(x.Buf))
			if err := x.More(); err != nil {
				return item, err
			}
			n = bytes.IndexByte(x.Buf, '<')
		}
		if n < 0 {
			x.Drop(len(x.Buf))
			break
		}
		x.Drop(n)
		if err := x.see(textdoc.PeekSize); err != nil {
			return item, err
		}
		if tag := x.Buf[:min(len(x.Buf), textdoc.PeekSize)]; x.begins(tag) {
			break
		}
	}
	item.Where.Length = x.At - item.Where.Offset
	item.Raw = item.Raw[:min(int64(len(item.Raw)), item.Where.Length)]
	return item, nil
}

// see brings at least n bytes into view, or the rest of the file.
func (x *File) see(n int) error {
	for len(x.Buf) < n && !x.EOF {
		if err := x.More(); err != nil {
			return err
		}
	}
	return nil
}

// Reading describes how to read a file whose records are elements that are not nested.
type Reading struct {
	// IsRecord reports whether an element is a record, which is read as a whole.
	IsRecord func(tag Tag) bool
	// Begins reports whether the beginning of a tag begins a record.
	Begins func(tag []byte) bool
	// Parse makes a message from a record, which is skipped if Parse returns neither message
	// nor error.
	Parse func(*Element) (*argus.Message, error)
	// Enter, if set, is called for the elements around the records.
	Enter func(Tag)
	// Found, if set, is called after each record and returns a problem about missing
	// content. Stated, if set instead, is called after all of them and returns how many
	// records the file claims to have, or nil if it makes no claim.
	Found  func() (problem string)
	Stated func() *argus.Stated
}

// Read yields an item for each record and each broken stretch, and for the results of
// Found and Stated.
func (r *Reading) Read(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		x := NewFile(ctx, in, r.Begins)
		remarks := uint64(0)
		for {
			item, atEnd, err := r.next(x)
			if err != nil {
				yield(reader.Item{}, err)
				return
			}
			if item.Problem != "" && item.Where.Length == 0 {
				remarks++
			}
			if (item.Message != nil || item.Problem != "") && !yield(item, nil) {
				return
			}
			if r.Found != nil && item.Where.Length > 0 {
				if problem := r.Found(); problem != "" && !yield(x.Remark(problem), nil) {
					return
				}
			}
			if atEnd {
				if r.Stated != nil {
					if s := r.Stated(); s != nil {
						s.Besides = remarks
						yield(reader.Item{Stated: s, Where: argus.Where{Record: x.Records + 1, Offset: x.At}}, nil)
					}
				}
				return
			}
		}
	}
}

// Remark returns a problem that concerns the place, not the text there.
func (x *File) Remark(problem string) reader.Item {
	return reader.Item{Problem: problem, Where: argus.Where{Offset: x.At}}
}

// next reads to the next record, which may be skipped, or to the end.
func (r *Reading) next(x *File) (item reader.Item, atEnd bool, err error) {
	for {
		tag, err := x.Next()
		switch {
		case err != nil:
			return reader.Item{}, false, err
		case tag.Problem != "":
			item, err = x.Resume(tag.Problem)
			return item, false, err
		case tag.Kind == None && x.Records == 0 && x.At > 0:
			return x.Remark("want records, found a document without any"), true, nil
		case tag.Kind == None:
			return x.CutOff(), true, nil
		case tag.Kind != Close && r.IsRecord(tag):
			item, err = x.Item(r.Parse)
			return item, false, err
		case tag.Kind != Close && r.Enter != nil:
			r.Enter(tag)
		}
		x.Pass(tag)
	}
}

// CutOff returns the problem of a file that ended too early.
func (x *File) CutOff() reader.Item {
	if x.Depth <= 0 || x.Damages > 0 {
		return reader.Item{}
	}
	return x.Remark("want the end of the export, found the end of the file")
}

// Root returns the first tag of a sample, or an empty element.
func Root(s reader.Sample) *Element {
	text := s.Text
	for {
		n := bytes.IndexByte(text, '<')
		if n < 0 || n > 0 && len(bytes.TrimSpace(text[:n])) > 0 {
			return &Element{}
		}
		text = text[n:]
		end, kind, err := Markup(text)
		if err != nil || kind == Close {
			return &Element{}
		}
		if kind != xmlOther {
			return (&Tag{Raw: text[:end]}).Element()
		}
		text = text[end:]
	}
}

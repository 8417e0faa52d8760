package reader

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
)

// The XML of exports (XML 1.0, fifth edition; the numbers are its productions).
// It is read here and not by encoding/xml, which a fuzz test holds this to:
// that one reads 66 MB/s before anything is done with what was read, refuses
// the emoji that phones write as two references to half a surrogate pair, and
// has no way on behind damage. No document type is read and no entity declared
// in one is known, so nothing unfolds to more than it is.

// Limits of XML.
const (
	// xmlDepth is how deep elements may lie in each other.
	xmlDepth = 64
	// xmlParts is how many elements and attributes a record may have.
	xmlParts = 1 << 17
)

// xmlElement is an element with what is in it. Its strings share one copy of
// the record. Names are without their prefix, those of attributes with it.
type xmlElement struct {
	name  string
	attrs []xmlAttr
	// text is the character data directly in it, one piece behind the other.
	text   string
	inside []xmlElement
	// raw is the element as it stood.
	raw string
}

type xmlAttr struct{ name, value string }

// attr returns the value of an attribute, or "".
func (e *xmlElement) attr(name string) string {
	for i := range e.attrs {
		if e.attrs[i].name == name {
			return e.attrs[i].value
		}
	}
	return ""
}

// child returns the first element of a name directly in it, or an empty one.
func (e *xmlElement) child(name string) *xmlElement {
	for i := range e.inside {
		if e.inside[i].name == name {
			return &e.inside[i]
		}
	}
	return &xmlElement{}
}

// value is the text without the space around it.
func (e *xmlElement) value() string { return strings.TrimSpace(e.text) }

type xmlKind uint8

const (
	xmlNone  xmlKind = iota // the end of the file
	xmlOpen                 // <a>
	xmlEmpty                // <a/>
	xmlClose                // </a>
	xmlOther                // a comment, a CDATA section, an instruction
)

// errXMLEnds says that the bytes in view end too early.
var errXMLEnds = errors.New("want the end of the markup, found the end of the file")

// xmlMarkup returns the end and the kind of the markup that b begins with.
func xmlMarkup(b []byte) (int, xmlKind, error) {
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
		return n + 2, xmlClose, nil
	case !isNameStart(b[1]):
		return 0, 0, errors.New("want an element, found other markup")
	}
	for i := 1; i < len(b); i++ {
		switch xmlClass[b[i]] {
		case xmlCloses:
			if b[i-1] == '/' {
				return i + 1, xmlEmpty, nil
			}
			return i + 1, xmlOpen, nil
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

// xmlClass tells the bytes that mean something in a tag.
var xmlClass = [256]uint8{'>': xmlCloses, '<': xmlOpens, '"': xmlQuotes, '\'': xmlQuotes, '/': xmlSlash, '=': xmlEquals, ' ': xmlSpace, '\n': xmlSpace, '\t': xmlSpace, '\r': xmlSpace}

const (
	xmlCloses = 1 + iota
	xmlOpens
	xmlQuotes
	xmlSlash
	xmlEquals
	xmlSpace
)

func xmlUntil(b []byte, from int, end string) (int, xmlKind, error) {
	n := bytes.Index(b[from:], []byte(end))
	if n < 0 {
		return 0, 0, errXMLEnds
	}
	return from + n + len(end), xmlOther, nil
}

// isNameStart knows the bytes that a name may begin with [4]; those above
// ASCII are not told apart.
func isNameStart(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == ':' || c >= 0x80
}

// xmlName returns the name in a tag, with its prefix.
func xmlName(tag []byte) []byte {
	tag = bytes.TrimPrefix(tag[1:], []byte("/"))
	for i, c := range tag {
		if class := xmlClass[c]; class == xmlSpace || class == xmlSlash || class == xmlCloses {
			return tag[:i]
		}
	}
	return tag
}

func localName[T string | []byte](name T) T {
	for i := range len(name) {
		if name[i] == ':' && i > 0 && i < len(name)-1 {
			return name[i+1:]
		}
	}
	return name
}

// xmlEnd returns where the element that b begins with ends.
func xmlEnd(b []byte) (int, error) {
	var open [xmlDepth][]byte
	depth := 0
	for i := 0; ; {
		n, kind, err := xmlMarkup(b[i:])
		if err != nil {
			return 0, err
		}
		switch kind {
		case xmlOpen:
			if depth == xmlDepth {
				return 0, fmt.Errorf("want elements at most %d deep, found a deeper one", xmlDepth)
			}
			open[depth] = xmlName(b[i : i+n])
			depth++
		case xmlClose:
			if depth--; depth < 0 || !bytes.Equal(open[depth], xmlName(b[i:i+n])) { //nolint:gosec // depth is not negative here
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

// parseXML reads one element of which xmlEnd found the end.
func parseXML(s string) (*xmlElement, error) { return new(xmlParser).parse(s) }

// xmlParser reads one element after the other into the same memory: what it
// returned is good until it reads the next.
type xmlParser struct {
	s        string
	i, parts int
	attrs    []xmlAttr
	elements []xmlElement
	// open are the elements in those that did not end yet, outermost first.
	open []xmlElement
}

// xmlKeep is how many elements and attributes a parser keeps room for.
const xmlKeep = 4096

func (p *xmlParser) parse(s string) (*xmlElement, error) {
	if len(p.attrs)+len(p.elements) > xmlKeep {
		*p = xmlParser{}
	}
	p.s, p.i, p.parts = s, 0, 0
	p.attrs, p.elements, p.open = p.attrs[:0], p.elements[:0], p.open[:0]
	e, err := p.element()
	p.elements = append(p.elements, e)
	return &p.elements[len(p.elements)-1], err
}

// element reads the element that begins at p.i, and moves behind it.
func (p *xmlParser) element() (e xmlElement, err error) {
	start, inside := p.i, len(p.open)
	empty, err := p.tag(&e)
	for err == nil && !empty {
		from := p.i
		n := strings.IndexByte(p.s[p.i:], '<')
		p.i += n
		e.addText(xmlText(p.s[from:p.i]))
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
			e.addText(withLineFeeds(rest[len("<![CDATA["):n]))
			p.i += n + len("]]>")
		default:
			var child xmlElement
			child, err = p.element()
			p.open = append(p.open, child)
		}
	}
	at := len(p.elements)
	p.elements = append(p.elements, p.open[inside:]...)
	p.open = p.open[:inside]
	e.inside = p.elements[at:len(p.elements):len(p.elements)]
	e.raw = p.s[start:p.i]
	return e, err
}

func (e *xmlElement) addText(s string) {
	if e.text == "" {
		e.text = s // shared with the record
	} else {
		e.text += s
	}
}

// tag reads the tag that begins an element.
func (p *xmlParser) tag(e *xmlElement) (empty bool, _ error) {
	if p.parts++; p.parts > xmlParts {
		return false, fmt.Errorf("want at most %d elements and attributes, found more", xmlParts)
	}
	start, attrs := p.i+1, len(p.attrs)
	defer func() { e.attrs = p.attrs[attrs:len(p.attrs):len(p.attrs)] }()
	for p.i++; xmlClass[p.s[p.i]] == 0 || xmlClass[p.s[p.i]] == xmlEquals || xmlClass[p.s[p.i]] == xmlOpens; p.i++ {
	}
	e.name = localName(p.s[start:p.i])
	for {
		p.space()
		switch p.s[p.i] {
		case '>':
			p.i++
			return false, nil
		case '/':
			if p.i++; p.s[p.i] != '>' {
				return false, errors.New("want the end of a tag behind /, found something else")
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
		a := xmlAttr{name: p.s[name:p.i]}
		p.space()
		if p.s[p.i] != '=' || a.name == "" {
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
		a.value = xmlText(p.s[p.i : p.i+n])
		p.i += n + 1
		p.attrs = append(p.attrs, a)
	}
}

func (p *xmlParser) space() {
	for isXMLSpace(p.s[p.i]) {
		p.i++
	}
}

func isXMLSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// xmlText returns what text stands for, with \n line ends. A reference that
// means no character stays as it stood.
func xmlText(s string) string {
	s = withLineFeeds(s)
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

// xmlReference returns the character that the reference means which s begins
// with, and its length; 0 when it means none. Two halves of a surrogate pair,
// as phones write emoji, are one character.
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

// xmlEntities are those that need no declaration (4.6).
var xmlEntities = []struct {
	name  string
	means rune
}{{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}

// xmlFile finds tags and whole elements in a file, with their places, and its
// way on behind what is broken. It holds one record of at most limit bytes.
type xmlFile struct {
	window
	ctx   context.Context
	limit int
	// begins says whether a tag begins a record. It is asked only when
	// something broke.
	begins func(tag []byte) bool
	// charset is set when the file says that it is not UTF-8.
	charset encoding.Encoding
	// records counts what was found: records and stretches of damage.
	records uint64
	// depth is how many elements around the place are open; it means nothing
	// behind damage, which damages counts.
	depth, damages int
	parser         xmlParser
}

func newXMLFile(ctx context.Context, in Input, begins func(tag []byte) bool) *xmlFile {
	return &xmlFile{window: window{src: in.Reader()}, ctx: ctx, limit: in.maxRecord(), begins: begins}
}

// xmlTag is a tag in view.
type xmlTag struct {
	kind xmlKind
	name []byte // without its prefix
	raw  []byte
	// problem says why there is none; the place is where it broke.
	problem string
}

// element reads a tag's attributes.
func (t *xmlTag) element() *xmlElement {
	p := xmlParser{s: strings.ToValidUTF8(string(t.raw), "\uFFFD")}
	e := &xmlElement{}
	_, _ = p.tag(e) // a tag that breaks has the attributes before
	return e
}

// next moves to the next tag that begins or ends an element, over everything
// else. At the end of the file its kind is xmlNone.
func (x *xmlFile) next() (xmlTag, error) {
	for {
		if err := x.ctx.Err(); err != nil {
			return xmlTag{}, err
		}
		n := bytes.IndexByte(x.buf, '<')
		if n < 0 {
			x.drop(len(x.buf))
			if x.eof {
				return xmlTag{}, nil
			}
			if err := x.more(); err != nil {
				return xmlTag{}, err
			}
			if x.at == 0 && len(x.buf) > 0 && sniffCharset(x.buf) != charsetUTF8 {
				return xmlTag{problem: "want an encoding in which < is one byte, found UTF-16"}, nil
			}
			continue
		}
		x.drop(n)
		end, kind, err := x.end(xmlMarkup)
		if isBroken(err) {
			return xmlTag{problem: err.Error()}, nil
		}
		if err != nil {
			return xmlTag{}, err
		}
		if kind == xmlOther {
			problem := x.instruction(x.buf[:end])
			if problem != "" {
				return xmlTag{problem: problem}, nil
			}
			x.drop(end)
			continue
		}
		raw := x.buf[:end]
		return xmlTag{kind: kind, name: localName(xmlName(raw)), raw: raw}, nil
	}
}

// brokenXML is what is wrong with the XML, as against with the reading of it.
type brokenXML struct{ error }

func isBroken(err error) bool {
	_, ok := errors.AsType[brokenXML](err)
	return ok
}

// end brings a piece into view of which find tells the end.
func (x *xmlFile) end(find func([]byte) (int, xmlKind, error)) (int, xmlKind, error) {
	for {
		end, kind, err := find(x.buf)
		switch {
		case err == nil && end <= x.limit:
			return end, kind, nil
		case err == nil || errors.Is(err, errXMLEnds) && len(x.buf) > x.limit:
			return 0, 0, brokenXML{fmt.Errorf("want a record of at most %d bytes, found a longer one", x.limit)}
		case !errors.Is(err, errXMLEnds) || x.eof:
			return 0, 0, brokenXML{err}
		}
		if err := x.more(); err != nil {
			return 0, 0, err
		}
	}
}

// instruction reads the declaration that a file may begin with [23].
func (x *xmlFile) instruction(b []byte) (problem string) {
	if !bytes.HasPrefix(b, []byte("<?xml ")) {
		return ""
	}
	p := xmlParser{s: strings.ToValidUTF8("<xml "+string(b[len("<?xml "):len(b)-2])+">", "\uFFFD")}
	var e xmlElement
	_, _ = p.tag(&e)
	name := e.attr("encoding")
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
	x.charset = charset
	return ""
}

// pass moves over a tag that is no record.
func (x *xmlFile) pass(t xmlTag) {
	switch t.kind {
	case xmlOpen:
		x.depth++
	case xmlClose:
		x.depth--
	}
	x.drop(len(t.raw))
}

// item makes an item of the whole element that begins in view; one without
// message and problem where parse returns neither message nor error.
func (x *xmlFile) item(parse func(*xmlElement) (*argus.Message, error)) (Item, error) {
	end, _, err := x.end(func(b []byte) (int, xmlKind, error) {
		end, err := xmlEnd(b)
		return end, xmlOpen, err
	})
	if isBroken(err) {
		return x.resume(err.Error())
	}
	if err != nil {
		return Item{}, err
	}
	x.records++
	item := Item{Where: argus.Where{Record: x.records, Offset: x.at, Length: int64(end)}}
	e, err := x.parse(x.buf[:end])
	if err == nil {
		item.Message, err = parse(e)
	}
	if err != nil {
		item.Message, item.Problem = nil, err.Error()
		item.Raw = bytes.Clone(x.buf[:min(end, argus.QuarantineRaw)])
	}
	if item.Message == nil && err == nil {
		x.records--
	}
	x.drop(end)
	return item, nil
}

func (x *xmlFile) parse(raw []byte) (*xmlElement, error) {
	if x.charset != nil {
		decoded, err := x.charset.NewDecoder().Bytes(raw)
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

// resume makes a problem of what reaches from here to where the next record
// begins, or to the end of the file.
func (x *xmlFile) resume(reason string) (Item, error) {
	x.records++
	x.damages++
	item := Item{Problem: reason, Where: argus.Where{Record: x.records, Offset: x.at}}
	if err := x.see(argus.QuarantineRaw); err != nil {
		return item, err
	}
	item.Raw = bytes.Clone(x.buf[:min(len(x.buf), argus.QuarantineRaw)])
	for x.drop(1); ; x.drop(1) {
		if err := x.ctx.Err(); err != nil {
			return item, err
		}
		n := bytes.IndexByte(x.buf, '<')
		for n < 0 && !x.eof {
			x.drop(len(x.buf))
			if err := x.more(); err != nil {
				return item, err
			}
			n = bytes.IndexByte(x.buf, '<')
		}
		if n < 0 {
			x.drop(len(x.buf))
			break
		}
		x.drop(n)
		if err := x.see(peekSize); err != nil {
			return item, err
		}
		if tag := x.buf[:min(len(x.buf), peekSize)]; x.begins(tag) {
			break
		}
	}
	item.Where.Length = x.at - item.Where.Offset
	item.Raw = item.Raw[:min(int64(len(item.Raw)), item.Where.Length)]
	return item, nil
}

// see brings at least n bytes into view, or all there is.
func (x *xmlFile) see(n int) error {
	for len(x.buf) < n && !x.eof {
		if err := x.more(); err != nil {
			return err
		}
	}
	return nil
}

// xmlReading says what is read of a file whose records are elements that do not
// lie in each other.
type xmlReading struct {
	// isRecord says whether an element is read whole.
	isRecord func(tag xmlTag) bool
	// begins says whether the beginning of a tag begins a record.
	begins func(tag []byte) bool
	// parse makes a message of a record; neither message nor error passes it
	// over.
	parse func(*xmlElement) (*argus.Message, error)
	// enter, if set, is called for the elements around the records.
	enter func(xmlTag)
	// found, if set, is called behind each record and returns what there is to
	// say about what is not there. stated, if set instead, returns behind all of
	// them how many records the file says that it has, or nil.
	found  func() (problem string)
	stated func() *argus.Stated
}

// read yields an item for each record and each stretch that is broken, and for
// what found and stated have to say.
func (r *xmlReading) read(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		x := newXMLFile(ctx, in, r.begins)
		remarks := uint64(0)
		for {
			item, atEnd, err := r.next(x)
			if err != nil {
				yield(Item{}, err)
				return
			}
			if item.Problem != "" && item.Where.Length == 0 {
				remarks++
			}
			if (item.Message != nil || item.Problem != "") && !yield(item, nil) {
				return
			}
			if r.found != nil && item.Where.Length > 0 {
				if problem := r.found(); problem != "" && !yield(x.remark(problem), nil) {
					return
				}
			}
			if atEnd {
				if r.stated != nil {
					if s := r.stated(); s != nil {
						s.Besides = remarks
						yield(Item{Stated: s, Where: argus.Where{Record: x.records + 1, Offset: x.at}}, nil)
					}
				}
				return
			}
		}
	}
}

// remark is a problem of the place and not of what stands there.
func (x *xmlFile) remark(problem string) Item {
	return Item{Problem: problem, Where: argus.Where{Offset: x.at}}
}

// next reads to the next record, which may be passed over, or to the end.
func (r *xmlReading) next(x *xmlFile) (item Item, atEnd bool, err error) {
	for {
		tag, err := x.next()
		switch {
		case err != nil:
			return Item{}, false, err
		case tag.problem != "":
			item, err = x.resume(tag.problem)
			return item, false, err
		case tag.kind == xmlNone && x.records == 0 && x.at > 0:
			return x.remark("want records, found a document without any"), true, nil
		case tag.kind == xmlNone:
			return x.cutOff(), true, nil
		case tag.kind != xmlClose && r.isRecord(tag):
			item, err = x.item(r.parse)
			return item, false, err
		case tag.kind != xmlClose && r.enter != nil:
			r.enter(tag)
		}
		x.pass(tag)
	}
}

// cutOff says whether a file ended too early.
func (x *xmlFile) cutOff() Item {
	if x.depth <= 0 || x.damages > 0 {
		return Item{}
	}
	return x.remark("want the end of the export, found the end of the file")
}

// xmlRoot returns the first tag of a sample, or an empty element.
func xmlRoot(s Sample) *xmlElement {
	text := s.Text
	for {
		n := bytes.IndexByte(text, '<')
		if n < 0 || n > 0 && len(bytes.TrimSpace(text[:n])) > 0 {
			return &xmlElement{}
		}
		text = text[n:]
		end, kind, err := xmlMarkup(text)
		if err != nil || kind == xmlClose {
			return &xmlElement{}
		}
		if kind != xmlOther {
			return (&xmlTag{raw: text[:end]}).element()
		}
		text = text[end:]
	}
}

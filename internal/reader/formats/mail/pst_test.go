package mail

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// pstWriter writes mailboxes of Outlook (MS-PST), as small as possible.
type pstWriter struct {
	pstFile // the width of numbers, and the encoding of data
	// list is the number of nodes below in a list; libpst 0.6's readpst reads only one list.
	list int
	// each is the number of entries in a page of a tree, 0 for as many as fit.
	each  int
	data  []byte
	held  []pstHeld
	nodes []pstNode
	last  uint64
}

// pstHeld is the position of a block.
type pstHeld struct {
	id     uint64
	at     int
	length int
}

func (w *pstWriter) put(b []byte, n uint64) []byte {
	if w.wide {
		return binary.LittleEndian.AppendUint64(b, n)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(n))
}

// align pads to a multiple.
func (w *pstWriter) align(to int) {
	w.data = append(w.data, make([]byte, (to-len(w.data)%to)%to)...)
}

// block writes a block.
func (w *pstWriter) block(content []byte, inside bool) uint64 {
	w.last += 4
	id := w.last
	stored := bytes.Clone(content)
	if inside {
		id |= 2
	} else if w.coding == 1 {
		for i, c := range stored {
			stored[i] = pstForth[c]
		}
	} else {
		w.decode(stored, uint32(id)) // the cyclic encoding undoes itself
	}
	w.align(64)
	at := len(w.data)
	w.data = append(w.data, stored...)
	trailer := 16
	if !w.wide {
		trailer = 12
	}
	w.data = append(w.data, make([]byte, (64-(len(stored)+trailer)%64)%64)...)
	w.data = binary.LittleEndian.AppendUint16(w.data, uint16(len(stored)))
	w.data = binary.LittleEndian.AppendUint16(w.data, pstSignature(at, id))
	if w.wide {
		w.data = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(w.data, pstSum(stored)), id)
	} else {
		w.data = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(w.data, uint32(id)), pstSum(stored))
	}
	w.held = append(w.held, pstHeld{id, at, len(stored)})
	return id
}

// pstSignature is that of MS-PST 5.5.
func pstSignature(at int, id uint64) uint16 {
	n := uint32(at) ^ uint32(id)
	return uint16(n>>16) ^ uint16(n)
}

// chain writes data in blocks of the given size, and lists of at most three blocks.
func (w *pstWriter) chain(content []byte, size int) uint64 {
	var ids []uint64
	for piece := range slices.Chunk(content, size) {
		ids = append(ids, w.block(piece, false))
	}
	for level := byte(1); len(ids) > 1; level++ {
		var above []uint64
		for piece := range slices.Chunk(ids, 3) {
			if level == 2 {
				piece = ids
			}
			list := []byte{1, level, byte(len(piece)), 0, 0, 0, 0, 0}
			binary.LittleEndian.PutUint32(list[4:], uint32(len(content)))
			for _, id := range piece {
				list = w.put(list, id)
			}
			above = append(above, w.block(list, true))
			if level == 2 {
				break
			}
		}
		ids = above
	}
	return ids[0]
}

// below writes a list of the nodes below a node.
func (w *pstWriter) below(nodes []pstNode) uint64 {
	if len(nodes) == 0 {
		return 0
	}
	var lists []byte
	count := 0
	for piece := range slices.Chunk(nodes, w.list) {
		list := w.listHead(0, len(piece))
		for _, n := range piece {
			list = w.put(w.put(w.put(list, uint64(n.id)), n.data), n.below)
		}
		id := w.block(list, true)
		if len(nodes) <= w.list {
			return id
		}
		lists = w.put(w.put(lists, uint64(piece[0].id)), id)
		count++
	}
	return w.block(append(w.listHead(1, count), lists...), true)
}

func (w *pstWriter) listHead(level byte, count int) []byte {
	list := []byte{2, level, byte(count), 0}
	if w.wide {
		list = append(list, 0, 0, 0, 0)
	}
	return list
}

// pstHeapOf puts pieces into a heap; piece i has the number (i+1)<<5.
func pstHeapOf(kind byte, root uint32, pieces [][]byte) []byte {
	heap := []byte{0, 0, pstHeapMark, kind, byte(root), byte(root >> 8), byte(root >> 16), byte(root >> 24), 0, 0, 0, 0}
	places := []byte{byte(len(pieces)), 0, 0, 0, byte(len(heap)), 0}
	for _, p := range pieces {
		heap = append(heap, p...)
		places = binary.LittleEndian.AppendUint16(places, uint16(len(heap)))
	}
	if len(heap)%2 == 1 {
		heap = append(heap, 0)
	}
	binary.LittleEndian.PutUint16(heap, uint16(len(heap)))
	return append(heap, places...)
}

// pstSaid is a property and its value: a number, or bytes. More than 300 bytes become a node
// below.
type pstSaid struct {
	number, kind uint16
	value        any
}

// properties writes the properties of a node.
func (w *pstWriter) properties(id uint32, said []pstSaid, below ...pstNode) pstNode {
	slices.SortFunc(said, func(a, b pstSaid) int { return int(a.number) - int(b.number) })
	pieces := [][]byte{{pstTreeMark, 2, 6, 0, 0x40, 0, 0, 0}, nil}
	for _, s := range said {
		record := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, s.number), s.kind)
		pieces[1] = binary.LittleEndian.AppendUint32(append(pieces[1], record...), w.value(s, &pieces, &below))
	}
	slices.SortFunc(below, func(a, b pstNode) int { return int(a.id) - int(b.id) })
	return pstNode{id: id, data: w.chain(pstHeapOf(pstProperties, 0x20, pieces), 8000), below: w.below(below)}
}

// value stores a value and returns its number.
func (w *pstWriter) value(s pstSaid, pieces *[][]byte, below *[]pstNode) uint32 {
	var content []byte
	switch v := s.value.(type) {
	case int:
		return uint32(v)
	case string:
		content = []byte(v)
		if s.kind == msgTypeText {
			content = nil
			for _, c := range utf16.Encode([]rune(v)) {
				content = binary.LittleEndian.AppendUint16(content, c)
			}
		}
	case []byte:
		content = v
	}
	if len(content) > 300 {
		id := uint32(len(*below)+0x100)<<5 | 0x1F
		*below = append(*below, pstNode{id: id, data: w.chain(content, 100)})
		return id
	}
	*pieces = append(*pieces, content)
	return uint32(len(*pieces)) << 5
}

// table writes a table of rows that all have the same columns. A row's number is its index, or
// that of a node.
func (w *pstWriter) table(id uint32, rows [][]pstSaid, numbers ...uint32) pstNode {
	columns := len(rows[0]) + 1
	bits := 4 * columns
	size := bits + (columns+7)/8
	info := []byte{pstTable, byte(columns), byte(bits), 0, byte(bits), 0, byte(bits), 0, byte(size), 0, 0x40, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0}
	column := func(number, kind uint16, i int) {
		info = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(info, kind), number)
		info = append(info, byte(4*i), 0, 4, byte(i))
	}
	column(0x67F2, 3, 0) // the row's number
	for i, s := range rows[0] {
		column(s.number, s.kind, i+1)
	}
	index := []byte{pstTreeMark, 4, 4, 0, 0x60, 0, 0, 0}
	if !w.wide {
		index[2] = 2
	}
	pieces := [][]byte{info, index, nil, nil}
	var below []pstNode
	for i, row := range rows {
		number := uint32(i)
		if i < len(numbers) {
			number = numbers[i]
		}
		pieces[2] = binary.LittleEndian.AppendUint32(pieces[2], number)
		if pieces[2] = binary.LittleEndian.AppendUint16(pieces[2], uint16(i)); w.wide {
			pieces[2] = append(pieces[2], 0, 0)
		}
		cells := binary.LittleEndian.AppendUint32(nil, number)
		there := []byte{0x80, 0}[:(columns+7)/8]
		for j, s := range row {
			if s.value != nil {
				there[(j+1)/8] |= 0x80 >> ((j + 1) % 8)
			}
			cells = binary.LittleEndian.AppendUint32(cells, w.value(s, &pieces, &below))
		}
		pieces[3] = append(append(pieces[3], cells...), there...)
	}
	return pstNode{id: id, data: w.chain(pstHeapOf(pstTable, 0x20, pieces), 8000), below: w.below(below)}
}

// add adds a node to the mailbox.
func (w *pstWriter) add(n pstNode, parent uint32) {
	n.parent = parent
	w.nodes = append(w.nodes, n)
}

// tree writes the pages of a tree and returns the position of its root and the number of its
// page.
func (w *pstWriter) tree(kind byte, size int, entries [][]byte) (at int, id uint64) {
	for level := byte(0); ; level++ {
		each := w.each
		if each == 0 && w.wide {
			each = 488 / size
		} else if each == 0 {
			each = 496 / size
		}
		var above [][]byte
		for piece := range slices.Chunk(entries, each) {
			w.align(pstPage)
			at = len(w.data)
			w.last += 4
			id = w.last
			page := make([]byte, pstPage)
			content := pstPage - 16
			counts := page[content-8:]
			if !w.wide {
				content = pstPage - 12
				counts = page[content-4:]
			}
			copy(page, bytes.Join(piece, nil))
			counts[0], counts[1], counts[2], counts[3] = byte(len(piece)), byte(each), byte(size), level
			page[content], page[content+1] = kind, kind
			binary.LittleEndian.PutUint16(page[content+2:], pstSignature(at, id))
			if w.wide {
				binary.LittleEndian.PutUint32(page[content+4:], pstSum(page[:content]))
				binary.LittleEndian.PutUint64(page[content+8:], id)
			} else {
				binary.LittleEndian.PutUint32(page[content+4:], uint32(id))
				binary.LittleEndian.PutUint32(page[content+8:], pstSum(page[:content]))
			}
			w.data = append(w.data, page...)
			above = append(above, w.put(w.put(w.put(nil, w.number(piece[0])), id), uint64(at)))
		}
		if len(above) == 1 {
			return at, id
		}
		entries, size = above, 3*w.width()
	}
}

// file completes the mailbox and returns it.
func (w *pstWriter) file() []byte {
	var nodes, blocks [][]byte
	slices.SortFunc(w.nodes, func(a, b pstNode) int { return int(a.id) - int(b.id) })
	for _, n := range w.nodes {
		e := w.put(w.put(w.put(nil, uint64(n.id)), n.data), n.below)
		e = binary.LittleEndian.AppendUint32(e, n.parent)
		nodes = append(nodes, append(e, make([]byte, 4*w.width()-len(e))...))
	}
	slices.SortFunc(w.held, func(a, b pstHeld) int { return int(a.id) - int(b.id) })
	for _, h := range w.held {
		e := binary.LittleEndian.AppendUint16(w.put(w.put(nil, h.id), uint64(h.at)), uint16(h.length))
		e = append(e, 2, 0)
		blocks = append(blocks, append(e, make([]byte, 3*w.width()-len(e))...))
	}
	nodesAt, nodesID := w.tree(pstNodeTree, 4*w.width(), nodes)
	blocksAt, blocksID := w.tree(pstBlockTree, 3*w.width(), blocks)
	head := w.data[:564]
	copy(head, pstMagic)
	copy(head[8:], "SM")
	head[10], head[12], head[14], head[15] = 15, 19, 1, 1
	root, sentinel := 164, 460
	if w.wide {
		head[10], root, sentinel = 23, 180, 512
	}
	places := w.put(nil, uint64(len(w.data)))
	for range 3 {
		places = w.put(places, 0)
	}
	places = w.put(w.put(w.put(w.put(places, nodesID), uint64(nodesAt)), blocksID), uint64(blocksAt))
	copy(head[root+4:], places)
	head[sentinel], head[sentinel+1] = 0x80, w.coding
	binary.LittleEndian.PutUint32(head[4:], pstSum(head[8:479]))
	if w.wide {
		binary.LittleEndian.PutUint32(head[524:], pstSum(head[8:524]))
	}
	return w.data
}

func pstTicks(unix int64) []byte {
	return binary.LittleEndian.AppendUint64(nil, uint64((unix+filetimeToUnixSec)*1e7))
}

// PSTExample is a mailbox with one entry of each kind: mails from outside and inside, a draft,
// a contact, a calendar entry, and a mail without a sender.
func PSTExample(wide bool, coding byte, list int) []byte {
	w := &pstWriter{pstFile: pstFile{wide: wide, coding: coding}, list: list, each: 5, data: make([]byte, 1024)}
	if coding == 1 {
		w.each = 0
	}
	text := uint16(msgTypeText)
	if !wide {
		text = msgTypeText8
	}
	said := func(number uint16, value string) pstSaid { return pstSaid{number, text, value} }
	folder := func(id, parent uint32, name string) {
		w.add(w.properties(id, []pstSaid{said(msgDisplayName, name), {0x3602, 3, 0}, {0x3603, 3, 0}, {0x360A, 0xB, 0}}), parent)
	}
	entry := append(make([]byte, 20), 0x22, 0x80, 0, 0)
	w.add(w.properties(0x21, []pstSaid{said(msgDisplayName, "Mailbox"), {0x35E0, msgTypeBinary, entry}}), 0)
	// Two lids and a name; the second is at 8 after "x-one".
	names := append(binary.LittleEndian.AppendUint32(nil, 10), "x\x00-\x00o\x00n\x00e\x00\x00\x00"...)
	w.add(w.properties(pstNames, []pstSaid{
		{1, 3, 251}, {2, msgTypeBinary, []byte{4, 0x20, 6, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46}},
		{3, msgTypeBinary, []byte{0x83, 0x80, 0, 0, 6, 0, 0, 0, 0x08, 0x82, 0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 7, 0, 2, 0}},
		{4, msgTypeBinary, names},
	}), 0)
	folder(pstTopFolder, pstTopFolder, "")
	folder(0x8022, pstTopFolder, "Top")
	folder(0x8042, 0x8022, "Postvak IN")
	folder(0x8062, 0x8042, "Loods")
	people := [][]pstSaid{
		{said(msgDisplayName, "Cee"), said(msgAddress, "cee@x.test"), {0x0C15, 3, 1}},
		{said(msgDisplayName, "Dee"), {msgAddress, text, nil}, {0x0C15, 3, 2}},
	}
	attachment := func(id uint32, content []byte, more ...pstSaid) pstNode {
		return w.properties(id, append(more, said(msgLongFileName, "kist.jpg"), said(msgMediaType, "image/jpeg"), pstSaid{msgData, msgTypeBinary, content}, pstSaid{pstMethod, 3, 1}))
	}
	// A mail inside a mail, below the attachment that it is.
	attached := w.properties(0x80A5, []pstSaid{said(msgDisplayName, "Fwd"), {pstMethod, 3, pstInside}, {msgData, pstTypeObject, []byte{0x3F, 0x20, 0, 0, 0, 0, 0, 0}}},
		w.properties(0x203F, []pstSaid{said(pstClass, "IPM.Note"), said(msgSubject, "first"), said(msgSender, "Eef"), said(msgSenderAddress, "eef@x.test"), said(msgBody, "kade 7")}))
	long := strings.Repeat("tien uur bij de loods ", 30)
	w.add(w.properties(0x200024, []pstSaid{
		said(pstClass, "IPM.Note"), said(msgSubject, "\x01\x05Re: loods"), said(0x0070, "loods"), said(msgSender, "Bee"), said(msgSenderAddress, "Bee@X.test"),
		said(msgSenderType, "SMTP"), {msgSubmitted, msgTypeTime, pstTicks(1613300591)}, {msgDelivered, msgTypeTime, pstTicks(1613300600)}, {pstFlags, 3, 1},
		said(msgBody, long), said(msgID, "<2@x.test>"), said(msgReferences, "<0@x.test> <1@x.test>"), said(msgInReplyTo, "<1@x.test>"), said(0x8002, "one"),
	}, w.table(pstRecipients, people), w.table(0x671, [][]pstSaid{{{pstMethod, 3, 1}}, {{pstMethod, 3, 1}}}, 0x8025, 0x8045), attachment(0x8025, []byte("invented")), attachment(0x8045, bytes.Repeat([]byte("invented"), 100)),
		attachment(0x8065, nil), attachment(0x8085, nil), attached), 0x8062)
	w.add(w.properties(0x200044, []pstSaid{
		said(pstClass, "IPM.Note"), said(msgSubject, "sent"), said(msgHeaders, "Received: from mx\r\nFrom: Bee <bee@x.test>\r\nTo: cee@x.test\r\n"+
			"Date: Sun, 14 Feb 2021 13:03:11 +0100\r\nMessage-ID: <3@x.test>\r\n\r\n"),
		{msgHTML, msgTypeBinary, []byte("<p>ni\xF1o</p>")}, {pstPageCodepage, 3, 1252}, {msgRTF, msgTypeBinary, readertest.PackRTF(`{\rtf1 ni\'f1o}`)},
	}), 0x8042)
	w.add(w.properties(0x200064, []pstSaid{said(pstClass, "IPM.Note"), said(msgSubject, "half"), said(msgBody, "nog niet"), {pstFlags, 3, 8}}), 0x8042)
	w.add(w.properties(0x200084, []pstSaid{said(pstClass, "IPM.Contact"), said(msgDisplayName, "Gijs"), said(0x3A1C, "+31 6 12345678"), said(0x8000, "Gijs@X.test")}), 0x8042)
	w.add(w.properties(0x2000A4, []pstSaid{said(pstClass, "IPM.Appointment"), said(msgSubject, "lossen"), said(msgSender, "Unknown"), said(msgSenderType, "UNKNOWN"), said(0x8001, "kade 7")}), 0x8042)
	w.add(w.properties(0x2000C4, []pstSaid{said(pstClass, "IPM.Note"), said(msgSubject, "nobody's")}), 0x8042)
	w.add(pstNode{id: 0x2000E4, data: 0x7770}, 0x8042) // no such block
	return w.file()
}

// pstText returns a text property.
func pstText(number uint16, text string) pstSaid { return pstSaid{number, msgTypeText, text} }

// pstOf returns a mailbox of mails from Anna and Bob, along with the additions that more
// makes.
func pstOf(wide bool, more func(w *pstWriter)) *pstWriter {
	w := &pstWriter{pstFile: pstFile{wide: wide}, list: 4, data: make([]byte, 1024)}
	w.add(w.properties(pstNames, []pstSaid{{3, msgTypeBinary, []byte{0x0D, 0x82, 0, 0, 6, 0, 0, 0}}, {2, msgTypeBinary, []byte{2, 0x20, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}}), 0)
	for i, from := range []string{"anna@x.test", "bobb@x.test"} {
		w.mail(i, pstText(msgSubject, from), pstText(msgSenderAddress, from), pstText(msgBody, from))
	}
	if more != nil {
		more(w)
	}
	return w
}

// mail adds a mail; its number is 0x200024 plus 0x20 for each previous one.
func (w *pstWriter) mail(i int, said ...pstSaid) {
	w.add(w.properties(uint32(0x200024+0x20*i), append(said, pstText(pstClass, "IPM.Note"))), pstTopFolder)
}

// pstTold returns the items of a mailbox, one line each.
func pstTold(t *testing.T, file []byte) (told []string) {
	t.Helper()
	for _, item := range readertest.Check(t, PST, readertest.Input("f", file, reader.Options{Owner: "owner"})) {
		if item.Message == nil {
			told = append(told, fmt.Sprintf("%#x %s", item.Where.Record, item.Problem))
			continue
		}
		m := item.Message
		var line strings.Builder
		line.WriteString(fmt.Sprintf("%#x %s: %s", item.Where.Record, m.From, m.Text))
		for _, a := range m.Attachments {
			line.WriteString(fmt.Sprintf(" +%s %d", a.Name, a.Size))
		}
		for _, x := range m.Extra {
			line.WriteString(fmt.Sprintf(" [%s: %s]", x.Name, x.Value))
		}
		told = append(told, line.String())
	}
	return told
}

// TestPSTFull reads trees whose pages are full.
func TestPSTFull(t *testing.T) {
	for _, wide := range []bool{true, false} {
		file := pstOf(wide, func(w *pstWriter) {
			for i := range 60 {
				w.mail(2+i, pstText(msgSenderAddress, "cees@x.test"))
			}
		}).file()
		if told := pstTold(t, file); len(told) != 62 || !strings.HasPrefix(told[61], "0x2007c4 cees@x.test") {
			t.Errorf("wide %t: %d items, the last %q", wide, len(told), told[len(told)-1])
		}
	}
}

// TestPSTTraps checks that each result contains only the mailbox's own data.
func TestPSTTraps(t *testing.T) {
	draft := func(w *pstWriter) pstNode {
		return w.properties(0x80A5, []pstSaid{pstText(msgDisplayName, "draft"), {pstMethod, 3, pstInside}, {msgData, pstTypeObject, []byte{0x3F, 0x20, 0, 0, 0, 0, 0, 0}}},
			w.properties(0x203F, []pstSaid{pstText(pstClass, "IPM.Note"), pstText(msgBody, "somebody's"), {pstFlags, 3, 8}}))
	}
	object := func(w *pstWriter) pstNode {
		return w.properties(0x80C5, []pstSaid{pstText(msgDisplayName, "drawing"), {pstMethod, 3, 6}, {msgData, pstTypeObject, []byte{0x5F, 0x20, 0, 0, 8, 0, 0, 0}}},
			pstNode{id: 0x205F, data: w.chain([]byte("a drawing"), 100)})
	}
	anna := pstText(msgSenderAddress, "anna@x.test")
	for name, c := range map[string]struct {
		said  []pstSaid
		below func(w *pstWriter) pstNode
		want  string
	}{
		"a draft that somebody attached is not the owner's": {[]pstSaid{anna}, draft, "0x20006400001 the message names no sender"},
		"an object in a mail has a hash":                    {[]pstSaid{anna}, object, "+drawing 9"},
		"a linked file keeps its address": {[]pstSaid{anna}, func(w *pstWriter) pstNode {
			return w.properties(0x80E5, []pstSaid{pstText(msgLongFileName, "x.docx"), {pstMethod, 3, 7}, pstText(0x370D, "https://drive.test/x")})
		}, "+x.docx 0 [attachment property 370D: x.docx: https://drive.test/x]"},
		"a page and a text have charsets of their own": {[]pstSaid{anna, {msgHTML, msgTypeBinary, []byte("ni\xC3\xB1o")}, {pstCodepage, 3, 1252}, {pstPageCodepage, 3, 65001}}, nil, "anna@x.test: niño"},
		"code page 866":                           {[]pstSaid{anna, {msgBody, msgTypeText8, []byte("\x8F\xE0\xA8")}, {pstCodepage, 3, 866}}, nil, "anna@x.test: При"},
		"a code page that is not known":           {[]pstSaid{anna, {msgBody, msgTypeText8, []byte("\x8F")}, {pstCodepage, 3, 437}}, nil, "[damage: the charset of property 1000 is not known (code page 437); windows-1252 is assumed]"},
		"who a mail is from, and who sent it":     {[]pstSaid{anna, pstText(msgForAddress, "boss@x.test")}, nil, "boss@x.test:  [property 0C1F: anna@x.test]"},
		"who a mail is from where nobody sent it": {[]pstSaid{anna, pstText(msgSenderType, "UNKNOWN"), pstText(msgForAddress, "boss@x.test")}, nil, "boss@x.test: "},
		"another subject than in the header":      {[]pstSaid{pstText(msgSubject, "changed"), pstText(msgHeaders, "From: a@x.test\r\nSubject: real\r\n\r\n")}, nil, "a@x.test:  [property 0037: changed]"},
		"a text in RTF only":                      {[]pstSaid{anna, {msgRTF, msgTypeBinary, readertest.PackRTF(`{\rtf1 kade 7}`)}}, nil, "anna@x.test: kade 7"},
		"a page beside the text":                  {[]pstSaid{anna, pstText(msgBody, "text"), {msgHTML, msgTypeBinary, []byte("page")}}, nil, "anna@x.test: text [alternative: text/html, 4 bytes, sha256 3660315a"},
		"a time without a field":                  {[]pstSaid{anna, {0x8006, msgTypeTime, pstTicks(1613300591)}}, nil, "[property 8006: 2021-02-14T11:03:11.000000Z]"},
		"a time with a name":                      {[]pstSaid{anna, {0x8000, msgTypeTime, pstTicks(1613300591)}}, nil, "[lid 820D (00062002): 2021-02-14T11:03:11.000000Z]"},
		"a time that is none":                     {[]pstSaid{anna, {msgSubmitted, msgTypeTime, pstTicks(1 << 38)}}, nil, "[property 0039: no time: "},
		"a time that is lost":                     {[]pstSaid{anna, {msgSubmitted, msgTypeTime, 0x1FDF}}, nil, "[damage: property 0039 ends early: want a child node 0x1fdf, found none with that number]"},
		"a list of texts":                         {[]pstSaid{anna, {0x8006, pstTypeTexts, []byte("\x02\x00\x00\x00\x0C\x00\x00\x00\x0E\x00\x00\x00a\x00b\x00")}}, nil, "[property 8006: a\nb]"},
		"a text of which a list names one block again and again": {[]pstSaid{anna, {msgBody, msgTypeText, 0x1FDF}}, func(w *pstWriter) pstNode {
			block, list := w.block(make([]byte, 8000), false), []byte{1, 1, 0xFF, 0, 0, 0, 0, 0}
			for range 255 {
				list = w.put(list, block)
			}
			return pstNode{id: 0x1FDF, data: w.block(list, true)}
		}, "want each piece of the file once in a message"},
		"a sender who is lost":                    {[]pstSaid{{msgSenderAddress, msgTypeText, 0x1FDF}}, nil, "0x200064 the message names no sender (property 0C1F ends early: want a child node 0x1fdf"},
		"a node below with the number of a piece": {[]pstSaid{anna}, func(w *pstWriter) pstNode { return pstNode{id: 3 << 5, data: w.block([]byte("b\x00"), false)} }, "anna@x.test: "},
		"properties again and again":              {[]pstSaid{anna, {msgBody, msgTypeText, "a"}, {msgBody, msgTypeText, "b"}}, nil, "[damage: the properties end early: want a property after 1000, found 1000]"},
		"a chat":                                  {[]pstSaid{anna, pstText(pstClass, "IPM.SkypeTeams.Message"), pstText(msgBody, "at ten")}, nil, "anna@x.test: at ten [property 001A: IPM.SkypeTeams.Message]"},
		"an encrypted mail is locked, with its hash": {[]pstSaid{anna, pstText(pstClass, "IPM.Note.SMIME")}, func(w *pstWriter) pstNode {
			return w.properties(0x80E5, []pstSaid{pstText(msgLongFileName, "smime.p7m"), {msgData, msgTypeBinary, []byte("sealed")}})
		}, "+smime.p7m 6"},
	} {
		t.Run(name, func(t *testing.T) {
			file := pstOf(true, func(w *pstWriter) {
				if !slices.ContainsFunc(c.said, func(s pstSaid) bool { return s.number == pstClass }) {
					c.said = append(c.said, pstText(pstClass, "IPM.Note"))
				}
				var below []pstNode
				if c.below != nil {
					below = append(below, c.below(w))
				}
				w.add(w.properties(0x200064, c.said, below...), pstTopFolder)
			}).file()
			if told := strings.Join(pstTold(t, file), "\n"); !strings.Contains(told, c.want) {
				t.Errorf("want %q, found\n%s", c.want, told)
			}
		})
	}
}

// TestPSTDamage damages one thing at a time: a message read despite damage reports it, and no
// text moves to another sender without a report.
func TestPSTDamage(t *testing.T) {
	root := func(b []byte) []byte { return b[binary.LittleEndian.Uint64(b[224:]):] } // of the nodes
	for name, c := range map[string]struct {
		damage func(w *pstWriter, b []byte) []byte
		want   string
	}{
		"text": {func(_ *pstWriter, b []byte) []byte {
			b[bytes.Index(b, []byte("a\x00n\x00n\x00a"))] = 'A'
			return b
		}, "does not match its checksum"},
		"cut":     {func(_ *pstWriter, b []byte) []byte { return b[:len(b)-pstPage] }, "found the end of the file"},
		"short":   {func(_ *pstWriter, b []byte) []byte { return b[:100] }, "found the end of the file"},
		"version": {func(_ *pstWriter, b []byte) []byte { b[10] = 36; return b }, "export it as PST"},
		"wip":     {func(_ *pstWriter, b []byte) []byte { b[513] = 0x10; return b }, "protected by Windows"},
		"empty": {func(_ *pstWriter, b []byte) []byte {
			page := root(b)
			page[488] = 1
			binary.LittleEndian.PutUint32(page[500:], pstSum(page[:496]))
			return b
		}, "want a message in the mailbox, found none"},
		"a page of blocks for one of nodes": {func(_ *pstWriter, b []byte) []byte {
			copy(b[216:232], b[232:248])
			return b
		}, "want kind 0x81 below level 9, found 0x80"},
		"one node with another's data": {func(w *pstWriter, b []byte) []byte {
			anna := w.put(w.put(nil, 0x200024), w.nodes[1].data)
			w.put(b[:bytes.LastIndex(b, anna)+8], w.nodes[2].data)
			return b
		}, "0x200024 bobb@x.test: bobb@x.test [damage: the page at "},
		"blocks exchanged": {func(w *pstWriter, b []byte) []byte {
			a := slices.IndexFunc(w.held, func(h pstHeld) bool { return h.id == w.nodes[1].data })
			c := slices.IndexFunc(w.held, func(h pstHeld) bool { return h.id == w.nodes[2].data })
			w.held[a].at, w.held[c].at = w.held[c].at, w.held[a].at
			return w.file()
		}, "0x200024 bobb@x.test: bobb@x.test [damage: where block "},
	} {
		w := pstOf(true, nil)
		file := bytes.Clone(w.file())
		if told := strings.Join(pstTold(t, c.damage(w, file)), "\n"); !strings.Contains(told, c.want) {
			t.Errorf("%s: want %q, found\n%s", name, c.want, told)
		}
	}
}

// TestPSTFolders reads nested folders with a name of 120 KB; no path may grow with each level.
func TestPSTFolders(t *testing.T) {
	file := pstOf(true, func(w *pstWriter) {
		name := w.chain([]byte(strings.Repeat("x\x00", 60_000)), 8000)
		parent := uint32(pstTopFolder)
		for i := range 200 {
			id := uint32(0x8022 + 0x20*i)
			w.add(w.properties(id, []pstSaid{{msgDisplayName, msgTypeText, 0x1FFF}}, pstNode{id: 0x1FFF, data: name}), parent)
			w.mail(2+i, pstText(msgSenderAddress, "cees@x.test"))
			w.nodes[len(w.nodes)-1].parent = id
			parent = id
		}
	}).file()
	longest := 0
	for _, line := range pstTold(t, file) {
		longest = max(longest, len(line))
	}
	if longest < 200 || longest > 40_000 {
		t.Errorf("the longest path makes a line of %d bytes", longest)
	}
}

// TestReadpst runs libpst's readpst on the invented mailboxes, to show that they are like
// Outlook's.
func TestReadpst(t *testing.T) {
	program, err := exec.LookPath("readpst")
	if err != nil {
		t.Skip("readpst is not installed (Debian: pst-utils)")
	}
	for _, wide := range []bool{true, false} {
		folder := t.TempDir()
		file := filepath.Join(folder, "f.pst")
		if err := os.WriteFile(file, PSTExample(wide, 1, 20), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), program, "-e", "-D", "-o", folder, file).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var all strings.Builder
		for _, pattern := range []string{"Mailbox/Postvak IN/*.eml", "Mailbox/Postvak IN/Loods/1.eml"} {
			mails, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, mail := range mails {
				all.WriteString(string(readertest.ReadFile(t, mail)))
			}
		}
		for _, want := range []string{"Re: loods", strings.Repeat("tien uur bij de loods ", 30), "aW52ZW50ZWQ=", "kist.jpg", "nog niet", "<p>ni"} {
			if !strings.Contains(all.String(), want) {
				t.Errorf("wide %t: %q is not in what readpst reads:\n%s%s", wide, want, out, all.String())
			}
		}
	}
}

func FuzzPST(f *testing.F) {
	files := [][]byte{PSTExample(true, 0, 4), PSTExample(false, 2, 4)}
	f.Add(uint8(0), []byte{}, uint16(1<<16-1))
	f.Add(uint8(1), []byte{44, 0, 0, 0, 1, 0, 2, 0, 0, 7}, uint16(1<<15))
	f.Fuzz(func(t *testing.T, which uint8, changes []byte, kept uint16) {
		file := readertest.Broken(files[int(which)%len(files)], changes, kept)
		readertest.Check(t, PST, readertest.Input("f", file, reader.Options{MaxRecord: 1 << 16}))
		PST.Detect(reader.Sample{Head: file})
	})
}

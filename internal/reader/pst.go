package reader

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
)

// pstFormat is described in docs/readers-xml-mail.md.
var pstFormat = &Format{
	Name:    "pst",
	Version: 1,
	About:   "a mailbox of Outlook (.pst, MS-PST), ANSI and Unicode",
	Checked: "by hand, mailboxes from the tests of two libraries: 17 of 17 mails, with the ids and attachments that readpst finds, and 10 entries of other kinds; invented examples that readpst reads, too",
	Detect:  detectPST,
	Read:    readPST,
}

func detectPST(s Sample) int {
	if len(s.Head) > 10 && string(s.Head[:4]) == pstMagic && string(s.Head[8:10]) == "SM" {
		return 95
	}
	return 0
}

// Kinds of nodes, and nodes that each mailbox has (MS-PST 2.2.2.1).
const (
	pstMail       = 0x04
	pstAttachment = 0x05
	pstNames      = 0x61  // the map of names
	pstTopFolder  = 0x122 // the root of all folders
	pstRecipients = 0x692
)

// readPST yields one item for each message, contact and other entry, in the
// order of their numbers, which are the records, and behind it those that are
// attached to it.
func readPST(ctx context.Context, in Input) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		source := &msgSource{ctx: ctx, file: in.File}
		r := pstReading{in: in, folders: map[uint32]string{}}
		found := false
		give := func(item Item) bool {
			found = true
			if source.err != nil {
				yield(Item{}, source.err)
				return false
			}
			return yield(item, nil)
		}
		file, err := openPST(source, in.Size)
		if err != nil {
			give(Item{Problem: err.Error()})
			return
		}
		r.pstFile = file
		r.names, err = r.readNames()
		if err != nil && !give(Item{Problem: fmt.Sprintf("the names of properties: %v", err)}) {
			return
		}
		for node, err := range r.walk() {
			if err == nil && node.kind() != pstMail {
				continue
			}
			r.begin()
			r.inside = r.inside[:0]
			for n := 0; n <= len(r.inside); n++ {
				item := Item{Where: argus.Where{Record: uint64(node.id)}}
				if n > 0 {
					item.Where.Record = uint64(node.id)<<20 | uint64(n)
					item.Message, err = r.message(r.inside[n-1])
				} else if err == nil {
					item.Message, err = r.message(node)
				}
				if err != nil {
					item.Message, item.Problem = nil, err.Error()
				}
				if !give(item) {
					return
				}
			}
		}
		if !found {
			give(Item{Problem: "want a message in the mailbox, found none"})
		}
	}
}

// pstReading is one reading of a mailbox.
type pstReading struct {
	*pstFile
	in Input
	// names are those of properties from 0x8000 on, whose numbers each mailbox
	// gives anew.
	names map[uint16]string
	// folders are paths, by the folder's number.
	folders map[uint32]string
	// inside are the messages that are attached to the one that is read, and to
	// each other; at most mimeParts.
	inside []pstNode
}

// pstFolders is how many folders are remembered, and pstDeep how deep they may
// lie in each other.
const (
	pstFolders = 4096
	pstDeep    = 32
)

// folder returns the path of a folder, as far as it can be read.
func (r *pstReading) folder(id uint32, deep int) string {
	if id == 0 || id == pstTopFolder || deep == pstDeep {
		return ""
	}
	if known, ok := r.folders[id]; ok {
		return known
	}
	path := fmt.Sprintf("folder %#x", id)
	if node, err := r.node(id); err == nil {
		if heap, err := r.heap(node, pstProperties, r.in.maxRecord()); err == nil {
			if name := heap.textOf(msgDisplayName); name != "" {
				path = name
			}
		}
		if node.parent != id {
			if above := r.folder(node.parent, deep+1); above != "" {
				path = above + "/" + path
			}
		}
	}
	if len(r.folders) < pstFolders {
		r.folders[id] = path
	}
	return path
}

// textOf returns the text of a property, "" if there is none that can be read.
func (h *pstHeap) textOf(number uint16) string {
	list, _ := h.properties()
	for _, p := range list {
		if p.number == number {
			stored, _, err := h.value(p.value, headerLimit)
			if text, ok := msgTextOf(p.kind, stored, ""); ok && err == nil {
				return argus.CleanName(text)
			}
		}
	}
	return ""
}

// readNames reads the map of names (MS-PST 2.4.7): lids as "lid 8083", other
// names as they are.
func (r *pstReading) readNames() (map[uint16]string, error) {
	node, err := r.node(pstNames)
	if err != nil {
		return nil, err
	}
	heap, err := r.heap(node, pstProperties, r.in.maxRecord())
	if err != nil {
		return nil, err
	}
	list, err := heap.properties()
	var entries, text []byte
	for _, p := range list {
		var e error
		switch p.number {
		case 3:
			entries, _, e = heap.value(p.value, headerLimit)
		case 4:
			text, _, e = heap.value(p.value, headerLimit)
		}
		err = cmp.Or(err, e)
	}
	names := map[uint16]string{}
	for ; len(entries) >= 8; entries = entries[8:] {
		id, kind, place := binary.LittleEndian.Uint32(entries), binary.LittleEndian.Uint16(entries[4:]), binary.LittleEndian.Uint16(entries[6:])
		if place >= 0x8000 {
			continue
		}
		if kind&1 == 0 {
			names[0x8000+place] = fmt.Sprintf("lid %04X", id)
			continue
		}
		if at := int(id); at+4 <= len(text) {
			if length := int(binary.LittleEndian.Uint32(text[at:])); length <= 512 && length <= len(text)-at-4 {
				names[0x8000+place] = string(appendUTF16(nil, text[at+4:at+4+length], binary.LittleEndian))
			}
		}
	}
	return names, err
}

// Properties that only a mailbox has.
const (
	pstClass       = 0x001A
	pstFlags       = 0x0E07
	pstUnsent      = 0x08 // of the flags
	pstMethod      = 0x3705
	pstInside      = 5 // of the methods: the attachment is a message
	pstCodepage    = 0x3FFD
	pstWebCodepage = 0x3FDE
	pstTypeNumber  = 0x0003
	pstTypeObject  = 0x000D
)

// message makes a message of a node. What is damaged in it is told in it, if
// there is enough left.
func (r *pstReading) message(node pstNode) (*argus.Message, error) {
	r.damage = r.damage[:0]
	heap, err := r.heap(node, pstProperties, r.in.maxRecord())
	if err != nil {
		return nil, err
	}
	list, err := heap.properties()
	if err != nil {
		r.remark("the properties end early: %v", err)
	}
	m := &argus.Message{Service: cmp.Or(r.in.Service, "email")}
	p := msgMail{letter: letter{Message: m, options: r.in.Options}, texts: map[uint16]string{}, recipients: map[string]map[uint16]string{}, files: map[string]*msgFile{}}
	p.names, p.room = r.names, r.in.maxRecord()
	numbers := numbersOf(list)
	p.charset = codepageName(cmp.Or(numbers[pstCodepage], numbers[pstWebCodepage]))
	r.texts(heap, list, &p, p.texts)
	for number, ticks := range r.times(heap, list) {
		p.when(number, ticks)
	}
	if subject, ok := strings.CutPrefix(p.texts[msgSubject], "\x01"); ok { // MS-PST 2.5.3.1.1.1
		_, n := utf8.DecodeRuneInString(subject)
		p.texts[msgSubject] = subject[n:]
	}
	r.recipients(heap, &p)
	r.files(heap, &p)
	class := p.texts[pstClass]
	if strings.EqualFold(class, "IPM.Note") {
		delete(p.texts, pstClass)
	}
	if node.kind() == pstMail {
		keepExtra(m, "folder", r.folder(node.parent, 0))
	}
	p.finish()
	switch of := strings.ToLower(class); {
	case strings.HasPrefix(of, "ipm.contact") || strings.HasPrefix(of, "ipm.distlist"):
		r.contact(&p)
	case of != "" && !strings.HasPrefix(of, "ipm.note") && !strings.HasPrefix(of, "report.") && !strings.HasPrefix(of, "ipm.schedule.") && !strings.HasPrefix(of, "ipm.post"):
		happened(m, class, strings.TrimSpace(m.Title+"\n"+m.Text))
	case m.From == "" && numbers[pstFlags]&pstUnsent != 0:
		m.From = cmp.Or(r.in.Owner, "owner of "+r.in.Name)
		keepExtra(m, "draft", "not sent")
	}
	for _, remark := range r.damage {
		keepExtra(m, "damage", strings.ToValidUTF8(remark, "\uFFFD"))
	}
	return m, m.Valid()
}

// contact makes a message of an entry of the address book, with its accounts.
func (r *pstReading) contact(p *msgMail) {
	var accounts []string
	for _, number := range []uint16{0x3A1C, 0x3A08, 0x3A09, 0x3A1A, 0x3A1B, 0x3A2F} { // telephones (MS-OXPROPS)
		accounts = append(accounts, accountOf(argus.CleanName(p.texts[number])))
	}
	for number, name := range r.names {
		switch name {
		case "lid 8083", "lid 8093", "lid 80A3", "lid 8062": // three addresses of mail, one of chat
			accounts = append(accounts, strings.ToLower(argus.CleanName(p.texts[number])))
		}
	}
	slices.Sort(accounts)
	accounts = slices.DeleteFunc(slices.Compact(accounts), func(s string) bool { return s == "" })
	p.From, p.FromName = "", ""
	contact(p.Message, "contact", cmp.Or(p.texts[msgDisplayName], p.texts[msgSubject]), accounts)
}

// texts reads the properties that are text. All of a message together are at
// most as long as the longest record.
func (r *pstReading) texts(heap *pstHeap, list []pstProperty, p *msgMail, into map[uint16]string) {
	for _, property := range list {
		page := property.number == msgHTML && property.kind == msgTypeBinary
		if property.kind != msgTypeText && property.kind != msgTypeText8 && !page {
			if property.number == msgRTF {
				into[msgRTF] = unreadRTF
			}
			continue
		}
		if p.room == 0 {
			r.remark("the texts of the message are longer than the longest record; the rest of them is not read")
			return
		}
		stored, cut, err := heap.value(property.value, p.room)
		if err != nil {
			r.remark("property %04X ends early: %v", property.number, err)
		} else if cut {
			r.remark("property %04X is longer than the longest record; it is cut", property.number)
		}
		p.room -= len(stored)
		if page {
			property.kind = msgTypeText8
		}
		into[property.number], _ = msgTextOf(property.kind, stored, p.charset)
	}
}

// times yields the properties that are times, in the ticks of Windows.
func (r *pstReading) times(heap *pstHeap, list []pstProperty) iter.Seq2[uint16, uint64] {
	return func(yield func(uint16, uint64) bool) {
		for _, property := range list {
			if property.kind != msgTypeTime {
				continue
			}
			stored, _, err := heap.value(property.value, 8)
			if err == nil && len(stored) == 8 && !yield(property.number, binary.LittleEndian.Uint64(stored)) {
				return
			}
		}
	}
}

// numbersOf are the properties that are numbers.
func numbersOf(list []pstProperty) map[uint16]uint32 {
	numbers := map[uint16]uint32{}
	for _, p := range list {
		if p.kind == pstTypeNumber {
			numbers[p.number] = p.value
		}
	}
	return numbers
}

// recipients reads the table of those who got the message.
func (r *pstReading) recipients(heap *pstHeap, p *msgMail) {
	node, ok := heap.lower(pstRecipients)
	if !ok {
		return
	}
	table, err := r.heap(node, pstTable, r.in.maxRecord())
	if err == nil {
		n := 0
		for row, e := range table.rows() {
			if err = e; err != nil {
				break
			}
			one := map[uint16]string{}
			r.texts(table, row, p, one)
			p.recipients[fmt.Sprintf("%08d", n)] = one
			n++
		}
	}
	if err != nil {
		r.remark("the recipients end early: %v", err)
	}
}

// files reads what is attached: hashes of it, nothing is held.
func (r *pstReading) files(heap *pstHeap, p *msgMail) {
	for _, node := range heap.below {
		if node.kind() != pstAttachment {
			continue
		}
		if len(p.files) == mimeParts || len(r.inside) == mimeParts {
			r.remark("the message has more than %d attachments; the rest of them is not read", mimeParts)
			return
		}
		file := &msgFile{texts: map[uint16]string{}}
		inside, err := r.heap(node, pstProperties, r.in.maxRecord())
		var list []pstProperty
		if err == nil {
			list, err = inside.properties()
			r.texts(inside, list, p, file.texts)
		}
		for _, property := range list {
			if property.number == msgData && property.kind == msgTypeBinary && err == nil {
				err = inside.hash(property.value, &file.Attachment)
			}
		}
		if message, ok := inside.message(list); ok {
			keepExtra(p.Message, "attached message", cmp.Or(file.texts[msgDisplayName], "unnamed"))
			r.inside = append(r.inside, message)
		} else {
			p.files[fmt.Sprintf("%08x", node.id)] = file
		}
		if err != nil {
			r.remark("attachment %#x is not whole: %v", node.id, err)
		}
	}
}

// message returns the message that an attachment is, if it is one (MS-PST
// 2.4.6.2.3).
func (h *pstHeap) message(list []pstProperty) (pstNode, bool) {
	if numbersOf(list)[pstMethod] != pstInside {
		return pstNode{}, false
	}
	for _, property := range list {
		if property.number == msgData && property.kind == pstTypeObject {
			place, _, err := h.value(property.value, 8)
			if err == nil && len(place) == 8 {
				return h.lower(binary.LittleEndian.Uint32(place))
			}
		}
	}
	return pstNode{}, false
}

// hash gives an attachment the hash of what a number names.
func (h *pstHeap) hash(id uint32, a *argus.Attachment) error {
	sum := sha256.New()
	size := int64(0)
	for piece, err := range h.pieces(id) {
		if err != nil {
			return err
		}
		sum.Write(piece)
		size += int64(len(piece))
	}
	a.Size = size
	sum.Sum(a.Hash[:0])
	return nil
}

// codepageName is the charset that Windows gives a number, as the WHATWG
// encoding standard names it, or "".
func codepageName(n uint32) string {
	names := map[uint32]string{874: "windows-874", 932: "shift_jis", 936: "gbk", 949: "euc-kr", 950: "big5", 20866: "koi8-r", 21866: "koi8-u",
		50220: "iso-2022-jp", 51932: "euc-jp", 51949: "euc-kr", 54936: "gb18030", 65001: "utf-8"}
	switch {
	case n >= 1250 && n <= 1258:
		return "windows-" + strconv.Itoa(int(n))
	case n >= 28591 && n <= 28605:
		return "iso-8859-" + strconv.Itoa(int(n-28590))
	}
	return names[n]
}

package mail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/build"
	"github.com/argus-evidence/argus/internal/reader/textdoc"
)

// PST is described in docs/readers-xml-mail.md.
var PST = &reader.Format{
	Name:    "pst",
	Version: 3,
	About:   "a mailbox of Outlook (.pst, MS-PST), ANSI and Unicode",
	Checked: "by hand, mailboxes from the tests of two libraries: 17 of 17 mails, with the ids and attachments that readpst finds, and 10 entries of other kinds; invented examples that readpst also reads",
	Detect:  detectPST,
	Read:    readPST,
}

func detectPST(s reader.Sample) int {
	if len(s.Head) > 10 && string(s.Head[:4]) == pstMagic && (string(s.Head[8:10]) == "SM" || string(s.Head[8:10]) == "SO") {
		return 95
	}
	return 0
}

// Nodes of each mailbox, and kinds of others (MS-PST 2.2.2.1).
const (
	pstMail       = 0x04
	pstAttachment = 0x05
	pstNames      = 0x61  // the map of names
	pstTopFolder  = 0x122 // the root of all folders
	pstRecipients = 0x692
)

// Properties that only a mailbox has, and types.
const (
	pstClass        = 0x001A
	pstFlags        = 0x0E07
	pstUnsent       = 0x08 // of the flags
	pstMethod       = 0x3705
	pstInside       = 5 // of the methods: the attachment is a message
	pstCodepage     = 0x3FFD
	pstPageCodepage = 0x3FDE
	pstTypeShort    = 0x0002
	pstTypeTrue     = 0x000B
	pstTypeObject   = 0x000D
	pstTypeLong     = 0x0014
	pstTypeTexts8   = 0x101E
	pstTypeTexts    = 0x101F
	pstTypeBinaries = 0x1102
)

// readPST yields one item for each message, contact and other entry, in the order of their
// numbers, which are the records, and after it the messages attached to it.
func readPST(ctx context.Context, in reader.Input) iter.Seq2[reader.Item, error] {
	return func(yield func(reader.Item, error) bool) {
		source := &msgSource{ctx: ctx, file: in.File}
		r := pstReading{in: in, folders: map[uint32]pstFolder{}}
		found := false
		give := func(item reader.Item) bool {
			found = true
			if source.err != nil {
				yield(reader.Item{}, source.err)
				return false
			}
			return yield(item, nil)
		}
		file, err := openPST(source, in.Size)
		if err != nil {
			give(reader.Item{Problem: err.Error()})
			return
		}
		r.pstFile = file
		r.names, err = r.readNames()
		if err = r.withDamage(err); err != nil && !give(reader.Item{Problem: fmt.Sprintf("the names of properties: %v", err)}) {
			return
		}
		for node, err := range r.walk() {
			if err == nil && node.kind() != pstMail {
				continue
			}
			r.begin()
			r.inside = r.inside[:0]
			for n := 0; n <= len(r.inside); n++ {
				item := reader.Item{Where: argus.Where{Record: uint64(node.id)}}
				if n > 0 {
					item.Where.Record = uint64(node.id)<<insideShift | uint64(n)
					item.Message, err = r.message(r.inside[n-1], node.id)
				} else if err == nil {
					// Repeats the lookup, so that damage on its pages is recorded for this
					// message.
					if _, err := r.node(node.id); err != nil {
						r.remark("%v", err)
					}
					item.Message, err = r.message(node, 0)
				}
				if err != nil {
					item.Message, item.Problem = nil, err.Error()
				}
				if !give(item) {
					return
				}
				r.damage = nil
			}
		}
		if !found {
			give(reader.Item{Problem: "want a message in the mailbox, found none"})
		}
	}
}

// pstReading is one reading of a mailbox.
type pstReading struct {
	*pstFile
	in reader.Input
	// names are the names of the properties from 0x8000 on, which each mailbox numbers in its
	// own way.
	names   map[uint16]string
	folders map[uint32]pstFolder
	// room is the number of bytes that the message may still use for properties.
	room int
	// inside are the messages attached to the current one, and to each other; at most
	// mimeParts.
	inside []pstNode
}

// withDamage adds the recorded damage to an error.
func (r *pstReading) withDamage(err error) error {
	if len(r.damage) == 0 {
		return err
	}
	damage := errors.New(strings.ToValidUTF8(strings.Join(r.damage, "; "), "\uFFFD"))
	if err == nil {
		return damage
	}
	return fmt.Errorf("%w (%w)", err, damage)
}

// pstFolder is the path of a folder. guessed means that its charset is a guess.
type pstFolder struct {
	path    string
	guessed bool
}

// Limits of folders: how many are remembered, how deeply they may be nested, and how long a
// name may be, in bytes.
const (
	pstFolders    = 4096
	pstDeep       = 32
	pstFolderName = 512
)

// folder returns the path of a folder, as far as the path is readable.
func (r *pstReading) folder(id uint32, deep int) pstFolder {
	if id == 0 || id == pstTopFolder {
		return pstFolder{}
	}
	if known, ok := r.folders[id]; ok {
		return known
	}
	if deep == pstDeep {
		return pstFolder{path: "…"}
	}
	f := pstFolder{path: fmt.Sprintf("folder %#x", id)}
	if node, err := r.node(id); err == nil {
		if heap, err := r.heap(node, pstProperties, r.in.RecordLimit()); err == nil {
			if name, guessed := folderName(heap); name != "" {
				f = pstFolder{name, guessed}
			}
		}
		if node.parent != id {
			above := r.folder(node.parent, deep+1)
			if f.guessed = f.guessed || above.guessed; len(above.path) > pstDeep*pstFolderName {
				above.path = "…"
			}
			f.path = strings.TrimPrefix(above.path+"/"+f.path, "/")
		}
	}
	if len(r.folders) < pstFolders {
		r.folders[id] = f
	}
	return f
}

// folderName returns the name in the properties of a folder, "" if it is unreadable, and
// whether its charset is a guess: a mailbox states none.
func folderName(h *pstHeap) (name string, guessed bool) {
	list, _ := h.properties()
	for _, p := range list {
		if p.number != msgDisplayName {
			continue
		}
		stored, _, err := h.value(p.value, pstFolderName)
		switch {
		case err != nil:
		case p.kind == msgTypeText:
			return argus.CleanName(string(textdoc.AppendUTF16(nil, stored, binary.LittleEndian))), false
		case p.kind == msgTypeText8:
			return argus.CleanName(textdoc.String(stored)), !utf8.Valid(stored)
		}
	}
	return "", false
}

// readNames reads the map of names (MS-PST 2.4.7): a number in a set of properties as "lid
// 8083 (00062004)", with the beginning of the set's GUID, other names unchanged.
func (r *pstReading) readNames() (map[uint16]string, error) {
	node, err := r.node(pstNames)
	if err != nil {
		return nil, err
	}
	heap, err := r.heap(node, pstProperties, r.in.RecordLimit())
	if err != nil {
		return nil, err
	}
	list, err := heap.properties()
	var parts [3][]byte // GUIDs, entries, text
	for _, p := range list {
		if p.number < 2 || p.number > 4 {
			continue
		}
		value, cut, e := heap.value(p.value, r.in.RecordLimit())
		if parts[p.number-2] = value; cut {
			r.remark("the names of properties are longer than the longest record; they are cut")
		}
		err = cmp.Or(err, e)
	}
	names := map[uint16]string{}
	for entries := parts[1]; len(entries) >= 8; entries = entries[8:] {
		id, kind, place := binary.LittleEndian.Uint32(entries), binary.LittleEndian.Uint16(entries[4:]), binary.LittleEndian.Uint16(entries[6:])
		if place >= 0x8000 {
			continue
		}
		if kind&1 == 0 {
			names[0x8000+place] = fmt.Sprintf("lid %04X (%s)", id, pstSet(parts[0], int(kind>>1)))
		} else if text := parts[2]; uint64(id)+4 <= uint64(len(text)) {
			text = text[id:]
			if length := binary.LittleEndian.Uint32(text); length <= 512 && int(length) <= len(text)-4 {
				names[0x8000+place] = string(textdoc.AppendUTF16(nil, text[4:4+length], binary.LittleEndian))
			}
		}
	}
	return names, err
}

// pstSet returns the beginning of the GUID of a set of properties. The first three numbers are
// for sets without one.
func pstSet(guids []byte, n int) string {
	if n < 3 || 16*(n-2) > len(guids) {
		return fmt.Sprintf("set %d", n)
	}
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(guids[16*(n-3):]))
}

// message makes a message of a node, which may be attached to another. If enough of a damaged
// message remains, the message reports the damage.
func (r *pstReading) message(node pstNode, to uint32) (*argus.Message, error) {
	heap, err := r.heap(node, pstProperties, r.in.RecordLimit())
	if err != nil {
		return nil, r.withDamage(err)
	}
	list, err := heap.properties()
	if err != nil {
		r.remark("the properties end early: %v", err)
	}
	p := newMSGMail(r.in)
	p.names, r.room = r.names, r.in.RecordLimit()
	numbers := numbersOf(list)
	charsets := pstCharsets{text: cmp.Or(numbers[pstCodepage], numbers[pstPageCodepage]), page: cmp.Or(numbers[pstPageCodepage], numbers[pstCodepage])}
	r.texts(heap, list, p, p.texts, charsets)
	r.facts(heap, list, p, charsets)
	if subject, ok := strings.CutPrefix(p.texts[msgSubject], "\x01"); ok { // MS-PST 2.5.3.1.1.1
		_, n := utf8.DecodeRuneInString(subject)
		p.texts[msgSubject] = subject[n:]
	}
	class := strings.ToLower(p.texts[pstClass])
	r.recipients(heap, p, charsets)
	r.files(heap, p, charsets, class)
	if class == "ipm.note" {
		delete(p.texts, pstClass)
	}
	if to != 0 {
		build.KeepExtra(p.Message, "attached to", fmt.Sprintf("%#x", to))
	} else {
		folder := r.folder(node.parent, 0)
		if build.KeepExtra(p.Message, "folder", folder.path); folder.guessed {
			r.remark("the charset of the folder's name is not known; windows-1252 is assumed")
		}
	}
	p.finish()
	switch {
	case isClass(class, "ipm.contact", "ipm.distlist"):
		r.contact(p)
	case isClass(class, "ipm.appointment", "ipm.task", "ipm.stickynote", "ipm.activity"):
		build.Happened(p.Message, argus.TypeNote, argus.Facts{}, p.texts[pstClass], strings.TrimSpace(p.Title+"\n"+p.Text))
	case isClass(class, "ipm.ole"), p.From == "" && class != "" && !isClass(class, "ipm.note"):
		build.Notice(p.Message, p.texts[pstClass], strings.TrimSpace(p.Title+"\n"+p.Text))
	case p.From == "" && numbers[pstFlags]&pstUnsent != 0 && to == 0:
		p.From = cmp.Or(r.in.Owner, argus.OwnerOf+r.in.Name)
		p.Type = argus.TypeDraft
		build.KeepExtra(p.Message, "draft", "not sent")
	}
	if err := build.Valid(p.Message); err != nil {
		return nil, r.withDamage(err)
	}
	for _, remark := range r.damage {
		build.KeepExtra(p.Message, "damage", strings.ToValidUTF8(remark, "\uFFFD"))
	}
	return p.Message, nil
}

// isClass reports whether a class is one of the given classes or their subclasses.
func isClass(class string, of ...string) bool {
	return slices.ContainsFunc(of, func(one string) bool { return class == one || strings.HasPrefix(class, one+".") })
}

// contact makes a message of an entry of the address book, with its accounts.
func (r *pstReading) contact(p *msgMail) {
	var accounts []string
	for _, number := range []uint16{0x3A1C, 0x3A08, 0x3A09, 0x3A1A, 0x3A1B, 0x3A2F} { // telephones (MS-OXPROPS)
		accounts = append(accounts, build.AccountOf(argus.CleanName(p.texts[number])))
	}
	for number, name := range r.names {
		switch name {
		case "lid 8083 (00062004)", "lid 8093 (00062004)", "lid 80A3 (00062004)", "lid 8062 (00062004)": // three addresses of mail, one of chat
			accounts = append(accounts, strings.ToLower(argus.CleanName(p.texts[number])))
		}
	}
	slices.Sort(accounts)
	accounts = slices.DeleteFunc(slices.Compact(accounts), func(s string) bool { return s == "" })
	p.From, p.FromName = "", ""
	build.Contact(p.Message, "contact", accounts, cmp.Or(p.texts[msgDisplayName], p.texts[msgSubject]))
}

// pstCharsets holds the code pages of 8-bit text and of the page.
type pstCharsets struct{ text, page uint32 }

// texts reads the properties that are text. The total for a message is at most the longest
// record.
func (r *pstReading) texts(heap *pstHeap, list []pstProperty, p *msgMail, into map[uint16]string, charsets pstCharsets) {
	for _, property := range list {
		if !isMSGText(property.number, property.kind) {
			continue
		}
		stored, ok := r.value(heap, property)
		if !ok {
			return
		}
		codepage := charsets.text
		if property.number == msgHTML {
			codepage = charsets.page
		}
		charset := textdoc.Codepage(codepage)
		if property.kind != msgTypeText && property.number != msgRTF && charset == "" && !utf8.Valid(stored) {
			r.remark("the charset of property %04X is not known (code page %d); windows-1252 is assumed", property.number, codepage)
		}
		p.text(into, property.number, property.kind, stored, charset)
	}
}

// value reads the value of a property. ok is false if the message has no room for more.
func (r *pstReading) value(heap *pstHeap, property pstProperty) (value []byte, ok bool) {
	if r.room <= 0 {
		r.remark("the properties of the message are longer than the longest record; the rest of them is not read")
		return nil, false
	}
	value, cut, err := heap.value(property.value, r.room)
	if err != nil {
		r.remark("property %04X ends early: %v", property.number, err)
	} else if cut {
		r.remark("property %04X is longer than the longest record; it is cut", property.number)
	}
	r.room -= len(value) + pstChunk
	return value, true
}

// facts reads the other properties: times, numbers, lists of text, and bytes that have a name.
// The number 0 counts as no value.
func (r *pstReading) facts(heap *pstHeap, list []pstProperty, p *msgMail, charsets pstCharsets) {
	for _, property := range list {
		fact := ""
		switch property.kind {
		case pstTypeShort, msgTypeNumber:
			if property.value != 0 {
				fact = strconv.Itoa(int(int32(property.value)))
			}
		case pstTypeTrue:
			if property.value&0xFF != 0 {
				fact = "true"
			}
		case msgTypeTime, pstTypeLong, pstTypeTexts, pstTypeTexts8, msgTypeBinary, pstTypeBinaries:
			if (property.kind == msgTypeBinary || property.kind == pstTypeBinaries) && property.number < 0x8000 {
				continue
			}
			stored, ok := r.value(heap, property)
			switch {
			case !ok:
				return
			case property.kind == msgTypeTime && len(stored) == 8:
				p.when(property.number, binary.LittleEndian.Uint64(stored))
			case property.kind == pstTypeLong && len(stored) == 8:
				fact = strconv.FormatInt(int64(binary.LittleEndian.Uint64(stored)), 10)
			case property.kind == pstTypeTexts:
				fact = pstTexts(stored, func(b []byte) string { return string(textdoc.AppendUTF16(nil, b, binary.LittleEndian)) })
			case property.kind == pstTypeTexts8:
				fact = pstTexts(stored, func(b []byte) string { return textdoc.Decode(b, textdoc.Codepage(charsets.text)) })
			case len(stored) > 0:
				fact = fmt.Sprintf("%d bytes, sha256 %x", len(stored), sha256.Sum256(stored))
			}
		}
		if fact != "" {
			p.facts[property.number] = fact
		}
	}
}

// pstTexts reads a list of texts (MS-PST 2.3.3.4.2): their number, their offsets, and the
// texts. It returns one line each.
func pstTexts(b []byte, decode func([]byte) string) string {
	if len(b) < 4 {
		return ""
	}
	places := b[4:]
	count := binary.LittleEndian.Uint32(b)
	var lines []string
	for i := uint32(0); i < count && len(places) >= 4; i++ {
		from, to := uint64(binary.LittleEndian.Uint32(places)), uint64(len(b))
		if places = places[4:]; i+1 < count && len(places) >= 4 {
			to = uint64(binary.LittleEndian.Uint32(places))
		}
		if from > to || to > uint64(len(b)) {
			break
		}
		lines = append(lines, decode(b[from:to]))
	}
	return strings.Join(lines, "\n")
}

// numbersOf returns the properties that are numbers.
func numbersOf(list []pstProperty) map[uint16]uint32 {
	numbers := map[uint16]uint32{}
	for _, p := range list {
		if p.kind == msgTypeNumber {
			numbers[p.number] = p.value
		}
	}
	return numbers
}

// recipients reads the table of recipients.
func (r *pstReading) recipients(heap *pstHeap, p *msgMail, charsets pstCharsets) {
	node, ok := heap.lower(pstRecipients)
	if !ok {
		return
	}
	table, err := r.heap(node, pstTable, r.in.RecordLimit())
	if err == nil {
		for row, e := range table.rows() {
			if err = e; err != nil {
				break
			}
			one := partOf(p.recipients, fmt.Sprintf("%08d", len(p.recipients)))
			one.kind = numbersOf(row)[msgKind]
			r.texts(table, row, p, one.texts, charsets)
		}
	}
	if err != nil {
		r.remark("the recipients end early: %v", err)
	}
}

// files reads the attachments. It hashes them and keeps only encrypted ones in memory.
func (r *pstReading) files(heap *pstHeap, p *msgMail, charsets pstCharsets, class string) {
	for _, node := range heap.below {
		if node.kind() != pstAttachment {
			continue
		}
		if len(p.files) == mimeParts || len(r.inside) == mimeParts {
			r.remark("the message has more than %d attachments; the rest of them is not read", mimeParts)
			return
		}
		if err := r.file(node, p, charsets, class); err != nil {
			r.remark("attachment %#x is not whole: %v", node.id, err)
		}
	}
}

// file reads one attachment: bytes, a message, or the storage of an object, whose node below
// is hashed.
func (r *pstReading) file(node pstNode, p *msgMail, charsets pstCharsets, class string) error {
	file := msgPart{texts: map[uint16]string{}}
	keep := func() { p.files[fmt.Sprintf("%08d", len(p.files))] = &file }
	heap, err := r.heap(node, pstProperties, r.in.RecordLimit())
	if err != nil {
		keep()
		return err
	}
	list, err := heap.properties()
	r.texts(heap, list, p, file.texts, charsets)
	at := slices.IndexFunc(list, func(p pstProperty) bool { return p.number == msgData })
	if at < 0 {
		keep()
		return err
	}
	data := list[at].value
	if list[at].kind == pstTypeObject {
		place, _, e := heap.value(data, 8)
		if len(place) < 8 {
			keep()
			return cmp.Or(err, e, errors.New("want the number of a node, found none"))
		}
		data = binary.LittleEndian.Uint32(place)
		if inside, ok := heap.lower(data); ok && numbersOf(list)[pstMethod] == pstInside {
			build.KeepExtra(p.Message, "attached message", cmp.Or(file.texts[msgDisplayName], "unnamed"))
			r.inside = append(r.inside, inside)
			return err
		}
	}
	keep()
	if isClass(class, "ipm.note.smime") && p.Locked == nil {
		if class == "ipm.note.smime.multipartsigned" {
			r.remark("the signed content is in the attachment, which is not parsed")
		} else if payload, ok := r.value(heap, pstProperty{number: msgData, value: data}); ok && len(payload) > 0 {
			p.State |= argus.StateLocked
			p.Locked = &argus.Locked{Algorithm: "cms", Payload: payload}
		}
	}
	return cmp.Or(err, hashAttachment(heap, data, &file.Attachment))
}

// hashAttachment gives an attachment the hash of the data with this number.
func hashAttachment(h *pstHeap, id uint32, a *argus.Attachment) error {
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

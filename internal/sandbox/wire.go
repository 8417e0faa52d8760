package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/original"
	"github.com/argus-evidence/argus/internal/reader"
)

// The two processes talk in frames: the length of the rest in 4 bytes, a byte for the
// kind of frame, and the body. Both processes run the same program, so the format has no
// versions. The reading process is not trusted: everything it sends is bounded and checked.

type frameKind byte

// Frames from the program to the reading process. All bodies are JSON.
const (
	frameHello  frameKind = 'h' // settings
	frameJob    frameKind = 'j' // a job, with its file
	frameBeside frameKind = 'b' // answer to frameAskBeside, with its file
	frameTemp   frameKind = 't' // answer to frameAskTemp, with its file
	frameGroup  frameKind = 'g' // answer to frameAskGroup
)

// Frames in the other direction.
const (
	frameReady     frameKind = 'R' // the process is locked down; no body
	frameBegin     frameKind = 'B' // a File, before its content is read; no body once it has been read
	frameEvents    frameKind = 'E' // events
	frameAskBeside frameKind = 'S' // the name of a file of the delivery
	frameAskTemp   frameKind = 'T' // asks for a temporary file
	frameAskGroup  frameKind = 'G' // a kept file's number, and the number of a group of its blocks
	frameClose     frameKind = 'C' // the number of a kept file that is no longer read
	frameDone      frameKind = 'D' // the job is done: whether to retire, and an error
)

// settings are the Options that a process needs.
type settings struct {
	Format string
	// Reading lacks its Zone, which the field Zone names.
	Reading reader.Options
	Zone    string
	Limits  reader.Limits
	Memory  int64
}

func settingsOf(o Options) settings {
	s := settings{Format: o.Format, Reading: o.Reading, Limits: o.Limits, Memory: o.Memory}
	if s.Reading.Zone != nil {
		s.Zone, s.Reading.Zone = s.Reading.Zone.String(), nil
	}
	return s
}

// keptFile describes a file that is kept in blocks. Its descriptors come with the
// frame: its data and, if Rest, the substitutes for blocks.
type keptFile struct {
	// Number identifies it in frameAskGroup and frameClose.
	Number uint64
	original.Handed
	Rest bool
}

// groupAnswer is a group of a kept file's blocks with their keys, or the reason why
// there is none.
type groupAnswer struct {
	Group []byte
	Error string
}

// besideAnswer describes the file that comes with it: the original and, if that is an
// archive, the size of the file inside it.
type besideAnswer struct {
	OK       bool
	Name     string
	Size     int64
	FileSize int64
	Kept     *keptFile
}

type doneFrame struct {
	Retire bool
	Error  string
}

const (
	// frameEventsSize is the size in bytes at which events are sent.
	frameEventsSize = 128 << 10
	// eventLimit is the maximum size of an event in bytes: more than any record of the
	// evidence may have.
	eventLimit = 64 << 20
	frameLimit = eventLimit + 2*frameEventsSize
)

func appendFrameHead(b []byte, kind frameKind, size int) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(size)), byte(kind))
}

const frameHeadSize = 5

// readFrame reads a frame into a buffer that it may grow.
func readFrame(r io.Reader, buf []byte) (frameKind, []byte, error) {
	var head [frameHeadSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, buf, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > frameLimit {
		return 0, buf, fmt.Errorf("a frame of %d bytes is longer than %d", n, frameLimit)
	}
	if int(n) > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(r, buf)
	return frameKind(head[4]), buf, err
}

// The flags of an event's parts.
const (
	hasFile = 1 << iota
	hasMessage
	hasProblem
	hasBroke
	hasLocked
	hasStated
	hasFacts
	hasDevice
)

func appendEvent(b []byte, e *Event) []byte {
	has := byte(0)
	m := e.Item.Message
	if e.File != nil {
		has |= hasFile
	}
	if m != nil {
		has |= hasMessage
		if m.Locked != nil {
			has |= hasLocked
		}
		if m.Facts != nil {
			has |= hasFacts
		}
	}
	if e.Item.Device != "" {
		has |= hasDevice
	}
	if e.Item.Problem != "" {
		has |= hasProblem
	}
	if e.Item.Stated != nil {
		has |= hasStated
	}
	if e.Broke {
		has |= hasBroke
	}
	b = append(b, has)
	if e.File != nil {
		b = appendFile(b, e.File)
	}
	if has&(hasMessage|hasProblem|hasStated) != 0 {
		b = binary.AppendUvarint(b, e.Item.Where.Record)
		b = binary.AppendVarint(b, e.Item.Where.Offset)
		b = binary.AppendVarint(b, e.Item.Where.Length)
	}
	if has&hasDevice != 0 {
		b = appendText(b, e.Item.Device)
	}
	if m != nil {
		b = appendMessage(b, m)
	}
	if has&hasProblem != 0 {
		b = appendText(b, e.Item.Problem)
		b = appendText(b, e.Item.Raw)
	}
	if s := e.Item.Stated; s != nil {
		b = binary.AppendUvarint(binary.AppendUvarint(appendText(b, s.What), s.Count), s.Besides)
	}
	return b
}

func appendFile(b []byte, f *File) []byte {
	b = appendText(b, f.Path)
	b = appendText(b, f.Name)
	b = appendText(b, f.Problem)
	b = binary.AppendVarint(b, f.Size)
	b = appendText(b, f.Reader)
	b = appendText(b, f.Looks)
	return append(b, f.Hash[:]...)
}

// appendMessage writes every field of a message; a test checks that.
func appendMessage(b []byte, m *argus.Message) []byte {
	b = appendText(b, m.Service)
	b = appendText(b, m.Conversation)
	b = appendText(b, m.Title)
	b = appendText(b, m.From)
	b = appendText(b, m.FromName)
	b = appendTexts(b, m.To)
	b = appendText(b, m.ServiceID)
	b = binary.AppendUvarint(b, m.Sequence)
	for _, t := range [...]*argus.Time{&m.Sent, &m.Received, &m.Read, &m.Edited} {
		if *t == (argus.Time{}) {
			b = append(b, 0)
			continue
		}
		b = binary.AppendVarint(append(b, 1), t.Micros)
		b = appendText(b, t.Raw)
		b = append(b, byte(t.Zone), byte(t.Precision), byte(t.Clock))
	}
	b = appendText(b, m.Text)
	b = appendText(b, m.Lang)
	b = append(b, byte(m.State), byte(m.Type), byte(m.AccountReach), byte(m.ConversationReach))
	b = appendText(b, m.ReplyTo)
	b = appendText(b, m.ForwardedFrom)
	b = binary.AppendUvarint(b, uint64(len(m.Attachments)))
	for i := range m.Attachments {
		a := &m.Attachments[i]
		b = appendText(b, a.Name)
		b = append(b, a.Hash[:]...)
		b = binary.AppendVarint(b, a.Size)
		b = appendText(b, a.Type)
	}
	if m.Locked != nil {
		b = appendText(b, m.Locked.KeyID)
		b = appendText(b, m.Locked.Algorithm)
		b = appendText(b, m.Locked.Payload)
	}
	b = appendFields(b, m.Extra)
	if m.Facts != nil {
		b = appendFacts(b, m.Facts)
	}
	return binary.AppendUvarint(b, uint64(m.Repeat))
}

// The flags of the facts, in the order in which they are written.
const (
	factCall = 1 << iota
	factContact
	factRoom
	factMembership
	factReaction
	factLocation
	factDevice
	factPoll
)

func appendFacts(b []byte, f *argus.Facts) []byte {
	has := byte(0)
	for i, there := range [...]bool{
		f.Call != nil, f.Contact != nil, f.Room != nil, f.Membership != nil, f.Reaction != nil, f.Location != nil, f.Device != nil, f.Poll != nil,
	} {
		if there {
			has |= 1 << i
		}
	}
	b = binary.AppendUvarint(append(b, has), f.Replies)
	if c := f.Call; c != nil {
		b = binary.AppendUvarint(appendText(b, c.Direction), c.Seconds)
		b = appendTexts(appendFlag(appendText(b, c.Answered), c.Video), c.Participants)
	}
	if c := f.Contact; c != nil {
		b = appendTexts(appendTexts(b, c.Names), c.Accounts)
	}
	if r := f.Room; r != nil {
		b = appendTexts(appendText(appendText(b, r.Name), r.Topic), r.Members)
	}
	if m := f.Membership; m != nil {
		b = appendText(appendTexts(appendText(b, m.Action), m.Members), m.Name)
	}
	if r := f.Reaction; r != nil {
		b = appendFlag(appendText(appendText(b, r.To), r.Sign), r.Removed)
	}
	if l := f.Location; l != nil {
		for _, s := range [...]string{l.Latitude, l.Longitude, l.Accuracy, l.Source, l.Name} {
			b = appendText(b, s)
		}
	}
	if d := f.Device; d != nil {
		b = appendFields(appendText(appendText(b, d.Name), d.Model), d.Identifiers)
	}
	if p := f.Poll; p != nil {
		b = appendTexts(appendText(b, p.Question), p.Options)
	}
	return b
}

func appendFlag(b []byte, flag bool) []byte {
	if flag {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

func appendFields(b []byte, list []argus.Field) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, x := range list {
		b = appendText(appendText(b, x.Name), x.Value)
	}
	return b
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errFrame = errors.New("the process sent data that is invalid")

// decoder reads events from a frame. The texts of a frame share its memory.
type decoder struct {
	left string
	bad  bool
}

func (d *decoder) byte() byte {
	if len(d.left) == 0 {
		d.bad = true
		return 0
	}
	c := d.left[0]
	d.left = d.left[1:]
	return c
}

func (d *decoder) uint() (n uint64) {
	if len(d.left) > 0 && d.left[0] < 0x80 {
		n = uint64(d.left[0])
		d.left = d.left[1:]
		return n
	}
	for i := 0; i < len(d.left) && i < binary.MaxVarintLen64; i++ {
		c := d.left[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.left = d.left[i+1:]
			return n
		}
	}
	d.bad, d.left = true, ""
	return 0
}

func (d *decoder) int() int64 {
	n := d.uint()
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) text() string { return d.take(d.uint()) }

func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.left)) {
		d.bad, d.left = true, ""
		return ""
	}
	s := d.left[:n]
	d.left = d.left[n:]
	return s
}

// bytes returns a copy, or nil if there are none.
func (d *decoder) bytes() []byte {
	if s := d.text(); s != "" {
		return []byte(s)
	}
	return nil
}

func (d *decoder) hash() (h argus.Hash) {
	copy(h[:], d.take(uint64(len(h))))
	return h
}

// list makes a list of the length that the frame states. Each element takes at least least
// bytes.
func list[T any](d *decoder, least int) []T {
	n := d.uint()
	if n > uint64(len(d.left)/least) {
		d.bad, d.left = true, ""
		return nil
	}
	if n == 0 {
		return nil
	}
	return make([]T, n)
}

func (d *decoder) event() (e Event, err error) {
	has := d.byte()
	if has&hasFile != 0 {
		e.File = d.file()
	}
	if has&(hasMessage|hasProblem|hasStated) != 0 {
		e.Item.Where = argus.Where{Record: d.uint(), Offset: d.int(), Length: d.int()}
	}
	if has&hasDevice != 0 {
		e.Item.Device = d.text()
	}
	if has&hasMessage != 0 {
		e.Item.Message = d.message(has&hasLocked != 0, has&hasFacts != 0)
	}
	if has&hasProblem != 0 {
		e.Item.Problem, e.Item.Raw = d.text(), d.bytes()
	}
	if has&hasStated != 0 {
		e.Item.Stated = &argus.Stated{What: d.text(), Count: d.uint(), Besides: d.uint()}
	}
	e.Broke = has&hasBroke != 0
	if d.bad {
		return Event{}, errFrame
	}
	return e, nil
}

func (d *decoder) file() *File {
	return &File{Path: d.text(), Name: d.text(), Problem: d.text(), Size: d.int(), Reader: d.text(), Looks: d.text(), Hash: d.hash()}
}

func (d *decoder) message(locked, facts bool) *argus.Message {
	m := &argus.Message{Service: d.text(), Conversation: d.text(), Title: d.text(), From: d.text(), FromName: d.text()}
	m.To = d.texts()
	m.ServiceID, m.Sequence = d.text(), d.uint()
	for _, t := range [...]*argus.Time{&m.Sent, &m.Received, &m.Read, &m.Edited} {
		if d.byte() == 0 {
			continue
		}
		*t = argus.Time{Micros: d.int(), Raw: d.text(), Zone: argus.ZoneSource(d.byte()), Precision: argus.Precision(d.byte()), Clock: argus.Clock(d.byte())}
	}
	m.Text, m.Lang, m.State, m.Type = d.text(), d.text(), argus.State(d.byte()), argus.Type(d.byte())
	m.AccountReach, m.ConversationReach = argus.Reach(d.byte()), argus.Reach(d.byte())
	m.ReplyTo, m.ForwardedFrom = d.text(), d.text()
	m.Attachments = list[argus.Attachment](d, len(argus.Hash{})+3)
	for i := range m.Attachments {
		m.Attachments[i] = argus.Attachment{Name: d.text(), Hash: d.hash(), Size: d.int(), Type: d.text()}
	}
	if locked {
		m.Locked = &argus.Locked{KeyID: d.text(), Algorithm: d.text(), Payload: d.bytes()}
	}
	m.Extra = d.fields()
	if facts {
		m.Facts = d.facts()
	}
	m.Repeat = uint32(d.uint())
	return m
}

func (d *decoder) texts() []string {
	texts := list[string](d, 1)
	for i := range texts {
		texts[i] = d.text()
	}
	return texts
}

func (d *decoder) fields() []argus.Field {
	fields := list[argus.Field](d, 2)
	for i := range fields {
		fields[i] = argus.Field{Name: d.text(), Value: d.text()}
	}
	return fields
}

func (d *decoder) facts() *argus.Facts {
	has := d.byte()
	f := &argus.Facts{Replies: d.uint()}
	if has&factCall != 0 {
		f.Call = &argus.Call{Direction: d.text(), Seconds: d.uint(), Answered: d.text(), Video: d.byte() != 0, Participants: d.texts()}
	}
	if has&factContact != 0 {
		f.Contact = &argus.Contact{Names: d.texts(), Accounts: d.texts()}
	}
	if has&factRoom != 0 {
		f.Room = &argus.Room{Name: d.text(), Topic: d.text(), Members: d.texts()}
	}
	if has&factMembership != 0 {
		f.Membership = &argus.Membership{Action: d.text(), Members: d.texts(), Name: d.text()}
	}
	if has&factReaction != 0 {
		f.Reaction = &argus.Reaction{To: d.text(), Sign: d.text(), Removed: d.byte() != 0}
	}
	if has&factLocation != 0 {
		f.Location = &argus.Location{Latitude: d.text(), Longitude: d.text(), Accuracy: d.text(), Source: d.text(), Name: d.text()}
	}
	if has&factDevice != 0 {
		f.Device = &argus.Device{Name: d.text(), Model: d.text(), Identifiers: d.fields()}
	}
	if has&factPoll != 0 {
		f.Poll = &argus.Poll{Question: d.text(), Options: d.texts()}
	}
	return f
}

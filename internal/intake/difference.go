package intake

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
)

// Difference compares a reading with the previous one of the same originals. Messages and other
// items stored under an id count once each, however many copies they have, and their order does
// not matter.
type Difference struct {
	Of argus.DeliveryNumber `json:"of"`
	// Then is the previous reading, or Of itself if there was none in between; Now is the new
	// one.
	Then argus.DeliveryNumber `json:"then"`
	Now  argus.DeliveryNumber `json:"now"`
	// Same counts the items that are equal in both readings.
	Same uint64 `json:"same"`
	Changes
	// Conversations are the conversations that differ, the most changed first, at most 100.
	Conversations []ConversationChanges `json:"conversations,omitempty"`
	// MoreConversations counts the others among the first 65,536, which are told apart, and
	// Beyond counts the changes in all further ones.
	MoreConversations uint64  `json:"more_conversations,omitempty"`
	Beyond            Changes `json:"beyond,omitzero"`
	// Readers are the changes by the previous and the new reader.
	Readers []ReaderChanges `json:"readers,omitempty"`
	// Quarantined lists the reasons whose number of pieces changed, at most 100 in
	// alphabetical order; the others are counted together.
	Quarantined []ReasonChange `json:"quarantined,omitempty"`
}

// Changes counts differences: New is only in the new reading, Gone only in the previous
// one, and Changed has the same id in both but a different version or statement.
type Changes struct {
	New     uint64 `json:"new"`
	Gone    uint64 `json:"gone"`
	Changed uint64 `json:"changed"`
}

func (c Changes) sum() uint64 { return c.New + c.Gone + c.Changed }

func (c *Changes) add(o Changes) {
	c.New, c.Gone, c.Changed = c.New+o.New, c.Gone+o.Gone, c.Changed+o.Changed
}

// ConversationChanges are the changes in one conversation.
type ConversationChanges struct {
	Service      string `json:"service"`
	Conversation string `json:"conversation"`
	Changes
}

// ReaderChanges counts the changes in files by their previous and new reader, each given as
// name/version; a name is empty if no reader reads the file, or if the file is beyond the first
// 65,536.
type ReaderChanges struct {
	Then string `json:"then,omitempty"`
	Now  string `json:"now,omitempty"`
	Changes
}

// ReasonChange is the number of pieces that were quarantined for a reason in the previous
// reading, and in the new one.
type ReasonChange struct {
	Reason string `json:"reason"`
	Then   uint64 `json:"then"`
	Now    uint64 `json:"now"`
}

const (
	mostConversations = 100
	mostTold          = 1 << 16 // conversations that are distinguished
	mostReasons       = 100
	// partRecords is roughly how many records are compared at once, and mostParts the maximum
	// number of parts: beyond their product, the parts grow.
	partRecords = 1 << 20
	mostParts   = 256
)

// Compare compares a sealed reading with the previous one. It reads the records of both
// once, writes 34 bytes for each into temporary files, distributed by the hash of the id,
// and then processes these one by one: time and disk space grow with the number of records,
// but memory does not, up to 256 million records.
func Compare(ctx context.Context, s *evidence.Store, now argus.DeliveryNumber) (_ *Difference, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("compare %s with the previous reading: %w", now, err)
		}
	}()
	view, err := evidence.NewCurrent(s)
	if err != nil {
		return nil, err
	}
	list, err := view.Deliveries(ctx)
	if err != nil {
		return nil, err
	}
	c := &comparison{files: map[piece]uint32{}, told: map[[2]string]uint32{}, reasons: map[string]*ReasonChange{}, pairs: map[[2]string]*Changes{}}
	for _, d := range list {
		if d.Number == now {
			c.d = Difference{Of: d.Reads, Then: d.Reads, Now: now}
		}
	}
	if c.d.Of == 0 {
		return nil, errors.New("it is not a second reading")
	}
	records := uint64(0)
	for _, d := range list {
		complete := d.Seal != nil && d.Seal.Incomplete == ""
		if d.Reads == c.d.Of && d.Number < now && complete {
			c.d.Then = d.Number
		}
	}
	for _, d := range list {
		if d.Number == c.d.Then || d.Number == now {
			records += d.Records
			c.readers[side(d.Number == now)] = d.Opening.Readers
		}
	}
	rand.Read(c.key[:])
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.open(s, int(min(mostParts, 1+records/partRecords))); err != nil {
		return nil, err
	}
	for _, d := range [...]argus.DeliveryNumber{c.d.Then, now} {
		for r, err := range s.Records(ctx, d) {
			if err == nil {
				err = c.add(r, side(d == now))
			}
			if err != nil {
				return nil, err
			}
		}
	}
	for i := range c.parts {
		if err := c.part(&c.parts[i]); err != nil {
			return nil, err
		}
	}
	return c.result(), nil
}

func side(now bool) int {
	if now {
		return 1
	}
	return 0
}

// comparison gathers a Difference.
type comparison struct {
	d Difference
	// key goes into all hashes, so that leftover files reveal nothing about a message.
	key     [16]byte
	parts   []partFile
	readers [2][]string

	told    map[[2]string]uint32 // numbers of the conversations, from 1
	names   [][2]string
	changes []Changes // by conversation; 0 is for those beyond the limit
	files   map[piece]uint32
	readBy  [2][]uint8 // by file; 0 for no reader
	pairs   map[[2]string]*Changes
	reasons map[string]*ReasonChange
}

type partFile struct {
	f *os.File
	w *bufio.Writer
}

// told is the compared part of a record.
type told struct {
	id           [16]byte
	says         [8]byte
	conversation uint32
	file         uint32
	reader, side uint8
}

const toldBytes = 34

func (c *comparison) open(s *evidence.Store, parts int) error {
	for range parts {
		f, err := s.TempFile()
		if err != nil {
			return err
		}
		c.parts = append(c.parts, partFile{f, bufio.NewWriterSize(f, 16<<10)})
	}
	return nil
}

func (c *comparison) close() error {
	var err error
	for _, p := range c.parts {
		err = errors.Join(err, p.f.Close())
	}
	return err
}

// add takes a record of the previous reading (0) or of the new one (1).
func (c *comparison) add(r *argus.Record, side int) error {
	if r.Kind == argus.KindQuarantined {
		c.quarantined(r.Quarantine.Reason, side)
		return nil
	}
	if r.Kind != argus.KindMessage && r.Kind != argus.KindSighting {
		return nil
	}
	aside := r.Message.Aside()
	text, err := json.Marshal(&aside)
	if err != nil {
		return fmt.Errorf("record %d: %w", r.Seq, err)
	}
	id := sha256.Sum256(slices.Concat(c.key[:], r.ID[:]))
	says := sha256.Sum256(slices.Concat(c.key[:], r.Version[:], text))
	p := c.parts[int(binary.LittleEndian.Uint16(id[:]))%len(c.parts)]
	b := append(slices.Clone(id[:16]), says[:8]...)
	b = binary.LittleEndian.AppendUint32(b, c.conversation(r.Message))
	b = binary.LittleEndian.AppendUint32(b, c.file(r.Where, side))
	_, err = p.w.Write(append(b, r.Where.Reader, uint8(side)))
	return err
}

// conversation returns the number of a message's conversation, or 0 beyond the limit.
func (c *comparison) conversation(m *argus.Message) uint32 {
	name := [2]string{m.Service, m.Conversation}
	n, ok := c.told[name]
	if !ok && len(c.names) < mostTold {
		c.names = append(c.names, name)
		n = uint32(len(c.names))
		c.told[name] = n
	}
	return n
}

// file returns the number of a file, from 1, and notes the file's reader. It returns 0 beyond
// the limit.
func (c *comparison) file(at argus.Where, side int) uint32 {
	p := piece{at.Original, at.Path}
	n, ok := c.files[p]
	if !ok && len(c.files) < mostTold {
		n = uint32(len(c.files) + 1)
		c.files[p] = n
	}
	for len(c.readBy[side]) <= int(n) {
		c.readBy[side] = append(c.readBy[side], 0)
	}
	if n > 0 {
		c.readBy[side][n] = at.Reader
	}
	return n
}

func (c *comparison) quarantined(reason string, side int) {
	one := c.reasons[reason]
	if one == nil {
		if len(c.reasons) >= mostTold {
			reason = argus.OtherReasons
		}
		if one = c.reasons[reason]; one == nil {
			one = &ReasonChange{Reason: reason}
			c.reasons[reason] = one
		}
	}
	if side == 0 {
		one.Then++
	} else {
		one.Now++
	}
}

// part compares the records in one of the files.
func (c *comparison) part(p *partFile) error {
	if err := p.w.Flush(); err != nil {
		return err
	}
	if _, err := p.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var all []told
	b := make([]byte, toldBytes)
	for in := bufio.NewReaderSize(p.f, 64<<10); ; {
		_, err := io.ReadFull(in, b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		one := told{conversation: binary.LittleEndian.Uint32(b[24:]), file: binary.LittleEndian.Uint32(b[28:]), reader: b[32], side: b[33]}
		copy(one.id[:], b)
		copy(one.says[:], b[16:])
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b told) int {
		return cmp.Or(bytes.Compare(a.id[:], b.id[:]), cmp.Compare(a.side, b.side), bytes.Compare(a.says[:], b.says[:]), cmp.Compare(a.reader, b.reader), cmp.Compare(a.file, b.file))
	})
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].id == all[0].id {
			n++
		}
		c.compare(all[:n])
		all = all[n:]
	}
	return nil
}

// compare counts the records that the two sides have under one id.
func (c *comparison) compare(of []told) {
	now := slices.IndexFunc(of, func(t told) bool { return t.side == 1 })
	if now < 0 {
		now = len(of)
	}
	same := func(a, b told) bool { return a.says == b.says }
	was, is := slices.CompactFunc(of[:now], same), slices.CompactFunc(of[now:], same)
	var change Changes
	var pair [2]string
	switch {
	case len(was) == 0:
		change.New = 1
	case len(is) == 0:
		change.Gone = 1
	case slices.EqualFunc(was, is, same):
		c.d.Same++
		return
	default:
		change.Changed = 1
	}
	for side, list := range [...][]told{was, is} {
		if len(list) > 0 {
			pair[side] = c.reader(side, list[0].reader)
		} else if by := c.readBy[side]; int(of[0].file) < len(by) {
			pair[side] = c.reader(side, by[of[0].file])
		}
	}
	if c.changes == nil {
		c.changes = make([]Changes, len(c.names)+1)
	}
	c.changes[of[0].conversation].add(change)
	c.d.add(change)
	if c.pairs[pair] == nil {
		c.pairs[pair] = new(Changes)
	}
	c.pairs[pair].add(change)
}

func (c *comparison) reader(side int, reader uint8) string {
	if readers := c.readers[side]; reader > 0 && int(reader) <= len(readers) {
		return readers[reader-1]
	}
	return ""
}

// result returns the gathered Difference.
func (c *comparison) result() *Difference {
	d := &c.d
	for i, change := range c.changes {
		switch {
		case i == 0:
			d.Beyond = change
		case change.sum() > 0:
			d.Conversations = append(d.Conversations, ConversationChanges{c.names[i-1][0], c.names[i-1][1], change})
		}
	}
	slices.SortFunc(d.Conversations, func(a, b ConversationChanges) int {
		return cmp.Or(cmp.Compare(b.sum(), a.sum()), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Conversation, b.Conversation))
	})
	if n := len(d.Conversations); n > mostConversations {
		d.Conversations, d.MoreConversations = d.Conversations[:mostConversations], uint64(n-mostConversations)
	}
	for pair, change := range c.pairs {
		d.Readers = append(d.Readers, ReaderChanges{pair[0], pair[1], *change})
	}
	slices.SortFunc(d.Readers, func(a, b ReaderChanges) int {
		return cmp.Or(cmp.Compare(b.sum(), a.sum()), cmp.Compare(a.Then, b.Then), cmp.Compare(a.Now, b.Now))
	})
	other := ReasonChange{Reason: argus.OtherReasons}
	for _, reason := range slices.Sorted(maps.Keys(c.reasons)) {
		switch one := c.reasons[reason]; {
		case one.Then == one.Now:
		case reason == argus.OtherReasons || len(d.Quarantined) == mostReasons:
			other.Then, other.Now = other.Then+one.Then, other.Now+one.Now
		default:
			d.Quarantined = append(d.Quarantined, *one)
		}
	}
	if other.Then != other.Now {
		d.Quarantined = append(d.Quarantined, other)
	}
	return d
}

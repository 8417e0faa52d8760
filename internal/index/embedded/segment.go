package embedded

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/blevesearch/vellum"
)

// Version 4 of the segment file, see docs/format/index.md.
const segmentMagic = "argsegm4"

// The sections of a segment file, in order.
const (
	sectionTimes         = iota // sort keys of the sent times
	sectionSequences            // the service's sequence
	sectionSeqs                 // place in the evidence
	sectionIDs                  // first 8 bytes of the id
	sectionGrouped              // documents that are in a group, as a bitmap
	sectionGroup                // the group of each document, from 1; 0 for none
	sectionAsOf                 // for each group, the record with which it began
	sectionMemberPlaces         // for each group, its first member; and finally the end
	sectionMembers              // documents of the groups
	sectionVersions             // for each member, its version, numbered within the group
	sectionQualities            // for each member, how good its sent time is
	sectionConversations        // see appendConversationKey
	sectionConversation         // the conversation of each document
	sectionSenders              // accounts
	sectionSender               // the sender of each document
	sectionReceivers            // accounts that are the one receiver of a message
	sectionReceiver             // the receiver of each document
	sectionLangs                // language tags
	sectionLang                 // the language of each document
	sectionPostings             // the postings of each term
	sectionTerms                // all terms
	sectionAutomaton            // the same as an FST that maps terms to ordinals
	sectionPlaces               // where the postings of each term are
	sectionRanks                // maps word ordinals to ranks
	sectionTokens               // ranks of the words of each document
	sectionTokenPlaces          // where each run of documents begins in sectionTokens
	sectionLate                 // facts about documents of any segment
	sectionSumHigh              // of each document: the sum of its content, the upper half
	sectionSumLow               // the lower half
	sectionCount
)

const (
	footerSize = 4*8 + sectionCount*24
	// trailer: checksum of the footer, 4 bytes of zero, magic
	trailerSize = 16

	// maxDocs bounds the number of documents in a segment, and maxSegmentBytes the size
	// of its file.
	maxDocs         = math.MaxInt32
	maxSegmentBytes = 1 << 40

	// tokenRun is the number of documents that share an entry in sectionTokenPlaces.
	tokenRun = 32
)

// A segment is an immutable file of documents in the order of hits, oldest
// first, with late facts about documents of any segment. A document
// is identified by its number in the segment.
type segment struct {
	name string
	size int64
	sum  uint32 // checksum of the footer, which identifies the content in the manifest
	file durable.File
	data []byte // the mapped file
	// unmap releases data, and remove removes the file.
	unmap  func()
	remove func() error
	refs   atomic.Int32
	// obsolete means that no manifest lists the segment any more, and that the last
	// reader removes it. It is set only on the writer's segments.
	obsolete atomic.Bool

	docs int
	// gone counts the removed and replaced documents that are still in the file;
	// messages counts the visible ones.
	gone, messages atomic.Uint64
	removed        atomic.Bool // some documents were removed, and must disappear from the file

	firstSeq, lastSeq uint64 // the range of its documents in the evidence
	firstWord         int    // ordinal of the first term that is a word

	sections [sectionCount]section

	times, sequences, seqs     column
	ids, group, asOf           column
	memberPlaces, members      column
	versions, qualities        column
	grouped                    *roaring.Bitmap // is in the mapped file
	groups                     int
	beside                     []besideTerm // the types of the documents that are not messages
	conversations, senders     sorted
	receivers, langs, terms    sorted
	conversation, sender       column
	receiver, lang             column
	postingsData               []byte
	automaton                  *vellum.FST // nil in segments that were not merged
	places, ranks, tokenPlaces column
	tokens                     []byte
	late                       []lateFacts
	sumHigh, sumLow            column
}

// openSegment maps a segment file and reads its directory. It does not compare the
// sections with their checksums; Check and merge do that.
func openSegment(d durable.Disk, dir, name string) (*segment, error) {
	path := filepath.Join(dir, name)
	f, err := d.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, durable.ErrUnfit) {
		return nil, damageOf(name, 0, err.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open segment: %w", err)
	}
	s := &segment{name: name, file: f, size: info.Size(), remove: func() error { return d.Remove(path) }}
	if s.size < int64(len(segmentMagic)+footerSize+trailerSize) || s.size > maxSegmentBytes {
		f.Close()
		return nil, damageOf(name, 0, fmt.Sprintf("a segment cannot have %d bytes", s.size))
	}
	if s.data, s.unmap, err = mapFile(f, int(s.size)); err != nil {
		f.Close()
		return nil, fmt.Errorf("map segment %s: %w", name, err)
	}
	if err := s.parse(); err != nil {
		s.close()
		return nil, damaged(name, 0, err)
	}
	s.refs.Store(1)
	return s, nil
}

func readWhole(f durable.File, size int) (data []byte, unmap func(), err error) {
	data = make([]byte, size)
	_, err = io.ReadFull(io.NewSectionReader(f, 0, int64(size)), data)
	return data, func() {}, err
}

func (s *segment) close() {
	s.unmap()
	s.file.Close()
}

// parseFooter reads the directory of a segment from the end of its file.
func (s *segment) parseFooter(tail []byte) error {
	footer, trailer := tail[:footerSize], tail[footerSize:]
	at := s.size - int64(len(tail))
	if string(trailer[8:]) != segmentMagic || binary.LittleEndian.Uint32(trailer[4:]) != 0 {
		return damageOf(s.name, at+footerSize, "the end of a segment is missing")
	}
	s.sum = crc32.Checksum(footer, castagnoli)
	if s.sum != binary.LittleEndian.Uint32(trailer) {
		return damageOf(s.name, at, "the directory of the segment does not match its checksum")
	}
	docs, firstWord := binary.LittleEndian.Uint64(footer), binary.LittleEndian.Uint64(footer[24:])
	if docs > maxDocs || firstWord > maxDocs {
		return malformed("a segment cannot have %d documents", docs)
	}
	s.docs, s.firstWord = int(docs), int(firstWord)
	s.firstSeq, s.lastSeq = binary.LittleEndian.Uint64(footer[8:]), binary.LittleEndian.Uint64(footer[16:])
	next := uint64(len(segmentMagic))
	for i := range s.sections {
		entry := footer[32+24*i:]
		c := &s.sections[i]
		c.offset, c.length = binary.LittleEndian.Uint64(entry), binary.LittleEndian.Uint64(entry[8:])
		c.sum = uint32(binary.LittleEndian.Uint64(entry[16:]))
		if c.offset != next || c.length > uint64(at) {
			return malformed("section %d does not follow the section before it", i)
		}
		next += c.length + pad(c.length)
	}
	if next != uint64(at) {
		return malformed("the sections end at byte %d, not %d", next, at)
	}
	return nil
}

// parse reads the directory of the mapped segment and the header of each section.
func (s *segment) parse() (err error) {
	defer guard(s.name, &err)
	if string(s.data[:len(segmentMagic)]) != segmentMagic {
		return malformed("not a segment of this version")
	}
	if err := s.parseFooter(s.data[len(s.data)-footerSize-trailerSize:]); err != nil {
		return err
	}
	part := func(i int) []byte {
		c := s.sections[i]
		return s.data[c.offset : c.offset+c.length : c.offset+c.length]
	}
	columns := []struct {
		section int
		column  *column
		count   *int
	}{
		{sectionTimes, &s.times, &s.docs}, {sectionSequences, &s.sequences, &s.docs}, {sectionSeqs, &s.seqs, &s.docs},
		{sectionIDs, &s.ids, &s.docs}, {sectionGroup, &s.group, &s.docs}, {sectionAsOf, &s.asOf, nil}, {sectionMemberPlaces, &s.memberPlaces, nil},
		{sectionMembers, &s.members, nil}, {sectionVersions, &s.versions, nil}, {sectionQualities, &s.qualities, nil},
		{sectionConversation, &s.conversation, &s.docs}, {sectionSender, &s.sender, &s.docs}, {sectionReceiver, &s.receiver, &s.docs},
		{sectionLang, &s.lang, &s.docs},
		{sectionPlaces, &s.places, &s.terms.count}, {sectionRanks, &s.ranks, nil}, {sectionTokenPlaces, &s.tokenPlaces, nil},
		{sectionSumHigh, &s.sumHigh, &s.docs}, {sectionSumLow, &s.sumLow, &s.docs},
	}
	lists := []struct {
		section int
		list    *sorted
	}{
		{sectionConversations, &s.conversations}, {sectionSenders, &s.senders}, {sectionReceivers, &s.receivers}, {sectionLangs, &s.langs}, {sectionTerms, &s.terms},
	}
	for _, l := range lists {
		if *l.list, err = parseSorted(part(l.section)); err != nil {
			return damaged(s.name, int64(s.sections[l.section].offset), err)
		}
	}
	for _, c := range columns {
		if *c.column, _, err = parseColumn(part(c.section)); err == nil && c.count != nil && c.column.count != *c.count {
			err = malformed("a column has %d numbers, not %d", c.column.count, *c.count)
		}
		if err != nil {
			return damaged(s.name, int64(s.sections[c.section].offset), err)
		}
	}
	s.postingsData, s.tokens = part(sectionPostings), part(sectionTokens)
	runs := (s.docs + tokenRun - 1) / tokenRun
	if s.firstWord > s.terms.count || s.ranks.count != s.terms.count-s.firstWord || s.tokenPlaces.count != runs {
		return malformed("the sections are of different sizes")
	}
	if data := part(sectionAutomaton); len(data) > 0 {
		err = decode("read terms", func() (err error) {
			s.automaton, err = vellum.Load(data)
			return err
		})
		if err != nil {
			return damaged(s.name, int64(s.sections[sectionAutomaton].offset), err)
		}
	}
	s.findTypes()
	if err := s.parseGroups(part(sectionGrouped)); err != nil {
		return damaged(s.name, int64(s.sections[sectionGrouped].offset), err)
	}
	if s.late, err = parseLate(part(sectionLate)); err != nil {
		return damaged(s.name, int64(s.sections[sectionLate].offset), err)
	}
	return nil
}

// A besideTerm is the term of a type other than a message.
type besideTerm struct {
	of      argus.Type
	ordinal int
}

// findTypes collects the types of the documents. Most segments have only messages.
func (s *segment) findTypes() {
	for t, word := range argus.TypeWords {
		if argus.Type(t).IsMessage() {
			continue
		}
		if ordinal, found := s.terms.search(append([]byte{fieldByte[query.Is]}, word...)); found {
			s.beside = append(s.beside, besideTerm{argus.Type(t), ordinal})
		}
	}
}

// check reads the whole file again, compares it with its checksums, and yields the damage
// until yield returns false.
func (s *segment) check(yield func(error) bool) bool {
	whole, err := s.file.Stat()
	if err != nil {
		return yield(fmt.Errorf("check segment %s: %w", s.name, err))
	}
	if whole.Size() != s.size {
		return yield(damageOf(s.name, min(whole.Size(), s.size), fmt.Sprintf("the file has %d bytes, not %d", whole.Size(), s.size)))
	}
	head := make([]byte, len(segmentMagic))
	tail := make([]byte, footerSize+trailerSize)
	if _, err := s.file.ReadAt(head, 0); err != nil {
		return yield(fmt.Errorf("check segment %s: %w", s.name, err))
	}
	if _, err := s.file.ReadAt(tail, s.size-int64(len(tail))); err != nil {
		return yield(fmt.Errorf("check segment %s: %w", s.name, err))
	}
	if string(head) != segmentMagic && !yield(damageOf(s.name, 0, "not a segment of this version")) {
		return false
	}
	fresh := segment{name: s.name, size: s.size}
	if err := fresh.parseFooter(tail); err != nil || fresh.sum != s.sum {
		if err == nil {
			err = malformed("the directory has changed since the segment was opened")
		}
		return yield(damaged(s.name, s.size-int64(len(tail)), err))
	}
	buf := make([]byte, 256<<10)
	for i, c := range fresh.sections {
		sum := crc32.New(castagnoli)
		from := io.NewSectionReader(s.file, int64(c.offset), int64(c.length+pad(c.length)))
		if _, err := io.CopyBuffer(onlyWriter{sum}, from, buf); err != nil {
			return yield(fmt.Errorf("check segment %s: %w", s.name, err))
		}
		if sum.Sum32() != c.sum && !yield(damageOf(s.name, int64(c.offset), fmt.Sprintf("section %d does not match its checksum", i))) {
			return false
		}
	}
	return true
}

// onlyWriter keeps io.CopyBuffer from choosing a buffer of its own.
type onlyWriter struct{ io.Writer }

// verify compares the mapped segment with its checksums.
func (s *segment) verify() error {
	for i, c := range s.sections {
		if crc32.Checksum(s.data[c.offset:c.offset+c.length+pad(c.length)], castagnoli) != c.sum {
			return damageOf(s.name, int64(c.offset), fmt.Sprintf("section %d does not match its checksum", i))
		}
	}
	return nil
}

// timeKey returns a number that sorts like the sent time; 0 means an unknown time.
func timeKey(t argus.Time) uint64 {
	if !t.Known() {
		return 0
	}
	return microsKey(t.Micros)
}

func microsKey(micros int64) uint64 { return max(1, uint64(micros)^1<<63) }

func keyMicros(key uint64) int64 { return int64(key ^ 1<<63) }

// cursor returns the position of a document in the order of hits.
func (s *segment) cursor(doc int) index.Cursor {
	c := index.Cursor{Sequence: s.sequences.at(doc), ID: s.ids.at(doc)}
	if key := s.times.at(doc); key != 0 {
		c.Micros, c.Known = keyMicros(key), true
	}
	return c
}

// compareCursors orders hits, oldest first.
func compareCursors(a, b *index.Cursor) int {
	return cmp.Or(
		cmp.Compare(cursorTime(a), cursorTime(b)),
		cmp.Compare(a.Sequence, b.Sequence),
		cmp.Compare(a.ID, b.ID),
	)
}

func cursorTime(c *index.Cursor) uint64 {
	if !c.Known {
		return 0
	}
	return microsKey(c.Micros)
}

// before counts the documents that sort before a cursor.
func (s *segment) before(place *index.Cursor) int {
	key := cursorTime(place)
	if s.docs > 0 && s.times.at(0) > key {
		return 0
	}
	if s.docs > 0 && s.times.at(s.docs-1) < key {
		return s.docs
	}
	return sort.Search(s.docs, func(doc int) bool {
		if at := s.times.at(doc); at != key {
			return at > key
		}
		c := s.cursor(doc)
		return compareCursors(&c, place) >= 0
	})
}

// beforeTime counts the documents whose time key is less than key.
func (s *segment) beforeTime(key uint64) int {
	return sort.Search(s.docs, func(doc int) bool { return s.times.at(doc) >= key })
}

// words returns the ranks of the words of a document, in their order, as
// varints.
func (s *segment) words(doc int) []byte {
	data := s.tokens[s.tokenPlaces.at(doc/tokenRun):]
	for i := doc - doc%tokenRun; ; i++ {
		n, size := binary.Uvarint(data)
		data = data[size:]
		if i == doc {
			return data[:n]
		}
		data = data[n:]
	}
}

// all returns a bitmap of all documents.
func (s *segment) all() *roaring.Bitmap {
	b := roaring.New()
	b.AddRange(0, uint64(s.docs))
	return b
}

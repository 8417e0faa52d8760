package ids

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Entry names a record that carries a message.
type Entry struct {
	ID      argus.ID
	Version argus.Version
	Seq     uint64
	// Sighting is set if the record is a sighting and does not hold the text.
	Sighting bool
	// Met is set if ID is the sighting's own, and the sighting belongs to a message with
	// another id ([argus.Record.Met]).
	Met bool
}

// Of yields the entries of a record: none, or one for its message and another for its own
// id if that is different.
func Of(r *argus.Record) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		sighting := r.Kind == argus.KindSighting
		if r.Kind != argus.KindMessage && r.Kind != argus.KindSealed && !sighting || !yield(Entry{r.MessageID(), r.Version, r.Seq, sighting, false}) {
			return
		}
		if r.Met != (argus.ID{}) {
			yield(Entry{r.ID, r.Version, r.Seq, sighting, true})
		}
	}
}

func compareEntries(a, b Entry) int {
	if c := bytes.Compare(a.ID[:], b.ID[:]); c != 0 {
		return c
	}
	return cmp.Compare(a.Seq, b.Seq)
}

// A run is an immutable file of entries in order, with a filter that rules out most
// absent ids. docs/format/segment.md describes the format.
type run struct {
	name   string
	f      durable.File
	users  atomic.Int32 // the last user closes the file
	level  int
	count  uint64
	first  uint64 // sequence numbers that the run covers
	last   uint64
	fences []uint64 // the first eight bytes of each page's first id
	filter []uint64
}

// hold begins another use of the file. The caller must itself be using the file, or hold
// the lock under which the file is released.
func (r *run) hold() { r.users.Add(1) }

func (r *run) release() error {
	if r.users.Add(-1) > 0 {
		return nil
	}
	return r.f.Close()
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

const (
	runMagic    = "ARGUIDS2"
	pageBytes   = 4096
	entryBytes  = 40
	pageEntries = (pageBytes - 16) / entryBytes
	runTrailer  = 64
	filterBits  = 10 // per entry
	filterWords = 8  // a filter block is one cache line

	filterHashes = 6
	sightingBit  = 1 << 63
	metBit       = 1 << 62
)

func prefixOf(id argus.ID) uint64 { return binary.BigEndian.Uint64(id[:8]) }

// filterBlock returns the words of the filter for an id, and the positions of the id's
// bits in them: six positions of nine bits each, whose upper three select the word.
// Identities are already hashes, so their own bits can be used.
func filterBlock(filter []uint64, id *argus.ID) (words *[filterWords]uint64, places uint64) {
	block, _ := bits.Mul64(prefixOf(*id), uint64(len(filter)/filterWords))
	return (*[filterWords]uint64)(filter[block*filterWords:]), binary.BigEndian.Uint64(id[8:])
}

// newFilter returns an empty filter for the given number of entries.
func newFilter(count uint64) []uint64 {
	return make([]uint64, max(1, (count*filterBits+511)/512)*filterWords)
}

func addToFilter(filter []uint64, id argus.ID) {
	words, h := filterBlock(filter, &id)
	for range filterHashes {
		words[h>>6&7] |= 1 << (h & 63)
		h >>= 9
	}
}

// mayHave sets a bit for each id that the run may have. A filter is larger than a processor's
// caches. Because the loop has no branch, several ids can wait for memory at once.
func (r *run) mayHave(of []argus.ID, may []uint64, bit int) {
	for i := range of {
		words, h := filterBlock(r.filter, &of[i])
		all := words[h>>6&7] >> (h & 63)
		for range filterHashes - 1 {
			h >>= 9
			all &= words[h>>6&7] >> (h & 63)
		}
		may[i] |= all & 1 << bit
	}
}

// writeRun writes sorted entries as a run.
func writeRun(d durable.Disk, dir string, number uint64, level int, first, last uint64, count uint64, entries iter.Seq2[Entry, error]) (_ *run, err error) {
	r := &run{
		name: fmt.Sprintf("%08d.ids", number), level: level, first: first, last: last, count: count,
		filter: newFilter(count),
	}
	path := filepath.Join(dir, r.name)
	f, err := d.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write ids: %w", err)
	}
	open := true
	defer func() {
		if err != nil {
			err = fmt.Errorf("write ids %s: %w", r.name, err)
		}
		if open {
			err = errors.Join(err, f.Close())
		}
	}()

	out := &pageWriter{f: f}
	n := uint64(0)
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		if out.used == 0 {
			r.fences = append(r.fences, prefixOf(e.ID))
		}
		addToFilter(r.filter, e.ID)
		if err := out.add(e); err != nil {
			return nil, err
		}
		n++
	}
	if n != count {
		return nil, fmt.Errorf("got %d entries, want %d", n, count)
	}
	if err := out.endPage(); err != nil {
		return nil, err
	}

	tail := make([]byte, 0, 8*(len(r.fences)+len(r.filter))+runTrailer)
	for _, w := range r.fences {
		tail = binary.LittleEndian.AppendUint64(tail, w)
	}
	for _, w := range r.filter {
		tail = binary.LittleEndian.AppendUint64(tail, w)
	}
	tail = append(tail, runMagic...)
	tail = binary.LittleEndian.AppendUint64(tail, count)
	tail = binary.LittleEndian.AppendUint64(tail, first)
	tail = binary.LittleEndian.AppendUint64(tail, last)
	tail = binary.LittleEndian.AppendUint64(tail, uint64(len(r.fences)))
	tail = binary.LittleEndian.AppendUint64(tail, uint64(len(r.filter)))
	tail = binary.LittleEndian.AppendUint32(tail, uint32(level))
	tail = append(tail, make([]byte, 8)...)
	tail = binary.LittleEndian.AppendUint32(tail, checksum(tail))
	if err := out.write(tail); err != nil {
		return nil, err
	}
	if err := out.flush(); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	open = false // Windows cannot rename an open file
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := durable.Install(d, path+".tmp", path); err != nil {
		return nil, err
	}
	if r.f, err = d.OpenFile(path, os.O_RDONLY, 0); err != nil {
		return nil, err
	}
	r.hold()
	return r, nil
}

// pageWriter writes entries into checksummed pages, through a buffer.
type pageWriter struct {
	f    durable.File
	at   int64
	buf  []byte
	page []byte
	used int
}

func (w *pageWriter) add(e Entry) error {
	seq := e.Seq
	if e.Sighting {
		seq |= sightingBit
	}
	if e.Met {
		seq |= metBit
	}
	w.page = append(w.page, e.ID[:]...)
	w.page = append(w.page, e.Version[:]...)
	w.page = binary.LittleEndian.AppendUint64(w.page, seq)
	w.used++
	if w.used == pageEntries {
		return w.endPage()
	}
	return nil
}

func (w *pageWriter) endPage() error {
	if w.used == 0 {
		return nil
	}
	w.page = append(w.page, make([]byte, pageBytes-8-len(w.page))...)
	w.page = binary.LittleEndian.AppendUint32(w.page, uint32(w.used))
	w.page = binary.LittleEndian.AppendUint32(w.page, checksum(w.page))
	err := w.write(w.page)
	w.page, w.used = w.page[:0], 0
	return err
}

func (w *pageWriter) write(b []byte) error {
	w.buf = append(w.buf, b...)
	if len(w.buf) >= 1<<20 {
		return w.flush()
	}
	return nil
}

func (w *pageWriter) flush() error {
	_, err := w.f.WriteAt(w.buf, w.at)
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return err
}

// openRun reads everything in a run except its pages, which have their own checksums.
func openRun(d durable.Disk, dir, name string) (_ *run, err error) {
	f, err := d.OpenFile(filepath.Join(dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open ids: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open ids %s: %w", name, err), f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	trailer := make([]byte, runTrailer)
	if size < runTrailer {
		return nil, fmt.Errorf("%w: %d bytes are too few for a run", argus.ErrDamaged, size)
	}
	if _, err := f.ReadAt(trailer, size-runTrailer); err != nil {
		return nil, err
	}
	if string(trailer[:8]) != runMagic {
		return nil, fmt.Errorf("%w: this is not a run of ids of version 2", argus.ErrDamaged)
	}
	u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(trailer[at:]) }
	pages, words := u64(32), u64(40)
	if pages > uint64(size)/pageBytes || words > uint64(size)/8 || words == 0 || words%filterWords != 0 ||
		int64(pages*(pageBytes+8)+words*8+runTrailer) != size {
		return nil, fmt.Errorf("%w: the trailer does not fit the file", argus.ErrDamaged)
	}
	tail := make([]byte, int64(pages+words)*8+runTrailer)
	if _, err := f.ReadAt(tail, int64(pages)*pageBytes); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(tail[len(tail)-4:]) != checksum(tail[:len(tail)-4]) {
		return nil, fmt.Errorf("%w: fences and filter do not match their checksum", argus.ErrDamaged)
	}
	r := &run{
		name: name, count: u64(8), first: u64(16), last: u64(24),
		level:  int(binary.LittleEndian.Uint32(trailer[48:])),
		fences: make([]uint64, pages), filter: make([]uint64, words),
	}
	r.f = f
	r.hold()
	for i := range r.fences {
		r.fences[i] = binary.LittleEndian.Uint64(tail[8*i:])
	}
	for i := range r.filter {
		r.filter[i] = binary.LittleEndian.Uint64(tail[8*(int(pages)+i):])
	}
	return r, nil
}

// readPage returns the entries of a page; it reuses buf.
func (r *run) readPage(page int, buf []byte) ([]byte, error) {
	buf = slices.Grow(buf[:0], pageBytes)[:pageBytes]
	if _, err := r.f.ReadAt(buf, int64(page)*pageBytes); err != nil {
		return nil, fmt.Errorf("read ids %s: %w", r.name, err)
	}
	count := binary.LittleEndian.Uint32(buf[pageBytes-8:])
	if binary.LittleEndian.Uint32(buf[pageBytes-4:]) != checksum(buf[:pageBytes-4]) || count > pageEntries {
		return nil, fmt.Errorf("read ids %s: %w: page at offset %d does not match its checksum", r.name, argus.ErrDamaged, page*pageBytes)
	}
	return buf[:count*entryBytes], nil
}

func entryAt(page []byte, i int) Entry {
	b := page[i*entryBytes:]
	seq := binary.LittleEndian.Uint64(b[32:])
	return Entry{argus.ID(b[:16]), argus.Version(b[16:32]), seq &^ (sightingBit | metBit), seq&sightingBit != 0, seq&metBit != 0}
}

// between yields the entries whose ids are in [from, to], in order.
func (r *run) between(from, to argus.ID) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		prefix := prefixOf(from)
		page := max(0, sort.Search(len(r.fences), func(i int) bool { return r.fences[i] >= prefix })-1)
		var buf []byte
		for ; page < len(r.fences); page++ {
			if r.fences[page] > prefixOf(to) {
				return
			}
			entries, err := r.readPage(page, buf)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			buf = entries
			n := len(entries) / entryBytes
			i := sort.Search(n, func(i int) bool { return bytes.Compare(entries[i*entryBytes:][:16], from[:]) >= 0 })
			for ; i < n; i++ {
				e := entryAt(entries, i)
				if bytes.Compare(e.ID[:], to[:]) > 0 {
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// check yields every entry, and an error if the run would fail to find one of them
// because of its order, the beginnings of the pages, or the filter.
func (r *run) check() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		damaged := func(what string) { yield(Entry{}, fmt.Errorf("read ids %s: %w: %s", r.name, argus.ErrDamaged, what)) }
		if len(r.filter) != len(newFilter(min(r.count, uint64(len(r.fences))*pageEntries))) {
			damaged("the size of the filter does not fit the number of entries")
			return
		}
		filter := make([]uint64, len(r.filter))
		var count uint64
		var last Entry
		var buf []byte
		for page, fence := range r.fences {
			entries, err := r.readPage(page, buf)
			if err != nil {
				yield(Entry{}, err)
				return
			}
			buf = entries
			n := len(entries) / entryBytes
			if n == 0 || n < pageEntries && page < len(r.fences)-1 || prefixOf(entryAt(entries, 0).ID) != fence {
				damaged(fmt.Sprintf("page at offset %d does not begin with the key of its fence", page*pageBytes))
				return
			}
			for i := range n {
				e := entryAt(entries, i)
				if count++; count > 1 && compareEntries(last, e) > 0 || e.Seq < r.first || e.Seq > r.last {
					damaged(fmt.Sprintf("an entry in the page at offset %d is out of order or names a record outside the run", page*pageBytes))
					return
				}
				addToFilter(filter, e.ID)
				if last = e; !yield(e, nil) {
					return
				}
			}
		}
		if count != r.count || !slices.Equal(filter, r.filter) {
			damaged("the filter lacks some of the entries")
		}
	}
}

// all yields every entry in order.
func (r *run) all() iter.Seq2[Entry, error] {
	var last argus.ID
	for i := range last {
		last[i] = 0xff
	}
	return r.between(argus.ID{}, last)
}

// mergeRuns yields the entries of several runs in order.
func mergeRuns(runs []*run) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		type head struct {
			e    Entry
			next func() (Entry, error, bool)
		}
		var heads []head
		for _, r := range runs {
			next, stop := iter.Pull2(r.all())
			defer stop()
			e, err, ok := next()
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if ok {
				heads = append(heads, head{e, next})
			}
		}
		for len(heads) > 0 {
			least := 0
			for i := 1; i < len(heads); i++ {
				if compareEntries(heads[i].e, heads[least].e) < 0 {
					least = i
				}
			}
			if !yield(heads[least].e, nil) {
				return
			}
			e, err, ok := heads[least].next()
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !ok {
				heads = slices.Delete(heads, least, least+1)
				continue
			}
			heads[least].e = e
		}
	}
}

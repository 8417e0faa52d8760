// Package check recomputes everything that the evidence of a store claims, from its files
// alone.
//
// It shares only the form of the files with the code that writes and reads them. It needs
// no open store, no server and no secrets.
package check

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/ids"
	"github.com/argus-evidence/argus/internal/evidence/sealing"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/original"
)

// Finding is a problem or a note about a store.
type Finding struct {
	// File is relative to the store, with forward slashes.
	File string `json:"file"`
	// Offset is the offset in the file at which the finding begins, or -1 for the whole file.
	Offset int64 `json:"offset"`
	// First and Last are the first and last records concerned, or 0 for none.
	First    uint64               `json:"first_record,omitempty"`
	Last     uint64               `json:"last_record,omitempty"`
	Delivery argus.DeliveryNumber `json:"delivery,omitempty"`
	// Problem is a sentence.
	Problem string `json:"problem"`
	// Note is set if this is worth knowing but is not damage, such as an open delivery or
	// a file that nothing refers to.
	Note bool `json:"note,omitempty"`
	// Newer is set if a newer Argus wrote the bytes: they were not checked, and do not
	// count as damage.
	Newer bool `json:"newer,omitempty"`
}

// Verified counts the records and files that Verify has read and found to be as they were
// sealed.
type Verified struct {
	Records uint64 `json:"records"`
	// Last is the highest record number known to the store.
	Last       uint64       `json:"last_record"`
	Counts     argus.Counts `json:"counts"`
	Deliveries int          `json:"deliveries"`
	Sealed     int          `json:"sealed"`
	Originals  int          `json:"originals"`
	Bytes      int64        `json:"bytes"`
	// Seals are the seals with a valid signature, in order; SealHashes are the SHA-256 of
	// their files.
	Seals      []argus.Seal `json:"-"`
	SealHashes []argus.Hash `json:"-"`
	// Unsealed are the deliveries without a seal: they are still open, were interrupted,
	// or lost their seal.
	Unsealed []argus.DeliveryNumber `json:"-"`
	// Begun is the opening of each delivery.
	Begun map[argus.DeliveryNumber]sealing.Begun `json:"-"`
	// Others are the given trees that do not cover the first records of their deliveries.
	Others []*sealing.Tree `json:"-"`
}

// Verify recomputes everything that the evidence of a store claims, from its files alone:
// checksums, canonical records and their identities, each delivery's Merkle tree, counts
// and seal, each original's hash, the ids. Seals must be signed with one of keys; nil
// leaves signatures unchecked. Verify calls report with each finding, advance with the
// number of bytes read, and each, if it is not nil, with each record that is sound by
// itself, in order. It compares the records with trees, at most one per delivery, that
// come from data derived from the records. A part that cannot be read is also a finding;
// the only error returned is that of the context.
func Verify(ctx context.Context, dir string, keys note.Verifiers, report func(Finding), advance func(bytes int64), each func(*argus.Record), trees ...*sealing.Tree) (*Verified, error) {
	if each == nil {
		each = func(*argus.Record) {}
	}
	v := &verifier{
		ctx: ctx, dir: dir, disk: durable.OS{}, keys: keys, report: report, advance: advance, each: each,
		deliveries: map[argus.DeliveryNumber]*verifiedDelivery{}, originals: map[argus.FileName]claim{}, sealed: map[string]bool{}, heldKeys: map[uint64]bool{}, lost: map[uint64]bool{}, rewritten: map[uint64]rewritten{}, becomes: map[argus.FileName]argus.Hash{}, trees: map[argus.DeliveryNumber]*sealing.Tree{}, seed: maphash.MakeSeed(),
	}
	var err error
	if v.codec, err = form.NewCodec(); err != nil {
		return nil, err
	}
	v.result.Begun = map[argus.DeliveryNumber]sealing.Begun{}
	for _, t := range trees {
		v.trees[t.Delivery] = t
	}
	defer v.letGo()
	v.hold()
	for _, step := range []func() error{v.segments, v.checkIDs, v.seals, v.amendments, v.checkOriginals, v.strays} {
		if err := v.unread(layout.Evidence, step()); err != nil {
			return nil, fmt.Errorf("verify evidence: %w", err)
		}
	}
	return &v.result, nil
}

// hold gets a consistent view of the files while another process may be writing. It lists
// the seals before it reads the commit file: every record that they cover is already on
// disk. It reads the manifest before the seals, so that the seal of each amendment is
// there, and again at the end: if the manifest has changed, hold starts over. It locks
// the files that the manifest names, so that they are not removed. It opens the ids in
// between, because their runs may be replaced.
func (v *verifier) hold() {
	for range 10 {
		before, err := layout.Read(v.disk, v.dir, layout.EvidenceManifest)
		if entries, err := v.disk.ReadDir(v.path(layout.Deliveries)); err == nil { // strays reports an error
			for _, e := range entries {
				v.sealed[layout.Deliveries+"/"+e.Name()] = true
			}
		}
		v.ids, v.idsErr = ids.Open(v.disk, v.path(layout.IDs), 1)
		v.commit, v.commitErr = layout.Read(v.disk, v.dir, layout.Commit)
		closed, unreadable := v.manifest()
		for i, m := range closed {
			name := v.path(layout.Segment(i+1, m.Generation))
			if unlock, held, err := v.disk.Lock(name, false); err == nil && held {
				v.held = append(v.held, unlock)
			}
		}
		after, again := layout.Read(v.disk, v.dir, layout.EvidenceManifest)
		if err != nil || unreadable != nil || again != nil || bytes.Equal(before, after) {
			return
		}
		v.letGo()
		clear(v.sealed)
	}
}

func (v *verifier) letGo() {
	_ = v.ids.Close(false)
	for _, unlock := range v.held {
		_ = unlock() // it was only read
	}
	v.held = nil
}

type verifier struct {
	ctx     context.Context
	dir     string
	disk    durable.Disk
	codec   *form.Codec
	keys    note.Verifiers
	report  func(Finding)
	advance func(int64)
	each    func(*argus.Record)
	result  Verified

	last       uint64 // of the records read
	deliveries map[argus.DeliveryNumber]*verifiedDelivery
	trees      map[argus.DeliveryNumber]*sealing.Tree // to compare with the records
	originals  map[argus.FileName]claim               // made by the first record of each
	sealed     map[string]bool                        // seals that existed at the beginning
	held       []func() error                         // locks on segments
	commit     []byte                                 // the commit file
	commitErr  error                                  // the error of reading commit
	active     int                                    // number of the active segment
	ids        *ids.Set
	idsErr     error
	seed       maphash.Seed
	idSum      uint64 // order-independent hash over the entries that ids covers
	idCount    uint64
	// prints holds the prints that sightings must match, indexed by the record's number
	// minus one; 0 for a record that is not a message.
	prints []print
	holes  uint64
	// lost holds the messages without their content, and rewritten the records of
	// rewritten blocks.
	lost        map[uint64]bool
	becomes     map[argus.FileName]argus.Hash // the state of each original after the latest order
	rewritten   map[uint64]rewritten
	generations []int // of the closed segments
	waits       bool  // the file of a segment is still to be put in place
	// heldKeys are the records of kind key.
	heldKeys map[uint64]bool
	broken   bool // some records could not be read
	newer    bool // the rest of a segment may exist but cannot be read

	splitter form.Splitter
}

// verifiedDelivery is the recomputed state of a delivery. It keeps the location of each part of
// its tree, so that a finding can name the records that contradict the tree file.
type verifiedDelivery struct {
	open      *sealing.Draft
	tree      *sealing.Tree // to compare with the records; nil if there is none
	broken    bool
	places    []place         // of each run of 256 leaves
	originals map[uint64]bool // sequence numbers of its originals
	again     []argus.DeliveryNumber
	gaps      bool // some of its records' statements are gone
	changes   []argus.Change
	become    []argus.OriginalChange
	sound     bool // its seal is valid, and it was not given up before its end
	orders    bool // its seal is valid, and its amendments take effect
	// unknown counts the records that only a newer Argus understands, and skipped those
	// with parts that an older one may skip.
	unknown, skipped stretch
}

// A print is 32 bits of a hash over a message's id and version, and 32 bits of a hash
// over the commitment to its content. Each run uses a new key, so that nobody can craft a
// matching record.
type print struct{ identity, content uint32 }

// stretch counts records, and gives the first and last of them.
type stretch struct{ first, last, count uint64 }

func (s *stretch) add(seq uint64) {
	if s.count++; s.count == 1 {
		s.first = seq
	}
	s.last = seq
}

// claim is an original as a record describes it.
type claim struct {
	argus.Original
	seq      uint64
	delivery argus.DeliveryNumber
}

// same reports whether another record can describe the same file.
func (c claim) same(o *argus.Original) bool {
	return c.Hash == o.Hash && c.Size == o.Size && c.Root == o.Root
}

type place struct {
	file   string
	offset int64
	record uint64
}

func (v *verifier) path(name string) string { return layout.File(v.dir, name) }

func (v *verifier) manifest() ([]form.Closed, error) {
	data, err := layout.Read(v.disk, v.dir, layout.EvidenceManifest)
	if err != nil {
		return nil, err
	}
	return form.ParseManifest(data)
}

func (v *verifier) damage(file string, offset int64, format string, args ...any) {
	v.report(Finding{File: file, Offset: offset, Problem: fmt.Sprintf(format, args...)})
}

// unread reports an error reading a part, so that the rest is still verified. It returns
// only the error of the context.
func (v *verifier) unread(name string, err error) error {
	if err == nil || v.ctx.Err() != nil {
		return err
	}
	v.broken = true
	v.damage(name, -1, "it cannot be read: %v", err)
	return nil
}

// fault reports an error as damage, or as bytes that only a newer Argus can read.
func (v *verifier) fault(f Finding, err error) {
	f.Problem = sentence(err)
	if f.Newer = errors.Is(err, argus.ErrNewer); f.Newer {
		f.Problem = err.Error() + "; not checked"
	}
	v.report(f)
}

// sentence drops the prefix that all damage errors share.
func sentence(err error) string {
	return strings.TrimPrefix(err.Error(), argus.ErrDamaged.Error()+": ")
}

func (v *verifier) segments() error {
	var promise form.Commit
	var whole bool // the last acknowledged record is unknown, so read all whole batches
	if v.commitErr != nil {
		whole = true
		v.damage(layout.Commit, -1, "the file cannot be read: %v", v.commitErr)
	} else {
		var torn []int
		var err error
		promise, torn, err = form.ParseCommit(v.commit)
		whole = err != nil || len(torn) > 0
		for _, slot := range torn {
			v.damage(layout.Commit, int64(slot)*form.CommitSlot, "slot %d does not match its checksum", slot)
		}
		if err != nil && len(torn) == 0 {
			v.damage(layout.Commit, -1, "%s", sentence(err))
		}
	}
	closed, err := v.manifest()
	if err != nil {
		v.fault(Finding{File: layout.EvidenceManifest, Offset: -1}, err)
		closed = v.guessClosed()
	} else if n := len(closed) + 1; int(promise.Segment) > n && !whole {
		v.damage(layout.EvidenceManifest, -1, "records of segment %d are acknowledged, but the manifest lists segments only up to %d: it was replaced with an earlier copy", promise.Segment, n)
		closed = v.guessClosed()
	}
	for i, m := range closed {
		v.generations = append(v.generations, m.Generation)
		if err := v.unread(layout.Segment(i+1, m.Generation), v.segment(i+1, &m, 0)); err != nil {
			return err
		}
	}
	v.active = len(closed) + 1
	entries, _ := v.disk.ReadDir(v.path(layout.Evidence)) // strays reports an error
	for _, e := range entries {
		number, generation, ok := layout.ParseSegment(e.Name())
		v.waits = v.waits || ok && number > 0 && number <= len(closed) && generation > closed[number-1].Generation
	}
	end := int64(form.HeaderSize)
	if promise.Segment == uint32(len(closed)+1) {
		end = int64(promise.Offset)
	}
	if whole {
		end = -1
	}
	if err := v.unread(layout.Segment(len(closed)+1, 0), v.segment(len(closed)+1, nil, end)); err != nil {
		return err
	}
	v.result.Last = max(v.last, promise.Seq)
	if v.last < promise.Seq && !v.newer {
		v.broken = true
		v.report(Finding{File: layout.Segment(len(closed)+1, 0), Offset: -1, First: v.last + 1, Last: promise.Seq,
			Problem: fmt.Sprintf("records %d to %d were acknowledged but are missing", v.last+1, promise.Seq)})
	}
	return nil
}

// guessClosed lists the segments if the manifest cannot be used: all but the last, each in
// its newest file.
func (v *verifier) guessClosed() []form.Closed {
	var list []form.Closed
	entries, err := v.disk.ReadDir(v.path(layout.Evidence))
	if err != nil {
		return nil
	}
	newest := map[int]form.Closed{}
	for _, e := range entries {
		number, generation, ok := layout.ParseSegment(e.Name())
		if info, err := e.Info(); ok && err == nil && generation >= newest[number].Generation {
			newest[number] = form.Closed{Generation: generation, Size: info.Size()}
		}
	}
	for n := 1; newest[n+1].Size > 0; n++ {
		list = append(list, newest[n])
	}
	return list
}

// segment reads a whole segment. m is nil for the active one, which is read up to end, or
// up to its last whole batch if end is -1.
func (v *verifier) segment(number int, m *form.Closed, end int64) error {
	name := layout.Segment(number, 0)
	if m != nil {
		name = layout.Segment(number, m.Generation)
	}
	f, err := v.disk.OpenFile(v.path(name), os.O_RDONLY, 0)
	if err != nil {
		v.broken = true
		v.damage(name, -1, "the segment cannot be read: %v", err)
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		v.broken = true
		v.damage(name, -1, "the segment is not a file")
		return nil
	}
	size := info.Size()
	v.advance(size)
	v.result.Bytes += size
	var table []byte
	if end < 0 {
		end = form.Scan(f, number, size, false).End
	}
	if m != nil {
		if size != m.Size {
			v.broken = true
			v.damage(name, min(size, m.Size), "the segment has %d bytes, but the manifest states %d", size, m.Size)
		}
		end, table = v.table(f, name, size)
	} else if size < end {
		v.broken = true
		v.damage(name, size, "the segment ends here, but it was acknowledged up to offset %d", end)
	} else if size > end && v.overlooked(f, number, end, size) {
		v.damage(layout.Commit, -1, "the file does not acknowledge records that are sealed: it was replaced with an earlier copy")
		end = form.Scan(f, number, size, false).End
	} else if size > end {
		v.report(Finding{File: name, Offset: end, Note: true, Problem: fmt.Sprintf("%d bytes follow the last acknowledged record; the next writer checks or drops them", size-end)})
	}
	end = min(end, size)

	head := make([]byte, form.HeaderSize)
	if _, err := f.ReadAt(head[:min(form.HeaderSize, end)], 0); err != nil {
		return err
	}
	got, first, err := form.ParseHeader(head[:min(form.HeaderSize, end)])
	switch {
	case errors.Is(err, argus.ErrNewer):
		v.broken, v.newer = true, true
		v.fault(Finding{File: name, Offset: 0}, err)
		return nil
	case err != nil:
		v.damage(name, 0, "%s", sentence(err))
	case got != uint32(number):
		v.broken = true
		v.damage(name, 8, "the header of the segment has the number %d", got)
		return nil
	case first != v.last+1 && !v.broken:
		v.damage(name, 12, "the segment begins with record %d, want %d", first, v.last+1)
	}
	return v.blocks(f, name, number, end, table)
}

// overlooked reports whether any records after the end of the active segment are sealed:
// a seal is made only once all its records have been acknowledged.
func (v *verifier) overlooked(f durable.File, number int, end, size int64) bool {
	for _, b := range form.Scan(f, number, size, false).Blocks {
		name := layout.Seal(b.Delivery)
		if int64(b.Offset) < end || !v.sealed[name] {
			continue
		}
		data, err := layout.Read(v.disk, v.dir, name)
		text, _, _ := strings.Cut(string(data), "\n\n")
		if seal, parseErr := sealing.Parse(text); err == nil && parseErr == nil && b.Leaf+uint64(b.Count) <= seal.Records {
			return true
		}
	}
	return false
}

// table checks the table of blocks of a closed segment and returns the table's offset and
// bytes.
func (v *verifier) table(f durable.File, name string, size int64) (end int64, table []byte) {
	trailer := make([]byte, form.TrailerSize)
	if size < form.HeaderSize+form.TrailerSize {
		return size, nil
	}
	if _, err := f.ReadAt(trailer, size-form.TrailerSize); err != nil {
		v.damage(name, size-form.TrailerSize, "%v", err)
		return size, nil
	}
	offset, err := form.ParseTrailer(trailer, size)
	if err != nil {
		v.damage(name, size-form.TrailerSize, "the table of blocks does not fit the segment")
		return size, nil
	}
	table = make([]byte, size-offset)
	if _, err := f.ReadAt(table, offset); err != nil {
		v.damage(name, offset, "%v", err)
		return offset, nil
	}
	if _, err := form.ParseTable(table, 0); err != nil {
		v.damage(name, offset, "%s", sentence(err))
		return offset, nil
	}
	return offset, table
}

func (v *verifier) blocks(f durable.File, name string, number int, end int64, table []byte) error {
	at := int64(form.HeaderSize)
	head := make([]byte, form.HeadSize)
	var body []byte
	var seen []form.Ref
	for at < end {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(head, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		h, err := form.ParseHead(head[:n])
		if err == nil && at+h.Size() > end {
			err = fmt.Errorf("%w: the block is truncated", argus.ErrDamaged)
		}
		if errors.Is(err, argus.ErrNewer) {
			v.broken = true
			v.newer = true
			v.fault(Finding{File: name, Offset: at}, err)
			return nil // in a newer version, the length may be elsewhere
		}
		if err != nil {
			v.broken = true
			next := form.NextBlock(f, at+1, end)
			v.damage(name, at, "%s; the bytes up to offset %d cannot be read; they begin with record %d", sentence(err), next, v.last+1)
			at = next
			continue
		}
		h.Segment, h.Offset = uint32(number), uint32(at)
		seen = append(seen, h.Ref)
		body = slices.Grow(body[:0], int(h.Body()))[:h.Body()]
		if _, err := f.ReadAt(body, at+form.HeadSize); err != nil {
			return err
		}
		v.block(name, at, &h, body)
		at += h.Size()
	}
	if table != nil && !bytes.Equal(table, form.AppendTable(nil, seen, end)) {
		v.damage(name, end, "the table of blocks differs from the blocks in the segment")
	}
	return nil
}

func (v *verifier) delivery(d argus.DeliveryNumber) *verifiedDelivery {
	if v.deliveries[d] == nil {
		v.deliveries[d] = &verifiedDelivery{open: sealing.New(d), tree: v.trees[d], originals: map[uint64]bool{}}
	}
	return v.deliveries[d]
}

func (v *verifier) block(name string, at int64, h *form.Head, body []byte) {
	d := v.delivery(h.Delivery)
	finding := Finding{File: name, Offset: at, First: h.First, Last: h.End() - 1, Delivery: h.Delivery}
	fail := func(format string, args ...any) {
		finding.Problem = fmt.Sprintf(format, args...)
		v.report(finding)
	}
	if h.First != v.last+1 {
		if !v.broken { // otherwise the hole was already reported
			fail("record %d follows record %d", h.First, v.last)
		}
		v.broken, d.broken = true, true
	}
	v.last = h.End() - 1
	if h.Leaf != d.open.Seal.Records && !d.broken {
		if !v.broken { // otherwise already reported
			fail("the block holds leaf %d of delivery %s, want %d", h.Leaf, h.Delivery, d.open.Seal.Records)
		}
		d.broken = true
	}
	b, err := v.codec.Open(h, body)
	if err != nil {
		fail("%s", sentence(err))
		v.broken, d.broken = true, true
		return
	}
	var hasher argus.Hasher
	for i := range b.Len() {
		finding.First = h.First + uint64(i)
		finding.Last = finding.First
		if d.open.Seal.Records%sealing.Run == 0 {
			d.places = append(d.places, place{name, at, finding.First})
		}
		r, err := b.Record(i, &hasher)
		if errors.Is(err, argus.ErrNewer) {
			d.unknown.add(finding.First)
			v.broken, d.broken = true, true
			continue
		}
		if err != nil {
			fail("%s", sentence(err))
			v.broken, d.broken = true, true
			continue
		}
		r.Seq, r.Delivery = finding.First, h.Delivery
		p := b.Proof(i, r)
		if b.Rewritten() {
			v.note(finding, b, i)
		}
		problem := v.canonical(d, r, b, i)
		if problem == "" {
			problem = v.check(r, h.Leaf+uint64(i) == 0, &hasher)
		}
		if problem != "" {
			fail("%s", problem)
			d.broken = true
			continue
		}
		v.remember(r.Seq, v.printFor(r, &p))
		v.count(d, r, &p, fail)
		v.each(r)
	}
}

// canonical returns the problem if the stored parts of a record are not its only valid
// encoding.
func (v *verifier) canonical(d *verifiedDelivery, r *argus.Record, b *form.Block, i int) string {
	same, skipped := b.Canonical(i, r, &v.splitter)
	if skipped {
		d.skipped.add(r.Seq)
	}
	if !same {
		return "the record is not in its canonical form"
	}
	return ""
}

// note keeps the entry of a record in a rewritten block, for comparison with the
// amendments.
func (v *verifier) note(at Finding, b *form.Block, i int) {
	now := b.Revised(i)
	v.rewritten[at.First] = rewritten{at, now.Gone, now.Becomes()}
}

// rewritten is a record of a rewritten block.
type rewritten struct {
	at      Finding
	gone    argus.Gone
	becomes argus.Hash
}

// printFor returns the print that a sighting of the record must match, as far as it is
// known.
func (v *verifier) printFor(r *argus.Record, p *form.Proof) print {
	switch {
	case r.Kind == argus.KindMessage && r.Gone == 0:
		return v.print(r.MessageID(), r.Version, p.Content)
	case r.Kind == argus.KindMessage, r.Was.Kind == argus.KindMessage:
		if r.Gone&argus.GoneContent != 0 {
			v.lost[r.Seq] = true
		}
		return print{content: short(v.seed, p.Content)}
	}
	return print{}
}

// count adds a record to the sums that are compared with the seals and the ids.
func (v *verifier) count(d *verifiedDelivery, r *argus.Record, p *form.Proof, fail func(string, ...any)) {
	kind := r.Kind
	if r.Gone&argus.GoneStatement != 0 {
		kind, d.gaps = r.Was.Kind, true
	}
	original := kind == argus.KindOriginal || kind == argus.KindDerived
	if r.Amendment != nil {
		d.changes = append(d.changes, r.Amendment.Changes...)
		d.become = append(d.become, r.Amendment.Originals...)
	}
	if r.Kind == argus.KindReading {
		d.again = append(d.again, r.Reading.Of)
	}
	if problem := v.readsAgain(d, r); problem != "" && !d.broken {
		fail("%s", problem)
		d.broken = true
	}
	if original {
		d.originals[r.Seq] = true
	} else if of := r.Where.Original; of != 0 && !v.names(d, of) && !d.broken {
		fail("the record names record %d as its original, which is not an original of delivery %s", of, r.Delivery)
		d.broken = true
	}
	if err := d.open.Add(r, p.Leaf(), p.Statement); err != nil {
		fail("%v", err)
		d.broken = true
	}
	if t := d.tree; t != nil && !d.broken && t.Leaves() == d.open.Seal.Records && !t.Equal(d.open.Tree()) {
		v.result.Others = append(v.result.Others, t)
	}
	v.result.Records++
	v.result.Counts.Add(r)
	if original && r.Original != nil {
		if c, known := v.originals[r.Original.File]; !known {
			v.originals[r.Original.File] = claim{*r.Original, r.Seq, r.Delivery}
		} else if !c.same(r.Original) {
			fail("the record describes the original %s differently from record %d", r.Original.File, c.seq)
		}
	}
	for e := range ids.Of(r) {
		if e.Seq <= v.ids.Covered() {
			v.idSum += maphash.Comparable(v.seed, e)
			v.idCount++
		}
	}
}

// readsAgain returns the problem with the second record of a reading, or "" if there is
// none. That record decides which delivery the reading replaces.
func (v *verifier) readsAgain(d *verifiedDelivery, r *argus.Record) string {
	if d.open.Seal.Records != 1 || d.open.Seal.Opening.Sort != argus.OpeningReading {
		return ""
	}
	if r.Kind != argus.KindReading {
		return fmt.Sprintf("delivery %s is a second reading, but its second record does not name the delivery that it reads", r.Delivery)
	}
	of := v.deliveries[r.Reading.Of]
	if r.Reading.Of < r.Delivery && (of == nil && v.broken || of != nil && (of.broken || of.open.Seal.Opening.Sort != argus.OpeningReading)) {
		return ""
	}
	return fmt.Sprintf("delivery %s claims to read delivery %s again, but no such delivery was handed over before", r.Delivery, r.Reading.Of)
}

// names reports whether a record is an original of the delivery, or of the one that it
// reads again.
func (v *verifier) names(d *verifiedDelivery, original uint64) bool {
	if d.originals[original] {
		return true
	}
	return slices.ContainsFunc(d.again, func(n argus.DeliveryNumber) bool {
		of := v.deliveries[n]
		return of != nil && (of.originals[original] || of.broken)
	})
}

// check describes how a record contradicts itself or another record, or returns "" if it
// does not.
func (v *verifier) check(r *argus.Record, first bool, hasher *argus.Hasher) string {
	if first != (r.Kind == argus.KindOpening) {
		return fmt.Sprintf("found a record of kind %s where a delivery %s", r.Kind, map[bool]string{true: "begins", false: "goes on"}[first])
	}
	if r.Gone&argus.GoneStatement != 0 {
		if err := form.CanGo(r.Was.Kind, r.Gone); err != nil {
			return err.Error()
		}
		return ""
	}
	switch r.Kind {
	case argus.KindSighting:
		return v.checkSighting(r, hasher)
	case argus.KindOpened:
		return v.checkOpened(r)
	case argus.KindMessage:
		if r.Met != (argus.ID{}) && (r.Of == 0 || r.Of >= r.Seq || r.Met == r.ID) {
			return "the copy does not state to which earlier message it belongs"
		}
	case argus.KindKey:
		v.heldKeys[r.Seq] = true
	case argus.KindDerived:
		if !v.originalOf(r.Derived.Parent) {
			return fmt.Sprintf("the derived original names record %d as its source, but that record is not an original", r.Derived.Parent)
		}
	case argus.KindOpening, argus.KindOriginal, argus.KindQuarantined, argus.KindAttachment, argus.KindStated, argus.KindSealed,
		argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindReading, argus.KindAmendment:
	}
	if err := r.Valid(); err != nil && r.Kind < argus.KindSkippable && r.Gone == 0 {
		return err.Error()
	}
	return ""
}

// originalOf reports whether a record is an original, of any delivery.
func (v *verifier) originalOf(seq uint64) bool {
	for _, d := range v.deliveries {
		if d.originals[seq] {
			return true
		}
	}
	return v.broken
}

func (v *verifier) checkOpened(r *argus.Record) string {
	if r.Of >= r.Seq {
		return "the opened record does not name the record that was opened"
	}
	of := v.printOf(r.Of)
	switch {
	case of == (print{}) && v.broken:
		return "" // the message may be in the part that cannot be read
	case of == (print{}) || of.content != short(v.seed, r.Content):
		return fmt.Sprintf("the opened record does not match the content of record %d", r.Of)
	case !v.heldKeys[r.Opened.Key] && !v.broken:
		return fmt.Sprintf("the opened record names record %d as its key, but that record is not a key", r.Opened.Key)
	}
	return ""
}

func (v *verifier) checkSighting(r *argus.Record, hasher *argus.Hasher) string {
	if r.Of == 0 || r.Of >= r.Seq {
		return "the sighting does not name its message"
	}
	if r.Met == r.ID {
		return "the sighting names itself as its message"
	}
	of := v.printOf(r.Of)
	if of == (print{}) && v.broken {
		return "" // the message may be in the part that cannot be read
	}
	if v.lost[r.Of] {
		return fmt.Sprintf("the content of the sighting, which record %d holds, is gone", r.Of)
	}
	want := v.print(r.MessageID(), r.Version, r.Content)
	if of.identity == 0 {
		want.identity = 0 // the identity of a record without its statement is unknown
	}
	if of != want {
		return fmt.Sprintf("the sighting does not match the message of record %d", r.Of)
	}
	// Without the service's own id, the id also depends on the content.
	if r.Message.ServiceID != "" {
		if id, _ := hasher.Identity(r.Message); id != r.ID {
			return fmt.Sprintf("the sighting has the id %s but claims %s", id, r.ID)
		}
	}
	return ""
}

// print computes the print that a sighting must share with its message.
func (v *verifier) print(id argus.ID, version argus.Version, content argus.Hash) print {
	return print{short(v.seed, struct {
		id      argus.ID
		version argus.Version
	}{id, version}), short(v.seed, content)}
}

func short[T comparable](seed maphash.Seed, of T) uint32 {
	return max(1, uint32(maphash.Comparable(seed, of)))
}

// maxHoles is the maximum number of missing records that are remembered as missing.
const maxHoles = 1 << 24

// remember keeps the print of a record, or 0 if it is not a message. Records come in
// order; those that cannot be read leave holes.
func (v *verifier) remember(seq uint64, of print) {
	next := uint64(len(v.prints)) + 1
	if seq < next || seq-next > maxHoles-v.holes {
		return
	}
	v.holes += seq - next
	for ; next < seq; next++ {
		v.prints = append(v.prints, print{})
	}
	v.prints = append(v.prints, of)
}

func (v *verifier) printOf(seq uint64) print {
	if seq > uint64(len(v.prints)) {
		return print{}
	}
	return v.prints[seq-1]
}

// checkIDs compares the ids with the records. The ids are derived, and are rebuilt when
// the store is next opened for writing.
func (v *verifier) checkIDs() error {
	if errors.Is(v.idsErr, argus.ErrDamaged) || errors.Is(v.idsErr, fs.ErrNotExist) {
		v.damage(layout.IDs, -1, "%v; delete the folder, and the next ingest will rebuild it", v.idsErr)
		return nil
	}
	if errors.Is(v.idsErr, ids.ErrOther) {
		v.report(Finding{File: layout.IDs, Offset: -1, Note: true, Problem: v.idsErr.Error() + "; the next ingest will rebuild them"})
		return nil
	}
	if v.idsErr != nil {
		v.damage(layout.IDs, -1, "the ids cannot be read: %v", v.idsErr)
		return nil //nolint:nilerr // reported as damage
	}
	var sum, count uint64
	if file, err := v.ids.Check(func(e ids.Entry) {
		sum += maphash.Comparable(v.seed, e)
		count++
	}); err != nil {
		v.damage(layout.IDs+"/"+file, -1, "%v; delete the folder %s, and the next ingest will rebuild it", err, layout.IDs)
		return nil
	}
	if v.broken || v.waits {
		return nil // the ids cannot agree with records that cannot be read
	}
	if v.ids.Covered() > v.result.Last {
		v.damage(layout.IDs, -1, "the ids claim to cover the records up to %d, but the last record is %d; delete the folder, and the next ingest will rebuild it", v.ids.Covered(), v.result.Last)
		return nil
	}
	if sum != v.idSum || count != v.idCount {
		v.damage(layout.IDs, -1, "the ids do not match the messages (%d entries, want %d); delete the folder, and the next ingest will rebuild it", count, v.idCount)
	}
	return nil
}

func (v *verifier) seals() error {
	for _, number := range slices.Sorted(maps.Keys(v.deliveries)) {
		d := v.deliveries[number]
		v.result.Deliveries++
		if !d.broken { // otherwise already reported
			v.result.Begun[number] = d.open.Begun()
		}
		if n := d.unknown; n.count > 0 {
			v.report(Finding{File: layout.Evidence, Offset: -1, First: n.first, Last: n.last, Delivery: number, Newer: true,
				Problem: fmt.Sprintf("%d of the records were %v; the delivery was not checked", n.count, argus.ErrNewer)})
		}
		if n := d.skipped; n.count > 0 {
			v.report(Finding{File: layout.Evidence, Offset: -1, First: n.first, Last: n.last, Delivery: number, Note: true,
				Problem: fmt.Sprintf("%d of the records have parts that were %v and that this one may skip; they are as they were sealed, but their content was not checked", n.count, argus.ErrNewer)})
		}
		name := layout.Seal(number)
		data, err := layout.Read(v.disk, v.dir, name)
		if errors.Is(err, argus.ErrDamaged) {
			v.damage(name, -1, "%s", sentence(err))
			continue
		}
		if errors.Is(err, fs.ErrNotExist) || !v.sealed[name] {
			v.result.Unsealed = append(v.result.Unsealed, number)
			continue
		}
		if err != nil {
			v.damage(name, -1, "the seal cannot be read: %v", err)
			continue
		}
		if v.seal(number, d, name, data) {
			v.result.Sealed++
			d.sound, d.orders = d.open.Seal.Incomplete == "", d.open.Seal.Orders()
		}
		if d.sound && d.open.Seal.Opening.Sort == argus.OpeningReading && len(d.again) > 0 {
			v.report(Finding{File: layout.Seal(d.again[0]), Offset: -1, Delivery: d.again[0], Note: true,
				Problem: fmt.Sprintf("delivery %s was read again by %s: the newer reading counts, and this one is kept as it was sealed", d.again[0], number)})
		}
	}
	return nil
}

// amendments compares the missing parts with the sealed amendments.
func (v *verifier) amendments() error {
	latest := map[uint64]argus.Change{}
	for _, number := range slices.Sorted(maps.Keys(v.deliveries)) {
		if d := v.deliveries[number]; d.orders {
			for _, c := range d.changes {
				latest[c.Seq] = c
			}
			for _, c := range d.become {
				v.becomes[c.File] = c.Becomes
			}
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(v.rewritten)) {
		now := v.rewritten[seq]
		c, ok := latest[seq]
		if now.gone != 0 && (!ok || c.Gone != now.gone || c.Becomes != now.becomes) {
			now.at.Problem = "parts of the record are gone, but no sealed amendment orders their removal"
			v.report(now.at)
		}
	}
	for _, seq := range slices.Sorted(maps.Keys(latest)) {
		now, there := v.rewritten[seq]
		if c := latest[seq]; (now.gone != c.Gone || there && now.becomes != c.Becomes) && !v.broken {
			v.report(Finding{File: layout.Evidence, Offset: -1, First: seq, Last: seq, Note: v.waits,
				Problem: "the record does not yet match a sealed amendment; the amendment is completed the next time the store is opened for writing"})
		}
	}
	return nil
}

// seal compares one delivery's seal and tree with the recomputed ones.
func (v *verifier) seal(number argus.DeliveryNumber, d *verifiedDelivery, name string, data []byte) bool {
	sound := true
	fail := func(file string, format string, args ...any) {
		sound = false
		v.report(Finding{File: file, Offset: -1, Delivery: number, Problem: fmt.Sprintf(format, args...)})
	}
	text := string(data[:max(0, bytes.LastIndex(data, []byte("\n\n"))+1)])
	if v.keys != nil {
		n, err := note.Open(data, v.keys)
		if err != nil {
			fail(name, "the signature of the seal is wrong: %v", err)
			return false
		}
		if signed, err := note.Sign(n); err != nil || !bytes.Equal(signed, data) {
			fail(name, "the seal has bytes that its signature does not cover")
		}
		text = n.Text
	}
	seal, err := sealing.Parse(text)
	if err != nil {
		fail(name, "%s", sentence(err))
		return false
	}
	if canonical, err := sealing.Text(seal); err != nil || canonical != text {
		fail(name, "the seal is not in its canonical form")
	}
	v.result.Seals = append(v.result.Seals, *seal)
	v.result.SealHashes = append(v.result.SealHashes, sha256.Sum256(data))
	if d.broken || v.broken && d.open.Seal.Records != seal.Records {
		return false // already reported
	}
	if err := d.open.Close(); err != nil {
		fail(name, "%v", err)
	}
	want := d.open.Seal
	if seal.Root != want.Root {
		v.blame(number, d, want.Root, seal)
		sound = false
	}
	d.open.Seal.Incomplete = seal.Incomplete
	if d.gaps {
		fillGaps(&want, seal)
	}
	want.Store, want.Sealed, want.Incomplete, want.Root, want.Ledger = seal.Store, seal.Sealed, seal.Incomplete, seal.Root, seal.Ledger
	if seal.ReadBy == nil {
		want.ReadBy = nil // an older seal does not have this field
	}
	if !seal.DeviceClocks {
		want.DeviceClocks = false // likewise; it only saves work
	}
	wantText, err := sealing.Text(&want)
	if err != nil || wantText != text {
		fail(name, "the seal does not match the records: %s", difference(text, wantText))
	}
	if tree, err := layout.Read(v.disk, v.dir, layout.Tree(number)); err != nil {
		fail(layout.Tree(number), "the hashes of the delivery cannot be read: %v", err)
	} else if sound && !bytes.Equal(tree, d.open.Nodes) {
		fail(layout.Tree(number), "the hashes do not match the records, which match the seal")
	}
	return sound
}

// fillGaps copies from a seal the fields that cannot be recomputed if statements are
// gone: those may have contained the earliest or latest moment, or the only mention of a
// reader.
func fillGaps(want, seal *argus.Seal) {
	if s := seal.First; s.Known() && (!want.First.Known() || s.Micros <= want.First.Micros) {
		want.First = s
	}
	if s := seal.Last; s.Known() && (!want.Last.Known() || s.Micros >= want.Last.Micros) {
		want.Last = s
	}
	want.DeviceClocks = want.DeviceClocks || seal.DeviceClocks
	known := func(name string) bool { return slices.Contains(seal.Opening.Readers, name) }
	missing := func(name string) bool { return !slices.Contains(seal.ReadBy, name) }
	if !slices.ContainsFunc(want.ReadBy, missing) && !slices.ContainsFunc(seal.ReadBy, func(name string) bool { return !known(name) }) {
		want.ReadBy = seal.ReadBy
	}
}

// difference returns the first line in which two texts differ.
func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%s, want %s", strings.TrimSpace(a[i]), strings.TrimSpace(b[i]))
		}
	}
	return "one is longer"
}

// blame reports the first run of 256 records that differs from the sealed one. It uses
// the tree file, which must itself match the seal.
func (v *verifier) blame(number argus.DeliveryNumber, d *verifiedDelivery, got argus.Hash, seal *argus.Seal) {
	f := Finding{File: layout.Seal(number), Offset: -1, Delivery: number,
		Problem: fmt.Sprintf("the records of delivery %s have the root %s but were sealed with %s", number, got, seal.Root)}
	tree, err := layout.Read(v.disk, v.dir, layout.Tree(number))
	if err == nil && d.open.Seal.Records == seal.Records && len(tree) == len(d.open.Nodes) {
		for i := 0; i < len(tree); i += sha256.Size {
			if bytes.Equal(tree[i:i+sha256.Size], d.open.Nodes[i:i+sha256.Size]) {
				continue
			}
			at := d.places[i/sha256.Size]
			f.File, f.Offset, f.First, f.Last = at.file, at.offset, at.record, at.record+sealing.Run-1
			break
		}
		if rest := len(tree) / sha256.Size; f.First == 0 && rest < len(d.places) {
			at := d.places[rest]
			f.File, f.Offset, f.First = at.file, at.offset, at.record
			f.Last = at.record + d.open.Seal.Records - uint64(rest)*sealing.Run - 1
		}
	}
	v.report(f)
}

func (v *verifier) checkOriginals() error {
	store, err := original.New(v.path(layout.Originals), original.Options{Disk: v.disk})
	if err != nil {
		return err
	}
	if info, err := os.Stat(v.path(layout.Originals)); err == nil && !info.IsDir() {
		v.damage(layout.Originals, -1, "this is a file, not a folder")
		return nil
	}
	belong := map[string]bool{}
	bySeq := func(a, b argus.FileName) int { return cmp.Compare(v.originals[a].seq, v.originals[b].seq) }
	for _, name := range slices.SortedFunc(maps.Keys(v.originals), bySeq) {
		files, err := v.original(store, v.originals[name])
		if err := v.unread(layout.Originals+"/"+original.TableFile(name), err); err != nil {
			return err
		}
		for _, file := range files {
			belong[layout.Originals+"/"+file] = true
		}
	}
	return filepath.WalkDir(v.path(layout.Originals), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			dir, relErr := filepath.Rel(v.dir, path)
			v.damage(filepath.ToSlash(dir), -1, "the folder cannot be read: %v", err)
			return relErr // nil, so that the walk continues
		}
		if e.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(v.dir, path)
		if err != nil {
			return err
		}
		f := Finding{File: filepath.ToSlash(rel), Offset: -1, Note: true}
		of, ok := originalOf(f.File)
		_, known := v.originals[of]
		switch {
		case belong[f.File]:
			return nil
		case !ok:
			f.Problem = "the file is not an original; an interrupted ingest leaves such files, and the next ingest removes them"
		case known:
			f.Problem = "the file belongs to a change of the original that is prepared or was interrupted"
		default:
			f.Problem = "no delivery names this original; an interrupted ingest leaves such files"
		}
		v.report(f)
		return nil
	})
}

// originalOf returns the original that a file of the store belongs to, given the file's
// path in the store.
func originalOf(name string) (argus.FileName, bool) {
	file, ok := strings.CutPrefix(name, layout.Originals+"/")
	if !ok {
		return argus.FileName{}, false
	}
	return original.NameOf(file)
}

// original checks an original against the first record that describes it, and returns the
// original's files.
func (v *verifier) original(store *original.Store, c claim) ([]string, error) {
	sound := true
	say := func(file string, at int64, format string, args ...any) {
		sound = false
		f := Finding{File: layout.Originals + "/" + file, Offset: at, First: c.seq, Last: c.seq, Delivery: c.delivery}
		f.Problem = fmt.Sprintf(format, args...) + fmt.Sprintf("; it was received as %q", c.Path)
		v.report(f)
	}
	table := original.TableFile(c.File)
	files := []string{original.DataFile(c.File), table}
	for _, file := range files {
		info, err := os.Lstat(v.path(layout.Originals + "/" + file))
		if err == nil && !info.Mode().IsRegular() {
			say(file, -1, "the original is not a file: its bytes are not in the store")
			return files, nil
		}
	}
	becomes, ordered := v.becomes[c.File]
	state, waits := store.Prepared(c.File)
	waits = waits && ordered && state == becomes
	verify := store.Verify
	if waits {
		verify = store.VerifyPrepared
	}
	checked, err := verify(v.ctx, c.File, func(d *original.Damage) { say(d.File, d.Offset, "%s", d.Problem) }, func(n int64) {
		v.advance(n)
		v.result.Bytes += n
	})
	if err != nil || checked == nil {
		return files, err // otherwise reported already
	}
	if checked.Size != c.Size {
		say(table, 24, "the original has %d bytes, but its record claims %d", checked.Size, c.Size)
	}
	if sound && checked.Root != c.Root {
		say(table, 32, "the original has the root %s, but its record claims %s", checked.Root, c.Root)
	}
	switch {
	case waits:
		v.report(Finding{File: layout.Originals + "/" + table, Offset: -1, First: c.seq, Last: c.seq, Delivery: c.delivery, Note: true,
			Problem: "the original does not yet match a sealed amendment; the amendment is completed the next time the store is opened for writing"})
	case ordered && checked.State == becomes:
	case ordered:
		say(table, -1, "the original differs from the state that a sealed amendment orders")
	default:
		for _, s := range checked.Spans {
			say(table, -1, "bytes %d to %d of the original are %s, but no record orders this", s.From, s.To, s.State)
		}
	}
	switch {
	case checked.Hash != (argus.Hash{}) && checked.Hash != c.Hash:
		say(table, -1, "the original has the SHA-256 %s, but its record claims %s", checked.Hash, c.Hash)
	case checked.Locked != nil:
		v.report(Finding{File: layout.Originals + "/" + table, Offset: -1, First: c.seq, Last: c.seq, Delivery: c.delivery, Note: true,
			Problem: "the keys of the original are encrypted to " + strings.Join(checked.Locked, ", ") + ": its stored bytes were verified, but not its content"})
	}
	if sound {
		v.result.Originals++
	}
	return checked.Files, nil
}

// strays reports files that do not belong to the store.
func (v *verifier) strays() error {
	for _, dir := range []string{layout.Evidence, layout.IDs, layout.Deliveries} {
		entries, err := v.disk.ReadDir(v.path(dir))
		if err != nil {
			v.damage(dir, -1, "the folder cannot be read: %v", err)
			continue
		}
		for _, e := range entries {
			name := dir + "/" + e.Name()
			if number, generation, ok := layout.ParseSegment(e.Name()); dir == layout.Evidence && ok && number > 0 && number <= len(v.generations) && generation != v.generations[number-1] {
				v.report(Finding{File: name, Offset: -1, Note: true, Problem: "an amendment has replaced it or is about to; a process is still reading it, or a crash interrupted its removal. It is removed when the store is next opened for writing"})
				continue
			}
			if v.foreign(name) {
				v.damage(name, -1, form.Unnamed)
				continue
			}
			if !v.belongs(name) {
				v.report(Finding{File: name, Offset: -1, Note: true, Problem: "the file is not part of the store, or was left behind by a crash"})
			}
		}
	}
	return nil
}

// foreign reports whether a file has the name of a later segment but was not begun by
// Argus. Another process may have added segments: each is named in the manifest before it
// holds records.
func (v *verifier) foreign(name string) bool {
	number, generation, ok := layout.ParseSegment(path.Base(name))
	if !ok || generation > 0 || number <= v.active || path.Dir(name) != layout.Evidence {
		return false
	}
	f, err := v.disk.OpenFile(v.path(name), os.O_RDONLY, 0)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) // otherwise it was removed in the meantime
	}
	defer f.Close()
	info, err := f.Stat()
	begun := err == nil && form.Begun(f, info.Size(), number)
	closed, err := v.manifest()
	next := max(len(closed)+1, v.active) + 1
	return err == nil && (number > next || number == next && !begun)
}

func (v *verifier) belongs(name string) bool {
	switch name {
	case layout.EvidenceManifest, layout.Commit, layout.EvidenceLock, layout.IDs:
		return true
	}
	dir, base := filepath.Split(name)
	switch filepath.Clean(dir) {
	case layout.Evidence:
		n, generation, ok := layout.ParseSegment(base)
		return ok && n <= v.active+1 && (generation == 0 || n <= len(v.generations)) // another process may have added segments
	case filepath.FromSlash(layout.IDs):
		return v.ids.Has(base)
	}
	number, err := argus.ParseDelivery(strings.TrimSuffix(base, filepath.Ext(base)))
	return err == nil && v.deliveries[number] != nil && (name == layout.Seal(number) || name == layout.Tree(number))
}

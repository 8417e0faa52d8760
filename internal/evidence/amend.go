package evidence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence/form"
	"github.com/argus-evidence/argus/internal/evidence/ids"
	"github.com/argus-evidence/argus/internal/layout"
)

// Amendment is an order that changes stored records.
type Amendment struct {
	// Opening opens the amendment's delivery; its Sort is set.
	Opening argus.Opening
	// Order names the order: court, number, date.
	Order string
	// Acts are the records of kind withdrawn, released or destroyed that state the meaning
	// of the change.
	Acts []*argus.Record
	// Changes gives the parts of each record that are gone afterwards, or 0 for none.
	Changes map[uint64]argus.Gone
	// Originals gives the bytes of received files that are gone afterwards.
	Originals []OriginalOrder
	// Judge is the recipient of withheld parts. Default none: nothing can be withheld.
	Judge *Judge
	// Identities decrypt withheld parts that come back. Default none.
	Identities []age.Identity

	// Store, Signer and Now are for the seal, as for Store.Seal.
	Store  string
	Signer note.Signer
	Now    time.Time
	// Begun is called when the amendment's delivery has been opened, before any further record
	// is written, so that it can write to the ledger. An error ends the amendment.
	Begun func(ctx context.Context, d argus.DeliveryNumber) error
	// Sealed is called when the amendment has been sealed, before any byte changes, so that it
	// can write to the ledger. If it fails, nothing changes until the store is next opened for
	// writing, which carries out the sealed order. Default nothing.
	Sealed func(ctx context.Context, seal *argus.Seal) error
}

// OriginalOrder changes parts of a received file.
type OriginalOrder struct {
	// Seq is the sequence number of a record that received the file.
	Seq   uint64
	Parts []OriginalPart
	// Gone is GoneContent for destroyed parts, with Withheld for parts that only the judge
	// can read, and 0 for parts that everybody can read again.
	Gone argus.Gone
}

// Amended is the result of an amendment.
type Amended struct {
	Seal *argus.Seal
	// Done is set if no replaced segment file is left. Otherwise a process is still reading
	// one; Settle reports when none is left.
	Done bool
}

// Amend changes stored records as an order requires. The order becomes a delivery of its own,
// which is sealed first. Then the segments with the records are rewritten, and their earlier
// files are removed once nobody is reading them. Only records of sealed deliveries can be
// changed. A content can be removed only together with all its sightings, because they state
// its hash. A part that is gone and not withheld never comes back.
//
// If an error occurs before the amendment is sealed, everything stays as it was, except
// that the delivery may have begun. If it occurs later, the amendment is completed when
// the store is next opened for writing.
func (s *Store) Amend(ctx context.Context, a Amendment) (*Amended, error) {
	if s.writer == nil {
		return nil, errors.New("amend the evidence: the store is open for reading only")
	}
	s.amending.Lock()
	defer s.amending.Unlock()
	if s.unfinished {
		return nil, errors.New("amend the evidence: an earlier amendment is sealed but not carried out; open the store again")
	}
	done, err := s.amend(ctx, &a)
	if err != nil {
		return done, fmt.Errorf("amend the evidence: %w", err)
	}
	return done, nil
}

func (s *Store) amend(ctx context.Context, a *Amendment) (*Amended, error) {
	if len(a.Changes)+len(a.Originals) == 0 {
		return nil, errors.New("the order changes no record")
	}
	for _, r := range a.Acts {
		if r.Act == nil {
			return nil, fmt.Errorf("a record of kind %s is not an act", r.Kind)
		}
	}
	m, err := s.newAmending(a)
	if err != nil {
		return nil, err
	}
	files, changes, err := m.prepare(ctx)
	var originals []argus.OriginalChange
	if err == nil {
		originals, err = s.prepareOriginals(ctx, a)
	}
	if err == nil {
		var seal *argus.Seal
		if seal, err = s.sealAmendment(ctx, a, files, changes, originals); err == nil {
			return s.carryOut(ctx, a, seal, files, changes, originals)
		}
	}
	for _, f := range files {
		err = errors.Join(err, f.segment.release(), s.disk.Remove(s.path(f.segment.name)))
	}
	for _, o := range originals {
		err = errors.Join(err, s.originals.Discard(o.File))
	}
	return nil, err
}

// Withhold prepares whole originals to be readable only with the judge's key, and adds the
// order to an open delivery. The order takes effect once the delivery is sealed: the caller
// then calls carry; after a crash in between, the order is carried out when the store is next
// opened for writing. seqs are the records that received the files.
func (s *Store) Withhold(ctx context.Context, d argus.DeliveryNumber, order string, seqs []uint64, to *Judge) (carry func(context.Context) error, err error) {
	carry = func(context.Context) error { return nil }
	if s.writer == nil {
		return carry, errors.New("withhold originals: the store is open for reading only")
	}
	s.amending.Lock()
	defer s.amending.Unlock()
	a := Amendment{Judge: to}
	files := map[argus.FileName]bool{}
	for _, seq := range seqs {
		r, err := s.Get(ctx, seq)
		if err != nil {
			return carry, fmt.Errorf("withhold originals: %w", err)
		}
		if r.Original == nil || r.Original.Size == 0 || files[r.Original.File] {
			continue
		}
		files[r.Original.File] = true
		whole := OriginalPart{Offset: 0, Length: r.Original.Size}
		a.Originals = append(a.Originals, OriginalOrder{Seq: seq, Parts: []OriginalPart{whole}, Gone: argus.GoneContent | argus.Withheld})
	}
	if len(a.Originals) == 0 {
		return carry, nil
	}
	changes, err := s.prepareOriginals(ctx, &a)
	if err != nil {
		return carry, fmt.Errorf("withhold originals: %w", err)
	}
	for part := range slices.Chunk(changes, amendTogether) {
		r := &argus.Record{Kind: argus.KindAmendment, Amendment: &argus.Amendment{Order: order, Originals: part}}
		if err := s.submit(ctx, &request{delivery: d, records: []*argus.Record{r}, amends: true}); err != nil {
			return carry, err
		}
	}
	return func(ctx context.Context) error {
		s.opt.Failpoint("withhold.sealed")
		s.amending.Lock()
		defer s.amending.Unlock()
		return s.commitOriginals(ctx, changes)
	}, nil
}

// prepareOriginals prepares the changes to received files, in new files. If it fails, it
// returns those that were prepared.
func (s *Store) prepareOriginals(ctx context.Context, a *Amendment) (changes []argus.OriginalChange, err error) {
	for _, o := range a.Originals {
		r, err := s.Get(ctx, o.Seq)
		if err == nil && r.Kind != argus.KindOriginal {
			err = fmt.Errorf("it is of kind %s", r.Kind)
		}
		if err != nil {
			return changes, fmt.Errorf("look for the original of record %d: %w", o.Seq, err)
		}
		file := r.Original.File
		if slices.ContainsFunc(changes, func(c argus.OriginalChange) bool { return c.File == file }) {
			return changes, fmt.Errorf("the original of record %d is named twice", o.Seq)
		}
		var becomes argus.Hash
		switch o.Gone {
		case 0:
			becomes, err = s.originals.Release(ctx, file, o.Parts, a.Identities...)
		case argus.GoneContent:
			becomes, err = s.originals.Destroy(ctx, file, o.Parts, a.Identities...)
		case argus.GoneContent | argus.Withheld:
			becomes, err = s.originals.Withhold(ctx, file, o.Parts, a.Judge.keys(), a.Identities...)
		default:
			err = fmt.Errorf("the mark %#x is not valid for parts of an original", uint8(o.Gone))
		}
		if err != nil {
			return changes, fmt.Errorf("the original of record %d: %w", o.Seq, err)
		}
		changes = append(changes, argus.OriginalChange{File: file, Becomes: becomes})
	}
	s.opt.Failpoint("amend.originals-prepared")
	return changes, nil
}

// amendTogether is the maximum number of changes that one record of an amendment names.
const amendTogether = 4096

// sealAmendment writes and seals the amendment's delivery.
func (s *Store) sealAmendment(ctx context.Context, a *Amendment, files []*prepared, changes []argus.Change, originals []argus.OriginalChange) (*argus.Seal, error) {
	opening := a.Opening
	opening.Sort = argus.OpeningAct
	d, err := s.Begin(ctx, opening)
	if err != nil {
		return nil, err
	}
	if a.Begun != nil {
		if err := a.Begun(ctx, d); err != nil {
			return nil, err
		}
	}
	records := slices.Clone(a.Acts)
	for part := range slices.Chunk(changes, amendTogether) {
		records = append(records, &argus.Record{Kind: argus.KindAmendment, Amendment: &argus.Amendment{Order: a.Order, Changes: part}})
	}
	if len(changes) == 0 {
		records = append(records, &argus.Record{Kind: argus.KindAmendment, Amendment: &argus.Amendment{Order: a.Order}})
	}
	first := records[len(a.Acts)].Amendment
	first.Originals = originals
	for _, f := range files {
		first.Files = append(first.Files, argus.Rewritten{Segment: uint32(f.number), Generation: uint32(f.segment.generation), Hash: f.hash})
	}
	if err := s.submit(ctx, &request{delivery: d, records: records, amends: true}); err != nil {
		return nil, err
	}
	s.opt.Failpoint("amend.before-seal")
	return s.Seal(ctx, d, a.Store, a.Signer, a.Now, "")
}

// carryOut puts the prepared files in place.
func (s *Store) carryOut(ctx context.Context, a *Amendment, seal *argus.Seal, files []*prepared, changes []argus.Change, originals []argus.OriginalChange) (*Amended, error) {
	s.opt.Failpoint("amend.sealed")
	if a.Sealed != nil {
		if err := a.Sealed(ctx, seal); err != nil {
			s.unfinished = true
			for _, f := range files {
				err = errors.Join(err, f.segment.release())
			}
			return &Amended{Seal: seal}, err
		}
	}
	err := s.commitOriginals(ctx, originals)
	if err == nil && len(files) > 0 {
		err = s.call(func() error { return s.replace(files, changes) })
	}
	if err != nil {
		s.unfinished = true
		return &Amended{Seal: seal}, err
	}
	done, err := s.Settle()
	return &Amended{Seal: seal, Done: done}, err
}

// commitOriginals puts the prepared changes to received files in place.
func (s *Store) commitOriginals(ctx context.Context, changes []argus.OriginalChange) error {
	for _, c := range changes {
		if err := s.originals.Commit(ctx, c.File, c.Becomes); err != nil {
			return err
		}
	}
	return nil
}

// prepared is a rewritten segment that is not in place yet.
type prepared struct {
	number  int
	segment *segment
	blocks  []form.Ref
	hash    argus.Hash // of the file
}

// amending is an amendment in progress.
type amending struct {
	s      *Store
	a      *Amendment
	hasher argus.Hasher
	key    [sha256.Size]byte // derives the ids that replace others; not kept
	// segments maps each segment to its changed records, in order.
	segments map[uint32][]uint64
}

// newAmending closes the active segment if it has to be changed, and checks each record that
// will change.
func (s *Store) newAmending(a *Amendment) (*amending, error) {
	m := &amending{s: s, a: a, segments: map[uint32][]uint64{}}
	if _, err := io.ReadFull(s.opt.Random, m.key[:]); err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	sealed := map[argus.DeliveryNumber]bool{}
	active := false
	for _, seq := range slices.Sorted(maps.Keys(a.Changes)) {
		if err := a.Changes[seq].Valid(); err != nil {
			return nil, err
		}
		s.mu.RLock()
		at, err := s.locate(seq)
		active = active || err == nil && int(at.Ref.Segment) == s.closed+1
		s.mu.RUnlock()
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", seq, err)
		}
		at.release()
		if !sealed[at.Delivery] {
			if _, err := s.readSeal(at.Delivery); err != nil {
				return nil, fmt.Errorf("record %d belongs to delivery %s, which is not sealed: %w", seq, at.Delivery, err)
			}
			sealed[at.Delivery] = true
		}
		m.segments[at.Ref.Segment] = append(m.segments[at.Ref.Segment], seq)
	}
	if active {
		if err := s.call(s.rotate); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// prepare rewrites the segments into new files.
func (m *amending) prepare(ctx context.Context) (files []*prepared, changes []argus.Change, err error) {
	for _, number := range slices.Sorted(maps.Keys(m.segments)) {
		changed, err := m.segment(ctx, int(number), m.segments[number])
		if err != nil {
			return files, nil, fmt.Errorf("segment %d: %w", number, err)
		}
		m.s.mu.RLock()
		generation := m.s.segments[number-1].generation + 1
		m.s.mu.RUnlock()
		f, err := m.s.openPrepared(int(number), generation)
		if err != nil {
			return files, nil, err
		}
		files = append(files, f)
		changes = append(changes, changed...)
	}
	slices.SortFunc(changes, func(a, b argus.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	m.s.opt.Failpoint("amend.prepared")
	return files, changes, nil
}

// segment durably writes the next file of a segment, and returns the changes to its
// records.
func (m *amending) segment(ctx context.Context, number int, seqs []uint64) (changes []argus.Change, err error) {
	s := m.s
	s.mu.RLock()
	old := s.segments[number-1]
	old.hold()
	own := slices.DeleteFunc(slices.Clone(s.blocks), func(b form.Ref) bool { return b.Segment != uint32(number) })
	s.mu.RUnlock()
	defer func() { err = errors.Join(err, old.release()) }()
	name := s.path(layout.Segment(number, old.generation+1))
	f, err := s.disk.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, s.disk.Remove(name))
		}
	}()
	if _, err := f.WriteAt(form.AppendHeader(nil, uint32(number), old.first), 0); err != nil {
		return nil, err
	}
	at := int64(form.HeaderSize)
	for i := range own {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := 0
		for n < len(seqs) && seqs[n] < own[i].End() {
			n++
		}
		block, changed, err := m.block(ctx, own[i], old, seqs[:n])
		if err != nil {
			return nil, err
		}
		seqs = seqs[n:]
		changes = append(changes, changed...)
		if own[i].Offset = uint32(at); at+int64(len(block)) > math.MaxUint32 {
			return nil, fmt.Errorf("the segment would be longer than %d bytes", uint32(math.MaxUint32))
		}
		if _, err := f.WriteAt(block, at); err != nil {
			return nil, err
		}
		at += int64(len(block))
	}
	if _, err := f.WriteAt(form.AppendTable(nil, own, at), at); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return changes, s.disk.SyncDir(s.path(evidenceDir))
}

// block returns the new block and the changes to its records.
func (m *amending) block(ctx context.Context, ref form.Ref, old *segment, seqs []uint64) ([]byte, []argus.Change, error) {
	head := make([]byte, form.HeadSize)
	if _, err := old.ReadAt(head, int64(ref.Offset)); err != nil {
		return nil, nil, err
	}
	h, err := ref.Head(head)
	if err != nil {
		return nil, nil, err
	}
	if len(seqs) == 0 {
		block := make([]byte, h.Size())
		_, err := old.ReadAt(block, int64(ref.Offset))
		if err == nil {
			err = h.Check(block[form.HeadSize:])
		}
		return block, nil, err
	}
	b, err := m.s.codec.Read(old, ref)
	if err != nil {
		return nil, nil, err
	}
	records := make([]form.Revised, b.Len())
	for i := range records {
		records[i] = b.Revised(i)
	}
	var changes []argus.Change
	for _, seq := range seqs {
		i := int(seq - ref.First)
		r, err := b.Record(i, &m.hasher)
		if err == nil {
			r.Seq, r.Delivery = seq, ref.Delivery
			err = m.change(ctx, seq, r, &records[i], b.Proof(i, r))
		}
		if err != nil {
			return nil, nil, fmt.Errorf("record %d: %w", seq, err)
		}
		changes = append(changes, argus.Change{Seq: seq, Gone: records[i].Gone, Becomes: records[i].Becomes()})
	}
	block, err := m.s.codec.Rewrite(h, records)
	return block, changes, err
}

// change changes a record as ordered.
func (m *amending) change(ctx context.Context, seq uint64, r *argus.Record, v *form.Revised, p form.Proof) error {
	to := m.a.Changes[seq]
	if to == v.Gone {
		return fmt.Errorf("it is already gone (mark %#x)", uint8(to))
	}
	was := v.Was
	if v.Gone&argus.GoneStatement == 0 {
		was = wasOf(r)
	}
	if err := form.CanGo(was.Kind, to); err != nil {
		return err
	}
	whole, err := m.open(v)
	if err != nil {
		return err
	}
	if v.Gone&argus.GoneStatement != 0 && whole.StatementSalt != nil {
		// The judge's copy identifies the record.
		if r, err = whole.Record(&m.hasher); err != nil {
			return err
		}
	}
	if err := whole.Prove(r, was.Kind, &p); err != nil {
		return err
	}
	if err := m.shared(ctx, seq, r, was.Kind, v.Gone, to); err != nil {
		return err
	}
	next, hide, err := whole.Revise(to, was, &p)
	if err != nil {
		return err
	}
	if to&argus.GoneAll == argus.GoneContent && was.Kind == argus.KindMessage {
		copy(next.ID[:], keyed(m.key[:], r.ID[:]))
		copy(next.Version[:], keyed(m.key[:], r.Version[:]))
	}
	if to&argus.Withheld != 0 {
		if *next.Withheld(), err = m.withhold(&hide, to); err != nil {
			return err
		}
	}
	*v = next
	return nil
}

// wasOf describes a record whose statement is removed.
func wasOf(r *argus.Record) argus.Was {
	message := r.Kind == argus.KindMessage
	was := argus.Was{Kind: r.Kind, Differing: message && r.Of != 0, Locked: message && r.Message.State&argus.StateLocked != 0}
	if message {
		was.Type = r.Message.Type
	}
	return was
}

// open returns the parts of a record with their salts, as far as they can be read.
func (m *amending) open(v *form.Revised) (whole form.Hidden, err error) {
	if v.Gone&argus.Withheld != 0 && len(m.a.Identities) > 0 {
		if whole, err = decrypt(*v.Withheld(), m.a.Identities); err != nil {
			return whole, fmt.Errorf("decrypt the withheld parts: %w", err)
		}
	}
	whole.Add(v)
	return whole, nil
}

// withhold encrypts the parts for the judge.
func (m *amending) withhold(hide *form.Hidden, to argus.Gone) ([]byte, error) {
	switch {
	case m.a.Judge == nil:
		return nil, errors.New("it cannot be encrypted, because no judge is named")
	case to&argus.GoneStatement != 0 && hide.StatementSalt == nil, to&argus.GoneContent != 0 && hide.ContentSalt == nil:
		return nil, errors.New("it cannot be read, so it cannot be withheld")
	}
	return m.a.Judge.encrypt(hide)
}

// shared checks the records that share a content: the content can be removed only
// together with all its sightings, which state its hash, and a sighting can come back
// only if the content is there.
func (m *amending) shared(ctx context.Context, seq uint64, r *argus.Record, kind argus.Kind, from, to argus.Gone) error {
	goes, comes := to&^from, from&^to
	switch {
	case kind == argus.KindMessage && goes&argus.GoneContent != 0:
		for of, err := range m.sightings(ctx, seq, r) {
			if err != nil {
				return err
			}
			if m.a.Changes[of]&argus.GoneStatement == 0 {
				return fmt.Errorf("record %d, which the order does not name, has the same content", of)
			}
		}
	case kind == argus.KindSighting && comes&argus.GoneStatement != 0:
		gone, named := m.a.Changes[r.Of]
		if !named {
			of, err := m.s.Get(ctx, r.Of)
			if err != nil {
				return err
			}
			gone = of.Gone
		}
		if gone&argus.GoneContent != 0 {
			return fmt.Errorf("its content, which record %d holds, is gone", r.Of)
		}
	}
	return nil
}

// sightings yields the sightings of a message record. If the record's id is gone, it
// searches all later records.
func (m *amending) sightings(ctx context.Context, seq uint64, r *argus.Record) iter.Seq2[uint64, error] {
	return func(yield func(uint64, error) bool) {
		if r.ID == (argus.ID{}) {
			for other, err := range m.s.From(ctx, seq+1) {
				if err != nil || other.Kind == argus.KindSighting && other.Of == seq {
					if err != nil {
						yield(0, err)
						return
					}
					if !yield(other.Seq, nil) {
						return
					}
				}
			}
			return
		}
		found, err := m.s.Find(r.MessageID())
		for _, e := range found {
			if !e.Sighting || e.Met || err != nil {
				continue
			}
			var other *argus.Record
			if other, err = m.s.Get(ctx, e.Seq); err == nil && other.Of == seq && !yield(e.Seq, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

// openPrepared opens a rewritten segment that is not in place yet.
func (s *Store) openPrepared(number, generation int) (_ *prepared, err error) {
	p := &prepared{number: number, segment: &segment{name: layout.Segment(number, generation), generation: generation}}
	f, err := s.disk.OpenFile(s.path(p.segment.name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	p.segment.open(f)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("%s: %w", p.segment.name, err), p.segment.release())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p.segment.size = info.Size()
	head := make([]byte, form.HeaderSize)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if _, p.segment.first, err = form.ParseHeader(head); err != nil {
		return nil, err
	}
	if p.blocks, err = form.ReadTable(f, uint32(number), info.Size()); err != nil {
		return nil, err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return nil, err
	}
	sum.Sum(p.hash[:0])
	return p, nil
}

// replace replaces the segments of the changed records with the prepared ones. Only the
// writer's goroutine calls it. After a crash at any point, finishAmendments repeats it.
func (s *Store) replace(files []*prepared, changes []argus.Change) error {
	entries, err := s.entriesIn(files, changes)
	if err != nil {
		return err
	}
	// The ids come first: they hold hashes of the removed parts.
	changed := map[uint64]bool{}
	for _, c := range changes {
		changed[c.Seq] = true
	}
	if err := s.ids.Amend(changed, entries); err != nil {
		return err
	}
	s.opt.Failpoint("amend.before-manifest")
	segments := slices.Clone(s.segments)
	blocks := slices.Clone(s.blocks)
	for _, f := range files {
		at := slices.IndexFunc(blocks, func(b form.Ref) bool { return b.Segment == uint32(f.number) })
		if at < 0 || len(blocks)-at < len(f.blocks) {
			return fmt.Errorf("%w: the blocks of %s differ from those of the segment in place", argus.ErrDamaged, f.segment.name)
		}
		for i, b := range f.blocks {
			if now := blocks[at+i]; b.First != now.First || b.Count != now.Count || b.Leaf != now.Leaf || b.Delivery != now.Delivery {
				return fmt.Errorf("%w: the blocks of %s differ from those of the segment in place", argus.ErrDamaged, f.segment.name)
			}
			blocks[at+i] = b
		}
		segments[f.number-1] = f.segment
	}
	if err := s.writeManifest(segments[:s.closed]); err != nil {
		return err
	}
	s.opt.Failpoint("amend.before-commit")
	c := s.writer.commit
	c.Counter++
	c.Rewritings++
	if err := s.writeCommit(c); err != nil {
		return err
	}
	s.opt.Failpoint("amend.placed")
	s.writer.crowds, s.writer.crowded = nil, 0
	return s.retire(files, segments, blocks)
}

// retire makes the new segments visible to readers and releases the old ones.
func (s *Store) retire(files []*prepared, segments []*segment, blocks []form.Ref) error {
	var old []*segment
	s.show(func() {
		if s.retired == nil {
			s.retired = map[string]*segment{}
		}
		for _, f := range files {
			gone := s.segments[f.number-1]
			gone.after = func() error {
				s.mu.Lock()
				delete(s.retired, gone.name)
				s.mu.Unlock()
				_, err := s.removeOld(gone.name)
				return err
			}
			s.retired[gone.name] = gone
			old = append(old, gone)
		}
		s.segments, s.blocks = segments, blocks
		s.recent, s.contents, s.recentBytes = nil, nil, 0
		s.rewritings = s.writer.commit.Rewritings
	})
	var err error
	for _, seg := range old {
		s.cache.drop(seg)
		err = errors.Join(err, seg.release())
	}
	return err
}

// entriesIn returns the new ids of the changed records.
func (s *Store) entriesIn(files []*prepared, changes []argus.Change) ([]Entry, error) {
	var hasher argus.Hasher
	var entries []Entry
	for _, f := range files {
		for _, ref := range f.blocks {
			from, to := behind(changes, ref.First), behind(changes, ref.End())
			own := changes[from:to]
			if len(own) == 0 {
				continue
			}
			b, err := s.codec.Read(f.segment, ref)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.segment.name, err)
			}
			for _, c := range own {
				r, err := b.Record(int(c.Seq-ref.First), &hasher)
				if err != nil {
					return nil, fmt.Errorf("%s: record %d: %w", f.segment.name, c.Seq, err)
				}
				if v := b.Revised(int(c.Seq - ref.First)); !b.Rewritten() || v.Gone != c.Gone || v.Becomes() != c.Becomes {
					return nil, fmt.Errorf("%s: %w: record %d differs from the sealed amendment", f.segment.name, argus.ErrDamaged, c.Seq)
				}
				r.Seq = c.Seq
				entries = slices.AppendSeq(entries, ids.Of(r))
			}
		}
	}
	return entries, nil
}

// behind returns the index of the first change to a record numbered seq or higher.
func behind(changes []argus.Change, seq uint64) int {
	at, _ := slices.BinarySearchFunc(changes, seq, func(c argus.Change, seq uint64) int { return cmp.Compare(c.Seq, seq) })
	return at
}

// Settle removes the files of replaced segments that no process is still reading. done reports
// whether none is left.
func (s *Store) Settle() (done bool, err error) {
	done = true
	names, err := s.segmentFiles(func(_, generation, now int) bool { return generation < now })
	if err != nil {
		return false, err
	}
	for _, name := range names {
		s.mu.RLock()
		inUse := s.retired[name] != nil
		s.mu.RUnlock()
		if inUse {
			done = false
			continue
		}
		removed, err := s.removeOld(name)
		if err != nil {
			return false, err
		}
		done = done && removed
	}
	return done, nil
}

// segmentFiles returns the files of closed segments that which selects. now is the generation
// that is in place.
func (s *Store) segmentFiles(which func(number, generation, now int) bool) (names []string, err error) {
	entries, err := s.disk.ReadDir(s.path(evidenceDir))
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range entries {
		number, generation, ok := layout.ParseSegment(e.Name())
		if ok && number > 0 && number <= s.closed && which(number, generation, s.segments[number-1].generation) {
			names = append(names, evidenceDir+"/"+e.Name())
		}
	}
	return names, nil
}

// removeOld removes a replaced file, unless another process reads it.
func (s *Store) removeOld(name string) (removed bool, err error) {
	unlock, held, err := s.disk.Lock(s.path(name), true)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil || !held {
		return false, err
	}
	if err = s.disk.Remove(s.path(name)); errors.Is(err, fs.ErrNotExist) {
		err = nil // the last reader removed it between opening and locking
	}
	return err == nil, errors.Join(err, unlock(), s.disk.SyncDir(s.path(evidenceDir)))
}

// finishAmendments carries out the orders that were sealed before a crash, and removes
// the files prepared for any others.
func (s *Store) finishAmendments() error {
	waiting, err := s.segmentFiles(func(_, generation, now int) bool { return generation > now })
	if err != nil {
		return err
	}
	orders, err := s.sealedAmendments()
	if err != nil {
		return err
	}
	for _, o := range orders {
		for _, c := range o.originals {
			// A prepared state belongs to the latest order that concerns the file.
			if state, waits := s.originals.Prepared(c.File); waits && state == c.Becomes {
				if err := s.originals.Commit(context.Background(), c.File, c.Becomes); err != nil {
					return err
				}
			}
		}
	}
	if len(waiting) > 0 {
		if err := s.finish(waiting, orders); err != nil {
			return err
		}
	}
	_, err = s.Settle()
	return err
}

func (s *Store) finish(waiting []string, orders []sealedAmendment) error {
	for _, o := range orders {
		var files []*prepared
		for _, f := range o.files {
			name := layout.Segment(int(f.Segment), int(f.Generation))
			at := slices.Index(waiting, name)
			if at < 0 {
				continue // in place, or replaced again
			}
			waiting = slices.Delete(waiting, at, at+1)
			p, err := s.openPrepared(int(f.Segment), int(f.Generation))
			if err != nil {
				return err
			}
			if files = append(files, p); p.hash != f.Hash {
				return fmt.Errorf("%s: %w: it is not the file that the amendment names", name, argus.ErrDamaged)
			}
		}
		if len(files) == 0 {
			continue
		}
		if len(files) != len(o.files) {
			return fmt.Errorf("%w: %d of the %d files of an amendment are not in place", argus.ErrDamaged, len(files), len(o.files))
		}
		if err := s.replace(files, o.changes); err != nil {
			return err
		}
	}
	for _, name := range waiting {
		if err := s.disk.Remove(s.path(name)); err != nil {
			return err
		}
	}
	return s.disk.SyncDir(s.path(evidenceDir))
}

// sealedAmendment holds the parts of all records of an amendment.
type sealedAmendment struct {
	files     []argus.Rewritten
	changes   []argus.Change
	originals []argus.OriginalChange
}

func (s *Store) sealedAmendments() (orders []sealedAmendment, err error) {
	deliveries, err := s.Deliveries(context.Background())
	if err != nil {
		return nil, err
	}
	for _, d := range deliveries {
		if d.Seal == nil || !d.Seal.Orders() {
			continue
		}
		var o sealedAmendment
		for r, err := range s.Records(context.Background(), d.Number) {
			if err != nil {
				return nil, err
			}
			if r.Amendment != nil {
				o.files = append(o.files, r.Amendment.Files...)
				o.changes = append(o.changes, r.Amendment.Changes...)
				o.originals = append(o.originals, r.Amendment.Originals...)
			}
		}
		orders = append(orders, o)
	}
	return orders, nil
}

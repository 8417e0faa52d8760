package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/account"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/sandbox"
)

// intake is the reading of one delivery.
type intake struct {
	o        Options
	delivery argus.DeliveryNumber
	readers  []string
	book     account.Bookkeeper

	mu       sync.Mutex
	progress Progress

	originals []*argus.Record     // kept so far, in order
	done      map[piece][]stretch // items already in the evidence, when resuming
	holdings  map[string]*holding // files that a message may name, by path
	// containers are the SHA-256 of the originals and of the files in archives, if there is a
	// guard.
	containers map[piece]argus.Hash
	strangers  []stranger // files that no reader recognised
	kinds      kinds      // the readers that found messages in files next to them

	// again is the delivery whose originals are read again, or 0. unread maps the record
	// numbers of its empty files to the reason why they could not be read.
	again  argus.DeliveryNumber
	unread map[uint64]string
	// changed maps those of its originals that changed while they were copied to a
	// description, until this reading repeats it.
	changed map[uint64]string

	view     *evidence.Current // set by recall
	meetings *meetings
	// meet returns the meetings as they are before the first message; set by recall.
	meet func() (*meetings, error)
	// protection seals messages before they are stored; nil if there is no guard, and until
	// they can be judged.
	protection *protection
	// offer returns the record that takes the place of one that was read. Default: the record
	// itself.
	offer   func(*argus.Record) (*argus.Record, error)
	reading *sandbox.Readers
	batch   *batch

	// put makes records durable and numbers them; open opens a kept file, and plain opens it
	// as a file that any program can read.
	put   func(ctx context.Context, records []*argus.Record) error
	open  func(*argus.Record) (sandbox.Content, error)
	plain func(context.Context, *argus.Record) (*os.File, error)
}

// piece is a file of the delivery that is read on its own.
type piece struct {
	original uint64
	path     string
}

// stretch is a number of items of a piece. It ends at the point where the reading broke, or
// where it was interrupted.
type stretch struct {
	items uint64
	broke bool
}

// holding is a file whose bytes are held, for messages that name it.
type holding struct {
	hash argus.Hash
	size int64
	used bool
	// record is the original that the file is, or that contains it.
	record *argus.Record
}

func newIntake(o Options, d argus.DeliveryNumber) *intake {
	in := &intake{
		o: o, delivery: d, readers: o.readerNames(), progress: Progress{Delivery: d},
		done: map[piece][]stretch{}, holdings: map[string]*holding{}, containers: map[piece]argus.Hash{}, unread: map[uint64]string{}, changed: map[uint64]string{},
	}
	if o.Limits.Temp == nil && o.Store != nil {
		o.Limits.Temp = o.Store.TempFile
	}
	in.o = o
	in.reading = sandbox.New(sandbox.Options{Apart: o.Apart, Formats: o.Formats, Format: o.Format, Reading: o.Reading, Limits: o.Limits, Beside: in.beside})
	in.batch = newBatch(in)
	in.put = func(ctx context.Context, records []*argus.Record) error { return o.Store.Append(ctx, d, records) }
	in.open = func(r *argus.Record) (sandbox.Content, error) { return o.Store.OpenOriginal(*r.Original) }
	in.plain = func(ctx context.Context, r *argus.Record) (*os.File, error) {
		return o.Store.PlainOriginal(ctx, *r.Original)
	}
	return in
}

// advance changes the progress and reports it.
func (in *intake) advance(change func(p *Progress)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	change(&in.progress)
	in.o.Progress(in.progress)
}

// recall reads from the evidence the work done before an interruption.
func (in *intake) recall(ctx context.Context) (err error) {
	if in.view, err = evidence.NewCurrent(in.o.Store); err != nil {
		return fmt.Errorf("recall delivery %s: %w", in.delivery, err)
	}
	for r, err := range in.o.Store.Records(ctx, in.delivery) {
		if err != nil {
			return fmt.Errorf("recall delivery %s: %w", in.delivery, err)
		}
		in.book.Add(r)
		switch r.Kind {
		case argus.KindOpening:
			in.meet = func() (*meetings, error) { return newMeetings(ctx, in.o.Formats, in.view, in.delivery, r.Seq) }
			if in.meetings, err = in.meet(); err != nil {
				return fmt.Errorf("recall delivery %s: %w", in.delivery, err)
			}
		case argus.KindOriginal:
			in.originals = append(in.originals, r)
		case argus.KindMessage, argus.KindSighting, argus.KindQuarantined, argus.KindAttachment, argus.KindStated, argus.KindSealed:
			if saysChanged(r) {
				delete(in.changed, r.Where.Original)
				continue
			}
			in.recallItem(in.piece(r), r.Quarantine != nil && r.Quarantine.Broke || r.Sealed != nil && r.Sealed.Broke)
			if r.Message != nil {
				in.meetings.take(r.MessageID(), r.Message)
			}
		case argus.KindReading:
			if err := in.recallReading(ctx, r); err != nil {
				return fmt.Errorf("recall delivery %s: %w", in.delivery, err)
			}
		case argus.KindKey, argus.KindOpened, argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed,
			argus.KindDerived, argus.KindAmendment: // does not occur in a delivery that readers read
		}
	}
	return nil
}

func (in *intake) recallItem(at piece, broke bool) {
	done := in.done[at]
	if len(done) == 0 || done[len(done)-1].broke {
		done = append(done, stretch{})
	}
	if last := &done[len(done)-1]; broke {
		last.broke = true
	} else {
		last.items++
	}
	in.done[at] = done
}

func (in *intake) run(ctx context.Context, files []foundFile) (*argus.Receipt, error) {
	defer in.reading.Close()
	fail := func(err error) (*argus.Receipt, error) {
		return nil, fmt.Errorf("ingest %s: %w", in.delivery, errors.Join(err, in.batch.stop()))
	}
	keep := func() error { return in.keep(ctx, files) }
	if in.again != 0 {
		keep = func() error { return in.carry(ctx) }
	}
	if err := keep(); err != nil {
		return fail(err)
	}
	in.advance(func(p *Progress) {
		p.Phase, p.Bytes, p.Total = "reading", 0, 0
		for _, r := range in.originals {
			p.Total += r.Original.Size
		}
	})
	if err := in.protect(ctx); err != nil {
		return fail(err)
	}
	if err := in.readAll(ctx); err != nil {
		return fail(err)
	}
	return in.seal(ctx, "")
}

// readAll reads the kept files.
func (in *intake) readAll(ctx context.Context) error {
	for _, r := range in.originals {
		if err := in.readOriginal(ctx, r); err != nil {
			return err
		}
	}
	if err := in.settleStrangers(ctx); err != nil {
		return err
	}
	return in.batch.finish(ctx)
}

// keep takes the bytes of every file, before anything is read.
func (in *intake) keep(ctx context.Context, files []foundFile) error {
	kept := map[string][]*argus.Original{} // file names that are not UTF-8 can become the same path
	for _, r := range in.originals {
		kept[r.Original.Path] = append(kept[r.Original.Path], r.Original)
	}
	in.advance(func(p *Progress) {
		p.Phase, p.Counts = "keeping", in.book.Counts()
		for _, f := range files {
			p.Total += f.size
		}
	})
	originals, err := in.o.Store.OriginalBatch()
	if err != nil {
		return err
	}
	err = in.keepAll(ctx, files, kept, &keeping{originals: originals})
	return errors.Join(err, originals.Commit())
}

func (in *intake) keepAll(ctx context.Context, files []foundFile, kept map[string][]*argus.Original, batch *keeping) error {
	for _, f := range files {
		if before := kept[f.path]; len(before) > 0 {
			if o := before[0]; o.Modified != f.modified || o.Size != f.size && o.Size > 0 {
				return fmt.Errorf("%w: %s has changed since", ErrOtherFiles, f.path)
			}
			kept[f.path] = before[1:]
			in.advance(func(p *Progress) { p.Bytes += f.size })
			continue
		}
		if err := in.keepFile(ctx, f, batch); err != nil {
			return err
		}
		if len(batch.records) < keepTogether && batch.bytes < keepBytes {
			continue
		}
		if err := in.recordKept(ctx, batch); err != nil {
			return err
		}
	}
	return in.recordKept(ctx, batch)
}

// keeping holds the files that are kept but not yet durable and recorded, and the reasons for
// unreadable ones, keyed by the position of the file.
type keeping struct {
	originals *evidence.OriginalBatch
	records   []*argus.Record
	problems  map[int]string
	bytes     int64  // of the source files
	last      string // path
}

// keepTogether is the maximum number of files that one batch of records covers, unless they
// reach keepBytes first.
const (
	keepTogether = 256
	keepBytes    = 64 << 20
)

func (in *intake) keepFile(ctx context.Context, f foundFile, batch *keeping) error {
	var o argus.Original
	if f.problem == "" {
		source := &sourceFile{name: f.place}
		var err error
		o, err = batch.originals.Put(ctx, source)
		changed := source.close(o.Size)
		switch {
		case source.err != nil:
			f.problem = fmt.Sprintf("the file cannot be read: %v", source.err)
		case err != nil:
			return err
		case changed != "":
			batch.problem(changed)
		}
	}
	if f.problem != "" {
		// No bytes can be kept; the account has a problem instead.
		var err error
		if o, err = batch.originals.Put(ctx, strings.NewReader("")); err != nil {
			return err
		}
		batch.problem(label(f.problem))
	}
	o.Path, o.Modified = f.path, f.modified
	batch.records = append(batch.records, &argus.Record{Kind: argus.KindOriginal, Original: &o})
	batch.bytes += f.size
	batch.last = f.path
	return nil
}

// problem notes why the file whose record comes next is faulty.
func (k *keeping) problem(why string) {
	if k.problems == nil {
		k.problems = map[int]string{}
	}
	k.problems[len(k.records)] = why
}

// recordKept makes the files durable, and then their records.
func (in *intake) recordKept(ctx context.Context, batch *keeping) error {
	if err := batch.originals.Commit(); err != nil {
		return err
	}
	if err := in.append(ctx, batch.records); err != nil {
		return err
	}
	in.originals = append(in.originals, batch.records...)
	var problems []*argus.Record
	for i, r := range batch.records {
		if why, bad := batch.problems[i]; bad {
			problem := &argus.Record{Kind: argus.KindQuarantined, Where: argus.Where{Original: r.Seq}, Quarantine: &argus.Quarantine{Reason: why}}
			if !saysChanged(problem) {
				in.recallItem(piece{r.Seq, ""}, false)
			}
			problems = append(problems, problem)
		}
	}
	in.advance(func(p *Progress) {
		p.File = batch.last
		p.Bytes += batch.bytes
	})
	*batch = keeping{originals: batch.originals}
	return in.append(ctx, problems)
}

// append makes records durable at once.
func (in *intake) append(ctx context.Context, records []*argus.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := in.put(ctx, records); err != nil {
		return err
	}
	for _, r := range records {
		in.book.Add(r)
	}
	in.advance(func(p *Progress) { p.Counts, p.Acknowledged = in.book.Counts(), records[len(records)-1].Seq })
	return nil
}

// sourceFile reads a file of the delivery and separates its errors from those of the
// store.
type sourceFile struct {
	name   string
	f      *os.File
	before os.FileInfo
	err    error
}

func (s *sourceFile) Read(p []byte) (n int, err error) {
	if s.f == nil {
		if s.f, s.err = os.Open(s.name); s.err == nil {
			s.before, s.err = s.f.Stat()
		}
		if s.err != nil {
			return 0, s.err
		}
	}
	n, err = s.f.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// changedWhileCopied is the beginning of the reason in a record about such a change, which
// is not a piece of the content.
const changedWhileCopied = "the file changed while it was copied, and its bytes may come from different moments"

func saysChanged(r *argus.Record) bool {
	return r.Where.Reader == 0 && r.Quarantine != nil && strings.HasPrefix(r.Quarantine.Reason, changedWhileCopied)
}

// close ends the reading, and returns a description if the file has changed since it
// was opened.
func (s *sourceFile) close(copied int64) (changed string) {
	if s.f == nil {
		return ""
	}
	defer s.f.Close()
	if s.err != nil {
		return ""
	}
	after, err := s.f.Stat()
	now, nowErr := os.Stat(s.name)
	tell := func(i os.FileInfo) string {
		return fmt.Sprintf("%d bytes (modified %s)", i.Size(), i.ModTime().UTC().Format(time.RFC3339Nano))
	}
	switch {
	case err != nil || nowErr != nil:
		return label(fmt.Sprintf("%s, but it can no longer be examined: %v", changedWhileCopied, errors.Join(err, nowErr)))
	case !os.SameFile(after, now):
		return changedWhileCopied + ", but another file now has its name"
	case after.Size() != copied || after.Size() != s.before.Size() || !after.ModTime().Equal(s.before.ModTime()):
		return fmt.Sprintf("%s: it had %s before, and %s after %d bytes were copied", changedWhileCopied, tell(s.before), tell(after), copied)
	}
	return ""
}

// readOriginal reads everything in one kept file.
func (in *intake) readOriginal(ctx context.Context, record *argus.Record) error {
	o := record.Original
	var before int64
	in.advance(func(p *Progress) { before, p.File = p.Bytes, o.Path })
	defer func() { in.advance(func(p *Progress) { p.Bytes = before + o.Size }) }()
	f, err := in.open(record)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	of := sandbox.Original{Name: o.Path, Size: o.Size, File: f}
	if err := in.take(ctx, record, of); err != nil {
		return err
	}
	if in.o.Via != nil {
		return in.readVia(ctx, record)
	}
	var at reading
	last := time.Now()
	for e, err := range in.reading.Read(ctx, of) {
		if err != nil {
			return err
		}
		if err := in.read(ctx, &at, record, e); err != nil {
			return err
		}
		if at.where.Path == "" && time.Since(last) > 100*time.Millisecond {
			last = time.Now()
			in.advance(func(p *Progress) { p.Bytes = before + min(at.behind, o.Size) })
		}
	}
	return in.finish(ctx, &at)
}

// take notes the files that messages may name and readers may look up: the original itself, or
// the files in an archive.
func (in *intake) take(ctx context.Context, record *argus.Record, of sandbox.Original) error {
	if in.o.Guard != nil {
		in.containers[piece{record.Seq, ""}] = record.Original.Hash
	}
	if len(in.holdings) == 0 {
		// The originals of a folder are siblings.
		for _, r := range in.originals {
			in.holdings[r.Original.Path] = &holding{hash: r.Original.Hash, size: r.Original.Size, record: r}
		}
	}
	if in.o.Via != nil {
		return nil // it opens archives itself if it supports them
	}
	for file, err := range in.reading.Files(ctx, of) {
		if err != nil {
			return err
		}
		if file.Path == "" || file.Problem != "" || file.Hash == (argus.Hash{}) {
			continue
		}
		in.holdings[file.Name] = &holding{hash: file.Hash, size: file.Size, record: record}
		if in.o.Guard != nil {
			in.containers[piece{record.Seq, label(file.Path)}] = file.Hash
		}
	}
	return nil
}

// reading is the state of reading an original.
type reading struct {
	where   argus.Where // of the current file, with its reader
	name    string
	repeats *repeats
	second  second
	devices *devices
	behind  int64 // how many bytes of the file were read
	found   bool  // whether it had any record
	said    bool  // whether it had a message
	// over is set if the rest of the file is skipped because it broke its reader before an
	// interruption.
	over bool
}

// read handles an event of reading an original.
func (in *intake) read(ctx context.Context, at *reading, record *argus.Record, e sandbox.Event) error {
	if f := e.File; f != nil {
		if err := in.finish(ctx, at); err != nil {
			return err
		}
		where := argus.Where{Original: record.Seq, Path: label(f.Path), Reader: uint8(slices.Index(in.readers, f.Reader) + 1)}
		*at = reading{where: where, name: f.Name, repeats: newRepeats(in.o.Formats, f.Reader), devices: newDevices(in.o.Formats, f.Reader), found: f.Problem != ""}
		switch {
		case f.Problem != "":
			return in.give(ctx, at, in.record(at, reader.Item{Problem: f.Problem}))
		case f.Reader == "" && !e.Broke:
			in.strangers = append(in.strangers, stranger{where, f.Name, f.Looks})
			return nil
		}
	}
	if i := e.Item; i.Message == nil && i.Problem == "" && i.Stated == nil && !e.Broke {
		return nil // only the beginning of a file
	}
	if at.second.takes(at.repeats, e) {
		return nil
	}
	if err := in.release(ctx, at); err != nil {
		return err
	}
	if at.second.takes(at.repeats, e) {
		return nil
	}
	return in.item(ctx, at, e)
}

// release continues with the items that were held back.
func (in *intake) release(ctx context.Context, at *reading) error {
	held := at.second.held
	if len(held) > 1 {
		for _, e := range held {
			in.resolve(e.Item.Message, at.name)
		}
		at.repeats.inOrder(held)
	}
	at.second = second{}
	for _, e := range held {
		if err := in.item(ctx, at, e); err != nil {
			return err
		}
	}
	return nil
}

// item handles one item found in a file.
func (in *intake) item(ctx context.Context, at *reading, e sandbox.Event) error {
	r := in.record(at, e.Item)
	if e.Broke {
		r.Quarantine.Broke = true
	}
	if r.Kind == argus.KindMessage {
		if !at.said && at.where.Reader > 0 {
			at.said = true
			in.kinds.add(at.name, in.readers[at.where.Reader-1])
		}
		if err := in.meetings.meet(ctx, r); err != nil {
			return err
		}
		at.devices.meet(r, e.Item.Device)
	}
	at.behind, at.found = r.Where.Offset+r.Where.Length, true
	return in.give(ctx, at, r)
}

// finish ends a file. A file without a record is a problem too.
func (in *intake) finish(ctx context.Context, at *reading) error {
	if err := in.release(ctx, at); err != nil {
		return err
	}
	if at.where.Reader == 0 || at.found {
		return nil
	}
	return in.give(ctx, at, in.record(at, reader.Item{Problem: "the reader found no record in the file"}))
}

// beside finds a file of the delivery for a reader that looks for names in the files next to
// the messages. The file then counts as read.
func (in *intake) beside(_ context.Context, name string) (b sandbox.Beside, ok bool, err error) {
	h := in.holdings[name]
	if h == nil || h.size > sandbox.SiblingLimit {
		return b, false, nil
	}
	o := h.record.Original
	f, err := in.open(h.record)
	if err != nil {
		return b, false, err
	}
	h.used = true
	return sandbox.Beside{Original: sandbox.Original{Name: o.Path, Size: o.Size, File: f}, Size: h.size}, true, nil
}

// give hands a record on, unless it was handed on before an interruption. The files of an
// archive may share a path; their records are counted together.
func (in *intake) give(ctx context.Context, at *reading, r *argus.Record) error {
	broke := r.Quarantine != nil && r.Quarantine.Broke
	p := in.piece(r)
	if at.over {
		return nil
	}
	if done := in.done[p]; len(done) > 0 {
		switch first := &done[0]; {
		case broke && first.broke, !broke && first.items == 0 && first.broke:
			// The reader broke in this file before, sooner or later than now.
			at.over = true
			in.done[p] = done[1:]
			return nil
		case broke:
			delete(in.done, p) // earlier than the point of the interruption
		case first.items > 0:
			first.items--
			return nil
		}
	}
	if in.offer != nil {
		var err error
		if r, err = in.offer(r); err != nil {
			return err
		}
	}
	return in.batch.add(ctx, r)
}

// record makes a record of a reader's item.
func (in *intake) record(at *reading, item reader.Item) *argus.Record {
	where := at.where
	where.Record, where.Offset, where.Length = item.Where.Record, item.Where.Offset, item.Where.Length
	reason := item.Problem
	if m := item.Message; m != nil && reason == "" {
		if !at.repeats.stored {
			addNationalNumbers(m, in.o.Reading.Countries)
			in.resolve(m, at.name)
		}
		if at.where.Reader > 0 {
			m.Sent.Clock = clockOf(in.o.Formats, in.readers[at.where.Reader-1], m)
		}
		if err := m.Valid(); err != nil {
			reason = err.Error()
		} else {
			r := &argus.Record{Kind: argus.KindMessage, Message: m, Where: where}
			r.ID, r.Version = at.repeats.identity(m, item.Device)
			if n := r.Size(); n <= evidence.MaxRecord {
				return r
			}
			reason = fmt.Sprintf("the message is longer than %d bytes", evidence.MaxRecord)
		}
	}
	if s := item.Stated; s != nil && reason == "" {
		return &argus.Record{Kind: argus.KindStated, Stated: &argus.Stated{What: label(s.What), Count: s.Count, Besides: s.Besides}, Where: where}
	}
	if reason == "" {
		reason = "the reader returned neither a message nor a reason"
	}
	raw := item.Raw[:min(len(item.Raw), argus.QuarantineRaw)]
	return &argus.Record{Kind: argus.KindQuarantined, Where: where,
		Quarantine: &argus.Quarantine{Reason: strings.ToValidUTF8(reason, "\uFFFD"), Raw: raw}}
}

// resolve sets the hashes of a message's attachments, if files with their names are held in the
// folder of the file that names them.
func (in *intake) resolve(m *argus.Message, name string) {
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if !a.Missing() || a.Name == "" {
			continue
		}
		h := in.holdings[path.Join(path.Dir(name), a.Name)]
		if h == nil {
			continue
		}
		h.used = true
		a.Hash, a.Size = h.hash, h.size
	}
}

func (in *intake) seal(ctx context.Context, incomplete string) (*argus.Receipt, error) {
	in.advance(func(p *Progress) { p.Phase = "sealing" })
	seal, err := in.o.Hands.seal(
		func() (*argus.Seal, error) {
			return in.withheld(ctx, incomplete, func() (*argus.Seal, error) {
				return in.o.Store.Seal(ctx, in.delivery, in.o.StoreID, in.o.Signer, in.o.Now(), incomplete)
			})
		},
		func(seal *argus.Seal) error { return RecordSeal(context.WithoutCancel(ctx), in.o, seal) })
	if err != nil {
		return nil, err
	}
	if in.o.Guard != nil {
		seal = seal.Shown()
	}
	receipt := in.book.Receipt(seal)
	receipt.Reads = in.again
	return receipt, nil
}

// about returns the details of a delivery for the ledger, when it begins or resumes.
func (in *intake) about(source string) []argus.Field {
	details := []argus.Field{{Name: "source", Value: source}}
	if in.again != 0 {
		details = append(details, argus.Field{Name: "reads", Value: in.again.String()})
	}
	return details
}

// RecordOpening writes the opening of a delivery to the ledger. The entry comes after the
// records of the opening, which it names, and before any other entry of the delivery.
func RecordOpening(ctx context.Context, o Options, d argus.DeliveryNumber, details ...argus.Field) error {
	with, err := o.Store.Begun(d)
	if err != nil {
		return err
	}
	return o.Record(ctx, ledger.OpenDelivery, d, append(details, argus.Field{Name: "opening", Value: with.Root.String()}))
}

// RecordSeal writes a seal to the ledger. A crash right after sealing can prevent that; the
// next process to open the store writes it.
func RecordSeal(ctx context.Context, o Options, seal *argus.Seal) error {
	text, err := o.Store.SealText(seal.Delivery)
	if err != nil {
		return err
	}
	err = o.Record(ctx, ledger.SealDelivery, seal.Delivery, []argus.Field{
		{Name: "root", Value: seal.Root.String()},
		{Name: "seal", Value: argus.Hash(sha256.Sum256(text)).String()},
		{Name: "read", Value: fmt.Sprint(seal.Counts.Shown().Read)},
	})
	if err != nil {
		return fmt.Errorf("record the seal of %s: %w", seal.Delivery, err)
	}
	return nil
}

package intake

import (
	"bytes"
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
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/reader"
)

// intake is the reading of one delivery.
type intake struct {
	o        Options
	delivery argus.DeliveryNumber
	readers  []string
	book     argus.Bookkeeper

	mu       sync.Mutex
	progress Progress

	originals []*argus.Record     // kept so far, in order
	done      map[piece]uint64    // items that are in the evidence already, when resuming
	holdings  map[string]*holding // files that a message may name, by path
	strangers []stranger          // files that no reader recognised
	siblings  map[string][]byte   // files that lie beside those that are read, by path
	held      int                 // bytes of siblings

	meetings *meetings
	batch    *batch
}

// piece is a file of the delivery that is read on its own.
type piece struct {
	original uint64
	path     string
}

// holding is a file whose bytes are held, for messages that name it.
type holding struct {
	hash argus.Hash
	size int64
	used bool
	// record is the original that it is, or is in.
	record *argus.Record
}

// stranger is a file that no reader recognised.
type stranger struct {
	where argus.Where
	name  string // key of holdings
}

func newIntake(o Options, d argus.DeliveryNumber) *intake {
	in := &intake{
		o: o, delivery: d, readers: readerNames(), progress: Progress{Delivery: d},
		done: map[piece]uint64{}, holdings: map[string]*holding{},
		siblings: map[string][]byte{},
	}
	in.batch = newBatch(in)
	return in
}

// advance changes the progress and tells it.
func (in *intake) advance(change func(p *Progress)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	change(&in.progress)
	in.o.Progress(in.progress)
}

// recall learns from the evidence what was done before an interruption.
func (in *intake) recall(ctx context.Context) error {
	for r, err := range in.o.Store.Records(ctx, in.delivery) {
		if err != nil {
			return fmt.Errorf("recall delivery %s: %w", in.delivery, err)
		}
		in.book.Add(r)
		switch r.Kind {
		case argus.KindOpening:
			if in.meetings, err = newMeetings(ctx, in.o.Store, in.delivery, r.Seq); err != nil {
				return fmt.Errorf("recall delivery %s: %w", in.delivery, err)
			}
		case argus.KindOriginal:
			in.originals = append(in.originals, r)
		case argus.KindMessage, argus.KindSighting, argus.KindQuarantined, argus.KindAttachment:
			in.done[piece{r.Where.Original, r.Where.Path}]++
			if r.Message != nil {
				in.meetings.take(r.ID, r.Message)
			}
		}
	}
	return nil
}

func (in *intake) run(ctx context.Context, files []foundFile) (*argus.Receipt, error) {
	fail := func(err error) (*argus.Receipt, error) {
		return nil, fmt.Errorf("ingest %s: %w", in.delivery, errors.Join(err, in.batch.stop()))
	}
	if err := in.keep(ctx, files); err != nil {
		return fail(err)
	}
	in.advance(func(p *Progress) {
		p.Phase, p.Bytes, p.Total = "reading", 0, 0
		for _, r := range in.originals {
			p.Total += r.Original.Size
		}
	})
	for _, r := range in.originals {
		if err := in.readOriginal(ctx, r); err != nil {
			return fail(err)
		}
	}
	if err := in.settleStrangers(ctx); err != nil {
		return fail(err)
	}
	if err := in.batch.finish(ctx); err != nil {
		return fail(err)
	}
	return in.seal(ctx, "")
}

// keep takes the bytes of every file, before anything is read.
func (in *intake) keep(ctx context.Context, files []foundFile) error {
	kept := map[string][]*argus.Original{} // names that are not UTF-8 can share a path
	for _, r := range in.originals {
		kept[r.Original.Path] = append(kept[r.Original.Path], r.Original)
	}
	in.advance(func(p *Progress) {
		p.Phase, p.Counts = "keeping", in.book.Counts()
		for _, f := range files {
			p.Total += f.size
		}
	})
	var batch keeping
	for _, f := range files {
		if before := kept[f.path]; len(before) > 0 {
			if o := before[0]; o.Modified != f.modified || o.Size != f.size && o.Size > 0 {
				return fmt.Errorf("%w: %s has changed since", ErrOtherFiles, f.path)
			}
			kept[f.path] = before[1:]
		} else if err := in.keepFile(ctx, f, &batch); err != nil {
			return err
		}
		in.advance(func(p *Progress) {
			p.File = f.path
			p.Bytes += f.size
		})
	}
	return in.recordKept(ctx, &batch)
}

// keeping is the files that are kept and not yet recorded, and why some of
// them could not be read, by their place.
type keeping struct {
	records  []*argus.Record
	problems map[int]string
}

// keepTogether is how many files one batch of records speaks of.
const keepTogether = 256

func (in *intake) keepFile(ctx context.Context, f foundFile, batch *keeping) error {
	o := &argus.Original{Path: f.path, Modified: f.modified}
	if f.problem == "" {
		source := &sourceFile{name: f.place}
		hash, size, err := in.o.Store.PutOriginal(ctx, source)
		source.close()
		switch {
		case source.err != nil:
			f.problem = fmt.Sprintf("the file cannot be read: %v", source.err)
		case err != nil:
			return err
		}
		o.Hash, o.Size = hash, size
	}
	if f.problem != "" {
		// No bytes can be kept; the account says so in their place.
		var err error
		if o.Hash, o.Size, err = in.o.Store.PutOriginal(ctx, strings.NewReader("")); err != nil {
			return err
		}
		if batch.problems == nil {
			batch.problems = map[int]string{}
		}
		batch.problems[len(batch.records)] = label(f.problem)
	}
	batch.records = append(batch.records, &argus.Record{Kind: argus.KindOriginal, Original: o})
	if len(batch.records) < keepTogether {
		return nil
	}
	return in.recordKept(ctx, batch)
}

// recordKept makes durable which files are kept.
func (in *intake) recordKept(ctx context.Context, batch *keeping) error {
	if err := in.append(ctx, batch.records); err != nil {
		return err
	}
	in.originals = append(in.originals, batch.records...)
	var problems []*argus.Record
	for i, r := range batch.records {
		if why, bad := batch.problems[i]; bad {
			in.done[piece{r.Seq, ""}]++
			problems = append(problems, &argus.Record{Kind: argus.KindQuarantined,
				Where: argus.Where{Original: r.Seq}, Quarantine: &argus.Quarantine{Reason: why}})
		}
	}
	*batch = keeping{}
	return in.append(ctx, problems)
}

// append makes records durable at once.
func (in *intake) append(ctx context.Context, records []*argus.Record) error {
	if len(records) == 0 {
		return nil
	}
	if err := in.o.Store.Append(ctx, in.delivery, records); err != nil {
		return err
	}
	for _, r := range records {
		in.book.Add(r)
	}
	in.advance(func(p *Progress) { p.Counts, p.Acknowledged = in.book.Counts(), in.o.Store.Last() })
	return nil
}

// sourceFile reads a file of the delivery and keeps what went wrong with it
// apart from what may go wrong with the store.
type sourceFile struct {
	name string
	f    *os.File
	err  error
}

func (s *sourceFile) Read(p []byte) (n int, err error) {
	if s.f == nil {
		if s.f, err = os.Open(s.name); err != nil {
			s.err = err
			return 0, err
		}
	}
	n, err = s.f.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func (s *sourceFile) close() {
	if s.f != nil {
		s.f.Close()
	}
}

// readOriginal reads everything in one kept file.
func (in *intake) readOriginal(ctx context.Context, record *argus.Record) error {
	o := record.Original
	var before int64
	in.advance(func(p *Progress) { before, p.File = p.Bytes, o.Path })
	defer func() { in.advance(func(p *Progress) { p.Bytes = before + o.Size }) }()
	f, err := in.o.Store.OpenOriginal(o.Hash)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := in.take(ctx, record, f); err != nil {
		return err
	}
	for file, err := range reader.Files(ctx, o.Path, f, o.Size, in.o.Limits) {
		if err != nil {
			return err
		}
		where := argus.Where{Original: record.Seq, Path: file.Path}
		if err := in.readFile(ctx, where, file); err != nil {
			return err
		}
	}
	return nil
}

// take notes the files that messages may name: the original itself, or what an
// archive holds that no reader recognises.
func (in *intake) take(ctx context.Context, record *argus.Record, f *os.File) error {
	o := record.Original
	if len(in.holdings) == 0 {
		// The originals of a folder lie beside each other.
		for _, r := range in.originals {
			in.holdings[r.Original.Path] = &holding{hash: r.Original.Hash, size: r.Original.Size, record: r}
		}
	}
	for file, err := range reader.Files(ctx, o.Path, f, o.Size, in.o.Limits) {
		if err != nil {
			return err
		}
		if file.Path == "" || file.Problem != "" {
			continue
		}
		if format, _ := reader.Detect(file.Sample); format != nil {
			continue
		}
		h := &holding{size: file.Input.Size, record: record}
		sum := sha256.New()
		if _, err := io.Copy(sum, file.Input.Reader()); err != nil {
			return err
		}
		sum.Sum(h.hash[:0])
		in.holdings[file.Input.Name] = h
	}
	return nil
}

// format returns the reader of a file, and its place from 1 in the delivery's
// list. A format that the operator names is not forced on what is no text.
func (in *intake) format(sample reader.Sample) (*reader.Format, uint8) {
	format, _ := reader.Detect(sample)
	if forced, ok := reader.ByName(in.o.Format); ok && (sample.Text != nil || forced.Detect(sample) > 0) {
		format = forced
	}
	if format == nil {
		return nil, 0
	}
	return format, uint8(slices.Index(in.readers, format.String()) + 1)
}

// readFile reads one file, or the one problem that stands for it.
func (in *intake) readFile(ctx context.Context, where argus.Where, file reader.File) error {
	if file.Problem != "" {
		return in.give(ctx, &argus.Record{Kind: argus.KindQuarantined, Where: where, Quarantine: &argus.Quarantine{Reason: file.Problem}})
	}
	format, number := in.format(file.Sample)
	if format == nil {
		in.strangers = append(in.strangers, stranger{where, file.Input.Name})
		return nil
	}
	where.Reader = number
	file.Input.Options = in.o.Reading
	var fault error // of the store, met while looking beside the file
	file.Input.Sibling = func(name string) (io.ReaderAt, int64, bool) {
		content, ok, err := in.sibling(ctx, name)
		if err != nil {
			fault = err
		}
		return bytes.NewReader(content), int64(len(content)), ok
	}
	repeats := newRepeats()
	var base int64
	in.advance(func(p *Progress) { base = p.Bytes })
	last := time.Now()
	found := false
	for item, err := range format.Read(ctx, file.Input) {
		if fault != nil {
			return fault
		}
		found = true
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			item = reader.Item{Problem: "the file cannot be read further: " + err.Error(), Where: item.Where}
		}
		record := in.record(where, item, file.Input.Name, repeats)
		if record.Kind == argus.KindMessage {
			if record.ID, record.Version, err = in.meetings.identity(ctx, record); err != nil {
				return err
			}
		}
		if err := in.give(ctx, record); err != nil {
			return err
		}
		if where.Path == "" && time.Since(last) > 100*time.Millisecond {
			last = time.Now()
			in.advance(func(p *Progress) { p.Bytes = base + record.Where.Offset + record.Where.Length })
		}
	}
	if !found && fault == nil { // a file without a record is a problem, too
		fault = in.give(ctx, in.record(where, reader.Item{Problem: "the reader found no record in the file"}, file.Input.Name, repeats))
	}
	return fault
}

// siblingLimit is the largest file that is held for those beside it, and
// siblingsLimit how much of them is held at once, in bytes.
const (
	siblingLimit  = 64 << 20
	siblingsLimit = 2 * siblingLimit
)

// sibling returns a file of the delivery for a reader that looks for names
// beside the messages. The file then counts as read.
func (in *intake) sibling(ctx context.Context, name string) (content []byte, ok bool, err error) {
	h := in.holdings[name]
	if h == nil || h.size > siblingLimit {
		return nil, false, nil
	}
	if content, ok = in.siblings[name]; !ok {
		if content, err = in.hold(ctx, h, name); err != nil {
			return nil, false, err
		}
		if in.held += len(content); in.held > siblingsLimit {
			clear(in.siblings)
			in.held = len(content)
		}
		in.siblings[name] = content
	}
	h.used = true
	return content, true, nil
}

// hold reads a file of the delivery, which may lie in an archive.
func (in *intake) hold(ctx context.Context, h *holding, name string) ([]byte, error) {
	o := h.record.Original
	f, err := in.o.Store.OpenOriginal(o.Hash)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if o.Path == name {
		return io.ReadAll(f)
	}
	for file, err := range reader.Files(ctx, o.Path, f, o.Size, in.o.Limits) {
		if err != nil {
			return nil, err
		}
		if file.Problem == "" && file.Input.Name == name && file.Input.Size == h.size {
			return io.ReadAll(file.Input.Reader())
		}
	}
	return nil, fmt.Errorf("find %q in %q: %w", name, o.Path, argus.ErrNotFound)
}

// give hands a record on, unless it was handed on before an interruption. The
// files of an archive may share a path; their records are counted off together.
func (in *intake) give(ctx context.Context, r *argus.Record) error {
	at := piece{r.Where.Original, r.Where.Path}
	if in.done[at] > 0 {
		in.done[at]--
		return nil
	}
	return in.batch.add(ctx, r)
}

// record makes a record of what a reader found.
func (in *intake) record(where argus.Where, item reader.Item, name string, repeats *repeats) *argus.Record {
	where.Record, where.Offset, where.Length = item.Where.Record, item.Where.Offset, item.Where.Length
	reason := item.Problem
	if m := item.Message; m != nil && reason == "" {
		in.resolve(m, name)
		if err := m.Valid(); err != nil {
			reason = err.Error()
		} else {
			r := &argus.Record{Kind: argus.KindMessage, Message: m, Where: where}
			r.ID, r.Version = repeats.identity(m)
			if n := r.Size(); n <= evidence.MaxRecord {
				return r
			}
			reason = fmt.Sprintf("the message takes more than %d bytes", evidence.MaxRecord)
		}
	}
	if reason == "" {
		reason = "the reader gave neither a message nor a reason"
	}
	raw := item.Raw[:min(len(item.Raw), argus.QuarantineRaw)]
	return &argus.Record{Kind: argus.KindQuarantined, Where: where,
		Quarantine: &argus.Quarantine{Reason: strings.ToValidUTF8(reason, "\uFFFD"), Raw: raw}}
}

// resolve gives the attachments of a message the hashes of the files that are
// held under their names, beside the file that names them.
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

// settleStrangers accounts for the files that no reader recognised: those that
// a message named are attachments, the others are quarantined.
func (in *intake) settleStrangers(ctx context.Context) error {
	for _, s := range in.strangers {
		h := in.holdings[s.name]
		if h != nil && h.used && s.where.Path == "" {
			continue // its original is the record
		}
		r := &argus.Record{Kind: argus.KindQuarantined, Where: s.where}
		switch {
		case h != nil && h.used:
			r.Kind, r.Original = argus.KindAttachment, &argus.Original{Hash: h.hash, Size: h.size, Path: s.where.Path}
		case h != nil && h.size == 0:
			r.Quarantine = &argus.Quarantine{Reason: "the file is empty"}
		default:
			r.Quarantine = &argus.Quarantine{Reason: "no reader recognises the file, and no message names it; its bytes are kept"}
		}
		if err := in.give(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (in *intake) seal(ctx context.Context, incomplete string) (*argus.Receipt, error) {
	in.advance(func(p *Progress) { p.Phase = "sealing" })
	seal, err := in.o.Store.Seal(ctx, in.delivery, in.o.StoreID, in.o.Signer, in.o.Now(), incomplete)
	if err != nil {
		return nil, err
	}
	if err := RecordSeal(ctx, in.o, seal); err != nil {
		return nil, err
	}
	return in.book.Receipt(seal), nil
}

// RecordSeal writes a seal to the ledger. A crash right after sealing can keep
// it from being written; whoever opens the store next sees to it.
func RecordSeal(ctx context.Context, o Options, seal *argus.Seal) error {
	text, err := o.Store.SealText(seal.Delivery)
	if err != nil {
		return err
	}
	err = o.Record(ctx, "ingest.seal", seal.Delivery, []argus.Field{
		{Name: "root", Value: seal.Root.String()},
		{Name: "seal", Value: argus.Hash(sha256.Sum256(text)).String()},
		{Name: "read", Value: fmt.Sprint(seal.Counts.Read)},
	})
	if err != nil {
		return fmt.Errorf("record the seal of %s: %w", seal.Delivery, err)
	}
	return nil
}

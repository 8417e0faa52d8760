package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Span is a range of entry numbers, including both ends.
type Span struct{ First, Last uint64 }

// ParseSpans parses the numbers of entries in the subject of a [Destroy] act: "3,7-9",
// rising, from 1.
func ParseSpans(text string) ([]Span, error) {
	var spans []Span
	for part := range strings.SplitSeq(text, ",") {
		from, to, more := strings.Cut(part, "-")
		if !more {
			to = from
		}
		first, err := strconv.ParseUint(from, 10, 64)
		last, err2 := strconv.ParseUint(to, 10, 64)
		if err != nil || err2 != nil || first == 0 || last < first {
			return nil, fmt.Errorf("%q is neither the number of an entry nor a range, such as 7-9", part)
		}
		spans = append(spans, Span{first, last})
	}
	return spans, nil
}

// formatSpans returns the canonical form of some entries; it sorts and joins them.
func formatSpans(spans []Span) (sorted []Span, text string) {
	spans = slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return cmp.Compare(a.First, b.First) })
	var parts []string
	for _, s := range spans {
		if n := len(sorted) - 1; n >= 0 && s.First-1 <= sorted[n].Last {
			sorted[n].Last = max(sorted[n].Last, s.Last)
			continue
		}
		sorted = append(sorted, s)
	}
	for _, s := range sorted {
		part := strconv.FormatUint(s.First, 10)
		if s.Last > s.First {
			part += "-" + strconv.FormatUint(s.Last, 10)
		}
		parts = append(parts, part)
	}
	return sorted, strings.Join(parts, ",")
}

// have reports whether some spans contain an entry from first to last.
func have(spans []Span, first, last uint64) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.First <= last && first <= s.Last })
}

// order is an act that destroyed the envelopes of some entries before it.
type order struct {
	entry uint64
	spans []Span
}

// orderOf returns the order in an entry, if it has one. An order that cannot be parsed
// is ignored.
func orderOf(e *Entry) (o order, ok bool) {
	if e.Action != Destroy {
		return o, false
	}
	spans, err := ParseSpans(e.Subject)
	if err != nil {
		return o, false
	}
	for i := range spans {
		spans[i].Last = min(spans[i].Last, e.Seq-1)
	}
	return order{e.Seq, spans}, true
}

// orderedBy returns the entry of the first order to destroy an envelope, or 0 if there is
// none.
func orderedBy(orders []order, seq uint64) uint64 {
	for _, o := range orders {
		if have(o.spans, seq, seq) {
			return o.entry
		}
	}
	return 0
}

// ordersNow returns all orders of the ledger. Each entry is read once.
func (l *Ledger) ordersNow(ctx context.Context) ([]order, error) {
	l.ordering.Lock()
	defer l.ordering.Unlock()
	for e, err := range l.Sealed(ctx, l.ordersTo+1, 0) {
		if err != nil {
			return nil, err
		}
		if o, ok := orderOf(&e); ok {
			l.orders = append(l.orders, o)
		}
		l.ordersTo = e.Seq
	}
	return l.orders, nil
}

// Destroy durably destroys the words of entries on an order: their envelopes are overwritten.
// The act comes first: the log has the numbers of the entries, and an envelope of the act's own
// has the words of the order. If a crash interrupts Destroy after the act, the next process to
// open the ledger or append to it finishes the destruction. The error is argus.ErrNotFound if
// there is no such entry, or names the entry that has no envelope to destroy.
func (l *Ledger) Destroy(ctx context.Context, actor string, spans []Span, words string) (Entry, error) {
	spans, text := formatSpans(spans)
	entry, err := l.destroy(ctx, Act{Actor: actor, Action: Destroy, Subject: text, Detail: map[string]string{"order": words}}, spans)
	if err != nil {
		return Entry{}, fmt.Errorf("destroy the text of entries %s: %w", text, err)
	}
	return entry, nil
}

func (l *Ledger) destroy(ctx context.Context, act Act, spans []Span) (entry Entry, err error) {
	if len(spans) == 0 || spans[0].First == 0 {
		return Entry{}, argus.ErrNotFound
	}
	err = l.Hold(ctx, func(record func(Act) (Entry, error)) error {
		size, err := l.Size()
		if err != nil {
			return err
		}
		if spans[len(spans)-1].Last > size {
			return fmt.Errorf("entry %d: %w", spans[len(spans)-1].Last, argus.ErrNotFound)
		}
		for _, s := range spans {
			for e, err := range l.Entries(ctx, s.First, int(s.Last-s.First+1)) {
				switch {
				case err != nil:
					return err
				case e.Envelope == argus.Hash{}:
					return fmt.Errorf("entry %d was written by an earlier version, so its text is in the log itself and cannot be destroyed", e.Seq)
				case e.Destroyed:
					return fmt.Errorf("the text of entry %d has already been destroyed", e.Seq)
				}
			}
		}
		// This file tells the next process that opens the ledger that a destruction may have to
		// be finished.
		mark := fmt.Appendf(nil, "%d %s\n", size, act.Subject)
		if err := durable.Replace(l.disk, filepath.Join(l.dir, destroyingName), mark); err != nil {
			return err
		}
		l.failpoint("destroy.ready")
		if entry, err = record(act); err != nil {
			return err // the next process to open the ledger checks whether the act is in it
		}
		l.failpoint("destroy.recorded")
		return l.settle(ctx)
	})
	return entry, err
}

// destroyingName is the file that exists while envelopes are destroyed. It contains the number
// of entries before the act, and the act's subject.
const destroyingName = envelopeDir + "/destroying"

// destroying is the content of that file.
type destroying struct {
	size  uint64
	text  string
	spans []Span
}

func parseDestroying(raw []byte) (d destroying, err error) {
	size, text, _ := strings.Cut(strings.TrimSuffix(string(raw), "\n"), " ")
	if d.size, err = strconv.ParseUint(size, 10, 63); err == nil {
		d.spans, err = ParseSpans(text)
	}
	if d.text = text; err == nil && string(raw) != fmt.Sprintf("%d %s\n", d.size, text) {
		err = errors.New("it is not in its canonical form")
	}
	if err != nil {
		return destroying{}, fmt.Errorf("read %s: %w: %w", destroyingName, err, argus.ErrDamaged)
	}
	return d, nil
}

// destroying reads which envelopes are being destroyed. It is not an error if none are.
func (l *Ledger) destroying() (destroying, error) {
	raw, err := l.read(destroyingName)
	if errors.Is(err, fs.ErrNotExist) {
		return destroying{}, nil
	}
	if err != nil {
		return destroying{}, err
	}
	return parseDestroying(raw)
}

// settle finishes, under the lock, an interrupted destruction if its act is in the ledger. If
// not, the act was never acknowledged and nothing was destroyed.
func (l *Ledger) settle(ctx context.Context) error {
	d, err := l.destroying()
	if err != nil || d.spans == nil {
		return err
	}
	ordered := false
	for e, err := range l.Sealed(ctx, d.size+1, 0) {
		if err != nil {
			return err
		}
		ordered = ordered || e.Action == Destroy && e.Subject == d.text
	}
	if ordered {
		for at := range bundlesOf(d.spans) {
			if err := l.overwrite(at, d.spans); err != nil {
				return err
			}
			l.failpoint("destroy.between")
		}
	}
	if err := l.disk.Remove(filepath.Join(l.dir, destroyingName)); err != nil {
		return err
	}
	return l.disk.SyncDir(filepath.Join(l.dir, envelopeDir))
}

// bundlesOf yields, for each file of envelopes, the first of the file's entries that is in one
// of the spans.
func bundlesOf(spans []Span) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		next := uint64(0) // the first bundle that was not yielded
		for _, s := range spans {
			for n := max(next, (s.First-1)/tileWidth); n <= (s.Last-1)/tileWidth; n++ {
				if next = n + 1; !yield(n*tileWidth + 1) {
					return
				}
			}
		}
	}
}

// overwrite overwrites the envelopes of some entries in the file of an entry's
// envelope. It also finishes envelopes that an earlier attempt overwrote in part.
func (l *Ledger) overwrite(seq uint64, spans []Span) (err error) {
	name := envelopePath(seq)
	f, err := l.disk.OpenFile(filepath.Join(l.dir, name), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Verify reports it
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	raw, err := l.read(name)
	if err != nil {
		return err
	}
	size, err := l.Size()
	if err != nil {
		return err
	}
	_, at, err := parseEnvelopes(raw, firstOf(seq), size, spans)
	if err != nil {
		return fmt.Errorf("read %s at byte %d: %w: %w", name, at, err, argus.ErrDamaged)
	}
	at = 0
	for line := range bytes.Lines(raw) {
		words, whole := bytes.CutSuffix(line, []byte("\n"))
		e, ok := parseEnvelope(words, at)
		if whole && (!ok || have(spans, e.entry, e.entry)) {
			if _, err := f.WriteAt(bytes.Repeat([]byte(" "), len(words)), int64(at)); err != nil {
				return err
			}
		}
		at += len(line)
	}
	return f.Sync()
}

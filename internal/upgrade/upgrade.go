// Package upgrade converts the evidence of a store of an older format into that of today,
// and proves that the content is the same. Each record keeps its number, so every
// reference to it stays valid. As proof, each record is read again from the new evidence
// and written as the older format would have written it; the result must equal the older
// record byte for byte. So the roots and seals of the older format follow from the new
// evidence alone.
package upgrade

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/format1"
)

// Options name the evidence to convert and the new store.
type Options struct {
	// Old is the evidence of the store. It may be damaged.
	Old *format1.Store
	// Dir is the folder of the new store, which must exist. An interrupted conversion in that
	// folder is continued.
	Dir string
	// Store is the id of both stores.
	Store string
	// Signer signs the new seals.
	Signer note.Signer
	// SegmentBytes is as in [evidence.Options].
	SegmentBytes int64
	// Progress is called with the number of records converted, and then with the number
	// compared. Default none.
	Progress func(step Step, done uint64)
	// Failpoint ends the process at named moments, in tests. Default none.
	Failpoint func(name string)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Step is a step of the conversion. The steps follow in this order.
type Step string

const (
	// Converting: the records are written.
	Converting Step = "converted"
	// Comparing: the records are read again and compared.
	Comparing Step = "compared"
)

// Result describes the converted evidence, which has the same content as before.
type Result struct {
	Records     uint64     `json:"records"`
	Messages    uint64     `json:"messages"`
	Sightings   uint64     `json:"sightings"`
	Quarantined uint64     `json:"quarantined"`
	Deliveries  []Delivery `json:"deliveries"`
	// Same is the SHA-256 over the roots of the deliveries of format 1, in order,
	// as they follow from the new evidence.
	Same argus.Hash `json:"same"`
}

// Delivery is a converted delivery.
type Delivery struct {
	Number  argus.DeliveryNumber `json:"delivery"`
	Records uint64               `json:"records"`
	// Root is the root in format 1.
	Root argus.Hash `json:"root"`
	// Before and Seal are the SHA-256 of the delivery's seals in format 1 and in today's
	// format, or zero while the delivery is open.
	Before argus.Hash `json:"before,omitzero"`
	Seal   argus.Hash `json:"seal,omitzero"`
}

func hashOf(data []byte) argus.Hash { return sha256.Sum256(data) }

// Evidence converts the evidence of a store and compares the two. The error is
// ErrDamaged if the older evidence differs from its seals, or if the new evidence does
// not reproduce an older record exactly. The content of o.Dir is then worthless.
func Evidence(ctx context.Context, o Options) (*Result, error) {
	c, err := start(o)
	if err != nil {
		return nil, err
	}
	if err := c.convert(ctx); err != nil {
		return nil, fmt.Errorf("convert the evidence: %w", err)
	}
	c.o.Failpoint("upgrade.converted")
	result, err := c.compare(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare the evidence of both formats: %w", err)
	}
	return result, nil
}

// start reads the first records of each delivery.
func start(o Options) (*converter, error) {
	if o.Progress == nil {
		o.Progress = func(Step, uint64) {}
	}
	if o.Failpoint == nil {
		o.Failpoint = func(string) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &converter{o: o, old: o.Old, deliveries: map[argus.DeliveryNumber]*converted{}}
	for _, d := range c.old.Deliveries() {
		opening, err := c.old.Get(d.First)
		if err != nil {
			return nil, fmt.Errorf("read the opening of delivery %s: %w", d.Number, err)
		}
		if opening.Opening == nil {
			return nil, fmt.Errorf("read the opening of delivery %s: %w: it begins with a record of kind %d", d.Number, argus.ErrDamaged, opening.Kind)
		}
		c.deliveries[d.Number] = &converted{Delivery: d, readers: opening.Opening.Readers}
	}
	return c, nil
}

type converter struct {
	o          Options
	old        *format1.Store
	new        *evidence.Store
	deliveries map[argus.DeliveryNumber]*converted
	decoder    format1.Decoder
	hasher     argus.Hasher
	of         cited
	changed    func(seq uint64, r *argus.Record) // nil except in tests, which change records

	batch      []*argus.Record
	batchOf    argus.DeliveryNumber
	batchBytes int
}

// converted is a delivery during its conversion.
type converted struct {
	format1.Delivery
	readers []string
	done    uint64 // number of records already in the new evidence
	sealed  bool   // whether it is sealed in the new evidence
}

// cited is the last record that was looked up as the message of a sighting.
type cited struct {
	seq uint64
	r   *format1.Record
}

// A batch of records that become durable together.
const (
	batchRecords = 4096
	batchBytes   = 8 << 20
)

func (c *converter) convert(ctx context.Context) (err error) {
	o := evidence.Options{SegmentBytes: c.o.SegmentBytes, Recent: 1, Failpoint: c.o.Failpoint}
	if _, err := os.Stat(filepath.Join(c.o.Dir, "evidence", "manifest")); errors.Is(err, fs.ErrNotExist) {
		c.new, err = evidence.Create(c.o.Dir, o)
		if err != nil {
			return err
		}
	} else if c.new, err = evidence.Open(c.o.Dir, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.new.Close()) }()
	if err := c.goOn(ctx); err != nil {
		return err
	}
	for raw, err := range c.old.Records(ctx, c.new.Last()+1) {
		if err != nil {
			return err
		}
		if err := c.record(ctx, raw); err != nil {
			return fmt.Errorf("record %d of delivery %s: %w", raw.Seq, raw.Delivery, err)
		}
	}
	return c.flush(ctx)
}

// goOn finds out how much of the work is already done.
func (c *converter) goOn(ctx context.Context) error {
	there, err := c.new.Deliveries(ctx)
	if err != nil {
		return err
	}
	for _, n := range there {
		d := c.deliveries[n.Number]
		if d == nil || n.Records > d.Records || n.First != d.First || n.Seal != nil && (d.Seal == nil || n.Records != d.Records) {
			return fmt.Errorf("%s does not belong to an interrupted upgrade of this store; delete it", c.o.Dir)
		}
		d.done, d.sealed = n.Records, n.Seal != nil
		if err := c.seal(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) record(ctx context.Context, raw format1.Raw) error {
	d := c.deliveries[raw.Delivery]
	r, err := c.decoder.Decode(raw.Data)
	if err != nil {
		return err
	}
	if raw.Delivery != c.batchOf || len(c.batch) >= batchRecords || c.batchBytes >= batchBytes {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	if (r.Kind == format1.Opening) != (raw.Seq == d.First) {
		return fmt.Errorf("%w: found a record of kind %d where delivery %s begins, at record %d", argus.ErrDamaged, r.Kind, d.Number, d.First)
	}
	if r.Kind == format1.Opening {
		return c.begin(ctx, d, r)
	}
	n, err := c.today(ctx, d, r)
	if err != nil {
		return err
	}
	if c.changed != nil {
		c.changed(raw.Seq, n)
	}
	c.batchOf = raw.Delivery
	c.batch = append(c.batch, n)
	c.batchBytes += len(raw.Data)
	if n.Message != nil {
		c.batchBytes += len(n.Message.Text)
	}
	d.done++
	if d.done < d.Records {
		return nil
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	return c.seal(ctx, d)
}

func (c *converter) begin(ctx context.Context, d *converted, r *format1.Record) error {
	number, err := c.new.Begin(ctx, toOpening(r.Opening, d.Seal))
	if err != nil {
		return err
	}
	if number != d.Number {
		return fmt.Errorf("the delivery was given the number %s", number)
	}
	d.done++
	return c.seal(ctx, d)
}

func (c *converter) flush(ctx context.Context) error {
	if len(c.batch) == 0 {
		return nil
	}
	if err := c.new.Append(ctx, c.batchOf, c.batch); err != nil {
		return err
	}
	// The evidence now owns the records.
	c.batch, c.batchBytes = make([]*argus.Record, 0, batchRecords), 0
	c.o.Progress(Converting, c.new.Last())
	c.o.Failpoint("upgrade.appended")
	return nil
}

// seal seals a whole delivery again if it was sealed.
func (c *converter) seal(ctx context.Context, d *converted) error {
	if d.Seal == nil || d.sealed || d.done < d.Records {
		return nil
	}
	_, err := c.new.Seal(ctx, d.Number, c.o.Store, c.o.Signer, c.o.Now(), d.Seal.Incomplete)
	d.sealed = err == nil
	return err
}

// today converts a record to today's form, which the evidence stores under the same number.
func (c *converter) today(ctx context.Context, d *converted, r *format1.Record) (*argus.Record, error) {
	n := &argus.Record{Kind: argus.Kind(r.Kind), Where: toWhere(r.Where)}
	switch r.Kind {
	case format1.Message:
		n.Message = toMessage(r.Message)
	case format1.Sighting:
		if err := c.sighting(n, r); err != nil {
			return nil, err
		}
	case format1.Quarantined:
		n.Quarantine = &argus.Quarantine{Reason: r.Quarantine.Reason, Raw: r.Quarantine.Raw, Broke: r.Quarantine.Broke}
	case format1.Stated:
		n.Stated = &argus.Stated{What: r.Stated.What, Count: r.Stated.Count, Besides: r.Stated.Besides}
	case format1.Original, format1.Attachment:
		o := r.Original
		n.Original = &argus.Original{Hash: o.Hash, Size: o.Size, Path: o.Path, Modified: o.Modified}
		if r.Kind == format1.Original {
			if err := c.original(ctx, n.Original); err != nil {
				return nil, err
			}
		}
	case format1.Opening:
	}
	if n.Message != nil {
		n.Message.Sent.Clock = clockOf(d.reader(r.Where.Reader), n.Message)
	}
	return n, nil
}

// reader returns the name of the reader at a position in the opening's list, counted from
// 1.
func (d *converted) reader(place uint8) string {
	if place == 0 || int(place) > len(d.readers) {
		return ""
	}
	return d.readers[place-1]
}

// sighting makes the whole message of a sighting, which the evidence splits up again. In
// format 1, a sighting had the id of its message even if their clocks differed; now it
// also has its own.
func (c *converter) sighting(n *argus.Record, r *format1.Record) error {
	if c.of.seq != r.Of || c.of.r == nil {
		of, err := c.old.Get(r.Of)
		if err != nil {
			return err
		}
		c.of = cited{r.Of, of}
	}
	of := c.of.r
	if of.Kind != format1.Message || of.ID != r.ID || of.Version != r.Version {
		return fmt.Errorf("%w: the sighting does not match the message of record %d", argus.ErrDamaged, r.Of)
	}
	n.Kind, n.Message = argus.KindMessage, toMessage(r.Message.Join(of.Message))
	if was, is := of.Message.Sent, r.Message.Sent; was.Micros == is.Micros && was.Precision == is.Precision {
		return nil // the usual case: then the rest of the identity is the same, too
	}
	own, _ := c.hasher.Identity(n.Message)
	if id, version := c.hasher.Identity(toMessage(of.Message)); id != own {
		n.ID, n.Met, n.Version = own, id, version
	}
	return nil
}

// original keeps a received file in the new form.
func (c *converter) original(ctx context.Context, o *argus.Original) error {
	f, err := c.old.OpenOriginal(o.Hash)
	if err != nil {
		return err
	}
	defer f.Close()
	kept, err := c.new.PutOriginal(ctx, f)
	if err != nil {
		return err
	}
	if kept.Hash != o.Hash || kept.Size != o.Size {
		return fmt.Errorf("%s: %w: the file has %d bytes with the SHA-256 %s, want %d", format1.OriginalName(o.Hash), argus.ErrDamaged, kept.Size, kept.Hash, o.Size)
	}
	o.File, o.Root = kept.File, kept.Root
	return nil
}

package upgrade

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/evidence/format1"
)

// compare reads the new evidence from the disk and proves, record by record, that it
// has exactly the same content as the older evidence.
func (c *converter) compare(ctx context.Context) (_ *Result, err error) {
	fresh, err := evidence.Open(c.o.Dir, evidence.Options{ReadOnly: true, Recent: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	w := &writer{c: c, new: fresh, originals: map[argus.FileName]bool{}}
	accounts := map[argus.DeliveryNumber]*format1.Account{}
	next, stop := iter.Pull2(fresh.From(ctx, 1))
	defer stop()
	var again []byte
	for raw, err := range c.old.Records(ctx, 1) {
		if err != nil {
			return nil, err
		}
		r, err, there := next()
		if err != nil {
			return nil, err
		}
		differs := func(why any) error {
			return fmt.Errorf("%w: the new evidence does not reproduce record %d of delivery %s: %v", argus.ErrDamaged, raw.Seq, raw.Delivery, why)
		}
		if !there || r.Seq != raw.Seq || r.Delivery != raw.Delivery {
			return nil, differs("it is missing")
		}
		was, err := w.record(ctx, r)
		if err != nil {
			return nil, differs(err)
		}
		if again, err = format1.Append(again[:0], was); err != nil {
			return nil, differs(err)
		}
		if !bytes.Equal(again, raw.Data) {
			return nil, differs("it is different")
		}
		account := accounts[raw.Delivery]
		if account == nil {
			account = format1.NewAccount(raw.Delivery)
			accounts[raw.Delivery] = account
		}
		if err := account.Add(was, again); err != nil {
			return nil, err
		}
		if raw.Seq%batchRecords == 0 {
			c.o.Progress(Comparing, raw.Seq)
		}
	}
	if r, err, there := next(); there {
		return nil, errors.Join(fmt.Errorf("%w: the new evidence has record %d, but the older evidence does not", argus.ErrDamaged, r.Seq), err)
	}
	c.o.Progress(Comparing, c.old.Last())
	return c.result(ctx, fresh, accounts)
}

// result compares the seals, and returns the result.
func (c *converter) result(ctx context.Context, fresh *evidence.Store, accounts map[argus.DeliveryNumber]*format1.Account) (*Result, error) {
	deliveries, err := fresh.Deliveries(ctx)
	if err != nil {
		return nil, err
	}
	result := &Result{}
	same := sha256.New()
	for _, n := range deliveries {
		d, account := c.deliveries[n.Number], accounts[n.Number]
		one := Delivery{Number: n.Number, Records: n.Records}
		if one.Root, err = account.Root(); err != nil {
			return nil, err
		}
		if (n.Seal == nil) != (d.Seal == nil) {
			return nil, fmt.Errorf("%w: one of the seals of delivery %s is missing", argus.ErrDamaged, n.Number)
		}
		if d.Seal != nil {
			if err := c.old.CheckSealed(&d.Delivery, account); err != nil {
				return nil, err
			}
			file, err := fresh.SealText(n.Number)
			if err != nil {
				return nil, err
			}
			one.Before, one.Seal = hashOf(d.Seal.File), hashOf(file)
		}
		counts := account.Counts()
		result.Records += n.Records
		result.Messages += counts.Stored
		result.Sightings += counts.Sightings
		result.Quarantined += counts.Quarantined
		result.Deliveries = append(result.Deliveries, one)
		same.Write(one.Root[:])
	}
	same.Sum(result.Same[:0])
	return result, nil
}

// writer writes records of the new evidence as format 1 would have written them.
// Its results are valid until the next record.
type writer struct {
	c         *converter
	new       *evidence.Store
	hasher    format1.Hasher
	of        cited // the cited message, with its identity
	originals map[argus.FileName]bool

	was     format1.Record // the previous record
	message format1.MessageForm
}

func (w *writer) record(ctx context.Context, r *argus.Record) (*format1.Record, error) {
	d := w.c.deliveries[r.Delivery]
	was := &w.was
	*was = format1.Record{Kind: format1.Kind(r.Kind), Of: r.Of, Where: fromWhere(r.Where)}
	var err error
	switch r.Kind {
	case argus.KindOpening:
		was.Opening, err = fromOpening(r.Opening, d.Seal)
	case argus.KindOriginal:
		was.Original = fromOriginal(r.Original)
		err = w.original(ctx, r.Original)
	case argus.KindAttachment:
		was.Original = fromOriginal(r.Original)
	case argus.KindMessage:
		if was.Message, err = w.say(d, r, &w.message); err == nil {
			was.ID, was.Version = w.hasher.Identity(was.Message)
		}
	case argus.KindSighting:
		err = w.sighting(ctx, d, r, was)
	case argus.KindQuarantined:
		was.Quarantine = &format1.QuarantineForm{Reason: r.Quarantine.Reason, Raw: r.Quarantine.Raw, Broke: r.Quarantine.Broke}
	case argus.KindStated:
		was.Stated = &format1.StatedForm{What: r.Stated.What, Count: r.Stated.Count, Besides: r.Stated.Besides}
	case argus.KindSealed, argus.KindKey, argus.KindOpened, argus.KindWithdrawn, argus.KindReleased, argus.KindDestroyed, argus.KindDerived,
		argus.KindReading, argus.KindAmendment:
		err = errForeign
	default:
		err = errForeign
	}
	return was, err
}

// say makes the format 1 message of a record.
func (w *writer) say(d *converted, r *argus.Record, into *format1.MessageForm) (*format1.MessageForm, error) {
	if r.Message.Sent.Clock != clockOf(d.reader(r.Where.Reader), r.Message) {
		return nil, errors.New("the clock of its time is not the one that its reader implies")
	}
	return into, fromMessage(r.Message, into)
}

func (w *writer) sighting(ctx context.Context, d *converted, r *argus.Record, was *format1.Record) error {
	if w.of.seq != r.Of || w.of.r == nil {
		of, err := w.new.Get(ctx, r.Of)
		if err != nil {
			return err
		}
		if of.Kind != argus.KindMessage {
			return fmt.Errorf("it refers to record %d, which is not a message", r.Of)
		}
		m := new(format1.MessageForm)
		if err := fromMessage(of.Message, m); err != nil {
			return err
		}
		id, version := w.hasher.Identity(m)
		w.of = cited{r.Of, &format1.Record{ID: id, Version: version, Message: m}}
	}
	was.ID, was.Version = w.of.r.ID, w.of.r.Version
	var err error
	was.Message, err = w.say(d, r, &w.message)
	return err
}

func fromOriginal(o *argus.Original) *format1.OriginalForm {
	return &format1.OriginalForm{Hash: o.Hash, Size: o.Size, Path: o.Path, Modified: o.Modified}
}

// original reads a received file again.
func (w *writer) original(ctx context.Context, o *argus.Original) error {
	if w.originals[o.File] {
		return nil
	}
	w.originals[o.File] = true
	f, err := w.new.OpenOriginal(*o)
	if err != nil {
		return err
	}
	sum := sha256.New()
	buf := make([]byte, 1<<20)
	for at := int64(0); at < o.Size && err == nil; {
		if err = ctx.Err(); err != nil {
			break
		}
		var n int
		n, err = f.ReadAt(buf[:min(int64(len(buf)), o.Size-at)], at)
		sum.Write(buf[:n])
		if at += int64(n); errors.Is(err, io.EOF) && at == o.Size {
			err = nil
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if got := argus.Hash(sum.Sum(nil)); got != o.Hash {
		return fmt.Errorf("the original has the SHA-256 %s, want %s", got, o.Hash)
	}
	return nil
}

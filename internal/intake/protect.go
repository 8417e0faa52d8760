package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/privilege"
)

// Guard seals the communication of protected persons before it is stored.
type Guard struct {
	*privilege.Guard
	// Protect durably keeps the envelope of a batch and the state of the matchers, and writes
	// both to the ledger, before the first message of a delivery is stored. It is called for
	// each delivery, so that the ledger does not reveal which ones have suspected messages.
	Protect func(ctx context.Context, d argus.DeliveryNumber, batch argus.Hash, envelope, state []byte) error
}

// protection is the sealing of one delivery.
type protection struct {
	in        *intake
	sealing   evidence.Sealing
	batch     *privilege.Batch
	directory argus.Hash
	// suspected has the originals in which a message is suspected, and the files that such a
	// message has as attachments, by their record numbers. files has all originals by their
	// SHA-256.
	suspected map[uint64]bool
	files     map[argus.Hash][]uint64
}

// suspect notes the originals of a suspected message.
func (p *protection) suspect(r *argus.Record) {
	p.suspected[r.Where.Original] = true
	for i := range r.Message.Attachments {
		if a := &r.Message.Attachments[i]; !a.Missing() {
			for _, seq := range p.files[a.Hash] {
				p.suspected[seq] = true
			}
		}
	}
}

// withholdOrder is the order of the amendments that this package makes.
const withholdOrder = "suspected at intake as protected communication; the judge decides"

// protect prepares the sealing of the suspected messages of the delivery. It first reads all
// originals to learn who talks where and how, and then reads them again to judge the messages,
// as often as something new is learned. Only then may they be read to be stored: a late message
// can show that an earlier one is protected.
func (in *intake) protect(ctx context.Context) error {
	guard := in.o.Guard
	if guard == nil {
		return nil
	}
	p := &protection{in: in, suspected: map[uint64]bool{}, files: map[argus.Hash][]uint64{}}
	for _, r := range in.originals {
		p.files[r.Original.Hash] = append(p.files[r.Original.Hash], r.Seq)
	}
	if err := in.rehearse(ctx, func(_ *argus.Record, s privilege.Sighting) { guard.Survey(s) }); err != nil {
		return err
	}
	for grew := true; grew; {
		before := guard.Changes()
		err := in.rehearse(ctx, func(r *argus.Record, s privilege.Sighting) {
			if guard.Judge(s).Suspected() {
				p.suspect(r)
			}
		})
		if err != nil {
			return err
		}
		grew = guard.Changes() != before
	}
	batch, envelope, err := guard.NewBatch()
	if err != nil {
		return err
	}
	if err := guard.Protect(ctx, in.delivery, batch.ID(), envelope, guard.State()); err != nil {
		return err
	}
	p.batch, p.directory = batch, guard.Directory()
	p.sealing.Key = guard.IDKey()
	sealed, err := privilege.ParseEnvelope(envelope)
	if err != nil {
		return err
	}
	for _, f := range sealed.Recipients {
		p.sealing.Recipients = append(p.sealing.Recipients, f.String())
	}
	in.protection, in.offer = p, p.seal
	in.advance(func(p *Progress) { p.Phase, p.Bytes = "reading", 0 })
	return nil
}

// rehearse reads all originals and stores nothing. It passes each message to each, as it would
// be stored.
func (in *intake) rehearse(ctx context.Context, each func(*argus.Record, privilege.Sighting)) (err error) {
	o := in.o
	o.Pace, o.Say = func(context.Context) error { return nil }, func(string) {}
	o.Progress = func(p Progress) {
		in.advance(func(now *Progress) { now.Phase, now.File, now.Bytes = "judging", p.File, p.Bytes })
	}
	r := newIntake(o, in.delivery)
	defer r.reading.Close()
	r.again, r.originals = in.again, in.originals
	if r.meetings, err = in.meet(); err != nil {
		return err
	}
	r.put = func(context.Context, []*argus.Record) error { return nil }
	r.offer = func(one *argus.Record) (*argus.Record, error) {
		if one.Kind == argus.KindMessage {
			each(one, r.sighting(one))
		}
		return one, nil
	}
	err = r.readAll(ctx)
	return errors.Join(err, r.batch.stop())
}

// sighting returns a copy of a message as the guard judges it.
func (in *intake) sighting(r *argus.Record) privilege.Sighting {
	s := privilege.Sighting{Message: r.Message, IDs: []argus.ID{r.ID}}
	if r.Met != (argus.ID{}) {
		s.IDs = append(s.IDs, r.Met)
	}
	for path := range containing(r.Where.Path) {
		if h, ok := in.containers[piece{r.Where.Original, path}]; ok {
			s.Within = append(s.Within, h)
		}
	}
	return s
}

// containing yields the path of a file inside an original, those of the archives around it,
// and "", the original itself.
func containing(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for yield(path) && path != "" {
			path = path[:max(0, strings.LastIndex(path, "!/"))]
		}
	}
}

// seal returns the record that is stored in place of r, which is r itself unless it is
// suspected. In the files of suspected messages, it also seals all pieces that are not part of
// a message: quarantined ones, names of attachments, numbers that a file states.
func (p *protection) seal(r *argus.Record) (*argus.Record, error) {
	class := privilege.ByPropagation
	switch r.Kind {
	case argus.KindMessage:
		f := p.in.o.Guard.Judge(p.in.sighting(r))
		if !f.Suspected() {
			return r, nil
		}
		class = f.Class
		p.suspect(r) // needed if another delivery, taken in at the same time, made it suspected
	case argus.KindQuarantined, argus.KindAttachment, argus.KindStated:
		if !p.suspected[r.Where.Original] {
			return r, nil
		}
	case argus.KindOpening, argus.KindOriginal, argus.KindSighting, argus.KindSealed, argus.KindKey, argus.KindOpened, argus.KindWithdrawn,
		argus.KindReleased, argus.KindDestroyed, argus.KindDerived, argus.KindReading, argus.KindAmendment:
		return r, nil
	}
	sealed, err := p.sealAs(r, class)
	if err == nil && sealed.Size() > evidence.MaxRecord {
		// Padding makes the record longer. The message's bytes are in the original, which the
		// judge has.
		whole := &argus.Record{Kind: argus.KindQuarantined, Where: r.Where, Quarantine: &argus.Quarantine{Reason: "the message is too long to be sealed"}}
		sealed, err = p.sealAs(whole, class)
	}
	return sealed, err
}

func (p *protection) sealAs(r *argus.Record, class privilege.Class) (*argus.Record, error) {
	s := p.sealing
	s.Why, s.Path = class.String(), p.in.piece(r).path
	s.Seal = func(plain []byte) ([]byte, error) { return p.batch.Seal(plain, class, p.directory) }
	return evidence.SealRecord(r, s)
}

// piece returns the file of the delivery that a record comes from. If messages are sealed, a
// keyed hash replaces the path of every record, because a sealed record states no other path; a
// sealed record has that hash already.
func (in *intake) piece(r *argus.Record) piece {
	path := r.Where.Path
	if in.o.Guard != nil && path != "" && r.Kind != argus.KindSealed {
		path = in.o.Guard.Name(path)
	}
	return piece{r.Where.Original, path}
}

// withheld seals the delivery, and leaves the originals with suspected messages readable for
// the judge only. If the delivery is given up, it is unknown which originals those are, so all
// are withheld.
func (in *intake) withheld(ctx context.Context, incomplete string, seal func() (*argus.Seal, error)) (*argus.Seal, error) {
	if in.o.Guard == nil {
		return seal()
	}
	var seqs []uint64
	for _, r := range in.originals {
		if in.protection == nil || incomplete != "" || in.protection.suspected[r.Seq] {
			seqs = append(seqs, r.Seq)
		}
	}
	judge, err := evidence.ParseJudge(strings.Join(in.o.Guard.Recipients(), "\n"))
	if err != nil {
		return nil, err
	}
	carry, err := in.o.Store.Withhold(ctx, in.delivery, withholdOrder, seqs, judge)
	if err != nil {
		return nil, err
	}
	made, err := seal()
	if err != nil {
		return nil, err
	}
	if err := carry(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("withhold the originals of %s: %w; this is completed when the store is next opened for writing", in.delivery, err)
	}
	return made, nil
}

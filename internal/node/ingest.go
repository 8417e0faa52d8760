package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/query"
)

// maxLag is how many records the evidence may be ahead of a follower while a delivery is
// read. It is lower than the number of decoded records that stay in memory.
const maxLag = 1 << 16

// Ingest ingests deliveries. It calls work with the options for the intake while the
// followers are running. When it returns, the deliveries are searchable. The node must be
// opened with Write. Any number of calls may run at the same time. If one ends, the
// others continue, unless a follower fails.
func (n *Node) Ingest(ctx context.Context, who desk.Who, o intake.Options, work func(context.Context, intake.Options) error) error {
	signer, err := note.NewSigner(n.keys.Private)
	if err != nil {
		return fmt.Errorf("read the private key: %w", err)
	}
	now, err := n.ledger.Now()
	if err != nil {
		return err
	}
	decision, err := n.authorities.Decide(authority.Request{Actor: who.Actor, Authority: who.Authority, Purpose: who.Purpose, Action: "ingest"}, now)
	if errors.Is(err, argus.ErrRefused) {
		return n.refused(ctx, who, "ingest", err)
	}
	if err != nil {
		return err
	}
	if o.Guard, err = n.guard(ctx, who, o.Lent); err != nil {
		return err
	}
	o.Lent = ""
	o.Covers = func(d argus.DeliveryNumber) bool { return query.IsAll(query.For(decision.Scope, d)) }
	o.Store, o.StorePath, o.StoreID, o.Signer, o.Hands = n.evidence, n.dir, n.Info.Store, signer, &n.hands
	o.Actor, o.Authority, o.Software, o.Formats, o.Now = who.Actor, who.Authority, n.o.Software, n.o.Formats, n.o.Now
	o.Record, o.Countries = n.recorder(who), n.Info.Countries
	if n.followers == nil {
		return work(ctx, o)
	}
	run := n.feeding.join(ctx)
	err = n.followed(ctx, run, o, work)
	last, flushErr := n.feeding.leave()
	if err := errors.Join(err, flushErr); err != nil || !last {
		return err
	}
	return n.each(func(f follower) error { return f.Settle(ctx) })
}

// followed calls work while the followers run, and makes them adopt the result.
func (n *Node) followed(ctx context.Context, run *feedingRun, o intake.Options, work func(context.Context, intake.Options) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(run.ctx, func() { cancel(context.Cause(run.ctx)) })()
	o.Pace = func(ctx context.Context) error {
		return run.wait(ctx, n.evidence.Last()-min(maxLag, n.evidence.Last()))
	}
	err := work(ctx, o)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	return run.between(func() error {
		n.o.failpoint("reread.before-index")
		if err := n.adopt(); err != nil {
			return err
		}
		return n.catchUp(ctx)
	})
}

// TempBeside returns a function that creates temporary files for a reading that ingests
// nothing. They hold the evidence in clear, so they are on the disk of the store at the
// given path, or on the disk where that store would be created. A file has no name if the
// system allows this.
func TempBeside(store string) func() (*os.File, error) {
	return func() (*os.File, error) {
		dir := layout.File(store, layout.Originals)
		if !layout.Exists(store) {
			dir = filepath.Dir(filepath.Clean(store))
			for !layout.There(dir) && filepath.Dir(dir) != dir { // missing folders would be created with the store
				dir = filepath.Dir(dir)
			}
		}
		f, err := os.CreateTemp(dir, "incoming-*.tmp")
		if err != nil {
			return nil, fmt.Errorf("make a temporary file on the disk of the store: %w; archives are not unpacked anywhere else: use --store to name a store on a writable disk", err)
		}
		os.Remove(f.Name())
		return f, nil
	}
}

func (o Options) failpoint(name string) {
	if o.Failpoint != nil {
		o.Failpoint(name)
	}
}

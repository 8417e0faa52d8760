package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/follow"
	"github.com/argus-evidence/argus/internal/index/embedded"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/query"
)

// maxLag is how many records the evidence may be ahead of the index while a
// delivery is read: fewer than stay decoded in memory.
const maxLag = 1 << 16

// Ingest takes in deliveries with work, which calls the intake with the
// options it is given, while the index follows. When it returns, what was
// taken in is searchable. The node was opened with Write.
func (n *Node) Ingest(ctx context.Context, who desk.Who, o intake.Options, work func(context.Context, intake.Options) error) error {
	signer, err := note.NewSigner(n.keys.private)
	if err != nil {
		return fmt.Errorf("read the private key: %w", err)
	}
	now, err := n.ledger.Now()
	if err != nil {
		return err
	}
	decision, err := n.authorities.Decide(authority.Request{Actor: who.Actor, Authority: who.Authority, Purpose: who.Purpose, Action: "ingest"}, now)
	if err != nil {
		return err
	}
	o.Covers = func(d argus.DeliveryNumber) bool { return query.IsAll(query.For(decision.Scope, d)) }
	o.Store, o.StorePath, o.StoreID, o.Signer = n.evidence, n.dir, n.Info.Store, signer
	o.Actor, o.Authority, o.Software, o.Formats, o.Now = who.Actor, who.Authority, n.o.Software, n.o.Formats, n.o.Now
	o.Record = n.recorder(who)
	if !n.follows {
		return work(ctx, o)
	}
	f := &pacedIndex{Index: n.index, moved: make(chan struct{}, 1)}
	f.added.Store(n.index.Position())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	following, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := follow.Run(following, n.current, f, nil, follow.Options{Poll: 10 * time.Millisecond})
		if following.Err() == nil {
			cancel(err) // the work ends with it
		}
	}()
	o.Pace = func(ctx context.Context) error { return f.wait(ctx, n.evidence.Last()-min(maxLag, n.evidence.Last())) }
	err = work(ctx, o)
	if err == nil {
		err = f.wait(ctx, n.evidence.Last())
	}
	stop()
	<-ended
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if err != nil {
		return err
	}
	if err := n.index.Flush(ctx); err != nil {
		return err
	}
	n.o.failpoint("reread.before-index")
	if err := n.adopt(); err != nil {
		return err
	}
	if err := n.catchUp(ctx); err != nil {
		return err
	}
	return n.index.Settle(ctx)
}

func (o Options) failpoint(name string) {
	if o.Failpoint != nil {
		o.Failpoint(name)
	}
}

// pacedIndex tells how far the index was fed.
type pacedIndex struct {
	*embedded.Index
	added atomic.Uint64
	moved chan struct{}
}

func (p *pacedIndex) Add(ctx context.Context, records []*argus.Record) error {
	if err := p.Index.Add(ctx, records); err != nil {
		return err
	}
	if len(records) > 0 {
		p.added.Store(records[len(records)-1].Seq)
	}
	select {
	case p.moved <- struct{}{}:
	default:
	}
	return nil
}

// Flush goes on when the following ends meanwhile, as it does when all was taken in: a
// flush that is broken off loses what was added, and the delivery would end with an
// error after its seal.
func (p *pacedIndex) Flush(ctx context.Context) error {
	return p.Index.Flush(context.WithoutCancel(ctx))
}

// wait returns when the index was fed up to seq.
func (p *pacedIndex) wait(ctx context.Context, seq uint64) error {
	for p.added.Load() < seq {
		select {
		case <-p.moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Reindex throws the index away and builds it from the evidence.
func Reindex(ctx context.Context, dir string, o Options) (uint64, error) {
	o, err := o.withDefaults()
	if err != nil {
		return 0, err
	}
	info, err := readInfo(dir)
	if err == nil {
		err = info.writable()
	}
	if err != nil {
		return 0, err
	}
	store, err := openForReading(ctx, dir)
	if err != nil {
		return 0, err
	}
	current, err := evidence.NewCurrent(store)
	if err != nil {
		return 0, errors.Join(err, store.Close())
	}
	ix, err := embedded.Open(indexPath(dir), embedded.Options{Evidence: Copies{Current: current}, Mark: store.Mark, Rebuild: true})
	if err != nil {
		return 0, errors.Join(err, store.Close())
	}
	n := Node{o: o, evidence: store, current: current, index: ix}
	if err = n.adopt(); err == nil {
		err = n.catchUp(ctx)
	}
	return ix.Stats().Messages, errors.Join(err, ix.Close(), store.Close())
}

// TempBeside makes the temporary files of a reading that takes nothing in, on the disk of
// the store that is at a path, or would be made there: they hold the evidence in clear. A
// file has no name any more where the system allows it.
func TempBeside(store string) func() (*os.File, error) {
	return func() (*os.File, error) {
		dir := filepath.Join(store, "originals")
		if !Exists(store) {
			dir = filepath.Dir(filepath.Clean(store))
			for !there(dir) && filepath.Dir(dir) != dir { // folders on the way are made with the store
				dir = filepath.Dir(dir)
			}
		}
		f, err := os.CreateTemp(dir, "incoming-*.tmp")
		if err != nil {
			return nil, fmt.Errorf("make a temporary file on the disk of the store: %w; what is unfolded is written nowhere else: name a store on a disk that can be written with --store", err)
		}
		os.Remove(f.Name())
		return f, nil
	}
}

package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/follow"
)

// follower is something derived from the evidence as the newest readings show it. The
// name is for people. The followers that a node keeps are in Node.followers; if one
// fails, the others stop, too.
type follower struct {
	name string
	derived
}

type derived interface {
	follow.Follower
	// For Readings, Begin and Settle, see index.Index.
	Readings() argus.DeliveryNumber
	Begin(readings argus.DeliveryNumber) error
	Settle(ctx context.Context) error
}

// each calls do with every follower until the first error.
func (n *Node) each(do func(f follower) error) error {
	for _, f := range n.followers {
		if err := do(f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// adopt makes the newest complete readings count, and restarts each follower that was
// built without them. After a crash at any point, the next process that opens the store
// does this.
func (n *Node) adopt() error {
	newest, err := n.current.Newest()
	if err != nil {
		return err
	}
	err = n.each(func(f follower) error {
		if f.Readings() == newest {
			return nil
		}
		return f.Begin(newest)
	})
	if err != nil {
		return err
	}
	return n.current.Know(newest)
}

// catchUp brings each follower to the end of the evidence.
func (n *Node) catchUp(ctx context.Context) error {
	return n.each(func(f follower) error {
		if f.Position() >= n.evidence.Last() {
			return nil
		}
		return follow.CatchUp(ctx, n.current, f, n.o.Catching)
	})
}

// Follow keeps a reading node up to date with deliveries of other processes, until the
// context ends.
func (n *Node) Follow(ctx context.Context) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := n.FollowOnce(ctx); err != nil {
			return err
		}
	}
}

// FollowOnce brings a reading node up to date with deliveries of other nodes.
func (n *Node) FollowOnce(ctx context.Context) error {
	n.following.Lock()
	defer n.following.Unlock()
	if err := n.evidence.Refresh(); err != nil {
		return err
	}
	if n.followers == nil {
		if err := n.index.Refresh(); err != nil {
			return err
		}
		return n.current.Know(n.index.Readings())
	}
	err := n.feeding.alone(func() error {
		if err := n.adopt(); err != nil {
			return err
		}
		return n.catchUp(ctx)
	})
	if err := n.withoutRoom(err); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// A feeding manages the goroutine that feeds the followers while any number of deliveries
// are ingested. Only that goroutine calls Add.
type feeding struct {
	n *Node

	mu    sync.Mutex
	users int
	run   *feedingRun // nil while nothing is being ingested
}

type feedingRun struct {
	n     *Node
	paced []*paced
	// ctx ends when a follower fails, with the failure as its cause, and when nobody
	// needs the run any more.
	ctx   context.Context
	stop  context.CancelCauseFunc
	asked chan question
	ended chan error // the result of the last flush
}

// A question is work for the goroutine that calls Add, to be done between two runs of the
// followers.
type question struct {
	work func() error
	done chan error
}

// alone calls do, which calls Add, unless something is being ingested.
func (f *feeding) alone(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users > 0 {
		return nil
	}
	return do()
}

// join begins a use of the followers, and leave ends it.
func (f *feeding) join(ctx context.Context) *feedingRun {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users++; f.users == 1 {
		r := &feedingRun{n: f.n, asked: make(chan question), ended: make(chan error, 1)}
		// The first user may finish before the others do.
		r.ctx, r.stop = context.WithCancelCause(context.WithoutCancel(ctx))
		for _, of := range f.n.followers {
			r.paced = append(r.paced, newPaced(of))
		}
		f.run = r
		go func() { r.ended <- r.feed() }()
	}
	return f.run
}

// leave ends a use. The last user to leave waits for the end of the run.
func (f *feeding) leave() (last bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users > 0 {
		return false, nil
	}
	f.run.stop(nil)
	err = <-f.run.ended
	f.run = nil
	return true, err
}

// feed runs the followers until the context ends. It flushes whenever they stop.
func (r *feedingRun) feed() error {
	for {
		ctx, stop := context.WithCancel(r.ctx)
		done := make(chan error, 1)
		go func() { done <- r.follow(ctx) }()
		var asked *question
		var err error
		select {
		case err = <-done:
			stop()
		case q := <-r.asked:
			asked = &q
			stop()
			_ = <-done // a failure recurs in the next run
		}
		over := r.ctx.Err() != nil
		if asked == nil && !over {
			r.stop(err) // this ends the deliveries, too
		}
		if err := r.flush(); err != nil {
			r.stop(err)
			if asked != nil {
				asked.done <- err
			}
			return err
		}
		if asked == nil {
			return nil
		}
		err = asked.work()
		if flushErr := r.flush(); err == nil {
			err = flushErr
		}
		for _, p := range r.paced {
			p.reached(p.Position())
		}
		asked.done <- err
	}
}

// follow runs all followers until the context ends or one of them fails.
func (r *feedingRun) follow(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	for _, p := range r.paced {
		all.Go(func() {
			err := follow.Run(ctx, r.n.current, p, nil, follow.Options{Poll: 10 * time.Millisecond})
			if ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", p.name, err))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func (r *feedingRun) flush() error {
	return r.n.each(func(f follower) error { return f.Flush(context.WithoutCancel(r.ctx)) })
}

// between runs work in the goroutine that calls Add, while the followers are not running.
func (r *feedingRun) between(work func() error) error {
	q := question{work, make(chan error, 1)}
	select {
	case r.asked <- q:
		return <-q.done
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	}
}

// wait returns when all followers have been fed up to a record.
func (r *feedingRun) wait(ctx context.Context, seq uint64) error {
	for _, p := range r.paced {
		if err := p.wait(ctx, seq); err != nil {
			return err
		}
	}
	return nil
}

// paced tracks how far a follower has been fed.
type paced struct {
	follower

	mu    sync.Mutex
	added uint64
	moved chan struct{} // closed when added has changed
}

func newPaced(f follower) *paced {
	return &paced{follower: f, added: f.Position(), moved: make(chan struct{})}
}

// Add implements [follow.Follower]. Like Flush, it continues even if following ends
// meanwhile, because the follower would lose an interrupted flush.
func (p *paced) Add(ctx context.Context, records []*argus.Record) error {
	if err := p.follower.Add(context.WithoutCancel(ctx), records); err != nil {
		return err
	}
	if len(records) > 0 {
		p.reached(records[len(records)-1].Seq)
	}
	return nil
}

// Flush implements [follow.Follower].
func (p *paced) Flush(ctx context.Context) error {
	return p.follower.Flush(context.WithoutCancel(ctx))
}

func (p *paced) reached(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.added = seq
	close(p.moved)
	p.moved = make(chan struct{})
}

func (p *paced) wait(ctx context.Context, seq uint64) error {
	for {
		p.mu.Lock()
		added, moved := p.added, p.moved
		p.mu.Unlock()
		if added >= seq {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

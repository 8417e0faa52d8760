package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// takeIn does a job that takes deliveries in: it hands it to the server that has the store
// open, or does it itself if there is none that can do it. The parts of the answer are the
// same.
func (a *app) takeIn(ctx context.Context, job handover.Job) error {
	job.Actor = cmp.Or(a.actorName(), admin.ActorName())
	job.Authority, job.Purpose = a.authority, cmp.Or(a.purpose, os.Getenv("ARGUS_PURPOSE"))
	progress := a.newProgress()
	defer progress.close()
	err := a.handOver(ctx, job, progress.tell)
	if errors.Is(err, handover.ErrCannot) {
		a.note(fmt.Sprintf("This command takes the delivery in itself: %v.", err))
	}
	if errors.Is(err, handover.ErrCannot) || errors.Is(err, handover.ErrNobody) {
		o := a.nodeOptions()
		err = node.NewShared(ctx, a.storePath(), o).Use(func(n *node.Node) error { return a.do(ctx, n, job, progress.tell) })
	}
	if err != nil && ctx.Err() != nil {
		return errIngestStopped
	}
	return err
}

func (a *app) handOver(ctx context.Context, job handover.Job, tell func(handover.Event) error) error {
	server, err := handover.Dial(ctx, a.storePath(), software())
	if err != nil {
		return err
	}
	return errors.Join(server.Do(ctx, job, tell), server.Close())
}

// do does a job on an open store.
func (a *app) do(ctx context.Context, n *node.Node, job handover.Job, tell func(handover.Event) error) error {
	who, err := n.Who(ctx, desk.Who{Actor: job.Actor, Authority: job.Authority, Purpose: job.Purpose})
	if err != nil {
		return err
	}
	o, err := job.Options(intake.Options{Formats: all.Formats(), Apart: true,
		Progress: func(p intake.Progress) { _ = tell(handover.Event{Progress: &p}) }, // whoever has gone stops the job
		Say:      func(line string) { _ = tell(handover.Event{Said: line}) }})
	if err != nil {
		return err
	}
	return n.Ingest(ctx, who, o, func(ctx context.Context, o intake.Options) error {
		switch job.Do {
		case handover.Resume:
			receipts, err := intake.Resume(ctx, o, job.Deliveries...)
			return tellAll(ctx, o, receipts, err, "There is no delivery to resume.", tell)
		case handover.Abandon:
			receipts, err := intake.Abandon(ctx, o, job.Reason, job.Deliveries...)
			return tellAll(ctx, o, receipts, err, "There is no delivery to abandon.", tell)
		case handover.Reread:
			receipt, err := intake.Reread(ctx, o, job.Deliveries[0], job.Reason)
			if err != nil {
				return err
			}
			return tellReceipt(ctx, o, receipt, tell)
		}
		for _, p := range job.Paths {
			receipt, err := intake.Ingest(ctx, o, p)
			if err != nil {
				return err
			}
			if err := tell(handover.Event{Receipt: receipt}); err != nil {
				return err
			}
		}
		return tellUnfinished(ctx, o, tell)
	})
}

// tellAll tells the receipts of several deliveries, or that there is none.
func tellAll(ctx context.Context, o intake.Options, receipts []*argus.Receipt, err error, none string, tell func(handover.Event) error) error {
	for _, r := range receipts {
		err = errors.Join(err, tellReceipt(ctx, o, r, tell))
	}
	if len(receipts) == 0 && err == nil {
		return tell(handover.Event{Aside: none})
	}
	return err
}

// tellReceipt tells a receipt and, after a complete rereading, the differences.
func tellReceipt(ctx context.Context, o intake.Options, r *argus.Receipt, tell func(handover.Event) error) error {
	if err := tell(handover.Event{Receipt: r}); err != nil || r.Reads == 0 || r.Seal.Incomplete != "" {
		return err
	}
	d, err := intake.Compare(ctx, o.Store, r.Delivery)
	if err != nil {
		return err
	}
	return tell(handover.Event{Difference: d})
}

// tellUnfinished names the interrupted deliveries.
func tellUnfinished(ctx context.Context, o intake.Options, tell func(handover.Event) error) error {
	list, err := intake.Unfinished(ctx, o)
	for _, d := range list {
		note := fmt.Sprintf("Delivery %s of %s is unfinished; \"argus ingest --resume %s\" continues it.", d.Number, oneLine(d.Opening.Source), d.Number)
		err = errors.Join(err, tell(handover.Event{Note: note}))
	}
	return err
}

// viaSays prints a line that a program of --via wrote to its standard error.
func (a *app) viaSays(line string) { fmt.Fprintln(a.err, "via: "+plain(line)) }

// serveJobs does the jobs that other commands hand over, until the context ends. s writes
// to the store that n reads.
func (a *app) serveJobs(ctx context.Context, l *handover.Listener, command string, n *node.Node, s *node.Shared) error {
	return l.Serve(ctx, handover.Hello{Software: software(), Command: command}, func(job context.Context, j handover.Job, tell func(handover.Event) error) error {
		err := s.Use(func(w *node.Node) error { return a.do(job, w, j, tell) })
		if err == nil {
			err = n.FollowOnce(ctx)
		}
		if err == nil {
			return nil
		}
		code, hint := explain(err)
		return &handover.Failure{Text: message(err), Code: code, Hint: hint}
	})
}

// holder returns a hint at the server that has the store open, "" if none has.
func (a *app) holder(ctx context.Context) string {
	server, err := handover.Ask(ctx, a.storePath())
	if err != nil {
		return ""
	}
	a.complain(server.Close())
	return fmt.Sprintf("%q (process %d) has the store open: stop it with Ctrl-C, and run this command again.", plain(server.Hello.Command), server.Hello.Process)
}

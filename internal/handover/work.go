package handover

import (
	"context"
	"errors"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/intake"
)

// Work does a job in this process, with the options that node.Ingest completes, and passes each
// part of the answer to tell.
func (j *Job) Work(ctx context.Context, o intake.Options, tell func(Event) error) error {
	var receipts []*argus.Receipt
	var err error
	switch j.Do {
	case Ingest:
		return j.ingest(ctx, o, tell)
	case Reread:
		var r *argus.Receipt
		if r, err = intake.Reread(ctx, o, j.Deliveries[0], j.Reason); err == nil {
			receipts = []*argus.Receipt{r}
		}
	case Resume:
		receipts, err = intake.Resume(ctx, o, j.Deliveries...)
	case Abandon:
		receipts, err = intake.Abandon(ctx, o, j.Reason, j.Deliveries...)
	}
	for _, r := range receipts {
		err = errors.Join(err, tellReceipt(ctx, o, r, tell))
	}
	if len(receipts) == 0 && err == nil {
		return tell(Event{None: j.Do})
	}
	return err
}

func (j *Job) ingest(ctx context.Context, o intake.Options, tell func(Event) error) error {
	for _, p := range j.Paths {
		receipt, err := intake.Ingest(ctx, o, p)
		if err != nil {
			return err
		}
		if err := tell(Event{Receipt: receipt}); err != nil {
			return err
		}
	}
	list, err := intake.Unfinished(ctx, o)
	for _, d := range list {
		err = errors.Join(err, tell(Event{Unfinished: &Unfinished{d.Number, d.Opening.Source}}))
	}
	return err
}

// tellReceipt passes on a receipt and, after a complete rereading, the differences.
func tellReceipt(ctx context.Context, o intake.Options, r *argus.Receipt, tell func(Event) error) error {
	if err := tell(Event{Receipt: r}); err != nil || r.Reads == 0 || r.Seal.Incomplete != "" {
		return err
	}
	d, err := intake.Compare(ctx, o.Store, r.Delivery)
	if err != nil {
		return err
	}
	return tell(Event{Difference: d})
}

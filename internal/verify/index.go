package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/index"
	"github.com/argus-evidence/argus/internal/layout"
)

// An indexCheck checks the index and compares it with the evidence while the evidence is
// being verified. The index is derived data: rebuilding it repairs any damage.
type indexCheck struct {
	open       index.Open
	comparison index.Comparison // nil if there is nothing to compare
	store      *evidence.Store
	current    *evidence.Current
	now        *argus.Record    // the record being followed
	stopped    error            // why the evidence could not be followed
	other      error            // why the index does not belong to this evidence
	trees      []*evidence.Tree // the trees of open deliveries that it has seen
	damaged    bool             // the evidence is damaged, or part of it is newer
}

// begin checks the index on its own. It runs before the evidence is verified, so that the
// evidence contains everything that the index has seen.
func (x *indexCheck) begin(ctx context.Context, dir string, result *Verified, report func(Finding)) (err error) {
	if _, err := os.Stat(layout.File(dir, layout.Index)); errors.Is(err, fs.ErrNotExist) {
		report(Finding{File: layout.Index, Offset: -1, Note: true, Problem: "there is no index yet"})
		return nil
	}
	ix, err := x.open(layout.File(dir, layout.Index), index.Options{ReadOnly: true})
	if errors.Is(err, index.ErrOutdated) {
		report(Finding{File: layout.Index, Offset: -1, Note: true, Problem: "a different version of Argus built the index; the index is rebuilt the next time the store is opened"})
		return nil
	}
	if err != nil {
		report(indexFinding(err))
		return nil
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	strays, err := ix.Strays()
	if err != nil {
		return err
	}
	for _, name := range strays {
		report(Finding{File: layout.Index + "/" + name, Offset: -1, Note: true, Problem: "the manifest does not list the file, so the index does not use it: the file was left behind by a crash or is being written, or the manifest was replaced with an earlier one"})
	}
	position, mark := ix.Mark()
	x.trees = evidence.Trees(mark)
	sound := true
	for err := range ix.Check(ctx) {
		sound = false
		report(indexFinding(err))
	}
	result.Indexed, result.IndexedTo = ix.Stats().Messages, ix.Position()
	if err := ctx.Err(); err != nil || !sound {
		return err
	}
	x.comparison, err = ix.Compare(ctx, func(err error) { report(indexFinding(err)) })
	if err != nil || x.comparison == nil {
		return err
	}
	if x.store, x.stopped = evidence.Open(dir, evidence.Options{ReadOnly: true, Stop: ctx.Err}); x.stopped != nil {
		return nil
	}
	if position > 0 {
		x.other = x.store.Marked(position, mark)
	}
	if x.current, x.stopped = evidence.NewCurrent(x.store); x.stopped == nil {
		x.stopped = x.current.Know(x.comparison.Readings())
		x.comparison.Follow(x)
	}
	return nil
}

// listen passes on the findings of the evidence.
func (x *indexCheck) listen(report func(Finding)) func(Finding) {
	return func(f Finding) {
		x.damaged = x.damaged || !f.Note
		report(f)
	}
}

// follow takes the next sound record of the evidence.
func (x *indexCheck) follow(ctx context.Context, r *argus.Record) {
	if x.comparison == nil || x.stopped != nil {
		return
	}
	if x.now, x.stopped = x.current.Show(r); x.stopped == nil {
		x.stopped = x.comparison.Add(ctx, x.now)
	}
}

// Whole implements [index.Evidence]. Most calls ask for the record being followed.
func (x *indexCheck) Whole(ctx context.Context, seq uint64) (*argus.Record, error) {
	if x.now.Seq == seq {
		return evidence.Copies{Current: x.current}.Fill(ctx, x.now)
	}
	return evidence.Copies{Current: x.current}.Whole(ctx, seq)
}

// Copies implements [index.Evidence].
func (x *indexCheck) Copies(ctx context.Context, id argus.ID) ([]uint64, error) {
	return evidence.Copies{Current: x.current}.Copies(ctx, id)
}

// end reports the differences between index and evidence.
func (x *indexCheck) end(ctx context.Context, result *Verified, report func(Finding)) error {
	var err error
	var differences []*index.Differs
	if x.comparison != nil && x.stopped == nil && result.Verified != nil && result.IndexedTo <= result.Last {
		differences, x.stopped = x.comparison.Differences(ctx)
	}
	if x.store != nil {
		err = x.store.Close()
	}
	switch {
	case err != nil || result.Verified == nil:
		return err
	case result.IndexedTo > result.Last:
		report(Finding{File: layout.Index, Offset: -1, Problem: fmt.Sprintf("the index has records up to %d, but the last record of the evidence is %d; argus reindex rebuilds the index", result.IndexedTo, result.Last)})
		return nil
	}
	for _, t := range result.Others {
		f := otherFinding(evidence.OtherTree(t))
		f.Delivery = t.Delivery
		report(f)
	}
	if x.comparison == nil {
		return nil
	}
	if x.stopped != nil && x.damaged {
		report(Finding{File: layout.Index, Offset: -1, Note: true, Problem: "the index was not compared with the evidence, which is incomplete: " + x.stopped.Error()})
		return nil
	}
	if errors.Is(x.other, evidence.ErrOther) && !x.damaged {
		report(otherFinding(x.other))
	}
	for _, d := range differences {
		report(indexFinding(d))
	}
	return x.stopped
}

// otherFinding returns the finding for an [evidence.ErrOther].
func otherFinding(err error) Finding {
	return Finding{File: layout.IndexManifest, Offset: -1, Problem: strings.TrimPrefix(err.Error(), argus.ErrDamaged.Error()+": ") + "; argus reindex rebuilds the index"}
}

func indexFinding(err error) Finding {
	f := Finding{File: layout.Index, Offset: -1, Problem: err.Error()}
	if d, ok := errors.AsType[*index.Damage](err); ok {
		f.File, f.Offset, f.Problem = layout.Index+"/"+d.File, d.Offset, d.Reason+"; argus reindex rebuilds the index"
	}
	if d, ok := errors.AsType[*index.Differs](err); ok {
		f.First, f.Last, f.Problem = d.First, d.Last, "the index differs from the evidence at these records; argus reindex rebuilds the index"
	}
	return f
}

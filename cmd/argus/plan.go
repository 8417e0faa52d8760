package main

import (
	"context"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/intake"
)

// dryRun reports how each path would be read.
func (a *app) dryRun(ctx context.Context, o intake.Options, paths []string) error {
	progress := a.newProgress()
	defer progress.close()
	o.Progress = progress.show
	o.Say = a.viaSays
	for _, path := range paths {
		plan, err := intake.PlanIngest(ctx, o, path)
		if err != nil {
			return err
		}
		progress.end()
		if err := say(a.out, "plan", plan, printPlan); err != nil {
			return err
		}
	}
	return nil
}

func printPlan(o *output, p *intake.Plan) {
	o.linef("%s  nothing is kept", o.bold(plain(p.Source)))
	o.linef("  would read %s = copies %s + quarantined %s", group(p.Read), group(p.Copies), group(p.Quarantined))
	o.linef("  %s, %s, %s", estimate(p.Different, "different message", "different messages"),
		estimate(p.Accounts, "account", "accounts"), estimate(p.Conversations, "conversation", "conversations"))
	printBeside(o, "copies", argus.Counts{Stored: p.Copies, Beside: p.Beside})
	if p.Locked > 0 {
		o.linef("  %s locked: no key is held yet", count(p.Locked, "copy is", "copies are"))
	}
	if p.First.Known() {
		o.linef("  messages from %s to %s", p.First, p.Last)
	}
	printCompleteness(o, p.Completeness)
	files := make([]argus.FileAccount, len(p.Files))
	for i, f := range p.Files {
		files[i] = argus.FileAccount{Original: argus.Original{Path: f.Path, Size: f.Size}, Readers: f.Readers,
			Counts: argus.Counts{Read: f.Copies + f.Quarantined}, Problems: f.Problems, Remarks: f.Remarks}
	}
	printFiles(o, files)
}

// estimate formats a number, with "about" if it was estimated.
func estimate(e intake.Estimate, one, many string) string {
	if e.Estimated {
		return "about " + count(e.Count, one, many)
	}
	return count(e.Count, one, many)
}

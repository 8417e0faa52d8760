package main

import (
	"context"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
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
		if err := voice.Say(a.out, "plan", plan, printPlan); err != nil {
			return err
		}
	}
	return nil
}

func printPlan(o *voice.Output, p *intake.Plan) {
	o.Linef("%s  nothing is kept", o.Bold(printable.Plain(p.Source)))
	o.Linef("  would read %s = copies %s + quarantined %s", printable.Group(p.Read), printable.Group(p.Copies), printable.Group(p.Quarantined))
	o.Linef("  %s, %s, %s", estimate(p.Different, "different message", "different messages"),
		estimate(p.Accounts, "account", "accounts"), estimate(p.Conversations, "conversation", "conversations"))
	voice.PrintBeside(o, "copies", argus.Counts{Stored: p.Copies, Beside: p.Beside})
	if p.Locked > 0 {
		o.Linef("  %s locked: no key is held yet", printable.Count(p.Locked, "copy is", "copies are"))
	}
	if p.First.Known() {
		o.Linef("  messages from %s to %s", p.First, p.Last)
	}
	voice.PrintCompleteness(o, p.Completeness)
	files := make([]argus.FileAccount, len(p.Files))
	for i, f := range p.Files {
		files[i] = argus.FileAccount{Original: argus.Original{Path: f.Path, Size: f.Size}, Readers: f.Readers,
			Counts: argus.Counts{Read: f.Copies + f.Quarantined}, Problems: f.Problems, Remarks: f.Remarks}
	}
	voice.PrintFiles(o, files)
}

// estimate formats a number, with "about" if it was estimated.
func estimate(e intake.Estimate, one, many string) string {
	if e.Estimated {
		return "about " + printable.Count(e.Count, one, many)
	}
	return printable.Count(e.Count, one, many)
}

package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

// progress shows the progress of an intake: as a bar on a terminal, and as
// objects with --json.
type progress struct {
	a      *app
	bars   *mpb.Progress
	bar    *mpb.Bar
	latest atomic.Pointer[intake.Progress]
}

func (a *app) newProgress() *progress {
	p := &progress{a: a}
	p.latest.Store(&intake.Progress{})
	if a.watched() {
		p.bars = mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(40), mpb.WithAutoRefresh())
	}
	return p
}

func (p *progress) show(now intake.Progress) {
	before := p.latest.Swap(&now)
	if now.Delivery != before.Delivery || now.Phase != before.Phase {
		p.next(now)
	}
	if p.bar != nil {
		p.bar.SetCurrent(now.Bytes)
	}
	if now.Acknowledged != before.Acknowledged {
		p.a.complain(p.a.out.Progress("progress", now))
	}
}

// next begins the bar of a new phase.
func (p *progress) next(now intake.Progress) {
	p.end()
	if p.bars == nil || now.Total == 0 || now.Phase == "sealing" {
		return
	}
	started, base := time.Now(), now.Counts.Read
	p.bar = p.bars.New(now.Total, mpb.BarStyle(),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(
			decor.Name(fmt.Sprintf("%s %s ", now.Delivery, now.Phase)),
			decor.CountersKiloByte("% .1f / % .1f"),
		),
		mpb.AppendDecorators(
			decor.Percentage(),
			decor.Any(func(decor.Statistics) string {
				if now.Phase != "reading" {
					return ""
				}
				rate := float64(p.latest.Load().Counts.Read-base) / max(time.Since(started).Seconds(), 0.001)
				return fmt.Sprintf("  %s messages/s", printable.Group(uint64(rate)))
			}),
			decor.Any(func(s decor.Statistics) string {
				if s.Current == 0 || s.Current >= s.Total {
					return ""
				}
				left := time.Duration(float64(time.Since(started)) * float64(s.Total-s.Current) / float64(s.Current))
				return fmt.Sprintf("  %s left", left.Round(time.Second))
			}),
		))
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bar.Wait()
		p.bar = nil
	}
}

func (p *progress) close() {
	p.end()
	if p.bars != nil {
		p.bars.Shutdown()
	}
}

// tell prints a part of the answer. A receipt ends the bar.
func (p *progress) tell(e handover.Event) error {
	switch {
	case e.Progress != nil:
		p.show(*e.Progress)
	case e.Receipt != nil:
		p.end()
		return voice.Say(p.a.out, "receipt", e.Receipt, func(o *voice.Output, r *argus.Receipt) { voice.PrintReceipt(o, r, false) })
	case e.Difference != nil:
		return voice.Say(p.a.out, "difference", e.Difference, printDifference)
	case e.Unfinished != nil:
		u := e.Unfinished
		p.a.note(fmt.Sprintf("Delivery %s from %s is unfinished; \"argus ingest --resume %s\" continues it.", u.Delivery, printable.OneLine(u.Source), u.Delivery))
	case e.None != "":
		p.a.out.Aside("There is no delivery to %s.", e.None)
	case e.Said != "":
		p.a.viaSays(e.Said)
	}
	return nil
}

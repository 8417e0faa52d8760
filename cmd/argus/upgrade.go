package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/upgrade"
)

// upgradeError is why an upgrade did not come to its end.
type upgradeError struct{ error }

func (e upgradeError) Unwrap() error { return e.error }

func (a *app) upgradeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade [STORE]",
		Short: "Convert a store of an older format, and prove that it says the same",
		Long: `Convert a store that an older Argus wrote into the format of today. A new
store is made beside it, in STORE.upgrading, with the same id and key: each record keeps
its number, each delivery is sealed anew and its old seal kept, and the ledger
goes on with the upgrade in it. It needs the private key, and about as much free
disk as the store has.

No message changes, and that is proved: each record is read again from the new
store and written as the older format would have written it, and that must be
the older record, byte for byte. A difference stops the upgrade, and so does
damage: all of the older store is compared with its seals on the way. Then it
stays as it is.

At the end the older store is called STORE.format-1, and the new one takes its
name. Interrupted, it goes on where it was: run it again. Stop "argus serve" and
everything else that uses the store before. The index is built at the first use.`,
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			path := a.storePath()
			if len(args) == 1 {
				path = args[0]
			}
			return a.upgrade(c, path)
		},
	}
}

func (a *app) upgrade(c *cobra.Command, path string) error {
	debug.SetGCPercent(400) // little is held, and most of what is made is gone at once
	started := time.Now()
	var tell node.Upgrading
	tell.Begin = func(need, free int64) {
		switch {
		case a.json:
			a.report("upgrading", map[string]any{"need_bytes": need, "free_bytes": free})
		case free < 0:
			a.out.linef("Needs up to %s of free disk beside the store.", size(need))
		default:
			a.out.linef("Needs up to %s of free disk beside the store, and %s are free.", size(need), size(free))
		}
		if err := a.out.flush(); err != nil {
			fmt.Fprintln(a.err, "argus: "+err.Error())
		}
	}
	var shown time.Time
	var in upgrade.Step
	terminal := false
	if f, ok := a.err.(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd())) && !a.json
	}
	tell.Progress = func(step upgrade.Step, done, total uint64) {
		if step == in && done < total && time.Since(shown) < 200*time.Millisecond {
			return
		}
		shown, in = time.Now(), step
		switch {
		case a.json:
			a.report("progress", map[string]any{"step": step, "records": done, "total": total})
		case terminal:
			fmt.Fprintf(a.err, "\r\x1b[K%s of %s records %s", group(done), group(total), step)
		}
	}
	done, err := node.Upgrade(c.Context(), path, first(a.actor, os.Getenv("ARGUS_ACTOR")), a.nodeOptions(), tell)
	if terminal {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
	if err != nil {
		return upgradeError{err}
	}
	if a.json {
		return a.out.object("upgraded", done)
	}
	a.printUpgraded(done, time.Since(started))
	return nil
}

// report prints an event on the way. That it cannot is no reason to stop.
func (a *app) report(event string, v any) {
	if err := a.out.object(event, v); err != nil {
		fmt.Fprintln(a.err, "argus: "+err.Error())
	}
}

func (a *app) printUpgraded(done *node.Upgraded, took time.Duration) {
	o := a.out
	if done.Finished {
		o.linef("The upgrade of store %s had been done; its folders have their names now.", done.Store)
	} else {
		for _, d := range done.Deliveries {
			state := "sealed anew"
			if d.Seal == (argus.Hash{}) {
				state = "still open"
			}
			o.linef("%s  %s, none differs; root before %s; %s", d.Number, count(d.Records, "record", "records"), d.Root, state)
		}
		o.linef("Upgraded store %s in %s: stored %s + sightings %s + quarantined %s, %s, none differs.", done.Store, took.Round(time.Millisecond),
			group(done.Messages), group(done.Sightings), group(done.Quarantined), count(done.Records, "record", "records"))
		o.linef("The roots before, as they follow from the new store, have together the SHA-256 %s.", done.Same)
	}
	o.linef(`The store of format 1 is in %s. "argus verify" checks the new one.`, done.Kept)
}

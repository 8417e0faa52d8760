package main

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/upgrade"
	"github.com/argus-evidence/argus/internal/voice"
)

// upgradeError is returned for an upgrade that did not complete.
type upgradeError struct{ error }

func (e upgradeError) Unwrap() error { return e.error }

func (a *app) upgradeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade [STORE]",
		Short: "Convert a store of an older format, and prove that nothing changed",
		Long: `Convert a store that an older Argus wrote to the current format. Argus makes a new
store next to it, in STORE.upgrading, with the same id and key: each record keeps its number, each
delivery is sealed anew and keeps its old seal, and the ledger continues with the
upgrade as an entry. The upgrade needs the private key, and about as much free disk
space as the store occupies.

No message changes, and the upgrade proves it: it reads each record again from the
new store and encodes it in the older format. The result must equal the older record,
byte for byte. A difference stops the upgrade, and so does damage: Argus compares the
whole older store with its seals on the way. The older store is not changed.

At the end the older store is renamed to STORE.format-1, and the new one takes its
name. An interrupted upgrade continues when you run it again. Stop "argus serve" and
everything else that uses the store first. The first use builds the index.`,
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
	debug.SetGCPercent(400) // the live heap is small, and almost every allocation is garbage at once
	started, watched := time.Now(), a.watched()
	var tell node.Upgrading
	tell.Begin = func(need, free int64) {
		a.complain(voice.Say(a.out, "upgrading", room{need, free}, func(o *voice.Output, r room) {
			if r.Free < 0 {
				o.Linef("The upgrade needs up to %s of free disk space next to the store.", printable.Size(r.Need))
				return
			}
			o.Linef("The upgrade needs up to %s of free disk space next to the store; %s are free.", printable.Size(r.Need), printable.Size(r.Free))
		}))
	}
	var shown time.Time
	var in upgrade.Step
	tell.Progress = func(step upgrade.Step, done, total uint64) {
		if step == in && done < total && time.Since(shown) < 200*time.Millisecond {
			return
		}
		shown, in = time.Now(), step
		if watched {
			fmt.Fprintf(a.err, clearLine+"%s of %s records %s", printable.Group(done), printable.Group(total), step)
		}
		a.complain(a.out.Progress("progress", map[string]any{"step": step, "records": done, "total": total}))
	}
	done, err := node.Upgrade(c.Context(), path, a.actorName(), a.nodeOptions(), tell)
	if watched {
		fmt.Fprint(a.err, clearLine)
	}
	if err != nil {
		return upgradeError{err}
	}
	return voice.Say(a.out, "upgraded", upgraded{done, time.Since(started).Seconds()}, printUpgraded)
}

// room is the disk space of an upgrade, in bytes.
type room struct {
	Need int64 `json:"need_bytes"`
	Free int64 `json:"free_bytes"` // -1 if it is unknown
}

// upgraded is the output of an upgrade.
type upgraded struct {
	*node.Upgraded
	Seconds float64 `json:"seconds"`
}

func printUpgraded(o *voice.Output, done upgraded) {
	if done.Finished {
		o.Linef("The store %s was upgraded before; its folders are renamed now.", done.Store)
	} else {
		for _, d := range done.Deliveries {
			state := "sealed anew"
			if d.Seal == (argus.Hash{}) {
				state = "still open"
			}
			o.Linef("%s  %s, none differs; old root %s; %s", d.Number, printable.Count(d.Records, "record", "records"), d.Root, state)
		}
		o.Linef("Upgraded store %s in %s: stored %s + sightings %s + quarantined %s, %s, none differs.", done.Store, printable.Seconds(done.Seconds),
			printable.Group(done.Messages), printable.Group(done.Sightings), printable.Group(done.Quarantined), printable.Count(done.Records, "record", "records"))
		o.Linef("SHA-256 of all old roots, computed from the new store: %s.", done.Same)
	}
	o.Linef(`The older store is in %s. "argus verify" checks the new one.`, done.Kept)
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/verify"
	"github.com/argus-evidence/argus/internal/voice"
)

// errNewerFound is returned for a store without damage that was not checked completely.
var errNewerFound = fmt.Errorf("a part of the store was %w and was not checked", argus.ErrNewer)

// errDamageFound is returned after findings of damage have been printed.
var errDamageFound = errors.New("the store is damaged")

func (a *app) verifyCommand() *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use:   "verify [STORE]",
		Short: "Recompute every claim of a store, and list all damage",
		Long: `Recompute every claim of a store from its folder alone: the hashes of originals, every
record and its identity, the Merkle tree, counts and signature of each delivery, the
ledger, the authorities and the index. No server and no secret is needed. Each finding
names the file, offset, records and delivery.

Without --key, Argus uses the public key in the store, which proves only that the
store agrees with itself. A key that you received by a separate channel proves who
sealed the store. The answer names the key and its source.

The index is compared with the evidence: Argus derives every term, account,
conversation, time and group of copies from the records again.

Exit code 0: the store is as it was sealed. 3: damage was found. 1: a newer Argus wrote
a part, which was not checked, or an older Argus wrote the store, and "argus upgrade"
converts it.`,
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			path := a.storePath()
			if len(args) == 1 {
				path = args[0]
			}
			key := ""
			if c.Flags().Changed("key") {
				var wrong string
				var err error
				if key, wrong, err = admin.ReadPublicKey(keyFile); err != nil {
					return fmt.Errorf("read the public key: %w", err)
				}
				// An empty key would mean the key in the store.
				if wrong != "" {
					return usageError{fmt.Errorf("read the public key: %w: %s", verify.ErrKey, wrong), c.CommandPath()}
				}
			}
			return a.verify(c, path, key)
		},
	}
	c.Flags().StringVar(&keyFile, "key", "", "the `file` with the public key that you trust (default the one in the store)")
	return c
}

func (a *app) verify(c *cobra.Command, path, key string) error {
	damaged, newer := 0, 0
	report := func(f verify.Finding) {
		switch {
		case f.Newer:
			newer++
		case !f.Note:
			damaged++
		}
		a.complain(voice.Say(a.out, "finding", f, printFinding))
	}
	started, watched := time.Now(), a.watched()
	var read int64
	shown := time.Now()
	result, err := node.Verify(c.Context(), path, key, report, func(n int64) {
		if read += n; watched && time.Since(shown) > 200*time.Millisecond {
			shown = time.Now()
			fmt.Fprintf(a.err, clearLine+"%s checked", printable.Size(read))
		}
	})
	if watched {
		fmt.Fprint(a.err, clearLine)
	}
	if err != nil {
		return err
	}
	if err := voice.Say(a.out, "verified", verified{damaged+newer == 0, damaged, newer, time.Since(started).Seconds(), result}, printVerified); err != nil {
		return err
	}
	if damaged > 0 {
		return errDamageFound
	}
	if newer > 0 {
		return errNewerFound
	}
	return nil
}

func printFinding(o *voice.Output, f verify.Finding) {
	kind := o.Style("31;1", "DAMAGED")
	switch {
	case f.Note:
		kind = "note"
	case f.Newer:
		kind = o.Style("33;1", "NEWER")
	}
	at := f.File
	if f.Offset >= 0 {
		at += fmt.Sprintf(" at offset %d", f.Offset)
	}
	switch {
	case f.First != 0 && f.Last > f.First:
		at += fmt.Sprintf(", records %d to %d", f.First, f.Last)
	case f.First != 0:
		at += fmt.Sprintf(", record %d", f.First)
	}
	if f.Delivery != 0 {
		at += fmt.Sprintf(", delivery %s", f.Delivery)
	}
	o.Linef("%s  %s: %s", kind, printable.OneLine(at), printable.OneLine(f.Problem))
}

// verified is the output of verify after its findings.
type verified struct {
	Sound   bool    `json:"sound"`
	Damage  int     `json:"damage"`
	Newer   int     `json:"newer,omitempty"`
	Seconds float64 `json:"seconds"`
	*verify.Verified
}

func printVerified(o *voice.Output, v verified) {
	c := v.Counts
	entries := printable.Count(v.Entries, "entry", "entries") + " of the ledger"
	if v.KeyFrom == "" {
		entries = "nothing in the ledger"
	}
	o.Linef("store %s: %s in %s of %s sealed, %s, %s; %s checked in %s", v.Store,
		printable.Count(v.Records, "record", "records"), printable.Group(uint64(v.Sealed)), printable.Count(uint64(v.Deliveries), "delivery", "deliveries"),
		printable.Count(uint64(v.Originals), "original", "originals"), entries, printable.Size(v.Bytes), printable.Seconds(v.Seconds))
	o.Linef("read %s = stored %s + sightings %s + quarantined %s; the index holds %s", printable.Group(c.Read), printable.Group(c.Stored),
		printable.Group(c.Sightings), printable.Group(c.Quarantined), printable.Count(v.Indexed, "item", "items"))
	switch v.KeyFrom {
	case verify.KeyGiven:
		o.Linef("key %s, given with --key", printable.OneLine(v.Key))
	case verify.KeyStored:
		o.Linef("key %s, taken from the store itself, so this proves only that the store agrees with itself", printable.OneLine(v.Key))
	default:
		o.Linef("There was no public key to check signatures with.")
	}
	switch {
	case v.Damage > 0:
		o.Linef("%s: %s above.", o.Style("31;1", "DAMAGED"), printable.Count(uint64(v.Damage), "finding", "findings"))
	case v.Newer > 0:
		o.Linef("%s: %s above; no damage was found.", o.Style("33;1", "NOT CHECKED"), printable.Count(uint64(v.Newer), "part", "parts"))
	default:
		o.Linef("%s: everything is as it was sealed.", o.Style("32;1", "SOUND"))
	}
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/verify"
)

// errNewerFound says that nothing is damaged, and that not everything was checked.
var errNewerFound = fmt.Errorf("a part of the store was %w and was not checked", argus.ErrNewer)

// errDamageFound says that findings of damage have been printed.
var errDamageFound = errors.New("the store is damaged")

func (a *app) verifyCommand() *cobra.Command {
	var keyFile string
	c := &cobra.Command{
		Use:   "verify [STORE]",
		Short: "Recompute everything that a store claims, and name what was changed",
		Long: `Recompute from the store's folder alone everything that it claims: the hashes of
originals, every record and its identity, the Merkle tree, counts and signature
of each delivery, the ledger, the authorities, the index. No server and no
secret is needed. Each finding names file, offset, records and delivery.

Without --key the public key in the store is used: that proves that the store
agrees with itself. With a key that you received on another way it proves who
sealed it. The answer says which key it was, and where it came from.

The index is compared with the evidence: every term, account, conversation, time
and group of copies is made once more from the records.

Exit code 0: everything is as it was sealed. 3: something is damaged. 1: a newer
Argus wrote a part, which this one did not check, or an older one wrote the
store, which "argus upgrade" converts.`,
		Args: arguments(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			path := a.storePath()
			if len(args) == 1 {
				path = args[0]
			}
			key := ""
			if c.Flags().Changed("key") {
				data, err := os.ReadFile(keyFile)
				if err != nil {
					return fmt.Errorf("read the public key: %w", err)
				}
				// Without a key the store's own would be taken.
				if key = strings.TrimSpace(string(data)); key == "" {
					return usageError{fmt.Errorf("read the public key: %w: %s is empty", verify.ErrKey, keyFile), c.CommandPath()}
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
		if a.json {
			if err := a.out.object("finding", f); err != nil {
				fmt.Fprintln(a.err, "argus: "+err.Error())
			}
			return
		}
		printFinding(a.out, f)
	}
	started := time.Now()
	var read int64
	shown := time.Now()
	terminal := false
	if f, ok := a.err.(*os.File); ok {
		terminal = term.IsTerminal(int(f.Fd())) && !a.json
	}
	result, err := node.Verify(c.Context(), path, key, report, func(n int64) {
		if read += n; terminal && time.Since(shown) > 200*time.Millisecond {
			shown = time.Now()
			fmt.Fprintf(a.err, "\r\x1b[K%s checked", size(read))
		}
	})
	if terminal {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	if a.json {
		if err := a.out.object("verified", struct {
			Sound  bool `json:"sound"`
			Damage int  `json:"damage"`
			Newer  int  `json:"newer,omitempty"`
			*verify.Verified
		}{damaged+newer == 0, damaged, newer, result}); err != nil {
			return err
		}
	} else {
		printVerified(a.out, result, damaged, newer, time.Since(started))
	}
	if damaged > 0 {
		return errDamageFound
	}
	if newer > 0 {
		return errNewerFound
	}
	return nil
}

func printFinding(o *output, f verify.Finding) {
	kind := o.style("31;1", "DAMAGED")
	switch {
	case f.Note:
		kind = "note"
	case f.Newer:
		kind = o.style("33;1", "NEWER")
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
	o.linef("%s  %s: %s", kind, oneLine(at), oneLine(f.Problem))
}

func printVerified(o *output, v *verify.Verified, damaged, newer int, took time.Duration) {
	c := v.Counts
	o.linef("store %s: %s in %s of %s sealed, %s, %s of the ledger; %s checked in %s", v.Store,
		count(v.Records, "record", "records"), group(uint64(v.Sealed)), count(uint64(v.Deliveries), "delivery", "deliveries"),
		count(uint64(v.Originals), "original", "originals"), count(v.Entries, "entry", "entries"), size(v.Bytes), took.Round(time.Millisecond))
	o.linef("read %s = stored %s + sightings %s + quarantined %s; the index holds %s", group(c.Read), group(c.Stored),
		group(c.Sightings), group(c.Quarantined), count(v.Indexed, "message", "messages"))
	from := "given with --key"
	if v.KeyFrom == verify.KeyStored {
		from = "taken from the store itself, so that this proves only that the store agrees with itself"
	}
	o.linef("key %s, %s", oneLine(v.Key), from)
	switch {
	case damaged > 0:
		o.linef("%s: %s above.", o.style("31;1", "DAMAGED"), count(uint64(damaged), "finding", "findings"))
	case newer > 0:
		o.linef("%s: %s above; nothing else is wrong.", o.style("33;1", "NOT CHECKED"), count(uint64(newer), "part", "parts"))
	default:
		o.linef("%s: everything is as it was sealed.", o.style("32;1", "SOUND"))
	}
}

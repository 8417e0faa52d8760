package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

// indexed is the output of reindex.
type indexed struct {
	Items   uint64  `json:"items"` // messages, calls and all other types
	Seconds float64 `json:"seconds"`
}

func (a *app) reindexCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reindex",
		Short: "Delete the index and rebuild it from the evidence",
		Args:  arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			o := a.nodeOptions()
			o.Catching = a.catching("indexed")
			started := time.Now()
			items, err := node.Reindex(c.Context(), a.storePath(), o)
			if err != nil {
				return err
			}
			return voice.Say(a.out, "indexed", indexed{items, time.Since(started).Seconds()}, func(o *voice.Output, i indexed) {
				o.Linef("Indexed %s in %s.", printable.Count(i.Items, "item", "items"), printable.Seconds(i.Seconds))
			})
		},
	}
}

// catching returns a function that shows the progress of the index on a terminal, or nil
// if nobody watches.
func (a *app) catching(word string) func(done, total uint64) {
	if !a.watched() {
		return nil
	}
	var shown time.Time
	return func(done, total uint64) {
		if done < total && time.Since(shown) < 200*time.Millisecond {
			return
		}
		shown = time.Now()
		fmt.Fprintf(a.err, clearLine+"%s of %s records %s", printable.Group(done), printable.Group(total), word)
		if done >= total {
			fmt.Fprint(a.err, clearLine)
		}
	}
}

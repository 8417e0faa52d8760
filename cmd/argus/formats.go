package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/voice"
)

// format is a row of the table of formats.
type format struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	About   string `json:"about"`
	Checked string `json:"checked"`
}

func (a *app) formatsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "formats",
		Short: "List the formats that Argus reads, and the data each reader was checked on",
		Args:  arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			for _, f := range all.Formats() {
				err := voice.Say(a.out, "format", format{f.Name, f.Version, f.About, f.Checked}, func(o *voice.Output, f format) {
					o.Linef("%s  %s", o.Bold(f.Format+"/"+strconv.Itoa(f.Version)), f.About)
					o.Linef("  checked on: %s", f.Checked)
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

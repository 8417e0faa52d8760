package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) initCommand() *cobra.Command {
	var segment int64
	var country string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an empty store",
		Long: `Make an empty store with a key pair for its seals and its ledger, and with one
authority, A-0001, which covers everything in it as your own data. The private key is
kept outside the store.

--country names the countries of the case. Each delivery is read with them, unless its
own --country names others, and its receipt says so. They are kept in argus.json, whose
hash is in the ledger, and cannot be changed. A store made by another command has none.`,
		Example: "  argus init --country NL,BE",
		Args:    arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			path := a.storePath()
			o := a.nodeOptions()
			o.SegmentBytes = segment
			if country != "" {
				var err error
				if o.Countries, err = intake.Countries(country); err != nil {
					return usageError{fmt.Errorf("--%w", err), c.CommandPath()}
				}
			}
			if err := node.Create(c.Context(), path, o); err != nil {
				return err
			}
			return a.created(c, path)
		},
	}
	c.Flags().Int64Var(&segment, "segment-bytes", 0, "the size in `bytes` at which a file of evidence is closed, up to 1 GiB (default 256 MiB)")
	c.Flags().StringVar(&country, "country", "", "the `countries` of the case, such as NL,BE: for telephone numbers in national form, and for dates like 3/4/2021 whose order the data does not settle")
	return c
}

// created is the output when a store has been made.
type created struct {
	Path       string `json:"path"`
	Store      string `json:"store"`
	PrivateKey string `json:"private_key"`
	// Countries are the codes (ISO 3166) of the countries of the case.
	Countries []string `json:"countries,omitempty"`
}

// created reports a new store, and the place of its private key.
func (a *app) created(c *cobra.Command, path string) error {
	n, err := node.Open(c.Context(), path, a.nodeOptions())
	if err != nil {
		return err
	}
	err = voice.Say(a.out, "created", created{path, n.Info.Store, n.PrivateKeyPath(), n.Info.Countries}, func(o *voice.Output, s created) {
		o.Linef("Made the store %s in %s.", s.Store, s.Path)
		if len(s.Countries) > 0 {
			o.Linef("Deliveries are read with country %s, unless they name others.", strings.Join(s.Countries, ","))
		}
		o.Linef("Its private key is %s: keep a copy elsewhere.", s.PrivateKey)
		if runtime.GOOS == "windows" {
			o.Linef("On Windows, Argus does not check who can read that file.")
		}
	})
	return errors.Join(err, n.Close())
}

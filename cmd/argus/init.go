package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/voice"
)

func (a *app) initCommand() *cobra.Command {
	var segment int64
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an empty store",
		Long: `Make an empty store with a key pair for its seals and its ledger, and with one
authority, A-0001, that covers everything in it: your own data. The private key
is kept outside the store.`,
		Args: arguments(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			path := a.storePath()
			o := a.nodeOptions()
			o.SegmentBytes = segment
			if err := node.Create(c.Context(), path, o); err != nil {
				return err
			}
			return a.created(c, path)
		},
	}
	c.Flags().Int64Var(&segment, "segment-bytes", 0, "the size in `bytes` at which a file of evidence is closed, up to 1 GiB (default 256 MiB)")
	return c
}

// created is the answer when a store was made.
type created struct {
	Path       string `json:"path"`
	Store      string `json:"store"`
	PrivateKey string `json:"private_key"`
}

// created reports a new store, and the place of its private key.
func (a *app) created(c *cobra.Command, path string) error {
	n, err := node.Open(c.Context(), path, a.nodeOptions())
	if err != nil {
		return err
	}
	err = voice.Say(a.out, "created", created{path, n.Info.Store, n.PrivateKeyPath()}, func(o *voice.Output, s created) {
		o.Linef("Made the store %s in %s.", s.Store, s.Path)
		o.Linef("Its private key is %s: keep a copy elsewhere.", s.PrivateKey)
		if runtime.GOOS == "windows" {
			o.Linef("Argus does not check on Windows who has rights to that file.")
		}
	})
	return errors.Join(err, n.Close())
}

package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/node"
)

func (a *app) initCommand() *cobra.Command {
	var segment int64
	c := &cobra.Command{
		Use:   "init",
		Short: "Make an empty store",
		Long: `Make an empty store, with a key pair for its seals and its ledger, and with one
authority, A-0001, that covers everything in it: your own data. The private key
stays outside the store.`,
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
	c.Flags().Int64Var(&segment, "segment-bytes", 0, "the size at which a file of evidence is closed, up to 1 GiB (default 256 MiB)")
	return c
}

// created tells that a store was made, and where its private key is.
func (a *app) created(c *cobra.Command, path string) error {
	n, err := node.Open(c.Context(), path, a.nodeOptions())
	if err != nil {
		return err
	}
	if a.json {
		err = a.out.object("created", map[string]any{"path": path, "store": n.Info.Store, "private_key": n.PrivateKeyPath()})
	} else {
		a.out.linef("Made the store %s in %s.", n.Info.Store, path)
		a.out.linef("Its private key is %s: keep a copy elsewhere.", n.PrivateKeyPath())
		err = a.out.flush()
	}
	return errors.Join(err, n.Close())
}

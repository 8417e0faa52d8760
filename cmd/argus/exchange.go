package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/exchange/signed"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/voice"
)

// handedOut is the answer after a signed file was written.
type handedOut struct {
	Path string `json:"path"`
	Key  string `json:"key"`
}

// handOut writes a signed file.
func (a *app) handOut(path, key string, file []byte) error {
	if err := durable.WriteNew(durable.OS{}, path, file); err != nil {
		return err
	}
	return voice.Say(a.out, "written", handedOut{path, key}, func(o *voice.Output, h handedOut) {
		o.Linef("Wrote %s, signed with the key %s.", h.Path, printable.OneLine(h.Key))
	})
}

// signedFile reads a signed file and the public key that it was signed with.
func signedFile(path, keyPath string) (file []byte, key string, err error) {
	if file, err = durable.ReadGiven(path, signed.MaxFile); err != nil {
		return nil, "", err
	}
	key, err = publicKey(keyPath)
	return file, key, err
}

// publicKey reads a public key that the user names.
func publicKey(path string) (string, error) {
	key, wrong, err := admin.ReadPublicKey(path)
	if err == nil && wrong != "" {
		err = errors.New(wrong)
	}
	if err != nil {
		return "", fmt.Errorf("read the public key: %w", err)
	}
	return key, nil
}

func (a *app) authorityExport() *cobra.Command {
	var out, key string
	c := &cobra.Command{
		Use:   "export NUMBER",
		Short: "Write a signed file of an authority, for another store",
		Long: `Write a file with an authority and the lists that its scope names, signed with the
store's key. Whoever has the public key can take it into another store with "argus
authority import". An authority is not exported if it is suspended or has ended, or if its
scope names deliveries, whose numbers mean nothing elsewhere.`,
		Example: `  argus authority export A-0002 --out A-0002.signed`,
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			number, err := authority.ParseNumber(args[0])
			if err == nil && out == "" {
				err = errors.New("missing --out")
			}
			if err != nil {
				return usageError{err, c.CommandPath()}
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				file, signer, err := n.Admin.ExportAuthority(ctx, a.actorName(), number, key)
				if err != nil {
					return err
				}
				return a.handOut(out, signer, file)
			})
		},
	}
	c.Flags().StringVar(&out, "out", "", "write the authority to this new `file`")
	c.Flags().StringVar(&key, "key", "", "sign with the private key in this `file` (default the store's)")
	return c
}

func (a *app) authorityImport() *cobra.Command {
	var from string
	var actors, roles []string
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Take in an authority that another store exported",
		Long: `Take in an authority from a file that "argus authority export" of another store wrote.
The file has to be signed with the key in --from, which you have from its owner by a
separate channel. You name the people who may use the authority here: names of another
store mean nothing in this one. The authority begins now if it began earlier in its
store; one that has ended is refused. Each can be imported once.`,
		Example: `  argus authority import A-0002.signed --from holder.pub --for-role investigator`,
		Args:    arguments(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case from == "":
				return usageError{errors.New("missing --from"), c.CommandPath()}
			case len(actors)+len(roles) == 0:
				return usageError{errors.New("say who may use it here, with --for-actor or --for-role"), c.CommandPath()}
			}
			file, key, err := signedFile(args[0], from)
			if err != nil {
				return err
			}
			return a.administer(c, func(ctx context.Context, n *node.Node) error {
				in, err := n.Admin.ImportAuthority(ctx, a.actorName(), file, key, actors, roles)
				if err != nil {
					return err
				}
				return voice.Say(a.out, "imported", in, printImported)
			})
		},
	}
	c.Flags().StringVar(&from, "from", "", "the `file` with the public key of the store that exported it")
	c.Flags().StringSliceVar(&actors, "for-actor", nil, "a person who may use it here; may be repeated")
	c.Flags().StringSliceVar(&roles, "for-role", nil, "a role whose people may use it here; may be repeated")
	return c
}

func printImported(o *voice.Output, in *admin.Imported) {
	printAuthority(o, in.Authority)
	was := &in.Was.Authority
	o.Linef("In its store it was for %s.", printable.OneLine(everyone(was)))
	if was.From.Before(in.From) {
		o.Linef("It began at %s there, and begins at %s here.", was.From.Format(time.RFC3339), in.From.Format(time.RFC3339))
	}
	for _, l := range in.Lists {
		o.Linef("The list %s is new here, as version %d: %s", l.Name, l.Version, l.Hash)
	}
}

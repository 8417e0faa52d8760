// Command argus turns lawfully obtained messages into evidence that can be
// searched and checked: the command line of Argus.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/handover"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/printable"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/sandbox"
	"github.com/argus-evidence/argus/internal/voice"
)

func main() {
	sandbox.Main(all.Formats())
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{out: voice.New(out), err: errOut}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if flushErr := a.out.Flush(); err == nil {
		err = flushErr
	}
	if err == nil {
		return 0
	}
	err = layout.Damaged(a.storePath(), err)
	code, hint := explain(err)
	if errors.Is(err, argus.ErrLocked) {
		hint = cmp.Or(handover.Holder(ctx, a.storePath()), hint)
	}
	if ctx.Err() != nil {
		code, hint = exitInterrupted, hintInterrupted(err)
	}
	if text := message(err); text != "" {
		fmt.Fprintln(errOut, "argus: "+printable.Plain(text)) // an error may quote the evidence
	}
	if hint != "" {
		fmt.Fprintln(errOut, "  "+hint)
	}
	return code
}

// app is one run of the command.
type app struct {
	out *voice.Voice
	err io.Writer

	store     string
	json      bool
	keys      string
	reader    string
	actor     string
	authority string
	purpose   string
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "argus",
		Short: "Evidence from lawfully obtained messages that a court can check",
		Long: `Argus takes in deliveries of messages, keeps them so that any later change is
detected, and searches them under a legal authority. Every search is recorded.
Begin with "argus demo", or with your own files:

  argus ingest FILE-OR-FOLDER
  argus search 'hello from:alice sent:2020'
  argus show REF --trace
  argus verify`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		Version:           software(),
		RunE:              menu,
		PersistentPreRun: func(*cobra.Command, []string) {
			if a.json {
				a.out.AsObjects()
			}
		},
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.store, "store", "", "the store's `folder` (default $ARGUS_STORE, then ./case.argus)")
	flags.BoolVar(&a.json, "json", false, "print one JSON object per line")
	flags.StringVar(&a.keys, "keys", "", "the `folder` that holds the store's private key (default $ARGUS_KEYS, then argus/keys in your configuration folder)")
	flags.StringVar(&a.reader, "reader", "", "the `folder` of your own ledger, which is used when the store cannot be written (default $ARGUS_READER, then argus/reader in your configuration folder)")
	flags.StringVar(&a.actor, "actor", "", "your `name` in the ledger (default $ARGUS_ACTOR, then your user name)")
	flags.StringVar(&a.authority, "authority", "", "the `number` of the authority that you act under (default the only one that names you)")
	flags.StringVar(&a.purpose, "purpose", "", "your `purpose`, recorded in the ledger (default $ARGUS_PURPOSE, then the authority's purpose)")
	root.AddCommand(
		a.initCommand(),
		a.ingestCommand(),
		a.rereadCommand(),
		a.searchCommand(),
		a.showCommand(),
		a.conversationCommand(),
		a.receiptCommand(),
		a.quarantineCommand(),
		a.verifyCommand(),
		a.ledgerCommand(),
		a.authorityCommand(),
		a.peopleCommand(),
		a.privilegeCommand(),
		a.policyCommand(),
		a.requestCommand(),
		a.transferCommand(),
		a.hitsCommand(),
		a.listCommand(),
		a.mapCommand(),
		a.reindexCommand(),
		a.upgradeCommand(),
		a.serveCommand(),
		a.demoCommand(),
		a.formatsCommand(),
		a.validateCommand(),
		a.worldCommand(),
		a.benchCommand(),
	)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usageError{err, c.CommandPath()} })
	root.SetHelpCommand(helpCommand())
	for _, c := range root.Commands() {
		wrapUsage(c)
	}
	return root
}

// software names this build: its version, or its commit if it has none.
func software() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "argus"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return "argus " + version
}

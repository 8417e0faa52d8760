// Command argus turns lawfully obtained messages into evidence that can be
// searched and checked: the command line of Argus.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/query"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/sandbox"
)

func main() {
	sandbox.Main(all.Formats())
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// The exit codes, as docs/cli.md lists them.
const (
	exitError       = 1
	exitUsage       = 2
	exitDamaged     = 3
	exitRefused     = 4
	exitNotFound    = 5
	exitLocked      = 6
	exitInterrupted = 130
)

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{out: newOutput(out), err: errOut}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if flushErr := a.out.flush(); err == nil {
		err = flushErr
	}
	if err == nil {
		return 0
	}
	code, hint := explain(err)
	if ctx.Err() != nil {
		code, hint = exitInterrupted, hintInterrupted(err)
	}
	if text := message(err); text != "" {
		fmt.Fprintln(errOut, "argus: "+plain(text)) // it may quote the evidence
	}
	if hint != "" {
		fmt.Fprintln(errOut, "  "+hint)
	}
	return code
}

// app is one run of the command.
type app struct {
	out *output
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
		Long: `Argus takes in deliveries of messages, keeps them so that every change would be
found, and lets them be searched under a legal authority, with a trace of each
look. Begin with "argus demo", or with your own files:

  argus ingest FILE-OR-FOLDER
  argus search 'hello from:alice sent:2020'
  argus show REF --trace
  argus verify`,
		SilenceUsage:               true,
		SilenceErrors:              true,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
		Version:                    software(),
		RunE:                       menu,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.store, "store", "", "the store's `folder` (default $ARGUS_STORE, then ./case.argus)")
	flags.BoolVar(&a.json, "json", false, "print one JSON object a line")
	flags.StringVar(&a.keys, "keys", "", "the `folder` with the store's private key (default $ARGUS_KEYS, then argus/keys in your configuration folder)")
	flags.StringVar(&a.reader, "reader", "", "the `folder` for your own ledger of stores that cannot be written (default $ARGUS_READER, then argus/reader in your configuration folder)")
	flags.StringVar(&a.actor, "actor", "", "who asks, for the ledger (default $ARGUS_ACTOR, then your user name)")
	flags.StringVar(&a.authority, "authority", "", "the `number` of the authority that you act under (default the only one that names you)")
	flags.StringVar(&a.purpose, "purpose", "", "what for, for the ledger (default $ARGUS_PURPOSE, then the authority's purpose)")
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
		a.listCommand(),
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

// helpCommand is cobra's, but for topics that there are not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command does and how it is used",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return menu(c.Root(), args)
			}
			return of.Help()
		},
	}
}

// arguments wants so many.
func arguments(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) < least {
			return fmt.Errorf("something is missing: %s", c.UseLine())
		}
		if len(given) > most {
			return fmt.Errorf("%q is too much: %s", given[most], c.UseLine())
		}
		return nil
	}
}

// menu runs a command that only has others below it.
func menu(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	err := fmt.Errorf("there is no command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, ", "))
	}
	return usageError{err, c.CommandPath()}
}

// usageError is a command that was not typed as it should be.
type usageError struct {
	error
	command string
}

func wrapUsage(c *cobra.Command) {
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return usageError{err, c.CommandPath()}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapUsage(sub)
	}
}

// storePath is the store that the command is about.
func (a *app) storePath() string {
	for _, path := range []string{a.store, os.Getenv("ARGUS_STORE")} {
		if path != "" {
			return path
		}
	}
	return "case.argus"
}

func (a *app) nodeOptions() node.Options {
	return node.Options{Formats: all.Formats(), KeyDir: a.keys, ReaderDir: a.reader, Software: software(), Failpoint: failpoint(),
		Note: func(sentence string) { fmt.Fprintln(a.err, "argus: "+plain(sentence)) }}
}

// open opens the store for reading, and says who reads.
func (a *app) open(ctx context.Context) (*node.Node, desk.Who, error) {
	n, err := node.Open(ctx, a.storePath(), a.nodeOptions())
	if err != nil {
		return nil, desk.Who{}, err
	}
	who, err := a.who(ctx, n)
	if err != nil {
		return nil, who, errors.Join(err, n.Close())
	}
	return n, who, nil
}

// who asks: what the flags say, then the environment, then what the store has.
func (a *app) who(ctx context.Context, n *node.Node) (desk.Who, error) {
	return n.Who(ctx, desk.Who{Actor: first(a.actor, os.Getenv("ARGUS_ACTOR")), Authority: a.authority, Purpose: first(a.purpose, os.Getenv("ARGUS_PURPOSE"))})
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// explain returns the exit code of an error and what to do next.
func explain(err error) (code int, hint string) {
	var usage usageError
	var syntax *query.SyntaxError
	var upgrading upgradeError
	switch {
	case errors.As(err, &upgrading) && errors.Is(err, argus.ErrDamaged):
		return exitDamaged, `The store is as it was. "argus verify" of the Argus that wrote it names all that is damaged.`
	case errors.As(err, &usage):
		return exitUsage, fmt.Sprintf("See %q.", usage.command+" --help")
	case errors.As(err, &syntax), errors.Is(err, desk.ErrRequest), errors.Is(err, node.ErrKey):
		return exitUsage, ""
	case errors.Is(err, errDamageFound):
		return exitDamaged, ""
	case errors.Is(err, node.ErrNoStore):
		return exitError, `Name it with --store or $ARGUS_STORE, or make one with "argus init" or "argus ingest PATH".`
	case errors.Is(err, node.ErrNoKey):
		return exitError, "Name the folder that holds it with --keys or $ARGUS_KEYS. It is where the store was made, and is not part of the store."
	case errors.Is(err, sandbox.ErrNotHeld):
		return exitError, "Nothing was read. Where readers run, in SECURITY.md, says what Argus asks of the system; a container has to allow seccomp."
	case errors.Is(err, node.ErrWriteProtected):
		return exitError, "It can be searched, shown and verified. Copy it to a disk that can be written, with its key, to change it."
	case durable.NoRoom(err):
		return exitError, `The disk is full. What was acknowledged is kept: make room and run it again; an interrupted ingest goes on with "argus ingest --resume".`
	case errors.Is(err, intake.ErrUnfinished):
		return exitError, `Finish it with "argus ingest --resume", or seal it as it is with "argus ingest --abandon".`
	case errors.Is(err, intake.ErrOtherFiles):
		return exitError, `Put the files back and resume, or seal it as it is with "argus ingest --abandon".`
	case errors.Is(err, intake.ErrOtherReaders):
		return exitError, `Finish it with the Argus that began it, or seal it as it is with "argus ingest --abandon" and hand it over again.`
	case errors.Is(err, argus.ErrNewer):
		return exitError, "Use the Argus that wrote it, or a newer one."
	case errors.Is(err, argus.ErrDamaged):
		return exitDamaged, `"argus verify" names what is damaged; "argus reindex" rebuilds the index from the evidence.`
	case errors.Is(err, argus.ErrRefused):
		return exitRefused, `"argus authority list" shows the authorities that name you.`
	case errors.Is(err, argus.ErrAmbiguous):
		return exitNotFound, "Give more digits."
	case errors.Is(err, argus.ErrNotFound), errors.Is(err, errNoSource):
		return exitNotFound, ""
	case errors.Is(err, argus.ErrLocked):
		return exitLocked, "Wait for the other argus to end, or stop it."
	}
	return exitError, ""
}

func hintInterrupted(err error) string {
	if _, upgrading := errors.AsType[upgradeError](err); upgrading {
		return "The store is as it was. Run it again: it goes on from here."
	}
	if errors.Is(err, errIngestStopped) {
		return `What was acknowledged is kept. Go on with "argus ingest --resume".`
	}
	return ""
}

// message is what people read of an error.
func message(err error) string {
	var syntax *query.SyntaxError
	if errors.As(err, &syntax) {
		text := "the query does not make sense: " + syntax.Message + "\n" + indent(syntax.Show())
		if syntax.Hint != "" {
			text += "\n  " + syntax.Hint
		}
		return text
	}
	if errors.Is(err, errDamageFound) {
		return "" // the findings have been printed
	}
	return err.Error()
}

// software names this build: its version, or the commit that it was made of.
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

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

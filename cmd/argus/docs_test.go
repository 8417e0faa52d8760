package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader/all"
)

var update = flag.Bool("update", false, "write the expected files anew")

// TestCLIDocument holds docs/cli.md to what --help says.
func TestCLIDocument(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(cliHead)
	a := &app{out: newOutput(&b), err: &b}
	root := a.root()
	root.InitDefaultHelpCmd()
	writeCommand(&b, root)
	b.WriteString(cliTail)
	const name = "../../docs/cli.md"
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("docs/cli.md is not what --help says; go test ./cmd/argus -run TestCLIDocument -update:\n%s", diff)
	}
}

// TestREADME holds what the README shows to what is printed: the receipts of the
// demo, what a search in it finds, and the receipt of the files in road.txt. When a delivery was sealed, and so
// its root, is another one each time.
func TestREADME(t *testing.T) {
	name, err := filepath.Abs("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)

	var demo bytes.Buffer
	dir := t.TempDir()
	a := &app{out: newOutput(&demo), err: &demo}
	if err := a.makeDemo(t.Context(), filepath.Join(dir, "deliveries"), filepath.Join(dir, "s"), node.Options{Formats: all.Formats(), KeyDir: filepath.Join(dir, "k")}, demoWorld(1, 20_000)); err != nil {
		t.Fatal(err)
	}
	archive, err := txtar.ParseFile("testdata/script/road.txt")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Mkdir("chats", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var own bytes.Buffer
	if code := run([]string{"ingest", "--keys", "k", "chats"}, nil, &own, &own); code != 0 {
		t.Fatalf("ingest: %d: %s", code, own.String())
	}
	_, receipt, _ := strings.Cut(own.String(), "key: keep a copy elsewhere.\n")

	// Once the feed begins, there is more: February stays.
	asked := "$ argus search 'in:\"Kade 9\" sent:2021-02' --limit 0\n"
	found := bytes.NewBufferString(asked)
	if code := run([]string{"search", `in:"Kade 9" sent:2021-02`, "--limit", "0", "--store", "s", "--keys", "k"}, nil, found, found); code != 0 {
		t.Fatalf("search: %d: %s", code, found.String())
	}

	now := readme
	for _, printed := range []string{demo.String(), receipt, found.String()} {
		head := printed[:len("D-0001  name")]
		_, rest, _ := strings.Cut(readme, "```\n"+head)
		end := regexp.MustCompile("(?m)^(Argus serves|```)").FindStringIndex(rest)
		if end == nil {
			t.Fatalf("the README has no block that begins with %q", head)
		}
		now = strings.Replace(now, head+rest[:end[0]], printed, 1)
	}
	if *update {
		if err := os.WriteFile(name, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	varying := regexp.MustCompile(`sealed [^ ]+, root [0-9a-f]+`)
	if diff := cmp.Diff(varying.ReplaceAllString(readme, ""), varying.ReplaceAllString(now, "")); diff != "" && !*update {
		t.Errorf("the README does not show what is printed; go test ./cmd/argus -run TestREADME -update:\n%s", diff)
	}
}

const cliHead = `# The command line

What ` + "`argus COMMAND --help`" + ` says, in one file; a test holds the two together.

`

const cliTail = `## JSON

With ` + "`--json`" + ` every line of the standard output is one JSON object, and its ` + "`event`" + ` says what it is:

| command | events |
|---|---|
| init, ingest, reread | ` + "`created`, `progress`, `receipt`, `difference`; `plan`" + ` |
| search | ` + "`hit` for each message, with the number of its `sightings` and `versions`, `also_locked`, and those of its deliveries that are `unsealed`; then one `result`, with the number of `hits` that were printed, the `total` of all that was found, the `messages` among it, `beside` them a count for each other type, and how many are `differing`; with `--all` the `hits` alone" + ` |
| show, conversation | ` + "`message` with its `versions`, each with its `sightings`, and of each of these what it `states`, `raw`, whether its delivery is `unsealed`, or that this is withheld (`raw_withheld`); `conversation`" + ` |
| receipt, quarantine | ` + "`delivery` for each, or the `receipt` of one, `partial` or `limited` where a scope leaves only a part of its account; `quarantined`" + ` |
| verify, ledger | ` + "`finding`, `entry`, with `destroyed` where its envelope is gone and `destroyed_by`, the entry with the order, then one `verified`" + ` |
| upgrade | ` + "`upgrading`, `progress`, then one `upgraded`" + ` |
| authority, reindex | ` + "`authority`, `wider` for each that is wider than the new one, `revoked`; `indexed`" + ` |
| demo, serve | ` + "`receipt`, `serving`" + ` |
| formats, world, bench | ` + "`format`, `world`, `bench`" + ` |

A message has a ` + "`type` unless it is a text, and its `facts`" + ` in fields. Times are RFC 3339 in UTC, or microseconds
since 1970 where the name ends in _us; hashes and ids hexadecimal; the ` + "`marks`" + ` of a hit bytes
of its text. Errors go to the standard error output as text.

## Exit codes

| code | meaning |
|---|---|
| 0 | done, also when a search finds nothing; for verify: everything is as it was sealed |
| 1 | an error that has no code of its own: also a store, or a part of one, that an older or a newer Argus wrote; nothing is wrong with it |
| 2 | the command or the query was not typed as it should be |
| 3 | damage was found |
| 4 | refused: no active authority allows it |
| 5 | what was named is not there, or the reference names several |
| 6 | another argus is using the store |
| 130 | interrupted |
`

func writeCommand(b *bytes.Buffer, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" {
		return
	}
	fmt.Fprintf(b, "## %s\n\n%s\n\n", c.CommandPath(), strings.TrimSpace(first(c.Long, c.Short)))
	if c.Runnable() {
		fmt.Fprintf(b, "    %s\n\n", c.UseLine())
	}
	if c.HasExample() {
		fmt.Fprintf(b, "Examples:\n\n%s\n\n", indentLines(strings.Trim(c.Example, "\n")))
	}
	flags := c.LocalFlags()
	if !c.HasParent() {
		flags = c.PersistentFlags()
	}
	if usage := flags.FlagUsagesWrapped(120); strings.TrimSpace(usage) != "" && (c.Runnable() || !c.HasParent()) {
		title := "Flags"
		if !c.HasParent() {
			title = "Flags of every command"
		}
		fmt.Fprintf(b, "%s:\n\n%s\n", title, indentLines(strings.TrimRight(usage, "\n")+"\n"))
	}
	for _, sub := range c.Commands() {
		writeCommand(b, sub)
	}
}

func indentLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString("  " + line)
	}
	return b.String()
}

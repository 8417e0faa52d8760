package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/spf13/cobra"

	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/reader/all"
	"github.com/argus-evidence/argus/internal/voice"
)

var update = flag.Bool("update", false, "write the expected files again")

// TestCLIDocument compares docs/cli.md with the output of --help.
func TestCLIDocument(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(cliHead)
	a := &app{out: voice.New(&b), err: &b}
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
	if diff := gocmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("docs/cli.md differs from --help; run go test ./cmd/argus -run TestCLIDocument -update:\n%s", diff)
	}
}

// TestREADME compares the output that the README shows with the real output: the
// receipts of the demo, a search in it, and the receipt of the files in road.txt.
// Times and roots of seals differ from run to run and are left out.
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
	a := &app{out: voice.New(&demo), err: &demo}
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

	// The live feed adds messages of later months; February stays the same.
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
	if diff := gocmp.Diff(varying.ReplaceAllString(readme, ""), varying.ReplaceAllString(now, "")); diff != "" && !*update {
		t.Errorf("the README differs from the real output; run go test ./cmd/argus -run TestREADME -update:\n%s", diff)
	}
}

const cliHead = `# The command line

This file holds the output of ` + "`argus COMMAND --help`" + ` for every command; a test compares the two.

`

const cliTail = `## JSON

With ` + "`--json`" + ` every line of the standard output is one JSON object, and its ` + "`event`" + ` names its kind. Text and objects are
made from the same values, so they state the same facts; only the text shortens long lists.

| command | events |
|---|---|
| init | ` + "`created`" + ` |
| ingest | ` + "`created` if a store was made, `progress`, then one `receipt` for each delivery; after --resume of a repeated reading also `difference`; with --dry-run `plan` for each path, with the number of `copies` in it and of `different` messages" + ` |
| reread | ` + "`progress`, `receipt`, `difference`" + ` |
| search | ` + "`hit` for each message, then one `result`, with the number of `hits` that were printed, the `total` of everything found, the `messages` among them, the counts of other types in `beside`, and the number of messages whose copies differ in `differing`; with --all only `query`, `hits`, `messages` and `beside`" + ` |
| show | ` + "`message` with its `versions`, each with its `sightings`; a sighting has the statements of the copy in `states`, and with --trace its `raw` bytes, or `raw_withheld`" + ` |
| conversation | ` + "`conversation`" + ` |
| receipt | ` + "`delivery` for each, or the `receipt` of one; `partial` or `limited` if the scope covers only a part of its account" + ` |
| quarantine | ` + "`quarantined` for each piece" + ` |
| verify | ` + "`finding` for each, then one `verified`" + ` |
| ledger | ` + "`entry` for each, `destroyed` if its words are, with the entry of the order in `destroyed_by`, with --oversee `withheld` if you may not read them, then `verified`; then `own_ledger`, `own_entry` and `own_verified` for the acts recorded outside the store; after `ledger correct` also `begins_later` for each authority that was added while the clock was ahead and so begins later" + ` |
| authority | ` + "`authority`, with only its number and `damage` if nobody can act under it, of list also with its `state` and its scope in `words`; `wider` for each authority that is wider than a new one; `revoked`; for preview `hit` for each sample, then one `preview`; for beyond one `beyond`; for export `written`, for import `imported`" + ` |
| request | ` + "`request` for show, `written` for new, `counts`, `decided` for grant and refuse" + ` |
| transfer | ` + "for out `sent`, then `written`; for in as ingest" + ` |
| hits | ` + "for ask `written`, for answer `answered`, then `written`; `hits` for show" + ` |
| people | ` + "`person` for each, or for the one that was changed" + ` |
| privilege | ` + "`privilege_set_up` with the `recipients`; `directory_added` with the numbers of rows, `entries` and `lost`, and the `problems`; for list and log `sealed` for each item, of log with its `decisions`, then one `sealed_counts`; for show `sealed_message`, with its `reasons` and `decisions`; for decide `sealed_decided`, with the new state of each of its `items`" + ` |
| policy | ` + "`rule` for each; for test one `policy` for each folder, with the `results` of each rule and the `faults` for which it cannot be loaded" + ` |
| list | ` + "`list`, with `damage` if no query can use it" + ` |
| map | ` + "`proposal`, with the `map`, its `columns`, the `first` records and the `problems`; `map` for one that is kept, or for each in the store" + ` |
| reindex | ` + "`indexed`" + ` |
| upgrade | ` + "`upgrading`, `progress`, then one `upgraded`" + ` |
| serve, demo | ` + "`receipt` for each delivery of the demo, `serving` with the `links`, and in the demo with the number of people that its page `plays`" + ` |
| formats | ` + "`format` for each" + ` |
| validate | ` + "`reference` for each, then one `validation`; `record` with --out, `checked` with --check" + ` |
| world, bench | ` + "`world`, `bench`" + ` |

A message has a ` + "`type` unless it is a text, and its `facts`" + ` in fields. Times are RFC 3339 in UTC, or microseconds since 1970
if the name ends in _us; hashes and ids are hexadecimal; the ` + "`marks`" + ` of a hit are byte offsets in its text. Errors are
printed to the standard error output, as text.

## Exit codes

| code | meaning |
|---|---|
| 0 | success, even if a search finds nothing; for verify: everything is as it was sealed |
| 1 | an error without a code of its own, such as a store that an older or a newer Argus wrote |
| 2 | a mistake in the command line or the query |
| 3 | damage was found |
| 4 | refused: no active authority allows it, or the judge's key is missing |
| 5 | the named thing was not found, or the reference names several |
| 6 | another argus is using the store |
| 130 | interrupted |
`

func writeCommand(b *bytes.Buffer, c *cobra.Command) {
	if c.Hidden || c.Name() == "help" {
		return
	}
	fmt.Fprintf(b, "## %s\n\n%s\n\n", c.CommandPath(), strings.TrimSpace(cmp.Or(c.Long, c.Short)))
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

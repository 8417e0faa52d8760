package argus_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const modulePath = "github.com/argus-evidence/argus"

// TestArchitecture compares the source with the tables in ARCHITECTURE.md, which
// state the rules.
func TestArchitecture(t *testing.T) {
	for _, breach := range breaches(os.DirFS(".")) {
		t.Error(breach)
	}
}

// design is the content of ARCHITECTURE.md's tables, keyed by their first column.
type design struct {
	purpose map[string]string
	may     map[string][]string
	doors   map[string][]string
	calls   map[string][]string // desk.Act
}

// unit is a package found in the tree.
type unit struct {
	comments []string // package comments of all files except tests
	files    []source
	lines    int // in files other than tests
}

type source struct {
	path    string
	test    bool
	imports []string
	inits   bool
	selects []selection
}

// selection is an expression x.Name; of is the import that x refers to, if it is one.
type selection struct{ of, name string }

// breaches returns a sentence for each place where the tree breaks a rule.
func breaches(tree fs.FS) []string {
	text, err := fs.ReadFile(tree, "ARCHITECTURE.md")
	if err != nil {
		return []string{err.Error()}
	}
	units, err := readUnits(tree)
	if err != nil {
		return []string{err.Error()}
	}
	d := readDesign(string(text))
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	used := map[string]bool{} // "module door"
	for _, name := range slices.Sorted(maps.Keys(units)) {
		checkUnit(d, name, units[name], used, say)
		if n := units[name].lines; n > mostLines && !slices.Contains(larger, name) {
			say("package %s has %d lines outside of tests, more than %d", name, n, mostLines)
		}
	}
	chains := chainsOf(units)
	for _, name := range slices.Sorted(maps.Keys(units)) {
		if chain := chains(name); len(chain) > mostChained {
			say("a chain of imports has %d packages, more than %d: %s", len(chain), mostChained, strings.Join(chain, ", "))
		}
	}
	for _, call := range slices.Sorted(maps.Keys(d.calls)) {
		checkCall(d, call, units, say)
	}
	for _, name := range slices.Sorted(maps.Keys(d.purpose)) {
		if units[name] == nil {
			say("package %s is in the table and does not exist", name)
		}
	}
	for _, module := range slices.Sorted(maps.Keys(d.doors)) {
		for _, door := range d.doors[module] {
			if !used[module+" "+door] {
				say("module %s has the door %s, which does not import it", module, door)
			}
		}
	}
	return found
}

func checkUnit(d design, name string, u *unit, used map[string]bool, say func(string, ...any)) {
	purpose, listed := d.purpose[name]
	switch {
	case !slices.ContainsFunc(u.files, func(f source) bool { return !f.test }):
		// Tests alone are not a package: nobody can import them.
	case !listed:
		say("package %s is not in the table", name)
	case len(u.comments) != 1:
		say("package %s has %d package comments, want one", name, len(u.comments))
	case sentence(u.comments[0]) != purpose:
		say("package %s is for %q by its comment and for %q by the table", name, sentence(u.comments[0]), purpose)
	}
	for _, f := range u.files {
		if f.inits {
			say("%s has an init function", f.path)
		}
		for _, imported := range f.imports {
			checkImport(d, name, outside(name, u), f, imported, used, say)
		}
	}
}

// checkCall compares the callers of a method of a package, pkg.Method, with the table. It
// looks at every package that can have a value with that method: one that imports pkg,
// directly or through another package.
func checkCall(d design, call string, units map[string]*unit, say func(string, ...any)) {
	of, method, _ := strings.Cut(call, ".")
	reaches := map[string]bool{of: true}
	for changed := true; changed; {
		changed = false
		for name, u := range units {
			if !reaches[name] && slices.ContainsFunc(u.imported(), func(target string) bool { return reaches[target] }) {
				reaches[name], changed = true, true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		calls := false
		for _, f := range units[name].files {
			if !reaches[name] || f.test || !slices.ContainsFunc(f.selects, func(s selection) bool {
				return s.name == method && (s.of == "" || s.of == of)
			}) {
				continue
			}
			if calls = true; !slices.Contains(d.calls[call], name) {
				say("%s calls %s, which is for %s", f.path, call, strings.Join(d.calls[call], ", "))
			}
		}
		if !calls && slices.Contains(d.calls[call], name) {
			say("package %s may call %s, and does not", name, call)
		}
	}
}

// imported returns our packages that a package imports outside its tests.
func (u *unit) imported() (names []string) {
	for _, f := range u.files {
		for _, imported := range f.imports {
			if target, ours := strings.CutPrefix(imported, modulePath+"/"); ours && !f.test {
				names = append(names, unitName(target))
			}
		}
	}
	return names
}

func checkImport(d design, name string, outside bool, f source, imported string, used map[string]bool, say func(string, ...any)) {
	if imported == "C" {
		say("%s uses cgo", f.path)
		return
	}
	target, inside := inTree(imported)
	if host, _, _ := strings.Cut(imported, "/"); !inside && !strings.Contains(host, ".") {
		return // standard library
	}
	switch {
	case f.test && inside:
	case name == "argus" && !f.test:
		say("%s imports %s: the root package depends on the standard library only", f.path, imported)
	case inside:
		if part, _, _ := strings.Cut(target, "/"); outside && (part == "evidence" || part == "index") {
			say("%s imports %s past the desk", f.path, target)
		} else if isFormat(name) && isFormat(target) {
			say("%s imports %s, and no format knows another", f.path, target)
		} else if d.purpose[name] != "" && !slices.Contains(d.may[name], target) {
			say("%s imports %s, which the row of %s does not allow", f.path, target, name)
		}
	default:
		checkModule(d, name, f, imported, used, say)
	}
}

func checkModule(d design, name string, f source, imported string, used map[string]bool, say func(string, ...any)) {
	module := imported
	for d.doors[module] == nil {
		if module = path.Dir(module); module == "." {
			say("%s imports %s, which no row of the modules covers", f.path, imported)
			return
		}
	}
	door := name
	if f.test || strings.HasSuffix(name, "test") {
		door = "tests"
	}
	used[module+" "+door] = true
	if !f.test && !slices.Contains(d.doors[module], door) {
		say("%s imports %s outside its door: %s", f.path, imported, strings.Join(d.doors[module], ", "))
	}
}

const (
	mostLines   = 4500 // of a package, without its tests
	mostChained = 9    // the longest chain of imports, in packages
)

// larger lists the packages that may have more lines. cmd/argus has a file for each command,
// and nothing imports it.
var larger = []string{"index/embedded", "cmd/argus"}

// chainsOf returns a function that returns the longest chain of imports that begins
// with a package. The compiler rules out cycles.
func chainsOf(units map[string]*unit) func(name string) []string {
	known := map[string][]string{}
	var longest func(name string) []string
	longest = func(name string) []string {
		if chain, ok := known[name]; ok {
			return chain
		}
		known[name] = []string{name}
		var behind []string
		for _, f := range units[name].files {
			for _, imported := range f.imports {
				target, inside := inTree(imported)
				if f.test || !inside || units[target] == nil {
					continue
				}
				if chain := longest(target); len(chain) > len(behind) {
					behind = chain
				}
			}
		}
		known[name] = append([]string{name}, behind...)
		return known[name]
	}
	return longest
}

// inTree returns the tables' name for an imported package, if it is one of ours.
func inTree(imported string) (name string, ok bool) {
	folder, ok := strings.CutPrefix(imported, modulePath)
	if !ok || folder != "" && folder[0] != '/' {
		return "", false
	}
	return unitName(strings.TrimPrefix(folder, "/")), true
}

// outside reports whether a package has to ask the desk, whatever the table says: it answers
// people, or holds a desk or a permit. Node builds the desk, and bench measures the packages
// behind it.
func outside(name string, u *unit) bool {
	return name == "api" || strings.HasPrefix(name, "cmd/") || name != "node" && name != "bench" && slices.Contains(u.imported(), "desk")
}

// isFormat reports whether a package reads formats. Code that several of them need is in a
// toolkit.
func isFormat(name string) bool { return strings.HasPrefix(name, "reader/formats/") }

// sentence returns a package's purpose: the first sentence of its comment
// without the package's name, a leading "is" and the full stop.
func sentence(comment string) string {
	words := strings.Fields(new(doc.Package).Synopsis(comment))
	if len(words) < 3 {
		return ""
	}
	words = words[2:] // Package x, Command x
	if words[0] == "is" {
		words = words[1:]
	}
	return strings.TrimSuffix(strings.Join(words, " "), ".")
}

// unitName returns the name of a folder in the tables.
func unitName(folder string) string {
	if folder == "" || folder == "." {
		return "argus"
	}
	return strings.TrimPrefix(folder, "internal/")
}

func readDesign(text string) design {
	d := design{map[string]string{}, map[string][]string{}, map[string][]string{}, map[string][]string{}}
	for row := range tableRows(text, "| package | purpose | may import |") {
		d.purpose[row[0]], d.may[row[0]] = row[1], list(row[2])
	}
	for row := range tableRows(text, "| call | packages | what for |") {
		d.calls[row[0]] = list(row[1])
	}
	for row := range tableRows(text, "| module | doors | what for |") {
		d.doors[row[0]] = list(row[1])
	}
	return d
}

func list(cell string) []string {
	if cell == "-" {
		return nil
	}
	return strings.Split(cell, ", ")
}

// tableRows yields the cells of each row of the table with the given header line.
func tableRows(text, header string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		_, table, _ := strings.Cut(text, header+"\n")
		for line := range strings.Lines(table) {
			if !strings.HasPrefix(line, "|") {
				return
			}
			cells := strings.Split(strings.Trim(line, "| \n"), " | ")
			if len(cells) == 3 && !yield(cells) {
				return
			}
		}
	}
}

func readUnits(tree fs.FS) (map[string]*unit, error) {
	units := map[string]*unit{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && name != "." && notOurs(tree, name) {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		key := unitName(path.Dir(name))
		if units[key] == nil {
			units[key] = &unit{}
		}
		return units[key].read(tree, name)
	})
	return units, err
}

// notOurs reports whether a folder is one that the go command also leaves out of ./...
func notOurs(tree fs.FS, folder string) bool {
	base := path.Base(folder)
	if strings.ContainsAny(base[:1], "._") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := fs.Stat(tree, path.Join(folder, "go.mod"))
	return err == nil
}

func (u *unit) read(tree fs.FS, name string) error {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	s := source{path: name, test: strings.HasSuffix(name, "_test.go")}
	if file.Doc != nil && !s.test {
		u.comments = append(u.comments, file.Doc.Text())
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("parse an import of %s: %w", name, err)
		}
		s.imports = append(s.imports, imported)
	}
	names := map[string]string{}
	for i, spec := range file.Imports {
		names[path.Base(s.imports[i])] = unitName(strings.TrimPrefix(s.imports[i], modulePath+"/"))
		if spec.Name != nil {
			names[spec.Name.Name] = names[path.Base(s.imports[i])]
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if x, ok := n.(*ast.SelectorExpr); ok {
			of, _ := x.X.(*ast.Ident)
			if of == nil {
				of = new(ast.Ident)
			}
			s.selects = append(s.selects, selection{names[of.Name], x.Sel.Name})
		}
		return true
	})
	for _, decl := range file.Decls {
		f, ok := decl.(*ast.FuncDecl)
		s.inits = s.inits || ok && f.Recv == nil && f.Name.Name == "init"
	}
	if u.files = append(u.files, s); !s.test {
		u.lines += bytes.Count(text, []byte("\n"))
	}
	return nil
}

// TestArchitectureFails takes a small tree that obeys every rule and breaks each rule once.
func TestArchitectureFails(t *testing.T) {
	const tables = `# Words
| package | purpose | may import |
|---|---|---|
| argus | holds the words | - |
| api | the desk over HTTP | argus, desk, index |
| desk | the one way out | argus, evidence |
| evidence | keeps records | argus |
| graph | draws | argus, desk, evidence, ledger |
| ledger | records | argus |
| node | wires | desk, evidence |
| index | finds | argus |
| index/indextest | tests an index | argus, index |
| reader/formats/chat | reads chats | reader/formats/mail |
| reader/formats/mail | reads mails | - |
| cmd/argus | the command line | desk |

| call | packages | what for |
|---|---|---|
| desk.Act | desk | acts |
| desk.Stand | - | standing acts |

| module | doors | what for |
|---|---|---|
| example.org/cbor/v2 | evidence | records |
| example.org/cmp | tests | differences |
`
	keeps := map[string]string{
		"ARCHITECTURE.md":                      tables,
		"argus.go":                             "// Package argus holds the\n// words. More.\npackage argus\nimport \"time\"",
		"argus_test.go":                        "package argus_test\nimport (\"example.org/cmp\"; \"github.com/argus-evidence/argus/internal/evidence\")",
		"cmd/argus/main.go":                    "// Command argus is the command line.\npackage main\nimport \"github.com/argus-evidence/argus/internal/desk\"",
		"internal/api/api.go":                  "// Package api is the desk over HTTP.\npackage api\nimport \"github.com/argus-evidence/argus\"",
		"internal/desk/desk.go":                "// Package desk is the one way out.\npackage desk\nfunc (d Desk) init() { d.Act() }\ntype Desk struct{}",
		"internal/graph/graph.go":              "// Package graph draws.\npackage graph\nimport (\"github.com/argus-evidence/argus/internal/desk\"; \"github.com/argus-evidence/argus/internal/ledger\")\nvar a = ledger.Act{}",
		"internal/graph/graph_test.go":         "package graph\nimport \"github.com/argus-evidence/argus/internal/evidence\"\nvar a = d.Stand()",
		"internal/ledger/ledger.go":            "// Package ledger records.\npackage ledger\nvar a = e.Act",
		"internal/node/node.go":                "// Package node wires.\npackage node\nimport (\"github.com/argus-evidence/argus/internal/desk\"; \"github.com/argus-evidence/argus/internal/evidence\")",
		"internal/evidence/evidence.go":        "// Package evidence keeps records.\npackage evidence\nimport \"example.org/cbor/v2\"",
		"internal/evidence/e_test.go":          "package evidence\nimport \"example.org/cmp/sub\"",
		"internal/index/index.go":              "// Package index finds.\npackage index",
		"internal/index/indextest/suite.go":    "// Package indextest tests an index.\npackage indextest\nimport \"example.org/cmp\"",
		"internal/index/testdata/x/x.go":       "package x\nfunc init() {}",
		"internal/web/node_modules/x/x.go":     "package x\nfunc init() {}",
		"tools/go.mod":                         "module tools",
		"tools/tools.go":                       "package tools\nfunc init() {}",
		"internal/desk/scripts/desk_test.go":   "package scripts",
		"internal/desk/.hidden/hidden.go":      "package hidden",
		"internal/evidence/evidence_linux.go":  "package evidence",
		"internal/reader/formats/chat/chat.go": "// Package chat reads chats.\npackage chat",
		"internal/reader/formats/mail/mail.go": "// Package mail reads mails.\npackage mail",
	}
	for name, test := range map[string]struct{ file, text, want string }{
		"all kept": {"argus.go", keeps["argus.go"], ""},
		"package not in the table": {
			"internal/watch/watch.go", "// Package watch watches.\npackage watch",
			"package watch is not in the table",
		},
		"package in the table and absent": {
			"internal/index/index.go", "",
			"package index is in the table and does not exist",
		},
		"another purpose": {
			"internal/index/index.go", "// Package index finds things.\npackage index",
			`package index is for "finds things" by its comment and for "finds" by the table`,
		},
		"no package comment": {
			"internal/index/index.go", "package index",
			"package index has 0 package comments, want one",
		},
		"two package comments": {
			"internal/index/more.go", "// Package index finds.\npackage index",
			"package index has 2 package comments, want one",
		},
		"import that the row does not allow": {
			"internal/index/more.go", "package index\nimport \"github.com/argus-evidence/argus/internal/desk\"",
			"internal/index/more.go imports desk, which the row of index does not allow",
		},
		"api past the desk, though its row allows it": {
			"internal/api/more.go", "package api\nimport \"github.com/argus-evidence/argus/internal/index\"",
			"internal/api/more.go imports index past the desk",
		},
		"format of another package": {
			"internal/reader/formats/chat/chat.go", "// Package chat reads chats.\npackage chat\nimport \"github.com/argus-evidence/argus/internal/reader/formats/mail\"",
			"internal/reader/formats/chat/chat.go imports reader/formats/mail, and no format knows another",
		},
		"too large a package": {
			"internal/index/index.go", "// Package index finds.\npackage index\n" + strings.Repeat("\n", mostLines),
			fmt.Sprintf("package index has %d lines outside of tests, more than %d", mostLines+2, mostLines),
		},
		"command past the desk": {
			"cmd/argus/more.go", "package main\nimport \"github.com/argus-evidence/argus/internal/evidence\"",
			"cmd/argus/more.go imports evidence past the desk",
		},
		"evidence beside a permit, though the row allows it": {
			"internal/graph/more.go", "package graph\nimport \"github.com/argus-evidence/argus/internal/evidence\"",
			"internal/graph/more.go imports evidence past the desk",
		},
		"an act in a package that may not act": {
			"internal/graph/more.go", "package graph\nfunc f() { desk.Act() }",
			"internal/graph/more.go calls desk.Act, which is for desk",
		},
		"an act by a desk that somebody else holds": {
			"cmd/argus/more.go", "package main\nfunc f() { n.Desk.Act() }",
			"cmd/argus/more.go calls desk.Act, which is for desk",
		},
		"an act that is called elsewhere": {
			"internal/node/more.go", "package node\nvar f = n.Desk.Stand",
			"internal/node/more.go calls desk.Stand, which is for ",
		},
		"an act that is not called": {
			"internal/desk/desk.go", "// Package desk is the one way out.\npackage desk",
			"package desk may call desk.Act, and does not",
		},
		"command past the desk, to the form of the evidence": {
			"cmd/argus/more.go", "package main\nimport \"github.com/argus-evidence/argus/internal/evidence/form\"",
			"cmd/argus/more.go imports evidence/form past the desk",
		},
		"root imports a package": {
			"more.go", "package argus\nimport \"github.com/argus-evidence/argus/internal/index\"",
			"more.go imports github.com/argus-evidence/argus/internal/index: the root package depends on the standard library only",
		},
		"root imports a module": {
			"more.go", "package argus\nimport \"example.org/cbor/v2\"",
			"more.go imports example.org/cbor/v2: the root package depends on the standard library only",
		},
		"module outside its door": {
			"internal/index/more.go", "package index\nimport \"example.org/cbor/v2/deep\"",
			"internal/index/more.go imports example.org/cbor/v2/deep outside its door: evidence",
		},
		"module for tests in the product": {
			"internal/index/more.go", "package index\nimport \"example.org/cmp\"",
			"internal/index/more.go imports example.org/cmp outside its door: tests",
		},
		"module that no row covers": {
			"internal/index/more_test.go", "package index\nimport \"example.org/cbor\"",
			"internal/index/more_test.go imports example.org/cbor, which no row of the modules covers",
		},
		"door that is not used": {
			"internal/evidence/evidence.go", "// Package evidence keeps records.\npackage evidence",
			"module example.org/cbor/v2 has the door evidence, which does not import it",
		},
		"init": {
			"internal/index/more_test.go", "package index\nfunc init() {}",
			"internal/index/more_test.go has an init function",
		},
		"cgo": {
			"internal/index/more.go", "package index\nimport \"C\"",
			"internal/index/more.go uses cgo",
		},
		"no table": {
			"ARCHITECTURE.md", "",
			"open ARCHITECTURE.md: file does not exist",
		},
		"no Go": {
			"internal/index/more.go", "pakage index",
			"internal/index/more.go:1:1: expected 'package', found pakage",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tree := fstest.MapFS{}
			for path, text := range keeps {
				tree[path] = &fstest.MapFile{Data: []byte(text)}
			}
			tree[test.file] = &fstest.MapFile{Data: []byte(test.text)}
			if test.text == "" {
				delete(tree, test.file)
			}
			if got := strings.Join(breaches(tree), "\n"); got != test.want {
				t.Errorf("found:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// TestChains checks that the longer of two chains of imports is found.
func TestChains(t *testing.T) {
	imports := func(names ...string) *unit {
		u := &unit{files: []source{{}}}
		for _, name := range names {
			u.files[0].imports = append(u.files[0].imports, modulePath+"/internal/"+name)
		}
		return u
	}
	chains := chainsOf(map[string]*unit{"a": imports("d", "b"), "b": imports("c"), "c": imports("d"), "d": imports("e"), "e": imports()})
	if got := strings.Join(chains("a"), " "); got != "a b c d e" {
		t.Errorf("found %s", got)
	}
}

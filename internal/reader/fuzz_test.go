package reader

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachFormatIsFuzzed looks for each format of the table in the fuzz targets.
func TestEachFormatIsFuzzed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	listed, fuzzed := map[string]bool{}, map[string]bool{}
	collect := func(n ast.Node, into map[string]bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && strings.HasSuffix(id.Name, "Format") && id.Name != "Format" {
				into[id.Name] = true
			}
			return true
		})
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Fuzz") {
				collect(fn, fuzzed)
			}
			if fn, ok := d.(*ast.FuncDecl); ok && name == "all.go" && fn.Name.Name == "All" {
				collect(fn, listed)
			}
		}
	}
	if len(listed) != len(All()) {
		t.Fatalf("found %d formats in all.go, want %d", len(listed), len(All()))
	}
	for name := range listed {
		if !fuzzed[name] {
			t.Errorf("no fuzz target reads with %s", name)
		}
	}
}

package all

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachFormatIsFuzzed looks for each listed format in the fuzz targets: by its name in
// the tests of its own package, and by package and name in those of others.
func TestEachFormatIsFuzzed(t *testing.T) {
	read := func(name string, take func(fn *ast.FuncDecl)) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				take(fn)
			}
		}
	}
	collect := func(n ast.Node, own string, into map[string]bool) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if of, ok := n.X.(*ast.Ident); ok {
					into[of.Name+"."+n.Sel.Name] = true
				}
			case *ast.Ident:
				into[own+"."+n.Name] = true
			}
			return true
		})
	}
	fuzzed := map[string]bool{}
	tests, err := filepath.Glob("../formats/*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	own, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(tests, own...) {
		read(name, func(fn *ast.FuncDecl) {
			if strings.HasPrefix(fn.Name.Name, "Fuzz") {
				collect(fn, filepath.Base(filepath.Dir(name)), fuzzed)
			}
		})
	}
	listed := 0
	read("all.go", func(fn *ast.FuncDecl) {
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			list, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			for _, format := range list.Elts {
				named := map[string]bool{}
				collect(format, "", named)
				for name := range named {
					if strings.HasPrefix(name, ".") {
						continue
					}
					if listed++; !fuzzed[name] {
						t.Errorf("no fuzz target reads with %s", name)
					}
				}
			}
			return false
		})
	})
	if listed != len(Formats()) {
		t.Fatalf("found %d formats in all.go, want %d", listed, len(Formats()))
	}
}

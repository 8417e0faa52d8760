package reader

import (
	"bytes"
	"encoding/binary"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// Files of blocks, tables and checksums are too large for the fuzzer and too
// seldom still such a file when it has changed them. Here it invents what is
// broken in a good one: five bytes for an offset and what is changed there.
func broken(good, changes []byte, kept uint16) []byte {
	file := bytes.Clone(good)
	for ; len(changes) >= 5; changes = changes[5:] {
		file[int(binary.LittleEndian.Uint32(changes))%len(file)] ^= changes[4]
	}
	return file[:len(file)*(int(kept)+1)/(1<<16)]
}

func FuzzMSG(f *testing.F) {
	good := msgExample()
	f.Add([]byte{}, uint16(1<<16-1))
	f.Add([]byte{44, 0, 0, 0, 1, 0, 2, 0, 0, 7}, uint16(1<<15))
	f.Fuzz(func(t *testing.T, changes []byte, kept uint16) {
		file := broken(good, changes, kept)
		checkReader(t, msgFormat, input("f", file, Options{MaxRecord: 1 << 12}))
		msgFormat.Detect(Sample{Head: file, Text: file})
	})
}

// FuzzDatabase is slow, as SQLite is instrumented with the rest;
// TestDatabaseMutations goes further.
func FuzzDatabase(f *testing.F) {
	scripts := []struct {
		format *Format
		good   []byte
	}{
		{whatsappdbFormat, databaseOf(f, string(readFile(f, "testdata/whatsapp-db/new.sql")))},
		{whatsappdbFormat, databaseOf(f, string(readFile(f, "testdata/whatsapp-db/old.sql")))},
		{imessageFormat, databaseOf(f, string(readFile(f, "testdata/imessage/chat.sql")))},
		{whatsappiosFormat, databaseOf(f, string(readFile(f, "testdata/whatsapp-ios/chat.sql")))},
	}
	for which := range scripts {
		f.Add(uint8(which), []byte{}, uint16(1<<16-1))
		f.Add(uint8(which), []byte{100, 0, 0, 0, 13, 4, 16, 0, 0, 7}, uint16(1<<15))
	}
	f.Fuzz(func(t *testing.T, which uint8, changes []byte, kept uint16) {
		s := scripts[int(which)%len(scripts)]
		file := broken(s.good, changes, kept)
		checkReader(t, s.format, input("f", file, Options{MaxRecord: 1 << 12}))
		s.format.Detect(Sample{Head: file, Text: file})
	})
}

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

package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/readertest"
)

// golden returns a package of three copies of two messages, as version 1 wrote it, with the
// key of its store.
func golden(t testing.TB) (file []byte, o reader.Options) {
	key := strings.TrimSpace(string(readertest.ReadFile(t, "../../testdata/package/holder.pub")))
	return readertest.ReadFile(t, "../../testdata/package/case.package"), reader.Options{PackageKey: key}
}

// read returns the texts of the messages in a package, and the problems.
func read(t testing.TB, file []byte, o reader.Options) (texts, problems []string) {
	t.Helper()
	var stated []uint64
	for item, err := range Package.Read(t.Context(), readertest.Input("f", file, o)) {
		switch {
		case err != nil:
			t.Fatal(err)
		case item.Message != nil:
			texts = append(texts, item.Message.Text)
		case item.Stated != nil:
			stated = append(stated, item.Stated.Count)
		default:
			problems = append(problems, item.Problem)
		}
	}
	if len(texts) > 0 && (len(stated) != 1 || stated[0] != 3) {
		t.Errorf("it states %d copies", stated)
	}
	return texts, problems
}

// A package of version 1 stays readable, and names where each copy was.
func TestPackage(t *testing.T) {
	file, o := golden(t)
	items := readertest.Check(t, Package, readertest.Input("f", file, o))
	var got []string
	for _, item := range items[:3] {
		if item.Message == nil {
			t.Fatal(item.Problem)
		}
		from := item.Message.Extra[len(item.Message.Extra)-1]
		before, _, _ := strings.Cut(from.Value, " of store ")
		got = append(got, fmt.Sprintf("%s, %s: %s", from.Name, before, item.Message.Text))
	}
	want := "transferred from, record 3 of D-0001: hello\ntransferred from, record 4 of D-0001: later\ntransferred from, record 3 of D-0002: hello"
	if strings.Join(got, "\n") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if _, problems := read(t, file, o); problems != nil {
		t.Errorf("%q", problems)
	}
	if Package.Detect(reader.Sample{Head: file[:100]}) != 100 || Package.Detect(reader.Sample{Head: file[1:]}) != 0 {
		t.Error("a package is not recognised, or something else is")
	}
}

// Without the key of its store, with another one, changed in any byte or cut anywhere, a
// package gives no message and one reason.
func TestPackageOfNobody(t *testing.T) {
	file, o := golden(t)
	nothing := func(what string, file []byte, o reader.Options) {
		t.Helper()
		if texts, problems := read(t, file, o); len(texts) != 0 || len(problems) != 1 || problems[0] == "" {
			t.Errorf("%s: %q, %q", what, texts, problems)
		}
	}
	nothing("without a key", file, reader.Options{})
	nothing("with no key", file, reader.Options{PackageKey: "x"})
	for i := range file {
		nothing(fmt.Sprintf("byte %d", i), append(append(bytes.Clone(file[:i]), file[i]^1), file[i+1:]...), o)
		if i > 0 {
			nothing(fmt.Sprintf("cut at %d", i), file[:i], o)
		}
	}
	nothing("a line more", append(bytes.Clone(file), "{}\n"...), o)
}

// FuzzPackage changes the lines of a package behind a signed head, and whole packages.
func FuzzPackage(f *testing.F) {
	file, o := golden(f)
	f.Add(file)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, item := range readertest.Check(t, Package, readertest.Input("f", data, o)) {
			if item.Message != nil && !bytes.Equal(data, file) {
				t.Fatalf("a forged package gives %q", item.Message.Text)
			}
		}
	})
}

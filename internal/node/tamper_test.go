package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
	"github.com/argus-evidence/argus/internal/verify"
)

// states holds a store with a file of each kind, an earlier state of that store, and
// another store of the same shape with another key.
type states struct{ now, earlier, other, private string }

func makeStates(t *testing.T) (s states) {
	t.Helper()
	root := t.TempDir()
	s = states{now: filepath.Join(root, "now"), earlier: filepath.Join(root, "earlier"), other: filepath.Join(root, "other")}
	o := testOptions(t)
	t.Chdir(t.TempDir())
	for _, dir := range []string{s.now, s.other} {
		words := strings.NewReplacer()
		if dir == s.other {
			words = strings.NewReplacer("crates", "plates", "snow", "hail", "anna", "otto")
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		take := func(name, content string) {
			must(os.WriteFile(name, []byte(words.Replace(content)), 0o600))
			ingest(t, dir, o, name)
		}
		change := func(work func(n *Node) error) {
			n, err := Open(t.Context(), dir, o)
			must(err)
			must(errors.Join(work(n), n.Close()))
		}
		list := func(text string) func(n *Node) error {
			return func(n *Node) error {
				_, _, err := n.Admin.AddList(t.Context(), "admin", "goods", []byte(words.Replace(text)))
				return err
			}
		}
		must(Create(t.Context(), dir, o))
		change(func(n *Node) error {
			_, err := n.Admin.AddAuthority(t.Context(), "admin", grant(words.Replace("anna")))
			for i := 0; i < 250 && err == nil; i++ {
				_, err = n.ledger.Append(t.Context(), ledger.Act{Actor: "anna", Authority: "A-0001", Action: ledger.Search, Subject: words.Replace(fmt.Sprint("crates ", i))})
			}
			return errors.Join(err, list("snow\n")(n))
		})
		take("delivery-1.jsonl", lines(0, 300)+"broken\n")
		if dir == s.now {
			must(os.CopyFS(s.earlier, os.DirFS(dir)))
		}
		take("delivery-2.jsonl", lines(200, 420))
		change(list("snow\nice\n"))
		change(func(n *Node) error {
			_, err := n.Admin.DestroyWords(t.Context(), "admin", []ledger.Span{{First: 5, Last: 6}}, words.Replace("the court, for anna"))
			return errors.Join(err, n.Admin.RevokeAuthority(t.Context(), "admin", 2, words.Replace("over for anna")))
		})
		search(t, dir, o, "crates")
	}
	private, err := os.ReadFile(layout.PrivateKey(o.KeyDir, storeID(t, s.now)))
	if err != nil {
		t.Fatal(err)
	}
	s.private = strings.TrimSpace(string(private))
	return s
}

// A tampering changes a file of a store; it reports whether that makes a difference.
type tampering struct {
	name string
	do   func(s states, dir, file string) (bool, error)
}

func contentOf(change func([]byte) []byte) func(s states, dir, file string) (bool, error) {
	return func(_ states, dir, file string) (bool, error) {
		before, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return false, err
		}
		after := change(bytes.Clone(before))
		return !bytes.Equal(before, after), put(filepath.Join(dir, file), after)
	}
}

// put replaces a file.
func put(name string, data []byte) error {
	if err := os.RemoveAll(name); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}

// counterpart returns the file in the same place in another state; it matches random
// names by counting.
func counterpart(from, dir, file string) (string, bool) {
	if _, err := os.Stat(filepath.Join(from, file)); err == nil {
		return file, true
	}
	place := func(of string) []string {
		var same []string
		for _, name := range filesOf(of) {
			if path.Dir(name) == path.Dir(file) && path.Ext(name) == path.Ext(file) || strings.HasPrefix(file, "originals/") && strings.HasPrefix(name, "originals/") && path.Ext(name) == path.Ext(file) {
				same = append(same, name)
			}
		}
		return same
	}
	at, there := slices.Index(place(dir), file), place(from)
	if at < 0 || at >= len(there) {
		return "", false
	}
	return there[at], true
}

func filesOf(dir string) (names []string) {
	_ = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	})
	return names
}

func from(which func(s states) string) func(s states, dir, file string) (bool, error) {
	return func(s states, dir, file string) (bool, error) {
		of, ok := counterpart(which(s), dir, file)
		if !ok {
			return false, nil
		}
		data, err := os.ReadFile(filepath.Join(which(s), of))
		if err != nil {
			return false, err
		}
		return contentOf(func([]byte) []byte { return data })(s, dir, file)
	}
}

// tamperings lists the changes to each kind of file.
var tamperings = []tampering{
	{"deleted", func(_ states, dir, file string) (bool, error) { return true, os.Remove(filepath.Join(dir, file)) }},
	{"emptied", contentOf(func(b []byte) []byte { return nil })},
	{"cut", contentOf(func(b []byte) []byte { return b[:len(b)*2/3] })},
	{"grown", contentOf(func(b []byte) []byte { return append(b, "x\n"...) })},
	{"doubled", contentOf(func(b []byte) []byte { return append(b, b...) })},
	{"of zeros", contentOf(func(b []byte) []byte { return make([]byte, len(b)) })},
	{"the sibling's", func(s states, dir, file string) (bool, error) {
		for _, name := range filesOf(dir) {
			related := path.Ext(name) == path.Ext(file) && (path.Dir(name) == path.Dir(file) || strings.HasPrefix(name, "originals/") && strings.HasPrefix(file, "originals/"))
			if related && name != file {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					return false, err
				}
				return contentOf(func([]byte) []byte { return data })(s, dir, file)
			}
		}
		return false, nil
	}},
	{"of before", from(func(s states) string { return s.earlier })},
	{"another store's", from(func(s states) string { return s.other })},
	{"a folder", func(_ states, dir, file string) (bool, error) {
		name := filepath.Join(dir, file)
		return true, errors.Join(os.Remove(name), os.Mkdir(name, 0o700))
	}},
	{"a link to a copy", func(s states, dir, file string) (bool, error) {
		name := filepath.Join(dir, file)
		return true, errors.Join(os.Remove(name), os.Symlink(filepath.Join(s.now, file), name))
	}},
	{"a link to nothing", func(_ states, dir, file string) (bool, error) {
		name := filepath.Join(dir, file)
		return true, errors.Join(os.Remove(name), os.Symlink("nowhere", name))
	}},
}

// kindsOfFiles lists patterns that match one or two files of each kind in a store. The
// first match counts; after a minus sign, the last one counts.
var kindsOfFiles = []string{
	"argus.json", "keys/store.pub", "authorities/A-0001.json", "authorities/A-0002.revoked.json", "lists/*.txt",
	"evidence/00000001.seg", "-evidence/*.seg", "evidence/commit", "evidence/manifest", "evidence/lock", "evidence/ids/manifest", "-evidence/ids/[0-9]*",
	"deliveries/D-0001.seal", "deliveries/D-0002.seal", "deliveries/D-0001.tree", "deliveries/D-0002.tree",
	"originals/*/*.data", "originals/*/*.table",
	"ledger/checkpoint", "ledger/tile/entries/000", "ledger/tile/entries/001.p/*", "ledger/tile/0/000", "ledger/tile/0/001.p/*", "ledger/tile/1/000.p/1",
	"ledger/envelopes/000", "ledger/envelopes/001", "ledger/lock",
	"index/manifest", "-index/*.seg", "index/lock",
}

// exceptions lists the tamperings that do not simply damage the changed file. After
// "note" and "damage" come the file that must be named and words about it; after "may"
// comes a file that may be named. A name that ends in a slash means any file in the
// folder, and a derived file may be named by its folder.
var exceptions = map[string][]string{
	"argus.json, another store's":            {"damage argus.json", "damage deliveries/D-0001.seal", "damage deliveries/D-0002.seal"},
	"keys/store.pub, another store's":        {"damage keys/store.pub", "damage ledger/checkpoint", "damage deliveries/D-0001.seal", "damage deliveries/D-0002.seal"},
	"evidence/00000001.seg, another store's": {"damage evidence/00000001.seg", "may evidence/ids", "damage deliveries/D-0001.seal", "damage originals/", "damage index", "damage ledger the opening of delivery D-0001"},
	"-evidence/*.seg, grown":                 {"note evidence/ follow the last acknowledged record"},
	"-evidence/*.seg, doubled":               {"note evidence/ follow the last acknowledged record"},
	// The tree file locates a change to within 256 records, and this delivery is shorter.
	"-evidence/*.seg, another store's":   {"damage evidence/ records of delivery D-0002 have the root", "may evidence/ids", "damage index"},
	"evidence/manifest, another store's": {"damage evidence/ the manifest states"},
	"evidence/lock, deleted":             {"note evidence/lock"},
	"ledger/lock, deleted":               {"note ledger/lock"},
	"index/lock, deleted":                {"note index/lock"},
	"evidence/ids/manifest, of before":   {"note evidence/ids/00000002.ids"},
	"index/manifest, of before":          {"note index/0000000001.seg the manifest does not list the file"},
	"index/manifest, another store's":    {"damage index/0000000000.seg this is not the segment that the manifest lists"},
}

// check compares the findings of verify with the wanted ones. Each of these must be
// there, and there must be no damage in other files.
func check(t *testing.T, dir, what string, want []string) {
	t.Helper()
	var damage, notes []verify.Finding
	_, err := Verify(t.Context(), dir, "", func(f verify.Finding) {
		if f.Note {
			notes = append(notes, f)
		} else {
			damage = append(damage, f)
		}
	}, func(int64) {})
	if err != nil {
		t.Errorf("%s: verify ends with an error: %v", what, err)
		return
	}
	matches := func(want string, f verify.Finding) bool {
		_, rest, _ := strings.Cut(want, " ")
		file, words, _ := strings.Cut(rest, " ")
		derived := (f.File == "evidence/ids" || f.File == "index") && strings.HasPrefix(file, f.File+"/")
		return (f.File == file || derived || strings.HasSuffix(file, "/") && strings.HasPrefix(f.File, file)) && strings.Contains(f.Problem, words)
	}
	for _, w := range want {
		if strings.HasPrefix(w, "may ") {
			continue
		}
		findings := damage
		if strings.HasPrefix(w, "note ") {
			findings = notes
		}
		if !slices.ContainsFunc(findings, func(f verify.Finding) bool { return matches(w, f) }) {
			t.Errorf("%s: no %s in damage %+v, notes %+v", what, w, damage, notes)
		}
	}
	for _, f := range damage {
		if !slices.ContainsFunc(want, func(w string) bool {
			return !strings.HasPrefix(w, "note ") && matches(strings.Join(strings.SplitN(w, " ", 3)[:2], " "), f)
		}) {
			t.Errorf("%s: a sound file is reported as damaged: %+v", what, f)
		}
	}
}

func segmentsOf(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "index", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestTampering applies all tamperings to a file of each kind, and then the changes of
// somebody who knows the format: forgeries with correct checksums, added files, and
// changes to several files at once. Verify must find each change and name the file, or
// note that the change is harmless.
func TestTampering(t *testing.T) {
	older, o := copyOlder(t)
	if _, err := Upgrade(t.Context(), older, "", o, Upgrading{}); err != nil {
		t.Fatal(err)
	}
	s := makeStates(t)
	// The index flushes at certain times, and the tables below name its two segments.
	for try := 0; len(segmentsOf(t, s.now)) != 2 || len(segmentsOf(t, s.earlier)) != 1; try++ {
		if try == 20 {
			t.Fatalf("the index has the segments %v, want two", segmentsOf(t, s.now))
		}
		s = makeStates(t)
	}
	tried := tamper(t, s, kindsOfFiles, forgeries(t, s))
	tried += tamper(t, states{now: older, earlier: s.now, other: s.other}, []string{"format-1/argus.json", "format-1/D-0001.seal"}, nil)
	if !t.Failed() {
		t.Logf("reliability: tamperings tried %d failed 0", tried)
	}
}

// tamper tampers with copies of a store, and returns the number of attempts.
func tamper(t *testing.T, s states, kinds []string, forged []forgery) (tried int) {
	check(t, s.now, "sound", nil)
	with := func(what string, want []string, do func(dir string) (bool, error)) {
		dir := filepath.Join(t.TempDir(), "s")
		err := os.CopyFS(dir, os.DirFS(s.now))
		done := false
		if err == nil {
			done, err = do(dir)
		}
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if done {
			tried++
			check(t, dir, what, want)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
	all := times(t, "ARGUS_TAMPERINGS", 0) > 0 // otherwise a third of the changes to single files
	for i, pattern := range kinds {
		matches, err := fs.Glob(os.DirFS(s.now), strings.TrimPrefix(pattern, "-"))
		if err != nil || len(matches) == 0 {
			t.Fatalf("%s: %v, %v", pattern, matches, err)
		}
		file := matches[0]
		if strings.HasPrefix(pattern, "-") {
			file = matches[len(matches)-1]
		}
		for j, kind := range tamperings {
			if !all && (i+j)%3 > 0 {
				continue
			}
			what := pattern + ", " + kind.name
			want := exceptions[what]
			if want == nil {
				want = []string{"damage " + file}
			}
			with(what, want, func(dir string) (bool, error) { return kind.do(s, dir, file) })
		}
	}
	for _, f := range forged {
		with(f.name, f.want, func(dir string) (bool, error) { return true, f.do(dir) })
	}
	return tried
}

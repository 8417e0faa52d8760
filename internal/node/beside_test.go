package node

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/admin"
	"github.com/argus-evidence/argus/internal/authority"
	"github.com/argus-evidence/argus/internal/desk"
	"github.com/argus-evidence/argus/internal/intake"
	"github.com/argus-evidence/argus/internal/layout"
	"github.com/argus-evidence/argus/internal/ledger"
)

// protect makes a folder read-only until the test ends, or skips the test.
func protect(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() == 0 { // root ignores permissions
		for _, args := range [][]string{{"--bind", dir, dir}, {"-o", "remount,ro,bind", dir}} {
			if out, err := exec.CommandContext(t.Context(), "mount", args...).CombinedOutput(); err != nil {
				t.Skipf("nothing can be mounted read-only here: %v: %s", err, out)
			}
			if args[0] == "--bind" {
				t.Cleanup(func() {
					if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
						t.Errorf("umount: %v: %s", err, out)
					}
				})
			}
		}
		return
	}
	chmod := func(files, folders fs.FileMode) error {
		return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir():
				return os.Chmod(path, folders)
			}
			return os.Chmod(path, files)
		})
	}
	if err := chmod(0o400, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = chmod(0o600, 0o700) })
}

// A store that cannot be written is read without its key, with the reader's own ledger,
// and with the reader's own index if the store's index has not seen everything. Nothing
// can be administered.
func TestProtectedStore(t *testing.T) {
	for _, indexed := range []bool{true, false} {
		dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
		makeStore(t, dir, o, lines(0, 100))
		if !indexed {
			if err := os.RemoveAll(layout.File(dir, layout.Index)); err != nil {
				t.Fatal(err)
			}
		}
		protect(t, dir)
		o.KeyDir, o.ReaderDir = t.TempDir(), filepath.Join(t.TempDir(), "reader")
		var notes []string
		o.Note = func(sentence string) { notes = append(notes, sentence) }
		for range 2 {
			if found := search(t, dir, o, "crates"); found.Total != 100 {
				t.Errorf("indexed %v: found %d", indexed, found.Total)
			}
		}
		said := strings.Join(notes, "\n")
		if strings.Count(said, "the reader's own ledger") != 2 || strings.Contains(said, "Argus uses an index in") == indexed {
			t.Errorf("indexed %v: %s", indexed, said)
		}
		n, err := Open(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		own, report, err := n.Beside(t.Context(), 10)
		if err != nil || !report.Sound() || len(own.Entries) != 3 || own.Entries[0].Action != ledger.OpenStore || own.Entries[2].Action != ledger.Search {
			t.Errorf("beside: %+v, %+v, %v", own, report, err)
		}
		if _, err := n.Admin.AddAuthority(t.Context(), "", authority.Authority{}); !errors.Is(err, admin.ErrWriteProtected) {
			t.Errorf("administer: %v", err)
		}
		if !n.ledger.isBeside() {
			t.Error("its ledger is not beside")
		}
		f, err := n.temp()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("x"); err != nil || !strings.HasPrefix(f.Name(), o.ReaderDir) {
			t.Errorf("a temporary file %s: %v", f.Name(), err)
		}
		if err := errors.Join(f.Close(), n.Close()); err != nil {
			t.Error(err)
		}
		o.Write = true
		if _, err := Open(t.Context(), dir, o); !errors.Is(err, admin.ErrWriteProtected) {
			t.Errorf("open it to write: %v", err)
		}
	}
}

// A writable store needs no files of the reader's own.
func TestNothingBeside(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	o.ReaderDir = t.TempDir()
	makeStore(t, dir, o)
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if own, report, err := n.Beside(t.Context(), 10); own != nil || report != nil || err != nil {
		t.Errorf("%+v, %+v, %v", own, report, err)
	}
	f, err := n.temp()
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(f.Name()) != layout.File(dir, layout.Originals) || n.ledger.isBeside() {
		t.Errorf("a temporary file is %s, the ledger is beside: %v", f.Name(), n.ledger.isBeside())
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if n.PrivateKeyPath() != layout.PrivateKey(o.KeyDir, n.Info.Store) {
		t.Errorf("its key is in %s", n.PrivateKeyPath())
	}
}

// On a full disk, the index stays as it is, and the node reports this.
func TestIndexWithoutRoom(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 10))
	said := ""
	o.Note = func(sentence string) { said = sentence }
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.withoutRoom(syscall.ENOSPC); err != nil || n.followers != nil || !strings.Contains(said, "The disk is full") {
		t.Errorf("%v, %v: %s", err, n.followers, said)
	}
	if err := n.withoutRoom(fs.ErrPermission); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another error: %v", err)
	}
}

// The bytes of a record inside an archive are read from the original.
func TestInsideAnArchive(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	path := filepath.Join(t.TempDir(), "a.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := zip.NewWriter(f)
	content := lines(0, 5)
	for _, name := range []string{"other.txt", "chats/a.jsonl"} {
		part, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(part, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	ingest(t, dir, o, path)
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	found := 0
	for r, err := range n.evidence.From(t.Context(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Kind != argus.KindMessage {
			continue
		}
		original, err := n.evidence.Get(t.Context(), r.Where.Original)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := n.evidence.OpenOriginal(*original.Original)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, r.Where.Length)
		if err := n.inside(t.Context(), *original.Original, kept, r.Where, data); err != nil || !strings.Contains(content, string(data)) {
			t.Errorf("%+v: %q, %v", r.Where, data, err)
		}
		r.Where.Path = "nowhere"
		if err := n.inside(t.Context(), *original.Original, kept, r.Where, data); !errors.Is(err, argus.ErrNotFound) {
			t.Errorf("another file: %v", err)
		}
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
		found++
	}
	if found == 0 {
		t.Error("there is no message")
	}
}

// A server follows deliveries of another process, whether or not it keeps the index.
func TestServeFollows(t *testing.T) {
	for _, keeps := range []bool{true, false} {
		dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
		makeStore(t, dir, o, lines(0, 10))
		var other *Node
		if !keeps { // another process keeps it
			other, _ = openToWrite(t, dir, o)
		}
		n, err := Open(t.Context(), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if (n.followers != nil) != keeps {
			t.Fatalf("the server keeps %v, want %v", n.followers, keeps)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- n.Serve(ctx, l, Served{Links: []Link{{Who: desk.Who{Actor: "tester"}, Token: NewToken()}}})
		}()
		more := source(t, "more.jsonl", lines(10, 30))
		if keeps {
			ingest(t, dir, o, more)
		} else {
			who, err := other.Who(t.Context(), desk.Who{Actor: "tester"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := other.take(t.Context(), who, more, nil); err != nil {
				t.Fatal(err)
			}
		}
		for deadline := time.Now().Add(30 * time.Second); n.index.Stats().Messages != 30; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("keeps %v: the index has %d messages", keeps, n.index.Stats().Messages)
			}
		}
		stop()
		if err := errors.Join(<-served, n.Close()); err != nil {
			t.Error(err)
		}
		if other != nil {
			if err := other.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A new store never replaces anything.
func TestCreateRefuses(t *testing.T) {
	o := testOptions(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		dir:                                   "not empty",
		filepath.Join(dir, "file"):            "a file or a link",
		filepath.Join(dir, "file", "beneath"): "not a directory",
	} {
		if err := Create(t.Context(), name, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	store := filepath.Join(t.TempDir(), "s")
	makeStore(t, store, o)
	if err := Create(t.Context(), store, o); err == nil || !strings.Contains(err.Error(), "a store already exists") {
		t.Errorf("a store: %v", err)
	}
	blocked := o
	blocked.KeyDir = filepath.Join(dir, "file")
	made := filepath.Join(t.TempDir(), "s")
	if err := Create(t.Context(), made, blocked); err == nil || layout.There(made) || layout.There(made+".making") {
		t.Errorf("without a folder of keys: %v", err)
	}
}

// A follower that fails ends the intake, with its name and its reason, and the delivery
// can be continued.
func TestFollowerFails(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	n, who := openToWrite(t, dir, o)
	broken := errors.New("it broke")
	n.followers = append(n.followers, follower{"watch", &failing{derived: n.followers[0].derived, err: broken}})
	path := source(t, "a.jsonl", lines(0, 300))
	if _, err := n.take(t.Context(), who, path, nil); !errors.Is(err, broken) || !strings.Contains(err.Error(), "watch: ") {
		t.Errorf("%v", err)
	}
	n.followers = n.followers[:1]
	if r, err := n.take(t.Context(), who, path, nil); err != nil || r.Counts.Read != 300 {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, dir)
}

// failing is a follower that accepts nothing.
type failing struct {
	derived
	err error
}

func (f *failing) Position() uint64                           { return 0 }
func (f *failing) Add(context.Context, []*argus.Record) error { return f.err }
func (f *failing) Flush(context.Context) error                { return nil }

// The keeper of an index of another version rebuilds it. If the store cannot be written,
// a reader builds a new index among his own files. Verify reports the version.
func TestOutdatedIndex(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 50))
	interrupt(t, dir, o, lines(50, 70))
	var said []string
	o.Note = func(sentence string) { said = append(said, sentence) }
	manifest := layout.File(dir, layout.IndexManifest)
	outdate := func(old, older string) {
		data, err := os.ReadFile(manifest)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		line = regexp.MustCompile(old).ReplaceAllString(line, older) + "\n"
		if strings.HasPrefix(string(data), line) {
			t.Fatalf("%s is not in %s", old, line)
		}
		sum := crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli))
		if err := os.WriteFile(manifest, fmt.Appendf(nil, "%scrc32c %08x\n", line, sum), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for old, older := range map[string]string{
		`"analysis":"`: `"analysis":"another `,
		// Version 4 had no trees for open deliveries.
		`"version":\d+(.*"evidence":"\S+ \S+ [^" ]+)[^"]*"`: `"version":4$1"`,
	} {
		outdate(old, older)
		if damage, notes, _ := verified(t, dir); len(damage) != 0 || len(notes) != 2 || !strings.Contains(notes[0].Problem, "a different version of Argus") {
			t.Errorf("damage %+v, notes %+v", damage, notes)
		}
		said = nil
		if found := search(t, dir, o, "crates"); found.Total != 70 || len(said) != 1 || !strings.Contains(said[0], "rebuilds") {
			t.Errorf("found %d, said %q", found.Total, said)
		}
		wantSound(t, dir, "rebuilt", "is not sealed")
	}
	outdate(`"analysis":"`, `"analysis":"another `)
	protect(t, dir)
	o.ReaderDir = filepath.Join(t.TempDir(), "reader")
	if found := search(t, dir, o, "crates"); found.Total != 70 {
		t.Errorf("protected: found %d", found.Total)
	}
}

// Reindex builds an index of the existing evidence, and does not write into a protected
// store.
func TestReindex(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 50))
	if n, err := Reindex(t.Context(), dir, o); n != 50 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	wantClean(t, dir)
	n, _ := openToWrite(t, dir, o) // this process keeps the index
	if _, err := Reindex(t.Context(), dir, o); !errors.Is(err, argus.ErrLocked) {
		t.Errorf("while another node keeps the index: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := layout.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	info.Format++
	text, err := info.Encode()
	if err == nil {
		err = os.WriteFile(layout.File(dir, layout.Info), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Reindex(t.Context(), dir, o); !errors.Is(err, argus.ErrNewer) {
		t.Errorf("a newer store: %v", err)
	}
	if _, err := Reindex(t.Context(), filepath.Join(dir, "nowhere"), o); !errors.Is(err, layout.ErrNoStore) {
		t.Errorf("no store: %v", err)
	}
}

// Who fills in missing fields if there is only one answer.
func TestWho(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o)
	n, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	own := desk.Who{Actor: admin.ActorName(), Authority: "A-0001", Purpose: "reading own data"}
	if who, err := n.Who(t.Context(), desk.Who{}); err != nil || who != own {
		t.Errorf("%+v, %v", who, err)
	}
	if who, err := n.Who(t.Context(), desk.Who{Actor: "zoe", Purpose: "another"}); err != nil || who != (desk.Who{Actor: "zoe", Authority: "A-0001", Purpose: "another"}) {
		t.Errorf("%+v, %v", who, err)
	}
	limited := authority.Authority{Title: "t", Basis: "b", GrantedBy: "g", Purpose: "p", Actors: []string{"zoe"}}
	if _, err := n.Admin.AddAuthority(t.Context(), "", limited); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Who(t.Context(), desk.Who{Actor: "zoe"}); !errors.Is(err, argus.ErrRefused) || !strings.Contains(err.Error(), "2 authorities name zoe (A-0001, A-0002)") {
		t.Errorf("with two authorities: %v", err)
	}
	refusals := func(authority, reason string) {
		t.Helper()
		size, err := n.ledger.Size()
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range n.ledger.Entries(t.Context(), size, 1) {
			if err != nil || e.Action != ledger.Refused || e.Actor != "zoe" || e.Authority != authority || !strings.Contains(e.Detail["reason"], reason) {
				t.Errorf("the ledger has %+v, %v", e, err)
			}
		}
	}
	refusals("", "2 authorities")
	if who, err := n.Who(t.Context(), desk.Who{Actor: "zoe", Authority: "A-0002"}); err != nil || who.Purpose != "p" {
		t.Errorf("named: %+v, %v", who, err)
	}
	if err := n.Admin.RevokeAuthority(t.Context(), "", 1, "over"); err != nil {
		t.Fatal(err)
	}
	if who, err := n.Who(t.Context(), desk.Who{Actor: "zoe"}); err != nil || who.Authority != "A-0002" {
		t.Errorf("the only authority in force: %+v, %v", who, err)
	}
	if err := n.Admin.RevokeAuthority(t.Context(), "", 2, "over"); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Who(t.Context(), desk.Who{Actor: "zoe"}); !errors.Is(err, argus.ErrRefused) || strings.Count(err.Error(), " was revoked at 2") != 2 {
		t.Errorf("none is in force: %v", err)
	}
	refusals("", "is in force")
	// However the number was written, the ledger and the answer have it in the same form.
	zoe, err := n.Who(t.Context(), desk.Who{Actor: "zoe", Authority: "2"})
	if err != nil || zoe.Authority != "A-0002" {
		t.Errorf("%+v, %v", zoe, err)
	}
	for text, want := range map[string]string{"2": "A-0002", "a-0002": "A-0002", "the words of zoe": ""} {
		if _, err := n.Desk.Search(t.Context(), desk.Who{Actor: "zoe", Authority: text, Purpose: "p"}, desk.SearchRequest{}); !errors.Is(err, argus.ErrRefused) {
			t.Error(err)
		}
		refusals(want, "authority")
		if err := n.Ingest(t.Context(), desk.Who{Actor: "zoe", Authority: want, Purpose: "p"}, intake.Options{}, nil); !errors.Is(err, argus.ErrRefused) {
			t.Error(err)
		}
		refusals(want, "ingest")
	}
	if who, err := n.Who(t.Context(), desk.Who{Actor: "bert"}); err != nil || who.Authority != "A-0001" {
		t.Errorf("an authority that has ended: %+v, %v", who, err)
	}
}

// The temporary files of a reading that ingests nothing are on the disk of the store, or
// on the disk where the store would be created.
func TestTempBeside(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	for _, made := range []bool{false, true} {
		within := filepath.Dir(dir)
		if made {
			makeStore(t, dir, o)
			within = layout.File(dir, layout.Originals)
		}
		for _, store := range []string{dir, filepath.Join(within, "a", "b")} {
			f, err := TempBeside(store)()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString("x"); err != nil || filepath.Dir(f.Name()) != within || layout.There(f.Name()) {
				t.Errorf("%s: %s, %v", store, f.Name(), err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	protect(t, dir)
	if f, err := TempBeside(dir)(); err == nil || !strings.Contains(err.Error(), "--store") {
		t.Errorf("where nothing can be written: %v, %v", f, err)
	}
}

// An intake that is too far ahead of a follower waits for the follower, or until the work
// ends.
func TestPace(t *testing.T) {
	dir, o := filepath.Join(t.TempDir(), "s"), testOptions(t)
	makeStore(t, dir, o, lines(0, 20))
	n, _ := openToWrite(t, dir, o)
	defer n.Close()
	p := newPaced(n.followers[0])
	last := p.Position()
	r := &feedingRun{n: n, paced: []*paced{p}}
	ctx, stop := context.WithCancelCause(t.Context())
	waited := make(chan error, 2)
	go func() { waited <- r.wait(t.Context(), last+5) }()
	go func() { waited <- r.wait(ctx, last+100) }()
	p.reached(last + 4)
	p.reached(last + 5)
	if err := <-waited; err != nil {
		t.Error(err)
	}
	why := errors.New("the end")
	stop(why)
	if err := <-waited; !errors.Is(err, why) {
		t.Errorf("the end: %v", err)
	}
	if err := r.wait(t.Context(), last); err != nil {
		t.Error(err)
	}
}

// Only regular files in a folder are copied, and a missing folder is skipped.
func TestCopyFolder(t *testing.T) {
	from, into := t.TempDir(), filepath.Join(t.TempDir(), "into")
	if err := copyFolder(filepath.Join(from, "nowhere"), into); err != nil || layout.There(into) {
		t.Errorf("nothing: %v", err)
	}
	if err := os.WriteFile(filepath.Join(from, "a"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyFolder(from, into); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(into, "a")); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
	if err := copyFolder(from, into); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over files: %v", err)
	}
	if err := os.Symlink("a", filepath.Join(from, "link")); err != nil {
		t.Fatal(err)
	}
	if err := copyFolder(from, filepath.Join(t.TempDir(), "again")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a link: %v", err)
	}
}

package original

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/durable/durabletest"
)

func newTest(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := New(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// text is invented content that compresses like chats.
func text(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, `{"from":"%06x","text":"message %d about crates"}`+"\n", rng.IntN(1<<24), rng.IntN(1000))
	}
	return b.Bytes()[:n]
}

// noise is content that does not compress.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = rng.Read(b)
	return b
}

func put(t testing.TB, s *Store, content []byte) Kept {
	t.Helper()
	kept, err := s.Put(t.Context(), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if kept.Hash != sha256.Sum256(content) || kept.Size != int64(len(content)) {
		t.Fatalf("kept %+v", kept)
	}
	return kept
}

func open(t testing.TB, s *Store, name argus.FileName) *File {
	t.Helper()
	f, err := s.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func verify(t testing.TB, s *Store, name argus.FileName) (*Checked, []*Damage) {
	t.Helper()
	var found []*Damage
	c, err := s.Verify(t.Context(), name, func(d *Damage) { found = append(found, d) }, func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return c, found
}

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

var sizes = []int{0, 1, 100, BlockSize - 1, BlockSize, BlockSize + 1, 3*BlockSize + 77}

func TestPutAndRead(t *testing.T) {
	id := identity(t)
	for name, o := range map[string]Options{"plain": {}, "custodian": {Custodians: []age.Recipient{id.Recipient()}, Identities: []age.Identity{id}}} {
		t.Run(name, func(t *testing.T) {
			s := newTest(t, o)
			for i, size := range sizes {
				for _, content := range [][]byte{text(size, uint64(i)), noise(size, uint64(i))} {
					kept := put(t, s, content)
					f := open(t, s, kept.Name)
					got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
					if err != nil || !bytes.Equal(got, content) {
						t.Errorf("%d bytes: read %d, %v", size, len(got), err)
					}
					c, found := verify(t, s, kept.Name)
					if len(found) > 0 || c.Root != kept.Root || c.Hash != kept.Hash || c.Size != kept.Size || c.Locked != nil {
						t.Errorf("%d bytes: %+v, %v", size, c, found)
					}
				}
			}
		})
	}
}

// A file has more blocks than fit into a group.
func TestManyBlocks(t *testing.T) {
	s := newTest(t, Options{})
	const size = (groupBlocks+3)*BlockSize + 5
	kept, err := s.Put(t.Context(), io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, s, kept.Name)
	b := make([]byte, 10)
	if n, err := f.ReadAt(b, size-7); n != 7 || !errors.Is(err, io.EOF) {
		t.Errorf("the end: %d, %v", n, err)
	}
	c, found := verify(t, s, kept.Name)
	if len(found) > 0 || c.Root != kept.Root || c.Hash != kept.Hash {
		t.Errorf("%+v, %v", c, found)
	}
	judge := identity(t)
	part := Part{groupBlocks*BlockSize - 5, 10} // across two groups
	change(t, s, kept.Name, func() (argus.Hash, error) {
		return s.Withhold(t.Context(), kept.Name, []Part{part}, []age.Recipient{judge.Recipient()})
	})
	if c, found := verify(t, s, kept.Name); len(found) > 0 || c.Root != kept.Root {
		t.Errorf("withheld: %+v, %v", c, found)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestReadAt(t *testing.T) {
	s := newTest(t, Options{})
	content := text(5*BlockSize+9, 3)
	f := open(t, s, put(t, s, content).Name)
	want := bytes.NewReader(content)
	var wait sync.WaitGroup
	for seed := range uint64(4) {
		wait.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 2))
			for range 300 {
				a := make([]byte, rng.IntN(3*BlockSize))
				b := slices.Clone(a)
				at := rng.Int64N(int64(len(content) + 20))
				n, err := f.ReadAt(a, at)
				wantN, wantErr := want.ReadAt(b, at)
				if n != wantN || !errors.Is(err, wantErr) && len(a) > 0 || !bytes.Equal(a, b) {
					t.Errorf("at %d: %d bytes, %v; want %d, %v", at, n, err, wantN, wantErr)
				}
			}
		})
	}
	wait.Wait()
	if _, err := f.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset is accepted")
	}
}

// lastWords is a disk that records the content of removed files.
type lastWords struct {
	durable.OS
	held map[string][]byte
}

func (d lastWords) Remove(name string) error {
	data, err := os.ReadFile(name)
	d.held[filepath.Ext(strings.TrimSuffix(name, ".tmp"))] = data
	return errors.Join(err, d.OS.Remove(name))
}

func TestSameBytesAreKeptOnce(t *testing.T) {
	d := lastWords{held: map[string][]byte{}}
	s := newTest(t, Options{Disk: d})
	content := text(100_000, 1)
	first := put(t, s, content)
	if len(d.held) > 0 {
		t.Errorf("removed: %v", d.held)
	}
	if again := put(t, s, content); again != first {
		t.Errorf("kept again: %+v, first %+v", again, first)
	}
	if keys := d.held[tableFile]; len(keys) == 0 || !allZero(keys) || len(d.held[dataFile]) == 0 {
		t.Errorf("the second copy left %d bytes of keys on the disk", len(bytes.Trim(keys, "\x00")))
	}
	other, err := New(s.dir, Options{}) // it has to get the contents from the tables
	if err != nil {
		t.Fatal(err)
	}
	if again := put(t, other, content); again != first {
		t.Errorf("another process: %+v, first %+v", again, first)
	}
	// Damaged bytes do not count as kept: they are kept again.
	flip(t, s, DataFile(first.Name), 1000)
	again := put(t, other, content)
	if again.Name == first.Name {
		t.Fatal("Put returned a damaged original")
	}
	if _, found := verify(t, s, again.Name); len(found) > 0 {
		t.Errorf("%v", found)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestPutFails(t *testing.T) {
	s := newTest(t, Options{})
	wrong := errors.New("the stick was pulled out")
	if _, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(text(100_000, 1)), broken{wrong})); !errors.Is(err, wrong) {
		t.Errorf("%v, want %v", err, wrong)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, bytes.NewReader(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := s.Open(argus.FileName{1}); !errors.Is(err, argus.ErrNotFound) {
		t.Errorf("a missing original: %v", err)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func flip(t testing.TB, s *Store, file string, at int) {
	t.Helper()
	name := s.path(file)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 4
	if err := errors.Join(os.Chmod(name, 0o600), os.WriteFile(name, data, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// change prepares and commits a change.
func change(t testing.TB, s *Store, name argus.FileName, prepare func() (argus.Hash, error)) {
	t.Helper()
	state, err := prepare()
	if err == nil {
		err = s.Commit(t.Context(), name, state)
	}
	if err != nil {
		t.Fatal(err)
	}
	if c, found := verify(t, s, name); len(found) > 0 || c.State != state {
		t.Fatalf("after the change: %+v, %v", c, found)
	}
}

// model is the expected state of every byte of an original.
type model struct {
	content []byte
	state   []State
}

func (m *model) check(t *testing.T, s *Store, name argus.FileName) {
	t.Helper()
	f, err := s.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at := 0; at < len(m.content); {
		end := at
		for end < len(m.content) && m.state[end] == m.state[at] {
			end++
		}
		b := make([]byte, end-at)
		n, err := f.ReadAt(b, int64(at))
		switch m.state[at] {
		case Withheld, Destroyed:
			want := map[State]error{Withheld: ErrWithheld, Destroyed: ErrDestroyed}[m.state[at]]
			u, ok := errors.AsType[*Unreadable](err)
			if n != 0 || !errors.Is(err, want) || !ok || u.From != int64(at) || u.To != int64(end) {
				t.Fatalf("bytes %d to %d: %d bytes and %v, want %v", at, end, n, err, want)
			}
		default:
			if n != len(b) || err != nil || !bytes.Equal(b, m.content[at:end]) {
				t.Fatalf("bytes %d to %d: %d bytes, %v", at, end, n, err)
			}
		}
		at = end
	}
}

// TestWithholdReleaseDestroy makes random changes, and compares each byte with a model after
// each change.
func TestWithholdReleaseDestroy(t *testing.T) {
	judge, custodian := identity(t), identity(t)
	for seed := range uint64(24) {
		rng := rand.New(rand.NewPCG(seed, 5))
		o := Options{}
		if seed%3 == 1 {
			o = Options{Custodians: []age.Recipient{custodian.Recipient()}, Identities: []age.Identity{custodian}}
		}
		s := newTest(t, o)
		size := 4*BlockSize + rng.IntN(BlockSize)
		m := model{content: text(size, seed), state: make([]State, size)}
		kept := put(t, s, m.content)
		for range 12 {
			var parts []Part
			for range 1 + rng.IntN(3) {
				at, length := rng.IntN(size), 1+rng.IntN(BlockSize*2)
				if rng.IntN(3) == 0 { // move it to the edges of blocks
					at, length = at/BlockSize*BlockSize, BlockSize
				}
				parts = append(parts, Part{int64(at), int64(min(length, size-at))})
			}
			state, prepare := Withheld, func() (argus.Hash, error) {
				return s.Withhold(t.Context(), kept.Name, parts, []age.Recipient{judge.Recipient()}, judge)
			}
			switch rng.IntN(4) {
			case 0:
				state, prepare = Destroyed, func() (argus.Hash, error) { return s.Destroy(t.Context(), kept.Name, parts, judge) }
			case 1, 2:
				// Destroyed bytes do not come back.
				if slices.ContainsFunc(parts, func(p Part) bool { return slices.Contains(m.state[p.Offset:p.Offset+p.Length], Destroyed) }) {
					if _, err := s.Release(t.Context(), kept.Name, parts, judge); !errors.Is(err, ErrDestroyed) {
						t.Fatalf("a destroyed part is released: %v", err)
					}
					continue
				}
				state, prepare = 0, func() (argus.Hash, error) { return s.Release(t.Context(), kept.Name, parts, judge) }
			}
			change(t, s, kept.Name, prepare)
			for _, p := range parts {
				for i := p.Offset; i < p.Offset+p.Length; i++ {
					if m.state[i] != Destroyed {
						m.state[i] = state
					}
				}
			}
			m.check(t, s, kept.Name)
			if c, _ := verify(t, s, kept.Name); c.Root != kept.Root || (c.Hash == argus.Hash{}) != slices.ContainsFunc(m.state, func(s State) bool { return s != 0 }) {
				t.Fatalf("the root was %s, after the change: %+v", kept.Root, c)
			}
		}
		// Only the files of the latest change are left.
		c, _ := verify(t, s, kept.Name)
		left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*"))
		if len(left) != len(c.Files) {
			t.Fatalf("left behind: %v, want %v", left, c.Files)
		}
	}
}

// If everything that was withheld is released, the original comes back byte for byte, and
// so does the table.
func TestReleaseAll(t *testing.T) {
	s, judge := newTest(t, Options{}), identity(t)
	content := text(3*BlockSize, 1)
	kept := put(t, s, content)
	all := []Part{{0, int64(len(content))}}
	change(t, s, kept.Name, func() (argus.Hash, error) {
		return s.Withhold(t.Context(), kept.Name, all, []age.Recipient{judge.Recipient()})
	})
	if _, err := s.Release(t.Context(), kept.Name, all); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), judge.Recipient().String()) {
		t.Errorf("without the judge: %v", err)
	}
	if _, err := s.Release(t.Context(), kept.Name, all, identity(t)); !errors.Is(err, ErrNoKey) {
		t.Errorf("with another's key: %v", err)
	}
	other := identity(t)
	if _, err := s.Withhold(t.Context(), kept.Name, all, []age.Recipient{other.Recipient()}); err != nil {
		t.Errorf("the same again: %v", err) // nothing changes
	}
	change(t, s, kept.Name, func() (argus.Hash, error) { return s.Release(t.Context(), kept.Name, all, judge) })
	if c, found := verify(t, s, kept.Name); len(found) > 0 || c.Hash != kept.Hash {
		t.Errorf("%+v, %v", c, found)
	}
	if again := put(t, s, content); again != kept {
		t.Errorf("kept again: %+v", again)
	}
}

// After a destruction, no file of the store has a key of the blocks, or a hash that a
// guess could be tested against.
func TestNothingIsLeft(t *testing.T) {
	s := newTest(t, Options{})
	content := text(3*BlockSize, 1)
	kept := put(t, s, content)
	table, f, err := s.openTable(kept.Name, tableFile)
	if err != nil {
		t.Fatal(err)
	}
	g, err := table.group(0)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := table.opened(g.secrets())
	if err != nil {
		t.Fatal(err)
	}
	// The table's file stays open: its bytes on the disk must be overwritten.
	old, err := os.OpenFile(s.path(TableFile(kept.Name)), os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	f.Close()
	change(t, s, kept.Name, func() (argus.Hash, error) {
		return s.Destroy(t.Context(), kept.Name, []Part{{BlockSize + 10, 20}})
	})
	block := content[BlockSize : 2*BlockSize]
	gone := map[string][]byte{
		"key": secrets[secretSize+16:][:32], "salt": secrets[secretSize:][:16],
		"SHA-256": kept.Hash[:], "SHA-256 of the block": sum(block), "SHA-256 of the part": sum(block[10:30]), "part": block[10:30],
	}
	stays := secrets[16:][:32] // the key of another block
	var seen bool
	look := func(where string, data []byte) {
		for what, b := range gone {
			if bytes.Contains(data, b) {
				t.Errorf("%s has the %s", where, what)
			}
		}
		seen = seen || bytes.Contains(data, stays)
	}
	before, err := io.ReadAll(old)
	if err != nil {
		t.Fatal(err)
	}
	look("the old table", before)
	err = filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		look(path, data)
		return err
	})
	if err != nil || !seen {
		t.Errorf("%v; the key of another block is found: %t", err, seen)
	}
	// The same bytes, put again, become another original.
	if again := put(t, s, content); again.Name == kept.Name {
		t.Error("a destroyed original counts as kept")
	}
}

func sum(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:]
}

// Without the custodian's key, the stored bytes can still be proved, and reading names
// the missing key.
func TestCustodian(t *testing.T) {
	id := identity(t)
	s := newTest(t, Options{Custodians: []age.Recipient{id.Recipient()}})
	kept := put(t, s, text(2*BlockSize+1, 1))
	_, err := s.Open(kept.Name)
	if !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), id.Recipient().String()) {
		t.Errorf("%v", err)
	}
	c, found := verify(t, s, kept.Name)
	if len(found) > 0 || c.Root != kept.Root || !slices.Equal(c.Locked, []string{id.Recipient().String()}) || c.Hash != (argus.Hash{}) {
		t.Errorf("%+v, %v", c, found)
	}
	data, err := os.ReadFile(s.path(DataFile(kept.Name)))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 40, len(data) - 1} {
		flip(t, s, DataFile(kept.Name), at)
		if _, found := verify(t, s, kept.Name); len(found) == 0 {
			t.Errorf("a flip at %d is not found without the key", at)
		}
		flip(t, s, DataFile(kept.Name), at)
	}
}

// TestFlipAnyByte changes each byte in each file of an original with every kind of part. The
// finding must name the file, and an offset at or before the byte.
func TestFlipAnyByte(t *testing.T) {
	judge, custodian := identity(t), identity(t)
	sealed := Options{Custodians: []age.Recipient{custodian.Recipient()}, Identities: []age.Identity{custodian}}
	for name, o := range map[string]Options{"plain": {}, "custodian": sealed, "custodian without the key": {Custodians: sealed.Custodians}} {
		t.Run(name, func(t *testing.T) {
			s := newTest(t, o)
			kept := put(t, s, noise(2*BlockSize+500, 1))
			if name != "custodian without the key" {
				change(t, s, kept.Name, func() (argus.Hash, error) {
					return s.Withhold(t.Context(), kept.Name, []Part{{100, 50}, {2 * BlockSize, 500}}, []age.Recipient{judge.Recipient()})
				})
				change(t, s, kept.Name, func() (argus.Hash, error) {
					return s.Destroy(t.Context(), kept.Name, []Part{{BlockSize - 10, 30}}, judge)
				})
			}
			c, found := verify(t, s, kept.Name)
			if len(found) > 0 {
				t.Fatal(found)
			}
			for _, file := range c.Files {
				data, err := os.ReadFile(s.path(file))
				if err != nil {
					t.Fatal(err)
				}
				step := 1
				if o.Custodians != nil {
					step = 13
				}
				for at := 0; at < len(data); at += step {
					if at > 40 && at < len(data)-20 && len(data) > 8000 && at%997 >= step {
						continue
					}
					flip(t, s, file, at)
					_, found := verify(t, s, kept.Name)
					if !slices.ContainsFunc(found, func(d *Damage) bool { return d.File == file && d.Offset >= 0 && d.Offset <= int64(at) }) {
						t.Errorf("%s: a flip at %d is not found, or not named: %v", file, at, found)
					}
					flip(t, s, file, at)
				}
				for _, harm := range []func(string) error{
					func(path string) error { return os.Truncate(path, int64(len(data)-1)) },
					func(path string) error { return os.WriteFile(path, append(data, 0), 0o600) },
					os.Remove,
				} {
					if err := harm(s.path(file)); err != nil {
						t.Fatal(err)
					}
					if _, found := verify(t, s, kept.Name); len(found) == 0 || found[0].File != file {
						t.Errorf("%s: %v", file, found)
					}
					if err := os.WriteFile(s.path(file), data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// A damaged entry or key affects only its block, which is never read as zeros.
func TestDamageCostsItsBlock(t *testing.T) {
	content := text(3*BlockSize, 1)
	for name, place := range map[string]int{"key": tableHead + groupHead + 3*entrySize + secretSize + 20, "data": -1} {
		s := newTest(t, Options{})
		kept := put(t, s, content)
		if place >= 0 {
			flip(t, s, TableFile(kept.Name), place)
		} else {
			flip(t, s, DataFile(kept.Name), int(open(t, s, kept.Name).mustPlace(t, 1).at)+7)
		}
		f := open(t, s, kept.Name)
		b := make([]byte, BlockSize)
		for block := range 3 {
			n, err := f.ReadAt(b, int64(block)*BlockSize)
			if block == 1 {
				if n != 0 || !errors.Is(err, argus.ErrDamaged) {
					t.Errorf("%s: the damaged block: %d bytes, %v", name, n, err)
				}
			} else if n != BlockSize || err != nil || !bytes.Equal(b, content[block*BlockSize:][:BlockSize]) {
				t.Errorf("%s: block %d: %d bytes, %v", name, block, n, err)
			}
		}
	}
}

func (f *File) mustPlace(t *testing.T, block int) place {
	t.Helper()
	p, err := f.place(block)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Judges may have keys that resist quantum computers: the judge and the second recipient can
// each bring the original back, and nobody else can.
func TestWithholdToHybridKeys(t *testing.T) {
	s := newTest(t, Options{})
	var ids [3]*age.HybridIdentity
	for i := range ids {
		var err error
		if ids[i], err = age.GenerateHybridIdentity(); err != nil {
			t.Fatal(err)
		}
	}
	content := text(2*BlockSize+5, 1)
	for i, id := range ids {
		kept := put(t, s, append(content, byte(i)))
		whole := []Part{{0, kept.Size}}
		change(t, s, kept.Name, func() (argus.Hash, error) {
			return s.Withhold(t.Context(), kept.Name, whole, []age.Recipient{ids[0].Recipient(), ids[1].Recipient()})
		})
		if n, err := open(t, s, kept.Name).ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, ErrWithheld) {
			t.Errorf("it is read after it was withheld: %d bytes, %v", n, err)
		}
		state, err := s.Release(t.Context(), kept.Name, whole, id)
		if i == 2 {
			if !errors.Is(err, ErrNoKey) {
				t.Errorf("a stranger brings it back: %v", err)
			}
			continue
		}
		if err == nil {
			err = s.Commit(t.Context(), kept.Name, state)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(open(t, s, kept.Name), 0, kept.Size))
		if err != nil || !bytes.Equal(got, append(content, byte(i))) {
			t.Errorf("recipient %d brought back %d bytes, %v", i, len(got), err)
		}
	}
}

// A file that was handed to another process can be read with nothing but its groups.
func TestHand(t *testing.T) {
	s, judge := newTest(t, Options{}), identity(t)
	content := text(3*BlockSize+5, 1)
	kept := put(t, s, content)
	change(t, s, kept.Name, func() (argus.Hash, error) {
		return s.Withhold(t.Context(), kept.Name, []Part{{10, 5}}, []age.Recipient{judge.Recipient()})
	})
	from := open(t, s, kept.Name)
	h, data, rest, err := from.Hand()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Receive(h, data, rest, from.Group)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 15, f.Size()))
	if err != nil || !bytes.Equal(got, content[15:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n, err := f.ReadAt(make([]byte, 20), 0); n != 10 || !errors.Is(err, ErrWithheld) {
		t.Errorf("a withheld part: %d bytes, %v", n, err)
	}
	for _, group := range []int{-1, 1} {
		if _, err := from.Group(group); err == nil {
			t.Errorf("there is a group %d", group)
		}
	}
}

func TestRefusedChanges(t *testing.T) {
	s, judge := newTest(t, Options{}), identity(t)
	kept := put(t, s, text(100, 1))
	judges := []age.Recipient{judge.Recipient()}
	for _, p := range []Part{{-1, 2}, {0, 0}, {0, 101}, {100, 1}, {1 << 62, 1 << 62}} {
		if _, err := s.Withhold(t.Context(), kept.Name, []Part{p}, judges); err == nil {
			t.Errorf("%+v is withheld", p)
		}
	}
	if _, err := s.Withhold(t.Context(), kept.Name, []Part{{0, 1}}, nil); err == nil {
		t.Error("withheld for nobody")
	}
	state, err := s.Withhold(t.Context(), kept.Name, []Part{{0, 1}}, judges)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), kept.Name, argus.Hash{1}); err == nil {
		t.Error("Commit made a change that was not prepared")
	}
	if c, _ := verify(t, s, kept.Name); c.Spans != nil {
		t.Errorf("a prepared change is already in force: %+v", c)
	}
	if err := s.Discard(kept.Name); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), kept.Name, state); err == nil {
		t.Error("Commit made a discarded change")
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*")); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	change(t, s, kept.Name, func() (argus.Hash, error) { return s.Withhold(t.Context(), kept.Name, []Part{{0, 1}}, judges) })
	other := identity(t)
	if _, err := s.Withhold(t.Context(), kept.Name, []Part{{5, 1}}, []age.Recipient{other.Recipient()}); err == nil {
		t.Error("an original has two judges who do not know of each other")
	}
}

// Withheld bytes can be destroyed without the judge's key, and without the
// file that it opens. A failed change leaves nothing behind.
func TestDestroyWithheld(t *testing.T) {
	for _, missing := range []bool{false, true} {
		s, judge := newTest(t, Options{}), identity(t)
		m := model{content: text(3*BlockSize, 1), state: make([]State, 3*BlockSize)}
		kept := put(t, s, m.content)
		parts := []Part{{100, 50}, {BlockSize, BlockSize + 5}}
		change(t, s, kept.Name, func() (argus.Hash, error) {
			return s.Withhold(t.Context(), kept.Name, parts, []age.Recipient{judge.Recipient()})
		})
		if missing {
			if err := os.Remove(s.path(fileOf(kept.Name, judgeFile(1)))); err != nil {
				t.Fatal(err)
			}
		}
		// Destroying only a part of a block needs the judge, because the rest of the block
		// stays withheld.
		before, _ := filepath.Glob(filepath.Join(s.dir, "*", "*"))
		want := map[bool]error{false: ErrNoKey, true: argus.ErrDamaged}[missing]
		if _, err := s.Destroy(t.Context(), kept.Name, []Part{{100, 10}}); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if after, _ := filepath.Glob(filepath.Join(s.dir, "*", "*")); !slices.Equal(before, after) {
			t.Errorf("left behind: %v, before %v", after, before)
		}
		change(t, s, kept.Name, func() (argus.Hash, error) { return s.Destroy(t.Context(), kept.Name, parts) })
		for _, p := range parts {
			for i := p.Offset; i < p.Offset+p.Length; i++ {
				m.state[i] = Destroyed
			}
		}
		m.check(t, s, kept.Name)
	}
}

// An interrupted commit is finished and cannot be discarded: only its table has the keys
// of the substitute blocks.
func TestNoWayBack(t *testing.T) {
	judge, custodian := identity(t), identity(t)
	judges := []age.Recipient{judge.Recipient()}
	for _, o := range []Options{{}, {Custodians: []age.Recipient{custodian.Recipient()}, Identities: []age.Identity{custodian}}} {
		o.Failpoint = func(name string) {
			if name == "original.forgotten" {
				panic(name)
			}
		}
		s := newTest(t, o)
		content := text(2*BlockSize, 1)
		kept := put(t, s, content)
		withhold := func(s *Store, at int64) (argus.Hash, error) {
			return s.Withhold(t.Context(), kept.Name, []Part{{at, 50}}, judges)
		}
		state, err := withhold(s, 10)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the change was not interrupted")
				}
			}()
			_ = s.Commit(t.Context(), kept.Name, state)
		}()
		o.Failpoint = nil
		if s, err = New(s.dir, o); err != nil {
			t.Fatal(err)
		}
		if _, err := s.VerifyPrepared(t.Context(), kept.Name, func(d *Damage) { t.Errorf("the interrupted change is damage: %v", d) }, func(int64) {}); err != nil {
			t.Error(err)
		}
		if err := s.Discard(kept.Name); !errors.Is(err, errBegun) {
			t.Errorf("the change is discarded: %v", err)
		}
		if _, err := withhold(s, 100); !errors.Is(err, errBegun) {
			t.Errorf("another change replaced it: %v", err)
		}
		if err := s.Commit(t.Context(), kept.Name, state); err != nil {
			t.Fatal(err)
		}
		m := model{content: content, state: make([]State, len(content))}
		for i := 10; i < 60; i++ {
			m.state[i] = Withheld
		}
		m.check(t, s, kept.Name)
		change(t, s, kept.Name, func() (argus.Hash, error) { return s.Release(t.Context(), kept.Name, []Part{{10, 50}}, judge) })
		m.state = make([]State, len(content))
		m.check(t, s, kept.Name)
	}
}

// TestMemory keeps and reads a file that is larger than the memory allowed for it.
func TestMemory(t *testing.T) {
	const size = 160 << 20
	held := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	s := newTest(t, Options{})
	before := held()
	var most int64
	watch := func(int64) { most = max(most, held()-before) }
	kept, err := s.Put(t.Context(), &watched{r: io.LimitReader(zeros{}, size), every: 32 << 20, do: watch})
	if err != nil {
		t.Fatal(err)
	}
	if most > 16<<20 {
		t.Errorf("keeping the file takes %d bytes of memory", most)
	}
	most = 0
	f := open(t, s, kept.Name)
	if _, err := io.Copy(io.Discard, &watched{r: io.NewSectionReader(f, 0, size), every: 32 << 20, do: watch}); err != nil {
		t.Fatal(err)
	}
	if most > 16<<20 {
		t.Errorf("reading the file takes %d bytes of memory", most)
	}
}

// watched is a reader that calls do at intervals while it is being read.
type watched struct {
	r           io.Reader
	read, every int64
	do          func(read int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if before := w.read; before/w.every != (before+int64(n))/w.every {
		w.do(before)
	}
	w.read += int64(n)
	return n, err
}

// TestPowerCut cuts the power while files are kept and changed.
func TestPowerCut(t *testing.T) {
	for seed := range uint64(150) {
		if problem := cutOnce(t, seed, false); problem != "" {
			t.Fatalf("cut %d: %s", seed, problem)
		}
	}
	// As a control, a disk whose syncs do nothing must be detected.
	for seed := range uint64(40) {
		if cutOnce(t, seed, true) != "" {
			return
		}
	}
	t.Error("originals that are not synced pass this test: it proves nothing")
}

func cutOnce(t *testing.T, seed uint64, lies bool) string {
	rng := rand.New(rand.NewPCG(seed, 7))
	judge := identity(t)
	d := durabletest.New(seed)
	if lies {
		d.Lie()
	}
	s, err := New("originals", Options{Disk: d})
	if err != nil {
		return err.Error()
	}
	kept := map[argus.FileName][]byte{}
	type pending struct {
		name  argus.FileName
		state argus.Hash
		spans []Span
	}
	var ordered *pending // committed, but the caller got no answer
	wanted := map[argus.FileName][]Span{}
	d.CutAfter(rng.IntN(90))
	for i := range uint64(6) {
		content := text(rng.IntN(BlockSize/16), seed*10+i)
		if i == 3 {
			content = slices.Concat(content, noise(BlockSize, i))
		}
		k, err := s.Put(t.Context(), bytes.NewReader(content))
		if err != nil {
			break
		}
		kept[k.Name] = content
		if len(content) < 10 || ordered != nil {
			continue
		}
		prepare := func() (argus.Hash, error) { return s.Destroy(t.Context(), k.Name, []Part{{2, 3}}) }
		p := pending{name: k.Name, spans: []Span{{2, 5, Destroyed}}}
		if rng.IntN(2) == 0 {
			prepare = func() (argus.Hash, error) {
				return s.Withhold(t.Context(), k.Name, []Part{{2, 3}}, []age.Recipient{judge.Recipient()})
			}
			p.spans[0].State = Withheld
		}
		if p.state, err = prepare(); err != nil {
			break
		}
		if err := s.Commit(t.Context(), p.name, p.state); err != nil {
			ordered = &p
		}
		wanted[p.name] = p.spans
	}
	d = d.Cut()
	if s, err = New("originals", Options{Disk: d}); err != nil {
		return err.Error()
	}
	if ordered != nil {
		// The change was ordered, so it must be finished.
		if err := s.Commit(t.Context(), ordered.name, ordered.state); err != nil {
			return fmt.Sprintf("finish a change: %v", err)
		}
	}
	for name, content := range kept {
		var found []*Damage
		c, err := s.Verify(t.Context(), name, func(d *Damage) { found = append(found, d) }, func(int64) {})
		if err != nil || len(found) > 0 {
			return fmt.Sprintf("a kept original: %v, %v", err, found)
		}
		want := wanted[name]
		if !slices.Equal(c.Spans, want) {
			return fmt.Sprintf("the spans are %v, want %v", c.Spans, want)
		}
		from := 0
		if want != nil {
			from = 5
		}
		f, err := s.Open(name)
		if err != nil {
			return err.Error()
		}
		got, err := io.ReadAll(io.NewSectionReader(f, int64(from), f.Size()))
		if err != nil || !bytes.Equal(got, content[min(from, len(content)):]) {
			return fmt.Sprintf("%d bytes of %d, %v", len(got), len(content), err)
		}
		f.Close()
		// If put again, the content is durable again, and not kept twice.
		if k, err := s.Put(t.Context(), bytes.NewReader(content)); err != nil || want == nil && k.Name != name && len(content) > 0 {
			return fmt.Sprintf("put again: %v, %v", k, err)
		}
	}
	return ""
}

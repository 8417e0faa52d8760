package original

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"

	"github.com/argus-evidence/argus"
)

// small is content that takes up little space, so that the seeds are short.
func small() []byte { return bytes.Repeat([]byte("argus "), (2*BlockSize+60)/6)[:2*BlockSize+50] }

// parts makes an original with every kind of part, and returns its files.
func parts(f *testing.F, o Options) (s *Store, name argus.FileName, files map[string][]byte) {
	f.Helper()
	judge := identity(f)
	s = newTest(f, o)
	kept := put(f, s, small())
	judges := []age.Recipient{judge.Recipient()}
	change(f, s, kept.Name, func() (argus.Hash, error) {
		return s.Withhold(f.Context(), kept.Name, []Part{{10, 20}}, judges)
	})
	change(f, s, kept.Name, func() (argus.Hash, error) {
		return s.Destroy(f.Context(), kept.Name, []Part{{100, 20}, {2 * BlockSize, 50}}, judge)
	})
	files = map[string][]byte{}
	c, _ := verify(f, s, kept.Name)
	for _, file := range c.Files {
		data, err := os.ReadFile(s.path(file))
		if err != nil {
			f.Fatal(err)
		}
		files[filepath.Ext(file)] = data
	}
	return s, kept.Name, files
}

// FuzzTable uses arbitrary bytes as a table. Reading returns an error or the original
// bytes, and Verify does not panic.
func FuzzTable(f *testing.F) {
	s, name, files := parts(f, Options{})
	f.Add(files[".table"])
	id := identity(f)
	_, _, sealed := parts(f, Options{Custodians: []age.Recipient{id.Recipient()}, Identities: []age.Identity{id}})
	f.Add(sealed[".table"])
	content := small()
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, sum := range []bool{false, true} {
			if sum && len(data) >= tableHead { // to get past the first check
				data = mended(data)
			}
			fuzzed(t, s, name, TableFile(name), data, content)
		}
	})
}

// mended corrects the checksum of a table's header and the name in that header.
func mended(data []byte) []byte {
	data = bytes.Clone(data)
	t := &table{r: bytes.NewReader(data), length: int64(len(data))}
	copy(data, tableMagic)
	clear(data[112:124])
	_ = t.readHead()
	sum := checksum(data[:124])
	data[124], data[125], data[126], data[127] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	return data
}

// FuzzData uses arbitrary bytes as a file of blocks.
func FuzzData(f *testing.F) {
	s, name, files := parts(f, Options{})
	f.Add(files[".data"])
	f.Add(files[".rest"])
	content := small()
	rest := fileOf(name, restFile(2))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzed(t, s, name, DataFile(name), data, content)
		fuzzed(t, s, name, rest, data, content)
	})
}

// fuzzed reads an original after replacing the bytes of one of its files.
func fuzzed(t *testing.T, s *Store, name argus.FileName, file string, data, content []byte) {
	t.Helper()
	path := s.path(file)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(path, 0o600)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(path, sound, 0o600); err != nil {
			t.Fatal(err)
		}
	}()
	named := false
	if _, err := s.Verify(t.Context(), name, func(*Damage) { named = true }, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	if !named && !bytes.Equal(data, sound) {
		t.Errorf("%s has other bytes, and Verify reports nothing", file)
	}
	o, err := s.Open(name)
	if err != nil {
		return
	}
	defer o.Close()
	b := make([]byte, 1000)
	for at := int64(0); at < o.Size() && at < 4*BlockSize; at += 997 {
		n, err := o.ReadAt(b, at)
		if n > 0 && (at+int64(n) > int64(len(content)) || !bytes.Equal(b[:n], content[at:at+int64(n)])) {
			t.Fatalf("bytes at %d that were never put", at)
		}
		if n < len(b) && err == nil {
			t.Fatal("bytes are omitted without an error")
		}
	}
}

// FuzzGroup uses arbitrary bytes as a group sent by another process.
func FuzzGroup(f *testing.F) {
	s, name, _ := parts(f, Options{})
	o := open(f, s, name)
	h, data, rest, err := o.Hand()
	if err != nil {
		f.Fatal(err)
	}
	sound, err := o.Group(0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound, h.Size)
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if size < 0 || size > MaxSize {
			return
		}
		r, err := Receive(Handed{Size: size}, data, rest, func(int) ([]byte, error) { return b, nil })
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, io.NewSectionReader(r, 0, min(size, 3*BlockSize)))
	})
}

// FuzzItems uses arbitrary bytes as the keys for the judge.
func FuzzItems(f *testing.F) {
	_, _, files := parts(f, Options{})
	f.Add(files[".judge"])
	f.Fuzz(func(t *testing.T, data []byte) {
		i := &items{f: bytes.NewReader(data), at: dataHead}
		for _, block := range []uint32{0, 1, 1, wholeItem} {
			if sealed, err := i.find(block); err == nil && !bytes.Contains(data, sealed) {
				t.Error("keys that are not in the file")
			}
		}
	})
}

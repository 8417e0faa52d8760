package original

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// Checked is the state of an original as Verify found it.
type Checked struct {
	Size int64
	// Root is recomputed from the stored bytes.
	Root argus.Hash
	// Hash is the recomputed SHA-256 of the original's bytes, or zero if some of them
	// cannot be read.
	Hash argus.Hash
	// Spans are the unreadable parts, and State is the hash of the change that made them
	// unreadable.
	Spans []Span
	State argus.Hash
	// Locked names the keys that were missing. If any were missing, only the stored bytes are
	// proved, not the plain bytes.
	Locked []string
	// Files are the files of the original, relative to the folder.
	Files []string
}

// Verify reads all of an original and compares each byte of its files with the root. It needs
// no secret for that; with the keys, it also proves the received bytes. It calls report with
// each change, and advance with the number of bytes read. It returns an error only if reading
// itself fails.
func (s *Store) Verify(ctx context.Context, name argus.FileName, report func(*Damage), advance func(bytes int64)) (*Checked, error) {
	return s.verify(ctx, name, tableFile, report, advance)
}

// VerifyPrepared is like Verify, but for the original as it will be after the prepared change.
// If a commit of the change was interrupted, the keys that it removes may already be gone from
// the original as it was before.
func (s *Store) VerifyPrepared(ctx context.Context, name argus.FileName, report func(*Damage), advance func(bytes int64)) (*Checked, error) {
	return s.verify(ctx, name, nextFile, report, advance)
}

func (s *Store) verify(ctx context.Context, name argus.FileName, table string, report func(*Damage), advance func(bytes int64)) (*Checked, error) {
	v := verifying{ctx: ctx, s: s, report: report, advance: advance, leaves: newTree()}
	t, f, err := s.openTable(name, table)
	if errors.Is(err, argus.ErrNotFound) {
		err = &Damage{fileOf(name, table), -1, "the table of the original is missing"}
	}
	if err != nil {
		return nil, v.note(err)
	}
	defer f.Close()
	v.t = t
	advance(t.length)
	v.checked = Checked{Size: t.size, Spans: t.spans, State: t.state(), Files: []string{TableFile(name), DataFile(name)}}
	if table != tableFile {
		v.checked.Files = append(v.checked.Files, fileOf(name, table))
	}
	for _, step := range []func() error{v.data, v.rest, v.judge} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("verify original %s: %w", name, err)
		}
	}
	return &v.checked, nil
}

// verifying checks one original.
type verifying struct {
	ctx     context.Context
	s       *Store
	t       *table
	report  func(*Damage)
	advance func(int64)
	checked Checked
	leaves  tree
	buffer  []byte
}

// note reports an error that is damage, and returns any other error.
func (v *verifying) note(err error) error {
	if d, ok := errors.AsType[*Damage](err); ok {
		v.report(d)
		return nil
	}
	if errors.Is(err, ErrNoKey) {
		v.checked.Locked = v.t.custodians
		return nil
	}
	return err
}

func (v *verifying) damage(file string, at int64, format string, args ...any) {
	v.report(&Damage{file, at, fmt.Sprintf(format, args...)})
}

// open opens a file of the original; it returns nil for a missing file, which it reports.
func (v *verifying) open(file string) (durable.File, int64, error) {
	f, err := v.s.disk.OpenFile(v.s.path(file), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		v.damage(file, -1, "the file is missing")
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// data checks the blocks as received.
func (v *verifying) data() error {
	t := v.t
	file := DataFile(t.name)
	f, size, err := v.open(file)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	head := make([]byte, dataHead)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !checkHead(head, t.name, 0) {
		v.damage(file, 0, "the file does not begin as the data of the original must")
	}
	v.advance(min(size, dataHead))
	whole := sha256.New()
	sound, readable := true, len(t.spans) == 0
	at := int64(dataHead)
	for n := range t.groups {
		ok, plain, err := v.group(n, f, file, &at, whole)
		if err != nil {
			return err
		}
		sound, readable = sound && ok, readable && plain
	}
	if !sound {
		return nil // the errors were already reported
	}
	if size != at {
		v.damage(file, min(size, at), "the file has %d bytes, want %d", size, at)
	}
	if v.checked.Root, err = v.leaves.root(); err != nil {
		return err
	}
	if v.checked.Root != t.root {
		v.damage(t.file, 32, "the blocks have the root %s, but the table has %s", v.checked.Root, t.root)
	}
	want, err := t.whole()
	if err != nil {
		return nil // rest reports it
	}
	if readable != (want != argus.Hash{}) && len(v.checked.Locked) == 0 {
		v.damage(t.file, t.secrets.at, "a table must have a SHA-256 of the original if and only if the whole original can be read; this table breaks that rule")
	}
	if !readable {
		return nil
	}
	if whole.Sum(v.checked.Hash[:0]); v.checked.Hash != want {
		v.damage(t.file, t.secrets.at, "the original has the SHA-256 %s, but the table has %s", v.checked.Hash, want)
	}
	return nil
}

// group checks the blocks of a group. sound means that they are unchanged, and readable
// that all of their plain bytes were written to whole.
func (v *verifying) group(n int, f durable.File, file string, at *int64, whole io.Writer) (sound, readable bool, err error) {
	t := v.t
	g, err := t.group(n)
	if err != nil {
		*at = 0 // the next blocks cannot be located from this group
		return false, false, v.note(err)
	}
	if *at == 0 {
		*at = g.data
	}
	if g.data != *at {
		v.damage(t.file, t.groups[n], "the blocks of the group begin at offset %d, want %d", g.data, *at)
		return false, false, nil
	}
	sound, readable = true, true
	secrets, err := t.opened(g.secrets())
	if err != nil {
		sound, readable = errors.Is(err, ErrNoKey), false
		if err := v.note(err); err != nil {
			return false, false, err
		}
	}
	for i := range g.count {
		if err := v.ctx.Err(); err != nil {
			return false, false, err
		}
		e, err := t.entry(g, i)
		if err != nil {
			*at = 0
			return false, false, v.note(err)
		}
		block := g.first + i
		stored, err := v.stored(f, file, *at, block, e)
		if err != nil {
			return false, false, err
		}
		*at += int64(e.stored)
		if err := v.leaves.Append(e.leaf(), nil); err != nil {
			return false, false, err
		}
		if secrets == nil {
			sound = sound && stored != nil
			continue
		}
		plain, ok := v.plain(block, stored, e, secrets[i*secretSize:], g.secrets().at+int64(i)*secretSize, coverOf(t.spans, t.size, block).touched())
		sound = sound && ok && stored != nil
		readable = readable && plain != nil
		if plain != nil {
			_, _ = whole.Write(plain) // a hash never fails
		}
	}
	return sound, readable, nil
}

// stored reads a stored block and compares its hash; it reports a changed block and
// returns nil for it.
func (v *verifying) stored(f durable.File, file string, at int64, block int, e entry) ([]byte, error) {
	if cap(v.buffer) < int(e.stored) {
		v.buffer = make([]byte, BlockSize+overhead)
	}
	b := v.buffer[:e.stored]
	if _, err := f.ReadAt(b, at); errors.Is(err, io.EOF) {
		v.damage(file, at, "the file ends before or within block %d", block)
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	v.advance(int64(e.stored))
	if cipherHash(b) != e.cipher {
		v.damage(file, at, "the stored bytes of block %d differ from those that were sealed", block)
		return nil, nil
	}
	return b, nil
}

// plain opens an intact stored block and compares its salted hash. gone means that the block's
// key must not be present.
func (v *verifying) plain(block int, stored []byte, e entry, key []byte, at int64, gone bool) (plain []byte, sound bool) {
	s, err := parseSecret(key)
	switch {
	case err != nil:
		v.damage(v.t.file, at, "block %d: %v", block, err)
		return nil, false
	case gone && s != secret{}:
		v.damage(v.t.file, at, "the key of block %d is present, but a part of the block is withheld or destroyed", block)
		return nil, false
	case gone:
		return nil, true
	case s == secret{}:
		v.damage(v.t.file, at, "the key of block %d is gone, but no part of the block is withheld or destroyed", block)
		return nil, false
	case stored == nil:
		return nil, false
	}
	plain, err = openBlock(v.s.decoder, block, stored, &s, plainLength(v.t.size, block))
	if err != nil {
		v.damage(v.t.file, at, "block %d: %v", block, err)
		return nil, false
	}
	if commit(s.salt, plain) != e.plain {
		v.damage(v.t.file, at, "the bytes of block %d differ from those that were sealed", block)
		return nil, false
	}
	return plain, true
}

// rest checks the substitute blocks.
func (v *verifying) rest() error {
	t := v.t
	secrets, err := t.opened(t.secrets)
	if err != nil {
		if err := v.note(err); err != nil {
			return err
		}
	} else if _, err := parseSecret(secrets); err != nil {
		v.damage(t.file, t.secrets.at, "the SHA-256 of the original does not match its checksum")
	}
	if len(t.rest) == 0 {
		return nil
	}
	file := fileOf(t.name, restFile(t.change))
	v.checked.Files = append(v.checked.Files, file)
	f, size, err := v.open(file)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	head := make([]byte, dataHead)
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if !checkHead(head, t.name, t.change) {
		v.damage(file, 0, "the file does not begin as a file of the original's blocks must")
	}
	end := int64(dataHead)
	for i, r := range t.rest {
		stored, err := v.stored(f, file, r.at, r.block, r.entry)
		if err != nil {
			return err
		}
		end = r.at + int64(r.stored)
		if secrets != nil {
			v.plain(r.block, stored, r.entry, secrets[(1+i)*secretSize:], t.secrets.at+int64(1+i)*secretSize, r.kind == restJudge)
		}
	}
	if size != end {
		v.damage(file, min(size, end), "the file has %d bytes, want %d", size, end)
	}
	return nil
}

// judge checks the file for the judge, which only the judge can read.
func (v *verifying) judge() error {
	t := v.t
	if t.judge == (argus.Hash{}) {
		return nil
	}
	file := fileOf(t.name, judgeFile(t.change))
	v.checked.Files = append(v.checked.Files, file)
	f, size, err := v.open(file)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &contextReader{v.ctx, io.NewSectionReader(f, 0, size)}); err != nil {
		return err
	}
	v.advance(size)
	if argus.Hash(sum.Sum(nil)) != t.judge {
		v.damage(file, 0, "the keys for the judge differ from those stated in the table")
	}
	return nil
}

package evidence

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
)

// PutOriginal keeps a file byte for byte and returns its hash and size. When
// it returns, the file is durable; it is never altered after that. The same
// bytes are kept once.
func (s *Store) PutOriginal(ctx context.Context, r io.Reader) (argus.Hash, int64, error) {
	hash, size, err := s.putOriginal(ctx, r)
	if err != nil {
		return hash, size, fmt.Errorf("keep original: %w", err)
	}
	return hash, size, nil
}

func (s *Store) putOriginal(ctx context.Context, r io.Reader) (hash argus.Hash, size int64, err error) {
	if s.writer == nil {
		return hash, 0, errors.New("the store is open for reading only")
	}
	temporary := s.path(fmt.Sprintf("%s/incoming-%d.tmp", originalsDir, s.incoming.Add(1)))
	f, err := s.disk.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o400)
	if err != nil {
		return hash, 0, err
	}
	sum := sha256.New()
	size, err = io.Copy(io.MultiWriter(sum, &offsetWriter{f: f}), &contextReader{ctx, r})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return hash, size, errors.Join(err, s.disk.Remove(temporary))
	}
	sum.Sum(hash[:0])
	s.opt.Failpoint("original.before-rename")
	name := s.path(originalName(hash))
	if err := s.disk.MkdirAll(filepath.Dir(name)); err != nil {
		return hash, size, err
	}
	if err := s.disk.SyncDir(s.path(originalsDir)); err != nil {
		return hash, size, err
	}
	if have, err := s.disk.OpenFile(name, os.O_RDONLY, 0); err == nil {
		// A crash may have come between its renaming and its being durable.
		err = errors.Join(checkOriginal(ctx, have, hash), have.Close(), s.disk.Remove(temporary), s.disk.SyncDir(filepath.Dir(name)))
		return hash, size, err
	}
	return hash, size, durable.Install(s.disk, temporary, name)
}

// checkOriginal says whether a kept file is what its name says.
func checkOriginal(ctx context.Context, f file, want argus.Hash) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, &contextReader{ctx, io.NewSectionReader(f, 0, info.Size())}); err != nil {
		return err
	}
	if argus.Hash(sum.Sum(nil)) != want {
		return fmt.Errorf("%s: %w: it is held already, and its bytes are not what was received", originalName(want), argus.ErrDamaged)
	}
	return nil
}

// OpenOriginal opens a kept file for reading. Its bytes are not checked
// against the hash here; Verify does that.
func (s *Store) OpenOriginal(h argus.Hash) (*os.File, error) {
	f, err := os.Open(s.path(originalName(h)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open original %s: %w", h, argus.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open original: %w", err)
	}
	return f, nil
}

type offsetWriter struct {
	f  file
	at int64
}

func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.f.WriteAt(p, w.at)
	w.at += int64(n)
	return n, err
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

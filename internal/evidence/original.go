package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/original"
)

// OriginalFile is a kept file that is open for reading.
type OriginalFile = original.File

// OriginalPart is a range of bytes of a kept file.
type OriginalPart = original.Part

func (s *Store) openOriginals() (err error) {
	o := s.opt.Originals
	o.Disk, o.Failpoint = s.disk, s.opt.Failpoint
	s.originals, err = original.New(s.path(originalsDir), o)
	return err
}

// PutOriginal keeps a file byte for byte, and returns its original without path and time
// stamp. When it returns, the file is durable; it is never altered afterwards. Equal
// files are kept only once.
func (s *Store) PutOriginal(ctx context.Context, r io.Reader) (argus.Original, error) {
	b, err := s.OriginalBatch()
	if err != nil {
		return argus.Original{}, err
	}
	o, err := b.Put(ctx, r)
	return o, errors.Join(err, b.Commit())
}

// OriginalBatch keeps files together, which is much faster for many small ones.
type OriginalBatch struct{ batch *original.Batch }

// OriginalBatch begins a batch. The caller must call Commit, even after an error.
func (s *Store) OriginalBatch() (*OriginalBatch, error) {
	if s.writer == nil {
		return nil, errors.New("keep original: the store is open for reading only")
	}
	return &OriginalBatch{s.originals.Batch()}, nil
}

// Put is like [Store.PutOriginal], but the file is durable only when Commit has returned.
func (b *OriginalBatch) Put(ctx context.Context, r io.Reader) (argus.Original, error) {
	kept, err := b.batch.Put(ctx, r)
	if err != nil {
		return argus.Original{}, fmt.Errorf("keep original: %w", err)
	}
	return argus.Original{Hash: kept.Hash, Size: kept.Size, File: kept.Name, Root: kept.Root}, nil
}

// Commit makes the files of the batch durable.
func (b *OriginalBatch) Commit() error {
	if err := b.batch.Commit(); err != nil {
		return fmt.Errorf("keep originals: %w", err)
	}
	return nil
}

// OpenOriginal opens a kept file for reading. Reading a block whose bytes have changed
// gives an error; Verify checks the whole file.
func (s *Store) OpenOriginal(o argus.Original) (*OriginalFile, error) {
	f, err := s.originals.Open(o.File)
	if err != nil {
		return nil, err
	}
	if f.Root() != o.Root || f.Size() != o.Size {
		return nil, errors.Join(fmt.Errorf("open original %s: %w: it is not the one named in its record", o.File, argus.ErrDamaged), f.Close())
	}
	return f, nil
}

// PlainOriginal copies a kept file into a temporary one on the store's disk, for a program
// that can read only plain files. The file has no name and is deleted when it is closed.
func (s *Store) PlainOriginal(ctx context.Context, o argus.Original) (*os.File, error) {
	f, err := s.OpenOriginal(o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	plain, err := s.TempFile()
	if err != nil {
		return nil, fmt.Errorf("copy original %s: %w", o.File, err)
	}
	_, err = io.Copy(plain, &contextReader{ctx, io.NewSectionReader(f, 0, f.Size())})
	if err == nil {
		_, err = plain.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copy original %s: %w", o.File, err), plain.Close())
	}
	return plain, nil
}

// TempFile makes a temporary file on the store's disk, which is protected like the store.
// It has no name if the system allows it; otherwise it is removed when the store is next
// opened.
func (s *Store) TempFile() (*os.File, error) {
	f, err := os.CreateTemp(s.path(originalsDir), "incoming-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	os.Remove(f.Name())
	return f, nil
}

// Free returns the number of free bytes on the store's disk, or errors.ErrUnsupported if
// it cannot be determined.
func (s *Store) Free() (int64, error) { return durable.Free(s.dir) }

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

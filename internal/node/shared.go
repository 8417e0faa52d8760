package node

import (
	"context"
	"errors"
	"sync"
)

// Shared keeps a store open for writing as long as anybody needs that, and closes it
// afterwards, so that another process can write in between. All users write through one
// node.
type Shared struct {
	ctx context.Context
	dir string
	o   Options

	mu    sync.Mutex
	users int
	n     *Node // nil while nobody uses it
}

// NewShared returns a store to share, which is open until the context ends at the latest.
func NewShared(ctx context.Context, dir string, o Options) *Shared {
	o.Write = true
	return &Shared{ctx: ctx, dir: dir, o: o}
}

// Use calls work with the open store.
func (s *Shared) Use(work func(n *Node) error) error {
	n, err := s.join()
	if err != nil {
		return err
	}
	return errors.Join(work(n), s.leave())
}

func (s *Shared) join() (*Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		n, err := Open(s.ctx, s.dir, s.o)
		if err != nil {
			return nil, err
		}
		s.n = n
	}
	s.users++
	return s.n, nil
}

func (s *Shared) leave() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	return s.n.Close()
}

// Dir returns the store's folder.
func (s *Shared) Dir() string { return s.dir }

package handover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/durable"
	"github.com/argus-evidence/argus/internal/layout"
)

// longestAddress is the longest path that fits into the address of a socket: Linux has
// room for 107 bytes, macOS for 103.
const longestAddress = 103

// withAddress calls do with a path to the socket of a store that fits into an address. A
// path that is too long is reached through a link in a folder that only this user can
// write.
func withAddress(store string, do func(path string) error) error {
	path := layout.File(store, layout.Socket)
	if len(path) <= longestAddress {
		return do(path)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	short, err := os.MkdirTemp("", "argus-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(short)
	to := filepath.Join(short, "s")
	if err := os.Symlink(folder, to); err != nil {
		return err
	}
	return do(filepath.Join(to, filepath.Base(path)))
}

// Listener is the socket of a store. Its folder is locked, so that the store has one server;
// the socket that a killed server left behind is replaced.
type Listener struct {
	socket *net.UnixListener
	path   string
	unlock func() error
}

// Listen makes the socket of a store. The error is argus.ErrLocked if another process has the
// socket, and errors.ErrUnsupported if the system does not name the user at the other end.
func Listen(ctx context.Context, store string) (_ *Listener, err error) {
	if !canAsk {
		return nil, fmt.Errorf("make a socket: %w", errors.ErrUnsupported)
	}
	folder := layout.File(store, layout.Server)
	if err := ownFolder(folder); err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	unlock, held, err := durable.OS{}.Lock(folder, true)
	if err == nil && !held {
		err = fmt.Errorf("the socket is %w", argus.ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	l := &Listener{path: layout.File(store, layout.Socket), unlock: unlock}
	if err := l.listen(ctx, store); err != nil {
		return nil, errors.Join(fmt.Errorf("make a socket: %w", err), l.Close())
	}
	return l, nil
}

// ownFolder makes a folder that only this user can use.
func ownFolder(name string) error {
	if err := os.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", name)
	}
	return os.Chmod(name, 0o700) //nolint:gosec // it is a folder; another user's folder cannot be changed
}

func (l *Listener) listen(ctx context.Context, store string) error {
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := withAddress(store, func(path string) error {
		s, err := new(net.ListenConfig).Listen(ctx, "unix", path)
		if err != nil {
			return err
		}
		l.socket = s.(*net.UnixListener) //nolint:forcetypeassert // of a Unix socket
		l.socket.SetUnlinkOnClose(false) // Close does: the path may be a short one
		return nil
	})
	if err != nil {
		return err
	}
	return os.Chmod(l.path, 0o600)
}

// Close removes the socket.
func (l *Listener) Close() error {
	var err error
	if l.socket != nil {
		err = l.socket.Close()
		if errors.Is(err, net.ErrClosed) {
			err = nil
		}
	}
	os.Remove(l.path)
	return errors.Join(err, l.unlock())
}

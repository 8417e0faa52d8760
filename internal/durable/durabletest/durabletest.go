// Package durabletest simulates a disk whose power can be cut.
package durabletest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/argus-evidence/argus/internal/durable"
)

// Disk is a disk in memory whose power can be cut. After a cut, unsynced writes may be there,
// gone, or there in part; a name that was not made durable with its directory may be the old or
// the new one.
type Disk struct {
	mu    sync.Mutex
	rng   *rand.Rand
	names map[string]*powerFile // as a running process sees them
	kept  map[string]*powerFile // as of the latest sync, i.e. as a cut leaves them
	dirs  map[string]bool
	lies  bool // every sync does nothing
	// left counts the operations until the power goes; negative means never.
	left int
}

type powerFile struct {
	now  []byte
	kept []byte
	log  []powerWrite // writes not yet synced
}

type powerWrite struct {
	at   int64
	data []byte // nil truncates to at
}

// ErrPower is returned by every operation once the power is cut.
var ErrPower = errors.New("the power is cut")

// New returns an empty disk whose power stays on.
func New(seed uint64) *Disk {
	return &Disk{rng: rand.New(rand.NewPCG(seed, 1)), names: map[string]*powerFile{}, kept: map[string]*powerFile{}, dirs: map[string]bool{}, left: -1}
}

// CutAfter cuts the power after the given number of further operations.
func (d *Disk) CutAfter(operations int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = operations
}

// Lie makes every sync do nothing from now on, for a control with a broken disk.
func (d *Disk) Lie() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = true
}

// Put puts a durable file on the disk.
func (d *Disk) Put(name string, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &powerFile{now: slices.Clone(data), kept: slices.Clone(data)}
	d.names[name], d.kept[name] = f, f
}

// Alive reports whether the power is on.
func (d *Disk) Alive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left != 0
}

// EachCut runs work on new disks, cutting the power of each disk one operation later than that
// of the previous one, until work ends with the power still on. It repeats this for the given
// number of seeds. Work stops at its first error and returns a check, which is called with the
// disk after the cut. EachCut returns the number of cuts, and the first error of a check. lie
// is for the control: it makes every sync do nothing.
func EachCut(seeds int, lie bool, work func(*Disk) (check func(after *Disk) error)) (cuts int, err error) {
	for seed := range seeds {
		for operations := 0; ; operations++ {
			d := New(uint64(seed)<<32 | uint64(operations))
			if lie {
				d.Lie()
			}
			d.CutAfter(operations)
			check := work(d)
			whole := d.Alive()
			if err := check(d.Cut()); err != nil {
				return cuts, fmt.Errorf("seed %d, cut after %d operations: %w", seed, operations, err)
			}
			if whole {
				break
			}
			cuts++
		}
	}
	return cuts, nil
}

// step counts an operation, and returns ErrPower once the power is cut.
func (d *Disk) step() error {
	if d.left == 0 {
		return ErrPower
	}
	if d.left > 0 {
		d.left--
	}
	return nil
}

// Cut returns the disk in the state in which it is found when the power is back.
func (d *Disk) Cut() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := New(d.rng.Uint64())
	after.dirs = maps.Clone(d.dirs)
	after.lies = d.lies
	// Each unsynced rename may or may not have happened, independently of the others.
	names := maps.Clone(d.kept)
	for name, f := range d.names {
		if d.kept[name] != f && d.rng.IntN(2) == 0 {
			names[name] = f
		}
	}
	for name := range d.kept {
		if d.names[name] == nil && d.rng.IntN(2) == 0 {
			delete(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := names[name]
		content := slices.Clone(f.kept)
		for _, w := range f.log {
			data := w.data
			switch d.rng.IntN(4) {
			case 0:
				continue // lost
			case 1:
				if len(data) > 0 {
					data = data[:d.rng.IntN(len(data))] // torn
				}
			case 2: // the length is there, but the bytes are not
				data = make([]byte, len(data))
			}
			content = applyWrite(content, powerWrite{w.at, data})
		}
		file := &powerFile{now: content, kept: slices.Clone(content)}
		after.names[name], after.kept[name] = file, file
	}
	return after
}

func applyWrite(content []byte, w powerWrite) []byte {
	if w.data == nil {
		if int(w.at) <= len(content) {
			return content[:w.at]
		}
		return append(content, make([]byte, int(w.at)-len(content))...)
	}
	if need := int(w.at) + len(w.data); need > len(content) {
		content = append(content, make([]byte, need-len(content))...)
	}
	copy(content[w.at:], w.data)
	return content
}

// OpenFile implements [durable.Disk].
func (d *Disk) OpenFile(name string, flag int, _ fs.FileMode) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f != nil && flag&os.O_EXCL != 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrExist}
	}
	if f == nil {
		if flag&os.O_CREATE == 0 {
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		if err := d.step(); err != nil {
			return nil, err
		}
		f = &powerFile{}
		d.names[name] = f
	} else if flag&os.O_TRUNC != 0 && len(f.now) > 0 {
		if err := d.step(); err != nil {
			return nil, err
		}
		f.now, f.log = nil, append(f.log, powerWrite{})
	}
	return &powerHandle{d, f, name}, nil
}

// Rename implements [durable.Disk].
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.names[from] == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

// Link implements [durable.Disk].
func (d *Disk) Link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.names[from] == nil {
		return &fs.PathError{Op: "link", Path: from, Err: fs.ErrNotExist}
	}
	if d.names[to] != nil {
		return &fs.PathError{Op: "link", Path: to, Err: fs.ErrExist}
	}
	d.names[to] = d.names[from]
	return nil
}

// Stat implements [durable.Disk], of files.
func (d *Disk) Stat(name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return powerInfo{filepath.Base(name), int64(len(f.now))}, nil
}

// Remove implements [durable.Disk].
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.names[name] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.names, name)
	return nil
}

// Lock implements [durable.Disk]. It always succeeds, because only one process uses the
// disk.
func (d *Disk) Lock(string, bool) (func() error, bool, error) {
	return func() error { return nil }, true, nil
}

// MkdirAll implements [durable.Disk].
func (d *Disk) MkdirAll(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirs[name] = true
	return nil
}

// ReadDir implements [durable.Disk].
func (d *Disk) ReadDir(dir string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir = filepath.Clean(dir)
	var list []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if filepath.Dir(name) == dir {
			list = append(list, fs.FileInfoToDirEntry(powerInfo{filepath.Base(name), 0}))
		}
	}
	return list, nil
}

// SyncDir implements [durable.Disk].
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir = filepath.Clean(dir)
	if err := d.step(); err != nil {
		return err
	}
	if d.lies {
		return nil
	}
	for name := range d.kept {
		if filepath.Dir(name) == dir && d.names[name] == nil {
			delete(d.kept, name)
		}
	}
	for name, f := range d.names {
		if filepath.Dir(name) == dir {
			d.kept[name] = f
		}
	}
	return nil
}

type powerHandle struct {
	d    *Disk
	f    *powerFile
	name string
}

func (h *powerHandle) ReadAt(p []byte, at int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if at >= int64(len(h.f.now)) {
		return 0, io.EOF
	}
	n := copy(p, h.f.now[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (h *powerHandle) WriteAt(p []byte, at int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err := h.d.step(); err != nil {
		return 0, err
	}
	w := powerWrite{at, append([]byte{}, p...)}
	h.f.now = applyWrite(h.f.now, w)
	h.f.log = append(h.f.log, w)
	return len(p), nil
}

func (h *powerHandle) Truncate(size int64) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err := h.d.step(); err != nil {
		return err
	}
	w := powerWrite{at: size}
	h.f.now = applyWrite(h.f.now, w)
	h.f.log = append(h.f.log, w)
	return nil
}

func (h *powerHandle) Sync() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if err := h.d.step(); err != nil {
		return err
	}
	if !h.d.lies {
		h.f.kept, h.f.log = slices.Clone(h.f.now), nil
	}
	return nil
}

func (h *powerHandle) Close() error { return nil }

func (h *powerHandle) Stat() (fs.FileInfo, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return powerInfo{filepath.Base(h.name), int64(len(h.f.now))}, nil
}

type powerInfo struct {
	name string
	size int64
}

func (i powerInfo) Name() string       { return i.name }
func (i powerInfo) Size() int64        { return i.size }
func (i powerInfo) Mode() fs.FileMode  { return 0o600 }
func (i powerInfo) ModTime() time.Time { return time.Time{} }
func (i powerInfo) IsDir() bool        { return strings.HasSuffix(i.name, "/") }
func (i powerInfo) Sys() any           { return nil }

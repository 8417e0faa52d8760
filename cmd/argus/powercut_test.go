//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/world"
)

// TestPowerCutOfADisk cuts the power of the real binary on a file system of its own, at
// random moments: the test copies the image of the disk while the process is stopped,
// without the writes that have not reached it. Everything acknowledged is on the copy,
// the store verifies, and the delivery ends like an undisturbed one. $ARGUS_POWER_CUTS is
// the number of cuts, default 4. The test needs root, ext4 and a loop device.
//
// As a control, a build that acknowledges without syncing must fail the test.
func TestPowerCutOfADisk(t *testing.T) {
	cuts := number(t, "ARGUS_POWER_CUTS", 4)
	if testing.Short() || underRace {
		t.Skip("builds the real binary and cuts its power; not with -short, nor with -race")
	}
	if err := tryDisk(t.TempDir()); err != nil {
		t.Skip("needs a disk of its own, and so root, ext4 and a loop device: ", err)
	}
	data := t.TempDir()
	if err := world.Write(t.Context(), data, world.Options{Seed: 3, Messages: 1500, Locked: 33}); err != nil {
		t.Fatal(err)
	}
	c := &crasher{data: data, rng: rand.New(rand.NewPCG(uint64(cuts), 7)), binary: build(t, "")}
	var err error
	if c.want, err = c.undisturbed(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for n := range cuts {
		if problem := c.cutPower(t); problem != "" {
			t.Fatalf("cut %d, %s: %s", n+1, c.last, problem)
		}
	}
	t.Logf("reliability: power cuts tried %d failed 0", cuts)

	c.binary = build(t, "sync")
	for range 60 {
		if problem := c.cutPower(t); problem != "" {
			t.Logf("the build that does not sync is found out: %s", problem)
			return
		}
	}
	t.Error("a build that does not sync passes: this test proves nothing")
}

// disk is a file system inside a file.
type disk struct{ image, at string }

func tryDisk(dir string) error {
	d, err := makeDisk(dir)
	if err == nil {
		err = d.unmount()
	}
	return err
}

func makeDisk(dir string) (*disk, error) {
	d := &disk{image: filepath.Join(dir, "image"), at: filepath.Join(dir, "disk")}
	f, err := os.Create(d.image)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(96 << 20); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := command("mkfs.ext4", "-q", "-F", d.image); err != nil {
		return nil, err
	}
	return d, d.mount()
}

func (d *disk) mount() error {
	if err := os.MkdirAll(d.at, 0o700); err != nil {
		return err
	}
	return command("mount", "-o", "loop", d.image, d.at)
}

// unmount waits for processes that are still ending.
func (d *disk) unmount() (err error) {
	for range 100 {
		if err = command("umount", d.at); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// cutPower ingests a delivery, cuts the power meanwhile, and describes every defect of
// the disk afterwards.
func (c *crasher) cutPower(t *testing.T) string {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	d, err := makeDisk(t.TempDir())
	fail(err)
	fail(c.init(t.Context(), d.at))
	cmd := c.command(t.Context(), d.at, "ingest", "--batch", "50", c.data)
	out, err := cmd.StdoutPipe()
	fail(err)
	acknowledged := make(chan uint64, 1)
	fail(cmd.Start())
	go func() { acknowledged <- lastAcknowledged(out) }()
	after := time.Duration(c.rng.Int64N(int64(c.duration)*3/2 + 1))
	c.last = "after " + after.String()
	time.Sleep(after)
	_ = cmd.Process.Signal(syscall.SIGSTOP) // it may have ended already
	cut := &disk{image: filepath.Join(t.TempDir(), "image"), at: filepath.Join(t.TempDir(), "disk")}
	fail(command("cp", "--sparse=always", d.image, cut.image))
	_ = cmd.Process.Kill()
	promised := <-acknowledged
	_ = cmd.Wait() // it was killed
	fail(d.unmount())
	fail(cut.mount())
	defer func() { fail(cut.unmount()) }()
	problem, err := c.check(t.Context(), cut.at, promised)
	if problem == "" && err == nil {
		problem, err = c.finish(t, cut.at)
	}
	if err != nil {
		return err.Error()
	}
	return problem
}

// finish completes an interrupted delivery and compares it.
func (c *crasher) finish(t *testing.T, dir string) (string, error) {
	sealed, err := c.sealed(t.Context(), dir)
	if err == nil && !sealed {
		err = c.run(t.Context(), dir, "ingest", "--batch", "50", c.data)
	}
	if err == nil {
		err = c.run(t.Context(), dir, "ingest", "--resume")
	}
	if err != nil {
		return "", err
	}
	got, _, err := c.messages(t.Context(), dir)
	if err != nil {
		return "", err
	}
	if diff := cmp.Diff(c.want, got); diff != "" {
		return "the end differs from an undisturbed ingest (- want, + got):\n" + diff, nil
	}
	return c.check(t.Context(), dir, 0)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus/internal/world"
)

// TestDiskFullDuringIngest fills the disk while the real binary ingests a delivery, makes
// room and continues, until the delivery is sealed. Each failure is explained, no
// acknowledged message is lost, none is stored twice, the store verifies even while the
// disk is full, and the result equals that of an undisturbed ingest. $ARGUS_DISK_FULL is
// the number of rounds, default 5.
//
// As a control, a build that acknowledges before it writes must fail the test.
func TestDiskFullDuringIngest(t *testing.T) {
	times := number(t, "ARGUS_DISK_FULL", 5)
	if testing.Short() || underRace {
		t.Skip("builds the real binary and fills its disk; not with -short, nor with -race")
	}
	at := t.TempDir()
	mounted(t, at, "-t", "tmpfs", "-o", "size=48m,mode=700", "argus-test")
	data := t.TempDir()
	if err := world.Write(t.Context(), data, world.Options{Seed: 3, Messages: 1500, Locked: 33}); err != nil {
		t.Fatal(err)
	}
	c := &crasher{data: data, rng: rand.New(rand.NewPCG(uint64(times), 11)), binary: build(t, "")}
	var err error
	if c.want, err = c.undisturbed(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	full := 0
	for full < times {
		n, problem := c.fillDisk(t, at)
		if problem != "" {
			t.Fatalf("after %d full disks, the last one %s: %s", full, c.last, problem)
		}
		full += n
		c.rounds++
	}
	t.Logf("reliability: full disks tried %d failed 0 (in %d deliveries)", full, c.rounds)

	c.binary = build(t, "ack")
	for range 60 {
		if _, problem := c.fillDisk(t, at); problem != "" {
			t.Logf("the build that acknowledges before it writes is found out: %s", problem)
			return
		}
	}
	t.Error("a build that acknowledges before it writes passes: this test proves nothing")
}

// fillDisk ingests one delivery on a disk that fills up again and again. It returns how
// often the disk was full, and every defect.
func (c *crasher) fillDisk(t *testing.T, disk string) (full int, problem string) {
	t.Helper()
	ctx := t.Context()
	dir, filler := filepath.Join(disk, "case"), filepath.Join(disk, "filler")
	defer os.RemoveAll(dir)
	defer os.Remove(filler)
	wrong := func(err error) (int, string) { return full, err.Error() }
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wrong(err)
	}
	if err := c.init(ctx, dir); err != nil {
		return wrong(err)
	}
	for try := 0; ; try++ {
		if sealed, err := c.sealed(ctx, dir); err != nil {
			return wrong(err)
		} else if sealed {
			break
		}
		after := time.Duration(c.rng.Int64N(int64(c.duration) + 1))
		room := 4 * c.rng.IntN(64) // KiB
		c.last = fmt.Sprintf("after %s, with %d KiB left", after, room)
		if try > 6 {
			after = time.Hour // let it end
		}
		acknowledged, failed, problem := c.ingestWhileFilling(t, dir, filler, after, room)
		if problem != "" {
			return full, problem
		}
		if failed {
			full++
		}
		if problem, err := c.check(ctx, dir, acknowledged); problem != "" || err != nil {
			return full, fmt.Sprintf("while the disk is full: %s %v", problem, err)
		}
		if err := os.Remove(filler); err != nil && !errors.Is(err, os.ErrNotExist) {
			return wrong(err)
		}
	}
	if err := c.run(ctx, dir, "ingest", "--resume"); err != nil {
		return wrong(err)
	}
	got, _, err := c.messages(ctx, dir)
	if err != nil {
		return wrong(err)
	}
	if diff := cmp.Diff(c.want, got); diff != "" {
		return full, "the end differs from an undisturbed ingest (- want, + got):\n" + diff
	}
	problem, err = c.check(ctx, dir, 0)
	if err != nil {
		return wrong(err)
	}
	return full, problem
}

// ingestWhileFilling runs an ingest and fills the disk meanwhile. If the ingest fails, it
// must report that the disk is full.
func (c *crasher) ingestWhileFilling(t *testing.T, dir, filler string, after time.Duration, room int) (acknowledged uint64, failed bool, problem string) {
	t.Helper()
	cmd := c.command(t.Context(), dir, "ingest", "--batch", "100", c.data)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, false, err.Error()
	}
	if err := cmd.Start(); err != nil {
		return 0, false, err.Error()
	}
	ctx, ended := context.WithCancel(t.Context())
	filled := make(chan struct{})
	go func() {
		defer close(filled)
		select {
		case <-time.After(after):
			fill(t, filler, room)
		case <-ctx.Done():
		}
	}()
	acknowledged = lastAcknowledged(out)
	err = cmd.Wait()
	ended()
	<-filled
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return acknowledged, false, ""
	case !ok || exit.ExitCode() != exitError || !strings.Contains(said.String(), "disk is full") && !strings.Contains(said.String(), "are free"):
		return acknowledged, true, fmt.Sprintf("the ingest ended with %v and said %s", err, said.String())
	}
	return acknowledged, true, ""
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/argus-evidence/argus"
	"github.com/argus-evidence/argus/internal/evidence"
	"github.com/argus-evidence/argus/internal/node"
	"github.com/argus-evidence/argus/internal/verify"
	"github.com/argus-evidence/argus/internal/world"
)

// failpoints are the named moments at which the crash test kills an ingest, with the
// minimum number of times that each is reached.
var failpoints = map[string]int{
	"append.before-write": 12, "append.before-sync": 12, "append.before-acknowledge": 12, "append.acknowledged": 12,
	"rotate.before-table": 2, "rotate.before-next": 2, "rotate.before-manifest": 2,
	"original.before-rename": 1, "seal.before-tree": 1, "seal.before-seal": 1, "seal.sealed": 1,
	"ledger.ingest.open": 1, "ledger.ingest.seal": 1,
}

// TestCrash kills the real binary with SIGKILL, at random and at named moments, and
// resumes until the delivery is sealed. No acknowledged message is lost, none is
// stored twice, the store verifies, and the result equals that of an undisturbed
// ingest. $ARGUS_CRASH_KILLS is the number of kills, default 12.
//
// As a control, builds that break a promise on purpose must fail the test.
func TestCrash(t *testing.T) {
	kills := number(t, "ARGUS_CRASH_KILLS", 12)
	if testing.Short() {
		t.Skip("builds and kills the real binary; not with -short")
	}
	data := t.TempDir()
	if err := world.Write(t.Context(), data, world.Options{Seed: 3, Messages: 1500, Locked: 33}); err != nil {
		t.Fatal(err)
	}
	c := &crasher{data: data, rng: rand.New(rand.NewPCG(uint64(kills), 1)), points: failpoints}
	c.binary = build(t, "")
	whole, err := c.undisturbed(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.want = whole
	t.Logf("an undisturbed ingest stores %d messages in %s", len(whole), c.duration)

	for c.killed < kills {
		if problem, err := c.round(t.Context(), t.TempDir()); err != nil || problem != "" {
			t.Fatalf("after %d kills, the last one %s: %s %v", c.killed, c.last, problem, err)
		}
	}
	t.Logf("reliability: kills tried %d failed 0 (in %d deliveries)", c.killed, c.rounds)

	for _, promise := range []string{"ids", "ack"} {
		c.binary = build(t, promise)
		found := ""
		for range 60 {
			problem, err := c.round(t.Context(), t.TempDir())
			if err != nil {
				problem = err.Error()
			}
			if found = problem; found != "" {
				break
			}
		}
		if found == "" {
			t.Errorf("a build that breaks %q on purpose passes: this test proves nothing", promise)
		}
		t.Logf("the build that breaks %q is found out: %s", promise, found)
	}
}

// sealingFailpoints are the moments of an ingest where protected communication is sealed.
var sealingFailpoints = map[string]int{
	"append.before-write": 12, "append.acknowledged": 12, "change.ready": 1, "change.recorded": 1, "ledger.ingest.protect": 1, "amend.originals-prepared": 1,
	"seal.before-seal": 1, "seal.sealed": 1, "withhold.sealed": 1, "original.forgotten": 1, "ledger.ingest.seal": 1,
}

// TestCrashWhileSealing kills the real binary while it judges and seals protected
// communication. As many messages are sealed as in an undisturbed ingest, and none of them is
// readable at any moment.
func TestCrashWhileSealing(t *testing.T) {
	kills := number(t, "ARGUS_CRASH_KILLS", 12)
	if testing.Short() {
		t.Skip("builds and kills the real binary; not with -short")
	}
	c := &crasher{data: t.TempDir(), rng: rand.New(rand.NewPCG(uint64(kills), 2)), points: sealingFailpoints, recipients: t.TempDir()}
	if err := world.Write(t.Context(), c.data, world.Options{Seed: 3, Messages: 1500, Locked: 33}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"judge", "second"} {
		_, public := testRecipient(t)
		if err := os.WriteFile(filepath.Join(c.recipients, name), []byte(public), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.binary = build(t, "")
	var err error
	if c.want, err = c.undisturbed(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if c.want["sealed 10"] == 0 {
		t.Fatal("the case has no protected messages: nothing is tried")
	}
	for c.killed < kills/2 {
		if problem, err := c.round(t.Context(), t.TempDir()); err != nil || problem != "" {
			t.Fatalf("after %d kills, the last one %s: %s %v", c.killed, c.last, problem, err)
		}
	}
	t.Logf("reliability: kills while sealing tried %d failed 0 (in %d deliveries)", c.killed, c.rounds)
}

// number returns the number in an environment variable, which makes a test longer.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s: %q is no number", name, text)
	}
	return n
}

// lastAcknowledged returns the last record that an ingest acknowledged as durable.
func lastAcknowledged(out io.Reader) (seq uint64) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var event struct {
			Acknowledged uint64 `json:"acknowledged"`
		}
		if json.Unmarshal(lines.Bytes(), &event) == nil { // the last line may be truncated
			seq = max(seq, event.Acknowledged)
		}
	}
	return seq
}

// build builds the command. If promise is not empty, the build breaks the promise of that
// name on purpose.
func build(t *testing.T, promise string) string {
	t.Helper()
	if underRace {
		t.Skip("builds the real binary, in which there is no race detector; go test without -race runs it")
	}
	binary := filepath.Join(t.TempDir(), "argus")
	args := []string{"build", "-o", binary}
	if promise != "" {
		args = append(args, "-ldflags", "-X github.com/argus-evidence/argus/internal/evidence.broken="+promise)
	}
	c := exec.CommandContext(t.Context(), "go", append(args, ".")...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, out)
	}
	return binary
}

type crasher struct {
	binary, data string
	rng          *rand.Rand
	want         map[string]int // message and version to 1
	duration     time.Duration  // of an undisturbed ingest
	killed       int
	rounds       int
	last         string
	points       map[string]int
	// recipients is the folder with the keys of those for whom the store seals, "" if it seals
	// nothing.
	recipients string
}

func (c *crasher) command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.binary, append([]string{"--store", filepath.Join(dir, "s"), "--json"}, args...)...)
	cmd.Env = append(os.Environ(), "ARGUS_KEYS="+filepath.Join(dir, "k"), "ARGUS_ACTOR=crash", "ARGUS_CRASH_AT=")
	return cmd
}

func (c *crasher) run(ctx context.Context, dir string, args ...string) error {
	if out, err := c.command(ctx, dir, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("argus %v: %w\n%s", args, err, out)
	}
	return nil
}

func (c *crasher) init(ctx context.Context, dir string) error {
	if err := c.run(ctx, dir, "init", "--segment-bytes", "20000"); err != nil || c.recipients == "" {
		return err
	}
	err := c.run(ctx, dir, "privilege", "init", "--judge", filepath.Join(c.recipients, "judge"), "--second", filepath.Join(c.recipients, "second"), "--key", filepath.Join(dir, "lent"))
	if err == nil {
		err = c.run(ctx, dir, "privilege", "directory", "--empty", "--privilege-key", filepath.Join(dir, "lent"))
	}
	return err
}

// ingest returns the arguments of an ingest.
func (c *crasher) ingest(dir string, args ...string) []string {
	args = append([]string{"ingest"}, args...)
	if c.recipients != "" {
		args = append(args, "--privilege-key", filepath.Join(dir, "lent"))
	}
	return args
}

func (c *crasher) undisturbed(ctx context.Context, dir string) (map[string]int, error) {
	if err := c.init(ctx, dir); err != nil {
		return nil, err
	}
	started := time.Now()
	if err := c.run(ctx, dir, c.ingest(dir, "--batch", "100", c.data)...); err != nil {
		return nil, err
	}
	c.duration = time.Since(started)
	messages, _, err := c.messages(ctx, dir)
	return messages, err
}

// round ingests one delivery, interrupted by kills, and describes every defect.
func (c *crasher) round(ctx context.Context, dir string) (problem string, err error) {
	c.rounds++
	if err := c.init(ctx, dir); err != nil {
		return "", err
	}
	for try := 0; ; try++ {
		cmd := c.command(ctx, dir, c.ingest(dir, "--batch", "100", c.data)...)
		if sealed, err := c.sealed(ctx, dir); err != nil {
			return "", err
		} else if sealed {
			break
		}
		acknowledged, err := c.disturb(ctx, cmd, try)
		if err != nil {
			return "", err
		}
		if problem, err := c.check(ctx, dir, acknowledged); problem != "" || err != nil {
			return problem, err
		}
	}
	// One more act records a seal that a crash kept out of the ledger.
	if err := c.run(ctx, dir, c.ingest(dir, "--resume")...); err != nil {
		return "", err
	}
	got, _, err := c.messages(ctx, dir)
	if err != nil {
		return "", err
	}
	if diff := cmp.Diff(c.want, got); diff != "" {
		return "the end differs from an undisturbed ingest (- want, + got):\n" + diff, nil
	}
	return c.check(ctx, dir, 0)
}

// disturb runs an ingest, kills it unless it ends earlier, and returns the last
// record that it acknowledged.
func (c *crasher) disturb(ctx context.Context, cmd *exec.Cmd, try int) (acknowledged uint64, err error) {
	after := time.Duration(-1)
	switch {
	case try > 8: // let it end
		c.last = "none"
	case c.rng.IntN(2) == 0:
		names := slices.Sorted(maps.Keys(c.points))
		name := names[c.rng.IntN(len(names))]
		c.last = fmt.Sprintf("%s:%d", name, 1+c.rng.IntN(c.points[name]))
		cmd.Env = append(cmd.Env, "ARGUS_CRASH_AT="+c.last)
	default:
		after = time.Duration(c.rng.Int64N(int64(c.duration) + 1))
		c.last = "after " + after.String()
	}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if after >= 0 {
		timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended already
		defer timer.Stop()
	}
	acknowledged = lastAcknowledged(out)
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == -1 {
		c.killed++
		return acknowledged, nil
	}
	if err != nil {
		return acknowledged, fmt.Errorf("an ingest that was not killed failed: %w: %s", err, said.String())
	}
	return acknowledged, nil
}

// sealed reports whether the delivery is finished.
func (c *crasher) sealed(ctx context.Context, dir string) (bool, error) {
	s, err := evidence.Open(filepath.Join(dir, "s"), evidence.Options{ReadOnly: true})
	if err != nil {
		return false, err
	}
	defer s.Close()
	list, err := s.Deliveries(ctx)
	return len(list) > 0 && list[len(list)-1].Seal != nil, err
}

// check verifies the store and describes every defect.
func (c *crasher) check(ctx context.Context, dir string, acknowledged uint64) (string, error) {
	var damage []string
	_, err := node.Verify(ctx, filepath.Join(dir, "s"), "", func(f verify.Finding) {
		if !f.Note {
			damage = append(damage, fmt.Sprintf("%+v", f))
		}
	}, func(int64) {})
	if err != nil {
		return "", err
	}
	if len(damage) > 0 {
		return "the store is damaged: " + strings.Join(damage, "; "), nil
	}
	messages, last, err := c.messages(ctx, dir)
	if err != nil {
		return "", err
	}
	if last < acknowledged {
		return fmt.Sprintf("%d records were acknowledged and %d are there", acknowledged, last), nil
	}
	for name, n := range messages {
		if c.recipients != "" && c.want != nil && c.want[name] == 0 {
			return fmt.Sprintf("record %s is readable or sealed in spite of the undisturbed ingest", name), nil
		}
		if n > 1 {
			return fmt.Sprintf("message %s is there %d times", name, n), nil
		}
	}
	return "", nil
}

// messages counts the stored copies of each message, by id and version.
func (c *crasher) messages(ctx context.Context, dir string) (map[string]int, uint64, error) {
	s, err := evidence.Open(filepath.Join(dir, "s"), evidence.Options{ReadOnly: true})
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	found := map[string]int{}
	sealed := 0
	for r, err := range s.From(ctx, 1) {
		if err != nil {
			return nil, 0, err
		}
		if r.Kind == argus.KindMessage {
			found[r.ID.String()+"/"+r.Version.String()]++
		}
		if r.Kind == argus.KindSealed { // the key of its id differs in each store
			sealed++
			found[fmt.Sprint("sealed ", sealed)]++
		}
	}
	return found, s.Last(), nil
}

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestNothingBeginsWithoutSeccomp checks that if the kernel cannot confine the readers,
// the commands that need readers fail before they open a delivery, and state the cause.
func TestNothingBeginsWithoutSeccomp(t *testing.T) {
	if testing.Short() || underRace {
		t.Skip("builds the real binary; not with -short, nor with -race")
	}
	dir := t.TempDir()
	binary := build(t, "")
	argus := func(run func(*exec.Cmd) error, args ...string) (string, error) {
		c := exec.CommandContext(t.Context(), binary, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "ARGUS_KEYS="+filepath.Join(dir, "keys"))
		var out strings.Builder
		c.Stdout, c.Stderr = &out, &out
		err := run(c)
		return out.String(), err
	}
	line := `{"service":"sky","from":"A","to":["B"],"id":"1","sent":"2021-02-14T12:03:00Z","text":"hello"}` + "\n"
	for _, name := range []string{"a.jsonl", "b.jsonl"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := argus((*exec.Cmd).Run, "ingest", "a.jsonl"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, args := range [][]string{
		{"ingest", "b.jsonl"}, {"ingest", "--dry-run", "b.jsonl"}, {"ingest", "--via", "/bin/cat", "b.jsonl"}, {"reread", "D-0001"},
		{"demo", "--no-open", "--messages", "1000"},
	} {
		out, err := argus(withoutSeccomp, args...)
		if err == nil || !strings.Contains(out, "set a seccomp filter: function not implemented") {
			t.Errorf("argus %q: %v: %s", args, err, out)
		}
	}
	if out, err := argus((*exec.Cmd).Run, "receipt"); err != nil || strings.Contains(out, "D-0002") || !strings.Contains(out, "D-0001") {
		t.Errorf("a delivery was opened, or the first is gone: %v: %s", err, out)
	}
	if out, err := argus((*exec.Cmd).Run, "ingest", "b.jsonl"); err != nil {
		t.Errorf("afterwards: %v: %s", err, out)
	}
}

// withoutSeccomp runs a command on a kernel that refuses seccomp(2).
func withoutSeccomp(c *exec.Cmd) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // without unlocking: the thread ends, and its filter with it
		program := []unix.SockFilter{
			{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // number of the system call
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SECCOMP, Jf: 1},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
			{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		}
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})), 0, 0)
		}
		if err == nil {
			err = c.Run()
		}
		ended <- err
	}()
	return <-ended
}

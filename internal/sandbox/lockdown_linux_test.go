//go:build linux && (amd64 || arm64)

package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/argus-evidence/argus/internal/reader"
	"github.com/argus-evidence/argus/internal/reader/all"
)

// A call that the filter must refuse, or must allow only for this process.
type call struct {
	name string
	what uintptr
	args [6]uintptr
}

// calls returns system calls. Some target the process with the number victim, or a third
// process; all except the last few would work outside the sandbox. No process has the number
// nobody.
func calls(victim int) (refused, kept []call) {
	const nobody = 1<<22 - 1
	own, it := uintptr(os.Getpid()), uintptr(victim)
	return []call{
			{"tgkill of nobody", unix.SYS_TGKILL, [6]uintptr{nobody, nobody}},
			{"tkill of nobody", unix.SYS_TKILL, [6]uintptr{nobody, 0}},
			{"kill of nobody", unix.SYS_KILL, [6]uintptr{nobody, 0}},
			{"rt_sigqueueinfo", unix.SYS_RT_SIGQUEUEINFO, [6]uintptr{nobody, 0, 0}},
			{"rt_tgsigqueueinfo", unix.SYS_RT_TGSIGQUEUEINFO, [6]uintptr{nobody, nobody, 0, 0}},
			{"pidfd_open", unix.SYS_PIDFD_OPEN, [6]uintptr{it}},
			{"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL, [6]uintptr{999}},
			{"pidfd_getfd", unix.SYS_PIDFD_GETFD, [6]uintptr{999, 0}},
			{"process_madvise", unix.SYS_PROCESS_MADVISE, [6]uintptr{999}},
			{"prlimit64", unix.SYS_PRLIMIT64, [6]uintptr{nobody, unix.RLIMIT_NOFILE, 0, 0}},
			{"sched_getaffinity of another", unix.SYS_SCHED_GETAFFINITY, [6]uintptr{it, 128, 0}},
			{"sched_setaffinity", unix.SYS_SCHED_SETAFFINITY, [6]uintptr{nobody, 128, 0}},
			{"getpriority of another", unix.SYS_GETPRIORITY, [6]uintptr{unix.PRIO_PROCESS, it}},
			{"setpriority", unix.SYS_SETPRIORITY, [6]uintptr{unix.PRIO_PROCESS, nobody, 19}},
			{"ioprio_set", unix.SYS_IOPRIO_SET, [6]uintptr{1, nobody, 0}},
			{"prctl", unix.SYS_PRCTL, [6]uintptr{unix.PR_GET_DUMPABLE}},
			{"membarrier", unix.SYS_MEMBARRIER, [6]uintptr{0}},
			{"ioctl", unix.SYS_IOCTL, [6]uintptr{999}},
			{"dup", unix.SYS_DUP, [6]uintptr{2}},
			{"F_SETOWN", unix.SYS_FCNTL, [6]uintptr{2, unix.F_SETOWN, own}},
			{"F_SETOWN_EX", unix.SYS_FCNTL, [6]uintptr{2, unix.F_SETOWN_EX, 0}},
			{"F_SETSIG", unix.SYS_FCNTL, [6]uintptr{2, unix.F_SETSIG, 0}},
			{"F_SETFL", unix.SYS_FCNTL, [6]uintptr{2, unix.F_SETFL, unix.O_APPEND}},
			{"F_DUPFD", unix.SYS_FCNTL, [6]uintptr{2, unix.F_DUPFD_CLOEXEC, 0}},
			{"memory that others share", unix.SYS_MMAP, [6]uintptr{0, 8 << 30, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE, ^uintptr(0)}},
			{"memory that counts as a stack", unix.SYS_MMAP, [6]uintptr{0, 8 << 30, unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE | unix.MAP_GROWSDOWN, ^uintptr(0)}},
			{"memory that is compared with others'", unix.SYS_MADVISE, [6]uintptr{0, 0, unix.MADV_MERGEABLE}},
			{"mincore", unix.SYS_MINCORE, [6]uintptr{0, 0, 0}},
			{"tgkill of another", unix.SYS_TGKILL, [6]uintptr{it, it, uintptr(unix.SIGKILL)}},
		}, []call{
			{"tgkill of itself", unix.SYS_TGKILL, [6]uintptr{own, own, 0}},
			{"F_GETFL", unix.SYS_FCNTL, [6]uintptr{2, unix.F_GETFL}},
			{"sched_getaffinity of itself", unix.SYS_SCHED_GETAFFINITY, [6]uintptr{0, 128, 0}},
		}
}

// tried makes the calls. It lists those that should have been refused and were not, and
// those that should have been allowed and were not.
func tried(victim int) (wrong []string) {
	refused, kept := calls(victim)
	for i, c := range append(refused, kept...) {
		_, _, err := syscall.Syscall6(c.what, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		if (err == unix.EPERM) != (i < len(refused)) {
			wrong = append(wrong, fmt.Sprintf("%s: %v", c.name, err))
		}
	}
	return wrong
}

func reaches(_ reader.Input, text string) string {
	victim, err := strconv.Atoi(text)
	if err != nil {
		return err.Error()
	}
	return "wrong: " + strings.Join(tried(victim), ", ")
}

// TestReachesNobody: a compromised reader cannot signal another process, name an
// owner for the signals of a descriptor, or have memory that is not counted.
func TestReachesNobody(t *testing.T) {
	other := exec.CommandContext(t.Context(), "sleep", "60")
	if os.Geteuid() == 0 {
		// The reader runs as the user nobody, who may send signals to that user's other
		// processes.
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	r := New(Options{Formats: all.Formats(), Apart: true, Format: "reaches"})
	defer r.Close()
	got := shown(t, r, handedOver(t, "a.txt", []byte(strconv.Itoa(other.Process.Pid))))
	if len(got) != 3 || got[2] != " wrong: " {
		t.Errorf("%q, want nothing wrong", got)
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the other process: %v", err)
	}
	// Without the filter each of them works, or fails for another reason.
	refused, _ := calls(other.Process.Pid)
	if free := tried(other.Process.Pid); len(free) != len(refused) {
		t.Errorf("outside, of %d calls these are not refused: %q", len(refused), free)
	}
	if err := other.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("outside, the call for another process did not kill it: %v", err)
	}
}

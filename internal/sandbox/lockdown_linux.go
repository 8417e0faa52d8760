//go:build linux && (amd64 || arm64)

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Lacks names the parts of a sandbox that this system does not have. It is empty if the
// system has all of them.
const Lacks = ""

// lockDown removes from this process, permanently, everything that a reader does not
// need: the user's rights, memory above a limit, and every system call except
// those that compute with open descriptors.
func lockDown(memory int64) error {
	if err := limit(memory); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := becomeNobody(); err != nil {
			return err
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	program := filter()
	// TSYNC: for all threads of the process, or for none.
	failed, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})))
	runtime.KeepAlive(program)
	switch {
	case errno != 0:
		return fmt.Errorf("set a seccomp filter: %w", errno)
	case failed != 0:
		return fmt.Errorf("set a seccomp filter: thread %d does not accept it", failed)
	}
	return nil
}

// limit bounds writing, open files and memory.
func limit(memory int64) error {
	held, err := dataBytes()
	if err != nil {
		return err
	}
	for _, l := range []struct {
		what int
		most uint64
	}{
		{unix.RLIMIT_DATA, held + uint64(memory)},
		{unix.RLIMIT_NOFILE, 256},
		{unix.RLIMIT_FSIZE, 64 << 30},
		{unix.RLIMIT_CORE, 0},
	} {
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("set resource limit %d: %w", l.what, err)
		}
	}
	return nil
}

// dataBytes returns the size of the writable memory that the process has mapped: under the
// race detector, far more than it uses.
func dataBytes() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmData:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseUint(kilobytes, 10, 64)
	return n << 10, err
}

// becomeNobody gives up root. In a container without other users, root has no special rights
// outside it.
func becomeNobody() error {
	const nobody = 65534
	for _, give := range []func() error{
		func() error { return syscall.Setgroups(nil) },
		func() error { return syscall.Setgid(nobody) },
		func() error { return syscall.Setuid(nobody) },
	} {
		if err := give(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.EPERM) {
			return fmt.Errorf("become nobody: %w", err)
		}
	}
	return nil
}

// allowed are the system calls that the Go runtime needs, and those to read and write
// open descriptors. None of them opens, connects, starts, traces or signals anything
// outside.
var allowed = slices.Concat([]uint32{
	unix.SYS_READ, unix.SYS_PREAD64, unix.SYS_WRITE, unix.SYS_PWRITE64, unix.SYS_WRITEV, unix.SYS_CLOSE, unix.SYS_LSEEK,
	unix.SYS_FSTAT, unix.SYS_FTRUNCATE, unix.SYS_RECVMSG, unix.SYS_SENDMSG,
	unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_EPOLL_CREATE1,
	unix.SYS_MUNMAP, unix.SYS_BRK,
	unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_GETRANDOM, unix.SYS_RESTART_SYSCALL,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_UNAME, unix.SYS_SYSINFO,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}, allowedHere)

// checked are system calls that are allowed only with some arguments: a signal goes to
// a thread of this process, a new thread belongs to it, a descriptor's
// flags are read and no owner is named for its signals, and memory is private to this
// process, not executable, and counts as data, which RLIMIT_DATA bounds.
func checked() []checkedCall {
	const (
		thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM |
			unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID | unix.CLONE_DETACHED
		memory = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED | unix.MAP_NORESERVE | unix.MAP_STACK
	)
	return []checkedCall{
		{unix.SYS_TGKILL, oneOf(0, uint32(os.Getpid()))},
		{unix.SYS_SCHED_GETAFFINITY, oneOf(0, 0)},
		{unix.SYS_FCNTL, oneOf(1, unix.F_GETFL)},
		{unix.SYS_MADVISE, oneOf(2, unix.MADV_DONTNEED, unix.MADV_FREE, unix.MADV_HUGEPAGE, unix.MADV_NOHUGEPAGE, unix.MADV_DONTDUMP, unix.MADV_COLLAPSE)},
		{unix.SYS_MMAP, slices.Concat(within(2, unix.PROT_READ|unix.PROT_WRITE), within(3, memory))},
		{unix.SYS_MPROTECT, within(2, unix.PROT_READ|unix.PROT_WRITE)},
		{unix.SYS_CLONE, slices.Concat(within(0, thread), has(0, unix.CLONE_THREAD))},
	}
}

// checkedCall is a system call and the program that checks its arguments.
type checkedCall struct {
	call   uint32
	refuse []unix.SockFilter
}

const (
	load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	same = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	some = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	give = unix.BPF_RET | unix.BPF_K

	refused = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
)

// argument loads the lower half of an argument, on both architectures. For the
// arguments checked here, the kernel uses no more.
func argument(n uint32) unix.SockFilter { return unix.SockFilter{Code: load, K: 16 + 8*n} }

// oneOf refuses an argument that is not one of the values.
func oneOf(n uint32, values ...uint32) []unix.SockFilter {
	p := []unix.SockFilter{argument(n)}
	for i, v := range values {
		p = append(p, unix.SockFilter{Code: same, K: v, Jt: uint8(len(values) - i)})
	}
	return append(p, unix.SockFilter{Code: give, K: refused})
}

// within refuses an argument with a bit that is not in bits.
func within(n, bits uint32) []unix.SockFilter {
	return []unix.SockFilter{argument(n), {Code: some, K: ^bits, Jf: 1}, {Code: give, K: refused}}
}

// has refuses an argument that has none of the bits.
func has(n, bits uint32) []unix.SockFilter {
	return []unix.SockFilter{argument(n), {Code: some, K: bits, Jt: 1}, {Code: give, K: refused}}
}

// filter is a program for the kernel (seccomp(2), BPF): a call for another
// architecture ends the process; every call not allowed fails with EPERM.
func filter() []unix.SockFilter {
	const number, arch = 0, 4 // offsets in struct seccomp_data
	p := []unix.SockFilter{
		{Code: load, K: arch},
		{Code: same, K: auditArch, Jt: 1},
		{Code: give, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: load, K: number},
	}
	for _, call := range allowed {
		p = append(p, unix.SockFilter{Code: same, K: call, Jf: 1}, unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW})
	}
	for _, c := range checked() {
		p = append(p, unix.SockFilter{Code: same, K: c.call, Jf: uint8(len(c.refuse) + 1)})
		p = append(append(p, c.refuse...), unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ALLOW})
	}
	return append(p,
		// The C library tries clone3 first, and expects ENOSYS.
		unix.SockFilter{Code: same, K: unix.SYS_CLONE3, Jf: 1},
		unix.SockFilter{Code: give, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		unix.SockFilter{Code: give, K: refused})
}

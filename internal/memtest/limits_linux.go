package memtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// apply sets the limits of process pid, the calling one or another.
func (l Limits) apply(pid int) error {
	as, data := l.AddressSpace, l.Data
	if l.Headroom {
		size, err := statusSizes(pid)
		if err != nil {
			return err
		}
		if as > 0 {
			as += size["VmSize"]
		}
		if data > 0 {
			data += size["VmData"]
		}
	}
	for _, r := range []struct {
		name     string
		resource int
		max      uint64
	}{
		{"RLIMIT_AS", unix.RLIMIT_AS, as},
		{"RLIMIT_DATA", unix.RLIMIT_DATA, data},
		{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, l.FileSize},
		{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, l.Locked},
	} {
		if r.max == 0 {
			continue
		}
		lim := unix.Rlimit{Cur: r.max, Max: r.max}
		if err := unix.Prlimit(pid, r.resource, &lim, nil); err != nil {
			return fmt.Errorf("memtest: setting %s of process %d to %d: %w", r.name, pid, r.max, err)
		}
	}
	if l.Cgroup != nil {
		return l.Cgroup.Add(pid)
	}
	return nil
}

// statusSizes returns the sizes in /proc/PID/status, in bytes.
func statusSizes(pid int) (map[string]uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	sizes := make(map[string]uint64)
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		if kib, ok := strings.CutSuffix(strings.TrimSpace(rest), " kB"); ok {
			if n, err := strconv.ParseUint(kib, 10, 64); err == nil {
				sizes[name] = n << 10
			}
		}
	}
	return sizes, nil
}

// startLimited starts cmd with the limits set before its first instruction: the child is traced,
// stops at its exec, and continues when the limits are set.
func startLimited(cmd *exec.Cmd, l Limits) error {
	runtime.LockOSThread() // only the thread that started the child is its tracer
	defer runtime.UnlockOSThread()
	if err := startStopped(cmd); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	err := l.apply(pid)
	if err == nil {
		err = unix.PtraceDetach(pid)
	}
	if err != nil {
		kill(cmd.Process)
		_ = cmd.Wait() // it was killed here
	}
	return err
}

// startStopped starts cmd, traced by the calling thread and stopped at its exec.
func startStopped(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Ptrace = true // ownGroup has copied SysProcAttr
	if err := cmd.Start(); err != nil {
		if errors.Is(err, unix.EPERM) {
			return &Unsupported{Tool: "trace", Missing: "ptrace is not permitted (kernel.yama.ptrace_scope, seccomp)", Err: err}
		}
		return err
	}
	var ws unix.WaitStatus
	for {
		if _, err := unix.Wait4(cmd.Process.Pid, &ws, unix.WALL, nil); err == nil {
			break
		} else if err != unix.EINTR {
			return fmt.Errorf("waiting for the exec of process %d: %w", cmd.Process.Pid, err)
		}
	}
	if !ws.Stopped() {
		_ = cmd.Wait() // it has ended: closes the pipes
		return fmt.Errorf("process %d ended at its exec, status %#x", cmd.Process.Pid, uint32(ws))
	}
	return nil
}

func (r *Result) addUsage(sys any) {
	var u syscall.Rusage
	switch v := sys.(type) {
	case *syscall.Rusage:
		if v == nil {
			return
		}
		u = *v
	default:
		return
	}
	r.MaxRSS = uint64(u.Maxrss) << 10
	r.DiskRead = uint64(u.Inblock) * 512
}

//go:build linux && (amd64 || arm64)

package memtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// markMagic is the prefix of what Mark writes to descriptor -1.
const markMagic = "memtest mark "

// Mark tells a tracer that a phase begins. Names have up to 200 bytes. Without a tracer it has no effect:
// it is a write to an invalid descriptor.
func Mark(phase string) { _, _ = unix.Write(-1, []byte(markMagic+phase)) }

// Trace runs cmd as [Run] does and records the system calls by which it, its threads and its child
// processes change their address spaces, in the order in which the calls return. Processes that leave
// the process group are not traced. Each system call is stopped twice, which takes about 10 µs. Trace
// adds MALLOC_ARENA_MAX=1 to the environment.
//
// Errors are those of Run, with the calls so far. If ptrace is not allowed, or older than Linux 5.3,
// the error is an [*Unsupported].
func Trace(ctx context.Context, cmd *exec.Cmd, o TraceOptions) (Result, []Call, error) {
	if Race && slices.ContainsFunc(cmd.Env, func(s string) bool { return strings.HasPrefix(s, childEnv+"=") }) {
		return Result{Code: -1}, nil, &Unsupported{Tool: "trace", Missing: "the race detector of this binary maps shadow memory"}
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	var out, errs bytes.Buffer
	capture(cmd, &out, &errs)
	ownGroup(cmd)
	cmd.Env = oneArena(cmd.Environ())
	cmd.WaitDelay = quitGrace

	t := &tracer{mark: o.Mark, pending: make(map[int]Call), pids: make(map[int]int)}
	res := Result{Code: -1}
	failed := make(chan error)
	go func() { // in a thread of its own: only that thread can control the tracees
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		failed <- t.run(ctx, cmd, o.Limits, &res)
	}()
	err := <-failed
	annotate(t.calls)
	res.Stdout, res.Stderr = out.Bytes(), errs.Bytes()
	if err != nil {
		err = fmt.Errorf("memtest: tracing %s: %w", cmd.Path, err)
	}
	return res, t.calls, err
}

type tracer struct {
	mark    func(Call) string
	calls   []Call
	phase   string
	pending map[int]Call // by thread: calls that have not returned
	pids    map[int]int  // process of each thread that was seen
}

func (t *tracer) run(ctx context.Context, cmd *exec.Cmd, l Limits, res *Result) error {
	if err := startStopped(cmd); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	t.pids[pid] = pid
	err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEFORK|
		unix.PTRACE_O_TRACEVFORK|unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL)
	if err == nil {
		if _, ierr := syscallInfo(pid); ierr != nil {
			err = &Unsupported{Tool: "trace", Missing: "PTRACE_GET_SYSCALL_INFO (Linux 5.3 or newer)", Err: ierr}
		}
	}
	if err == nil {
		err = l.apply(pid)
	}
	if err != nil {
		kill(cmd.Process)
		_ = cmd.Wait() // it was killed here
		return err
	}

	stop := endWith(ctx, cmd.Process)
	err = unix.PtraceSyscall(pid, 0)
	if err == nil {
		err = t.follow(pid, res)
	}
	if err != nil {
		kill(cmd.Process)
	}
	stop()
	// follow has read the exit status. Wait closes the pipes.
	if werr := cmd.Wait(); err == nil && werr != nil && !errors.Is(werr, unix.ECHILD) {
		err = werr
	}
	if ctx.Err() != nil {
		return fmt.Errorf("it did not end in time: %w", context.Cause(ctx))
	}
	return err
}

// follow handles stops until all processes of leader's group, which are all traced, have ended. It
// waits for the group only, so that other goroutines can wait for their children.
func (t *tracer) follow(leader int, res *Result) error {
	for {
		var ws unix.WaitStatus
		var ru unix.Rusage
		tid, err := unix.Wait4(-leader, &ws, unix.WALL, &ru)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECHILD:
			return nil
		case err != nil:
			return fmt.Errorf("wait4: %w", err)
		}
		if !ws.Stopped() {
			delete(t.pending, tid)
			if tid == leader {
				if ws.Exited() {
					res.Code = ws.ExitStatus()
				} else {
					res.Signal = ws.Signal()
				}
				res.MaxRSS, res.DiskRead = uint64(ru.Maxrss)<<10, uint64(ru.Inblock)*512
			}
			continue
		}
		signal, err := t.stopped(tid, ws)
		if err == nil {
			err = unix.PtraceSyscall(tid, signal)
		}
		if err != nil && err != unix.ESRCH { // the thread was killed: wait4 reports its end
			return fmt.Errorf("thread %d: %w", tid, err)
		}
	}
}

// stopped handles a thread's stop and returns the signal to deliver to it.
func (t *tracer) stopped(tid int, ws unix.WaitStatus) (signal int, err error) {
	_, known := t.pids[tid]
	if !known {
		t.pids[tid] = processOf(tid)
	}
	switch sig := ws.StopSignal(); {
	case sig == unix.SIGTRAP|0x80:
		return 0, t.syscall(tid)
	case sig == unix.SIGTRAP && ws.TrapCause() == unix.PTRACE_EVENT_EXEC:
		delete(t.pending, tid)
		t.record(Call{Name: "exec", Tid: tid, Fd: -1})
		return 0, nil
	case sig == unix.SIGTRAP && ws.TrapCause() > 0: // a new thread or process, which stops itself
		return 0, nil
	case sig == unix.SIGSTOP && !known: // first stop of a new thread or process
		return 0, nil
	default:
		return int(sig), nil
	}
}

func (t *tracer) record(c Call) {
	c.Pid, c.Phase = t.pids[c.Tid], t.phase
	t.calls = append(t.calls, c)
}

func (t *tracer) begin(phase string, tid int) {
	t.phase = phase
	t.record(Call{Name: "mark", Tid: tid, Fd: -1})
}

func (t *tracer) syscall(tid int) error {
	info, err := syscallInfo(tid)
	if err != nil {
		return err
	}
	switch info.op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY:
		t.entered(tid, info)
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		c, ok := t.pending[tid]
		if !ok {
			return nil
		}
		delete(t.pending, tid)
		rval, failed := info.exit()
		if failed {
			c.Err = syscall.Errno(-rval)
		} else {
			c.Result = uint64(rval)
		}
		if c.Name != "openat" {
			t.record(c)
		} else if !failed {
			c.Fd = int(rval)
			c.Path, c.Inode = file(tid, c.Fd)
			t.show(c)
		}
	}
	return nil
}

func (t *tracer) show(c Call) {
	c.Pid, c.Phase = t.pids[c.Tid], t.phase
	if phase := t.mark(c); phase != "" && phase != t.phase {
		t.begin(phase, c.Tid)
	}
}

// entered stores a call of interest until it returns.
func (t *tracer) entered(tid int, info *ptraceSyscallInfo) {
	page := uint64(os.Getpagesize() - 1)
	a := info.args
	c := Call{Tid: tid, Fd: -1, Addr: a[0], Length: (a[1] + page) &^ page}
	switch info.nr {
	case unix.SYS_MMAP:
		c.Name, c.Prot, c.Flags, c.Offset = "mmap", int(a[2]), int(a[3]), int64(a[5])
		if fd := int(int32(a[4])); c.Flags&mapAnonymous == 0 {
			c.Fd = fd
			c.Path, c.Inode = file(tid, fd)
		}
	case unix.SYS_MREMAP:
		c.Name, c.OldLength, c.Length, c.Flags = "mremap", c.Length, (a[2]+page)&^page, int(a[3])
	case unix.SYS_BRK:
		c.Name, c.Length = "brk", 0
	case unix.SYS_MUNMAP:
		c.Name = "munmap"
	case unix.SYS_MPROTECT:
		c.Name, c.Prot = "mprotect", int(a[2])
	case unix.SYS_MADVISE:
		c.Name, c.Flags = "madvise", int(a[2])
	case unix.SYS_WRITE:
		t.written(tid, int(int32(a[0])), a[1], a[2])
		return
	case unix.SYS_OPENAT:
		if t.mark == nil {
			return
		}
		c = Call{Name: "openat", Tid: tid}
	default:
		return
	}
	t.pending[tid] = c
}

// written handles writes: marks, and data for TraceOptions.Mark.
func (t *tracer) written(tid, fd int, addr, size uint64) {
	const most = len(markMagic) + 200
	switch {
	case fd == -1:
		b := make([]byte, min(size, uint64(most)))
		n, _ := unix.PtracePeekData(tid, uintptr(addr), b) // reads nothing if the address is invalid
		if phase, ok := strings.CutPrefix(string(b[:n]), markMagic); ok {
			t.begin(phase, tid)
		}
	case fd >= 0 && t.mark != nil:
		b := make([]byte, min(size, 64))
		n, _ := unix.PtracePeekData(tid, uintptr(addr), b)
		t.show(Call{Name: "write", Tid: tid, Fd: fd, Length: size, Data: b[:n]})
	}
}

// file returns the path and inode of a stopped thread's descriptor.
func file(tid, fd int) (path string, inode uint64) {
	link := fmt.Sprintf("/proc/%d/fd/%d", tid, fd)
	path, err := os.Readlink(link)
	if err != nil {
		return "", 0
	}
	var fi fs.FileInfo
	if fi, err = os.Stat(link); err == nil {
		inode = inodeOf(fi)
	}
	return strings.TrimSuffix(path, " (deleted)"), inode
}

// processOf returns the process of a thread.
func processOf(tid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err == nil {
		for line := range strings.Lines(string(b)) {
			if text, ok := strings.CutPrefix(line, "Tgid:"); ok {
				if pid, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
					return pid
				}
			}
		}
	}
	return tid
}

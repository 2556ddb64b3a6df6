package memtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// DefaultTimeout bounds [Run] and [Trace] when their context has no deadline.
const DefaultTimeout = 2 * time.Minute

// quitGrace is how long a child may take to die of the request to end before it is
// killed: time for a Go program to print its goroutines.
const quitGrace = 5 * time.Second

// Limits bound a process. Sizes are in bytes, zero means no limit.
type Limits struct {
	AddressSpace uint64 // RLIMIT_AS: everything mapped, reservations included
	Data         uint64 // RLIMIT_DATA: private writable memory; on Windows a job's limit of what a process commits
	FileSize     uint64 // RLIMIT_FSIZE: a file written beyond it fails with "file too large"
	Locked       uint64 // RLIMIT_MEMLOCK
	// Headroom makes AddressSpace and Data count from what the process has when they
	// are set. A child has next to nothing then, so it is of use to SetLimits alone.
	Headroom bool
	// Cgroup is the group to run in, nil for this process's own.
	Cgroup *Cgroup
}

// SetLimits puts limits on the calling process, all of its threads. Undoing them is
// only possible by ending the process. It returns an [*Unsupported] where the system
// has no such limits.
func SetLimits(l Limits) error { return l.apply(os.Getpid()) }

// Result is how a child ended and what it left.
type Result struct {
	Stdout, Stderr []byte    // what it wrote, unless the command had writers of its own
	Code           int       // exit code, -1 when a signal ended it
	Signal         os.Signal // that signal, or nil
	// MaxRSS is its largest resident size in bytes, 0 where unknown. Linux counts from
	// what the process that started it had resident, so it is of use above that only.
	MaxRSS   uint64
	DiskRead uint64 // bytes it made the disks read; 0 where unknown
}

// String is one line about the end and what was written, for messages of tests.
func (r Result) String() string {
	how := fmt.Sprintf("exit code %d", r.Code)
	if r.Signal != nil {
		how = "signal " + r.Signal.String()
	}
	return fmt.Sprintf("%s, stdout %q, stderr %q", how, r.Stdout, r.Stderr)
}

// Run runs cmd under the given limits and waits for its end. A child that fails is a
// Result, not an error: an error means that it could not be started, limited or waited
// for, or that ctx or [DefaultTimeout] ended first. The child is then asked to quit (a
// Go program prints its goroutines to stderr) and killed a few seconds later; what it
// wrote is in the Result.
func Run(ctx context.Context, cmd *exec.Cmd, l Limits) (Result, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	var out, errs bytes.Buffer
	capture(cmd, &out, &errs)
	ownGroup(cmd)

	start := func() error { return cmd.Start() }
	if l != (Limits{}) {
		start = func() error { return startLimited(cmd, l) }
	}
	if err := start(); err != nil {
		return Result{Code: -1}, fmt.Errorf("memtest: starting %s: %w", cmd.Path, err)
	}
	cmd.WaitDelay = quitGrace // a grandchild may hold the pipes open
	stop := endWith(ctx, cmd.Process)
	err := cmd.Wait()
	stop()

	res := Result{Stdout: out.Bytes(), Stderr: errs.Bytes(), Code: -1}
	if ps := cmd.ProcessState; ps != nil {
		res.Code = ps.ExitCode()
		if ws, ok := ps.Sys().(interface {
			Signaled() bool
			Signal() syscall.Signal
		}); ok && ws.Signaled() {
			res.Signal = ws.Signal()
		}
		res.addUsage(ps.SysUsage())
	}
	if ctx.Err() != nil {
		return res, fmt.Errorf("memtest: %s did not end in time: %w", cmd.Path, context.Cause(ctx))
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return res, fmt.Errorf("memtest: waiting for %s: %w", cmd.Path, err)
	}
	return res, nil
}

func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, DefaultTimeout)
}

func capture(cmd *exec.Cmd, out, errs *bytes.Buffer) {
	if cmd.Stdout == nil {
		cmd.Stdout = out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = errs
	}
}

// endWith ends the process, and the group it leads, when ctx does. The function it
// returns must be called once the process has been waited for; after it nothing is
// sent any more.
func endWith(ctx context.Context, p *os.Process) (stop func()) {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-done:
			return
		case <-ctx.Done():
			quit(p)
		}
		select {
		case <-done:
		case <-time.After(quitGrace):
			kill(p)
		}
	}()
	return func() { close(done); <-gone }
}

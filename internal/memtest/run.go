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
const DefaultTimeout = 10 * time.Minute

// quitGrace is the time between the request to quit and the kill of a child: a Go program prints its
// goroutines meanwhile.
const quitGrace = 5 * time.Second

// Limits are the limits of a process. Sizes are in bytes; zero means no limit.
type Limits struct {
	AddressSpace uint64 // RLIMIT_AS: all mapped addresses, including reservations
	Data         uint64 // RLIMIT_DATA: private writable memory; on Windows a job's limit on a process's commit
	FileSize     uint64 // RLIMIT_FSIZE: writing beyond it fails with "file too large"
	Locked       uint64 // RLIMIT_MEMLOCK
	// Headroom adds the current sizes of the process to AddressSpace and Data. It is useful for
	// SetLimits only: a child has almost no memory when its limits are set.
	Headroom bool
	// Cgroup is the group to run in, nil for the group of this process.
	Cgroup *Cgroup
}

// SetLimits sets limits for the calling process, which cannot be undone. Where the system has no such
// limits, the error is an [*Unsupported].
func SetLimits(l Limits) error { return l.apply(os.Getpid()) }

// Result is the end of a child and its output.
type Result struct {
	Stdout, Stderr []byte    // its output, unless the command has its own writers
	Code           int       // exit code, -1 if a signal ended it
	Signal         os.Signal // the signal that ended it, or nil
	// MaxRSS is its largest resident size in bytes, 0 if unknown. On Linux it is at least the
	// resident size of the process that started it.
	MaxRSS   uint64
	DiskRead uint64 // bytes that it read from disks; 0 if unknown
}

// String describes the end and the output in one line, for messages of tests.
func (r Result) String() string {
	how := fmt.Sprintf("exit code %d", r.Code)
	if r.Signal != nil {
		how = "signal " + r.Signal.String()
	}
	return fmt.Sprintf("%s, stdout %q, stderr %q", how, r.Stdout, r.Stderr)
}

// Run runs cmd with limits and waits for its end. A child that fails is a Result and not an error. An
// error means that the child could not be started, limited or waited for, or that ctx or
// [DefaultTimeout] ended before it. Then the child is asked to quit (a Go program prints its
// goroutines to stderr) and killed some seconds later; its output is in the Result.
func Run(ctx context.Context, cmd *exec.Cmd, l Limits) (Result, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	var out, errs bytes.Buffer
	capture(cmd, &out, &errs)
	ownGroup(cmd)

	if err := start(cmd, l); err != nil {
		return Result{Code: -1}, fmt.Errorf("memtest: starting %s: %w", cmd.Path, err)
	}
	cmd.WaitDelay = quitGrace // a grandchild may keep the pipes open
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

// Start starts cmd with limits, in the process group of this process. The caller waits for its end.
func Start(cmd *exec.Cmd, l Limits) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if err := start(cmd, l); err != nil {
		return fmt.Errorf("memtest: starting %s: %w", cmd.Path, err)
	}
	return nil
}

func start(cmd *exec.Cmd, l Limits) error {
	if l == (Limits{}) {
		return cmd.Start()
	}
	return startLimited(cmd, l)
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

// endWith ends the process and its process group when ctx ends. The returned function must be called
// after the process has been waited for; no signal is sent afterwards.
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

//go:build linux && (amd64 || arm64)

package memtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
)

const mib = 1 << 20

func init() {
	children["traced"] = traced
	children["map 7 MiB"] = func([]string) int {
		if _, err := mapAnon(7*mib, unix.PROT_READ); err != nil {
			return fail(err)
		}
		return 0
	}
	children["parent"] = func([]string) int {
		cmd := memtest.Child("map 7 MiB")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fail(fmt.Errorf("%w: %s", err, out))
		}
		return 0
	}
	children["signals"] = func([]string) int {
		func() {
			defer func() { fmt.Print(recover()) }()
			var p *int
			*p = 1
		}()
		if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
			return fail(err)
		}
		select {}
	}
}

// traced does a known sequence of calls.
func traced(args []string) int {
	const rw = unix.PROT_READ | unix.PROT_WRITE
	f, err := os.Open(args[0])
	if err != nil {
		return fail(err)
	}
	var failed error
	call := func(nr uintptr, a ...uintptr) uintptr {
		var p [6]uintptr
		copy(p[:], a)
		r, _, errno := unix.RawSyscall6(nr, p[0], p[1], p[2], p[3], p[4], p[5])
		if errno != 0 {
			failed = errors.Join(failed, fmt.Errorf("call %d %x: %w", nr, a, errno))
		}
		return r
	}
	const anonymous, none = unix.MAP_PRIVATE | unix.MAP_ANON, ^uintptr(0)

	memtest.Mark("load")
	call(unix.SYS_MMAP, 0, 3*mib-100, rw, anonymous, none)
	at := call(unix.SYS_MMAP, 0, 40*mib, unix.PROT_NONE, anonymous|unix.MAP_NORESERVE, none)
	for i := range uintptr(8) {
		call(unix.SYS_MPROTECT, at+i*2*mib, 2*mib, rw)
	}
	call(unix.SYS_MPROTECT, at, 16*mib, unix.PROT_READ) // grants nothing new
	chunk := call(unix.SYS_MMAP, 0, mib, unix.PROT_READ, unix.MAP_SHARED, f.Fd(), mib)
	if _, err := unix.Mmap(-1, 0, 1<<50, unix.PROT_NONE, anonymous); err == nil {
		return fail(errors.New("1 PiB was granted"))
	}

	memtest.Mark("generate")
	call(unix.SYS_MREMAP, chunk, mib, 2*mib, unix.MREMAP_MAYMOVE)
	end := call(unix.SYS_BRK, 0)
	call(unix.SYS_BRK, end+mib)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			runtime.LockOSThread() // and end the thread
			if _, err := mapAnon(5*mib, rw); err != nil {
				panic(err)
			}
		})
	}
	wg.Wait()

	memtest.Mark("noise")
	heap := make([]byte, 200*mib)
	runtime.KeepAlive(heap)
	stack := call(unix.SYS_MMAP, 0, 50*mib, unix.PROT_NONE, anonymous|unix.MAP_STACK, none)
	call(unix.SYS_MPROTECT, stack+4096, 50*mib-4096, rw)

	memtest.Mark("after")
	call(unix.SYS_MADVISE, at, 2*mib, unix.MADV_DONTNEED)
	call(unix.SYS_MUNMAP, at, 40*mib)
	if failed != nil {
		return fail(failed)
	}
	fmt.Print("done")
	return 3
}

func trace(t *testing.T, o memtest.TraceOptions, name string, args ...string) (memtest.Result, []memtest.Call) {
	t.Helper()
	res, calls, err := memtest.Trace(t.Context(), memtest.Child(name, args...), o)
	memtest.Need(t, err)
	return res, calls
}

func TestTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	writeFile(t, path, string(make([]byte, 4*mib)))
	res, calls := trace(t, memtest.TraceOptions{}, "traced", path)
	if res.Code != 3 || string(res.Stdout) != "done" || res.MaxRSS == 0 {
		t.Fatal(res)
	}
	count := func(keep func(memtest.Call) bool) (n int) {
		for _, c := range calls {
			if keep(c) {
				n++
			}
		}
		return n
	}
	load, generate, noise := memtest.InPhase("load"), memtest.InPhase("generate"), memtest.InPhase("noise")
	for _, c := range []struct {
		name      string
		got, want uint64
	}{
		{"the largest mapping of a phase is found, in whole pages", memtest.LargestMapping(calls, load).Granted, 3 * mib},
		{"a reservation counts as a range of addresses", memtest.LargestReservation(calls, load).Reserved, 40 * mib},
		{"a mapping of a file is known by its path", memtest.LargestFileMapping(calls, path, load).Length, mib},
		{"and keeps its offset", uint64(memtest.LargestFileMapping(calls, path).Offset), mib},
		{"threads are followed", memtest.LargestMapping(calls, generate).Granted, 5 * mib},
		{"each thread's call is there", uint64(count(func(c memtest.Call) bool { return generate(c) && c.Granted == 5*mib })), 4},
		{"mremap counts what it adds", uint64(count(func(c memtest.Call) bool {
			return generate(c) && c.Name == "mremap" && c.Granted == mib && c.Reserved == 2*mib
		})), 1},
		{"brk counts what it adds", uint64(count(func(c memtest.Call) bool { return generate(c) && c.Name == "brk" && c.Granted == mib })), 1},
		{"opening a reservation counts by the piece", uint64(count(func(c memtest.Call) bool { return load(c) && c.Name == "mprotect" && c.Granted == 2*mib })), 8},
		{"a protection changed grants nothing", uint64(count(func(c memtest.Call) bool { return load(c) && c.Name == "mprotect" && c.Granted == 0 })), 1},
		{"a refused call has its error", uint64(count(func(c memtest.Call) bool { return load(c) && c.Err == syscall.ENOMEM && c.Granted == 0 })), 1},
		{"the heap of Go is told apart", uint64(min(count(func(c memtest.Call) bool { return noise(c) && c.Owner == "go" && c.Granted >= 100*mib }), 1)), 1},
		{"thread stacks are told apart", uint64(count(func(c memtest.Call) bool { return noise(c) && c.Owner == "stack" && c.Length >= 49*mib })), 2},
		{"what is advised and unmapped is recorded", uint64(count(func(c memtest.Call) bool {
			return c.Phase == "after" && (c.Name == "madvise" && c.Length == 2*mib || c.Name == "munmap" && c.Length == 40*mib)
		})), 2},
		{"every mark is an entry", uint64(count(func(c memtest.Call) bool { return c.Name == "mark" })), 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.got != c.want {
				t.Errorf("got %d, want %d", c.got, c.want)
			}
		})
	}
	if big := memtest.LargestMapping(calls, noise); big.Granted >= 2*mib {
		t.Errorf("the heap or a stack passes as the program's own: %v", big)
	}
	if t.Failed() {
		for _, c := range calls {
			t.Log(c)
		}
	}
}

func TestTraceFollowsProcesses(t *testing.T) {
	res, calls := trace(t, memtest.TraceOptions{}, "parent")
	if res.Code != 0 {
		t.Fatal(res)
	}
	big := memtest.LargestMapping(calls, func(c memtest.Call) bool { return c.Length == 7*mib })
	if big.Pid == 0 || big.Pid == calls[0].Pid {
		t.Errorf("the call of the child's child: %v", big)
	}
}

func TestTraceMarksByFilesAndOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model")
	writeFile(t, path, string(make([]byte, 4*mib)))
	res, calls := trace(t, memtest.TraceOptions{
		Limits: memtest.Limits{FileSize: mib},
		Mark: func(c memtest.Call) string {
			switch {
			case c.Name == "openat" && c.Path == path:
				return "opened"
			case c.Name == "write" && c.Fd == 1 && bytes.Equal(c.Data, []byte("done")):
				return "said"
			}
			return ""
		},
	}, "traced", path)
	if res.Code != 3 {
		t.Fatal(res)
	}
	var phases []string
	for _, c := range calls {
		if c.Name == "mark" {
			phases = append(phases, c.Phase)
		}
	}
	if got := strings.Join(phases, " "); got != "opened load generate noise after said" {
		t.Error(got)
	}
}

func TestTraceEnds(t *testing.T) {
	t.Run("signals reach the child and its end is told", func(t *testing.T) {
		res, _ := trace(t, memtest.TraceOptions{}, "signals")
		if res.Signal != syscall.SIGKILL || !strings.Contains(string(res.Stdout), "nil pointer") {
			t.Error(res)
		}
	})
	t.Run("a child that hangs is ended", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		res, calls, err := memtest.Trace(ctx, memtest.Child("hang"), memtest.TraceOptions{})
		if un := (*memtest.Unsupported)(nil); errors.As(err, &un) {
			t.Skip(err)
		}
		if !errors.Is(err, context.DeadlineExceeded) || len(calls) == 0 || !bytes.Contains(res.Stderr, []byte("SIGQUIT")) {
			t.Error(len(calls), res, err)
		}
	})
	t.Run("a command that is not there is an error", func(t *testing.T) {
		cmd := exec.Command(filepath.Join(t.TempDir(), "none"))
		if _, _, err := memtest.Trace(t.Context(), cmd, memtest.TraceOptions{}); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
}

func TestTracesAndRunsSideBySide(t *testing.T) {
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if i%2 == 0 {
				if res := run(t, memtest.Limits{Data: 1 << 33}, "echo", "x"); res.Code != 7 {
					t.Error(res)
				}
			} else if res, calls := trace(t, memtest.TraceOptions{}, "parent"); res.Code != 0 || len(calls) == 0 {
				t.Error(res)
			}
		})
	}
}

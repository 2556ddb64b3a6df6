//go:build linux && (amd64 || arm64)

package memtest_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func init() {
	children["carved"] = carved
	children["carved under a limit"] = func([]string) int {
		if err := memtest.SetLimits(memtest.Limits{AddressSpace: 1 << 40}); err != nil {
			return fail(err)
		}
		_, err := memtest.Carve(memtest.CarveOptions{})
		if un := (*memtest.Unsupported)(nil); !errors.As(err, &un) {
			return fail(fmt.Errorf("not refused: %w", err))
		}
		fmt.Print(err)
		return 0
	}
}

func TestCarve(t *testing.T) {
	for _, c := range []struct{ name, hole string }{
		{"holes of 160 MiB", "160"},
		{"holes of 32 MiB, too small for a new arena of the Go heap", "32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			skipInRace(t)
			t.Log(string(pass(t, memtest.Limits{}, "carved", c.hole).Stdout))
		})
	}
	t.Run("a limit on the address space is named", func(t *testing.T) {
		skipInRace(t)
		res := pass(t, memtest.Limits{}, "carved under a limit")
		if !strings.Contains(string(res.Stdout), "RLIMIT_AS is 1099511627776") {
			t.Error(res)
		}
	})
	t.Run("options that make no sense are refused", func(t *testing.T) {
		for _, o := range []memtest.CarveOptions{
			{Holes: -1}, {HoleSize: 1 << 60}, {HoleSize: 1 << 20, SmallSize: 2 << 20}, {GoHeap: 1 << 50}, {Holes: 1 << 40},
		} {
			if _, err := memtest.Carve(o); err == nil {
				t.Errorf("%+v: no error", o)
			}
		}
	})
}

// skipInRace skips when Carve would refuse because of the race detector, which it says
// after it has looked at the options and before it does anything.
func skipInRace(t *testing.T) {
	t.Helper()
	if !memtest.Race {
		return
	}
	c, err := memtest.Carve(memtest.CarveOptions{})
	if c != nil {
		t.Fatal("carved this very process")
	}
	memtest.Need(t, err)
}

// carved checks what Carve promises, in the process whose address space was carved.
func carved(args []string) int {
	var size uint64
	if _, err := fmt.Sscan(args[0], &size); err != nil {
		return fail(err)
	}
	size *= mib
	c, err := memtest.Carve(memtest.CarveOptions{HoleSize: size})
	if err != nil {
		return fail(err)
	}
	fmt.Printf("%d holes of %d, largest %d\n", c.Holes, c.HoleSize, c.LargestHole)
	if c.LargestHole > size || c.LargestHole < size/2 {
		return fail(errors.New("the largest hole is not what was asked for"))
	}
	for _, prot := range []int{unix.PROT_NONE, unix.PROT_READ | unix.PROT_WRITE} {
		if _, err := mapAnon(size+40*mib, prot); !errors.Is(err, unix.ENOMEM) {
			return fail(fmt.Errorf("mapping more than a hole: %v", err))
		}
	}
	f, err := os.CreateTemp("", "memtest-carve-")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name())
	if err := f.Truncate(int64(size + 40*mib)); err != nil {
		return fail(err)
	}
	if _, err := unix.Mmap(int(f.Fd()), 0, int(size+40*mib), unix.PROT_READ, unix.MAP_SHARED); !errors.Is(err, unix.ENOMEM) {
		return fail(fmt.Errorf("mapping a file larger than a hole: %v", err))
	}

	// Go still starts threads and goroutines, and its heap grows.
	if err := work(); err != nil {
		return fail(err)
	}

	var held [][]byte
	for {
		b, err := mapAnon(size*4/5, unix.PROT_READ|unix.PROT_WRITE)
		if err != nil {
			break
		}
		b[0] = 1
		held = append(held, b)
	}
	fmt.Printf("%d mappings of four fifths of a hole\n", len(held))
	if len(held) < c.Holes-4 {
		return fail(errors.New("too few"))
	}
	// All holes are used; small allocations still succeed.
	if err := work(); err != nil {
		return fail(err)
	}

	if err := errors.Join(c.Undo(), c.Undo()); err != nil {
		return fail(err)
	}
	if _, err := mapAnon(1<<40, unix.PROT_NONE); err != nil {
		return fail(fmt.Errorf("after Undo: %w", err))
	}
	return 0
}

// work starts 16 threads, each with a stack of 8 MiB beside it as pthreads have, and
// grows the Go heap by 64 MiB.
func work() error {
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			stack, err := unix.Mmap(-1, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_STACK)
			if err != nil {
				errs[i] = fmt.Errorf("a thread's stack: %w", err)
				return
			}
			heap := make([][]byte, 4)
			for j := range heap {
				heap[j] = make([]byte, 1<<20)
				heap[j][i] = 1
			}
			runtime.KeepAlive(heap)
			errs[i] = unix.Munmap(stack)
		})
	}
	wg.Wait()
	runtime.GC()
	return errors.Join(errs...)
}

package memtest_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed7adf6694/infer/internal/memtest"
)

const unsupported = 77

func init() {
	children["carved on Windows"] = func([]string) int {
		const size = 160 << 20
		c, err := memtest.Carve(memtest.CarveOptions{})
		if un := (*memtest.Unsupported)(nil); errors.As(err, &un) {
			fail(err)
			return unsupported
		}
		if err != nil {
			return fail(err)
		}
		fmt.Printf("%d holes of %d, largest %d\n", c.Holes, c.HoleSize, c.LargestHole)
		if c.LargestHole > size || c.LargestHole < size/2 {
			return fail(errors.New("the largest hole is not what was asked for"))
		}
		for n, want := range map[uintptr]bool{size + 40<<20: false, 128 << 20: true} {
			p, err := windows.VirtualAlloc(0, n, windows.MEM_RESERVE, windows.PAGE_NOACCESS)
			if (err == nil) != want {
				return fail(fmt.Errorf("reserving %d bytes: %w", n, err))
			}
			if err == nil {
				if err := windows.VirtualFree(p, 0, windows.MEM_RELEASE); err != nil {
					return fail(err)
				}
			}
		}
		// Go still starts threads and goroutines, and its heap grows.
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				heap := make([][]byte, 4)
				for j := range heap {
					heap[j] = make([]byte, 1<<20)
					heap[j][i] = 1
				}
				runtime.KeepAlive(heap)
			})
		}
		wg.Wait()
		runtime.GC()
		if err := errors.Join(c.Undo(), c.Undo()); err != nil {
			return fail(err)
		}
		if n, err := memtest.LargestHole(); err != nil || n < 8<<30 {
			return fail(fmt.Errorf("a hole of %d after all is undone, %w", n, err))
		}
		return 0
	}
}

func TestCarveOfWindows(t *testing.T) {
	res := run(t, memtest.Limits{}, "carved on Windows")
	if res.Code == unsupported {
		t.Skip(string(res.Stderr))
	}
	if res.Code != 0 {
		t.Error(res)
	}
	t.Log(string(res.Stdout))
}

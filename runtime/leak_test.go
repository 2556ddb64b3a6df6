//go:build cgo

package runtime_test

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/probe"
)

// childCycles loads, generates and closes 200 times, and prints the growth of private memory.
func childCycles(args []string) int {
	path, o, so := parseChild(args)
	grown, err := memtest.Growth(200, func() (int64, error) {
		debug.FreeOSMemory()
		p, err := probe.ProcessMemory()
		return int64(p.Anon), err
	}, func() error {
		_, _, err := greedy(context.Background(), path, o, so, 4)
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(grown)
	return 0
}

func TestNothingLeaksOverManyLoads(t *testing.T) {
	memtest.WithoutRace(t)
	for _, mode := range []string{"mmap", "copy"} {
		t.Run(mode, func(t *testing.T) {
			res, err := memtest.Run(t.Context(), memtest.Child("cycles", model(t, "tiny", "q4_0"), "load="+mode, "ctx=128", "threads=1"), memtest.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var grown int64
			if _, err := fmt.Sscan(string(res.Stdout), &grown); err != nil || res.Code != 0 {
				t.Fatal(res)
			}
			t.Logf("private memory grew by %d KiB in 200 rounds", grown>>10)
			// A leak of 10 KiB per round would add up to 2 MiB. The C library and Go keep some
			// freed memory.
			if grown > 1<<20 {
				t.Errorf("private memory grew by %d bytes in 200 rounds", grown)
			}
		})
	}
}

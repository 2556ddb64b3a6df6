//go:build cgo

package runtime_test

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/probe"
)

// childCycles loads, generates and closes a number of times, and prints the growth of private memory.
func childCycles(args []string) int {
	path, o, so := parseChild(args[1:])
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	grown, err := memtest.Growth(rounds, func() (int64, error) {
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
	rounds := 200
	if testing.Short() {
		rounds = 100
	}
	for _, mode := range []string{"mmap", "copy"} {
		t.Run(mode, func(t *testing.T) {
			res, err := memtest.Run(t.Context(), memtest.Child("cycles", strconv.Itoa(rounds), model(t, "tiny", "q4_0"), "load="+mode, "ctx=128", "threads=1"), memtest.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			var grown int64
			if _, err := fmt.Sscan(string(res.Stdout), &grown); err != nil || res.Code != 0 {
				t.Fatal(res)
			}
			t.Logf("private memory grew by %d KiB in %d rounds", grown>>10, rounds)
			// A leak of 10 KiB per round would add up to 2 MiB in 200. The C library and Go keep some
			// freed memory.
			if grown > int64(rounds)<<20/200 {
				t.Errorf("private memory grew by %d bytes in %d rounds", grown, rounds)
			}
		})
	}
}

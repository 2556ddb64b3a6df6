//go:build cgo

package runtime_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

const childUnsupported = 77

// childCarved is childGenerate in an address space with holes of 16 MiB, which suffice for the
// stacks of Go's threads.
func childCarved(args []string) int {
	path, o, so := parseChild(args)
	// The engine's static parts and threads are started before the carving, as in a process
	// that has run for a while.
	if _, _, err := greedy(context.Background(), tinyF16, runtime.Options{Load: runtime.LoadStock}, runtime.SessionOptions{Context: 64}, 2); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := memtest.Carve(memtest.CarveOptions{HoleSize: 16 << 20, Holes: 64}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return childUnsupported
	}
	tokens, _, err := greedy(context.Background(), path, o, so, 24)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(tokens)
	return 0
}

// childBound loads, generates and closes, marking the phases for the tracer.
func childBound(args []string) int {
	path, o, so := parseChild(args)
	memtest.Mark("load")
	m, err := runtime.Open(context.Background(), path, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	memtest.Mark("generate")
	s, err := m.NewSession(background, so)
	if err == nil {
		// Longer than a micro-batch, so that the engine's largest buffers are used.
		_, err = s.Complete(context.Background(), strings.Repeat(prompt+" ", 80), runtime.GenerateOptions{MaxTokens: 16, IgnoreEOG: true})
	}
	r := m.Report()
	memtest.Mark("after")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(r.LargestAllocation, r.LargestRange, r.LargestTensor)
	s.Close()
	m.Close()
	return 0
}

// The ledger and the kernel's trace agree that no allocation exceeds its bound.
func TestNothingIsLargerThanItMustBe(t *testing.T) {
	enginetest.NeedBuiltin(t, "others allocate one block of 20 MB for each session's scheduler")
	memtest.WithoutRace(t)
	for _, file := range []struct{ kind, typ string }{{"synthetic", "f16"}, {"synthetic", "q4_0"}, {"tiny", "q4_0"}} {
		path := model(t, file.kind, file.typ)
		for _, chunk := range []uint64{1 << 20, 16 << 20} {
			for _, mode := range []string{"mmap", "copy"} {
				t.Run(fmt.Sprintf("%s %s %s in %d MiB", file.kind, file.typ, mode, chunk>>20), func(t *testing.T) {
					cmd := memtest.Child("bound", path, "load="+mode, "chunk="+strconv.FormatUint(chunk, 10), "ctx=1024")
					res, calls, err := memtest.Trace(t.Context(), cmd, memtest.TraceOptions{})
					memtest.Need(t, err)
					var allocation, addresses, tensor uint64
					if _, err := fmt.Sscan(string(res.Stdout), &allocation, &addresses, &tensor); res.Code != 0 || err != nil {
						t.Fatal(res)
					}
					// Tensors need not begin and end at page boundaries.
					bound := max(chunk, tensor+2*uint64(os.Getpagesize()))
					if allocation > chunk {
						t.Errorf("the ledger's largest allocation is %d", allocation)
					}
					if addresses > bound {
						t.Errorf("the ledger's largest range is %d, largest tensor %d", addresses, tensor)
					}
					in := memtest.InPhase("load", "generate", "after")
					if c := memtest.LargestMapping(calls, in); c.Granted > chunk {
						t.Errorf("largest mapping: %v", c)
					}
					// A reservation ends with a page without access, which separates neighbours.
					if c := memtest.LargestReservation(calls, in); c.Reserved > bound+1<<16 {
						t.Errorf("largest reservation: %v, largest tensor %d", c, tensor)
					}
					if c := memtest.LargestFileMapping(calls, path, in); c.Granted > chunk || mode == "mmap" && c.Granted == 0 {
						t.Errorf("largest mapping of the file: %v", c)
					}
				})
			}
		}
	}
}

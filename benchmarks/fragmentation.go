package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime"
)

const fragmentationName = "fragmentation"

// FragmentationOptions are the options of [Runner.Fragmentation].
type FragmentationOptions struct {
	Model Model
	// Holes are the sizes of the largest free block of addresses, in bytes; nil: 2 GiB, halved down
	// to 32 MiB.
	Holes []uint64

	Tokens  int // tokens to generate; 0: 16
	Threads int // 0: [runtime.DefaultThreads]
	Context int // context in tokens; 0: 256
}

// Fragmentation measures loading and generating in fragmented address spaces, with the engine's own
// loader and in chunks. A model that does not load is a result, not a failure.
//
// With an error it also returns the results so far.
func (r *Runner) Fragmentation(ctx context.Context, o FragmentationOptions) (rs Results, err error) {
	for _, x := range []struct {
		p  *int
		or int
	}{{&o.Tokens, 16}, {&o.Threads, 0}, {&o.Context, 256}} {
		if *x.p == 0 {
			*x.p = x.or
		}
		if *x.p < 0 {
			return nil, fmt.Errorf("%w: %d tokens, threads or tokens of context: want at least 1", runtime.ErrOption, *x.p)
		}
	}
	if len(o.Holes) == 0 {
		for hole := uint64(2 << 30); hole >= 32<<20; hole /= 2 {
			o.Holes = append(o.Holes, hole)
		}
	}
	if slices.Min(o.Holes) < 1<<20 {
		return nil, fmt.Errorf("%w: holes of %s: want at least 1 MiB", runtime.ErrOption, words.Size(slices.Min(o.Holes)))
	}
	m, err := r.prepare(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	var cases []testCase
	for _, hole := range o.Holes {
		for _, load := range loadModes {
			cases = append(cases, testCase{
				name: fmt.Sprintf("%s %s", words.Size(hole), load), labels: map[string]string{"hole": words.Size(hole), "load": load},
				metrics: map[string]float64{holeBytes: float64(hole)}, mayFail: true,
				job: job{Do: "carved", Hole: hole, Model: m.path, Load: load, NoRepack: true, NoBudget: true, Context: o.Context, UBatch: 64, Threads: o.Threads, Prompt: storyPrompt, Tokens: o.Tokens},
			})
		}
	}
	return r.run(ctx, plan{experiment: fragmentationName, model: m, cases: cases})
}

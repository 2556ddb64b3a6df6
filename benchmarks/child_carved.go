package benchmarks

import (
	"context"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

// carved generates in a fragmented address space.
func carved(ctx context.Context, j job, r *reporter) error {
	if _, err := runtime.System(); err != nil { // load the engine's libraries first
		return err
	}
	c, err := memtest.Carve(memtest.CarveOptions{HoleSize: j.Hole})
	if err != nil {
		return err
	}
	r.metrics(map[string]float64{"largest_hole_bytes": float64(c.LargestHole)})
	return generate(ctx, j, r)
}

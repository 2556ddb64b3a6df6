package benchmarks

import (
	"context"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
)

// search looks for the smallest limit under which a case still ends well, by bisection.
type search struct {
	most   uint64                  // bytes; tried first
	within uint64                  // of the limit that is looked for
	set    func(*testCase, uint64) // puts the case under a limit
	again  bool                    // what was refused is tried once more: chance has a part in it
}

// floorBytes is what a search finds.
const floorBytes = "floor_bytes"

// runSearch runs the case under one limit after the other. What the record has besides the
// limit is of the last run that ended well.
func (r *Runner) runSearch(ctx context.Context, m *preparedModel, c testCase, rec *Record, p Progress) error {
	s, seconds, tries := *c.search, 0.0, 0
	c.search = nil
	try := func(limit uint64) (Record, error) {
		probe := rec.clone()
		p.Phase = "under " + words.Size(limit)
		s.set(&c, limit)
		err := r.runCase(ctx, m, c, &probe, p)
		tries++
		seconds += probe.Metrics["case_seconds"]
		return probe, err
	}
	low, high, refused := uint64(0), s.most, 0.0
	best, err := try(high)
	if err != nil {
		return err
	}
	if best.Status == Failed {
		best.Reason = fmt.Sprintf("it does not run under %s either: %s", words.Size(high), best.Reason)
	}
	for best.Status == OK && high-low > s.within {
		middle := low + (high-low)/2
		probe, err := try(middle)
		if s.again && err == nil && probe.Status == Failed {
			probe, err = try(middle)
		}
		switch {
		case err != nil:
			return err
		case probe.Status == Skipped:
			best = probe
		case probe.Status == OK:
			best, high = probe, middle
		default:
			low, refused = middle, float64(middle)
		}
	}
	*rec = best
	if rec.Metrics["case_seconds"] = seconds; rec.Status == OK {
		rec.Metrics[floorBytes], rec.Metrics["tries"] = float64(high), float64(tries)
		if refused > 0 {
			rec.Metrics["last_refusal_bytes"] = refused
		}
	}
	return nil
}

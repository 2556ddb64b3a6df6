package benchmarks

import (
	"context"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
)

// search finds by bisection the smallest limit under which a case still succeeds.
type search struct {
	most   uint64                  // upper end in bytes, tried first
	within uint64                  // precision of the limit, in bytes
	set    func(*testCase, uint64) // sets the limit of the case
	again  bool                    // try a failed limit a second time, since the result varies
}

// floorBytes is the metric with the limit that a search has found.
const floorBytes = "floor_bytes"

// runSearch runs the case under one limit after the other. The other metrics of the record are
// those of the last successful run.
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
		best.Reason = fmt.Sprintf("it fails even under %s: %s", words.Size(high), best.Reason)
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

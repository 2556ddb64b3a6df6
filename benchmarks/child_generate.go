package benchmarks

import (
	"context"
	"maps"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/residency"
	"github.com/seed7adf6694/infer/runtime"
)

// generate opens a model, generates, and reports time and memory. Rates and reads per token exclude
// the first token, whose time includes the prompt.
func generate(ctx context.Context, j job, r *reporter) error {
	return generateThen(ctx, j, r, func() {})
}

// generateThen is generate, and calls then before the session and the model are closed.
func generateThen(ctx context.Context, j job, r *reporter, then func()) error {
	start := clock.Now()
	var chosen simulation
	if j.Experts {
		if err := chosen.begin(j.Model); err != nil {
			return err
		}
	}
	m, s, err := j.openTelling(ctx, r, chosen.listener())
	if err != nil {
		return err
	}
	defer m.Close()
	defer s.Close()

	var tokens []int32
	var first, last counters
	r.phase("prompt", 0, 1)
	o := runtime.GenerateOptions{MaxTokens: j.Tokens, IgnoreEOG: true, Lookup: j.Lookup, Sampling: runtime.Sampling{Greedy: true}}
	for t, err := range s.Generate(ctx, j.Prompt, o) {
		if err != nil {
			return err
		}
		tokens = append(tokens, t.ID)
		if len(tokens) == 1 {
			first = count(m)
			chosen.first = len(chosen.trace.Choices)
			r.metrics(map[string]float64{firstToken: clock.Since(start).Seconds()})
			r.phase("generating", 1, uint64(j.Tokens)) // not part of the measurement
			continue
		}
		if len(tokens) == j.Tokens {
			last = count(m)
		}
		r.phase("generating", uint64(len(tokens)), uint64(j.Tokens))
	}
	figures := generationMetrics(m.Report(), s.Stats(), first, last, j.Lookup)
	if err := chosen.simulate(first, last, figures); err != nil {
		return err
	}
	r.send(message{Tokens: tokens, Metrics: figures})
	then()
	if !last.known {
		r.note("bytes read per token are unknown: this system does not count a process's disk reads")
	}
	return nil
}

// counters are the values of monotonic counters at one moment.
type counters struct {
	read     uint64 // bytes that the process has read from disks
	known    bool
	budget   bool   // there is one
	streamed uint64 // bytes streamed within the budget, those of experts included
	experts  residency.ExpertStats
}

func count(m *runtime.Model) (c counters) {
	read, err := system.DiskRead()
	c.read, c.known = read, err == nil
	if x := m.Report().Residency; x != nil {
		c.budget, c.streamed = true, x.Read
		if x.Experts != nil {
			c.experts = *x.Experts
		}
	}
	return c
}

// since adds the figures of n tokens that were evaluated since earlier counters.
func (c counters) since(earlier counters, n int, out map[string]float64) {
	tokens := float64(n)
	if c.known {
		out[readPerToken] = float64(c.read-earlier.read) / tokens
	}
	if c.budget {
		out[streamedToken] = float64(c.streamed-earlier.streamed) / tokens
	}
	if c.experts.Slots == 0 {
		return
	}
	hits, misses := float64(c.experts.Hits-earlier.experts.Hits), float64(c.experts.Misses-earlier.experts.Misses)
	out[slotCount], out[slotsBytes] = float64(c.experts.Slots), float64(c.experts.Private)
	out[expertHits], out[expertMisses] = hits, misses
	out[expertsRead] = float64(c.experts.Read-earlier.experts.Read) / tokens
	out["mapped_layers"] = float64(c.experts.Mapped - earlier.experts.Mapped)
	if hits+misses > 0 {
		out[expertHitRatio] = hits / (hits + misses)
	}
}

// memoryMetrics returns the metrics of a model's memory.
func memoryMetrics(report runtime.Report) map[string]float64 {
	out := map[string]float64{
		"peak_rss_bytes": float64(report.PeakRSS), "peak_anon_bytes": float64(report.PeakAnon), "peak_file_bytes": float64(report.PeakFile),
		"weights_bytes": float64(report.WeightBytes), "largest_allocation_bytes": float64(report.LargestAllocation),
		"chunks": float64(report.Chunks),
	}
	if x := report.Residency; x != nil {
		out["budget_bytes"], out["resident_bytes"] = float64(report.Budget), float64(x.Resident)
		out[streamedLayers], out["stall_seconds"] = float64(x.Streamed), x.Stalled.Seconds()
	}
	return out
}

// generationMetrics returns the metrics of a generation.
func generationMetrics(report runtime.Report, stats runtime.Stats, first, last counters, lookup bool) map[string]float64 {
	out := memoryMetrics(report)
	maps.Copy(out, map[string]float64{
		tokenRate: stats.Rate(), promptRate: stats.PromptRate(),
		"prompt_tokens": float64(stats.PromptTokens), "generated_tokens": float64(stats.GeneratedTokens),
		"passes": float64(stats.Passes),
	})
	after := stats.GeneratedTokens - 1
	if after < 1 {
		return out
	}
	if lookup {
		out["passes_per_token"] = float64(stats.Passes) / float64(after)
	}
	last.since(first, after, out)
	return out
}

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

package benchmarks

import (
	"context"
	"time"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/runtime"
)

// generate opens a model, generates, and reports time and memory. Rates and reads per token exclude
// the first token, whose time includes the prompt.
func generate(ctx context.Context, j job, r *reporter) error {
	return generateThen(ctx, j, r, func() {})
}

// generateThen is generate, and calls then before the session and the model are closed.
func generateThen(ctx context.Context, j job, r *reporter, then func()) error {
	start := time.Now()
	m, s, err := j.open(ctx, r)
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
			r.metrics(map[string]float64{firstToken: time.Since(start).Seconds()})
			r.phase("generating", 1, uint64(j.Tokens)) // not part of the measurement
			continue
		}
		if len(tokens) == j.Tokens {
			last = count(m)
		}
		r.phase("generating", uint64(len(tokens)), uint64(j.Tokens))
	}
	r.send(message{Tokens: tokens, Metrics: generationMetrics(m.Report(), s.Stats(), first, last, j.Lookup)})
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
	streamed uint64 // bytes streamed within the budget
}

func count(m *runtime.Model) (c counters) {
	read, err := system.DiskRead()
	c.read, c.known = read, err == nil
	if x := m.Report().Residency; x != nil {
		c.streamed = x.Read
	}
	return c
}

// generationMetrics returns the metrics of a generation.
func generationMetrics(report runtime.Report, stats runtime.Stats, first, last counters, lookup bool) map[string]float64 {
	out := map[string]float64{
		tokenRate: stats.Rate(), promptRate: stats.PromptRate(),
		"prompt_tokens": float64(stats.PromptTokens), "generated_tokens": float64(stats.GeneratedTokens),
		"passes":         float64(stats.Passes),
		"peak_rss_bytes": float64(report.PeakRSS), "peak_anon_bytes": float64(report.PeakAnon), "peak_file_bytes": float64(report.PeakFile),
		"weights_bytes": float64(report.WeightBytes), "largest_allocation_bytes": float64(report.LargestAllocation),
		"chunks": float64(report.Chunks),
	}
	after := float64(stats.GeneratedTokens - 1)
	if after < 1 {
		return out
	}
	if lookup {
		out["passes_per_token"] = float64(stats.Passes) / after
	}
	if last.known {
		out[readPerToken] = float64(last.read-first.read) / after
	}
	if x := report.Residency; x != nil {
		out[streamedToken] = float64(last.streamed-first.streamed) / after
		out["budget_bytes"], out["resident_bytes"] = float64(report.Budget), float64(x.Resident)
		out["streamed_layers"], out["stall_seconds"] = float64(x.Streamed), x.Stalled.Seconds()
	}
	return out
}

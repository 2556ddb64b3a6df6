package benchmarks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/runtime"
)

// measureSpeed evaluates tokens as llama-bench does, once as a warm-up and once timed: a prompt in
// batches, then random tokens one by one.
func measureSpeed(ctx context.Context, j job, r *reporter) error {
	m, s, err := j.open(ctx, r)
	if err != nil {
		return err
	}
	defer m.Close()
	defer s.Close()
	e, err := newEvaluator(ctx, s, r)
	if err != nil {
		return err
	}
	if err := s.Reset(); err != nil {
		return err
	}
	// One generated token is enough for the warm-up.
	if err := e.run(ctx, "warming up", j.PromptTokens, min(j.Tokens, 1)); err != nil {
		return err
	}
	if err := s.Reset(); err != nil {
		return err
	}
	if err := e.run(ctx, "filling the context", j.Depth, 0); err != nil {
		return err
	}
	start := clock.Now()
	if err := e.run(ctx, "evaluating", j.PromptTokens, j.Tokens); err != nil {
		return err
	}
	took := clock.Since(start).Seconds()
	report := m.Report()
	r.metrics(map[string]float64{
		evaluatedRate: float64(j.PromptTokens+j.Tokens) / took, testSeconds: took,
		"peak_rss_bytes": float64(report.PeakRSS),
	})
	if j.GPULayers != 0 {
		devices := uint64(0)
		for _, d := range report.Devices {
			devices += d.Memory.Total.Peak
		}
		r.metrics(map[string]float64{gpuLoadTime: report.LoadDuration.Seconds(), gpuPeakHost: float64(report.PeakRSS), gpuBytes: float64(devices)})
	}
	return nil
}

// evaluator evaluates random tokens in a session.
type evaluator struct {
	s          *runtime.Session
	r          *reporter
	vocabulary int
	random     *rand.Rand
}

// newEvaluator learns the size of the vocabulary, which is that of the logits, from one token.
func newEvaluator(ctx context.Context, s *runtime.Session, r *reporter) (evaluator, error) {
	e := evaluator{s: s, r: r, random: newRandom()}
	err := s.Evaluate(ctx, []int32{0}, runtime.EvaluateOptions{Logits: func(_ int, logits []float32) error {
		e.vocabulary = len(logits)
		return nil
	}})
	if err == nil && e.vocabulary == 0 {
		err = fmt.Errorf("the model has no vocabulary")
	}
	return e, err
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// run evaluates prompt tokens in batches of the session's size, and then further tokens one by one.
func (e *evaluator) run(ctx context.Context, phase string, prompt, alone int) error {
	e.r.phase(phase, 0, uint64(prompt+alone))
	if prompt > 0 {
		if err := e.s.Evaluate(ctx, e.tokens(prompt), runtime.EvaluateOptions{}); err != nil {
			return err
		}
	}
	for i := range alone {
		if err := e.s.Evaluate(ctx, e.tokens(1), runtime.EvaluateOptions{}); err != nil {
			return err
		}
		e.r.phase(phase, uint64(prompt+i+1), uint64(prompt+alone))
	}
	return nil
}

func (e *evaluator) tokens(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(e.random.IntN(e.vocabulary))
	}
	return out
}

// measurePrompt evaluates a prompt of random tokens, once as a warm-up and once timed. The token that
// is most likely after it shows whether all cases compute the same.
func measurePrompt(ctx context.Context, j job, r *reporter) error {
	m, s, err := j.open(ctx, r)
	if err != nil {
		return err
	}
	defer m.Close()
	defer s.Close()
	e, err := newEvaluator(ctx, s, r)
	if err != nil {
		return err
	}
	var before, after counters
	var took time.Duration
	for _, phase := range []string{"warming up", "evaluating"} {
		if err := s.Reset(); err != nil {
			return err
		}
		e.random = newRandom() // the same tokens again
		before = count(m)
		start := clock.Now()
		if err := e.run(ctx, phase, j.PromptTokens, 0); err != nil {
			return err
		}
		took, after = clock.Since(start), count(m)
	}
	next := 0
	err = s.Evaluate(ctx, e.tokens(1), runtime.EvaluateOptions{Logits: func(_ int, logits []float32) error {
		for i, x := range logits {
			if x > logits[next] {
				next = i
			}
		}
		return nil
	}})
	if err != nil {
		return err
	}
	figures := memoryMetrics(m.Report())
	figures[tokenRate] = float64(j.PromptTokens) / took.Seconds()
	after.since(before, j.PromptTokens, figures)
	r.send(message{Tokens: []int32{int32(next)}, Metrics: figures})
	return nil
}

// measurePeer runs llama-bench once, which warms up first, as this package does.
func measurePeer(ctx context.Context, j job, r *reporter) error {
	r.phase("evaluating", 0, 0)
	cmd := exec.CommandContext(ctx, j.Command[0], j.Command[1:]...)
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", llamaBench, err), lastWords(diagnostics.Bytes()))
	}
	var results []struct {
		Rate        float64 `json:"avg_ts"`
		Nanoseconds float64 `json:"avg_ns"`
	}
	if err := json.Unmarshal(out, &results); err != nil {
		return fmt.Errorf("%s: its output is not what -o json writes: %w", llamaBench, err)
	}
	if len(results) != 1 || !(results[0].Rate > 0) {
		return fmt.Errorf("%s: %d results, and one with a rate is expected", llamaBench, len(results))
	}
	r.metrics(map[string]float64{evaluatedRate: results[0].Rate, testSeconds: results[0].Nanoseconds / 1e9})
	return nil
}

// lastWords returns the last line of what a program wrote, nil if there is none.
func lastWords(b []byte) error {
	if line := strings.TrimSpace(lastLine(b)); line != "" {
		return errors.New(line)
	}
	return nil
}

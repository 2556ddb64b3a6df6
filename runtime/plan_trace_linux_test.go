//go:build cgo

package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/residency"
	"github.com/seed7adf6694/infer/loader/residency/replay"
	"github.com/seed7adf6694/infer/runtime"
)

func init() { children["traced"] = childTraced }

// tracedRun is what was planned for a run, and what the run did, per token after the first.
type tracedRun struct {
	Plan    runtime.BudgetPlan
	Slots   int
	Counted uint64 // bytes read per token, by the kernel
	Read    uint64 // by the runtime
}

// diskReads are the bytes that this process made the disks read.
func diskReads() (n uint64, err error) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	_, text, _ := strings.Cut(string(b), "\nread_bytes: ")
	_, err = fmt.Sscan(text, &n)
	return n, err
}

// traceOf is a trace of a generation with ample memory.
func traceOf(path string, tokens int) (*replay.Trace, error) {
	index, err := loader.Open(path)
	if err != nil {
		return nil, err
	}
	defer index.Close()
	plan, err := loader.NewPlan(index, loader.PlanOptions{})
	if err != nil {
		return nil, err
	}
	t := &replay.Trace{}
	sizes, _ := residency.SizesOfExperts(plan)
	t.Header = replay.HeaderOf(sizes)
	evaluation := -1
	so := budgeted
	so.OnExperts = func(layer int, ids []int32) {
		if layer == 0 {
			evaluation++
		}
		t.Choices = append(t.Choices, replay.Choice{Evaluation: evaluation, Layer: layer, Tokens: len(ids) / t.Used, IDs: slices.Clone(ids)})
	}
	_, _, err = greedy(background, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: runtime.MaxMemoryOff}, so, tokens)
	return t, err
}

// childTraced plans a run with a trace of itself, runs it, and prints both.
func childTraced(args []string) int {
	const tokens, plenty = 48, 1 << 30
	var run tracedRun
	path := args[0]
	o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: plenty, Session: budgeted}
	var err error
	if o.Trace, err = traceOf(path, tokens); err == nil {
		var r runtime.Report
		if _, r, err = greedy(background, path, o, budgeted, 1); err == nil {
			o.MaxMemory = plenty - r.Residency.Budget + r.WeightBytes/2
		}
	}
	var f *runtime.Forecast
	if err == nil {
		f, err = runtime.Plan(background, path, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	run.Plan = *f.Modes[0].Budget
	return inChild(path, o, func(m *runtime.Model, s *runtime.Session) error {
		var first, last, read uint64
		n := 0
		for _, err := range s.Generate(context.Background(), prompt, greedyOptions(tokens)) {
			if err == nil && n == 0 {
				first, err = diskReads()
				read = m.Report().Residency.Experts.Read
			}
			if err != nil {
				return err
			}
			n++
		}
		last, err := diskReads()
		if err != nil {
			return err
		}
		e := m.Report().Residency.Experts
		run.Slots, run.Counted, run.Read = e.Slots, (last-first)/uint64(n-1), (e.Read-read)/uint64(n-1)
		return json.NewEncoder(os.Stdout).Encode(run)
	})
}

// With a trace, the plan says what a run reads for a token, by the kernel's count; without, it says
// what it reads at most.
func TestThePlanWithATraceIsWhatTheKernelCounts(t *testing.T) {
	memtest.WithoutRace(t)
	path := model(t, mixture+",experts_skew=0.8", "q4_0")
	res, err := memtest.Run(t.Context(), memtest.Child("traced", path), memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var run tracedRun
	if err := json.Unmarshal(res.Stdout, &run); err != nil || res.Code != 0 {
		t.Fatalf("%v: %v", err, res)
	}
	p := run.Plan
	if p.Trace == nil || p.Trace.Tokens != 47 || p.Trace.Hits == 0 || p.Trace.Misses == 0 || p.Trace.HitRate <= 0.3 || p.Trace.HitRate >= 1 {
		t.Fatalf("%+v, %+v", p, p.Trace)
	}
	if run.Read > 0 && run.Counted == 0 {
		t.Skip("reads from this file system are not counted")
	}
	if planned := float64(p.Trace.Read); planned < 0.9*float64(run.Counted) || planned > 1.1*float64(run.Counted) {
		t.Errorf("%d bytes per token planned with %d slots (%+v); %d counted with %d slots", p.Trace.Read, p.Experts, p.Trace, run.Counted, run.Slots)
	}
	if p.Streamed < p.Trace.Read {
		t.Errorf("the bound for uniform choices is %d, below %d of skewed ones", p.Streamed, p.Trace.Read)
	}
}

func TestATraceOfAnotherModel(t *testing.T) {
	path := model(t, mixture, "q4_0")
	trace, err := traceOf(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	f, err := runtime.Plan(t.Context(), path, runtime.Options{Trace: trace, Session: budgeted})
	if err != nil {
		t.Fatal(err)
	}
	if p := f.Modes[0].Budget.Trace; p == nil || p.HitRate != 1 || p.Read != 0 {
		t.Errorf("where all experts fit: %+v", p)
	}
	for name, x := range map[string]struct {
		path  string
		trace replay.Trace
		err   error
	}{
		"a dense model":      {tinyF16, *trace, replay.ErrOtherModel},
		"fewer layers":       {path, replay.Trace{Header: replay.Header{Used: 4, Layers: trace.Layers[:2]}, Choices: trace.Choices[:2]}, replay.ErrOtherModel},
		"nothing":            {path, replay.Trace{}, replay.ErrOtherModel},
		"experts beyond all": {path, replay.Trace{Header: trace.Header, Choices: []replay.Choice{{Tokens: 1, IDs: []int32{0, 1, 2, 32}}}}, replay.ErrFormat},
	} {
		if _, err := runtime.Plan(t.Context(), x.path, runtime.Options{Trace: &x.trace, Session: budgeted}); !errors.Is(err, x.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

const pressureName = "pressure"

// PressureOptions are the options of [Runner.Pressure].
type PressureOptions struct {
	Model Model
	// Shares are the memory limits, as fractions of what weights, KV cache and compute buffers need
	// together according to the plan. If Shares and Limits are nil: 0.5, 0.6, 0.75, 0.9 and 0.98.
	Shares []float64
	// Limits are further memory limits, in bytes.
	Limits []uint64

	Tokens    int    // tokens to generate; 0: 32
	Threads   int    // 0: [runtime.DefaultThreads]
	Context   int    // context in tokens; 0: 512
	UBatch    int    // micro-batch in tokens; 0: 64
	ChunkSize uint64 // in bytes; 0: the runtime's default
	// Packed adds cases with the packed file of the model.
	Packed bool
	// Lookup adds a prompt whose answer repeats part of it, with and without drafted tokens.
	Lookup bool
}

// Prompts.
const (
	storyPrompt = "Once upon a time"
	quotePrompt = "Notes of the keeper: The lamp was lit at six. The small boat came in at seven with two men and a dog. " +
		"The wind was from the north. The small boat went out again at nine.\n" +
		"Question: What came in at seven? Quote the notes.\nAnswer: The small boat came in at"
)

// Labels of the ways of running.
const (
	ample       = "ample" // budget for the whole model
	textQuote   = "quote"
	textLookup  = "quote, lookup"
	budgetRatio = "budget_ratio"
)

// Pressure measures generation in control groups that are smaller than the model. It compares
// mapped weights and the automatic budget with the engine's own mapping of the file. From the same
// cases with ample memory and from the disk's rate it computes the upper bound of the speed. All
// cases must generate the same tokens; a case that does not is recorded as failed.
//
// With an error it also returns the results so far.
func (r *Runner) Pressure(ctx context.Context, o PressureOptions) (rs Results, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	m, err := r.prepare(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	need, err := o.need(ctx, m.path)
	if err == nil && o.Packed {
		err = m.pack(ctx, r.phase)
	}
	if err != nil {
		return nil, err
	}
	var same sameTokens
	return r.run(ctx, plan{experiment: pressureName, model: m, cases: o.cases(m, need), check: same.check})
}

func (o PressureOptions) withDefaults() (PressureOptions, error) {
	for _, x := range []struct {
		p    *int
		or   int
		name string
		min  int
	}{{&o.Tokens, 32, "tokens to generate", 2}, {&o.Threads, 0, "threads", 0}, {&o.Context, 512, "tokens of context", 16}, {&o.UBatch, 64, "tokens of micro-batch", 1}} {
		if *x.p == 0 {
			*x.p = x.or
		}
		if *x.p < x.min {
			return o, fmt.Errorf("%w: %d %s: want at least %d", runtime.ErrOption, *x.p, x.name, x.min)
		}
	}
	if len(o.Shares)+len(o.Limits) == 0 {
		o.Shares = []float64{0.5, 0.6, 0.75, 0.9, 0.98}
	}
	for _, s := range o.Shares {
		if !(s > 0 && s <= 100) {
			return o, fmt.Errorf("%w: budget factor %g out of range (more than 0, at most 100)", runtime.ErrOption, s)
		}
	}
	return o, nil
}

// need returns the memory for weights, KV cache and compute buffers according to the plan, in
// bytes.
func (o PressureOptions) need(ctx context.Context, path string) (runtime.ModePlan, error) {
	session := runtime.SessionOptions{Context: o.Context, UBatch: o.UBatch, Threads: o.Threads, FlashAttention: llama.FlashOn}
	f, err := runtime.Plan(ctx, path, runtime.Options{ChunkSize: o.ChunkSize, Session: session})
	if err != nil {
		return runtime.ModePlan{}, err
	}
	return f.Modes[slices.IndexFunc(f.Modes, func(p runtime.ModePlan) bool { return p.Mode == runtime.LoadMMap })], nil
}

// cases returns the cases in the order of execution: references first, and cases that are compared
// with each other one after the other.
func (o PressureOptions) cases(m *preparedModel, need runtime.ModePlan) []testCase {
	all := need.Weights + need.KV + need.Compute
	known := map[string]float64{
		"need_bytes": float64(all), "need_weights_bytes": float64(need.Weights),
		"need_kv_bytes": float64(need.KV), "need_compute_bytes": float64(need.Compute),
	}
	disk := testCase{name: "disk", labels: map[string]string{"budget": "disk"}, metrics: known, job: job{Do: "disk", Model: m.path}}
	cases := o.ways(m, ample, 0, known)

	limits := slices.Clone(o.Limits)
	for _, s := range o.Shares {
		limits = append(limits, uint64(s*float64(all)))
	}
	slices.Sort(limits)
	for _, limit := range slices.Compact(limits) {
		share := float64(limit) / float64(all)
		known := map[string]float64{
			limitBytes: float64(limit), budgetRatio: share,
			"least_streamed_bytes_per_token": float64(all - min(all, limit)), // the share of the limit if nothing else took memory
		}
		cases = append(cases, disk) // measured for each limit, since the rate varies with the machine's load
		cases = append(cases, o.ways(m, fmt.Sprintf("%.0f %%", 100*share), limit, known)...)
	}
	return cases
}

// ways returns the cases of one budget.
func (o PressureOptions) ways(m *preparedModel, budget string, limit uint64, known map[string]float64) []testCase {
	base := job{
		Do: "generate", Model: m.path, NoBudget: limit == 0, ChunkSize: o.ChunkSize,
		Context: o.Context, UBatch: o.UBatch, Threads: o.Threads, Prompt: storyPrompt, Tokens: o.Tokens,
	}
	way := func(load, text string, change func(*job)) testCase {
		c := testCase{name: budget + " " + load, labels: map[string]string{"budget": budget, "load": load}, metrics: known, job: base, limit: limit, cold: limit > 0}
		if text != "" {
			c.name += ", " + text
			c.labels["text"] = text
			c.job.Prompt = quotePrompt
		}
		change(&c.job)
		return m.as(load, c)
	}
	cases := []testCase{
		way("mmap", "", func(*job) {}),
		way("stock", "", func(j *job) { j.NoRepack = true }), // repacked weights are private: the process would be killed
	}
	if o.Packed {
		cases = append(cases, way(loadPacked, "", func(*job) {}))
	}
	if o.Lookup {
		cases = append(cases, way("mmap", textQuote, func(*job) {}), way("mmap", textLookup, func(j *job) { j.Lookup = true }))
	}
	return cases
}

// sameTokens marks cases as failed whose tokens differ from those of the first case with the same
// prompt.
type sameTokens map[string]Record

func (s *sameTokens) check(r *Record) {
	if len(r.Tokens) == 0 {
		return
	}
	text := r.Labels["text"]
	if text == textLookup {
		text = textQuote
	}
	if r.Labels["load"] == loadPacked { // kernels for repacked weights round differently
		text += loadPacked
	}
	if *s == nil {
		*s = sameTokens{}
	}
	first, ok := (*s)[text]
	if !ok {
		(*s)[text] = *r
		return
	}
	if i, differ := firstDifference(first.Tokens, r.Tokens); differ {
		r.fail(fmt.Sprintf("the tokens differ from those of %q, repetition %d, from number %d on", first.Case, first.Repetition, i+1))
	}
}

// firstDifference returns the index of the first difference of two token lists.
func firstDifference(a, b []int32) (int, bool) {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i, true
		}
	}
	return min(len(a), len(b)), len(a) != len(b)
}

// needText says how large a budget of 100 % is.
func needText(rs Results) string {
	m := rs[0].Metrics
	part := func(name string) string { return words.Size(uint64(m[name])) }
	return fmt.Sprintf("100 %% is %s: weights %s, KV cache %s, compute buffers %s", part("need_bytes"), part("need_weights_bytes"), part("need_kv_bytes"), part("need_compute_bytes"))
}

package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/residency/replay"
	"github.com/seed7adf6694/infer/runtime"
)

const pressureName = "pressure"

// PressureOptions are the options of [Runner.Pressure].
type PressureOptions struct {
	Model Model
	// Shares are the memory limits, as fractions of what weights, KV cache and compute buffers need
	// together according to the plan. If Shares and Limits are nil: 0.5, 0.6, 0.75, 0.9 and 0.98;
	// for mixtures of experts 0.25, 0.4, 0.6 and 0.9.
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
	// PromptTokens is the length of a prompt that is evaluated in cases of its own, in micro-batches
	// of at most 512 tokens. 0: 256 for mixtures, none for other models; negative: none.
	PromptTokens int
	// NoBudget adds cases with mapped weights and without a budget ([runtime.MaxMemoryOff]).
	// Mixtures always have them.
	NoBudget bool
	// Readahead are settings of the readahead of the model's disk, in bytes, at which the cases
	// with a limit are measured; 0 leaves it as it is. It is set while such a case runs, which takes
	// root. nil: as it is, for mixtures also 128 KiB, which is Linux's default; where that cannot be
	// set, those cases are skipped.
	Readahead []uint64
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
	loadOff     = "off" // mapped weights without a budget
	budgetRatio = "budget_ratio"
	needBytes   = "need_bytes" // for weights, KV cache and compute buffers together
)

// Pressure measures generation in control groups that are smaller than the model. It compares
// mapped weights and the automatic budget with the engine's own mapping of the file. From the same
// cases with ample memory and from the disk's rate it computes the upper bound of the speed. All
// cases must generate the same tokens; a case that does not is recorded as failed.
//
// Of a mixture of experts it also records how many of the chosen experts were in memory, and how many
// a replay of the same choices finds there.
//
// With an error, which is a [*ReadaheadError] if a wanted readahead cannot be set, it also returns the
// results so far.
func (r *Runner) Pressure(ctx context.Context, o PressureOptions) (rs Results, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	m, err := r.prepare(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	experts, err := m.experts()
	mixture := err == nil
	if err != nil && !errors.Is(err, ErrNoExperts) {
		return nil, err
	}
	o = o.forModel(mixture)
	settings, err := o.readaheads(m, mixture)
	if err != nil {
		return nil, err
	}
	need, err := o.need(ctx, m.path)
	if err == nil && o.Packed {
		err = m.pack(ctx, r.phase)
	}
	if err != nil {
		return nil, err
	}
	cases := o.cases(m, knownOf(need, experts), settings)
	r.tellReadahead(m, cases)
	var same sameTokens
	return r.run(ctx, plan{experiment: pressureName, model: m, cases: cases, check: same.check})
}

// forModel sets the defaults that depend on the model.
func (o PressureOptions) forModel(mixture bool) PressureOptions {
	o.NoBudget = o.NoBudget || mixture
	if o.PromptTokens == 0 && mixture {
		o.PromptTokens = min(256, o.Context/2)
	}
	if len(o.Shares)+len(o.Limits) == 0 {
		o.Shares = []float64{0.5, 0.6, 0.75, 0.9, 0.98}
		if mixture {
			o.Shares = []float64{0.25, 0.4, 0.6, 0.9}
		}
	}
	return o
}

// knownOf are the metrics that are known before the run. experts has no layers for a model that is no
// mixture.
func knownOf(need runtime.ModePlan, experts replay.Header) map[string]float64 {
	known := map[string]float64{
		needBytes: float64(need.Weights + need.KV + need.Compute), "need_weights_bytes": float64(need.Weights),
		"need_kv_bytes": float64(need.KV), "need_compute_bytes": float64(need.Compute),
	}
	if len(experts.Layers) > 0 {
		maps.Copy(known, mixtureMetrics(experts))
	}
	return known
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
	if o.PromptTokens >= o.Context { // a token follows it
		return o, fmt.Errorf("%w: a prompt of %d tokens in a context of %d: want fewer", runtime.ErrOption, o.PromptTokens, o.Context)
	}
	if err := checkReadahead(o.Readahead); err != nil {
		return o, err
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
func (o PressureOptions) cases(m *preparedModel, known map[string]float64, settings []readaheadSetting) []testCase {
	all := uint64(known[needBytes])
	disk := testCase{name: "disk", labels: map[string]string{"budget": "disk"}, metrics: known, job: job{Do: "disk", Model: m.path}}
	cases := o.ways(m, ample, 0, known)

	limits := slices.Clone(o.Limits)
	for _, s := range o.Shares {
		limits = append(limits, uint64(s*float64(all)))
	}
	slices.Sort(limits)
	for _, limit := range slices.Compact(limits) {
		share := float64(limit) / float64(all)
		known := withMetrics(known, map[string]float64{
			limitBytes: float64(limit), budgetRatio: share,
			"least_streamed_bytes_per_token": float64(all - min(all, limit)), // the share of the limit if nothing else took memory
		})
		cases = append(cases, disk) // measured for each limit, since the rate varies with the machine's load
		for _, s := range settings {
			for _, c := range o.ways(m, fmt.Sprintf("%.0f %%", 100*share), limit, known) {
				cases = append(cases, s.of(c))
			}
		}
	}
	return cases
}

// withMetrics returns the metrics of a mixture, and others.
func withMetrics(known, others map[string]float64) map[string]float64 {
	out := maps.Clone(others)
	if per := known[expertsPerToken]; per > 0 {
		out[expertsPerToken] = per
	}
	return out
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
		}
		c = m.as(load, c)
		change(&c.job)
		return c
	}
	loads := []string{"mmap"}
	if o.NoBudget && limit > 0 { // with ample memory it is what mmap is
		loads = append(loads, loadOff)
	}
	loads = append(loads, "stock")
	if o.Packed {
		loads = append(loads, loadPacked)
	}
	stock := func(j *job) { j.NoRepack = j.NoRepack || j.Load == "stock" } // repacked weights are private: the process would be killed
	var cases []testCase
	for _, load := range loads {
		cases = append(cases, way(load, "", func(j *job) {
			stock(j)
			j.Experts = known[expertsPerToken] > 0 && !j.NoBudget && j.Load == runtime.LoadMMap.String()
		}))
	}
	if o.PromptTokens > 0 {
		for _, load := range loads {
			cases = append(cases, way(load, SpeedTest{Prompt: o.PromptTokens}.Name(0), func(j *job) {
				stock(j)
				j.Do, j.PromptTokens, j.UBatch = "prompt", o.PromptTokens, min(o.PromptTokens, promptUBatch)
			}))
		}
	}
	if o.Lookup {
		cases = append(cases, way("mmap", textQuote, func(j *job) { j.Prompt = quotePrompt }), way("mmap", textLookup, func(j *job) { j.Prompt, j.Lookup = quotePrompt, true }))
	}
	return cases
}

// promptUBatch is llama.cpp's default micro-batch.
const promptUBatch = 512

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
	return fmt.Sprintf("100 %% is %s: weights %s, KV cache %s, compute buffers %s", part(needBytes), part("need_weights_bytes"), part("need_kv_bytes"), part("need_compute_bytes"))
}

package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/runtime"
)

const speedName = "speed"

// DefaultSpeedRepetitions is llama-bench's default number of repetitions.
const DefaultSpeedRepetitions = 5

// SpeedTest is a test: a prompt, tokens one by one, or both timed together. Names are
// llama-bench's: pp512, tg128, pp512+tg128.
type SpeedTest struct{ Prompt, Generate int }

// Name returns llama-bench's name of the test, at a depth of the given number of tokens in the
// context.
func (t SpeedTest) Name(depth int) string {
	var parts []string
	if t.Prompt > 0 {
		parts = append(parts, fmt.Sprintf("pp%d", t.Prompt))
	}
	if t.Generate > 0 {
		parts = append(parts, fmt.Sprintf("tg%d", t.Generate))
	}
	name := strings.Join(parts, "+")
	if depth > 0 {
		name += fmt.Sprintf(" @ d%d", depth)
	}
	return name
}

// SpeedOptions are the options of [Runner.Speed]. Each test runs with all combinations of the other
// options. A nil list stands for one value, llama-bench's default.
type SpeedOptions struct {
	Model Model
	Tests []SpeedTest // nil: pp512 and tg128

	Depths      []int    // tokens in the context before the test; nil: 0
	Loads       []string // load modes, or packed for the model's packed file; nil: auto
	Threads     []int    // 0: [runtime.DefaultThreads]
	Batches     []int    // nil: 2048
	UBatches    []int    // nil: 512
	CacheTypesK []string // nil: f16
	CacheTypesV []string // nil: f16
	FlashAttn   []string // on, off or auto; nil: off
	ChunkSize   uint64   // in bytes; 0: the runtime's default
	NoRepack    bool     // keep weights in the layout of the file
	GPULayers   []int    // layers on GPUs, as [runtime.Options].GPULayers; nil: 0
	// Peer is llama.cpp's llama-bench, to be measured in turn with the same tests and options; "": none.
	Peer string
}

// Speed runs llama-bench's tests under its names: the rates, in tokens per second, of a prompt and
// of tokens one by one. Each repetition runs in a process of its own, which warms up first.
//
// With an error it also returns the results so far.
func (r *Runner) Speed(ctx context.Context, o SpeedOptions) (rs Results, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	m, err := r.prepare(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	labels, err := modelLabels(ctx, m.path)
	if err == nil && slices.Contains(o.Loads, loadPacked) {
		err = m.pack(ctx, r.phase)
	}
	if err != nil {
		return nil, err
	}
	one := *r
	if one.Repetitions == 0 {
		one.Repetitions = DefaultSpeedRepetitions
	}
	return one.run(ctx, plan{experiment: speedName, model: m, cases: o.cases(m, labels)})
}

func (o SpeedOptions) withDefaults() (SpeedOptions, error) {
	if len(o.Tests) == 0 {
		o.Tests = []SpeedTest{{Prompt: 512}, {Generate: 128}}
	}
	for _, t := range o.Tests {
		if t.Prompt < 0 || t.Generate < 0 || t.Prompt+t.Generate == 0 {
			return o, fmt.Errorf("%w: test with a prompt of %d tokens and %d generated: want at least 0 each, and not both 0", runtime.ErrOption, t.Prompt, t.Generate)
		}
	}
	for _, x := range []struct {
		p    *[]int
		or   int
		name string
		min  int
	}{{&o.Depths, 0, "tokens of depth", 0}, {&o.Threads, 0, "threads", 0}, {&o.Batches, 2048, "tokens of batch", 1}, {&o.UBatches, 512, "tokens of micro-batch", 1}, {&o.GPULayers, 0, "layers on GPUs", runtime.GPULayersAuto}} {
		if len(*x.p) == 0 {
			*x.p = []int{x.or}
		}
		if least := slices.Min(*x.p); least < x.min {
			return o, fmt.Errorf("%w: %d %s: want at least %d", runtime.ErrOption, least, x.name, x.min)
		}
	}
	for _, x := range []struct {
		p  *[]string
		or string
	}{{&o.Loads, "auto"}, {&o.CacheTypesK, "f16"}, {&o.CacheTypesV, "f16"}, {&o.FlashAttn, "off"}} {
		if len(*x.p) == 0 {
			*x.p = []string{x.or}
		}
	}
	for _, load := range o.Loads {
		if _, err := runtime.ParseLoadMode(load); err != nil && load != loadPacked {
			return o, err
		}
	}
	for _, word := range o.FlashAttn {
		if !slices.Contains([]string{"on", "off", "auto"}, word) {
			return o, fmt.Errorf("%w: flash attention %q: want on, off or auto", runtime.ErrOption, word)
		}
	}
	return o, nil
}

// modelLabels returns llama-bench's labels for the model.
func modelLabels(ctx context.Context, path string) (map[string]string, error) {
	f, err := runtime.Plan(ctx, path, runtime.Options{Session: runtime.SessionOptions{Context: 64}})
	if err != nil {
		return nil, err
	}
	weights := f.Modes[slices.IndexFunc(f.Modes, func(p runtime.ModePlan) bool { return p.Mode == runtime.LoadMMap })].Weights
	return map[string]string{"model": f.Description, "size": scaled(float64(weights), 1024, "MiB", "GiB"), "params": scaled(float64(f.Parameters), 1000, "M", "B"), "backend": "CPU"}, nil
}

// scaled formats a number in millions or billions as llama-bench does.
func scaled(v, step float64, million, thousandMillions string) string {
	if v < step*step*step {
		return fmt.Sprintf("%.2f %s", v/step/step, million)
	}
	return fmt.Sprintf("%.2f %s", v/step/step/step, thousandMillions)
}

// cases returns all combinations. The tests of one combination are adjacent.
func (o SpeedOptions) cases(m *preparedModel, model map[string]string) []testCase {
	jobs := []job{{Do: "speed", Model: m.path, ChunkSize: o.ChunkSize, NoRepack: o.NoRepack}}
	each(&jobs, o.GPULayers, func(j *job, v int) { j.GPULayers = v })
	loads := o.Loads
	if o.Peer != "" {
		loads = append(slices.Clip(loads), llamaBench)
	}
	each(&jobs, loads, func(j *job, v string) { j.Load = v })
	each(&jobs, o.Threads, func(j *job, v int) { j.Threads = v })
	each(&jobs, o.Batches, func(j *job, v int) { j.Batch = v })
	each(&jobs, o.UBatches, func(j *job, v int) { j.UBatch = v })
	each(&jobs, o.CacheTypesK, func(j *job, v string) { j.CacheTypeK = v })
	each(&jobs, o.CacheTypesV, func(j *job, v string) { j.CacheTypeV = v })
	each(&jobs, o.FlashAttn, func(j *job, v string) { j.Flash = v })
	each(&jobs, o.Depths, func(j *job, v int) { j.Depth = v })
	each(&jobs, o.Tests, func(j *job, v SpeedTest) { j.PromptTokens, j.Tokens = v.Prompt, v.Generate })
	var cases []testCase
	for _, j := range jobs {
		cases = append(cases, m.as(j.Load, o.speedCase(j, model)))
	}
	return cases
}

// each replaces each job by one job per value.
func each[V any](jobs *[]job, values []V, set func(*job, V)) {
	var out []job
	for _, j := range *jobs {
		for _, v := range values {
			set(&j, v)
			out = append(out, j)
		}
	}
	*jobs = out
}

// gpuBackend returns the name of the engine's backend for GPUs, as llama-bench does; "" without one.
func gpuBackend() string {
	info, err := runtime.System()
	if err != nil {
		return ""
	}
	for _, d := range info.Devices {
		if d.Offloads() {
			return strings.TrimRight(d.Name, "0123456789")
		}
	}
	return ""
}

// layersName names a number of layers on GPUs as llama.cpp does.
func layersName(n int) string {
	switch n {
	case runtime.GPULayersAuto:
		return "auto"
	case math.MaxInt32:
		return "all"
	}
	return fmt.Sprint(n)
}

// speedCase labels a case by its test and the options that have several values.
func (o SpeedOptions) speedCase(j job, model map[string]string) testCase {
	if j.Threads == 0 {
		j.Threads = runtime.DefaultThreads()
	}
	test := SpeedTest{j.PromptTokens, j.Tokens}.Name(j.Depth)
	j.Context = max(j.PromptTokens+j.Tokens+j.Depth, 1)
	if j.Load == llamaBench {
		o.peerJob(&j)
	}
	c := testCase{name: test + " " + j.Load, labels: map[string]string{"test": test, "load": j.Load, "threads": fmt.Sprint(j.Threads)}, job: j}
	c.metrics = map[string]float64{ // llama-bench's names
		"n_prompt": float64(j.PromptTokens), "n_gen": float64(j.Tokens), "n_depth": float64(j.Depth),
		"n_threads": float64(j.Threads), "n_batch": float64(j.Batch), "n_ubatch": float64(j.UBatch),
	}
	for name, value := range model {
		c.labels[name] = value
	}
	if gpu := gpuBackend(); j.GPULayers != 0 && gpu != "" {
		c.labels["backend"] = gpu
	}
	if len(o.Threads) > 1 {
		c.name += ", threads " + c.labels["threads"]
	}
	for _, x := range []struct {
		name, value, usual string
		many               bool
	}{
		{"ngl", layersName(j.GPULayers), "0", len(o.GPULayers) > 1},
		{"n_batch", fmt.Sprint(j.Batch), "2048", len(o.Batches) > 1}, {"n_ubatch", fmt.Sprint(j.UBatch), "512", len(o.UBatches) > 1},
		{"type_k", j.CacheTypeK, "f16", len(o.CacheTypesK) > 1}, {"type_v", j.CacheTypeV, "f16", len(o.CacheTypesV) > 1},
		{"fa", j.Flash, "off", len(o.FlashAttn) > 1},
	} {
		if x.many || x.value != x.usual {
			c.labels[x.name] = x.value
			c.name += ", " + x.name + " " + x.value
		}
	}
	return c
}

// llamaBench is the label, in place of a load mode, of llama.cpp's own llama-bench.
const llamaBench = "llama-bench"

// peerJob makes a case's job one of llama-bench, with the same test and options.
func (o SpeedOptions) peerJob(j *job) {
	layers := strconv.Itoa(min(j.GPULayers, 999)) // beyond the layers of any model: all
	j.Do = "speed-peer"
	j.Command = []string{
		o.Peer, "-m", j.Model, "-r", "1", "-o", "json", "-t", strconv.Itoa(j.Threads), "-b", strconv.Itoa(j.Batch), "-ub", strconv.Itoa(j.UBatch),
		"-ctk", j.CacheTypeK, "-ctv", j.CacheTypeV, "-fa", j.Flash, "-ngl", layers, "-d", strconv.Itoa(j.Depth),
	}
	if j.PromptTokens > 0 && j.Tokens > 0 {
		j.Command = append(j.Command, "-p", "0", "-n", "0", "-pg", fmt.Sprintf("%d,%d", j.PromptTokens, j.Tokens))
	} else {
		j.Command = append(j.Command, "-p", strconv.Itoa(j.PromptTokens), "-n", strconv.Itoa(j.Tokens))
	}
}

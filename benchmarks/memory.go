package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/seed7adf6694/infer/models/tiny"
	"github.com/seed7adf6694/infer/runtime"
)

const memoryName = "memory"

// MemoryOptions are the options of [Runner.Memory].
type MemoryOptions struct {
	// F16 and Q4 are one model in two types; both "", if there is no Shape: the embedded
	// pair. Shape makes a pair with random weights, kept in Dir, if that is not "".
	F16, Q4, Shape, Dir string

	Tokens    int    // to generate; 0: 32
	Threads   int    // 0: one per CPU
	Context   int    // tokens; 0: 512
	ChunkSize uint64 // bytes; 0: the runtime's default
	// Text is what the cost in quality is measured on; "": 300 stories, of which Chunks
	// (0: 20) are evaluated. It needs both types, and weights that are not random.
	Text   string
	Chunks int
}

// labelled models of an experiment that has several.
type typedModel struct {
	label string
	*preparedModel
}

// Memory measures what a model takes as f16 and in four bits, mapped, copied and as the
// engine itself loads it, and what the bits cost in quality.
//
// The results so far are returned with an error too.
func (r *Runner) Memory(ctx context.Context, o MemoryOptions) (rs Results, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	ms, done, err := r.preparePair(ctx, o.F16, o.Q4, o.Shape, o.Dir)
	defer func() { err = errors.Join(err, done()) }()
	if err != nil {
		return nil, err
	}
	return r.run(ctx, plan{experiment: memoryName, model: ms[0].preparedModel, cases: o.cases(ms)})
}

func (o MemoryOptions) withDefaults() (MemoryOptions, error) {
	for _, x := range []struct {
		p    *int
		or   int
		name string
		min  int
	}{{&o.Tokens, 32, "tokens to generate", 2}, {&o.Threads, 0, "threads", 0}, {&o.Context, 512, "tokens of context", 16}, {&o.Chunks, 20, "chunks of text", 1}} {
		if *x.p == 0 {
			*x.p = x.or
		}
		if *x.p < x.min {
			return o, fmt.Errorf("%w: %d %s: %d or more", runtime.ErrOption, *x.p, x.name, x.min)
		}
	}
	if o.Text == "" {
		o.Text = tiny.HeldOut
	}
	return o, nil
}

// preparePair makes one model in two types ready. done has to be called in any case.
func (r *Runner) preparePair(ctx context.Context, f16, q4, shape, dir string) (ms []typedModel, done func() error, err error) {
	done = func() error {
		var errs []error
		for _, m := range ms {
			errs = append(errs, m.close())
		}
		return errors.Join(errs...)
	}
	models := map[string]Model{}
	switch {
	case shape != "" && f16+q4 != "":
		return nil, done, fmt.Errorf("%w: models and a shape to make them of exclude each other", runtime.ErrOption)
	case shape != "":
		models["f16"], models["q4"] = Model{Shape: shape, Type: "f16", Dir: dir}, Model{Shape: shape, Type: "q4_0", Dir: dir}
	case f16+q4 == "":
		models["f16"], models["q4"] = Model{original: true}, Model{}
	default:
		if f16 != "" {
			models["f16"] = Model{Path: f16}
		}
		if q4 != "" {
			models["q4"] = Model{Path: q4}
		}
	}
	for _, label := range []string{"f16", "q4"} {
		m, ok := models[label]
		if !ok {
			continue
		}
		p, err := r.prepare(ctx, m)
		if err != nil {
			return ms, done, err
		}
		ms = append(ms, typedModel{label, p})
	}
	return ms, done, nil
}

// loadModes are what is compared.
var loadModes = []string{"mmap", "copy", "stock"}

func (o MemoryOptions) cases(ms []typedModel) []testCase {
	var cases []testCase
	for _, m := range ms {
		known := map[string]float64{"disk_bytes": float64(m.about.Bytes)}
		base := job{Do: "memory", Model: m.path, NoBudget: true, ChunkSize: o.ChunkSize, Context: o.Context, Threads: o.Threads, Prompt: storyPrompt, Tokens: o.Tokens}
		for _, load := range loadModes {
			base.Load = load
			add := func(what, do string, cold bool) {
				j := base
				j.Do = do
				cases = append(cases, testCase{
					name: m.label + " " + load + what, labels: map[string]string{"type": m.label, "load": load, "cache": what[2:]},
					metrics: known, job: j, cold: cold, model: m.preparedModel,
				})
			}
			add(", cold", "memory", true)
			add(", warm", "memory", false)
			add(", two processes", "pair", false)
		}
	}
	if len(ms) == 2 {
		j := job{Do: "perplexity", Model: ms[1].path, Base: ms[0].path, Prompt: o.Text, Context: min(o.Context, 256), Chunks: o.Chunks, Threads: o.Threads, Load: "mmap"}
		cases = append(cases, testCase{name: "quality of q4 against f16", labels: map[string]string{"type": "q4", "cache": "quality"}, job: j, model: ms[1].preparedModel})
	}
	return cases
}

// writeOriginal puts the embedded model's original into a temporary folder.
func (p *preparedModel) writeOriginal() error {
	dir, err := os.MkdirTemp("", "infer-bench-")
	if err != nil {
		return err
	}
	p.close = func() error { return os.RemoveAll(dir) }
	p.path = dir + string(os.PathSeparator) + "tiny-stories-f16.gguf"
	return os.WriteFile(p.path, []byte(tiny.F16), 0o644)
}

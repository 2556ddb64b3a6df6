package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/models/tiny"
	"github.com/seed7adf6694/infer/runtime"
)

const memoryName = "memory"

// MemoryOptions are the options of [Runner.Memory].
type MemoryOptions struct {
	// F16 and Q4 are files or names of one model in two types. Shape makes a pair with random
	// weights instead, which is kept in Dir unless that is "". If all three are "": the embedded
	// pair.
	F16, Q4, Shape, Dir string
	Others              []string // further models, with or without a pair

	Tokens    int    // tokens to generate; 0: 32
	Threads   int    // 0: [runtime.DefaultThreads]
	Context   int    // context in tokens; 0: 512
	ChunkSize uint64 // in bytes; 0: the runtime's default
	// Text is the text for perplexity and divergence of each model from F16; "": 300 stories.
	// Chunks (0: 20) of it are evaluated. Models with random weights are not evaluated.
	Text   string
	Chunks int
}

// typedModel is one of several models of an experiment.
type typedModel struct {
	label string
	*preparedModel
}

// Memory measures the memory of a model in f16 and in 4 bits, mapped, copied and as the engine
// itself loads it, and the loss of quality by quantisation.
//
// With an error it also returns the results so far.
func (r *Runner) Memory(ctx context.Context, o MemoryOptions) (rs Results, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	ms, done, err := r.preparePair(ctx, o.F16, o.Q4, o.Shape, o.Dir, o.Others...)
	defer func() { err = errors.Join(err, done()) }()
	if err != nil {
		return nil, err
	}
	for _, m := range ms {
		if err := m.pack(ctx, r.phase); err != nil {
			return nil, err
		}
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
			return o, fmt.Errorf("%w: %d %s: want at least %d", runtime.ErrOption, *x.p, x.name, x.min)
		}
	}
	if o.Text == "" {
		o.Text = tiny.HeldOut
	}
	return o, nil
}

// Labels of the two types. Other models are labelled by their names.
const (
	typeF16 = "f16"
	typeQ4  = "q4"
)

// preparePair prepares the pair and the other models. done must be called in any case, also after
// an error.
func (r *Runner) preparePair(ctx context.Context, f16, q4, shape, dir string, others ...string) (ms []typedModel, done func() error, err error) {
	done = func() error {
		var errs []error
		for _, m := range ms {
			errs = append(errs, m.close())
		}
		return errors.Join(errs...)
	}
	var labels []string
	var models []Model
	add := func(label string, m Model) { labels, models = append(labels, label), append(models, m) }
	switch {
	case shape != "" && f16+q4 != "":
		return nil, done, fmt.Errorf("%w: both models and a shape are given: use only one of them", runtime.ErrOption)
	case shape != "":
		add(typeF16, Model{Shape: shape, Type: "f16", Dir: dir})
		add(typeQ4, Model{Shape: shape, Type: "q4_0", Dir: dir})
	case f16+q4 == "" && len(others) == 0:
		add(typeF16, Model{original: true})
		add(typeQ4, Model{})
	default:
		if f16 != "" {
			add(typeF16, Model{Path: f16})
		}
		if q4 != "" {
			add(typeQ4, Model{Path: q4})
		}
	}
	for _, path := range others {
		label := strings.TrimSuffix(filepath.Base(path), ".gguf")
		if slices.Contains(labels, label) {
			return nil, done, fmt.Errorf("%w: two models have the name %q: rename one file", runtime.ErrOption, label)
		}
		add(label, Model{Path: path})
	}
	for i, m := range models {
		p, err := r.prepare(ctx, m)
		if err != nil {
			return ms, done, err
		}
		ms = append(ms, typedModel{labels[i], p})
	}
	return ms, done, nil
}

// loadModes are the load modes that are compared.
var loadModes = []string{"mmap", "copy", "stock"}

func (o MemoryOptions) cases(ms []typedModel) []testCase {
	var cases []testCase
	for _, m := range ms {
		known := map[string]float64{"disk_bytes": float64(m.about.Bytes)}
		base := job{Do: "memory", Model: m.path, NoBudget: true, ChunkSize: o.ChunkSize, Context: o.Context, Threads: o.Threads, Prompt: storyPrompt, Tokens: o.Tokens}
		for _, load := range append([]string{loadPacked}, loadModes...) {
			if load == loadPacked && m.packed == "" {
				continue
			}
			add := func(what, do string, cold bool) {
				j := base
				j.Do = do
				cases = append(cases, m.as(load, testCase{
					name: m.label + " " + load + what, labels: map[string]string{"type": m.label, "load": load, "cache": what[2:]},
					metrics: known, job: j, cold: cold, model: m.preparedModel,
				}))
			}
			add(", cold", "memory", true)
			add(", warm", "memory", false)
			add(", two processes", "pair", false)
		}
	}
	return append(cases, o.qualityCases(ms)...)
}

// qualityCases returns the cases that compare each model with the f16.
func (o MemoryOptions) qualityCases(ms []typedModel) []testCase {
	var cases []testCase
	for _, m := range ms[1:] {
		if ms[0].label != typeF16 {
			break
		}
		c := testCase{
			name: "quality of " + m.label + " against " + typeF16, labels: map[string]string{"type": m.label, "cache": quality}, model: m.preparedModel,
			job: job{Do: "perplexity", Model: m.path, Base: ms[0].path, Prompt: o.Text, Context: min(o.Context, 256), Chunks: o.Chunks, Threads: o.Threads, Load: "mmap"},
		}
		if m.noise || ms[0].noise {
			c.skip = "a perplexity of random weights is meaningless: use a trained model (--f16, --q4, or the embedded pair)"
		}
		cases = append(cases, c)
	}
	return cases
}

const quality = "quality"

// writeOriginal writes the embedded model's f16 original into a temporary folder.
func (p *preparedModel) writeOriginal() error {
	dir, err := p.folder()
	if err != nil {
		return err
	}
	p.path = filepath.Join(dir, "tiny-stories-f16.gguf")
	return os.WriteFile(p.path, []byte(tiny.F16), 0o644)
}

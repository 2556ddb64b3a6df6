package runtime

import (
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime/internal/threads"
)

// config is what [Options] come to: checked, in the words of what follows, and never changed.
// Whatever opens, plans or moves a model reads it.
type config struct {
	load      LoadMode
	chunkSize uint64 // asked for; 0: by what the system grants
	repack    bool   // the engine may choose layouts for this CPU
	prefetch  bool   // mapped weights are read ahead
	check     bool   // all weights are read for invalid values
	gpuLayers int
	adapters  []Adapter // with their scales
	maxMemory uint64    // as Options.MaxMemory
	session   SessionOptions
	generate  *GenerateOptions
	fallbacks []string

	packed   PackedMode
	cacheDir string

	pool     *memory.Pool
	admit    func(memory.Purpose, uint64) error
	progress func(Progress) // never nil
	logger   *slog.Logger   // never nil
}

// resolve checks options, and makes a configuration of them.
func (o Options) resolve() (*config, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return o.config(), nil
}

// config makes a configuration of options that are known to be good.
func (o Options) config() *config {
	c := &config{
		load: o.Load, chunkSize: o.ChunkSize, repack: !o.NoRepack, prefetch: !o.NoPrefetch, check: o.CheckTensors, gpuLayers: o.GPULayers,
		adapters: slices.Clone(o.Adapters), maxMemory: o.MaxMemory, session: o.Session, fallbacks: slices.Clone(o.Fallbacks),
		packed: o.Packed, cacheDir: o.CacheDir,
		pool: o.Pool, admit: o.Admit, progress: o.Progress, logger: o.Logger,
	}
	for i := range c.adapters {
		if c.adapters[i].Scale == 0 {
			c.adapters[i].Scale = 1
		}
	}
	if o.Generate != nil {
		g := *o.Generate
		c.generate = &g
	}
	if c.progress == nil {
		c.progress = func(Progress) {}
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// auto is the configuration with the load mode left open.
func (c *config) auto() *config {
	auto := *c
	auto.load = LoadAuto
	return &auto
}

// offloads tells whether layers go to GPUs.
func (c *config) offloads() bool { return c.gpuLayers > 0 }

// guesses tells whether generations will guess tokens.
func (c *config) guesses() bool { return c.generate != nil && c.generate.Lookup }

// log takes a decision.
func (c *config) log(msg string, args ...any) { c.logger.Info(msg, args...) }

// enumName is the name of an enumeration's value, or what says that it has none.
func enumName[E ~int](typ string, v E, names []string) string {
	if v < 0 || int(v) >= len(names) {
		return fmt.Sprintf("%s(%d)", typ, int(v))
	}
	return names[v]
}

// parseEnum is the inverse of enumName.
func parseEnum[E ~int](what, s string, names []string) (E, error) {
	for i, name := range names {
		if s == name {
			return E(i), nil
		}
	}
	return 0, optionError("%s %q: one of %s", what, s, strings.Join(names, ", "))
}

// enumeration refuses values that have no name.
func enumeration[E ~int](what string, v E, names []string) error {
	if v < 0 || int(v) >= len(names) {
		return optionError("%s of %d, 0 to %d are possible: %s", what, int(v), len(names)-1, strings.Join(names, ", "))
	}
	return nil
}

// check refuses what no model can be opened with.
func (o Options) check() error {
	if err := enumeration("load mode", o.Load, loadModes); err != nil {
		return err
	}
	if err := enumeration("packed mode", o.Packed, packedModes); err != nil {
		return err
	}
	switch {
	case o.ChunkSize > 1<<62:
		return optionError("chunk size of %d bytes: more than there are addresses", o.ChunkSize)
	case o.GPULayers < 0:
		return optionError("%d layers on GPUs: 0 or more", o.GPULayers)
	case o.Load == LoadStock && o.Pool != nil:
		return optionError("a stock load takes its memory itself, not from a pool")
	case o.Packed == PackedRequire && (o.Load == LoadCopy || o.Load == LoadStock || o.NoRepack || o.GPULayers > 0):
		return optionError("a packed file is required, which is mapped, with this CPU's layout and no layers on a GPU: leave the load mode to auto")
	}
	for _, a := range o.Adapters {
		if s := float64(a.Scale); math.IsNaN(s) || math.IsInf(s, 0) {
			return optionError("adapter %s: scale of %g: a finite number", a.Path, a.Scale)
		}
	}
	if o.Generate != nil {
		if err := o.Generate.Check(); err != nil {
			return err
		}
	}
	return o.Session.check()
}

// check refuses what no session of any model can be made with.
func (o SessionOptions) check() error {
	for _, n := range []struct {
		name         string
		value        int
		least, limit int
	}{
		{"context", o.Context, trained, maxContext}, {"batch", o.Batch, 0, maxContext}, {"micro-batch", o.UBatch, 0, maxContext},
		{"threads", o.Threads, 0, threads.Most}, {"batch threads", o.BatchThreads, 0, threads.Most},
	} {
		if n.value < n.least || n.value > n.limit {
			return optionError("%s of %d: %d to %d are possible", n.name, n.value, n.least, n.limit)
		}
	}
	if err := checkThreads(max(o.Threads, o.BatchThreads)); err != nil {
		return err
	}
	return asOption(o.params().Check())
}

// params are the engine's words for what needs no model to be known.
func (o SessionOptions) params() llama.ContextParams {
	return llama.ContextParams{
		Ctx: o.Context, Batch: o.Batch, UBatch: o.UBatch, Threads: o.Threads, BatchThreads: o.BatchThreads,
		CacheTypeK: o.CacheTypeK, CacheTypeV: o.CacheTypeV, FlashAttn: o.FlashAttention,
		Embeddings: o.Embeddings, Pooling: o.Pooling,
	}
}

// Check refuses, with [ErrOption], what [Session.Generate] would refuse with any model:
// numbers out of their range and grammars that are none. It loads nothing. What depends on
// the vocabulary, tokens in a logit bias or grammar, is for Open (see [Options].Generate)
// and Generate to refuse.
func (o GenerateOptions) Check() error {
	switch {
	case o.MaxTokens < 0:
		return optionError("%d tokens at most", o.MaxTokens)
	case o.LookupTokens < 0:
		return optionError("drafts of %d tokens", o.LookupTokens)
	}
	if err := enumeration("overflow", o.Overflow, overflows); err != nil {
		return err
	}
	for _, stop := range o.Stop {
		if stop == "" || !utf8.ValidString(stop) {
			return optionError("stop string %q: empty or no valid UTF-8", stop)
		}
	}
	return o.Sampling.Check()
}

// Check refuses, with [ErrOption], what no sampler of any model can work with.
func (s Sampling) Check() error {
	if _, err := s.withDefaults(); err != nil {
		return err
	}
	if s.Grammar == "" {
		return nil
	}
	return asOption(llama.CheckGrammar(s.Grammar, grammarRoot))
}

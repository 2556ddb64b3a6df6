package runtime

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/residency/replay"
	"github.com/seed7adf6694/infer/runtime/internal/threads"
)

// config holds checked [Options] in the form that loads use. It is never changed. All code
// that opens, plans or moves a model reads it.
type config struct {
	load      LoadMode
	chunkSize uint64 // as Options.ChunkSize
	repack    bool   // the engine may choose layouts for this CPU
	prefetch  bool   // mapped weights are read ahead
	check     bool   // all weights are read for invalid values
	placement
	adapters  []Adapter // with their scales
	maxMemory uint64    // as Options.MaxMemory
	trace     *replay.Trace
	session   SessionOptions
	generate  *GenerateOptions
	accept    func(*Vocabulary) error // nil: all
	fallbacks []string

	packed   PackedMode
	cacheDir string

	pool     *memory.Pool
	admit    func(memory.Purpose, uint64) error
	progress func(Progress) // never nil
	logger   *slog.Logger   // never nil
}

// resolve checks the options and returns their configuration.
func (o Options) resolve() (*config, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := o.config()
	return c, c.findDevices()
}

// config returns the configuration of options that have been checked.
func (o Options) config() *config {
	c := &config{
		load: o.Load, chunkSize: o.ChunkSize, repack: !o.NoRepack, prefetch: !o.NoPrefetch, check: o.CheckTensors, placement: o.placement(),
		adapters: slices.Clone(o.Adapters), maxMemory: o.MaxMemory, trace: o.Trace, session: o.Session, fallbacks: slices.Clone(o.Fallbacks),
		packed: o.Packed, cacheDir: o.CacheDir,
		accept: o.Accept, pool: o.Pool, admit: o.Admit, progress: o.Progress, logger: o.Logger,
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

// auto returns the configuration with LoadAuto.
func (c *config) auto() *config {
	auto := *c
	auto.load = LoadAuto
	return &auto
}

// guesses reports whether generations will draft tokens (GenerateOptions.Lookup).
func (c *config) guesses() bool { return c.generate != nil && c.generate.Lookup }

// log logs a decision.
func (c *config) log(msg string, args ...any) { c.logger.Info(msg, args...) }

// enumName returns the name of an enumeration's value, or "Type(n)" if it has none.
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
	return 0, optionError(what, strconv.Quote(s), "is unknown: use one of %s", strings.Join(names, ", "))
}

// enumeration refuses values that have no name.
func enumeration[E ~int](what string, v E, names []string) error {
	if v < 0 || int(v) >= len(names) {
		return optionError(what, strconv.Itoa(int(v)), "out of range (0 to %d): use one of %s", len(names)-1, strings.Join(names, ", "))
	}
	return nil
}

// check refuses options that no model can be opened with.
func (o Options) check() error {
	if err := enumeration("load mode", o.Load, loadModes); err != nil {
		return err
	}
	if err := enumeration("packed mode", o.Packed, packedModes); err != nil {
		return err
	}
	const mostChunk = 1 << 62
	switch {
	case o.ChunkSize > mostChunk:
		return optionError("chunk size", strconv.FormatUint(o.ChunkSize, 10), "out of range (0 to %d bytes)", uint64(mostChunk))
	case o.Load == LoadStock && o.Pool != nil:
		return optionError("load mode", "stock", "can't use a pool, as the engine allocates the memory itself: leave out the pool or use another mode")
	case o.Load == LoadStock && o.MaxMemory != 0 && o.MaxMemory != MaxMemoryOff:
		return optionError("load mode", "stock", "can't keep a memory budget, as the engine maps the whole file: leave out the budget or use another mode")
	case o.Packed == PackedRequire && (o.Load == LoadCopy || o.Load == LoadStock || o.NoRepack || o.GPULayers != 0):
		return optionError("packed mode", "require", "needs mapped weights in this CPU's layout: use load mode auto, and neither NoRepack nor GPU layers")
	}
	if err := o.checkPlacement(); err != nil {
		return err
	}
	for _, a := range o.Adapters {
		if s := float64(a.Scale); math.IsNaN(s) || math.IsInf(s, 0) {
			return optionError("adapter scale", fmt.Sprint(a.Scale), "of %s is not finite: use a finite number", a.Path)
		}
	}
	if o.Generate != nil {
		if err := o.Generate.Check(); err != nil {
			return err
		}
	}
	return o.Session.check()
}

// check refuses options that no session of any model can be made with.
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
			return optionError(n.name, strconv.Itoa(n.value), "out of range (%d to %d)", n.least, n.limit)
		}
	}
	if err := cmp.Or(checkThreads("threads", o.Threads), checkThreads("batch threads", o.BatchThreads)); err != nil {
		return err
	}
	return asOption(o.params().Check())
}

// params returns the engine's parameters that do not depend on the model.
func (o SessionOptions) params() llama.ContextParams {
	return llama.ContextParams{
		Ctx: o.Context, Batch: o.Batch, UBatch: o.UBatch, Threads: o.Threads, BatchThreads: o.BatchThreads,
		CacheTypeK: o.CacheTypeK, CacheTypeV: o.CacheTypeV, FlashAttn: o.FlashAttention,
		Embeddings: o.Embeddings, Pooling: o.Pooling, NoOffloadKQV: o.NoKVOffload,
	}
}

// Check refuses, with [ErrOption], options that [Session.Generate] refuses with any model:
// numbers out of range and invalid grammars. It loads nothing. Tokens in a logit bias or
// grammar depend on the vocabulary: Generate checks them, and Open with [Options].Generate.
func (o GenerateOptions) Check() error {
	switch {
	case o.MaxTokens < 0:
		return optionError("MaxTokens", strconv.Itoa(o.MaxTokens), "out of range: use 0 (no limit) or more")
	case o.LookupTokens < 0:
		return optionError("LookupTokens", strconv.Itoa(o.LookupTokens), "out of range: use 0 (default) or more")
	case o.TopLogprobs < 0 || o.TopLogprobs > mostLogprobs:
		return optionError("TopLogprobs", strconv.Itoa(o.TopLogprobs), "out of range (0 to %d)", mostLogprobs)
	case o.TopLogprobs > 0 && !o.Logprobs:
		return optionError("TopLogprobs", strconv.Itoa(o.TopLogprobs), "needs Logprobs")
	case o.PromptLogprobs && !o.Logprobs:
		return optionError("PromptLogprobs", "", "needs Logprobs")
	case o.PromptLogprobs && (o.KeepPrefix || o.Continue):
		return optionError("PromptLogprobs", "", "can't be used with KeepPrefix or Continue: the whole prompt is computed")
	case o.Continue && o.KeepPrefix:
		return optionError("KeepPrefix", "", "can't be used with Continue: the prompt is then the whole text")
	case o.Recompute && (o.KeepPrefix || o.Continue):
		return optionError("Recompute", "", "can't be used with KeepPrefix or Continue, which keep what is computed")
	}
	if err := enumeration("overflow", o.Overflow, overflows); err != nil {
		return err
	}
	for _, stop := range o.Stop {
		if stop == "" || !utf8.ValidString(stop) {
			return optionError("stop string", strconv.Quote(stop), "must be valid UTF-8 and not empty")
		}
	}
	return o.Sampling.Check()
}

// Check refuses, with [ErrOption], values that no sampler of any model accepts.
func (s Sampling) Check() error {
	if _, err := s.withDefaults(); err != nil {
		return err
	}
	if s.Grammar == "" {
		return nil
	}
	if err := llama.CheckGrammar(s.Grammar, grammarRoot); err != nil {
		return &OptionError{Option: "grammar", Err: err}
	}
	return nil
}

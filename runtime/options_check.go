package runtime

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime/internal/threads"
)

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

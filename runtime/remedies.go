package runtime

import (
	"context"
	"slices"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/loader/residency"
)

// remedies returns what would help after a refusal: lower options that would fit, then ways to
// raise the limit.
func (s *sizer) remedies(ctx context.Context, refused *memory.Error, params llama.ContextParams, weights uint64, p probe.Probe) []memory.Remedy {
	list := s.whatWouldFit(ctx, params, weights, p)
	if refused.Limit == probe.LimitBudget {
		return append(list, useBudget(refused.Requested))
	}
	return append(list, memory.RaiseLimit(refused.Limit, refused.Requested-refused.Available)...)
}

// streams reports whether a session of mapped weights keeps the memory budget that was asked for.
func (s *sizer) streams(n need) bool {
	base, _, err := baseMemory()
	least := residency.NewPlan(s.weights.plan, 0, s.weights.chunkSize, n.ubatch).Least
	return err != nil || !s.config.asksBudget() || base+n.total()+least <= s.config.maxMemory
}

// attempt is a session that may fit beside copied weights.
type attempt struct {
	params  llama.ContextParams
	weights uint64 // bytes of copied weights
}

// change is one option with which an attempt takes less memory.
type change struct {
	remedy memory.Remedy
	make   func(*attempt)
}

// changes lists changes that take less memory, by kind, even of values that the caller set.
// Kinds, and the changes of each kind, are in order of increasing loss.
func changes(p llama.ContextParams, weights uint64) (kinds [][]change) {
	add := func(kind []change) {
		if len(kind) > 0 {
			kinds = append(kinds, kind)
		}
	}
	if p.FlashAttn == llama.FlashOff {
		add([]change{{memory.Remedy{Kind: memory.RemedyFlashAttention}, func(a *attempt) { a.params.FlashAttn = llama.FlashAuto }}})
	}
	var contexts, caches, batches []change
	for c := p.Ctx / 2; c >= leastContext; c /= 2 {
		contexts = append(contexts, change{memory.Remedy{Kind: memory.RemedyContext, Tokens: c}, func(a *attempt) {
			a.params.Ctx, a.params.Batch = c, min(a.params.Batch, c)
			a.params.UBatch = min(a.params.UBatch, a.params.Batch)
		}})
	}
	add(contexts)
	for _, t := range []string{"q8_0", "q4_0"} {
		if cacheSize(t)*2 >= cacheSize(p.CacheTypeK)+cacheSize(p.CacheTypeV) {
			continue
		}
		caches = append(caches, change{memory.Remedy{Kind: memory.RemedyCache, Type: t}, func(a *attempt) {
			a.params.CacheTypeK, a.params.CacheTypeV = t, t
		}})
	}
	add(caches)
	for u := p.UBatch / 2; u >= leastUBatch && !p.Embeddings; u /= 2 {
		batches = append(batches, change{memory.Remedy{Kind: memory.RemedyBatch, Tokens: u}, func(a *attempt) {
			a.params.UBatch = min(a.params.UBatch, u)
		}})
	}
	add(batches)
	if weights > 0 {
		add([]change{{memory.Remedy{Kind: memory.RemedyMap}, func(a *attempt) { a.weights = 0 }}})
	}
	return kinds
}

// cacheSize returns a size to compare cache types by: the bytes of 256 elements.
func cacheSize(name string) uint64 {
	t, err := gguf.ParseType(cacheName(name))
	if err != nil {
		return 0
	}
	return t.RowSize(256)
}

// mostCombinations is the largest number of combinations of changes in an error.
const mostCombinations = 3

// whatWouldFit lists changes with which a session would fit: single ones, or if none is
// enough, the smallest combinations.
func (s *sizer) whatWouldFit(ctx context.Context, p llama.ContextParams, weights uint64, probe probe.Probe) (remedies []memory.Remedy) {
	kinds := changes(p, weights)
	fits := func(list []change) memory.Remedy {
		a := attempt{p, weights}
		for _, c := range list {
			c.make(&a)
		}
		if ctx.Err() != nil || llama.QuantisedCache(a.params.CacheTypeV) && a.params.FlashAttn == llama.FlashOff {
			return memory.Remedy{}
		}
		n, err := s.measure(a.params, true)
		if err != nil || s.roomForBoth(a.weights, n, probe) != nil || a.weights < weights && !s.streams(n) {
			return memory.Remedy{}
		}
		r := together(list)
		r.Needs = a.weights + n.total()
		return r
	}
	for size := 1; size <= len(kinds) && len(remedies) == 0; size++ {
		for chosen := range combinations(kinds, size) {
			if len(remedies) == mostCombinations && size > 1 {
				break
			}
			if r := mildest(chosen, fits); r.Kind != "" {
				remedies = append(remedies, r)
			}
		}
	}
	return remedies
}

// mildest chooses one change of each kind with which the session fits, and returns the remedy;
// the zero remedy if it does not fit. It minimises the loss of the first kind, then of the next.
func mildest(kinds [][]change, fits func([]change) memory.Remedy) memory.Remedy {
	list := make([]change, len(kinds))
	for i, kind := range kinds {
		list[i] = kind[len(kind)-1]
	}
	found := fits(list)
	if found.Kind == "" {
		return found
	}
	for i, kind := range kinds {
		last := list[i]
		for _, c := range kind[:len(kind)-1] {
			list[i] = c
			if r := fits(list); r.Kind != "" {
				found, last = r, c
				break
			}
		}
		list[i] = last
	}
	return found
}

// combinations iterates over the ways to choose size of the kinds, in lexical order.
func combinations(kinds [][]change, size int) func(yield func([][]change) bool) {
	return func(yield func([][]change) bool) {
		var choose func(from int, chosen [][]change) bool
		choose = func(from int, chosen [][]change) bool {
			if len(chosen) == size {
				return yield(chosen)
			}
			for i := from; i < len(kinds); i++ {
				if !choose(i+1, append(slices.Clip(chosen), kinds[i])) {
					return false
				}
			}
			return true
		}
		choose(0, nil)
	}
}

// together returns one remedy for changes that are made together.
func together(list []change) memory.Remedy {
	r := list[0].remedy
	for _, c := range list[1:] {
		r.With = append(r.With, c.remedy)
	}
	return r
}

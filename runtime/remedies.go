package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
)

// remedies are what would help against what was refused: what would fit, then what
// raises the limit.
func (m *Model) remedies(ctx context.Context, refused *loader.MemoryError, params llama.ContextParams, weights uint64, p loader.Probe) []string {
	return append(m.whatWouldFit(ctx, params, weights, p), loader.RaiseLimit(refused.Limit, refused.Requested-refused.Available)...)
}

// attempt is a session that might fit beside weights that are copied.
type attempt struct {
	params  llama.ContextParams
	weights uint64
}

// change is one thing that takes less memory.
type change struct {
	text string
	make func(*attempt)
}

// changes lists what takes less memory, by kind, whether or not the caller set the values:
// kinds in order of what is lost, and of each kind that with the least loss first.
func changes(p llama.ContextParams, weights uint64) (kinds [][]change) {
	add := func(kind []change) {
		if len(kind) > 0 {
			kinds = append(kinds, kind)
		}
	}
	if p.FlashAttn == llama.FlashOff {
		add([]change{{"use flash attention (--flash-attn on)", func(a *attempt) { a.params.FlashAttn = llama.FlashAuto }}})
	}
	var contexts, caches, batches []change
	for c := p.Ctx / 2; c >= leastContext; c /= 2 {
		contexts = append(contexts, change{fmt.Sprintf("use a context of %d tokens (--ctx-size %d)", c, c), func(a *attempt) {
			a.params.Ctx, a.params.Batch = c, min(a.params.Batch, c)
			a.params.UBatch = min(a.params.UBatch, a.params.Batch)
		}})
	}
	add(contexts)
	for _, t := range []string{"q8_0", "q4_0"} {
		if cacheSize(t)*2 >= cacheSize(p.CacheTypeK)+cacheSize(p.CacheTypeV) {
			continue
		}
		caches = append(caches, change{fmt.Sprintf("use a %s cache (--cache-type-k %s --cache-type-v %s)", t, t, t), func(a *attempt) {
			a.params.CacheTypeK, a.params.CacheTypeV = t, t
		}})
	}
	add(caches)
	for u := p.UBatch / 2; u >= leastUBatch && !p.Embeddings; u /= 2 {
		batches = append(batches, change{fmt.Sprintf("use a micro-batch of %d tokens (--ubatch-size %d)", u, u), func(a *attempt) {
			a.params.UBatch = min(a.params.UBatch, u)
		}})
	}
	add(batches)
	if weights > 0 {
		add([]change{{"map the weights (--load mmap), which can be evicted", func(a *attempt) { a.weights = 0 }}})
	}
	return kinds
}

// cacheSize tells how large caches of a type are, compared with each other.
func cacheSize(name string) uint64 {
	t, err := loader.ParseType(cacheName(name))
	if err != nil {
		return 0
	}
	return t.RowSize(256)
}

// mostCombinations bounds how many combinations of changes are named.
const mostCombinations = 3

// whatWouldFit lists changes with which a session would fit: single ones, or where none
// is enough, the smallest combinations that are.
func (m *Model) whatWouldFit(ctx context.Context, p llama.ContextParams, weights uint64, probe loader.Probe) (remedies []string) {
	kinds := changes(p, weights)
	fits := func(list []change) string {
		a := attempt{p, weights}
		for _, c := range list {
			c.make(&a)
		}
		if ctx.Err() != nil || llama.QuantisedCache(a.params.CacheTypeV) && a.params.FlashAttn == llama.FlashOff {
			return ""
		}
		n, err := m.measure(a.params, true)
		if err != nil || m.roomForBoth(a.weights, n, probe) != nil {
			return ""
		}
		return fmt.Sprintf("%s: needs %s", textOf(list), loader.Size(a.weights+n.total()))
	}
	for size := 1; size <= len(kinds) && len(remedies) == 0; size++ {
		for chosen := range combinations(kinds, size) {
			if len(remedies) == mostCombinations && size > 1 {
				break
			}
			if r := mildest(chosen, fits); r != "" {
				remedies = append(remedies, r)
			}
		}
	}
	return remedies
}

// mildest takes one change of each kind such that they fit together, and says so; "" where
// none do. As little as possible is lost of the first kind, then of the next.
func mildest(kinds [][]change, fits func([]change) string) string {
	list := make([]change, len(kinds))
	for i, kind := range kinds {
		list[i] = kind[len(kind)-1]
	}
	found := fits(list)
	if found == "" {
		return ""
	}
	for i, kind := range kinds {
		last := list[i]
		for _, c := range kind[:len(kind)-1] {
			list[i] = c
			if r := fits(list); r != "" {
				found, last = r, c
				break
			}
		}
		list[i] = last
	}
	return found
}

// combinations are the ways to choose size of the kinds, the first ones first.
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

// textOf joins what changes say: "use this, use that and use the other".
func textOf(list []change) string {
	texts := make([]string, len(list))
	for i, c := range list {
		texts[i] = c.text
	}
	last := len(texts) - 1
	if last == 0 {
		return texts[0]
	}
	return strings.Join(texts[:last], ", ") + " and " + texts[last]
}

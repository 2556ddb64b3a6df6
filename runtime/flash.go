package runtime

import (
	"context"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/probe"
)

// Flash attention on CPUs saves memory, not time: the engine's kernel for it takes each
// position of the cache by itself, and without it attention is two products of matrices,
// whose result is kept. What that takes grows with the context, the micro-batch and the
// heads. The products round differently for one row than for several, so that guessed tokens
// (GenerateOptions.Lookup) may change a text. llama.FlashAuto here means without it where memory is ample.

// firstNeed is what a session takes with the values that were asked for, and whether with
// flash attention, where that was left open. A session computes the same way until it is
// closed. weights are still to be copied.
func (s *sizer) firstNeed(ctx context.Context, params llama.ContextParams, ubatchGiven bool, weights uint64, p probe.Probe) (n need, err error) {
	why, short := "", false
	switch {
	case params.FlashAttn != llama.FlashAuto:
		why = "as asked"
	case s.config.offloads():
		why = "left to the engine with layers on GPUs"
	case llama.QuantisedCache(params.CacheTypeV):
		why = fmt.Sprintf("a V cache of type %s needs it", params.CacheTypeV)
	case llama.QuantisedCache(params.CacheTypeK):
		why = fmt.Sprintf("a K cache of type %s", params.CacheTypeK)
	case s.config.guesses():
		why = "guessed tokens are computed as they would be alone"
	case s.flashOn:
		why = "memory was short when the model was opened"
	default:
		without := params
		without.FlashAttn = llama.FlashOff
		n, err = s.measure(without, ubatchGiven)
		if err == nil && n.params.UBatch < min(params.UBatch, n.params.Ctx) {
			err = errSmallerBatch
		}
		if err == nil {
			if why = s.notAmple(weights, n, p); why == "" {
				n.why = "memory is ample"
				return n, nil
			}
		} else {
			why = "without it a piece of the graph is larger than a block may be"
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
		short = true
	}
	n, err = s.measure(params, ubatchGiven)
	n.why, n.short = why, short
	return n, err
}

// errSmallerBatch is why a session is not made without flash attention.
var errSmallerBatch = optionError("the micro-batch would be smaller")

// notAmple tells why there is not ample memory for a session beside the weights: all has to
// stay in memory, and to leave a quarter of what there is to others. "": there is.
func (s *sizer) notAmple(weights uint64, n need, p probe.Probe) string {
	if refused := s.roomForBoth(weights, n, p); refused != nil {
		return fmt.Sprintf("%s needed without it, %s left (%s)", words.Size(refused.Requested), words.Size(refused.Available), refused.Limit)
	}
	total := weights + n.total()
	if available, limit := p.Available(); s.config.pool == nil && total > available/4*3 {
		return fmt.Sprintf("without it a session and copied weights take %s of the %s left (%s)", words.Size(total), words.Size(available), limit)
	}
	if s.weights.mode != LoadMMap && s.weights.mode != LoadStock {
		return ""
	}
	if all, left := s.weights.plan.Bytes+total+engineReserve, mayReside(p); all > left/8*7 {
		return fmt.Sprintf("without it not all of the weights would stay in memory: %s of the %s left", words.Size(all), words.Size(left))
	}
	if all, budget := s.weights.budget.with(n.total(), s.weights.plan.Bytes, s.config.maxMemory); s.weights.mode == LoadMMap && all > budget {
		return fmt.Sprintf("without it not all of the weights would stay in the memory budget: %s of %s", words.Size(all), words.Size(budget))
	}
	return ""
}

// with is what a model would have in memory with all its weights and one session more, and
// what it may have: its budget, or most where there is none yet.
func (b *budget) with(session, weights, most uint64) (all, budget uint64) {
	if b == nil {
		base, _, err := baseMemory()
		if most == 0 || err != nil {
			most = MaxMemoryOff
		}
		return base + session + weights, most
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.base + max(b.planned.Total(), b.sessions.Total()+session) + weights, b.total
}

// flashAttention is what a session's parameters come to: without layers on GPUs the engine's
// own choice is with it.
func (s *sizer) flashAttention(p llama.ContextParams) llama.FlashAttention {
	if p.FlashAttn == llama.FlashAuto && !s.config.offloads() {
		return llama.FlashOn
	}
	return p.FlashAttn
}

package runtime

import (
	"context"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/probe"
)

// Flash attention on CPUs saves memory, not time. The engine's kernel processes the positions
// of the cache one by one. Without it, attention is two matrix products whose intermediate
// result takes memory in proportion to context, micro-batch and heads. These products round
// differently for one row than for several, so drafted tokens (GenerateOptions.Lookup) may
// change a text. In this package, llama.FlashAuto computes without flash attention if memory
// is ample.

// firstNeed returns what a session takes with the given options, and chooses flash attention
// if it is auto. The choice holds until the session is closed. weights is the size of weights
// that are still to be copied.
func (s *sizer) firstNeed(ctx context.Context, params llama.ContextParams, ubatchGiven bool, weights uint64, p probe.Probe) (n need, err error) {
	why, short := "", false
	switch {
	case params.FlashAttn != llama.FlashAuto:
		why = "as requested"
	case s.config.offloads():
		why = "the engine decides with layers on GPUs"
	case llama.QuantisedCache(params.CacheTypeV):
		why = fmt.Sprintf("a V cache of type %s needs it", params.CacheTypeV)
	case llama.QuantisedCache(params.CacheTypeK):
		why = fmt.Sprintf("the K cache has type %s", params.CacheTypeK)
	case s.config.guesses():
		why = "with it drafted tokens give the same results as single ones"
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
			why = "without it a tensor of the graph is larger than a block may be"
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

// errSmallerBatch is the reason for flash attention if the micro-batch would be lowered without.
var errSmallerBatch = optionError("micro-batch", "", "the micro-batch would be smaller")

// notAmple returns why memory is not ample for a session beside the weights, "" if it is.
// Memory is ample if session and weights stay in memory and leave a quarter of it free.
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

// with returns what a model would have in memory with all its weights and one more session,
// and its budget. Without a budget yet, the budget is most.
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

// flashAttention returns what a session's parameters mean: without layers on GPUs, the engine
// turns FlashAuto into FlashOn.
func (s *sizer) flashAttention(p llama.ContextParams) llama.FlashAttention {
	if p.FlashAttn == llama.FlashAuto && !s.config.offloads() {
		return llama.FlashOn
	}
	return p.FlashAttn
}

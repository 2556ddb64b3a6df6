package runtime

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// The lowest values to which open options are lowered.
const (
	leastContext = 512
	leastUBatch  = 32
)

// fitted is the session that a load has made room for, and what was lowered for it.
type fitted struct {
	planned  memory.Parts         // bytes of the session that a budget counts
	params   llama.ContextParams  // of the session
	ubatch   int                  // tokens
	defaults SessionOptions       // lowered values, for sessions that leave them open
	flash    llama.FlashAttention // of the session
	flashWhy string
	adjusted []Adjustment // what was lowered, and why
}

// fit makes room for the configuration's session. If weights and session need more private
// memory than is available, it lowers options that the caller left open, and keeps the lowered
// values for later sessions. It allocates nothing. If lowering does not help, the error is a
// *memory.Error.
//
// For a copy that LoadAuto chose it lowers nothing and returns the error, as mapped weights
// need less private memory.
func (s *sizer) fit(ctx context.Context) (f fitted, err error) {
	weights, err := s.weights.privateBytes()
	if err != nil {
		return f, err
	}
	mapped := uint64(0) // bytes that take addresses only
	if s.weights.mode == LoadMMap {
		mapped = s.weights.plan.Bytes
	}
	free := openValues(s.config.session)
	free.nothing = s.config.load == LoadAuto && s.weights.mode == LoadCopy
	n, notes, err := s.fitSession(ctx, s.config.session, free, weights, mapped)
	if err != nil {
		return f, err
	}
	f.planned, f.params, f.ubatch = n.touched(), n.params, n.ubatch
	if p, err := probe.Measure(); err == nil && s.config.pool == nil {
		if more := growth(weights+n.allBlocks(), p); more > 0 {
			parts := memory.Parts{}.With(memory.PurposeWeights, weights).Plus(n.blockParts())
			f.adjusted = append(f.adjusted, Adjustment{AdjustedPageFile, "page files have to grow by " + words.Size(more), parts.Short(p.CommitLeft, probe.LimitCommit)})
			s.config.log("page files have to grow", "bytes", more)
		}
	}
	f.flash, f.flashWhy, s.flashOn = s.flashAttention(n.params), n.why, n.short
	f.adjusted = append(f.adjusted, notes...)
	if len(notes) > 0 {
		f.defaults = SessionOptions{Context: n.params.Ctx, UBatch: n.params.UBatch, CacheTypeK: n.params.CacheTypeK, CacheTypeV: n.params.CacheTypeV}
	}
	return f, nil
}

// fitSession finds parameters with which a session fits beside weights that are still to be
// copied or mapped, and lowers open options as far as necessary. It returns what the session
// takes and one adjustment for each lowered option.
func (s *sizer) fitSession(ctx context.Context, o SessionOptions, free leftOpen, weights, mapped uint64) (need, []Adjustment, error) {
	params, err := s.contextParams(o)
	if err != nil {
		return need{}, nil, err
	}
	// Measured again, as the engine has read the header meanwhile.
	p, err := probe.Measure()
	if err != nil { // without figures the allocation itself decides
		n, err := s.measure(params, !free.ubatch)
		return n, nil, err
	}
	if free.nothing {
		p = p.Fixed()
	}
	if s.config.pool == nil { // a pool has its memory already
		granted := memory.Unused() // granted to others, and available until they touch it
		p.RAMAvailable -= min(p.RAMAvailable, granted)
		if p.CgroupLeft != probe.Unlimited {
			p.CgroupLeft -= min(p.CgroupLeft, granted)
		}
	}
	if p.AddressSpaceLeft != probe.Unlimited {
		p.AddressSpaceLeft -= min(p.AddressSpaceLeft, mapped)
	}
	first, err := s.firstNeed(ctx, params, !free.ubatch, weights, p)
	if err != nil {
		return need{}, nil, err
	}
	if s.weights.mode == LoadStock { // checks the KV cache only, which the engine clears and so touches
		refused := roomFor(memory.Parts{}.With(memory.PurposeKV, first.bytes(llama.PurposeKV)), p)
		if refused == nil {
			return first, nil, nil
		}
		refused.Remedies = s.remedies(ctx, refused, first.params, 0, p)
		return need{}, nil, sessionError(refused, params)
	}
	refused := s.roomForBoth(weights, first, p)
	if refused == nil {
		return first, nil, nil
	}
	if free.nothing {
		return need{}, nil, sessionError(refused, params)
	}
	for _, c := range lowered(first.params, free) {
		if err := ctx.Err(); err != nil {
			return need{}, nil, err
		}
		n, err := s.measure(c, !free.ubatch)
		if err == nil && s.roomForBoth(weights, n, p) == nil {
			n.why, n.short = first.why, first.short
			return n, s.lowerings(first, n, refused), nil
		}
	}
	refused.Remedies = s.remedies(ctx, refused, first.params, weights, p)
	return need{}, nil, sessionError(refused, params)
}

// roomForBoth returns nil if weights and session fit together, and the error otherwise.
func (s *sizer) roomForBoth(weights uint64, n need, p probe.Probe) *memory.Error {
	parts := append(memory.Parts{}.With(memory.PurposeWeights, weights), n.parts()...)
	if s.config.pool == nil {
		available, _ := p.Available()
		least := spare(available, weights, weights+n.allBlocks())
		if s.busy() { // open sessions must not become slower
			least = max(least, engineReserve)
		}
		parts = parts.Plus(memory.Parts{}.With(memory.PurposeOther, least))
	}
	return s.roomFor(parts, p)
}

// inBudget returns nil if copied weights and a session leave the process within the memory budget that
// was asked for, and the error otherwise. Mapped weights keep it by streaming; see budget.
func (s *sizer) inBudget(parts memory.Parts) *memory.Error {
	base, _, err := baseMemory()
	if s.weights.mode != LoadCopy || !s.config.asksBudget() || s.config.pool != nil || err != nil {
		return nil
	}
	if parts.Of(memory.PurposeWeights) == 0 { // the spare memory is for what a load takes besides
		parts = parts.Minus(memory.Parts{}.With(memory.PurposeOther, parts.Of(memory.PurposeOther)))
	}
	parts = parts.Plus(memory.Parts{}.With(memory.PurposeOther, base+memory.Unused()))
	if parts.Total() <= s.config.maxMemory {
		return nil
	}
	return parts.Short(s.config.maxMemory, probe.LimitBudget)
}

// asksBudget reports whether the options have a memory budget.
func (c *config) asksBudget() bool { return c.maxMemory != 0 && c.maxMemory != MaxMemoryOff }

// spare returns how many bytes have to stay free if total bytes are taken, of which weights
// are copied weights.
func spare(available, weights, total uint64) uint64 {
	n := min(engineReserve, available/4) // threads, the engine's heap, Go's heap
	if weights > 0 {                     // a copy of the last free page would evict the pages of others
		n = max(n, min(reserve(available), total/8))
	}
	return n
}

// roomFor returns nil if there is enough private memory, in the pool or in the system, and
// the error otherwise. PurposeOther is never taken from a pool.
func (s *sizer) roomFor(parts memory.Parts, p probe.Probe) *memory.Error {
	refused := roomFor(parts, p)
	if s.config.pool == nil {
		if refused == nil {
			refused = s.inBudget(parts)
		}
		return refused
	}
	st := s.config.pool.Stats()
	inPool := parts.Minus(memory.Parts{}.With(memory.PurposeOther, parts.Of(memory.PurposeOther)))
	if inPool.Total() <= st.Free {
		return refused // the pool's memory may not be in RAM yet
	}
	return inPool.Short(st.Free, probe.LimitPool)
}

// leftOpen tells which parameters may be lowered: those that the caller did not set.
type leftOpen struct {
	context, cache, ubatch bool
	nothing                bool // none of them: the weights can be mapped instead
}

func openValues(o SessionOptions) leftOpen {
	return leftOpen{
		context: o.Context == 0,
		cache:   o.CacheTypeK == "" && o.CacheTypeV == "" && o.FlashAttention != llama.FlashOff,
		ubatch:  o.UBatch == 0 && !o.Embeddings,
	}
}

// lowered lists lower parameters, those with the least loss first: one parameter alone,
// beginning with the context, then several together.
func lowered(p llama.ContextParams, free leftOpen) []llama.ContextParams {
	var list []llama.ContextParams
	contexts := func(p llama.ContextParams) {
		for c := p.Ctx / 2; free.context && c >= leastContext; c /= 2 {
			q := p
			q.Ctx, q.Batch = c, min(p.Batch, c)
			q.UBatch = min(p.UBatch, q.Batch)
			list = append(list, q)
		}
	}
	cache := func(p llama.ContextParams, t string) llama.ContextParams {
		if free.cache {
			p.CacheTypeK, p.CacheTypeV = t, t
		}
		return p
	}
	contexts(p)
	if free.cache {
		list = append(list, cache(p, "q8_0"))
	}
	for u := p.UBatch / 2; free.ubatch && u >= leastUBatch; u /= 2 {
		q := p
		q.UBatch = u
		list = append(list, q)
	}
	for _, t := range []string{"q8_0", "q4_0"} {
		q := cache(p, t)
		if free.ubatch {
			q.UBatch = min(q.UBatch, leastUBatch)
		}
		list = append(list, q)
		contexts(q)
	}
	return list
}

// lowerings returns an adjustment for each parameter that is lower in n than in first.
func (s *sizer) lowerings(first, n need, why *memory.Error) (list []Adjustment) {
	note := func(kind AdjustmentKind, format string, args ...any) {
		a := Adjustment{kind, fmt.Sprintf(format, args...), why}
		list = append(list, a)
		s.config.log("lowered", "what", a.String())
	}
	if n.params.Ctx != first.params.Ctx {
		note(AdjustedContext, "context lowered from %d to %d tokens", first.params.Ctx, n.params.Ctx)
	}
	if n.params.CacheTypeK != first.params.CacheTypeK {
		note(AdjustedCache, "KV cache lowered from %s to %s", cacheName(first.params.CacheTypeK), n.params.CacheTypeK)
	}
	if n.params.UBatch < min(first.params.UBatch, n.params.Ctx) {
		note(AdjustedUBatch, "micro-batch lowered from %d to %d tokens", first.params.UBatch, n.params.UBatch)
	}
	return list
}

// AdjustmentKind is the subject of an [Adjustment].
type AdjustmentKind string

// Kinds of adjustments.
const (
	AdjustedContext  AdjustmentKind = "context"
	AdjustedCache    AdjustmentKind = "cache"      // the type of the KV cache
	AdjustedUBatch   AdjustmentKind = "ubatch"     // the micro-batch
	AdjustedPageFile AdjustmentKind = "page_file"  // page files have to grow; nothing was lowered
	AdjustedModel    AdjustmentKind = "model"      // a fallback was opened instead
	AdjustedLayers   AdjustmentKind = "gpu_layers" // fewer layers are on devices
)

// Adjustment is a difference from the defaults that [Open] or [Model.NewSession] chose because
// there was not enough memory. As text, and in JSON, it is one line with the reason.
type Adjustment struct {
	Kind AdjustmentKind
	// What was done, without the reason: "context lowered from 4096 to 2048 tokens".
	What string
	// Err is the reason. With AdjustedModel it is the error of opening the model, which wraps
	// a [*memory.Error] with remedies. Otherwise it is a *memory.Error with the memory for
	// the default and the limit that it exceeds, or with AdjustedLayers [ErrNoDevice].
	Err error
}

// String returns What and the reason on one line.
func (a Adjustment) String() string {
	switch {
	case a.Err == nil:
		return a.What
	case a.Kind == AdjustedModel:
		return a.What + " " + a.Err.Error()
	}
	return a.What + ": " + shortReason(a.Err)
}

// MarshalText returns the same text as String.
func (a Adjustment) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// passedOver returns an adjustment for each model that was tried before the open one.
func passedOver(rungs []Rung) (list []Adjustment) {
	for _, r := range rungs {
		list = append(list, Adjustment{AdjustedModel, "passed over", r.Err})
	}
	return list
}

// shortReason returns an error's text, a *memory.Error's without its remedies.
func shortReason(err error) string {
	var e *memory.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	return fmt.Sprintf("%s needed, %s left (%s)", words.Size(e.Requested), words.Size(e.Available), e.Limit)
}

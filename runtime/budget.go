package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/loader/residency"
)

// MaxMemoryOff as [Options].MaxMemory means no budget: the system decides which pages stay
// in memory.
const MaxMemoryOff = math.MaxUint64

// budget limits the resident bytes of a model with mapped weights, while sessions are opened
// and closed.
type budget struct {
	passes
	of      *weights
	tensors []llama.Weight
	auto    bool // shrinks when the system is short of memory

	following sync.Mutex
	checked   time.Time
	pressure  *probe.Pressure // nil unless auto
	urgent    atomic.Bool     // the budget is too large
	reporting sync.Mutex
	deaf      time.Time     // until then reports of the kernel are ignored
	resting   atomic.Bool   // slots are offered, and nothing has been evaluated since
	used      chan struct{} // gets a value at the end of a rest

	base uint64 // memory of the engine and the process
	anon uint64 // its anonymous part in RAM when the budget began

	mu sync.Mutex
	budgetFigures
}

// budgetFigures are what a change of a budget changes.
type budgetFigures struct {
	total    uint64       // the limit: weights, sessions, engine and process
	planned  memory.Parts // memory of the planned session
	sessions memory.Parts // memory of the open sessions

	plannedUBatch, ubatches int // tokens: micro-batch of the planned session, and of all open ones

	batches int // that are open
}

// budgetSlack is for memory that the ledger does not count: page tables, small buffers, threads.
const budgetSlack = 8 << 20

// maxMemory returns the budget in bytes, and whether the model needs one with the planned
// session.
func (w *weights) maxMemory(planned memory.Parts, p probe.Probe) (total uint64, wanted bool) {
	asked := w.config.maxMemory
	switch {
	case w.mode != LoadMMap || asked == MaxMemoryOff:
		return 0, false
	case asked > 0:
		return asked, true
	}
	process, err := probe.ProcessMemory()
	if err != nil {
		return 0, false
	}
	total = automatic(p, process.Anon)
	return total, w.plan.Bytes+planned.Total()+process.Anon+process.File+budgetSlack > total
}

// automatic returns a budget that leaves the system some memory. own is what the budget
// covers and is in RAM already, without mapped weights.
func automatic(p probe.Probe, own uint64) uint64 {
	total := mayReside(p) + own
	return total - min(total, max(16<<20, total/32))
}

// mayReside returns how many more bytes may be in RAM. Only RAM and the control group limit
// mappings: they count neither as commit nor as data segment.
func mayReside(p probe.Probe) uint64 { return min(p.RAMAvailable, p.CgroupLeft) }

// startBudget starts to enforce the budget. If all weights fit, nothing is streamed.
func (w *weights) startBudget(ctx context.Context, ws []llama.Weight, planned fitted, total uint64, auto bool) error {
	base, anon, err := baseMemory()
	if err != nil {
		return err
	}
	b := &budget{of: w, tensors: ws, auto: auto, used: make(chan struct{}, 1), base: base, anon: anon}
	b.budgetFigures = budgetFigures{total: total, planned: planned.planned, plannedUBatch: planned.ubatch}
	r, err := residency.New(ctx, residency.Options{Weights: w.memory, Plan: w.plan, Budget: b.forWeights(), Arena: w.arena, MicroBatch: planned.ubatch})
	if err != nil {
		return b.tooSmall(err)
	}
	b.passes = newPasses(r)
	if w.budget = b; auto {
		b.pressure = probe.WatchPressure()
		b.reading = b.notice
	}
	st := b.residency.Stats()
	w.config.log("keeping a memory budget", "total", total, "weights", b.forWeights(), "streamed_layers", st.Streamed, "of", st.Layers, "by", st.Method)
	return b.place()
}

// processMemory is replaced by tests.
var processMemory = probe.ProcessMemory

// baseMemory returns what the process has in memory before the weights, plus some slack, and
// the anonymous part of it.
func baseMemory() (base, anon uint64, err error) {
	process, err := processMemory()
	return process.Anon + process.File + budgetSlack, process.Anon, err
}

// others returns the memory that is not weights.
func (b *budget) others() uint64 { return b.base + b.ofSessions().Total() }

// ofSessions returns the memory for sessions: at least that of the planned session, if no batch is open.
func (b *budget) ofSessions() memory.Parts {
	if b.batches == 0 && b.planned.Total() > b.sessions.Total() {
		return b.planned
	}
	return b.sessions
}

// place tells the engine the addresses of streamed tensors. No pass may be running.
func (b *budget) place() error {
	for i, w := range b.tensors {
		if w.Kind == llama.WeightDevice {
			continue
		}
		layer, slot := b.residency.Slot(b.of.placeOf(w))
		if err := b.of.native.Stream(i, max(layer, 0), slot); err != nil {
			return err
		}
		if err := b.placeExperts(i, w); err != nil {
			return err
		}
	}
	return nil
}

// placeExperts tells the engine the addresses of an expert tensor's slots, if it has slots.
func (b *budget) placeExperts(i int, w llama.Weight) error {
	layer, base, stride, slots := b.residency.Experts().Slots(b.of.placeOf(w))
	return b.of.native.StreamExperts(i, max(layer, 0), base, uintptr(stride), slots)
}

func useBudget(least uint64) memory.Remedy {
	const unit = 1 << 20 // rounded up, as messages show rounded sizes
	return memory.Remedy{Kind: memory.RemedyBudget, Bytes: (least + unit - 1) / unit * unit}
}

// leastBudget returns what the smallest budget has to cover. base is the memory of the engine
// and the process.
func leastBudget(weights uint64, sessions memory.Parts, base uint64) memory.Parts {
	return memory.Parts{}.With(memory.PurposeWeights, weights).Plus(sessions).Plus(memory.Parts{}.With(memory.PurposeOther, base))
}

// tooSmall turns an error about the weights' part of the budget into one about the whole budget.
func (b *budget) tooSmall(err error) error {
	var e *memory.Error
	if !errors.As(err, &e) || e.Limit != probe.LimitBudget {
		return err
	}
	all := leastBudget(e.Requested, b.ofSessions(), b.base).Short(b.total, probe.LimitBudget)
	for _, r := range e.Remedies {
		if r.Kind == memory.RemedyBudget {
			r = useBudget(all.Requested)
		}
		all.Remedies = append(all.Remedies, r)
	}
	return all
}

// forWeights returns the budget less the memory of sessions, engine and process.
func (b *budget) forWeights() uint64 {
	return b.total - min(b.total, b.others())
}

// change applies f to the budget's figures and chooses again what is streamed. It waits until
// no pass is running. If it fails, or ctx ends first, the figures are unchanged.
func (b *budget) change(ctx context.Context, f func(*budget)) error {
	if b == nil {
		return nil
	}
	if err := b.gate.Acquire(ctx, mostPasses); err != nil {
		return err
	}
	defer b.gate.Release(mostPasses)
	b.mu.Lock()
	was := b.budgetFigures
	f(b)
	weights, tokens := b.forWeights(), b.ubatches
	if b.batches == 0 {
		tokens = max(tokens, b.plannedUBatch)
	}
	b.mu.Unlock()
	err := b.residency.SetBudget(context.Background(), weights, tokens)
	if placed := b.place(); placed != nil { // after an error too, slots may have moved
		return errors.Join(err, placed)
	}
	if err == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.tooSmall(err)
	b.budgetFigures = was
	return err
}

// take counts a session. While a batch is open, no planned session is counted beside it: the batch is what
// the program needs.
func (b *budget) take(ctx context.Context, n need) error {
	return b.change(ctx, func(b *budget) {
		b.sessions, b.ubatches = b.sessions.Plus(n.touched()), b.ubatches+n.ubatch
		if n.isBatch() {
			b.batches++
		}
	})
}

// giveBack ends what take has begun.
func (b *budget) giveBack(n need) {
	less := func(b *budget) {
		b.sessions, b.ubatches = b.sessions.Minus(n.touched()), b.ubatches-n.ubatch
		if n.isBatch() {
			b.batches--
		}
	}
	if b.change(context.Background(), less) != nil { // there is no more room for the planned session
		_ = b.change(context.Background(), func(b *budget) {
			less(b)
			b.planned, b.plannedUBatch = nil, 0
		})
	}
}

// countOutputs counts what n outputs of an evaluation take of the model's budget, until the session ends. A
// budget without room for them is a *memory.Error.
func (s *Session) countOutputs(ctx context.Context, n int) error {
	b := s.model.weights.budget
	if b == nil || s.counts == nil || s.embeds || n <= max(s.counts.params.Outputs, 1) {
		return nil
	}
	p := s.counts.params
	p.Outputs = n
	more, err := s.model.measure(p, true)
	if err != nil {
		return err
	}
	err = b.change(ctx, func(b *budget) { b.sessions = b.sessions.Minus(s.counts.touched()).Plus(more.touched()) })
	if err == nil {
		s.counts = &more
	}
	return err
}

// newPass returns the pass of a session, nil without a budget.
func (b *budget) newPass() *pass {
	if b == nil {
		return nil
	}
	return b.passes.newPass()
}

// report returns the budget in bytes and the statistics, 0 and nil without a budget.
func (b *budget) report() (uint64, *residency.Stats) {
	if b == nil {
		return 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.residency.Stats()
	return b.total, &st
}

func (b *budget) close() {
	if b != nil {
		if b.pressure != nil {
			b.pressure.Close()
		}
		b.residency.Close()
	}
}

// SetMaxMemory changes how many bytes the model may keep resident: weights, KV caches and
// buffers together, as [Options].MaxMemory. 0 and MaxMemoryOff mean no limit. It takes effect
// between two passes over the layers, and waits for the running ones until ctx ends.
//
// A model that was opened without a budget refuses it with [ErrOption]. A budget that is too
// small for any pass is a *memory.Error. After an error the budget is unchanged.
func (m *Model) SetMaxMemory(ctx context.Context, bytes uint64) error {
	if err := m.acquire(); err != nil {
		return err
	}
	defer m.release(nil)
	if m.weights.budget == nil {
		return optionError("memory budget", "", "the model has no memory budget to change: set Options.MaxMemory when opening it")
	}
	if bytes == 0 || bytes == MaxMemoryOff {
		bytes = math.MaxUint64
	}
	if err := m.weights.budget.change(ctx, func(b *budget) { b.total = bytes }); err != nil {
		return fmt.Errorf("memory budget of %s: %w", words.Size(bytes), err)
	}
	return nil
}

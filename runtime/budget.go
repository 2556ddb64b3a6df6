package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/loader/residency"
)

// MaxMemoryOff as [Options].MaxMemory leaves what stays in memory to the system.
const MaxMemoryOff = math.MaxUint64

// budget keeps a model's mapped weights within what it may keep resident, while sessions
// come and go.
type budget struct {
	passes
	of      *weights
	tensors []llama.Weight
	auto    bool // follows what the system leaves

	following sync.Mutex
	checked   time.Time
	pressure  *probe.Pressure // nil but for auto

	mu       sync.Mutex
	total    uint64       // weights, sessions and what the engine has beside them
	base     uint64       // of the engine and the process
	anon     uint64       // of that: what was in RAM at the beginning
	planned  memory.Parts // of the session that was planned for
	sessions memory.Parts // of those that there are
}

// budgetSlack is for what is not accounted for: page tables, small buffers, threads.
const budgetSlack = 8 << 20

// maxMemory is the budget in bytes, and whether one is needed beside a session of so much.
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

// automatic is a budget that leaves the system something. own is what is in RAM already of
// what the budget is for; mapped weights are not counted there.
func automatic(p probe.Probe, own uint64) uint64 {
	total := mayReside(p) + own
	return total - min(total, max(16<<20, total/32))
}

// mayReside is how much more may be in RAM. Other limits do not count: what is mapped is
// neither committed nor data.
func mayReside(p probe.Probe) uint64 { return min(p.RAMAvailable, p.CgroupLeft) }

// startBudget begins to keep the budget. Where all fits, it costs nothing.
func (w *weights) startBudget(ctx context.Context, ws []llama.Weight, planned memory.Parts, total uint64, auto bool) error {
	base, anon, err := baseMemory()
	if err != nil {
		return err
	}
	b := &budget{of: w, tensors: ws, auto: auto, total: total, base: base, anon: anon, planned: planned}
	r, err := residency.New(ctx, residency.Options{Weights: w.memory, Plan: w.plan, Budget: b.forWeights(), Arena: w.arena})
	if err != nil {
		return b.tooSmall(err)
	}
	b.passes = newPasses(r)
	if w.budget = b; auto {
		b.pressure = probe.WatchPressure()
	}
	st := b.residency.Stats()
	w.config.log("keeping a memory budget", "total", total, "weights", b.forWeights(), "streamed_layers", st.Streamed, "of", st.Layers, "by", st.Method)
	return b.place()
}

// baseMemory is what the process has in memory before the weights, with some slack, and how
// much of it is its own.
func baseMemory() (base, anon uint64, err error) {
	process, err := probe.ProcessMemory()
	return process.Anon + process.File + budgetSlack, process.Anon, err
}

// others is what is in memory beside the weights.
func (b *budget) others() uint64 { return b.base + b.ofSessions().Total() }

// ofSessions is what is kept for sessions: the one that was planned for, at least.
func (b *budget) ofSessions() memory.Parts {
	if b.planned.Total() > b.sessions.Total() {
		return b.planned
	}
	return b.sessions
}

// place tells the engine where streamed tensors are. There is no pass.
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

func useBudget(least uint64) memory.Remedy {
	const unit = 1 << 20 // sizes are shown rounded
	return memory.Remedy{Kind: memory.RemedyBudget, Bytes: (least + unit - 1) / unit * unit}
}

// leastBudget is what a budget has to be enough for: base is of the engine and the process.
func leastBudget(weights uint64, sessions memory.Parts, base uint64) memory.Parts {
	parts := memory.Parts{}.With(memory.PurposeWeights, weights)
	return append(parts, sessions...).With(memory.PurposeOther, base)
}

// tooSmall makes an error about what weights have of the budget one about the budget.
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

// forWeights is what sessions and engine leave of the budget.
func (b *budget) forWeights() uint64 {
	return b.total - min(b.total, b.others())
}

// change applies f to the figures and divides the budget anew, when no pass is on. Where
// that fails, or ctx ends before, the figures are as they were.
func (b *budget) change(ctx context.Context, f func(*budget)) error {
	if b == nil {
		return nil
	}
	if err := b.gate.Acquire(ctx, mostPasses); err != nil {
		return err
	}
	defer b.gate.Release(mostPasses)
	b.mu.Lock()
	total, sessions := b.total, b.sessions
	f(b)
	weights := b.forWeights()
	b.mu.Unlock()
	err := b.residency.SetBudget(context.Background(), weights)
	if placed := b.place(); placed != nil { // after an error too
		return errors.Join(err, placed)
	}
	if err == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err = b.tooSmall(err)
	b.total, b.sessions = total, sessions
	return err
}

// newPass is what a session's decoding takes its turns with, nil without a budget.
func (b *budget) newPass() *pass {
	if b == nil {
		return nil
	}
	return b.passes.newPass()
}

// followPeriod is how often an automatic budget looks at what the system leaves.
const followPeriod = time.Second

// follow shrinks an automatic budget when the system has little left, before it kills.
func (b *budget) follow() {
	if b == nil || !b.auto {
		return
	}
	if !b.following.TryLock() {
		return // another session does
	}
	defer b.following.Unlock()
	if time.Since(b.checked) < followPeriod {
		return
	}
	b.checked = time.Now()
	p, err := probe.Measure()
	if err != nil {
		return
	}
	private := b.residency.Stats().Private
	b.mu.Lock()
	total := min(b.total, automatic(p, b.anon+b.sessions.Total()+private))
	if total == b.total && b.pressure.High() {
		total -= total / 16
	}
	less := total < b.total-b.total/64 // not for every page that somebody takes
	b.mu.Unlock()
	if less {
		_ = b.change(context.Background(), func(b *budget) { b.total = total }) // the least is kept where it can't be
	}
}

// report is the budget in force, and the figures.
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
// buffers together, as [Options].MaxMemory, which has to have been set when the model was
// opened. It takes effect between two passes over the layers, for which it waits until ctx ends.
// Where the budget is too small for what no pass can do without, the error is a
// *memory.Error. After an error nothing has changed.
func (m *Model) SetMaxMemory(ctx context.Context, bytes uint64) error {
	if err := m.acquire(); err != nil {
		return err
	}
	defer m.release(nil)
	if m.weights.budget == nil {
		return optionError("a model opened without a memory budget (Options.MaxMemory) can't be given one")
	}
	if bytes == 0 || bytes == MaxMemoryOff {
		bytes = math.MaxUint64
	}
	if err := m.weights.budget.change(ctx, func(b *budget) { b.total = bytes }); err != nil {
		return fmt.Errorf("memory budget of %s: %w", words.Size(bytes), err)
	}
	return nil
}

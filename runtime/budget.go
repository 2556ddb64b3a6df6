package runtime

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/loader"
)

// MaxMemoryOff as [Options].MaxMemory leaves what stays in memory to the system.
const MaxMemoryOff = math.MaxUint64

// budget keeps a model's mapped weights within what it may keep resident, while sessions
// come and go.
type budget struct {
	residency *loader.Residency
	auto      bool          // follows what the system leaves
	pass      chan struct{} // holds one value while a pass is on: passes take turns

	mu       sync.Mutex
	total    uint64 // weights, sessions and what the engine has beside them
	base     uint64 // of the engine and the process
	planned  uint64 // of the session that was planned for
	sessions uint64 // of those that there are
	checked  time.Time
}

// budgetSlack is for what is not accounted for: page tables, small buffers, threads.
const budgetSlack = 8 << 20

// maxMemory is the budget in bytes, and whether one is needed.
func (m *Model) maxMemory(o Options, p loader.Probe) (total uint64, wanted bool) {
	switch {
	case m.mode != LoadMMap || o.MaxMemory == MaxMemoryOff:
		return 0, false
	case o.MaxMemory > 0:
		return o.MaxMemory, true
	}
	process, err := loader.ProcessMemory()
	if err != nil {
		return 0, false
	}
	// What the process has is in the control group already.
	total = mayReside(p) + process.Anon
	total -= min(total, max(16<<20, total/32))
	return total, m.plan.Bytes+m.planned+process.Anon+budgetSlack > total
}

// mayReside is how much more may be in RAM. Other limits do not count: what is mapped is
// neither committed nor data.
func mayReside(p loader.Probe) uint64 { return min(p.RAMAvailable, p.CgroupLeft) }

// startBudget begins to keep the budget. Where all fits, it costs nothing.
func (m *Model) startBudget(ctx context.Context, total uint64, auto bool) error {
	process, err := loader.ProcessMemory()
	if err != nil {
		return err
	}
	b := &budget{auto: auto, total: total, base: process.Anon + budgetSlack, planned: m.planned, pass: make(chan struct{}, 1)}
	if b.residency, err = loader.NewResidency(ctx, m.weights, m.plan, b.forWeights()); err != nil {
		return err
	}
	m.budget = b
	m.log("keeping a memory budget", "total", total, "weights", b.forWeights(), "streamed_layers", b.residency.Stats().Streamed)
	return nil
}

// forWeights is what sessions and engine leave of the budget.
func (b *budget) forWeights() uint64 {
	other := b.base + max(b.planned, b.sessions)
	return b.total - min(b.total, other)
}

// change applies f to the figures and divides the budget anew. Where that fails, the
// figures are as they were.
func (b *budget) change(f func(*budget)) error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	total, sessions := b.total, b.sessions
	f(b)
	if err := b.residency.SetBudget(b.forWeights()); err != nil {
		b.total, b.sessions = total, sessions
		return err
	}
	return nil
}

// enter waits for the turn of a pass: two at once would stream against each other.
func (b *budget) enter(ctx context.Context) error {
	if b == nil {
		return nil
	}
	select {
	case b.pass <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *budget) leave() {
	if b != nil {
		<-b.pass
	}
}

// BeforeLayer and AfterLayer are the engine's word of where it is.
func (b *budget) BeforeLayer(layer int) (stop bool) {
	first := b.residency.First()
	b.residency.Before(layer)
	// What stays is computed by itself, while the first that does not is read.
	return layer >= first-1 && first < b.residency.Stats().Layers
}

func (b *budget) AfterLayer(layer int) {
	b.residency.After(layer)
	if b.auto && layer == b.residency.Stats().Layers-1 {
		b.follow()
	}
}

// followPeriod is how often an automatic budget looks at what the system leaves.
const followPeriod = time.Second

// follow shrinks an automatic budget when the system has little left, before it kills.
func (b *budget) follow() {
	b.mu.Lock()
	due := time.Since(b.checked) >= followPeriod
	if due {
		b.checked = time.Now()
	}
	b.mu.Unlock()
	if !due {
		return
	}
	p, err := loader.Measure()
	if err != nil {
		return
	}
	if mayReside(p) < b.total/64 {
		_ = b.change(func(b *budget) { b.total -= b.total / 16 }) // the least is kept where it can't be
	}
}

// report is the budget in force, and the figures.
func (b *budget) report() (uint64, *loader.ResidencyStats) {
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
		b.residency.Close()
	}
}

// SetMaxMemory changes how many bytes the model may keep resident: weights, KV caches and
// buffers together, as [Options].MaxMemory, which has to have been set when the model was
// opened. It takes effect between two layers of what is computed. Where the budget is too
// small for what no pass can do without, the error is a *loader.MemoryError and nothing
// has changed.
func (m *Model) SetMaxMemory(bytes uint64) error {
	if err := m.acquire(); err != nil {
		return err
	}
	defer m.release(nil)
	if m.budget == nil {
		return optionError("a model opened without a memory budget (Options.MaxMemory) can't be given one")
	}
	if bytes == 0 || bytes == MaxMemoryOff {
		bytes = math.MaxUint64
	}
	if err := m.budget.change(func(b *budget) { b.total = bytes }); err != nil {
		return fmt.Errorf("memory budget of %s: %w", loader.Size(bytes), err)
	}
	return nil
}

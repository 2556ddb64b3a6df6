package runtime

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/runtime/internal/idle"
	"github.com/seed7adf6694/infer/runtime/internal/peak"
	"github.com/seed7adf6694/infer/runtime/internal/threads"
)

// Model is an open model, with weights and vocabulary. It is safe for concurrent use.
type Model struct {
	path string
	sizer
	fitted
	warnings []string // of the file

	loadDuration time.Duration

	tuners   threadTuners
	activity idle.Activity
	packing  *idle.Work // nil if no packed file is made
	giving   *idle.Work // nil without an automatic budget

	mu       sync.Mutex
	users    int
	closed   bool
	sessions map[*Session]struct{}

	statsMu sync.Mutex
	peak    *peak.Peak
}

// newModel makes a model that owns the weights. After an error the caller still owns them.
func newModel(w *weights) (*Model, error) {
	threads.Computing().Load() // starts the period that the first evaluation measures
	z, err := newSizer(w)
	if err != nil {
		return nil, err
	}
	m := &Model{path: w.path, sizer: z, warnings: w.index.Warnings(), tuners: newThreadTuners(), sessions: map[*Session]struct{}{}, peak: peak.New()}
	m.busy = m.inUse
	return m, nil
}

// Close closes the model's sessions and frees all memory, at the latest when the last running
// call on the model or a session returns. Closing twice is safe.
func (m *Model) Close() error {
	m.mu.Lock()
	m.closed = true
	var open []*Session
	for s := range m.sessions {
		open = append(open, s)
	}
	m.users++ // until the sessions are closed
	m.mu.Unlock()
	m.packing.Stop()
	m.giving.Stop()
	for _, s := range open {
		s.Close()
	}
	m.release(nil)
	return nil
}

// acquire begins a use of the model, which keeps it from being freed.
func (m *Model) acquire() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("model: %w", ErrClosed)
	}
	m.users++
	return nil
}

// adopt extends the use that acquire began to the session's life.
func (m *Model) adopt(s *Session) {
	m.mu.Lock()
	closed := m.closed
	m.sessions[s] = struct{}{}
	m.mu.Unlock()
	if closed { // while the session was made
		s.Close()
	}
}

// inUse reports whether the model has open sessions.
func (m *Model) inUse() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sessions) > 0
}

// release ends the use of a session, or of a call (nil). The last one frees a closed model.
func (m *Model) release(s *Session) {
	m.mu.Lock()
	delete(m.sessions, s)
	m.users--
	free := m.closed && m.users == 0
	m.mu.Unlock()
	if free {
		m.weights.close()
	}
}

// Report returns what the model takes now. On a closed model, sizes by purpose are those at
// its end.
func (m *Model) Report() Report {
	m.peak.SampleNow()
	m.activity.Weights.RLock()
	defer m.activity.Weights.RUnlock()
	w := m.weights
	r := Report{
		Path: m.path, Architecture: m.info.Architecture, Description: m.info.Description, Parameters: m.info.Params,
		LoadMode: w.mode, LoadReason: w.reason, Repacked: w.repacked, Packed: w.packedBytes,
		Chunks: len(w.plan.Chunks), ChunkSize: w.chunkSize, WeightBytes: w.weightBytes,
		LargestTensor: w.plan.LargestTensor, LargestTensorName: w.plan.LargestTensorName, Adjusted: m.adjusted, Warnings: m.warnings,
		FlashAttention: m.flash, FlashReason: m.flashWhy,
		GPULayers: min(w.config.gpuLayers, w.layers), Devices: w.devices.Snapshot(), Memory: w.ledger.Snapshot(), LoadDuration: m.loadDuration,
	}
	r.Budget, r.Residency = w.budget.report()
	if x := r.Residency; x != nil && x.Experts != nil {
		r.Warnings = append(slices.Clip(r.Warnings), warnFewExperts(x.Experts.Slots, x.Experts.Experts, x.Experts.PerToken)...)
	}
	r.LargestAllocation = r.Memory.Total.LargestAllocation
	r.LargestRange = r.Memory.Total.LargestRange
	if w.mode == LoadStock { // the engine maps each file whole
		r.Chunks = len(w.files)
		for _, f := range w.files {
			r.LargestAllocation = max(r.LargestAllocation, wholeUnits(uint64(f.Size)))
		}
		r.LargestRange = r.LargestAllocation
	}
	seen := m.peak.Figures()
	r.Process = seen.Now
	r.PeakRSS, r.PeakAnon, r.PeakFile = seen.RSS, seen.Anon, seen.File
	return r
}

package runtime

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Model is an open model: its weights and vocabulary. It is safe for concurrent use.
type Model struct {
	path      string
	index     *gguf.Index
	plan      *loader.Plan
	files     []gguf.FileInfo
	native    *llama.Model
	info      llama.ModelInfo
	weights   *loader.Weights // nil for a stock load
	watches   []*llama.Mapped // of those
	extra     *memory.Arena   // repacked duplicates, adapters
	ledger    *memory.Ledger
	logger    *slog.Logger
	warnings  []string // of the index
	mode      LoadMode
	reason    string
	repacked  uint64
	packed    map[string]gguf.PackedTensor // nil but for packed files
	chunkSize uint64
	bos       llama.Token
	addsBOS   bool // the tokenizer, before a text
	eog       map[llama.Token]bool
	kv        kvShape
	adapters  []appliedAdapter
	pool      *memory.Pool
	budget    *budget              // nil where all weights may stay
	planned   memory.Parts         // bytes of the session that Open made room for
	defaults  SessionOptions       // of sessions that leave values open, where lowered
	flash     llama.FlashAttention // of the session that Open made room for
	flashWhy  string
	flashOn   bool         // memory was short for others
	offloads  bool         // layers go to GPUs
	lookup    bool         // generations will guess tokens
	most      uint64       // Options.MaxMemory
	adjusted  []Adjustment // what was lowered, and why

	largestTensor uint64
	packedBytes   uint64 // mapped in the layout of this CPU
	loadDuration  time.Duration

	tuners   threadTuners
	activity activity
	packing  *background      // nil where no packed file is made
	second   []unsafe.Pointer // blocks of m.extra with a second layout of copied tensors

	mu       sync.Mutex
	users    int
	closed   bool
	sessions map[*Session]struct{}

	statsMu sync.Mutex
	peak    memoryPeak
}

type appliedAdapter struct {
	native *llama.Adapter
	scale  float32
}

// Close closes the model's sessions and gives all memory back, at the latest when
// the last call on it or on a session returns. Closing twice is safe.
func (m *Model) Close() error {
	m.mu.Lock()
	m.closed = true
	var open []*Session
	for s := range m.sessions {
		open = append(open, s)
	}
	m.users++ // until the sessions are closed
	m.mu.Unlock()
	m.packing.stop()
	for _, s := range open {
		s.Close()
	}
	m.release(nil)
	return nil
}

// acquire begins a use of the model.
func (m *Model) acquire() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fmt.Errorf("model: %w", ErrClosed)
	}
	m.users++
	return nil
}

// adopt makes a use that acquire began last as long as the session.
func (m *Model) adopt(s *Session) {
	m.mu.Lock()
	closed := m.closed
	m.sessions[s] = struct{}{}
	m.mu.Unlock()
	if closed { // meanwhile
		s.Close()
	}
}

// inUse tells whether there are sessions.
func (m *Model) inUse() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sessions) > 0
}

// release ends a use, that of a session or of a call; the last one frees a closed
// model.
func (m *Model) release(s *Session) {
	m.mu.Lock()
	delete(m.sessions, s)
	m.users--
	free := m.closed && m.users == 0
	m.mu.Unlock()
	if free {
		m.free()
	}
}

// free gives everything back; the engine first, since its tensors point into the
// weights.
func (m *Model) free() {
	for _, a := range m.adapters {
		a.native.Close()
	}
	m.adapters = nil
	if m.native != nil {
		m.native.Close()
		m.native = nil
	}
	m.budget.close()
	for _, w := range m.watches {
		w.Close()
	}
	m.watches = nil
	if m.weights != nil {
		m.weights.Close()
		m.weights = nil
	}
	if m.extra != nil {
		m.extra.Close()
		m.extra = nil
	}
	if m.index != nil {
		m.index.Close()
		m.index = nil
	}
}

// changed returns an error when the model's files are not what was opened: the
// weights are mapped, so the engine would compute with other bytes, or fault.
func (m *Model) changed() error {
	if m.mode == LoadCopy {
		return nil
	}
	return m.index.Changed()
}

// lost returns an error when weights could not be read from the files: what was computed
// with them is nonsense.
func (m *Model) lost() error {
	lost := uint64(0)
	for _, w := range m.watches {
		lost += w.Lost()
	}
	if lost == 0 {
		return nil
	}
	if err := m.index.Changed(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %s of the weights could not be read from the disk: load it again", m.path, words.Size(lost))
}

func (m *Model) log(msg string, args ...any) {
	if m.logger != nil {
		m.logger.Info(msg, args...)
	}
}

func (m *Model) warn(msg string) {
	if m.logger != nil {
		m.logger.Warn(msg)
	}
}

// Report returns what the model takes. On a closed model the sizes by purpose are
// what they were.
func (m *Model) Report() Report {
	m.sampleMemoryNow()
	m.activity.weights.RLock()
	defer m.activity.weights.RUnlock()
	r := Report{
		Path: m.path, Architecture: m.info.Architecture, Description: m.info.Description, Parameters: m.info.Params,
		LoadMode: m.mode, LoadReason: m.reason, Repacked: m.repacked, Packed: m.packedBytes,
		Chunks: len(m.plan.Chunks), ChunkSize: m.chunkSize, WeightBytes: m.plan.Bytes,
		LargestTensor: m.plan.LargestTensor, LargestTensorName: m.plan.LargestTensorName, Adjusted: m.adjusted, Warnings: m.warnings,
		FlashAttention: m.flash, FlashReason: m.flashWhy,
		Memory: m.ledger.Snapshot(), LoadDuration: m.loadDuration,
	}
	r.Budget, r.Residency = m.budget.report()
	r.LargestAllocation = r.Memory.Total.LargestAllocation
	r.LargestRange = r.Memory.Total.LargestRange
	if m.mode == LoadStock { // the engine's own: a mapping a file, of all of it
		r.Chunks = len(m.files)
		for _, f := range m.files {
			r.LargestAllocation = max(r.LargestAllocation, wholeUnits(uint64(f.Size)))
		}
		r.LargestRange = r.LargestAllocation
	}
	m.statsMu.Lock()
	defer m.statsMu.Unlock()
	r.Process = m.peak.now
	r.PeakRSS, r.PeakAnon, r.PeakFile = m.peak.rss, m.peak.anon, m.peak.file
	return r
}

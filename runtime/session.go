package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Defaults of [SessionOptions], llama.cpp's but for the context.
const (
	defaultContext = 4096
	defaultBatch   = 2048
	defaultUBatch  = 512
	maxContext     = 1 << 24
	trained        = -1 // as a context: what the model was trained with
)

// Session is a text being generated: a KV cache and compute buffers over a model's
// weights. Sessions of one model run concurrently; a session does one thing at a time,
// and a call during another returns [ErrBusy]. Close may be called at any time.
type Session struct {
	model    *Model
	arena    *memory.Arena
	ctx      *llama.Context
	batch    *llama.Batch
	context  int // tokens that it takes: what was asked for, the engine rounds it up
	ubatch   int
	seat     threadSeat
	embeds   bool
	ranks    bool // by a classifier
	flash    llama.FlashAttention
	pass     *pass        // nil without a memory budget
	counts   memory.Parts // that the model's budget counts for it
	adjusted []Adjustment // what was lowered for it

	threads, batchThreads int // as asked for; 0: chosen for each evaluation

	closing, freed atomic.Bool
	life           context.Context // ended by Close
	end            context.CancelFunc

	mu      sync.Mutex    // held by the call that runs
	tokens  []llama.Token // what the context holds, by position
	tail    []llama.Token // generated last, not in the context yet
	ids     []llama.Token // that Evaluate was given last
	counted bool          // the call, in the model's activity
	stats   Stats         // guarded by the model's statsMu
}

// NewSession makes a session. Its memory is the model's arena's in kind, but its
// own: Close gives all of it back. It is refused ([ErrInsufficientMemory]) where there is not
// room for all of it beside what other sessions of the process have been granted, whether or
// not they have used it yet (on Linux; elsewhere what they use counts). With a memory budget it
// waits for passes over the layers that are on. A cancelled ctx stops it; it is not the session's.
func (m *Model) NewSession(ctx context.Context, o SessionOptions) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.acquire(); err != nil {
		return nil, err
	}
	made := false
	defer func() {
		if !made {
			m.release(nil)
		}
	}()
	s, err := m.newSession(ctx, o)
	if err != nil {
		return nil, err
	}
	made = true
	m.adopt(s)
	return s, nil
}

func (m *Model) newSession(ctx context.Context, o SessionOptions) (*Session, error) {
	m.activity.Begin()
	defer m.activity.End()
	// Refused before it is taken: private memory is granted before it is there, and the
	// process would be killed for it when it is first touched.
	n, notes, err := m.fitSession(ctx, m.withDefaults(o), openValues(o), 0, 0)
	if err != nil {
		return nil, err
	}
	s, err := m.makeSession(n.params, o)
	if err != nil {
		return nil, err
	}
	if err := m.weights.budget.change(ctx, func(b *budget) { b.sessions = b.sessions.Plus(n.parts()) }); err != nil {
		s.free()
		return nil, sessionError(err, n.params)
	}
	s.counts, s.adjusted = n.parts(), notes
	return s, nil
}

// withDefaults fills in what Open had to lower.
func (m *Model) withDefaults(o SessionOptions) SessionOptions {
	d := m.defaults
	if o.Context == 0 {
		o.Context = d.Context
	}
	if o.CacheTypeK == "" && o.CacheTypeV == "" {
		o.CacheTypeK, o.CacheTypeV = d.CacheTypeK, d.CacheTypeV
	}
	if o.UBatch == 0 && !o.Embeddings {
		o.UBatch = d.UBatch
	}
	return o
}

func (m *Model) makeSession(p llama.ContextParams, o SessionOptions) (*Session, error) {
	s := &Session{
		ranks:        o.Pooling == llama.PoolingRank || o.Pooling == llama.PoolingDefault && m.ranks(),
		model:        m,
		arena:        m.weights.newArena(m.maxRange(p)),
		embeds:       o.Embeddings,
		threads:      o.Threads,
		batchThreads: cmp.Or(o.BatchThreads, o.Threads),
	}
	s.life, s.end = context.WithCancel(context.Background())
	if m.weights.mode != LoadStock {
		p.Blocks = blocks{s.arena}
	}
	if s.pass = m.weights.budget.newPass(); s.pass != nil {
		p.Layers = s.pass
	}
	var err error
	if s.ctx, err = m.weights.native.NewContext(p); err != nil {
		s.arena.Close()
		return nil, sessionError(engineError(err), p)
	}
	for _, a := range m.weights.adapters {
		if err := s.ctx.ApplyAdapter(a.native, a.scale); err != nil {
			s.free()
			return nil, err
		}
	}
	if s.batch, err = llama.NewBatch(s.ctx.Batch(), 1); err != nil {
		s.free()
		return nil, err
	}
	s.ubatch = s.ctx.UBatch()
	s.context, s.flash = min(p.Ctx, s.ctx.Ctx()), m.flashAttention(p)
	s.stats = Stats{Context: s.context, UBatch: s.ubatch, FlashAttention: s.flash}
	return s, nil
}

// Close stops what runs on the session and frees it, at the latest when that call
// returns. Closing twice is safe.
func (s *Session) Close() error {
	s.closing.Store(true)
	s.end()
	s.ctx.Close() // makes a running call return
	if s.mu.TryLock() {
		s.unlock()
	}
	return nil
}

// free gives everything back, once. It tells whether it did.
func (s *Session) free() bool {
	if s.arena == nil {
		return false
	}
	s.end()
	s.ctx.Close()
	if s.batch != nil {
		s.batch.Close()
	}
	s.arena.Close()
	s.arena = nil
	_ = s.model.weights.budget.change(context.Background(), func(b *budget) { b.sessions = b.sessions.Minus(s.counts) }) // more room always fits
	s.freed.Store(true)
	return true
}

// lock begins a call.
func (s *Session) lock() error {
	if !s.mu.TryLock() {
		return ErrBusy
	}
	if s.arena == nil || s.closing.Load() {
		s.unlock()
		return fmt.Errorf("session: %w", ErrClosed)
	}
	s.counted = true
	s.model.activity.Begin()
	return nil
}

// unlock ends a call, and frees a session that was closed meanwhile: whoever sees
// the flag last does it.
func (s *Session) unlock() {
	for {
		if s.counted {
			s.counted = false
			s.ctx.RestThreads()
			s.model.activity.End()
		}
		freed := s.closing.Load() && s.free()
		s.mu.Unlock()
		if freed {
			s.model.release(s)
		}
		if !s.closing.Load() || s.freed.Load() || freed || !s.mu.TryLock() {
			return
		}
	}
}

// Reset forgets the text.
func (s *Session) Reset() error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.unlock()
	return s.reset()
}

func (s *Session) reset() error {
	s.tokens, s.tail = s.tokens[:0], s.tail[:0]
	return s.closedError(s.ctx.Clear())
}

// Stats returns the figures of the last generation, or of the one that runs up to
// its last token.
func (s *Session) Stats() Stats {
	s.model.statsMu.Lock()
	defer s.model.statsMu.Unlock()
	return s.stats
}

// Adjusted is what of the session's defaults was lowered because there was not enough
// memory when it was made; see [Report].Adjusted for what Open lowered.
func (s *Session) Adjusted() []Adjustment { return s.adjusted }

func (s *Session) updateStats(f func(*Stats)) {
	s.model.statsMu.Lock()
	defer s.model.statsMu.Unlock()
	f(&s.stats)
}

// closedError makes the engine's word for closed this package's.
func (s *Session) closedError(err error) error {
	if errors.Is(err, llama.ErrClosed) {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	return err
}

// eval puts tokens at the end of the text, in micro-batches, each an evaluation of its own:
// the number of threads may change and others have their turn in between, and one that is
// interrupted has overwritten nothing of a sliding window that is needed without it. The
// last token has logits.
func (s *Session) eval(ctx context.Context, tokens []llama.Token) error {
	for len(tokens) > 0 {
		if err := s.model.weights.changed(); err != nil {
			return err
		}
		n := min(len(tokens), s.ubatch)
		s.batch.Clear()
		for i, t := range tokens[:n] {
			if err := s.batch.Add(t, llama.Pos(len(s.tokens)+i), n == len(tokens) && i == n-1); err != nil {
				return err
			}
		}
		if err := s.decode(ctx); err != nil {
			s.forgetFrom(len(s.tokens))
			return s.closedError(err)
		}
		s.tokens = append(s.tokens, tokens[:n]...)
		tokens = tokens[n:]
		s.model.peak.Sample()
	}
	return nil
}

// decode evaluates the batch, when it is this session's turn.
func (s *Session) decode(ctx context.Context) error { return s.inTurn(ctx, s.ctx.Decode) }

func (s *Session) inTurn(ctx context.Context, f func(context.Context, *llama.Batch) error) error {
	err := s.withThreads(ctx, func() error { return s.onePass(ctx, f) })
	if err == nil {
		err = s.model.weights.lost(s.model.path)
	}
	s.model.weights.budget.follow()
	return err
}

func (s *Session) onePass(ctx context.Context, f func(context.Context, *llama.Batch) error) (err error) {
	if err := s.pass.enter(ctx); err != nil {
		return err
	}
	defer func() {
		// What could not be read was computed from the mapping, if that has it.
		if e := s.pass.leave(); err == nil && e != nil {
			err = fmt.Errorf("streaming the weights: %w", e)
		}
	}()
	return f(ctx, s.batch)
}

// forgetFrom drops what an interrupted evaluation left behind a position; a memory
// that cannot forget a part forgets all.
func (s *Session) forgetFrom(pos int) {
	if ok, err := s.ctx.RemoveSeq(0, llama.Pos(pos), -1); err == nil && !ok {
		s.reset()
	}
}

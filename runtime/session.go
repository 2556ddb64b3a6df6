package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Defaults of [SessionOptions]: llama.cpp's, except for the context.
const (
	defaultContext = 4096
	defaultBatch   = 2048
	defaultUBatch  = 512
	maxContext     = 1 << 24

	// budgetUBatch is the micro-batch of a batch whose weights are streamed: what a larger one takes is
	// missing for weights, and reading is hidden behind the computation of as many tokens.
	budgetUBatch = 128
	trained      = -1 // as a context: the trained context of the model
)

// Session holds one text with its KV cache and compute buffers, and uses a model's weights.
// Sessions of one model run concurrently. A session runs one call at a time; a second call
// meanwhile returns [ErrBusy]. Close may be called at any time.
type Session struct {
	model   *Model
	arena   *memory.Arena
	ctx     *llama.Context
	batch   *llama.Batch
	context int // tokens, as requested; the engine rounds it up
	ubatch  int
	seat    threadSeat
	embeds  bool
	ranks   bool // pools with the classifier
	flash   llama.FlashAttention
	cacheK  string // the type of the K cache
	cacheV  string
	pass    *pass // nil without a memory budget
	marks   marks // states of the text
	markMemory
	counts   *need        // what the session takes of the model's budget
	adjusted []Adjustment // what was lowered for the session

	threads, batchThreads int // as requested; 0: chosen for each evaluation

	closing, freed atomic.Bool
	life           context.Context // ended by Close
	end            context.CancelFunc

	mu      sync.Mutex    // held by the running call
	tokens  []llama.Token // tokens in the context, by position
	tail    []llama.Token // the token generated last, not in the context yet
	ids     []llama.Token // buffer of Evaluate
	counted bool          // the model's activity counts the running call
	stats   Stats         // guarded by the model's statsMu
}

// NewSession makes a session. Close gives all of its memory back.
//
// It is refused with [ErrInsufficientMemory] if its memory does not fit beside that of the
// other sessions of the process: on Linux all memory that they have been granted, elsewhere
// the part that they have touched. With a memory budget NewSession waits for running passes
// over the layers. ctx cancels NewSession, and does not affect the session.
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
	// Checked before it is allocated: the system grants more private memory than it has, and
	// would kill the process when the memory is first touched.
	n, notes, err := m.fitSession(ctx, m.withDefaults(o), openValues(o), 0, 0)
	if err != nil {
		return nil, err
	}
	n, more, err := m.fitBudget(ctx, n, openValues(o))
	if err != nil {
		return nil, err
	}
	s, err := m.makeSession(n.params, o)
	if err != nil {
		m.weights.budget.giveBack(n)
		return nil, err
	}
	s.counts, s.adjusted = &n, append(notes, more...)
	return s, nil
}

// fitBudget counts a session in the memory budget, and lowers open options as far as necessary.
func (m *Model) fitBudget(ctx context.Context, first need, free leftOpen) (need, []Adjustment, error) {
	err := m.weights.budget.take(ctx, first)
	var refused *memory.Error
	if !errors.As(err, &refused) {
		return first, nil, err
	}
	for _, c := range lowered(first.params, free) {
		if err := ctx.Err(); err != nil {
			return first, nil, err
		}
		n, e := m.measure(c, !free.ubatch)
		if e == nil && n.touched().Total() < first.touched().Total() && m.weights.budget.take(ctx, n) == nil {
			return n, m.lowerings(first, n, refused), nil
		}
	}
	return first, nil, sessionError(err, first.params)
}

// withDefaults fills in the values that Open lowered.
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
	if o.UBatch == 0 && o.slots > 0 && m.weights.budget != nil {
		o.UBatch = budgetUBatch
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
	s.markMemory = markMemory{arena: s.arena, most: cmp.Or(o.Checkpoints, defaultCheckpoints)}
	s.life, s.end = context.WithCancel(context.Background())
	if m.weights.mode != LoadStock {
		p.Blocks = blocks{s.arena, m.weights.devices}
	}
	if s.pass = m.weights.budget.newPass(); s.pass != nil {
		p.Layers = s.pass
	}
	p.OnExperts = o.OnExperts
	var err error
	if s.ctx, err = m.weights.native.NewContext(p); err != nil {
		s.arena.Close()
		return nil, sessionError(m.weights.deviceError(err), p)
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
	s.cacheK, s.cacheV = p.CacheTypeK, p.CacheTypeV
	s.context, s.flash = min(p.Ctx, s.ctx.Ctx()), m.flashAttention(p)
	s.stats = Stats{Context: s.context, UBatch: s.ubatch, FlashAttention: s.flash}
	return s, nil
}

// Close stops a running call and frees the session, at the latest when that call returns.
// Closing twice is safe.
func (s *Session) Close() error {
	s.closing.Store(true)
	s.end()
	s.ctx.Close() // makes a running call return
	if s.mu.TryLock() {
		s.unlock()
	}
	return nil
}

// free frees the session's memory the first time, and reports whether it did.
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
	if s.counts != nil {
		s.model.weights.budget.giveBack(*s.counts)
	}
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

// unlock ends a call, and frees the session if it was closed meanwhile. Close and the call
// may both get here: the last one that sees the flag frees it.
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

// Reset removes the session's text. Its memory is kept.
func (s *Session) Reset() error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.unlock()
	return s.reset()
}

func (s *Session) reset() error {
	s.tokens, s.tail = s.tokens[:0], s.tail[:0]
	s.markMemory.free(&s.marks, 0)
	return s.closedError(s.ctx.Clear())
}

// Stats returns the figures of the last generation, or of the running one up to its last
// token. It may be called at any time.
func (s *Session) Stats() Stats {
	s.model.statsMu.Lock()
	defer s.model.statsMu.Unlock()
	return s.stats
}

// Adjusted lists the defaults that NewSession lowered because there was not enough memory;
// see [Report].Adjusted for those that Open lowered.
func (s *Session) Adjusted() []Adjustment { return s.adjusted }

func (s *Session) updateStats(f func(*Stats)) {
	s.model.statsMu.Lock()
	defer s.model.statsMu.Unlock()
	f(&s.stats)
}

// closedError translates the engine's sentinel for a closed context into ErrClosed.
func (s *Session) closedError(err error) error {
	if errors.Is(err, llama.ErrClosed) {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	return err
}

// eval appends tokens to the text. Each micro-batch is an evaluation of its own: between two,
// the number of threads may change and other sessions get their turn, and an interrupted one
// has not overwritten cells of a sliding window that the text before it needs. The last token
// gets logits.
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

// withTail runs f, which evaluates tokens that begin with those of the tail. If none were evaluated, as after
// a cancellation, the tail stays.
func (s *Session) withTail(f func() error) error {
	tail, before := slices.Clone(s.tail), len(s.tokens)
	s.tail = s.tail[:0]
	err := f()
	if err != nil && len(s.tokens) == before {
		s.tail = append(s.tail, tail...)
	}
	return err
}

// decode waits for the session's turn and evaluates the batch.
func (s *Session) decode(ctx context.Context) error { return s.inTurn(ctx, s.ctx.Decode) }

func (s *Session) inTurn(ctx context.Context, f func(context.Context, *llama.Batch) error) error {
	s.model.weights.budget.follow(ctx)
	err := s.withThreads(ctx, func() error { return s.onePass(ctx, f) })
	if err == nil {
		err = s.model.weights.lost(s.model.path)
	}
	if err == nil { // or it may be computed with bytes of both
		err = s.model.weights.changed()
	}
	return err
}

func (s *Session) onePass(ctx context.Context, f func(context.Context, *llama.Batch) error) (err error) {
	if err := s.pass.enter(ctx); err != nil {
		return err
	}
	defer func() {
		// After a read error the engine computed from the mapping.
		if e := s.pass.leave(); err == nil && e != nil {
			err = fmt.Errorf("streaming the weights: %w", e)
		}
	}()
	return f(ctx, s.batch)
}

// forgetFrom removes what an interrupted evaluation left at a position and after it. If the
// model's memory can't remove a part of a text, all of the text is removed.
func (s *Session) forgetFrom(pos int) {
	if ok, err := s.ctx.RemoveSeq(0, llama.Pos(pos), -1); err == nil && !ok {
		s.reset()
	}
}

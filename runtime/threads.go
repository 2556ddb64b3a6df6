package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/seed7adf6694/infer/runtime/internal/threads"
)

// DefaultThreads is how many threads the sessions of the process compute with together,
// where they are not told: one for each core that the process may use, of the fast kind
// where there are two kinds, and none for a core's second hardware thread, as llama.cpp
// counts. The engine's threads wait for each other many times in a token, so that more of
// them are slower. Control groups that limit the processors' time lower it: to 2 where they
// allow 1.5 processors.
//
// How many of these a session computes with at a moment is chosen anew for each evaluation:
// see [SessionOptions].Threads.
func DefaultThreads() int { return threads.Default() }

// checkThreads refuses more threads than the process has processors for: each would wait
// for others that have no processor, and a token would take seconds.
func checkThreads(n int) error {
	if processors := runtime.NumCPU(); n > processors {
		return optionError("%d threads on the %d processors that this process may use, where they wait for each other: use as many or fewer, or 0 to have them chosen", n, processors)
	}
	return nil
}

// promptTokens is how many tokens an evaluation has at least that is measured as one of a
// prompt; drafts are shorter, and of all lengths.
const promptTokens = 32

// threadTuners choose the numbers of threads for a model's evaluations.
type threadTuners struct{ tokens, prompts *threads.Tuner }

func newThreadTuners() threadTuners {
	return threadTuners{threads.NewTuner(false), threads.NewTuner(true)}
}

// threadSeat is threads of the budget, held by one evaluation, or by several of a model
// that streams its weights: these take turns within, see passes.
type threadSeat struct {
	share threads.Share
	n     int // threads
	most  int // that there might have been
	users int // guarded by the passes' mutex; without passes there is one
}

// withThreads evaluates the batch when there are threads for it, with as many as are chosen.
func (s *Session) withThreads(ctx context.Context, evaluate func() error) error {
	b := threads.Computing()
	tokens := s.batch.Len()
	fixed, tuner := s.threads, s.model.tuners.tokens
	if tokens > 1 {
		fixed = s.batchThreads
	}
	if tokens >= promptTokens {
		tuner = s.model.tuners.prompts
	}
	load := threads.NoFigures
	if fixed == 0 {
		if load = b.Load(); !tuner.Begun() {
			load = load.Now()
		}
	}
	seat, joined, err := s.sit(ctx, b, func(share int) int {
		if fixed > 0 {
			return fixed
		}
		return tuner.Choose(share, load)
	})
	if err != nil {
		return err
	}
	n := seat.n
	if fixed > 0 {
		n = fixed
	}
	took, err := s.compute(b, seat, n, evaluate)
	if fixed == 0 && !joined && err == nil && (tokens == 1 || tokens >= promptTokens) {
		tuner.Note(n, seat.most, tokens, took, b.Load(), time.Now())
	}
	s.updateStats(func(st *Stats) {
		if tokens == 1 {
			st.Threads = n
		} else {
			st.BatchThreads = n
		}
	})
	return err
}

// compute evaluates with n threads, and gives the seat back.
func (s *Session) compute(b *threads.Budget, seat *threadSeat, n int, evaluate func() error) (took time.Duration, err error) {
	start := time.Now()
	defer func() {
		took = time.Since(start)
		if b.Wanted() { // by others, rather than for this session's next evaluation
			s.ctx.RestThreads()
		}
		if s.pass == nil || s.pass.of.left(seat) {
			b.Leave(&seat.share, took)
		}
	}()
	if err = s.ctx.SetThreads(n, n); err == nil {
		err = evaluate()
	}
	return took, err
}

// sit takes threads of the budget, or joins others that have some.
func (s *Session) sit(ctx context.Context, b *threads.Budget, choose func(share int) int) (seat *threadSeat, joined bool, err error) {
	seat = &s.seat
	if s.pass != nil {
		if shared := s.pass.of.join(b); shared != nil {
			return shared, true, nil
		}
		seat = &threadSeat{users: 1}
	}
	seat.n, err = b.Enter(ctx, s.life, &seat.share, func(share int) int {
		seat.most = share
		return choose(share)
	})
	if errors.Is(err, threads.ErrEnded) {
		err = fmt.Errorf("session: %w", ErrClosed)
	}
	if err == nil && s.pass != nil {
		s.pass.of.offer(seat)
	}
	return seat, false, err
}

// join is a seat that evaluations of the model have already, unless others wait for it.
func (ps *passes) join(b *threads.Budget) *threadSeat {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.seat == nil || ps.seat.users == 0 || b.Wanted() {
		return nil
	}
	ps.seat.users++
	return ps.seat
}

// offer lets others join.
func (ps *passes) offer(seat *threadSeat) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.seat = seat
}

// left tells whether the last one has left the seat.
func (ps *passes) left(seat *threadSeat) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	seat.users--
	return seat.users == 0
}

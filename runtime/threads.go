package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/runtime/internal/threads"
)

// DefaultThreads returns how many threads the sessions of the process share by default: one
// for each core that the process may use. As in llama.cpp, efficiency cores do not count if
// there are performance cores, nor do second hardware threads of a core: the engine's threads
// synchronise many times in a token, so that slower ones delay all. A CPU quota of a control
// group lowers the number, rounded up: 1.5 processors give 2 threads.
//
// Each evaluation gets a share of them: see [SessionOptions].Threads.
func DefaultThreads() int { return threads.Default() }

// checkThreads refuses more threads than the process has processors: threads would spin while
// they wait for threads without a processor, and a token would take seconds.
func checkThreads(option string, n int) error {
	if processors := runtime.NumCPU(); n > processors {
		return optionError(option, strconv.Itoa(n), "exceed the %d processors that this process may use: use at most %d, or 0 for the default", processors, processors)
	}
	return nil
}

// promptTokens is the smallest number of tokens for which an evaluation is measured as a
// prompt. Drafts are shorter, and their lengths differ too much to be measured.
const promptTokens = 32

// threadTuners choose the numbers of threads for a model's evaluations.
type threadTuners struct{ tokens, prompts *threads.Tuner }

func newThreadTuners() threadTuners {
	return threadTuners{threads.NewTuner(false), threads.NewTuner(true)}
}

// threadSeat is threads of the budget, held by one evaluation. Evaluations of a model that
// streams its weights share one seat, as they take turns: see passes.
type threadSeat struct {
	share threads.Share
	n     int // threads
	most  int // the largest number that was allowed
	users int // evaluations; guarded by the passes' mutex; 1 without passes
}

// withThreads waits for threads of the budget and evaluates the batch with them.
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

// compute evaluates with n threads, and leaves the seat.
func (s *Session) compute(b *threads.Budget, seat *threadSeat, n int, evaluate func() error) (took time.Duration, err error) {
	start := clock.Now()
	defer func() {
		took = clock.Since(start)
		if b.Wanted() { // others wait: don't let idle threads spin until the next evaluation
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

// sit takes threads of the budget, or joins the seat of another evaluation of the model.
func (s *Session) sit(ctx context.Context, b *threads.Budget, choose func(share int) int) (seat *threadSeat, joined bool, err error) {
	seat = &s.seat
	if s.pass != nil {
		if shared := s.pass.of.join(b); shared != nil {
			return shared, true, nil
		}
		seat = s.pass.of.takeSeat()
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

// join joins the seat of the model's other evaluations, if there is one. It returns nil if
// other models wait for threads.
func (ps *passes) join(b *threads.Budget) *threadSeat {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.seat == nil || ps.seat.users == 0 || b.Wanted() {
		return nil
	}
	ps.seat.users++
	return ps.seat
}

// takeSeat returns a seat for an evaluation that joins none. It is that of the evaluation before, if
// nobody holds it: another one would count as another session, with which threads are divided.
func (ps *passes) takeSeat() *threadSeat {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	seat := ps.seat
	if seat == nil || seat.users > 0 {
		return &threadSeat{users: 1}
	}
	ps.seat, seat.users = nil, 1 // until it holds threads, nobody joins it
	return seat
}

// offer lets the model's other evaluations join the seat.
func (ps *passes) offer(seat *threadSeat) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.seat = seat
}

// waits notes that the evaluation whose turn it is waits for the disk, until the returned function is
// called.
func (ps *passes) waits() (end func()) {
	ps.mu.Lock()
	n := 0
	if ps.seat != nil && ps.seat.users > 0 {
		n = ps.seat.n
	}
	ps.mu.Unlock()
	return threads.Computing().Waits(n)
}

// left leaves the seat, and reports whether nobody holds it any more.
func (ps *passes) left(seat *threadSeat) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	seat.users--
	return seat.users == 0
}

package runtime

import (
	"context"
	"time"
)

// promptTokens is how many tokens an evaluation has at least that is measured as one of a
// prompt; drafts are shorter, and of all lengths.
const promptTokens = 32

// threadTuners choose the numbers of threads for a model's evaluations.
type threadTuners struct{ tokens, prompts *threadTuner }

func newThreadTuners() threadTuners {
	_, limited := quota()
	return threadTuners{newThreadTuner(false, limited), newThreadTuner(true, limited)}
}

// threadSeat is threads of the budget, held by one evaluation, or by several of a model
// that streams its weights: these take turns within, see passes.
type threadSeat struct {
	share threadShare
	n     int // threads
	most  int // that there might have been
	users int // guarded by the passes' mutex; without passes there is one
}

// withThreads evaluates the batch when there are threads for it, with as many as are chosen.
func (s *Session) withThreads(ctx context.Context, evaluate func() error) error {
	b := computing()
	tokens := s.batch.Len()
	fixed, tuner := s.threads, s.model.tuners.tokens
	if tokens > 1 {
		fixed = s.batchThreads
	}
	if tokens >= promptTokens {
		tuner = s.model.tuners.prompts
	}
	load := noLoad
	if fixed == 0 {
		if load = b.load.figures(); !tuner.begun() {
			load.free = max(freeProcessors(), freeProcessors()) // what runs at one moment only does not count
		}
	}
	seat, joined, err := s.sit(ctx, b, func(share int) int {
		if fixed > 0 {
			return fixed
		}
		return tuner.choose(share, load)
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
		tuner.note(n, seat.most, tokens, took, b.load.figures(), time.Now())
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
func (s *Session) compute(b *threadBudget, seat *threadSeat, n int, evaluate func() error) (took time.Duration, err error) {
	start := time.Now()
	defer func() {
		took = time.Since(start)
		if b.wanted() { // by others, rather than for this session's next evaluation
			s.ctx.RestThreads()
		}
		if s.pass == nil || s.pass.of.left(seat) {
			b.leave(&seat.share, took)
		}
	}()
	if err = s.ctx.SetThreads(n, n); err == nil {
		err = evaluate()
	}
	return took, err
}

// sit takes threads of the budget, or joins others that have some.
func (s *Session) sit(ctx context.Context, b *threadBudget, choose func(share int) int) (seat *threadSeat, joined bool, err error) {
	seat = &s.seat
	if s.pass != nil {
		if shared := s.pass.of.join(b); shared != nil {
			return shared, true, nil
		}
		seat = &threadSeat{users: 1}
	}
	seat.n, err = b.enter(ctx, s.life, &seat.share, func(share int) int {
		seat.most = share
		return choose(share)
	})
	if err == nil && s.pass != nil {
		s.pass.of.offer(seat)
	}
	return seat, false, err
}

// join is a seat that evaluations of the model have already, unless others wait for it.
func (ps *passes) join(b *threadBudget) *threadSeat {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.seat == nil || ps.seat.users == 0 || b.wanted() {
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

package threads

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Computing is the budget of threads that all sessions of the process share: the engine's
// threads wait for each other by spinning, so that two evaluations on the same processors
// are many times slower than one after the other.
var Computing = sync.OnceValue(func() *Budget { return newBudget(Default()) })

// ErrEnded is returned to a session that ends while it waits.
var ErrEnded = errors.New("the session has ended")

// Budget gives out threads to evaluations, in the order in which they ask. What is
// there is divided among the sessions that compute at the moment; those for which there
// is no thread left wait for their turn.
type Budget struct {
	count int
	free  *semaphore.Weighted
	load  processorLoad

	mu      sync.Mutex
	waiting int
	shares  map[*Share]struct{}
}

// Share is a session's part in the budget.
type Share struct {
	held  int       // threads that it computes with
	asks  bool      // it computes, or waits for its turn
	until time.Time // it counts as computing for so long: the next token is being sampled
}

// Between two tokens a session goes on counting as one that computes, for a quarter of what
// the evaluation took, within these bounds.
const (
	leastPause = time.Millisecond
	mostPause  = 50 * time.Millisecond
)

func newBudget(count int) *Budget {
	return &Budget{count: count, free: semaphore.NewWeighted(int64(count)), shares: map[*Share]struct{}{}}
}

// Enter takes threads for an evaluation, as many as choose says of those that are s's
// share, and waits for them, for as long as ctx and the life of the session last. Whoever
// gets them gives them back by leave.
func (b *Budget) Enter(ctx, life context.Context, s *Share, choose func(share int) int) (int, error) {
	b.mu.Lock()
	s.asks = true
	b.shares[s] = struct{}{}
	n := min(max(choose(b.share(s, time.Now())), 1), b.count)
	if b.free.TryAcquire(int64(n)) {
		b.hold(s, n)
		b.mu.Unlock()
		return n, nil
	}
	b.waiting++
	b.mu.Unlock()

	waits, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	err := b.free.Acquire(waits, int64(n))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting--
	if err == nil {
		b.hold(s, n)
		return n, nil
	}
	s.asks = false
	delete(b.shares, s)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return 0, ErrEnded
}

// share is how many threads a session's evaluation may have, of the sessions that compute
// now: the same number for all, and one more for as many as there is a remainder.
func (b *Budget) share(s *Share, now time.Time) int {
	sessions, larger := 0, 0
	for other := range b.shares {
		if !other.asks && now.After(other.until) {
			delete(b.shares, other)
			continue
		}
		sessions++
	}
	each := b.count / sessions
	for other := range b.shares {
		if other != s && other.held > each {
			larger++
		}
	}
	if larger < b.count%sessions {
		each++
	}
	return max(each, 1)
}

// hold notes what a session computes with.
func (b *Budget) hold(s *Share, n int) {
	b.load.holds(n)
	s.held = n
}

// Leave gives the threads of an evaluation back, which took so long.
func (b *Budget) Leave(s *Share, took time.Duration) {
	b.mu.Lock()
	n := s.held
	b.load.holds(-n)
	s.held, s.asks = 0, false
	s.until = time.Now().Add(min(max(took/4, leastPause), mostPause))
	b.mu.Unlock()
	b.free.Release(int64(n))
}

// Wanted tells whether others wait for threads.
func (b *Budget) Wanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting > 0
}

// Load is the load of the processors, as of the last period.
func (b *Budget) Load() Figures { return b.load.figures() }

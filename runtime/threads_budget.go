package runtime

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// computing is the budget of threads that all sessions of the process share: the engine's
// threads wait for each other by spinning, so that two evaluations on the same processors
// are many times slower than one after the other.
var computing = sync.OnceValue(func() *threadBudget { return newThreadBudget(DefaultThreads()) })

// threadBudget gives out threads to evaluations, in the order in which they ask. What is
// there is divided among the sessions that compute at the moment; those for which there
// is no thread left wait for their turn.
type threadBudget struct {
	count int
	free  *semaphore.Weighted
	load  processorLoad

	mu      sync.Mutex
	waiting int
	shares  map[*threadShare]struct{}
}

// threadShare is a session's part in the budget.
type threadShare struct {
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

func newThreadBudget(count int) *threadBudget {
	return &threadBudget{count: count, free: semaphore.NewWeighted(int64(count)), shares: map[*threadShare]struct{}{}}
}

// enter takes threads for an evaluation, as many as choose says of those that are s's
// share, and waits for them, for as long as ctx and the life of the session last. Whoever
// gets them gives them back by leave.
func (b *threadBudget) enter(ctx, life context.Context, s *threadShare, choose func(share int) int) (int, error) {
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
	return 0, fmt.Errorf("session: %w", ErrClosed)
}

// share is how many threads a session's evaluation may have, of the sessions that compute
// now: the same number for all, and one more for as many as there is a remainder.
func (b *threadBudget) share(s *threadShare, now time.Time) int {
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
func (b *threadBudget) hold(s *threadShare, n int) {
	b.load.holds(n)
	s.held = n
}

// leave gives the threads of an evaluation back, which took so long.
func (b *threadBudget) leave(s *threadShare, took time.Duration) {
	b.mu.Lock()
	n := s.held
	b.load.holds(-n)
	s.held, s.asks = 0, false
	s.until = time.Now().Add(min(max(took/4, leastPause), mostPause))
	b.mu.Unlock()
	b.free.Release(int64(n))
}

// wanted tells whether others wait for threads.
func (b *threadBudget) wanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting > 0
}

package threads

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Computing returns the budget of threads that all sessions of the process share. The engine's
// threads spin while they wait for each other, so two simultaneous evaluations on the same
// processors are many times slower than one after the other.
var Computing = sync.OnceValue(func() *Budget { return newBudget(Default()) })

// ErrEnded is returned by [Budget.Enter] if the session ends while it waits.
var ErrEnded = errors.New("the session has ended")

// Budget grants threads to evaluations in the order of their requests. It divides its threads
// among the sessions that compute at the moment; evaluations without a free thread wait. It is
// safe for concurrent use.
type Budget struct {
	count int
	free  *semaphore.Weighted
	load  processorLoad

	mu      sync.Mutex
	waiting int
	shares  map[*Share]struct{}
}

// Share is a session's part of the budget. The zero value holds nothing.
type Share struct {
	held  int       // threads that it computes with
	asks  bool      // it computes or waits
	until time.Time // it counts as computing until then, while the next token is sampled
}

// Between two tokens a session counts as computing for a quarter of the evaluation's duration,
// within these bounds.
const (
	leastPause = time.Millisecond
	mostPause  = 50 * time.Millisecond
)

func newBudget(count int) *Budget {
	return &Budget{count: count, free: semaphore.NewWeighted(int64(count)), shares: map[*Share]struct{}{}}
}

// Enter takes threads for an evaluation and returns their number, which choose returns when it
// is given the size of s's share. It waits for them until ctx ends (ctx's error) or life, the
// session's context, ends ([ErrEnded]). Leave gives them back.
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

// share returns how many threads a session may have: an equal part for each session that
// computes now, and one of the remaining threads if one is left.
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

// hold records the threads that a session holds.
func (b *Budget) hold(s *Share, n int) {
	b.load.holds(n)
	s.held = n
}

// Leave gives the threads of an evaluation back; took is its duration.
func (b *Budget) Leave(s *Share, took time.Duration) {
	b.mu.Lock()
	n := s.held
	b.load.holds(-n)
	s.held, s.asks = 0, false
	s.until = time.Now().Add(min(max(took/4, leastPause), mostPause))
	b.mu.Unlock()
	b.free.Release(int64(n))
}

// Waits notes that n threads that are held wait for a disk, until the returned function is called:
// they could not use a processor, and do not lack one.
func (b *Budget) Waits(n int) (end func()) {
	b.load.holds(-n)
	return func() { b.load.holds(n) }
}

// Wanted reports whether an evaluation waits for threads.
func (b *Budget) Wanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting > 0
}

// Load returns the processors' load in the last period.
func (b *Budget) Load() Figures { return b.load.figures() }

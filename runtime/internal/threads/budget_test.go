package threads

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func all(share int) int { return share }

// sitDown enters the budget, and fails if it would have to wait.
func sitDown(t *testing.T, b *Budget, s *Share, choose func(int) int) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := b.Enter(ctx, t.Context(), s, choose)
	if err != nil {
		t.Fatalf("has to wait: %v", err)
	}
	return n
}

func TestThreadsAreDividedAmongSessions(t *testing.T) {
	for _, tt := range []struct {
		name     string
		count    int
		sessions int
		want     []int // of those that compute at once; the rest waits
	}{
		{"one has all", 4, 1, []int{4}},
		{"two have halves", 4, 2, []int{2, 2}},
		{"three have two, one and one", 4, 3, []int{2, 1, 1}},
		{"five on four", 4, 5, []int{1, 1, 1, 1}},
		{"two on one", 1, 2, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBudget(tt.count)
			shares := make([]Share, tt.sessions)
			for i := range shares { // each has just computed
				b.shares[&shares[i]] = struct{}{}
				shares[i].until = time.Now().Add(time.Hour)
			}
			var got []int
			for i := range tt.want {
				got = append(got, sitDown(t, b, &shares[i], all))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v threads, want %v", got, tt.want)
			}
			for i := range got {
				b.Leave(&shares[i], 0)
			}
			if n := sitDown(t, b, &shares[0], func(int) int { return 1000 }); n != tt.count {
				t.Errorf("%d threads where more were asked for than there are, want %d", n, tt.count)
			}
		})
	}
}

// The share of a session that has stopped computing goes to the others.
func TestASessionThatPausesHasNoShare(t *testing.T) {
	b := newBudget(4)
	var a, c Share
	sitDown(t, b, &a, func(int) int { return 1 })
	b.Leave(&a, time.Minute)
	if left := time.Until(a.until); left > mostPause {
		t.Errorf("counts as computing for %v", left)
	}
	a.until = time.Now().Add(-1)
	if n := sitDown(t, b, &c, all); n != 4 {
		t.Errorf("%d threads beside a session that pauses, want 4", n)
	}
	b.Leave(&c, 0)
}

func TestEvaluationsWaitForTheirTurn(t *testing.T) {
	b := newBudget(2)
	var first Share
	sitDown(t, b, &first, all)
	var running atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var s Share
			for range 50 {
				n, err := b.Enter(t.Context(), t.Context(), &s, all)
				if err != nil {
					t.Error(err)
					return
				}
				if together := running.Add(int64(n)); together > 2 {
					t.Errorf("%d threads at once, of a budget of 2", together)
				}
				running.Add(int64(-n))
				b.Leave(&s, 0)
			}
		})
	}
	for !b.Wanted() {
		time.Sleep(time.Millisecond) // until one of them waits
	}
	b.Leave(&first, 0)
	wg.Wait()
	if b.Wanted() || b.load.held != 0 {
		t.Errorf("%d threads held at the end", b.load.held)
	}
}

func TestWaitingForThreadsEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(call, life context.CancelFunc)
		want error
	}{
		{"with the call", func(call, _ context.CancelFunc) { call() }, context.Canceled},
		{"with the session", func(_, life context.CancelFunc) { life() }, ErrEnded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBudget(1)
			var first, second Share
			sitDown(t, b, &first, all)
			call, endCall := context.WithCancel(t.Context())
			life, endLife := context.WithCancel(t.Context())
			defer endCall()
			defer endLife()
			ended := make(chan error)
			go func() {
				_, err := b.Enter(call, life, &second, all)
				ended <- err
			}()
			for !b.Wanted() {
				time.Sleep(time.Millisecond)
			}
			tt.end(endCall, endLife)
			if err := <-ended; !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if b.Leave(&first, 0); len(b.shares) != 1 || b.Wanted() {
				t.Error("who waited counts still")
			}
		})
	}
}

// Threads that wait for a disk could not use a processor, so that they do not lack one.
func TestThreadsThatWaitForADiskWantNoProcessor(t *testing.T) {
	b := newBudget(4)
	var s Share
	sitDown(t, b, &s, func(int) int { return 3 })
	end := b.Waits(3)
	before := b.load.wanted
	b.load.settle(time.Now().Add(time.Hour))
	if b.load.wanted != before {
		t.Errorf("%v of processor time wanted while waiting", b.load.wanted-before)
	}
	end()
	b.load.settle(time.Now().Add(3 * time.Hour))
	if b.load.wanted == before {
		t.Error("nothing is wanted after the wait")
	}
	b.Leave(&s, 0)
	if b.load.held != 0 {
		t.Errorf("%d threads are held at the end", b.load.held)
	}
}

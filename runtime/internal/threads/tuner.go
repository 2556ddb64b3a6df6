package threads

import (
	"sync"
	"time"
)

// Tuner chooses the number of threads for one kind of evaluation of a model, single tokens or
// prompts, by measured durations: if other processes use the processors too, fewer threads can
// be many times as fast. The number changes only between two evaluations, and only to one that
// was faster in a trial. It is safe for concurrent use.
type Tuner struct {
	shortest time.Duration // the least measured time that decides a trial
	blindly  time.Duration // first wait for a trial of more threads without an idle processor

	mu    sync.Mutex
	n     int           // the number of threads; 0: none chosen yet
	cost  float64       // seconds per token, moving average; 0: unknown
	took  time.Duration // total of evaluations since n was chosen
	trial trial

	fewer, more, blind backoff
}

// trial is a trial of another number of threads.
type trial struct {
	n      int  // 0: no trial
	blind  bool // without an idle processor
	count  int  // evaluations
	tokens int
	took   time.Duration

	best     int // the fastest number of the trials just before; 0: none was better
	bestCost float64
}

// backoff is when a kind of trial that failed is repeated.
type backoff struct {
	at   time.Time
	wait time.Duration
}

// failed doubles the time until the next trial, beginning with first.
func (b *backoff) failed(now time.Time, first time.Duration) {
	b.wait = min(max(2*b.wait, first), longestRetry)
	b.at = now.Add(b.wait)
}

const (
	firstRetry   = time.Second
	longestRetry = 2 * time.Minute

	// crowded is the average number of own threads without a processor above which fewer
	// threads are tried.
	crowded = 0.35
	// room is the number of idle processors from which more threads are tried.
	room = 0.75
	// better is the ratio of costs below which another number of threads is better.
	better = 0.97
	// roundUp is added to a measured number of processors before it is rounded down.
	roundUp = 0.25
)

// NewTuner makes a tuner for prompts or for single tokens. For single tokens, too many threads
// cost much more than for prompts, and are tried less often.
func NewTuner(prompts bool) *Tuner {
	_, limited := quota()
	return newTuner(prompts, limited)
}

func newTuner(prompts, quota bool) *Tuner {
	t := &Tuner{shortest: 2 * loadPeriod, blindly: 10 * time.Second}
	if prompts {
		t.blindly = 500 * time.Millisecond
	}
	if quota { // granted in periods of up to 100 ms, so that short measurements vary
		t.shortest = 300 * time.Millisecond
	}
	return t
}

// Begun reports whether a number of threads has been chosen.
func (t *Tuner) Begun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n > 0
}

// Choose returns the number of threads for the next evaluation, at most most.
func (t *Tuner) Choose(most int, l Figures) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 {
		t.n = most
		if n, known := l.available(); known {
			t.n = min(n, most)
		}
	}
	if t.trial.n > most {
		t.trial = trial{}
	}
	if t.trial.n > 0 {
		return t.trial.n
	}
	return min(t.n, most)
}

// Note records the duration of an evaluation with n threads, where most were allowed.
func (t *Tuner) Note(n, most, tokens int, took time.Duration, l Figures, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cost := took.Seconds() / float64(tokens)
	switch {
	case t.trial.n > 0 && t.trial.n == n:
		t.tried(cost, tokens, took, l, now)
		return
	case t.trial.n > 0 || n != t.n: // with fewer threads than chosen
		return
	case t.cost == 0:
		t.cost = cost
	default:
		t.cost += (cost - t.cost) / 4
	}
	t.took += took
	t.begin(most, l, now)
}

// begin begins a trial if there is a reason for one.
func (t *Tuner) begin(most int, l Figures, now time.Time) {
	if t.blind.wait == 0 {
		t.blind.failed(now, t.blindly)
	}
	switch {
	case l.crowds(t.n) && now.After(t.fewer.at):
		t.trial = trial{n: l.fewer(t.n)}
	case t.n >= most || t.took < t.shortest:
	case l.spare >= room && now.After(t.more.at):
		t.trial = trial{n: min(t.n+int(l.spare+roundUp), most)}
	case now.After(t.blind.at):
		t.trial = trial{n: t.n + 1, blind: true}
	}
}

// crowds reports whether n threads have too few processors.
func (l Figures) crowds(n int) bool {
	return n > 1 && l.ran >= 0 && l.spare < room && float64(n)*(1-l.ran) > crowded
}

// fewer returns a number of threads, below n, for which there are likely enough processors.
func (l Figures) fewer(n int) int { return min(max(int(l.own), 1), n-1) }

// tried records an evaluation of a trial, and ends the trial when enough has been measured.
func (t *Tuner) tried(cost float64, tokens int, took time.Duration, l Figures, now time.Time) {
	r := &t.trial
	r.count++
	r.tokens += tokens
	r.took += took
	mean := r.took.Seconds() / float64(r.tokens)
	clear := cost > 2*t.cost || r.count > 1 && mean < t.cost/2
	if !clear && (r.count < 2 || r.took < t.shortest) {
		return
	}
	done := *r
	if mean < better*t.cost && (done.best == 0 || mean < done.bestCost) {
		done.best, done.bestCost = done.n, mean
	}
	t.trial = trial{}
	if done.n < t.n && done.n > 1 && (done.best == 0 || l.crowds(done.n)) { // fewer were not better yet, or still crowd
		next := done.n / 2
		if l.crowds(done.n) {
			next = l.fewer(done.n)
		}
		t.trial = trial{n: next, best: done.best, bestCost: done.bestCost}
		return
	}
	if done.best > 0 {
		t.n, t.cost, t.took = done.best, done.bestCost, 0
		t.fewer, t.more, t.blind = backoff{}, backoff{}, backoff{}
		return
	}
	switch {
	case done.blind:
		t.blind.failed(now, t.blindly)
	case done.n > t.n:
		t.more.failed(now, firstRetry)
	default:
		t.fewer.failed(now, firstRetry)
	}
}

package threads

import (
	"sync"
	"time"
)

// Tuner chooses the number of threads for one kind of evaluations of a model, tokens
// one by one or prompts, by what they take: where other processes use the processors too,
// fewer threads can be many times as fast. The number changes between two evaluations, and
// only to one that was tried and found better.
type Tuner struct {
	shortest time.Duration // of what is measured to decide a trial
	blindly  time.Duration // until more threads are tried where no processor seems to be free

	mu    sync.Mutex
	n     int           // in force; 0: none chosen yet
	cost  float64       // seconds a token, on average of the last evaluations; 0: not known
	took  time.Duration // evaluations since n is in force
	trial trial

	fewer, more, blind backoff
}

// trial is a number of threads that is being tried.
type trial struct {
	n      int // 0: none is
	blind  bool
	count  int // evaluations
	tokens int
	took   time.Duration

	best     int // of the numbers tried before in a row; 0: none was better
	bestCost float64
}

// backoff is when something is tried again that did not help.
type backoff struct {
	at   time.Time
	wait time.Duration
}

// failed makes the time until the next trial twice as long, and at first first.
func (b *backoff) failed(now time.Time, first time.Duration) {
	b.wait = min(max(2*b.wait, first), longestRetry)
	b.at = now.Add(b.wait)
}

const (
	firstRetry   = time.Second
	longestRetry = 2 * time.Minute

	// crowded is how many threads, on average, have no processor where others have it.
	crowded = 0.35
	// room is how many processors without work are enough for another thread.
	room = 0.75
	// better is the part of the time that makes another number of threads the better one.
	better = 0.97
	// roundUp makes a number of processors, measured a little too low, a whole one.
	roundUp = 0.25
)

// NewTuner makes a tuner for this process. For tokens one by one, a thread too many costs
// much more than it does for prompts, and is tried less often.
func NewTuner(prompts bool) *Tuner {
	_, limited := quota()
	return newTuner(prompts, limited)
}

func newTuner(prompts, quota bool) *Tuner {
	t := &Tuner{shortest: 2 * loadPeriod, blindly: 10 * time.Second}
	if prompts {
		t.blindly = 500 * time.Millisecond
	}
	if quota { // which is given in pieces of up to a tenth of a second
		t.shortest = 300 * time.Millisecond
	}
	return t
}

// Begun tells whether a number has been chosen.
func (t *Tuner) Begun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n > 0
}

// Choose is the number of threads for the next evaluation, of at most so many.
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

// Note takes what an evaluation took with n threads of at most so many.
func (t *Tuner) Note(n, most, tokens int, took time.Duration, l Figures, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	cost := took.Seconds() / float64(tokens)
	switch {
	case t.trial.n > 0 && t.trial.n == n:
		t.tried(cost, tokens, took, l, now)
		return
	case t.trial.n > 0 || n != t.n: // evaluations that had less than that
		return
	case t.cost == 0:
		t.cost = cost
	default:
		t.cost += (cost - t.cost) / 4
	}
	t.took += took
	t.begin(most, l, now)
}

// begin begins a trial where there is a reason for one.
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

// crowds tells whether n threads have not the processors that they want.
func (l Figures) crowds(n int) bool {
	return n > 1 && l.ran >= 0 && l.spare < room && float64(n)*(1-l.ran) > crowded
}

// fewer is a number of threads that are likely to have their processors.
func (l Figures) fewer(n int) int { return min(max(int(l.own), 1), n-1) }

// tried takes an evaluation of a trial, and ends the trial when it has seen enough.
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
	if done.n < t.n && done.n > 1 && (done.best == 0 || l.crowds(done.n)) { // still too many?
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

package threads

import (
	"math"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/loader/probe"
)

// loadPeriod is the time between two measurements of the processors' load: the system counts
// idle time in hundredths of a second, and a reading takes some 50 microseconds.
const loadPeriod = 100 * time.Millisecond

// processorLoad measures whether the processors have time for more threads of this process,
// or not even for those that it has. It is safe for concurrent use.
type processorLoad struct {
	mu      sync.Mutex
	held    int           // threads that compute
	wanted  time.Duration // processor time that they could have used, summed over threads
	changed time.Time     // last update of wanted

	last loadReading
	now  Figures
}

type loadReading struct {
	at     time.Time
	time   probe.ProcessorTime
	wanted time.Duration
}

// Figures are the load in the last period; negative values are unknown.
type Figures struct {
	spare float64 // idle processors, on average
	own   float64 // processors used by this process, on average
	ran   float64 // processor time of computing threads, as a fraction of what they could use
	free  int     // processors not wanted by other processes at this moment
}

// NoFigures are figures of which none is known.
var NoFigures = Figures{spare: -1, own: -1, ran: -1, free: -1}

// available returns how many processors this process may use alone. It rounds up in doubt: a
// thread too many is noticed within a token, an unused processor only after a long time.
func (l Figures) available() (n int, known bool) {
	known = l.own >= 0 && l.spare >= 0
	if known {
		n = max(int(math.Round(l.own+l.spare)), 1)
	}
	if now := max(l.free, 1); l.free >= 0 && (!known || now < n) { // other processes have started since the last period
		n, known = now, true
	}
	return n, known
}

// holds adds n, which may be negative, to the number of threads that compute.
func (l *processorLoad) holds(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(time.Now())
	l.held += n
}

func (l *processorLoad) settle(now time.Time) {
	if l.held > 0 {
		l.wanted += time.Duration(l.held) * now.Sub(l.changed)
	}
	l.changed = now
}

// figures returns the load. It measures if the last measurement is a period old.
func (l *processorLoad) figures() Figures {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.last.at) < loadPeriod {
		return l.now
	}
	t, ok := probe.ReadProcessorTime()
	if !ok {
		l.last.at, l.now = now, NoFigures
		return l.now
	}
	l.settle(now)
	before := l.last
	l.last = loadReading{at: now, time: t, wanted: l.wanted}
	l.now = NoFigures
	if !before.at.IsZero() {
		span := now.Sub(before.at).Seconds()
		if t.Idle >= 0 {
			l.now.spare = (t.Idle - before.time.Idle).Seconds() / span
		}
		l.now.own = (t.Own - before.time.Own).Seconds() / span
		if wanted := (l.wanted - before.wanted).Seconds(); wanted > span/4 {
			l.now.ran = min((t.Own-before.time.Own).Seconds()/wanted, 1)
		}
	}
	return l.now
}

// Now returns the figures with the processors that are free at this moment.
func (l Figures) Now() Figures {
	l.free = max(freeProcessors(), freeProcessors()) // of two readings, to ignore short-lived threads
	return l
}

// freeProcessors returns how many processors are not wanted by other processes at this moment;
// -1 if unknown.
func freeProcessors() int {
	r, ok := probe.ReadRunnable()
	if !ok {
		return -1
	}
	return max(r.Processors-max(r.Threads-r.Own, 0), 0)
}

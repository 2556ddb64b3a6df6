package threads

import (
	"math"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/loader/probe"
)

// loadPeriod is how often the load of the processors is measured: the system counts idle
// time in hundredths of a second, and the reading takes some 50 microseconds.
const loadPeriod = 100 * time.Millisecond

// processorLoad measures whether the processors have time for more threads of this process,
// or less than those that it has.
type processorLoad struct {
	mu      sync.Mutex
	held    int           // threads that compute
	wanted  time.Duration // the sum over them of the time since they began
	changed time.Time     // when wanted was last brought up to date

	last loadReading
	now  Figures
}

type loadReading struct {
	at     time.Time
	time   probe.ProcessorTime
	wanted time.Duration
}

// Figures are of the last period; negative where they are not known.
type Figures struct {
	spare float64 // processors that had nothing to do
	own   float64 // processors that computed for this process
	ran   float64 // the part of the time in which threads that wanted to compute did
	free  int     // processors that nobody else wants at this moment
}

// NoFigures are what is known where the system tells nothing.
var NoFigures = Figures{spare: -1, own: -1, ran: -1, free: -1}

// available is how many processors this process may have to itself. In doubt it is one more:
// a thread too many is noticed within a token, one too few only when it has been idle for long.
func (l Figures) available() (n int, known bool) {
	known = l.own >= 0 && l.spare >= 0
	if known {
		n = max(int(math.Round(l.own+l.spare)), 1)
	}
	if now := max(l.free, 1); l.free >= 0 && (!known || now < n) { // others have begun since
		n, known = now, true
	}
	return n, known
}

// holds counts n more threads that compute, or fewer.
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

// figures returns the load, measured anew where a period has gone by.
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

// Now adds what is free at this moment, for those who know nothing else.
func (l Figures) Now() Figures {
	l.free = max(freeProcessors(), freeProcessors()) // what runs at one moment only does not count
	return l
}

// freeProcessors is how many processors no other process wants at this moment; negative where
// that is not known.
func freeProcessors() int {
	r, ok := probe.ReadRunnable()
	if !ok {
		return -1
	}
	return max(r.Processors-max(r.Threads-r.Own, 0), 0)
}

// Package peak watches the memory of the process, and knows the most that was seen.
package peak

import (
	"sync"
	"time"

	"github.com/seed7adf6694/infer/loader/probe"
)

// The process's memory is read while loading and generating at most once in samplePeriod, as
// that costs tens of microseconds. Where the system has to be asked for each page it may cost
// a hundred milliseconds: the pause is sampleShare times what the last reading took.
const (
	samplePeriod = 20 * time.Millisecond
	sampleShare  = 32
)

// Figures are the process's memory, as seen so far.
type Figures struct {
	Now             probe.Process
	RSS, Anon, File uint64 // the most
}

// Peak is the process's memory over time. It is safe for concurrent use.
type Peak struct {
	mu      sync.Mutex
	figures Figures
	last    time.Time
	took    time.Duration // for the last reading
}

// New has seen nothing yet: a reading is due at once, unless the first may cost much.
func New() *Peak {
	return &Peak{last: time.Now().Add(-samplePeriod), took: firstSample}
}

// due tells whether it is time to look again.
func (p *Peak) due(now time.Time) bool {
	return now.Sub(p.last) >= max(samplePeriod, sampleShare*p.took)
}

// Sample looks at the process's memory now and then.
func (p *Peak) Sample() {
	p.mu.Lock()
	due := p.due(time.Now())
	p.mu.Unlock()
	if due {
		p.SampleNow()
	}
}

// SampleNow looks at it.
func (p *Peak) SampleNow() {
	start := time.Now()
	now, err := probe.ProcessMemory()
	if err != nil {
		return // a figure less in the report, nothing else
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	p.took = p.last.Sub(start)
	f := &p.figures
	f.Now = now
	f.RSS, f.Anon, f.File = max(f.RSS, now.PeakRSS, now.RSS), max(f.Anon, now.Anon), max(f.File, now.File)
}

// Figures returns what was seen.
func (p *Peak) Figures() Figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.figures
}

// Package peak samples the memory of the process and keeps the largest values.
package peak

import (
	"sync"
	"time"

	"github.com/seed7adf6694/infer/loader/probe"
)

// The process's memory is read at most once in samplePeriod, as a reading takes tens of
// microseconds. If the system has to be queried for each page, it may take a hundred
// milliseconds: the pause is at least sampleShare times the duration of the last reading.
const (
	samplePeriod = 20 * time.Millisecond
	sampleShare  = 32
)

// Figures are the last sample and the largest values so far, in bytes.
type Figures struct {
	Now             probe.Process
	RSS, Anon, File uint64 // the largest values
}

// Peak samples the process's memory. It is safe for concurrent use.
type Peak struct {
	mu      sync.Mutex
	figures Figures
	last    time.Time     // of the last reading
	took    time.Duration // duration of the last reading
}

// New returns a Peak without samples. The first is due at once, or on Windows after the pause
// for firstSample.
func New() *Peak {
	return &Peak{last: time.Now().Add(-samplePeriod), took: firstSample}
}

// due reports whether the pause since the last reading is over.
func (p *Peak) due(now time.Time) bool {
	return now.Sub(p.last) >= max(samplePeriod, sampleShare*p.took)
}

// Sample reads the process's memory if a reading is due.
func (p *Peak) Sample() {
	p.mu.Lock()
	due := p.due(time.Now())
	p.mu.Unlock()
	if due {
		p.SampleNow()
	}
}

// SampleNow reads the process's memory.
func (p *Peak) SampleNow() {
	start := time.Now()
	now, err := probe.ProcessMemory()
	if err != nil {
		return // the report has the figures of the last reading
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	p.took = p.last.Sub(start)
	f := &p.figures
	f.Now = now
	f.RSS, f.Anon, f.File = max(f.RSS, now.PeakRSS, now.RSS), max(f.Anon, now.Anon), max(f.File, now.File)
}

// Figures returns the figures so far.
func (p *Peak) Figures() Figures {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.figures
}

package runtime

import (
	"time"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// The process's memory is read while loading and generating at most once in samplePeriod, as
// that costs tens of microseconds. Where the system has to be asked for each page it may cost
// a hundred milliseconds: the pause is sampleShare times what the last reading took.
const (
	samplePeriod = 20 * time.Millisecond
	sampleShare  = 32
)

// memoryPeak is the process's memory, as seen so far.
type memoryPeak struct {
	now             probe.Process
	rss, anon, file uint64
	last            time.Time
	took            time.Duration // for the last reading
}

// newMemoryPeak has seen nothing yet: a reading is due at once, unless the first may cost much.
func newMemoryPeak() memoryPeak {
	return memoryPeak{last: time.Now().Add(-samplePeriod), took: firstSample}
}

// due tells whether it is time to look again.
func (p *memoryPeak) due(now time.Time) bool {
	return now.Sub(p.last) >= max(samplePeriod, sampleShare*p.took)
}

// sampleMemory looks at the process's memory now and then.
func (m *Model) sampleMemory() {
	m.statsMu.Lock()
	due := m.peak.due(time.Now())
	m.statsMu.Unlock()
	if due {
		m.sampleMemoryNow()
	}
}

func (m *Model) sampleMemoryNow() {
	start := time.Now()
	p, err := probe.ProcessMemory()
	if err != nil {
		return // a figure less in the report, nothing else
	}
	m.statsMu.Lock()
	defer m.statsMu.Unlock()
	m.peak.now, m.peak.last = p, time.Now()
	m.peak.took = m.peak.last.Sub(start)
	m.peak.rss = max(m.peak.rss, p.PeakRSS, p.RSS)
	m.peak.anon = max(m.peak.anon, p.Anon)
	m.peak.file = max(m.peak.file, p.File)
}

// engineReserve is what a session leaves to the engine's threads and lists and to the rest of
// the process.
const engineReserve = 24 << 20

// reserve is what is left to the rest of the process and the system when the weights
// are copied: the larger of a fixed sum and a share of what is available.
func reserve(available uint64) uint64 {
	return max(64<<20, available/16)
}

// roomFor tells whether private memory is there, also if page files have to grow for it,
// and the error that names the limit if not.
func roomFor(parts memory.Parts, p probe.Probe) *memory.Error {
	available, limit := p.Possible()
	if parts.Total() <= available {
		return nil
	}
	return parts.Short(available, limit)
}

// growth is by how much page files have to grow for private memory that is granted then.
func growth(bytes uint64, p probe.Probe) uint64 {
	if p.CommitPossibleLeft <= p.CommitLeft {
		return 0
	}
	return bytes - min(bytes, p.CommitLeft)
}

// beforeGrowth says of a limit that it is not the last word.
func beforeGrowth(limit probe.Limit, p probe.Probe) string {
	now, _ := p.Available()
	if possible, _ := p.Possible(); possible > now {
		return string(limit) + ", before page files grow"
	}
	return string(limit)
}

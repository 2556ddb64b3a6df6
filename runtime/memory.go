package runtime

import (
	"time"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// samplePeriod bounds how often the process's memory is read while generating: it
// costs tens of microseconds.
const samplePeriod = 20 * time.Millisecond

// memoryPeak is the process's memory, as seen so far.
type memoryPeak struct {
	now             probe.Process
	rss, anon, file uint64
	last            time.Time
}

// sampleMemory looks at the process's memory now and then.
func (m *Model) sampleMemory() {
	m.statsMu.Lock()
	due := time.Since(m.peak.last) >= samplePeriod
	m.statsMu.Unlock()
	if due {
		m.sampleMemoryNow()
	}
}

func (m *Model) sampleMemoryNow() {
	p, err := probe.ProcessMemory()
	if err != nil {
		return // a figure less in the report, nothing else
	}
	m.statsMu.Lock()
	defer m.statsMu.Unlock()
	m.peak.now, m.peak.last = p, time.Now()
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

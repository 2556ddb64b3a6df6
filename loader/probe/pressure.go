package probe

import "time"

// Pressure tells whether memory was short lately in the control group of this process, as
// the kernel sees it: programs wait for it (version 2), or it is reclaimed with effort
// (version 1). Elsewhere it always says no. It is for one goroutine at a time.
type Pressure struct {
	watch pressureWatch
	at    time.Time
	total time.Duration // that was waited up to then
}

// pressureShare of the time waited for memory is when it is short.
const pressureShare = 0.1

// WatchPressure begins to watch, until Close.
func WatchPressure() *Pressure {
	p := &Pressure{at: time.Now()}
	p.watch.open()
	p.total, _ = p.watch.waited()
	return p
}

// High tells whether memory was short since it was asked last, or since the watch began.
func (p *Pressure) High() bool {
	if p.watch.told() {
		return true
	}
	total, ok := p.watch.waited()
	if !ok {
		return false
	}
	now := time.Now()
	waited, passed := total-p.total, now.Sub(p.at)
	p.total, p.at = total, now
	return float64(waited) > pressureShare*float64(passed)
}

// Close ends the watch. Closing twice is safe.
func (p *Pressure) Close() error { return p.watch.close() }

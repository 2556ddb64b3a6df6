package probe

import "time"

// Pressure reports whether memory was short recently in the control group of this process: the
// kernel reports stalls (version 2) or difficult reclaim (version 1). On other systems it always
// reports no. It is not safe for concurrent use, except for the channel of Short.
type Pressure struct {
	watch pressureWatch
	at    time.Time
	total time.Duration // stall time read at the last call
}

// pressureShare is the share of time stalled for memory from which on memory is short.
const pressureShare = 0.1

// WatchPressure starts watching; call Close at the end.
func WatchPressure() *Pressure {
	p := &Pressure{at: time.Now(), watch: pressureWatch{short: make(chan struct{}, 1)}}
	p.watch.open()
	p.total, _ = p.watch.waited()
	return p
}

// High reports whether memory was short since the last call, or since the watch began.
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

// Short returns a channel that gets a value when the kernel reports that a control group is at its
// limit, so that it evicts pages. That is no shortage yet: it may be page cache that nobody needs. Values
// that are not taken are one.
func (p *Pressure) Short() <-chan struct{} { return p.watch.short }

// Poll makes a report that has just come a value of Short, without waiting until a goroutine that waits
// for reports gets a processor. It takes less than a microsecond, and is safe for concurrent use
// before Close.
func (p *Pressure) Poll() { p.watch.poll() }

// Close ends the watch. Closing twice is safe.
func (p *Pressure) Close() error { return p.watch.close() }

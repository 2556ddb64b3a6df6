package threads

import (
	"math"
	"testing"
	"time"
)

// machine simulates processors, other threads that keep some of them busy, and an engine whose
// threads spin while they wait for each other.
type machine struct {
	processors, others int
	now                time.Time
	tuner              *Tuner
	threads            []int // of the evaluations
	spent              time.Duration
}

// cost returns the time of a token with n threads: 100 ms for one; ten times as long if several
// wait for each other and not all of them have a processor.
func (m *machine) cost(n int) time.Duration {
	d := time.Duration(float64(100*time.Millisecond) / math.Pow(float64(n), 0.9))
	if n+m.others > m.processors {
		d = d * time.Duration(n+m.others) / time.Duration(m.processors)
		if n > 1 {
			d *= 10
		}
	}
	return d
}

// load returns the load while n threads compute.
func (m *machine) load(n int) Figures {
	all := float64(n + m.others)
	part := min(1, float64(m.processors)/all)
	return Figures{spare: max(0, float64(m.processors)-all), own: float64(n) * part, ran: part}
}

// run evaluates tokens, and returns the number of threads of the last one.
func (m *machine) run(tokens int) int {
	n := 0
	for range tokens {
		l := NoFigures
		if n > 0 {
			l = m.load(n)
		}
		n = m.tuner.Choose(m.processors, l)
		took := m.cost(n)
		m.now, m.spent = m.now.Add(took), m.spent+took
		m.threads = append(m.threads, n)
		m.tuner.Note(n, m.processors, 1, took, m.load(n), m.now)
	}
	return n
}

func (m *machine) best() time.Duration {
	best := m.cost(1)
	for n := 2; n <= m.processors; n++ {
		best = min(best, m.cost(n))
	}
	return best
}

func TestTheNumberOfThreadsFollowsTheLoad(t *testing.T) {
	for _, tt := range []struct {
		name               string
		processors, others int
		want               int
	}{
		{"a machine of its own", 2, 0, 2},
		{"one of two processors is busy", 2, 1, 1},
		{"both are busy", 2, 2, 1},
		{"half of many", 16, 8, 8},
		{"one of many", 16, 1, 15},
		{"more than there are", 8, 20, 1},
		{"one processor", 1, 3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := &machine{processors: tt.processors, others: tt.others, tuner: newTuner(false, false)}
			if got := m.run(200); got != tt.want {
				t.Errorf("%d threads in the end, want %d: %v", got, tt.want, m.threads)
			}
			if ratio := float64(200*m.best()) / float64(m.spent); ratio < 0.85 {
				t.Errorf("%.2f of the best number's speed: %v", ratio, m.threads)
			}
		})
	}
}

func TestTheNumberOfThreadsFollowsChanges(t *testing.T) {
	m := &machine{processors: 8, tuner: newTuner(false, false)}
	for _, others := range []int{0, 4, 7, 2, 0} {
		m.others = others
		if got, want := m.run(300), max(1, 8-others); got != want {
			t.Fatalf("%d threads beside %d others, want %d: %v", got, others, want, m.threads[len(m.threads)-300:])
		}
	}
}

// The first number of threads is chosen by the load, if it was measured.
func TestTheFirstNumberOfThreads(t *testing.T) {
	for _, tt := range []struct {
		load Figures
		want int
	}{
		{NoFigures, 8},
		{Figures{spare: 6.9, own: 0.9, ran: -1, free: -1}, 8},
		{Figures{spare: 3.1, own: 0.9, ran: -1, free: -1}, 4},
		{Figures{spare: 0, own: 0.4, ran: -1, free: -1}, 1},
		{Figures{spare: -1, own: 1, ran: -1, free: -1}, 8},
		{Figures{spare: -1, own: -1, ran: -1, free: 5}, 5},
		{Figures{spare: -1, own: -1, ran: -1, free: 0}, 1},
		{Figures{spare: 2.9, own: 0.9, ran: -1, free: 0}, 1},
		{Figures{spare: 2.9, own: 0.9, ran: -1, free: 7}, 4},
	} {
		if got := newTuner(false, false).Choose(8, tt.load); got != tt.want {
			t.Errorf("%+v: %d threads, want %d", tt.load, got, tt.want)
		}
	}
}

// An evaluation with a session's share of the budget is not measured as a trial.
func TestAShareIsNoTrial(t *testing.T) {
	m := &machine{processors: 8, tuner: newTuner(false, false)}
	m.run(10)
	if n := m.tuner.Choose(3, m.load(3)); n != 3 {
		t.Fatalf("%d threads of a share of 3", n)
	}
	for range 10 {
		m.tuner.Note(3, 3, 1, m.cost(3), Figures{own: 1, ran: 0.3}, m.now)
	}
	if n := m.run(1); n != 8 {
		t.Errorf("%d threads afterwards, want 8", n)
	}
}

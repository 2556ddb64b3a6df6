package peak

import (
	"testing"
	"time"

	"github.com/seed7adf6694/infer/loader/probe"
)

func TestAReadingOfMemoryThatTakesLongComesSeldom(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		took, ago time.Duration
		due       bool
	}{
		{50 * time.Microsecond, samplePeriod - 1, false},
		{50 * time.Microsecond, samplePeriod, true},
		{100 * time.Millisecond, 10 * samplePeriod, false},
		{100 * time.Millisecond, sampleShare * 100 * time.Millisecond, true},
	} {
		p := Peak{last: now.Add(-c.ago), took: c.took}
		if p.due(now) != c.due {
			t.Errorf("%v after one that took %v: due %v", c.ago, c.took, !c.due)
		}
	}
	p := Peak{last: now, took: time.Hour}
	if p.Sample(); p.figures.Now != (probe.Process{}) {
		t.Error("looked at once again")
	}
	if p.SampleNow(); p.figures.Now.RSS == 0 || p.took == time.Hour {
		t.Errorf("did not look: %+v", p.figures)
	}
}

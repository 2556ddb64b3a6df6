package clock_test

import (
	"slices"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
)

func TestTheClockHasSmallSteps(t *testing.T) {
	var steps []time.Duration
	for range 101 {
		start := clock.Now()
		took := clock.Since(start)
		for took == 0 {
			took = clock.Since(start)
		}
		if took < 0 {
			t.Fatalf("the clock went back by %v", -took)
		}
		steps = append(steps, took)
	}
	slices.Sort(steps)
	if median := steps[len(steps)/2]; median > 100*time.Microsecond {
		t.Errorf("half of the steps are longer than %v, want at most 100 µs", median)
	}
}

func TestTheClockKeepsPace(t *testing.T) {
	begun, start := time.Now(), clock.Now()
	for clock.Since(start) < 100*time.Millisecond {
	}
	// 20 ms for the step of package time's clock on Windows.
	if took := time.Since(begun); took < 80*time.Millisecond {
		t.Errorf("100 ms of the clock were %v", took)
	}
}

func TestReadingTheClockAllocatesNothing(t *testing.T) {
	start := clock.Now()
	if n := testing.AllocsPerRun(100, func() { clock.Since(start) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

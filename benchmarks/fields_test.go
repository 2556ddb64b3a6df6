package benchmarks_test

import (
	"context"
	"testing"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/internal/fieldtest"
)

// Each value is refused, or the run is cancelled before its first case.
func TestNoFieldOfAnOptionBringsAnythingDown(t *testing.T) {
	t.Chdir(t.TempDir())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := &benchmarks.Runner{Command: []string{"no such program"}, Repetitions: 1}
	tried := 0
	check := func(name string, err error) {
		tried++
		if err == nil {
			t.Errorf("%s: ran although it was cancelled", name)
		}
	}
	fieldtest.Each(benchmarks.SpeedOptions{}, func(name string, o benchmarks.SpeedOptions) {
		_, err := r.Speed(gone, o)
		check("Speed "+name, err)
	})
	fieldtest.Each(benchmarks.MemoryOptions{}, func(name string, o benchmarks.MemoryOptions) {
		_, err := r.Memory(gone, o)
		check("Memory "+name, err)
	})
	fieldtest.Each(benchmarks.PressureOptions{}, func(name string, o benchmarks.PressureOptions) {
		_, err := r.Pressure(gone, o)
		check("Pressure "+name, err)
	})
	fieldtest.Each(benchmarks.FragmentationOptions{}, func(name string, o benchmarks.FragmentationOptions) {
		_, err := r.Fragmentation(gone, o)
		check("Fragmentation "+name, err)
	})
	fieldtest.Each(benchmarks.FloorOptions{}, func(name string, o benchmarks.FloorOptions) {
		_, err := r.Floor(gone, o)
		check("Floor "+name, err)
	})
	fieldtest.Each(benchmarks.LoadOptions{}, func(name string, o benchmarks.LoadOptions) {
		_, err := r.Load(gone, o)
		check("Load "+name, err)
	})
	fieldtest.Each(benchmarks.ExpertsOptions{}, func(name string, o benchmarks.ExpertsOptions) {
		_, err := r.Experts(gone, o)
		check("Experts "+name, err)
	})
	fieldtest.Each(benchmarks.ServeOptions{}, func(name string, o benchmarks.ServeOptions) {
		_, err := r.Serve(gone, o)
		check("Serve "+name, err)
	})
	fieldtest.Each(benchmarks.PerplexityOptions{Text: "Once upon a time"}, func(name string, o benchmarks.PerplexityOptions) {
		_, err := benchmarks.MeasurePerplexity(gone, o)
		check("perplexity "+name, err)
	})
	if tried < 100 {
		t.Errorf("%d tried", tried)
	}
}

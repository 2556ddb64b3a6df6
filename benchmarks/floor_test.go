//go:build cgo

package benchmarks

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
)

func TestFloor(t *testing.T) {
	r := Runner{Repetitions: 1}
	rs, err := r.Floor(t.Context(), FloorOptions{Q4: tinyQ4, Tokens: 2, Threads: 1, Context: 64, Within: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != 6 || rs.Err() != nil {
		t.Errorf("%d records, %v", len(rs), rs.Err())
	}
	for _, rec := range rs {
		if rec.Status == OK && !(rec.Metrics[floorBytes] > 0 && rec.Metrics["tries"] > 1) {
			t.Errorf("%s: %v", rec.Case, rec.Metrics)
		}
	}
}

func TestTheSmallestLimitIsFound(t *testing.T) {
	m := tinyModel(t)
	const enough, within = 300_000, 64 << 10
	for name, luck := range map[string]bool{"always": false, "every other time": true} {
		t.Run(name, func(t *testing.T) {
			runs := 0
			set := func(c *testCase, limit uint64) {
				runs++
				c.job.Do = "generate"
				if limit < enough || luck && runs%2 == 0 {
					c.job.Do = "nothing"
				}
			}
			c := testCase{
				job:    job{Model: m.path, Load: "mmap", Context: 64, Threads: 1, Tokens: 2, Prompt: storyPrompt},
				search: &search{most: 1 << 20, within: within, set: set, again: luck},
			}
			rs, err := (&Runner{Repetitions: 1}).run(t.Context(), plan{experiment: floorName, model: m, cases: []testCase{c}})
			if err != nil || rs.Err() != nil {
				t.Fatal(err, rs.Err())
			}
			found, refused := rs[0].Metrics[floorBytes], rs[0].Metrics["last_refusal_bytes"]
			if found < enough || refused >= enough || found-refused > within || rs[0].Metrics["tries"] != float64(runs) {
				t.Errorf("%v in %d runs", rs[0].Metrics, runs)
			}
		})
	}
}

func TestFragmentation(t *testing.T) {
	r := Runner{Repetitions: 1}
	rs, err := r.Fragmentation(t.Context(), FragmentationOptions{Holes: []uint64{64 << 20}, Tokens: 2, Threads: 1, Context: 64})
	if err != nil || len(rs) != 3 || rs.Err() != nil {
		t.Fatalf("%d records, %v, %v", len(rs), err, rs.Err())
	}
	for _, rec := range rs {
		if rec.Status == OK && rec.Metrics[succeeded] != 1 {
			t.Errorf("%s: %v, %v", rec.Case, rec.Metrics, rec.Notes)
		}
	}
}

func TestAFailureThatIsAResult(t *testing.T) {
	r := Runner{Repetitions: 1, Command: []string{"false"}}
	rs, err := r.run(t.Context(), plan{experiment: fragmentationName, model: tinyModel(t), cases: []testCase{{mayFail: true}}})
	if err != nil || len(rs) != 1 || rs[0].Status != OK || rs[0].Metrics[succeeded] != 0 || len(rs[0].Notes) == 0 {
		t.Errorf("%+v, %v", rs, err)
	}
}

func TestProgressCountsSkippedCases(t *testing.T) {
	var seen []string
	r := Runner{Repetitions: 1, Command: []string{"false"}}
	r.OnProgress = func(p Progress) { seen = append(seen, fmt.Sprint(p.Case, p.Cases, p.AllCases)) }
	cases := []testCase{{name: "a", skip: "not here"}, {name: "b", mayFail: true}, {name: "c", skip: "not here"}}
	if _, err := r.run(t.Context(), plan{experiment: floorName, model: tinyModel(t), cases: cases}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a0 3", "b1 3", "c2 3"}; !slices.Equal(seen, want) {
		t.Errorf("%q, want %q", seen, want)
	}
}

func TestLoad(t *testing.T) {
	r := Runner{Repetitions: 1}
	rs, err := r.Load(t.Context(), LoadOptions{Models: []string{tinyQ4, tinyF16}, Threads: 1})
	if err != nil || len(rs) != 12 || rs.Err() != nil {
		t.Fatalf("%d records, %v, %v", len(rs), err, rs.Err())
	}
	if facts := loadFacts(rs); len(facts) != 6 {
		t.Error(facts)
	}
	if err := rs.Plot(filepath.Join(t.TempDir(), "l.svg")); err != nil {
		t.Error(err)
	}
}

func TestFit(t *testing.T) {
	base, slope, ok := fit([]float64{1, 2, 3}, []float64{3, 5, 7})
	if !ok || math.Abs(base-1) > 1e-9 || math.Abs(slope-2) > 1e-9 {
		t.Error(base, slope, ok)
	}
	if _, _, ok := fit([]float64{1, 1}, []float64{1, 2}); ok {
		t.Error("a line through one place")
	}
}

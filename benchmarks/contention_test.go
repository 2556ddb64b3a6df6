//go:build cgo

package benchmarks

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

func TestContention(t *testing.T) {
	r := Runner{Repetitions: 1}
	o := ContentionOptions{Tokens: 4, Context: 64, Threads: []int{1}, Busy: []int{1}, Quotas: []float64{1.5}, Sessions: []int{3}, Processes: []int{2}}
	rs, err := r.Contention(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := rs.Err(); err != nil || len(rs) != 4*2 {
		t.Fatalf("%d records, %v", len(rs), err)
	}
	for _, rec := range rs {
		switch {
		case rec.Status == Skipped && rec.Labels["situation"] == "a quota of 1.5":
			t.Logf("%s: %s", rec.Case, rec.Reason)
		case rec.Status != OK || !(rec.Metrics[totalRate] > 0):
			t.Errorf("%s: %s %s, %g tok/s", rec.Case, rec.Status, rec.Reason, rec.Metrics[totalRate])
		}
	}
	var b strings.Builder
	if err := rs.Write(&b, Markdown, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| 1 busy processor ", "| 3 sessions ", "| 2 processes ", "auto |", "of the best fixed"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestContentionIsComparedWithTheBestNumber(t *testing.T) {
	rec := func(threads string, rate float64) Record {
		return Record{Experiment: contentionName, Case: threads, Status: OK, Labels: map[string]string{"situation": "s", "threads": threads}, Metrics: map[string]float64{totalRate: rate}}
	}
	rs := Results{rec(chosen, 9), rec("1", 10), rec("2", 3)}
	deriveContention(rs, contentionName)
	if m := rs[0].Metrics; m[ofBest] != 0.9 || m[ofDefault] != 3 {
		t.Errorf("%v", m)
	}
}

func TestContentionOptionsThatMakeNoSense(t *testing.T) {
	for name, o := range map[string]ContentionOptions{
		"no tokens":                {Tokens: -1},
		"no threads":               {Threads: []int{0}},
		"fewer than no processors": {Busy: []int{-1}},
		"a quota of nothing":       {Quotas: []float64{0}},
		"no sessions":              {Sessions: []int{0}},
		"no processes":             {Processes: []int{0}},
	} {
		if _, err := (&Runner{}).Contention(t.Context(), o); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

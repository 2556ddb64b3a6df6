//go:build cgo

package benchmarks

import (
	"slices"
	"strings"
	"testing"
)

// pressableMixture is a mixture whose experts, 4 of 32 in each of 6 layers, are most of it.
const pressableMixture = "layers=6,width=512,heads=8,kv_heads=2,ffn=1024,vocab=2048,experts=32,experts_used=4,experts_skew=0.8"

// A budget reads the experts that the simulated policy misses, and at most a tenth more by the kernel's
// count. All ways of loading compute the same.
func TestABudgetReadsWhatItsPolicyMisses(t *testing.T) {
	needGroup(t)
	r := Runner{Repetitions: 1}
	m, err := r.prepare(t.Context(), Model{Shape: pressableMixture, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	o, err := PressureOptions{Model: Model{Path: m.path}, Shares: []float64{0.6}, Tokens: 8, Threads: 1, PromptTokens: 32}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	experts, err := m.experts()
	if err != nil {
		t.Fatal(err)
	}
	need, err := o.need(t.Context(), m.path)
	if err != nil {
		t.Fatal(err)
	}
	o = o.forModel(true)
	cases := o.cases(m, knownOf(need, experts), []readaheadSetting{{}})
	cases = slices.DeleteFunc(cases, func(c testCase) bool { return c.job.Do == "disk" || c.labels["load"] == "stock" }) // slow, and no subject of this test
	var same sameTokens
	rs, err := r.run(t.Context(), plan{experiment: pressureName, model: m, cases: cases, check: same.check})
	if err != nil || len(rs) != 2+4 || rs.Err() != nil {
		t.Fatalf("%d records, %v, %v", len(rs), err, rs.Err())
	}
	rs = rs.derived()
	compared := 0
	for _, rec := range rs {
		x := rec.Metrics
		limited := rec.Labels["budget"] != ample
		if limited && x[expertsPerToken] != float64(experts.PerToken()) || !(x[tokenRate] > 0) {
			t.Errorf("%s: %v", rec.Case, x)
		}
		if limited && rec.Labels["load"] == "mmap" && !(x[offRatio] > 0) {
			t.Errorf("%s: not compared with the mapping without a budget: %v", rec.Case, x)
		}
		if !limited || rec.Labels["load"] != "mmap" || rec.Labels["text"] != "" {
			continue
		}
		counted, known := x[readPerToken]
		if !known || x[slotCount] == 0 {
			t.Errorf("%s: nothing to compare: %v, %v", rec.Case, x, rec.Notes)
			continue
		}
		if _, simulated := x[simulatedMisses]; !simulated {
			t.Logf("%s: the budget changed meanwhile", rec.Case)
			continue
		}
		compared++
		if x[expertMisses] != x[simulatedMisses] || x[expertHitRatio] != x[simulatedHits] || x[expertMisses] == 0 {
			t.Errorf("%s: %g misses, simulated %g; %v", rec.Case, x[expertMisses], x[simulatedMisses], x)
		}
		if bound := 1.1 * (1 - x[simulatedHits]) * x[expertsPerToken]; x[streamedLayers] == 0 && counted > bound {
			t.Errorf("%s: the kernel counts %g bytes per token, more than %g: %v", rec.Case, counted, bound, x)
		}
		if x[expertsRead] < x[simulatedRead] || x[expertsRead] > 1.1*x[simulatedRead] {
			t.Errorf("%s: %g bytes of experts read per token, simulated %g", rec.Case, x[expertsRead], x[simulatedRead])
		}
	}
	if compared == 0 {
		t.Error("no case could be compared")
	}
	var b strings.Builder
	if err := rs.Write(&b, Table, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"mixture: 192 experts in 6 layers", "of simulated", "× off", "pp32"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

package fieldtest_test

import (
	"math"
	"testing"

	"github.com/seed7adf6694/infer/internal/fieldtest"
)

func TestOneFieldIsChangedAtATime(t *testing.T) {
	type inner struct{ F float32 }
	type options struct {
		N      int
		In     inner
		List   []int32
		By     map[int32]float32
		P      *uint32
		hidden int
	}
	base := options{N: 7, In: inner{0.5}, hidden: 3}
	seen := map[string]bool{}
	nan := false
	fieldtest.Each(base, func(name string, o options) {
		seen[name] = true
		nan = nan || math.IsNaN(float64(o.In.F))
		changed := 0
		for _, c := range []bool{o.N != base.N, o.In != base.In, o.List != nil, o.By != nil, o.P != nil} {
			if c {
				changed++
			}
		}
		if changed > 1 || o.hidden != 3 {
			t.Errorf("%s: %+v", name, o)
		}
	})
	for _, name := range []string{`N "-1"`, `N "9223372036854775807"`, `In.F "+Inf"`, `List "[-1 -1]"`, `By "map[-1:NaN]"`, `P "4294967295"`} {
		if !seen[name] {
			t.Errorf("%s was not tried", name)
		}
	}
	if !nan {
		t.Error("NaN was not tried")
	}
}

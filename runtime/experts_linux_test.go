//go:build cgo

package runtime_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/residency"
	"github.com/seed7adf6694/infer/runtime"
)

func init() { children["mixture"] = childMixture }

// mixed is what a mixture generated with a budget.
type mixed struct {
	Tokens          []int32
	Weights, Others uint64 // size of the weights, and what the budget is for beside them, in bytes
	Experts         *residency.ExpertStats
}

// childMixture generates with a budget in bytes.
func childMixture(args []string) int {
	total, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return 2
	}
	tokens, r, err := greedy(background, args[0], runtime.Options{Load: runtime.LoadMMap, MaxMemory: total, Session: budgeted}, budgeted, 24)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(mixed{tokens, r.WeightBytes, total - r.Residency.Budget, r.Residency.Experts}); err != nil {
		return 1
	}
	return 0
}

// generateMixture runs childMixture in a control group that charges all that it reads.
func generateMixture(t *testing.T, path string, budget uint64) (m mixed, peak uint64) {
	t.Helper()
	cg, err := memtest.NewCgroup(1 << 30)
	memtest.Need(t, err)
	defer cg.Close()
	memtest.Need(t, memtest.DropCache(path))
	res, err := memtest.Run(t.Context(), memtest.Child("mixture", path, fmt.Sprint(budget)), memtest.Limits{Cgroup: cg})
	if err != nil {
		t.Fatal(err)
	}
	use, err := cg.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(res.Stdout, &m); res.Code != 0 || err != nil {
		t.Fatal(res, err)
	}
	return m, use.Peak
}

// What a control group charges, page cache included, stays below the budget, in which most experts
// are read when they are chosen.
func TestTheBudgetOfAMixtureIsItsPeak(t *testing.T) {
	memtest.WithoutRace(t)
	archs := []string{"llama", "granitehybrid", "qwen3moe", "gpt-oss"}
	if testing.Short() {
		archs = archs[:2] // the others are read in the same way
	}
	for _, arch := range archs {
		path := model(t, otherMixture+arch, "q4_0")
		ample, _ := generateMixture(t, path, 1<<29)
		for _, share := range []float64{0.9, 0.25} {
			t.Run(fmt.Sprintf("%s, %v", arch, share), func(t *testing.T) {
				budget := ample.Others + uint64(float64(ample.Weights)*share)
				got, peak := generateMixture(t, path, budget)
				equal(t, "tokens", got.Tokens, ample.Tokens)
				if got.Experts == nil || got.Experts.Misses == 0 || peak > budget {
					t.Errorf("peak %d of %d, %+v", peak, budget, got.Experts)
				}
				t.Logf("peak %d of %d", peak, budget)
			})
		}
	}
}

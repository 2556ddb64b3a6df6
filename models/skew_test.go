package models

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// The computed scale is right for truly random tokens and rows.
func TestTheScaleGivesTheShare(t *testing.T) {
	memtest.WithoutRace(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, s := range []Shape{
		{Experts: 8, ExpertsUsed: 2, ExpertsSkew: 0.75},
		{Experts: 9, ExpertsUsed: 1, ExpertsSkew: 0.6},
		{Experts: 32, ExpertsUsed: 4, ExpertsSkew: 0.9},
		{Experts: 64, ExpertsUsed: 8, ExpertsSkew: 0.8},
		{Experts: 512, ExpertsUsed: 10, ExpertsSkew: 0.95},
	} {
		scale := float64(newRatings(s).scaleFor(s.ExpertsSkew)) / scaleUnit
		type rated struct {
			rating float64
			hot    bool
		}
		chosen, tokens := 0, 1<<19/s.Experts
		for range tokens {
			row := make([]rated, s.Experts)
			for i := range row {
				row[i] = rated{random.NormFloat64(), i < s.hot()}
				if row[i].hot {
					row[i].rating *= scale
				}
			}
			slices.SortFunc(row, func(a, b rated) int { return int(math.Copysign(1, b.rating-a.rating)) })
			for _, r := range row[:s.ExpertsUsed] {
				if r.hot {
					chosen++
				}
			}
		}
		share := float64(chosen) / float64(tokens*s.ExpertsUsed)
		t.Logf("%d of %d: scale %.3f, share %.3f", s.ExpertsUsed, s.Experts, scale, share)
		if math.Abs(share-s.ExpertsSkew) > 0.015 {
			t.Errorf("%d of %d experts: a half takes %.3f, want %g", s.ExpertsUsed, s.Experts, share, s.ExpertsSkew)
		}
	}
}

// Half of the rows are longer, others in each layer and with each seed, and nothing else is
// changed.
func TestOnlyTheRowsOfHalfOfTheExpertsAreScaled(t *testing.T) {
	seen := map[[32]bool]bool{}
	for _, seed := range []uint64{1, 2} {
		s := shapeOf(t, "test-moe,experts=32,experts_skew=0.8")
		tensors := s.tensors()
		s.skew(tensors, seed)
		for i := range tensors {
			if tensors[i].role != router {
				if tensors[i].scales != nil {
					t.Errorf("%s is scaled", tensors[i].name)
				}
				continue
			}
			var hot [32]bool
			n := 0
			for expert, scale := range tensors[i].scales {
				if hot[expert] = scale > 1; hot[expert] {
					n++
				} else if scale != 1 {
					t.Errorf("%s: scale %g", tensors[i].name, scale)
				}
			}
			if n != 16 || seen[hot] {
				t.Errorf("seed %d, %s: %d hot experts: %v", seed, tensors[i].name, n, hot)
			}
			seen[hot] = true
		}
	}
}

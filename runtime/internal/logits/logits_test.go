package logits

import (
	"math"
	"math/rand"
	"reflect"
	"slices"
	"testing"
)

func random(n int, scale float64) []float32 {
	r := rand.New(rand.NewSource(int64(n)))
	row := make([]float32, n)
	for i := range row {
		row[i] = float32(r.NormFloat64() * scale)
	}
	return row
}

func TestLogSumIsThatOfExponentials(t *testing.T) {
	inf := float32(math.Inf(1))
	rows := [][]float32{{0}, {-3, 5}, {1e30, 1e30}, {-200, 0, -87.1, -86.9}, {-inf, 2, -inf}, {40, -40, 3, 2, 1}}
	for _, scale := range []float64{0.1, 3, 30, 1000} {
		for _, n := range []int{1, 7, 1000, 100_003} {
			rows = append(rows, random(n, scale))
		}
	}
	for _, row := range rows {
		highest, sum := float64(slices.Max(row)), 0.0
		for _, l := range row {
			sum += math.Exp(float64(l) - highest)
		}
		want := highest + math.Log(sum)
		if got := LogSum(row); !(math.Abs(got-want) < 1e-6) {
			t.Errorf("%d logits from %v on: %v, want %v", len(row), row[0], got, want)
		}
	}
	nan := float32(math.NaN())
	for _, row := range [][]float32{{nan}, {1, nan, 2}, {1, 2, 3, 4, nan}, {1, inf}, {-inf}} {
		if got := LogSum(row); !math.IsNaN(got) {
			t.Errorf("%v: %v", row, got)
		}
	}
}

func TestTopIsTheMostLikelyFirst(t *testing.T) {
	row := random(5000, 3)
	row[100], row[200] = 50, 50 // of equal ones the first
	all := make([]int, len(row))
	for i := range all {
		all[i] = i
	}
	slices.SortStableFunc(all, func(a, b int) int {
		if row[a] > row[b] {
			return -1
		}
		return 1
	})
	for _, n := range []int{1, 2, 20, 21, 999, 5000, 6000} {
		if got, want := Top(row, n), all[:min(n, len(all))]; !reflect.DeepEqual(got, want) {
			t.Errorf("%d: %v, want %v", n, got[:min(5, len(got))], want[:min(5, len(want))])
		}
	}
	if got := Top(row, 0); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// A vocabulary of 100,000 tokens.
func BenchmarkLogSum(b *testing.B) {
	row := random(100_000, 3)
	for b.Loop() {
		LogSum(row)
	}
}

func BenchmarkTop(b *testing.B) {
	row := random(100_000, 3)
	for b.Loop() {
		Top(row, 5)
	}
}

func BenchmarkMathExp(b *testing.B) {
	row := random(100_000, 3)
	for b.Loop() {
		sum := 0.0
		for _, l := range row {
			sum += math.Exp(float64(l) - 15)
		}
		if sum < 0 {
			b.Fatal(sum)
		}
	}
}

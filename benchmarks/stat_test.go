package benchmarks

import (
	"math"
	"strings"
	"testing"
)

func TestMedianAndSpread(t *testing.T) {
	for _, tt := range []struct {
		name           string
		values         []float64
		median, spread float64
	}{
		{"nothing", nil, 0, 0},
		{"one value", []float64{3}, 3, 0},
		{"an odd number", []float64{4, 1, 2}, 2, 1},
		{"an even number", []float64{1, 3, 2, 2}, 2, 0.5},
		{"zeros", []float64{0, 0}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sampleOf(tt.values)
			if s.median() != tt.median || s.spread() != tt.spread {
				t.Errorf("median %g, spread %g; want %g, %g", s.median(), s.spread(), tt.median, tt.spread)
			}
		})
	}
}

func TestChanceIsThatOfMannAndWhitney(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b []float64
		want float64
	}{
		{"three against three, apart", []float64{1, 2, 3}, []float64{4, 5, 6}, 2.0 / 20},
		{"four against four, apart", []float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 2.0 / 70},
		{"four against four, the other way round", []float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}, 2.0 / 70},
		{"one in between", []float64{1, 2, 4}, []float64{3, 5, 6}, 4.0 / 20},
		{"all the same", []float64{1, 1, 1}, []float64{1, 1, 1}, 1},
		{"ties", []float64{1, 1, 2}, []float64{2, 3, 3}, 0.2},
		{"one of a kind", []float64{1}, []float64{2}, 1},
		{"nothing to compare with", []float64{1}, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := chance(sampleOf(tt.a), sampleOf(tt.b)); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("%g, want %g", got, tt.want)
			}
		})
	}
}

func TestQuotientSpansAllPairs(t *testing.T) {
	mid, low, high := quotient(sampleOf([]float64{2, 4, 6}), sampleOf([]float64{1, 2, 4}))
	if mid != 2 || low != 0.5 || high != 6 {
		t.Errorf("%g, %g to %g", mid, low, high)
	}
	if mid, _, _ := quotient(sampleOf([]float64{1}), sampleOf([]float64{0})); mid != 0 {
		t.Errorf("a ratio to nothing is %g", mid)
	}
}

func TestFigures(t *testing.T) {
	for _, tt := range []struct {
		metric string
		value  float64
		want   string
	}{
		{"tokens_per_second", 9.128, "9.13"}, {"tokens_per_second", 112.4, "112"}, {"tokens_per_second", 0.1234, "0.123"}, {"tokens_per_second", 53.21, "53.2"},
		{"peak_bytes", 600 << 20, "600 MiB"}, {"read_bytes_per_token", 0, "0 bytes"}, {"disk_bytes_per_second", 1 << 30, "1.00 GiB/s"},
		{"load_seconds", 0.1234, "123 ms"}, {"load_seconds", 12.34, "12.3 s"}, {"load_seconds", 5e-6, "5 µs"}, {"load_seconds", 3723, "1h2m3s"},
		{"stock_ratio", 1.5, "1.50"}, {"chunks", 11, "11"},
	} {
		if got := figure(tt.metric, tt.value); got != tt.want {
			t.Errorf("%s %g: %q, want %q", tt.metric, tt.value, got, tt.want)
		}
	}
}

func TestMarksAreRound(t *testing.T) {
	for _, tt := range []struct {
		to   float64
		want string
	}{{2700, "0 500 1000 1500 2000 2500"}, {1.1, "0 0.2 0.4 0.6 0.8 1"}, {100, "0 20 40 60 80 100"}, {0.05, "0 0.01 0.02 0.03 0.04 0.05"}} {
		var got []string
		for _, tick := range (roundTicks{}).Ticks(0, tt.to) {
			got = append(got, tick.Label)
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("to %g: %s", tt.to, s)
		}
	}
}

func TestStraightness(t *testing.T) {
	if s := straightness([]float64{1, 2, 3}, []float64{2, 4, 6}); math.Abs(s-1) > 1e-9 {
		t.Error(s)
	}
	if s := straightness([]float64{1, 2, 3, 4}, []float64{0, 1, 1, 0}); s > 0.1 {
		t.Error(s)
	}
	if s := straightness([]float64{1, 2}, []float64{3, 3}); s != 1 {
		t.Error(s)
	}
}

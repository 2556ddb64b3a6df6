package benchmarks

import (
	"math"
	"slices"
)

// sample has the values of the repetitions, in ascending order.
type sample []float64

func sampleOf(values []float64) sample { return slices.Sorted(slices.Values(values)) }

func (s sample) median() float64 {
	switch n := len(s); {
	case n == 0:
		return 0
	case n%2 == 1:
		return s[n/2]
	default:
		return (s[n/2-1] + s[n/2]) / 2
	}
}

func (s sample) least() float64 { return s[0] }
func (s sample) most() float64  { return s[len(s)-1] }

// spread returns the largest deviation from the median, relative to the median.
func (s sample) spread() float64 {
	m := s.median()
	if len(s) < 2 || m == 0 {
		return 0
	}
	return max(m-s.least(), s.most()-m) / math.Abs(m)
}

func (s sample) mean() float64 {
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(max(len(s), 1))
}

// deviation returns the sample standard deviation (n - 1).
func (s sample) deviation() float64 {
	if len(s) < 2 {
		return 0
	}
	mean, sum := s.mean(), 0.0
	for _, v := range s {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(s)-1))
}

// quotient returns the ratio of the medians of two samples, and the smallest and the largest ratio
// of any two of their values.
func quotient(a, b sample) (mid, low, high float64) {
	if len(a) == 0 || len(b) == 0 || b.least() <= 0 {
		return 0, 0, 0
	}
	return a.median() / b.median(), a.least() / b.most(), a.most() / b.least()
}

// chance returns the p-value of the exact two-sided Mann-Whitney test, with ties.
func chance(a, b sample) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	// Ranks are doubled, so that tied ranks are whole numbers.
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	rank := func(v float64) int {
		first, _ := slices.BinarySearch(all, v)
		last := first
		for last < len(all) && all[last] == v {
			last++
		}
		return first + last + 1
	}
	sum, total := 0, 0
	for _, v := range a {
		sum += rank(v)
	}
	// ways[n][s] is the number of choices of n values whose ranks add up to s.
	ways := make([]map[int]float64, len(a)+1)
	for i := range ways {
		ways[i] = map[int]float64{}
	}
	ways[0][0] = 1
	for _, v := range all {
		r := rank(v)
		total += r
		for n := len(a); n > 0; n-- {
			for s, w := range ways[n-1] {
				ways[n][s+r] += w
			}
		}
	}
	mean := float64(total) * float64(len(a)) / float64(len(all))
	away := math.Abs(float64(sum) - mean)
	as, every := 0.0, 0.0
	for s, w := range ways[len(a)] {
		every += w
		if math.Abs(float64(s)-mean) >= away-1e-9 {
			as += w
		}
	}
	return as / every
}

// straightness returns r², the coefficient of determination of the fitted line: 1 if all points are
// on it.
func straightness(x, y []float64) float64 {
	base, slope, ok := fit(x, y)
	if !ok {
		return 0
	}
	mean, around, beside := sampleOf(y).mean(), 0.0, 0.0
	for i := range x {
		around += (y[i] - mean) * (y[i] - mean)
		beside += (y[i] - base - slope*x[i]) * (y[i] - base - slope*x[i])
	}
	if around == 0 {
		return 1
	}
	return 1 - beside/around
}

// fit returns the least-squares line through points.
func fit(x, y []float64) (base, slope float64, ok bool) {
	n, sx, sy, sxx, sxy := float64(len(x)), 0.0, 0.0, 0.0, 0.0
	for i := range x {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	d := n*sxx - sx*sx
	if len(x) < 2 || d <= 1e-12*n*sxx {
		return 0, 0, false
	}
	slope = (n*sxy - sx*sy) / d
	return (sy - slope*sx) / n, slope, true
}

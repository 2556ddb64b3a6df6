package models

import (
	"slices"
)

// Half of the experts of a layer are hot: their rows of the router's matrix are longer. A token's score
// for an expert is the product with a random row, so scores are independent and normally
// distributed, with a larger deviation for hot experts. The highest scores are chosen, and more
// of them are of hot experts.

// evenShare is the share of half of the experts if all are chosen equally often.
const evenShare = 0.5

func validSkew(share float64) bool { return share > evenShare && share < 1 }

// hot is the number of hot experts.
func (s Shape) hot() int { return s.Experts / 2 }

// The scales of hot rows are integers divided by scaleUnit.
const (
	scaleUnit = 64
	maxScale  = 64 * scaleUnit
)

func (s Shape) checkSkew() error {
	switch {
	case s.ExpertsSkew == 0:
		return nil
	case !validSkew(s.ExpertsSkew):
		return shapeError(keySkew, s.ExpertsSkew, "%s is %g, must be above %g and below 1", keySkew, s.ExpertsSkew, evenShare)
	case s.Experts == 0:
		return shapeError(keySkew, s.ExpertsSkew, "%s is %g and there are no experts: set experts too", keySkew, s.ExpertsSkew)
	}
	if most := newRatings(s).hotShare(maxScale); s.ExpertsSkew > most {
		return shapeError(keySkew, s.ExpertsSkew, "%s is %g, can be at most %.2f with %d of %d experts used for a token: raise experts or lower experts_used",
			keySkew, s.ExpertsSkew, most, s.ExpertsUsed, s.Experts)
	}
	return nil
}

// skew scales rows of the routers so that a share of ExpertsSkew of the choices goes to half of the
// experts. The seed selects the half, a different one for each layer.
func (s Shape) skew(tensors []blueprint, seed uint64) {
	if s.ExpertsSkew == 0 {
		return
	}
	scale := float32(newRatings(s).scaleFor(s.ExpertsSkew)) / scaleUnit
	for i := range tensors {
		if t := &tensors[i]; t.role == router {
			t.scales = make([]float32, s.Experts)
			for expert, rank := range shuffled(s.Experts, newStream(seed, t.name+" skew", 1).key) {
				t.scales[expert] = 1
				if rank < s.hot() {
					t.scales[expert] = scale
				}
			}
		}
	}
}

// shuffled returns the numbers below n in an order that depends on the key.
func shuffled(n int, key uint64) []int {
	order := make([]int, n)
	for i := range order {
		key = mix(key)
		j := int(key % uint64(i+1))
		order[i] = order[j]
		order[j] = i
	}
	return order
}

// ratings are the scores of random tokens from a router with equally long rows: for each token those of
// the hot experts and those of the others, in descending order. All arithmetic is in integers,
// the same on every machine.
type ratings struct {
	used, hot, others int
	values            []int64 // for each token the hot ones, then the others
}

func newRatings(s Shape) ratings {
	r := ratings{used: s.ExpertsUsed, hot: s.hot(), others: s.Experts - s.hot()}
	tokens := max(1024, 1<<18/s.Experts)
	r.values = make([]int64, tokens*s.Experts)
	key := mix(uint64(s.Experts))
	for i := range r.values {
		// Only the tails matter, so these are sums of many numbers, which are nearly normal.
		for range 16 {
			key = mix(key)
			r.values[i] += int64(key&0xffff+key>>16&0xffff+key>>32&0xffff+key>>48) - laneMean
		}
	}
	for of := range slices.Chunk(r.values, s.Experts) {
		for _, part := range [][]int64{of[:r.hot], of[r.hot:]} {
			slices.SortFunc(part, func(a, b int64) int { return int(b - a) })
		}
	}
	return r
}

// hotShare returns the share of choices of hot experts if their rows are scaled by scale/scaleUnit.
func (r ratings) hotShare(scale int64) float64 {
	chosen, all := 0, 0
	for of := range slices.Chunk(r.values, r.hot+r.others) {
		hot, others := of[:r.hot], of[r.hot:]
		for range r.used {
			if len(others) == 0 || len(hot) > 0 && hot[0]*scale >= others[0]*scaleUnit {
				hot = hot[1:]
				chosen++
			} else {
				others = others[1:]
			}
			all++
		}
	}
	return float64(chosen) / float64(all)
}

// scaleFor returns the smallest scale with which hot experts get a share of the choices. The share
// grows with the scale where it can exceed one half.
func (r ratings) scaleFor(share float64) int64 {
	low, high := int64(scaleUnit), int64(maxScale)
	for low < high {
		if middle := (low + high) / 2; r.hotShare(middle) < share {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

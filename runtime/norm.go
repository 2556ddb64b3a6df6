package runtime

import (
	"errors"
	"math"
)

// Norm is what the vectors of embeddings are scaled by. Values from 3 on are the p-norm of
// that p.
type Norm int

const (
	// NormEuclidean makes the length 1.
	NormEuclidean Norm = 0
	// NormTaxicab makes the sum of the absolute values 1.
	NormTaxicab Norm = 1
	// NormNone leaves vectors as the model made them.
	NormNone Norm = -1
	// NormMax makes the largest absolute value 32760, for vectors kept in 16 bits.
	NormMax Norm = -2
)

// maxInt16 is the largest absolute value of NormMax, as llama.cpp has it.
const maxInt16 = 32760

func (n Norm) valid() bool { return n >= NormMax }

// ErrNotANumber is returned for embeddings and scores that are infinite or no numbers.
var ErrNotANumber = errors.New("the model computed what is no number: its weights are damaged, or of a type that is too small for them")

// numbers looks for values that are none.
func numbers(v []float32) error {
	for _, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return ErrNotANumber
		}
	}
	return nil
}

// scale scales v; the zero vector stays.
func (n Norm) scale(v []float32) error {
	if err := numbers(v); err != nil || n == NormNone {
		return err
	}
	p := float64(n)
	switch n {
	case NormEuclidean, 2:
		p = 2
	case NormMax:
		p = math.Inf(1)
	}
	largest := 0.0
	for _, x := range v {
		largest = max(largest, math.Abs(float64(x)))
	}
	if largest == 0 {
		return nil
	}
	sum := 0.0
	for _, x := range v {
		sum += math.Pow(math.Abs(float64(x))/largest, p) // whose powers stay in range
	}
	length := largest * math.Pow(sum, 1/p)
	if n == NormMax {
		length = largest / maxInt16
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / length)
	}
	return nil
}

package runtime

import (
	"errors"
	"math"
	"testing"
)

func TestRowsAreComparedToTheLastBit(t *testing.T) {
	inf := float32(math.Inf(-1))
	a := [][]float32{{1, inf}, {2, 3}}
	for _, tt := range []struct {
		name string
		b    [][]float32
		want *ModesError
	}{
		{"the same", [][]float32{{1, inf}, {2, 3}}, nil},
		{"one number differs", [][]float32{{1, inf}, {2, 3.5}}, &ModesError{Token: 1, Difference: 0.5}},
		{"one token less", [][]float32{{1, inf}}, &ModesError{Token: 1, Difference: math.Inf(1)}},
		{"one token of another width", [][]float32{{1}, {2, 3}}, &ModesError{Token: 0, Difference: math.Inf(1)}},
	} {
		got := compareRows(a, tt.b)
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if got != nil && !errors.Is(got, ErrModesDiffer) {
			t.Errorf("%s: no ErrModesDiffer", tt.name)
		}
	}
}

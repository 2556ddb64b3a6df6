package cpulist

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		list string
		want []int // nil for what is no list
	}{
		{"0\n", []int{0}},
		{"0-3\n", []int{0, 1, 2, 3}},
		{"0,2-3,8", []int{0, 2, 3, 8}},
		{"", nil},
		{"0-x", nil},
		{"0-99999999", nil},
	} {
		if got, ok := Parse(tt.list); ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v", tt.list, got, ok)
		}
	}
}

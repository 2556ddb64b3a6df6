package values

import (
	"slices"
	"testing"
)

func TestListsOfNumbers(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []int
	}{
		{"512", []int{512}}, {"1,2, 4", []int{1, 2, 4}}, {"1-4", []int{1, 2, 3, 4}}, {"1-8+3,0", []int{1, 4, 7, 0}}, {"16-128*2", []int{16, 32, 64, 128}},
		{"", nil}, {"1,", nil}, {"-1", nil}, {"x", nil}, {"4-1", nil}, {"1-4+0", nil}, {"0-4*2", nil}, {"1-4*1", nil}, {"1-100000", nil}, {"2000000", nil}, {"1-4/2", nil},
	} {
		var got []int
		if err := ListOf(&got, Whole(0, 1000000))(tt.text); (err == nil) != (tt.want != nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v", tt.text, got, err)
		}
	}
}

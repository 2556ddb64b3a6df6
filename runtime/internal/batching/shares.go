package batching

import (
	"cmp"
	"slices"
)

// Shares divides an evaluation of room tokens among prompts, of which left are the tokens that
// are still to be computed, the oldest prompt first. The oldest gets at least half, so that
// none waits for ever; of the others the shortest come first, as their answers begin soonest.
func Shares(left []int, room int) []int {
	shares := make([]int, len(left))
	if len(left) == 0 || room <= 0 {
		return shares
	}
	give := func(i, most int) {
		n := min(left[i]-shares[i], most)
		shares[i] += n
		room -= n
	}
	give(0, (room+1)/2)
	order := make([]int, len(left))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(left[i], left[j]) })
	for _, i := range order {
		give(i, room)
	}
	return shares
}

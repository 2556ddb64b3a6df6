// Package features tells what this CPU can do, by the engine's names of instruction sets.
package features

import "slices"

// names lists what there is, in order.
func names(has map[string]bool) []string {
	var list []string
	for n, ok := range has {
		if ok {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

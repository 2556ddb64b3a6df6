// Package features detects the instruction sets of this CPU, under the engine's names.
package features

import "slices"

// names lists the available features, in order.
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

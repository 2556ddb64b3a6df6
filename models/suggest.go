package models

import (
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// nearest returns those of the names that are most like word, at most three,
// none if nothing is close: one typing error in three letters, and case is free.
func nearest(word string, names []string) []string {
	// Comparing is quadratic in the length; no name that one meant is longer.
	if len(word) > 256 {
		return nil
	}
	best := max(1, len([]rune(word))/3)
	var found []string
	for _, w := range names {
		if len(w) > 256 {
			continue
		}
		switch d := words.Distance(strings.ToLower(word), strings.ToLower(w)); {
		case d < best:
			best, found = d, append(found[:0], w)
		case d == best:
			found = append(found, w)
		}
	}
	return found[:min(len(found), 3)]
}

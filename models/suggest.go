package models

import (
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// nearest returns at most three names that are similar to word, none if no name is: one typing error
// for every three letters, and case does not matter.
func nearest(word string, names []string) []string {
	// The comparison takes quadratic time; longer names are never meant.
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

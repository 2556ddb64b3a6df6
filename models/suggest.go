package models

import "strings"

// nearest returns those of the words that are most like word, at most three,
// none if nothing is close: one typing error in three letters, and case is free.
func nearest(word string, words []string) []string {
	// Comparing is quadratic in the length; no name that one meant is longer.
	if len(word) > 256 {
		return nil
	}
	best := max(1, len([]rune(word))/3)
	var found []string
	for _, w := range words {
		if len(w) > 256 {
			continue
		}
		switch d := distance(strings.ToLower(word), strings.ToLower(w)); {
		case d < best:
			best, found = d, append(found[:0], w)
		case d == best:
			found = append(found, w)
		}
	}
	return found[:min(len(found), 3)]
}

// distance counts the edits (insert, delete, replace, swap neighbours) that
// make b of a.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	// rows i-2, i-1 and i of the usual table
	before, previous, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		before, previous, row = previous, row, before
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(y)]
}

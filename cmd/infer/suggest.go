package main

import "strings"

// suggest returns the word that was probably meant, "" if none is close.
func suggest(word string, words []string) string {
	if len(word) < 2 || len(word) > 64 {
		return ""
	}
	best, found := max(1, len(word)/3)+1, ""
	for _, w := range words {
		if d := distance(strings.ToLower(word), w); d < best {
			best, found = d, w
		}
	}
	if found != "" {
		return found
	}
	for _, w := range words { // --ctx for --ctx-size, but --t for nothing
		if len(word) > 2 && strings.HasPrefix(w, strings.ToLower(word)) {
			return w
		}
	}
	return ""
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbours that make b of a.
func distance(a, b string) int {
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		older, old, row = old, row, older
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(old[j+1]+1, row[j]+1, old[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(b)]
}

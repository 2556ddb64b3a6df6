package spellings

import (
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// Suggest returns the word that was probably meant, or "" if none is close.
func Suggest(word string, known []string) string {
	if len(word) < 2 || len(word) > 64 {
		return ""
	}
	best, found := max(1, len(word)/3)+1, ""
	for _, w := range known {
		if d := words.Distance(strings.ToLower(word), w); d < best {
			best, found = d, w
		}
	}
	if found != "" {
		return found
	}
	for _, w := range known { // --ctx for --ctx-size, but --t for nothing
		if len(word) > 2 && strings.HasPrefix(w, strings.ToLower(word)) {
			return w
		}
	}
	return ""
}

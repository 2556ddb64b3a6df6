package spellings

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	words := []string{"tokenize", "inspect", "quantize", "ctx-size", "temp", "n"}
	for in, want := range map[string]string{
		"tokenise": "tokenize", "inspetc": "inspect", "quantise": "quantize", "TEMP": "temp", "ctx": "ctx-size",
		"t": "", "": "", "completely": "", "x": "", strings.Repeat("a", 1000): "",
	} {
		if got := Suggest(in, words); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

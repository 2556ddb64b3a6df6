package ggufcases

import (
	"fmt"
	"strings"
)

// Wide returns a mixture of [Computing] of which each vector is so many times as long: a model whose
// size can be seen beside a process. Its vocabulary and its number of experts are the same.
func Wide(name string, times uint64) []byte {
	for _, text := range strings.Split(architecturesText, "model ")[1:] {
		if found, _, _ := strings.Cut(text, "\n"); found == name {
			return describe(widen(text, times)).computing()
		}
	}
	panic("no architecture " + name)
}

// widen multiplies lengths of vectors in a description.
func widen(text string, times uint64) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	kept := map[string]bool{} // numbers of tokens and experts
	for i, line := range lines {
		f := strings.Fields(line)
		switch {
		case f[0] == "tokens":
			kept[f[1]] = true
		case f[0] == "key" && f[1] == "expert_count":
			kept[f[3]] = true
		case f[0] == "key" && (f[1] == "embedding_length" || strings.HasSuffix(f[1], "feed_forward_length")):
			f[3] = fmt.Sprint(times * number(f[3]))
		case f[0] == "tensor":
			for j, dim := range f[3:] {
				if !kept[dim] {
					f[3+j] = fmt.Sprint(times * number(dim))
				}
			}
		}
		lines[i] = strings.Join(f, " ")
	}
	return strings.Join(lines, "\n")
}

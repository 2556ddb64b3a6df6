package check

import (
	"iter"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// stringsOf yields the elements of an array of strings as the engine reads them: up to the first NUL.
func stringsOf(v gguf.Value) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i, s := range v.Strings() {
			if !yield(i, cString(s)) {
				return
			}
		}
	}
}

// intsOf yields the elements of an array of integers.
func intsOf(v gguf.Value) iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		for i, e := range v.Elems() {
			n, _ := e.Int()
			if !yield(i, n) {
				return
			}
		}
	}
}

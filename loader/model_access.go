package loader

import "iter"

// stringsOf yields the elements of an array of strings as the engine sees them:
// cut at the first NUL.
func stringsOf(v Value) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for i, s := range v.Strings() {
			if !yield(i, cString(s)) {
				return
			}
		}
	}
}

// intsOf yields the elements of an array of integers.
func intsOf(v Value) iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		for i, e := range v.Elems() {
			n, _ := e.Int()
			if !yield(i, n) {
				return
			}
		}
	}
}

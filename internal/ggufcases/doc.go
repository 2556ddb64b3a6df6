// Package ggufcases makes files that a reader of GGUF models must refuse: with an
// error, in time and memory that the size of the file bounds, and before any code that
// asserts on its input has seen them. It makes them byte by byte and knows nothing of
// the reader that it tests, so that the two can't share a mistake.
//
//	for name, c := range ggufcases.Hostile() {
//		t.Run(name, func(t *testing.T) {
//			path, err := c.Write(t.TempDir())
//			…
//			_, err = loader.Open(path)
//			// err is a *gguf.FormatError and mentions c.Want.
//		})
//	}
package ggufcases

// Package ggufcases makes files that a reader of GGUF models must refuse: with an error, within time
// and memory bounded by the size of the file, and before they reach code that asserts on its input.
// The files are made byte by byte, without the code of the tested reader, so that an error of the
// reader cannot hide itself.
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

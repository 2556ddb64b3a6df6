package loader_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

// FuzzModel checks whatever is a GGUF file as a model. What is refused must be refused by a
// format error.
func FuzzModel(f *testing.F) {
	f.Add(ggufcases.Small())
	for _, c := range ggufcases.Models() {
		if len(c.Bytes) < 100<<10 {
			f.Add(c.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		ix, err := loader.OpenIndex(modeltest.Write(t, content), loader.Options{Check: loader.CheckModel})
		if err == nil {
			ix.Close()
			return
		}
		var format *loader.FormatError
		if !errors.As(err, &format) || !errors.Is(err, loader.ErrFormat) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Fatalf("error of type %T: %q", err, err)
		}
	})
}

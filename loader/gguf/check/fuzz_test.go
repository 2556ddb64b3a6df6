package check_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

// FuzzModel checks arbitrary GGUF files as models. A refusal must be a format error.
func FuzzModel(f *testing.F) {
	f.Add(ggufcases.Small())
	for _, c := range ggufcases.Models() {
		if len(c.Bytes) < 100<<10 {
			f.Add(c.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		ix, err := gguf.Open(modeltest.Write(t, content), gguf.Options{Check: check.Model})
		if err == nil {
			ix.Close()
			return
		}
		var format *gguf.FormatError
		if !errors.As(err, &format) || !errors.Is(err, gguf.ErrFormat) || strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Fatalf("error of type %T: %q", err, err)
		}
	})
}

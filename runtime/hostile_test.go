//go:build cgo

package runtime_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/runtime"
)

// Files that would crash the engine do not reach it.
func TestHostileFilesAreRefused(t *testing.T) {
	enginetest.NeedBuiltin(t, "these files crash that one; package check has those of others")
	memtest.WithoutRace(t)
	if testing.Short() {
		t.Skip("the rules are the same on each system, and package loader's tests have the same files")
	}
	for name, c := range ggufcases.Hostile() {
		t.Run(name, func(t *testing.T) {
			path, err := c.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			check := func(what string, err error) {
				var format *gguf.FormatError
				if !errors.Is(err, runtime.ErrBadModel) || !errors.As(err, &format) {
					t.Errorf("%s: error of type %T is no ErrBadModel: %v", what, err, err)
				} else if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), path+": "+path) {
					t.Errorf("%s: not one line that names the file once: %q", what, err)
				}
			}
			m, err := runtime.Open(t.Context(), path, runtime.Options{})
			if err == nil {
				m.Close()
			}
			check("Open", err)
			v, err := runtime.OpenVocabulary(t.Context(), path)
			if err == nil {
				v.Close()
			}
			check("OpenVocabulary", err)
			check("Quantize", runtime.Quantize(t.Context(), path, t.TempDir()+"/out.gguf", runtime.QuantizeOptions{Type: "q8_0"}))
		})
	}
}

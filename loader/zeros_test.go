package loader_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
	"github.com/seed7adf6694/infer/models"
)

// computing is the file of a made model with weights.
func computing(t *testing.T, name string) []byte {
	t.Helper()
	for _, b := range ggufcases.Computing(name) {
		return b
	}
	t.Fatalf("no model %q", name)
	return nil
}

func TestZerosOfAStoppedDownloadAreSeen(t *testing.T) {
	whole := computing(t, "llama")
	ix, err := loader.Open(modeltest.Write(t, whole))
	if err != nil {
		t.Fatal(err)
	}
	tensors := ix.Tensors()
	ix.Close()
	last, matrix := tensors[len(tensors)-1], len(tensors)-1
	for len(tensors[matrix].Shape) < 2 {
		matrix--
	}
	for _, tt := range []struct {
		name string
		from int64 // zeros to the end of the file; -1 for none
		hole int   // number of a tensor of zeros, -1 for none
		warn string
		err  string // of CheckZeros, and the names of the matrices that it finds where ""
		find string
	}{
		{"nothing is zero", -1, -1, "", "", ""},
		{"all is zero", tensors[0].Offset, -1, "all ", "", ""},
		{"all but the first tensor", tensors[1].Offset, -1, "the last ", tensors[1].Name, ""},
		{"from the last matrix on", tensors[matrix].Offset, -1, "the last ", tensors[matrix].Name, ""},
		{"from the middle of a tensor on", tensors[matrix-1].Offset + int64(tensors[matrix-1].Size/3), -1, "the last ", tensors[matrix].Name, ""},
		{"the last bytes", last.Offset + int64(last.Size) - 8, -1, "", "", ""},
		{"a matrix in the middle", -1, matrix - 1, "", "", tensors[matrix-1].Name},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(whole)
			if tt.from >= 0 {
				clear(b[tt.from:])
			}
			if tt.hole >= 0 {
				h := tensors[tt.hole]
				clear(b[h.Offset : h.Offset+int64(h.Size)])
			}
			ix, err := loader.Open(modeltest.Write(t, b))
			if err != nil {
				t.Fatal(err)
			}
			defer ix.Close()
			warnings := strings.Join(ix.Warnings(), "\n")
			if (tt.warn == "") != (warnings == "") || tt.warn != "" && !strings.Contains(warnings, ": "+tt.warn) || tt.warn == "the last " && !strings.Contains(warnings, tt.err) {
				t.Errorf("warnings %q", warnings)
			}
			names, err := ix.CheckZeros(t.Context())
			var format *gguf.FormatError
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (!errors.As(err, &format) || !strings.Contains(format.Field, tt.err)):
				t.Errorf("error %v", err)
			case tt.err == "" && strings.Join(names, " ") != tt.find:
				t.Errorf("found %q", names)
			}
		})
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	ix, err = loader.Open(modeltest.Write(t, whole))
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	if _, err := ix.CheckZeros(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestZerosAtTheEndOfALargeTensorAreSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := models.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: models.Shape{Layers: 1, Width: 256, Heads: 4, Vocab: 2048}, Type: "f16"}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	tensors := ix.Tensors()
	last := tensors[len(tensors)-1]
	ix.Close()
	for share, warns := range map[float64]bool{0: false, 0.01: false, 0.5: true, 0.9: true} {
		b := bytes.Clone(whole)
		from := len(b) - int(share*float64(last.Size))
		clear(b[from:])
		ix, err := loader.Open(modeltest.Write(t, b))
		if err != nil {
			t.Fatal(err)
		}
		if w := ix.Warnings(); (len(w) > 0) != warns || warns && !strings.Contains(w[0], last.Name) {
			t.Errorf("%g of %s: %q", share, last.Name, w)
		}
		if names, err := ix.CheckZeros(t.Context()); err != nil || len(names) > 0 {
			t.Errorf("%g of %s: %q, %v", share, last.Name, names, err)
		}
		ix.Close()
	}
}

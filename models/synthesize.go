package models

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// ErrNoQuantizer is wrapped if a synthetic model of a quantised type is requested without a
// [Quantizer].
var ErrNoQuantizer = errors.New("no quantiser")

// A Quantizer converts rows of rowLen values to the blocks of a type. It must be safe for concurrent
// use and must not keep src.
type Quantizer func(t gguf.Type, src []float32, rowLen int) ([]byte, error)

// SynthesizeOptions are the options of [Synthesize]. Only Shape is required.
type SynthesizeOptions struct {
	// Shape is the size of the model.
	Shape Shape
	// Type is the file type by llama.cpp's name, in any case: f32, f16, bf16, q4_0, q8_0, q4_k_m,
	// …; "": f16. Some tensors get other types by the rules of llama.cpp: norms are f32, the
	// output matrix of a q4_0 file is q6_k.
	Type string
	// Seed determines the weights.
	Seed uint64
	// Quantize is required for all types but f32, f16 and bf16.
	Quantize Quantizer
	// Progress is called with the bytes of tensor data written and in total, first with 0, by
	// one goroutine. nil: none.
	Progress func(done, total uint64)
}

// Synthesize writes a model with random weights to a file: a valid GGUF with
// a vocabulary that can represent any text. It is for measurements that depend only on the shape;
// the text that such a model generates is noise.
//
// The weights depend only on shape and seed and are the same on every machine. They are f16 values, so
// that f32 and f16 files hold the same weights, and a quantised file is equal to the
// quantised f16 file.
//
// The file is written sequentially, with a few MiB of memory whatever its size, under a temporary name
// in the same folder, and renamed when it is complete. If there is an error or ctx is cancelled, an
// existing file is unchanged. A symbolic link is followed. If path is anything else but a
// regular file, the result is an error.
//
// Synthesize is safe for concurrent use.
func Synthesize(ctx context.Context, path string, o SynthesizeOptions) error {
	tensors, header, err := design(&o)
	if err != nil {
		return err
	}
	err = files.WriteFile(path, func(f *os.File) error {
		// With writes at multiples of their size, the page cache holds the file in its largest
		// pages, as after reading it.
		w := bufio.NewWriterSize(f, 4<<20)
		if _, err := header.WriteHeader(w); err != nil {
			return err
		}
		if err := newProduction(tensors, o, alignment).write(ctx, w); err != nil {
			return err
		}
		return w.Flush()
	})
	if err != nil {
		return fmt.Errorf("synthesize %s: %w", show(path), err)
	}
	return nil
}

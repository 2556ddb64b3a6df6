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

// ErrNoQuantizer is returned when a synthetic model of a quantised type is
// asked for and the options bring no [Quantizer].
var ErrNoQuantizer = errors.New("no quantiser")

// A Quantizer turns rows of rowLen values into the blocks of a type. It must be
// safe for concurrent use and must not keep src.
type Quantizer func(t gguf.Type, src []float32, rowLen int) ([]byte, error)

// SynthesizeOptions are the options of [Synthesize]. Only Shape must be given.
type SynthesizeOptions struct {
	// Shape is the size of the model.
	Shape Shape
	// Type is the file type as llama.cpp's quantiser calls it, in either case:
	// f32, f16, bf16, q4_0, q8_0, q4_k_m, … Single tensors get other types by
	// the rules of llama.cpp: norms are f32, the output matrix of a q4_0 file is
	// q6_k. Empty stands for f16.
	Type string
	// Seed chooses the weights.
	Seed uint64
	// Quantize is needed for all types but f32, f16 and bf16.
	Quantize Quantizer
	// Progress, if not nil, is called with the bytes of tensor data written
	// and in all, first with 0, from one goroutine.
	Progress func(done, total uint64)
}

// Synthesize writes a model with random weights to a file: a valid GGUF of the
// llama architecture with a vocabulary that can write any text. It is made for
// measurements, where only the shape counts; what such a model says is noise.
//
// The weights depend on shape and seed alone and are the same on every machine.
// They are drawn on the grid of f16, so that f32 and f16 files hold the very
// same weights and a quantised file is what quantising the f16 file would give.
//
// The file is written as a stream, in a few MiB of memory whatever its size,
// under a temporary name in the same folder, and renamed when it is complete: a
// file that was there before is replaced at once or, on an error or when ctx
// ends, not at all. A link is followed. Anything else that is no file is left
// alone with an error.
//
// Synthesize may be called from several goroutines at once.
func Synthesize(ctx context.Context, path string, o SynthesizeOptions) error {
	tensors, header, err := design(&o)
	if err != nil {
		return err
	}
	err = files.WriteFile(path, func(f *os.File) error {
		// In pieces that begin at multiples of their size, the system's cache holds the
		// file in pages as large as it has, as it does one that is read.
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

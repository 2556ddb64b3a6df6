package runtime

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime/internal/cache"
)

// QuantizeOptions are the options of [Quantize].
type QuantizeOptions struct {
	// Type is the name of a file type as in llama.cpp's quantiser: "q4_0", "q4_k_m".
	Type string
	// Threads to use; 0: one per CPU.
	Threads int
	// AllowRequantize takes files that are quantised already, at a loss.
	AllowRequantize bool
	// Pure gives every matrix the same type.
	Pure bool
	// Progress is called with the tensors done.
	Progress func(done, total int, tensor string)
}

// Quantize writes the model in as another type to the file out, which appears whole
// or not at all. The bytes are those of llama.cpp's own quantiser.
func Quantize(ctx context.Context, in, out string, o QuantizeOptions) error {
	index, err := loader.Open(in)
	if err != nil {
		return err
	}
	defer index.Close()
	if !index.HasTensors() {
		return fmt.Errorf("%s: %w: vocabulary only, there are no weights to quantise", in, ErrBadModel)
	}
	if index.Packed() != nil {
		return optionError("%s is a packed file: quantise the file that it was made of", in)
	}
	return files.WriteFile(out, func(f *os.File) error {
		return llama.Quantize(ctx, in, f.Name(), llama.QuantizeParams{
			Type: o.Type, Threads: o.Threads, AllowRequantize: o.AllowRequantize, Pure: o.Pure, Progress: o.Progress,
		})
	})
}

// WriteFile writes a file that appears whole or not at all: see [files.WriteFile].
func WriteFile(path string, write func(io.Writer) error) error {
	return files.WriteFile(path, func(f *os.File) error { return write(f) })
}

// Synthesize is models.Synthesize with the engine's quantiser.
func Synthesize(ctx context.Context, path string, o models.SynthesizeOptions) error {
	if o.Quantize == nil {
		o.Quantize = func(t gguf.Type, src []float32, rowLen int) ([]byte, error) {
			return llama.QuantizeRows(llama.TensorType(t), src, rowLen)
		}
	}
	return models.Synthesize(ctx, path, o)
}

// PackOptions are the options of [Pack].
type PackOptions struct {
	// Progress is called with the bytes of weights done.
	Progress func(done, total uint64)
}

// Pack writes a packed file of the model at path (see [Open]) to the file out, which appears whole
// or not at all: the same model, with the weights that the engine repacks on this CPU in
// the layout that it computes with. Opened, such a file is mapped and as fast as a copy.
// It is good for this version of the engine and this kind of CPU, and for nothing but this
// package: see [ErrPackedElsewhere].
//
// It reads the model once and takes a few MiB. A model of which nothing would be repacked
// gives [ErrNothingToPack], a packed one [ErrOption].
func Pack(ctx context.Context, path, out string, o PackOptions) error {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return err
	}
	index, err := loader.Open(file)
	if err != nil {
		return err
	}
	defer index.Close()
	for _, f := range index.Files() {
		if cache.SameFile(f.Path, out) {
			return fmt.Errorf("%s would be replaced with its own packed file: name another file", out)
		}
	}
	p, err := newPacking(ctx, file, index)
	if err != nil {
		return err
	}
	defer p.close()
	return files.WriteFile(out, func(f *os.File) error { return p.write(ctx, f, fill{progress: o.Progress}) })
}

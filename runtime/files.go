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

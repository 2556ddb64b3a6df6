package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime/internal/cache"
)

// ErrQuantised is returned by [Quantize] for a model that is quantised already, unless
// [QuantizeOptions].AllowRequantize is set.
var ErrQuantised = errors.New("the model is quantised already")

// QuantizeOptions are the options of [Quantize].
type QuantizeOptions struct {
	// Type is the name of a file type as in llama.cpp's quantiser: "q4_0", "q4_k_m".
	Type string
	// Threads is the number of threads; 0: one for each CPU.
	Threads int
	// AllowRequantize accepts files that are quantised already, with a loss of precision.
	AllowRequantize bool
	// Pure converts all matrices to the same type.
	Pure bool
	// Progress is called with the number of tensors done.
	Progress func(done, total int, tensor string)
}

// Quantize converts the model in to another type and writes it to the file out, completely or
// not at all. The bytes are the same as those of llama.cpp's quantiser.
func Quantize(ctx context.Context, in, out string, o QuantizeOptions) error {
	index, err := openIndex(in)
	if err != nil {
		return err
	}
	defer index.Close()
	if !index.HasTensors() {
		return fmt.Errorf("%s: %w", in, errNoWeights())
	}
	if index.Packed() != nil {
		return optionError("", "", "%s is a packed file: quantise the file that it was packed from", in)
	}
	err = files.WriteFile(out, func(f *os.File) error {
		return llama.Quantize(ctx, in, f.Name(), llama.QuantizeParams{
			Type: o.Type, Threads: o.Threads, AllowRequantize: o.AllowRequantize, Pure: o.Pure, Progress: o.Progress,
		})
	})
	var refused *llama.Error
	if errors.As(err, &refused) && !o.AllowRequantize && strings.Contains(refused.Reason, "requantizing from type ") {
		_, from, _ := strings.Cut(refused.Reason, "requantizing from type ")
		from, _, _ = strings.Cut(from, " ")
		return fmt.Errorf("%s: %w: it has tensors of type %s: quantise the file that it was made from, or allow a further loss of quality", in, ErrQuantised, from)
	}
	return err
}

// WriteFile writes a file completely or not at all: write gets a temporary file, which then
// replaces the file at path. An error of write removes it and is returned.
func WriteFile(path string, write func(io.Writer) error) error {
	return files.WriteFile(path, func(f *os.File) error { return write(f) })
}

// Synthesize is models.Synthesize with the engine's quantiser as the default of
// SynthesizeOptions.Quantize.
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
	// Progress is called with the number of bytes of weights done.
	Progress func(done, total uint64)
}

// Pack writes a packed file of the model at path (as for [Open]) to the file out, completely or
// not at all. A packed file has the weights in the layout that the engine repacks them to on
// this CPU, so that mapping it is as fast as a copy. Only this package can open it, with the
// same version of the engine and the same kind of CPU: see [ErrPackedElsewhere].
//
// Pack reads the model once and takes a few MiB of memory. A model of which no tensor is
// repacked is an [ErrNothingToPack], a packed file an [ErrOption].
func Pack(ctx context.Context, path, out string, o PackOptions) error {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return err
	}
	index, err := openIndex(file)
	if err != nil {
		return err
	}
	defer index.Close()
	for _, f := range index.Files() {
		if cache.SameFile(f.Path, out) {
			return fmt.Errorf("%s is the model to be packed, and would be overwritten: name another file", out)
		}
	}
	p, err := newPacking(ctx, file, index)
	if err != nil {
		return err
	}
	defer p.close()
	return files.WriteFile(out, func(f *os.File) error { return p.write(ctx, f, fill{progress: o.Progress}) })
}

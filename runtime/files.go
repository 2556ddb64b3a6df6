package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
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
	return writeAtomically(out, func(tmp string) error {
		return llama.Quantize(ctx, in, tmp, llama.QuantizeParams{
			Type: o.Type, Threads: o.Threads, AllowRequantize: o.AllowRequantize, Pure: o.Pure, Progress: o.Progress,
		})
	})
}

// writeAtomically lets write make a file beside path and gives it that name when it
// is complete and on disk.
func writeAtomically(path string, write func(tmp string) error) (err error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: not a regular file, not replaced", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	tmp := f.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp))
		}
	}()
	if err := f.Close(); err != nil {
		return err
	}
	if err := write(tmp); err != nil {
		return err
	}
	if f, err = os.OpenFile(tmp, os.O_RDWR, 0); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// WriteFile writes a file that appears whole or not at all: under a temporary name beside
// it, renamed when it is complete and on disk. What is no regular file is not replaced.
func WriteFile(path string, write func(io.Writer) error) error {
	return writeOpened(path, func(f *os.File) error { return write(f) })
}

// writeOpened is writeAtomically with the file open.
func writeOpened(path string, write func(*os.File) error) error {
	return writeAtomically(path, func(tmp string) error {
		f, err := os.OpenFile(tmp, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	})
}

// Synthesize is models.Synthesize with the engine's quantiser.
func Synthesize(ctx context.Context, path string, o models.SynthesizeOptions) error {
	if o.Quantize == nil {
		o.Quantize = func(t loader.Type, src []float32, rowLen int) ([]byte, error) {
			return llama.QuantizeRows(uint32(t), src, rowLen)
		}
	}
	return models.Synthesize(ctx, path, o)
}

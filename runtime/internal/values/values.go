// Package values checks the numbers of a model's weights.
package values

import (
	"context"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
)

// step is about how many bytes are read at once.
const step = 1 << 20

// CheckAll reads all weights once. Numbers that are not finite are a [*gguf.FormatError], and so are bytes of
// a packed file that are not those that were written.
func CheckAll(ctx context.Context, ix *gguf.Index, progress files.Progress) error {
	if ix.Packed() != nil {
		if err := packed.Check(ctx, ix, nil, nil, nil, progress); err != nil {
			return err
		}
		progress = nil
	}
	return Check(ctx, ix, progress)
}

// Check is [CheckAll] without the sums of packed files: tensors in a layout of theirs are left out.
func Check(ctx context.Context, ix *gguf.Index, progress files.Progress) error {
	skip := map[string]bool{}
	if p := ix.Packed(); p != nil {
		for _, t := range p.Tensors {
			skip[t.Name] = true
		}
	}
	tally := files.Tally{Total: ix.Bytes(), Report: progress}
	b := make([]byte, step)
	for _, t := range ix.Tensors() {
		if skip[t.Name] {
			continue
		}
		piece := max(step/t.Type.BlockBytes(), 1) * t.Type.BlockBytes()
		for at := uint64(0); at < t.Size; at += piece {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			b := b[:min(piece, t.Size-at)]
			if err := ix.ReadTensor(t, b, int64(at)); err != nil {
				return err
			}
			if err := Finite(ix, t, b); err != nil {
				return err
			}
			tally.Add(uint64(len(b)))
		}
	}
	return nil
}

// Finite returns a [*gguf.FormatError] if bytes of a tensor have numbers that are not finite.
func Finite(ix *gguf.Index, t gguf.Tensor, b []byte) error {
	valid, err := llama.ValidRows(llama.TensorType(t.Type), b)
	if err == nil && !valid {
		err = ix.TensorError(t.Name, "", "has numbers that are NaN or infinite: the file is damaged, or was made from a damaged model: get it again")
	}
	return err
}

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
// a packed file that are not those that were written. The numbers of tensors in a layout of its own are those
// of its source; if that can't be read, the sums alone tell.
func CheckAll(ctx context.Context, ix *gguf.Index, progress files.Progress) error {
	if ix.Packed() == nil {
		return Check(ctx, ix, progress)
	}
	if err := packed.Check(ctx, ix, nil, nil, nil, progress); err != nil {
		return err
	}
	if err := Check(ctx, ix, nil); err != nil {
		return err
	}
	origin, err := packed.OpenSource(ix.Packed())
	if err != nil {
		return nil
	}
	defer origin.Close()
	for _, p := range ix.Packed().Tensors {
		if t, ok := ix.Tensor(p.Name); ok {
			read := func(b []byte, at int64) error { return origin.ReadTensor(p, b, at) }
			if err := check(ctx, ix, t, p.Size, read, func(uint64) {}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Check is [CheckAll] without the sums of packed files and without their sources: tensors in a layout of
// theirs are left out.
func Check(ctx context.Context, ix *gguf.Index, progress files.Progress) error {
	skip := map[string]bool{}
	if p := ix.Packed(); p != nil {
		for _, t := range p.Tensors {
			skip[t.Name] = true
		}
	}
	tally := files.Tally{Total: ix.Bytes(), Report: progress}
	for _, t := range ix.Tensors() {
		if skip[t.Name] {
			continue
		}
		read := func(b []byte, at int64) error { return ix.ReadTensor(t, b, at) }
		if err := check(ctx, ix, t, t.Size, read, tally.Add); err != nil {
			return err
		}
	}
	return nil
}

// check checks the numbers of a tensor of so many bytes in the model's own layout.
func check(ctx context.Context, ix *gguf.Index, t gguf.Tensor, size uint64, read func(b []byte, at int64) error, done func(uint64)) error {
	piece := max(step/t.Type.BlockBytes(), 1) * t.Type.BlockBytes()
	buf := make([]byte, min(piece, size))
	for at := uint64(0); at < size; at += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(piece, size-at)]
		if err := read(b, int64(at)); err != nil {
			return err
		}
		if err := Finite(ix, t, b); err != nil {
			return err
		}
		done(uint64(len(b)))
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

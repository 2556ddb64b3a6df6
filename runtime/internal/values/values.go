// Package values checks the numbers of a model's weights.
package values

import (
	"context"
	"encoding/binary"

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

// Finite returns a [*gguf.FormatError] if bytes of a tensor, in whole blocks, have numbers that are not finite.
func Finite(ix *gguf.Index, t gguf.Tensor, b []byte) error {
	valid, known := finite(t.Type, b)
	if !known {
		var err error
		if valid, err = llama.ValidRows(llama.TensorType(t.Type), b); err != nil {
			return err
		}
	}
	if !valid {
		return ix.TensorError(t.Name, "", "has numbers that are NaN or infinite: the file is damaged, or was made from a damaged model: get it again")
	}
	return nil
}

// scales are the offsets of the float16s in the blocks of types whose other bits always are finite numbers.
var scales = map[gguf.Type][]int{
	gguf.TypeQ4_0: {0}, gguf.TypeQ4_1: {0, 2}, gguf.TypeQ5_0: {0}, gguf.TypeQ5_1: {0, 2}, gguf.TypeQ8_0: {0},
	gguf.TypeQ2_K: {80, 82}, gguf.TypeQ3_K: {108}, gguf.TypeQ4_K: {0, 2}, gguf.TypeQ5_K: {0, 2}, gguf.TypeQ6_K: {208},
	gguf.TypeIQ1_S: {0}, gguf.TypeIQ2_XXS: {0}, gguf.TypeIQ2_XS: {0}, gguf.TypeIQ2_S: {0}, gguf.TypeIQ3_XXS: {0}, gguf.TypeIQ3_S: {0},
	gguf.TypeIQ4_NL: {0}, gguf.TypeIQ4_XS: {0}, gguf.TypeTQ1_0: {52}, gguf.TypeTQ2_0: {64},
}

// finite is what the engine's ValidRows says of common types, which writes a line of its own to standard error.
func finite(t gguf.Type, b []byte) (valid, known bool) {
	// In a number that is not finite, all bits of the exponent are set: adding its lowest one carries
	// into the sign.
	exponents := func(mask, one, sign uint64) bool {
		for ; len(b) >= 8; b = b[8:] {
			if (binary.LittleEndian.Uint64(b)&mask+one)&sign != 0 {
				return false
			}
		}
		var last [8]byte
		copy(last[:], b)
		return (binary.LittleEndian.Uint64(last[:])&mask+one)&sign == 0
	}
	switch t {
	case gguf.TypeF32:
		return exponents(0x7f800000_7f800000, 0x00800000_00800000, 0x80000000_80000000), true
	case gguf.TypeF16:
		return exponents(0x7c00_7c00_7c00_7c00, 0x0400_0400_0400_0400, 0x8000_8000_8000_8000), true
	case gguf.TypeBF16:
		return exponents(0x7f80_7f80_7f80_7f80, 0x0080_0080_0080_0080, 0x8000_8000_8000_8000), true
	}
	offsets, known := scales[t]
	for size := int(t.BlockBytes()); known && len(b) >= size; b = b[size:] {
		for _, at := range offsets {
			if binary.LittleEndian.Uint16(b[at:])&0x7c00 == 0x7c00 {
				return false, true
			}
		}
	}
	return known, known
}

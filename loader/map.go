package loader

import (
	"context"
	"errors"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// MapOptions are the options of [MapWeights].
type MapOptions struct {
	// Ledger accounts for the mappings. nil: none.
	Ledger *memory.Ledger
	// Prefetch reads every chunk now instead of on first use.
	Prefetch bool
	// Progress is called with the bytes mapped, and read if Prefetch is set. nil: none.
	Progress files.Progress
}

// MapWeights maps the model's files chunk by chunk, read-only and shared with other processes. The
// memory is not charged as commit and can be evicted. No mapping is larger than a chunk, no
// reservation of addresses larger than a chunk or the largest tensor. If ctx is cancelled it
// stops between chunks, and within a chunk while prefetching, and returns the context's error.
//
// After an error nothing stays mapped. If a file is no longer the one that was indexed, the
// error wraps [files.ErrFileChanged]. If a file is truncated later, or its disk removed, access
// to the lost pages raises a signal (an exception on Windows), which ends the process unless it
// is handled; this holds for every mapped file.
func MapWeights(ctx context.Context, ix *gguf.Index, plan *Plan, o MapOptions) (*Weights, error) {
	if err := ready(ix, plan, len(plan.Ranges)); err != nil {
		return nil, err
	}
	w := &Weights{data: make(map[string]tensorData, len(ix.Tensors()))}
	if err := mapAll(ctx, w, ix, plan, o); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func mapAll(ctx context.Context, w *Weights, ix *gguf.Index, plan *Plan, o MapOptions) error {
	progress := files.Tally{Total: plan.Bytes, Report: o.Progress}
	chunks := plan.Chunks
	for _, r := range plan.Ranges {
		own := chunks[:r.Chunks]
		chunks = chunks[r.Chunks:]
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Chunks == 0 {
			w.record(r, nil, nil)
			continue
		}
		s, err := mapRange(o.Ledger, memory.PurposeWeights, ix, own)
		if err != nil {
			return err
		}
		w.views = append(w.views, s)
		w.record(r, s.Base(), nil)
		left := uint64(0)
		for _, t := range r.Tensors {
			left += t.Size
		}
		for _, c := range own {
			if !o.Prefetch {
				break
			}
			p := space.At(s.Base(), uint64(c.Offset-r.Offset))
			if err := memory.Prefetch(ctx, ix.File(c.File), p, c.Offset, c.Size); err != nil {
				return err
			}
			n := min(left, c.Size) // gaps between tensors do not count
			left -= n
			progress.Add(n)
		}
		progress.Add(left)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return ix.Changed()
}

// mapRange maps the chunks of a range side by side.
func mapRange(ledger *memory.Ledger, purpose memory.Purpose, ix *gguf.Index, chunks []Chunk) (*memory.Views, error) {
	ranges := make([]memory.FileRange, len(chunks))
	for i, c := range chunks {
		ranges[i] = memory.FileRange{File: ix.File(c.File), Offset: c.Offset, Size: c.Size}
	}
	return memory.MapFiles(ledger, purpose, ranges)
}

// pagesOf returns the pages of a range that hold a tensor.
func pagesOf(r Range, t gguf.Tensor, base unsafe.Pointer) (p unsafe.Pointer, offset int64, size uint64) {
	begin, size := gguf.Bounds(t, t, space.Granularity())
	return space.At(base, begin-uint64(r.Offset)), int64(begin), size
}

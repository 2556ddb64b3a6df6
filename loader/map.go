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
	// Ledger takes the account; nil: none.
	Ledger *memory.Ledger
	// Prefetch reads every chunk now rather than at the first use.
	Prefetch bool
	// Progress is told of bytes mapped, and read where they are prefetched.
	Progress files.Progress
}

// MapWeights maps the model's files chunk by chunk, read-only and shared with whoever
// else maps them; it is not charged as commit and can be evicted. No mapping is larger
// than a chunk, no range of addresses larger than a chunk or the largest tensor. A
// cancelled ctx stops it between chunks, and within them where they are prefetched;
// the error is then the context's.
//
// Where it fails nothing stays mapped. A file that is no longer what the index read
// gives [files.ErrFileChanged]. One that is cut short later, or whose disk goes away, gives a signal
// (on Windows an exception) when the lost part is used, which ends the process unless somebody
// takes care of it; that is how mapped files are.
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
			w.place(r, nil)
			continue
		}
		s, err := mapRange(o.Ledger, memory.PurposeWeights, ix, own)
		if err != nil {
			return err
		}
		w.views = append(w.views, s)
		w.place(r, s.Base())
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
			n := min(left, c.Size) // what lies between tensors does not count
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
	pieces := make([]memory.FilePiece, len(chunks))
	for i, c := range chunks {
		pieces[i] = memory.FilePiece{File: ix.File(c.File), Offset: c.Offset, Size: c.Size}
	}
	return memory.MapFiles(ledger, purpose, pieces)
}

// pagesOf is the part of a range, in whole pages, that holds a tensor.
func pagesOf(r Range, t gguf.Tensor, base unsafe.Pointer) (p unsafe.Pointer, offset int64, size uint64) {
	begin, size := gguf.Bounds(t, t, space.Granularity())
	return space.At(base, begin-uint64(r.Offset)), int64(begin), size
}

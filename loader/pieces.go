package loader

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// PieceOptions are the options of [EachPiece].
type PieceOptions struct {
	// Ledger accounts for the mappings (purpose staging). nil: none.
	Ledger *memory.Ledger
	// Progress is called with the bytes that have been handed on. nil: none.
	Progress files.Progress
	// Whole reports whether a tensor that is larger than a chunk must be handed on in one piece. nil:
	// none.
	Whole func(name string) bool
}

// EachPiece maps the plan's chunks one after the other and hands their tensors to f, for weights that
// are copied elsewhere, such as to a device. A tensor that is larger than a chunk comes in several
// pieces: offset is that of the piece in the tensor, and data has size bytes, which are read-only and
// mapped only during the call. If ctx is cancelled it stops between pieces and returns the context's
// error. Errors of f end it. If a file is no longer the one that was indexed, the error wraps
// [files.ErrFileChanged].
func EachPiece(ctx context.Context, ix *gguf.Index, plan *Plan, o PieceOptions, f func(t gguf.Tensor, offset uint64, data unsafe.Pointer, size uint64) error) error {
	if err := ready(ix, plan, 1); err != nil {
		return err
	}
	p := pieces{ix: ix, o: o, f: f, progress: files.Tally{Total: plan.Bytes, Report: o.Progress}}
	chunks := plan.Chunks
	for _, r := range plan.Ranges {
		own := chunks[:r.Chunks]
		chunks = chunks[r.Chunks:]
		at := 1 // chunks that are mapped at once
		if o.Whole != nil && len(r.Tensors) == 1 && o.Whole(r.Tensors[0].Name) {
			at = len(own)
		}
		for ; len(own) > 0; own = own[at:] {
			if err := p.each(ctx, r, own[:at]); err != nil {
				return err
			}
		}
	}
	return ix.Changed()
}

type pieces struct {
	ix       *gguf.Index
	o        PieceOptions
	f        func(t gguf.Tensor, offset uint64, data unsafe.Pointer, size uint64) error
	progress files.Tally
}

// each hands on what neighbouring chunks of a range have of its tensors.
func (p *pieces) each(ctx context.Context, r Range, chunks []Chunk) (err error) {
	source, err := mapRange(p.o.Ledger, memory.PurposeStaging, p.ix, chunks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	begin := chunks[0].Offset
	for _, c := range chunks { // detects a truncated file without a signal
		if err := memory.Prefetch(ctx, p.ix.File(r.File), space.At(source.Base(), uint64(c.Offset-begin)), c.Offset, c.Size); err != nil {
			return err
		}
	}
	if err := p.ix.FileChanged(r.File); err != nil {
		return err
	}
	last := chunks[len(chunks)-1]
	end := last.Offset + int64(last.Size)
	for _, t := range r.Tensors {
		from, to := max(t.Offset, begin), min(t.Offset+int64(t.Size), end)
		if from >= to {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.f(t, uint64(from-t.Offset), space.At(source.Base(), uint64(from-begin)), uint64(to-from)); err != nil {
			return fmt.Errorf("tensor %s: %w", words.Literal(t.Name), err)
		}
		p.progress.Add(uint64(to - from))
	}
	return nil
}

package loader

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// CopyOptions are the options of [CopyWeights].
type CopyOptions struct {
	// Arena gives the memory, from its pool where it has one. nil: one of the weights'
	// own, of the plan's chunk size.
	Arena *memory.Arena
	// Ledger takes the account of what is mapped while copying, and of the weights'
	// own arena; a given arena has its own. nil: none.
	Ledger *memory.Ledger
	// Progress is told of bytes copied.
	Progress files.Progress
	// Transforms names the tensors that are not copied byte by byte: for those,
	// Transform is called, by one goroutine, with where the tensor shall be and with
	// its bytes in the file, mapped for the time of the call. nil: none.
	Transforms func(name string) bool
	Transform  func(t gguf.Tensor, dst, src unsafe.Pointer) error
}

// CopyWeights copies the weights into blocks of private memory laid out as the plan's
// ranges, purpose weights. It reads in pieces of a few MiB, and a cancelled ctx stops
// it between two of them; the error is then the context's. Besides the copy it needs
// addresses for one range at a time whose tensors are transformed.
//
// Where it fails nothing is kept. A file that is no longer what the index read gives
// [files.ErrFileChanged].
func CopyWeights(ctx context.Context, ix *gguf.Index, plan *Plan, o CopyOptions) (*Weights, error) {
	ranges := len(plan.Ranges)
	if o.Arena != nil && o.Arena.Pooled() {
		ranges = 1 // what is mapped to be transformed
	}
	if err := ready(ix, plan, ranges); err != nil {
		return nil, err
	}
	w := &Weights{data: make(map[string]tensorData, len(ix.Tensors())), arena: o.Arena}
	if w.arena == nil {
		w.arena, w.own = memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize, Ledger: o.Ledger}), true
	}
	c := copier{ix: ix, o: o, progress: files.Tally{Total: plan.Bytes, Report: o.Progress}}
	if err := c.all(ctx, w, plan); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// copier is one CopyWeights.
type copier struct {
	ix       *gguf.Index
	o        CopyOptions
	progress files.Tally
}

func (c *copier) all(ctx context.Context, w *Weights, plan *Plan) error {
	// All memory first: what is refused should be before anything is read.
	var plain []piece
	var special []rangeOf
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
		base, err := w.arena.AllocFilled(memory.PurposeWeights, r.Size)
		if err != nil {
			return err
		}
		w.blocks = append(w.blocks, base)
		w.place(r, base)
		pieces, tensors := c.split(r, base)
		plain = append(plain, pieces...)
		if len(tensors) > 0 {
			special = append(special, rangeOf{r, own, base, tensors})
		}
	}
	if err := c.read(ctx, plain); err != nil {
		return err
	}
	for _, r := range special {
		if err := c.transform(ctx, r); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.ix.Changed()
}

// rangeOf is a range in which tensors are to be transformed.
type rangeOf struct {
	Range
	chunks  []Chunk
	base    unsafe.Pointer // of the block
	special []gguf.Tensor
}

// split divides a range's tensors into pieces to be read, neighbouring tensors
// together, and tensors to be transformed.
func (c *copier) split(r Range, base unsafe.Pointer) (plain []piece, special []gguf.Tensor) {
	end := int64(-1)
	for _, t := range r.Tensors {
		if c.o.Transforms != nil && c.o.Transforms(t.Name) {
			if t.Size > 0 {
				special = append(special, t)
			}
			continue
		}
		for off := uint64(0); off < t.Size; {
			begin := t.Offset + int64(off)
			if begin != end || plain[len(plain)-1].size == pieceSize {
				plain = append(plain, piece{tensor: t.Name, file: r.File, offset: begin, dst: space.At(base, uint64(begin-r.Offset))})
			}
			last := &plain[len(plain)-1]
			n := min(pieceSize-last.size, t.Size-off)
			last.size += n
			off += n
			end = begin + int64(n)
		}
	}
	return plain, special
}

// pieceSize is how much is read at once: enough to be fast, and read soon enough that
// nobody who cancels waits.
const pieceSize = 4 << 20

// piece is a part of a file to be read.
type piece struct {
	tensor string // the first in it
	file   int
	offset int64
	size   uint64
	dst    unsafe.Pointer
}

// readers is how many goroutines read: two are half as fast again as one, as the time
// goes into copying and clearing pages, and more would only wait for the memory.
const readers = 2

// read brings pieces of files to their places.
func (c *copier) read(ctx context.Context, pieces []piece) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(readers, runtime.GOMAXPROCS(0), len(pieces)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(pieces) {
					return
				}
				if err := c.readPiece(pieces[i]); err != nil {
					cancel(err)
					return
				}
				c.progress.Add(pieces[i].size)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (c *copier) readPiece(p piece) error {
	err := c.ix.ReadAt(p.file, space.BytesAt(p.dst, p.size), p.offset)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, files.ErrFileChanged):
		return fmt.Errorf("tensor %s: %w", words.Quote(p.tensor), err)
	default:
		return fmt.Errorf("reading tensor %s at byte %d: %w", words.Quote(p.tensor), p.offset, err)
	}
}

// transform brings a range's other tensors to their places, from a mapping of the
// range that lives no longer than this.
func (c *copier) transform(ctx context.Context, r rangeOf) (err error) {
	source, err := mapRange(c.o.Ledger, memory.PurposeStaging, c.ix, r.chunks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	for _, t := range r.special {
		// Reading ahead here can be cancelled, and finds a file cut short without a
		// fault; the transformation can do neither.
		p, offset, size := pagesOf(r.Range, t, source.Base())
		if err := memory.Prefetch(ctx, c.ix.File(r.File), p, offset, size); err != nil {
			return err
		}
		if err := c.ix.FileChanged(r.File); err != nil {
			return err
		}
		off := uint64(t.Offset - r.Offset)
		if err := c.o.Transform(t, space.At(r.base, off), space.At(source.Base(), off)); err != nil {
			return fmt.Errorf("tensor %s: %w", words.Quote(t.Name), err)
		}
		c.progress.Add(t.Size)
	}
	return ctx.Err()
}

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
	// Arena allocates the blocks, in its pool if it has one. nil: the weights get an arena with
	// the plan's chunk size.
	Arena *memory.Arena
	// Ledger accounts for mappings during the copy, and for the blocks if Arena is nil; a given
	// Arena has its own ledger. nil: none.
	Ledger *memory.Ledger
	// Progress is called with the bytes copied. nil: none.
	Progress files.Progress
	// Transforms reports whether a tensor is transformed instead of copied. Transform is then
	// called for it, by one goroutine, with the destination and the tensor's bytes in the
	// file, which are mapped only during the call. The destination has the bytes that
	// [PlanOptions].Copied has said. nil: all tensors are copied.
	Transforms func(name string) bool
	Transform  func(t gguf.Tensor, dst, src unsafe.Pointer) error
}

// CopyWeights copies the weights into private memory (purpose weights), one block for each range of
// the plan. It reads up to 4 MiB at once; if ctx is cancelled it stops between reads and returns
// the context's error. Besides the blocks it needs addresses for one range with transformed
// tensors at a time.
//
// After an error nothing is kept. If a file is no longer the one that was indexed, the error
// wraps [files.ErrFileChanged].
func CopyWeights(ctx context.Context, ix *gguf.Index, plan *Plan, o CopyOptions) (*Weights, error) {
	ranges := len(plan.Ranges)
	if o.Arena != nil && o.Arena.Pooled() {
		ranges = 1 // mapped while it is transformed
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

// copier is the state of one CopyWeights.
type copier struct {
	ix       *gguf.Index
	o        CopyOptions
	progress files.Tally
}

func (c *copier) all(ctx context.Context, w *Weights, plan *Plan) error {
	// Allocate everything first, so that a refusal comes before any reading.
	var plain []fileRead
	var special []transformRange
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
		base, err := w.arena.AllocFilled(memory.PurposeWeights, r.Copied)
		if err != nil {
			return err
		}
		w.blocks = append(w.blocks, base)
		w.record(r, base, plan.grown)
		reads, tensors := c.split(r, w)
		plain = append(plain, reads...)
		if len(tensors) > 0 {
			special = append(special, transformRange{r, own, tensors})
		}
	}
	if err := c.read(ctx, plain); err != nil {
		return err
	}
	for _, r := range special {
		if err := c.transform(ctx, r, w); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.ix.Changed()
}

// transformRange is a range with tensors to transform.
type transformRange struct {
	Range
	chunks  []Chunk
	special []gguf.Tensor
}

// split divides a range's tensors into reads, of neighbouring tensors together, and tensors to
// transform.
func (c *copier) split(r Range, w *Weights) (plain []fileRead, special []gguf.Tensor) {
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
			if begin != end || plain[len(plain)-1].size == readSize {
				plain = append(plain, fileRead{tensor: t.Name, file: r.File, offset: begin, dst: space.At(w.data[t.Name].p, off)})
			}
			last := &plain[len(plain)-1]
			n := min(readSize-last.size, t.Size-off)
			last.size += n
			off += n
			end = begin + int64(n)
		}
	}
	return plain, special
}

// readSize is the most that is read at once: large enough to be fast, small enough that
// cancellation is prompt.
const readSize = 4 << 20

// fileRead is a range of a file to read.
type fileRead struct {
	tensor string // name of its first tensor
	file   int
	offset int64
	size   uint64
	dst    unsafe.Pointer
}

// readers is the number of reading goroutines. Two are 1.5 times as fast as one, as much of the time
// is spent copying and clearing pages; more would be limited by memory bandwidth.
const readers = 2

// read executes reads.
func (c *copier) read(ctx context.Context, reads []fileRead) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(readers, runtime.GOMAXPROCS(0), len(reads)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(reads) {
					return
				}
				if err := c.readOne(reads[i]); err != nil {
					cancel(err)
					return
				}
				c.progress.Add(reads[i].size)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (c *copier) readOne(p fileRead) error {
	err := c.ix.ReadAt(p.file, space.BytesAt(p.dst, p.size), p.offset)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, files.ErrFileChanged):
		return fmt.Errorf("tensor %s: %w", words.Literal(p.tensor), err)
	default:
		return fmt.Errorf("reading tensor %s at byte %d: %w", words.Literal(p.tensor), p.offset, err)
	}
}

// hugePage is how much Linux maps at most with a page that is touched, where pages have 4 KiB: pages before
// a tensor may be mapped again with its first one.
const hugePage = 2 << 20

// transform transforms tensors of a range from a mapping that lasts only for the call.
func (c *copier) transform(ctx context.Context, r transformRange, w *Weights) (err error) {
	source, err := mapRange(c.o.Ledger, memory.PurposeStaging, c.ix, r.chunks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	for _, t := range r.special {
		// Prefetching can be cancelled and detects a truncated file without a signal; the
		// transformation can do neither.
		p, offset, size := pagesOf(r.Range, t, source.Base())
		if err := memory.Prefetch(ctx, c.ix.File(r.File), p, offset, size); err != nil {
			return err
		}
		if err := c.ix.FileChanged(r.File); err != nil {
			return err
		}
		if err := c.o.Transform(t, w.data[t.Name].p, space.At(source.Base(), uint64(t.Offset-r.Offset))); err != nil {
			return fmt.Errorf("tensor %s: %w", words.Literal(t.Name), err)
		}
		before := min(uint64(uintptr(p)-uintptr(source.Base())), hugePage)
		memory.Leave(space.At(p, -int64(before)), size+before) // the source is not needed beside the copy
		c.progress.Add(t.Size)
	}
	return ctx.Err()
}

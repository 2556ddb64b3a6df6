package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unsafe"
)

// Progress is told how many of how many bytes are done. It is called by one goroutine
// at a time, and done never falls.
type Progress func(done, total uint64)

// Weights are a model's tensors in memory, mapped or copied. It is safe for concurrent
// use.
type Weights struct {
	ranges []*span
	arena  *Arena // of copied ranges
	data   map[string]tensorData
	once   sync.Once
	err    error
}

type tensorData struct {
	p    unsafe.Pointer
	size uint64
}

// TensorData is where a tensor's bytes are, and how many. They are read-only where
// they are mapped, and valid until Close.
func (w *Weights) TensorData(name string) (p unsafe.Pointer, size uint64, ok bool) {
	d, ok := w.data[name]
	return d.p, d.size, ok
}

// Close gives the memory back. Closing twice is safe.
func (w *Weights) Close() error {
	w.once.Do(func() {
		var errs []error
		for _, s := range w.ranges {
			if w.arena != nil {
				w.arena.FreeBlock(s.base)
			} else {
				errs = append(errs, s.close())
			}
		}
		w.err = errors.Join(errs...)
	})
	return w.err
}

// MapOptions are the options of [MapWeights].
type MapOptions struct {
	Ledger *Ledger
	// Prefetch reads every chunk while mapping, rather than at the first use.
	Prefetch bool
	Progress Progress
}

// MapWeights maps the model's files chunk by chunk, read-only and shared. No mapping is
// larger than a chunk, no range of addresses larger than a chunk or the largest tensor.
// A cancelled ctx stops it between two chunks.
func MapWeights(ctx context.Context, ix *Index, plan *Plan, o MapOptions) (*Weights, error) {
	w := &Weights{data: map[string]tensorData{}}
	done := uint64(0)
	chunks := plan.Chunks
	for _, r := range plan.Ranges {
		s, err := mapRange(realSystem, o.Ledger, PurposeWeights, ix, r, chunks[:r.Chunks], func(p unsafe.Pointer, c Chunk) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if o.Prefetch {
				if err := prefetch(ctx, p, c, ix.files[c.File].f); err != nil {
					return err
				}
			}
			if done = min(done+c.Size, plan.Bytes); o.Progress != nil {
				o.Progress(done, plan.Bytes)
			}
			return nil
		})
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		chunks = chunks[r.Chunks:]
		w.ranges = append(w.ranges, s)
		for _, t := range r.Tensors {
			w.data[t.Name] = tensorData{at(s.base, uint64(t.Offset-r.Offset)), t.Size}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if o.Progress != nil {
		o.Progress(plan.Bytes, plan.Bytes)
	}
	return w, nil
}

// mapRange maps the chunks of a range side by side, and calls each after mapping one.
func mapRange(sys system, ledger *Ledger, purpose Purpose, ix *Index, r Range, chunks []Chunk, each func(unsafe.Pointer, Chunk) error) (*span, error) {
	s, err := newSpan(sys, ledger, purpose, r.Size, true)
	if err != nil {
		return nil, refused(purpose, r.Size, err)
	}
	for _, c := range chunks {
		p := at(s.base, uint64(c.Offset-r.Offset))
		if err = sys.mapFile(p, c.Size, ix.files[c.File].f, c.Offset); err != nil {
			err = refused(purpose, c.Size, err)
			break
		}
		s.grant(c.Size)
		if err = each(p, c); err != nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// CopyOptions are the options of [CopyWeights].
type CopyOptions struct {
	// Arena gives the memory.
	Arena *Arena
	// Ledger takes the account of what is mapped while copying; the arena has its own.
	Ledger   *Ledger
	Progress Progress
	// Transforms names the tensors that are not copied byte by byte: for those,
	// Transform is called with where the tensor shall be and its bytes in the file,
	// mapped for the time of the call. nil: none.
	Transforms func(name string) bool
	Transform  func(t Tensor, dst, src unsafe.Pointer) error
}

// CopyWeights copies the weights into blocks of private memory with the layout of the
// plan's ranges. It reads chunk by chunk, and a cancelled ctx stops it between two
// reads.
func CopyWeights(ctx context.Context, ix *Index, plan *Plan, o CopyOptions) (*Weights, error) {
	w := &Weights{data: map[string]tensorData{}, arena: o.Arena}
	done := uint64(0)
	report := func(n uint64) {
		if done += n; o.Progress != nil {
			o.Progress(done, plan.Bytes)
		}
	}
	chunks := plan.Chunks
	for _, r := range plan.Ranges {
		base, err := o.Arena.AllocBlock(PurposeWeights.String(), uintptr(r.Size))
		if err == nil {
			w.ranges = append(w.ranges, &span{base: base})
			err = fillRange(ctx, ix, r, chunks[:r.Chunks], base, o, report)
		}
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		chunks = chunks[r.Chunks:]
		for _, t := range r.Tensors {
			w.data[t.Name] = tensorData{at(base, uint64(t.Offset-r.Offset)), t.Size}
		}
	}
	return w, nil
}

// fillRange brings a range's tensors to base.
func fillRange(ctx context.Context, ix *Index, r Range, chunks []Chunk, base unsafe.Pointer, o CopyOptions, report func(uint64)) (err error) {
	f := ix.files[r.File]
	var source *span
	defer func() {
		if source != nil {
			err = errors.Join(err, source.close())
		}
	}()
	for _, t := range r.Tensors {
		if err := ctx.Err(); err != nil {
			return err
		}
		off := uint64(t.Offset - r.Offset)
		if o.Transforms == nil || !o.Transforms(t.Name) {
			if err := readTensor(ctx, f, t, at(base, off), report); err != nil {
				return err
			}
			continue
		}
		if source == nil {
			if source, err = mapRange(realSystem, o.Ledger, PurposeStaging, ix, r, chunks, func(unsafe.Pointer, Chunk) error { return ctx.Err() }); err != nil {
				return err
			}
		}
		if err := f.unchanged(); err != nil { // a mapping of a shrunken file would fault
			return err
		}
		if err := o.Transform(t, at(base, off), at(source.base, off)); err != nil {
			return fmt.Errorf("tensor %s: %w", quote(t.Name), err)
		}
		report(t.Size)
	}
	return nil
}

// readPiece is how much is read at once: small enough to be cancelled soon.
const readPiece = 4 << 20

func readTensor(ctx context.Context, f *file, t Tensor, dst unsafe.Pointer, report func(uint64)) error {
	for off := uint64(0); off < t.Size; off += readPiece {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(readPiece, t.Size-off)
		if err := readFull(f.f, bytesAt(at(dst, off), n), t.Offset+int64(off)); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("%s: %w: it ends within tensor %s", quotePath(f.path), ErrFileChanged, quote(t.Name))
			}
			return err
		}
		report(n)
	}
	return nil
}

// Scratch is a range of addresses all of which lead to the same small piece of memory:
// what is written anywhere is soon overwritten. The engine reads tensors into it that
// nobody needs.
type Scratch struct {
	s    *span
	once sync.Once
}

// maxScratch is how much memory a scratch range takes at most.
const maxScratch = 16 << 20

// NewScratch makes a range of size bytes, out of pieces no larger than the chunk size.
func NewScratch(size, chunk uint64, ledger *Ledger) (*Scratch, error) {
	piece := roundUp(max(min(chunk, maxScratch), 1))
	size = roundUp(max(size, 1))
	piece = min(piece, size)
	m, err := sharedMemory(int64(piece))
	if err != nil {
		return nil, refused(PurposeStaging, piece, err)
	}
	defer m.Close()
	s, err := newSpan(realSystem, ledger, PurposeStaging, size, true)
	if err != nil {
		return nil, refused(PurposeStaging, size, err)
	}
	for off := uint64(0); off < size; off += piece {
		if err := realSystem.alias(at(s.base, off), min(piece, size-off), m); err != nil {
			return nil, errors.Join(refused(PurposeStaging, piece, err), s.close())
		}
	}
	s.grant(piece)
	return &Scratch{s: s}, nil
}

// Addr is the range's first address.
func (s *Scratch) Addr() unsafe.Pointer { return s.s.base }

// Size is the range's size in bytes.
func (s *Scratch) Size() uint64 { return s.s.size }

// Close gives the range back. Closing twice is safe.
func (s *Scratch) Close() error {
	var err error
	s.once.Do(func() { err = s.s.close() })
	return err
}

// tempMemory is the way to shared memory for systems without files in memory.
func tempMemory(size int64) (*os.File, error) {
	f, err := os.CreateTemp("", "infer-scratch-*")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name()) // where that works for open files; else the system's cleaning does
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

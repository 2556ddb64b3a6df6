package loader

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Weights are a model's tensors in memory, mapped or copied. It is safe for concurrent use. The
// memory is native and stays allocated until Close.
type Weights struct {
	views  []*memory.Views  // if mapped
	blocks []unsafe.Pointer // if copied
	arena  *memory.Arena    // allocates the blocks
	own    bool             // Close closes the arena
	data   map[string]tensorData
	chunks int

	closed atomic.Bool
	once   sync.Once
	err    error
}

type tensorData struct {
	p    unsafe.Pointer
	size uint64
}

// TensorData returns the address of a tensor and its size in the file, in bytes, valid until Close. ok is false for
// unknown names and after Close. Mapped tensors are read-only. The address has the same
// alignment as the tensor's offset in the file, up to a page.
func (w *Weights) TensorData(name string) (p unsafe.Pointer, size uint64, ok bool) {
	if w.closed.Load() {
		return nil, 0, false
	}
	d, ok := w.data[name]
	return d.p, d.size, ok
}

// Mapped returns the address and size of each mapped range; none for copied weights.
func (w *Weights) Mapped() iter.Seq2[unsafe.Pointer, uint64] {
	return func(yield func(unsafe.Pointer, uint64) bool) {
		for _, v := range w.views {
			if !yield(v.Base(), v.Size()) {
				return
			}
		}
	}
}

// Chunks returns the number of mappings or blocks that hold the weights.
func (w *Weights) Chunks() int { return w.chunks }

// Close frees the memory; addresses from TensorData are invalid afterwards. Closing twice is safe.
func (w *Weights) Close() error {
	w.closed.Store(true)
	w.once.Do(func() {
		var errs []error
		for _, v := range w.views {
			errs = append(errs, v.Close())
		}
		for _, b := range w.blocks {
			w.arena.FreeBlock(b)
		}
		if w.own {
			errs = append(errs, w.arena.Close())
		}
		w.err = errors.Join(errs...)
	})
	return w.err
}

// record stores the addresses of a range's tensors. grown has by how much they are larger than in the
// file.
func (w *Weights) record(r Range, base unsafe.Pointer, grown map[string]uint64) {
	w.chunks += r.Chunks
	moved := uint64(0)
	for _, t := range r.Tensors {
		d := tensorData{size: t.Size}
		if base != nil {
			d.p = space.At(base, uint64(t.Offset-r.Offset)+moved)
		}
		w.data[t.Name] = d
		moved += grown[t.Name]
	}
}

// ready returns an error if the plan cannot be carried out; ranges is the number of ranges
// that exist at once.
func ready(ix *gguf.Index, plan *Plan, ranges int) error {
	if plan.index != ix {
		return errors.New("the plan was made for another model")
	}
	if ix.Closed() {
		return fmt.Errorf("model files: %w", files.ErrClosed)
	}
	// Per range: the mapping, or several that the system merges, and a guard page.
	if err := memory.CheckMappings(memory.PurposeWeights, plan.Bytes, 2*uint64(ranges)); err != nil {
		return err
	}
	return ix.Changed()
}

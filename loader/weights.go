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

// Weights are a model's tensors in memory, mapped or copied. It is safe for concurrent
// use. The memory is not the garbage collector's: it stays until Close.
type Weights struct {
	views  []*memory.Views  // where mapped
	blocks []unsafe.Pointer // where copied
	arena  *memory.Arena    // of the blocks
	own    bool             // the arena is nobody else's
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

// TensorData returns where a tensor's bytes are, and how many, until Close. ok is
// false for names that the model does not have, and once the weights are closed. What
// is mapped can't be written to. The address is aligned to a page as the tensor's
// offset in the file is.
func (w *Weights) TensorData(name string) (p unsafe.Pointer, size uint64, ok bool) {
	if w.closed.Load() {
		return nil, 0, false
	}
	d, ok := w.data[name]
	return d.p, d.size, ok
}

// Mapped returns where the ranges are that files are mapped to, and how large; none of
// copied weights.
func (w *Weights) Mapped() iter.Seq2[unsafe.Pointer, uint64] {
	return func(yield func(unsafe.Pointer, uint64) bool) {
		for _, v := range w.views {
			if !yield(v.Base(), v.Size()) {
				return
			}
		}
	}
}

// Chunks returns the number of chunks that the weights lie in.
func (w *Weights) Chunks() int { return w.chunks }

// Close gives the memory back; nobody may use what TensorData returned any more.
// Closing twice is safe.
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

// place enters where a range's tensors are.
func (w *Weights) place(r Range, base unsafe.Pointer) {
	w.chunks += r.Chunks
	for _, t := range r.Tensors {
		d := tensorData{size: t.Size}
		if base != nil {
			d.p = space.At(base, uint64(t.Offset-r.Offset))
		}
		w.data[t.Name] = d
	}
}

// ready tells why a plan of the index can't be carried out, which takes that many
// ranges at once.
func ready(ix *gguf.Index, plan *Plan, ranges int) error {
	if plan.index != ix {
		return errors.New("the plan is another model's")
	}
	if ix.Closed() {
		return fmt.Errorf("model files: %w", files.ErrClosed)
	}
	// A range is a mapping, or several that the system sees as one, and a guard.
	if err := memory.CheckMappings(memory.PurposeWeights, plan.Bytes, 2*uint64(ranges)); err != nil {
		return err
	}
	return ix.Changed()
}

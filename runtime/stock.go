package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// stockAlignment is what the engine demands of the address of a buffer (TENSOR_ALIGNMENT),
// such as that of the first weight in a mapped file. It ends the process otherwise.
const stockAlignment = 32

// ErrStock is returned for valid files that llama.cpp's own load does not take: other load
// modes do. errors.As to *StockError tells why.
var ErrStock = errors.New("llama.cpp's own load does not take the file")

// StockError is the error of a file whose weights begin where a buffer of the engine cannot.
type StockError struct {
	Tensor    string // the first one that the engine would use where it lies
	Offset    int64  // in its file
	Alignment uint64 // of the file: general.alignment
}

func (e *StockError) Error() string {
	return fmt.Sprintf("%v: tensor %s begins at byte %d, which is no multiple of %d (general.alignment is %d): load it mapped in chunks or as a copy", ErrStock, e.Tensor, e.Offset, stockAlignment, e.Alignment)
}

// Is makes the error an ErrStock.
func (e *StockError) Is(target error) bool { return target == ErrStock }

// checkStock returns a [*StockError] where the engine could not load the file by itself.
func (m *Model) checkStock(ctx context.Context, o Options) error {
	if !slices.ContainsFunc(m.index.Tensors(), func(t gguf.Tensor) bool { return t.Offset%stockAlignment != 0 }) {
		return nil
	}
	// Which weights stay where they are, the engine decides.
	dry := newModel(m.path, m.index, m.plan, LoadStock, "", o)
	defer func() {
		dry.index = nil // m's
		dry.free()
	}()
	if err := dry.loadUnbound(ctx, o); err != nil {
		return err
	}
	return dry.stockBegin()
}

// stockBegin looks at where the weights of each file begin that the engine would use where
// they lie: its buffer begins there. The model is one without weights.
func (m *Model) stockBegin() error {
	ws, err := m.native.Weights()
	if err != nil {
		return err
	}
	first := make([]*gguf.Tensor, len(m.files))
	for _, w := range ws {
		t, ok := m.index.Tensor(w.Name)
		if ok && w.Kind == llama.WeightHost && (first[t.File] == nil || t.Offset < first[t.File].Offset) {
			first[t.File] = &t
		}
	}
	for _, t := range first {
		if t != nil && t.Offset%stockAlignment != 0 {
			return &StockError{Tensor: t.Name, Offset: t.Offset, Alignment: m.index.Alignment()}
		}
	}
	return nil
}

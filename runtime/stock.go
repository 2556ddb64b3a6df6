package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
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

// loadStock lets the engine load the file by itself, where it could and has room for that.
func (w *weights) loadStock(ctx context.Context) error {
	if err := w.checkStock(ctx); err != nil {
		return err
	}
	if err := w.roomForRepacked(ctx); err != nil {
		return err
	}
	var err error
	w.native, err = llama.LoadModel(ctx, w.path, llama.ModelParams{
		MMap: true, Repack: w.config.repack, GPULayers: w.config.gpuLayers, CheckTensors: w.config.check, Progress: func(f float32) {
			w.config.progress(Progress{Mode: w.mode, Done: uint64(float64(f) * float64(w.plan.Bytes)), Total: w.plan.Bytes})
		},
	})
	return err
}

// checkStock returns a [*StockError] where the engine could not load the file by itself.
func (w *weights) checkStock(ctx context.Context) error {
	if !slices.ContainsFunc(w.index.Tensors(), func(t gguf.Tensor) bool { return t.Offset%stockAlignment != 0 }) {
		return nil
	}
	// Which weights stay where they are, the engine decides.
	dry, err := loadHeader(ctx, w.config, w.source, LoadStock)
	if err != nil {
		return err
	}
	defer dry.unload()
	return dry.stockBegin()
}

// stockBegin looks at where the weights of each file begin that the engine would use where
// they lie: its buffer begins there. The engine has read the header.
func (w *weights) stockBegin() error {
	ws, err := w.native.Weights()
	if err != nil {
		return err
	}
	first := make([]*gguf.Tensor, len(w.files))
	for _, x := range ws {
		t, ok := w.index.Tensor(x.Name)
		if ok && x.Kind == llama.WeightHost && (first[t.File] == nil || t.Offset < first[t.File].Offset) {
			first[t.File] = &t
		}
	}
	for _, t := range first {
		if t != nil && t.Offset%stockAlignment != 0 {
			return &StockError{Tensor: t.Name, Offset: t.Offset, Alignment: w.index.Alignment()}
		}
	}
	return nil
}

// roomForRepacked refuses a stock load whose repacked weights, which are private beside the
// mapped file, do not fit: the system would end the process while they are made.
func (w *weights) roomForRepacked(ctx context.Context) error {
	p, err := probe.Measure()
	if err != nil || !w.repacks() || !llama.CanRepack() {
		return nil // where nothing is known the attempt decides
	}
	fits := func(repacked uint64) *memory.Error { return roomFor(besideCopy(repacked, p), p) }
	if fits(repackable(w.index)) == nil {
		return nil // whatever the engine chooses
	}
	dry, err := loadHeader(ctx, w.config, w.source, LoadStock)
	if err != nil {
		return err
	}
	defer dry.unload()
	ws, err := dry.native.Weights()
	if err != nil {
		return err
	}
	e := fits(dry.stockRepacked(ws))
	if e == nil {
		return nil
	}
	e.Remedies = append([]memory.Remedy{{Kind: memory.RemedyNoRepack}, {Kind: memory.RemedyMap}}, memory.RaiseLimit(e.Limit, e.Requested-e.Available)...)
	return e
}

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

// stockAlignment is the alignment in bytes that the engine asserts for the address of a buffer
// (TENSOR_ALIGNMENT), such as that of the first weight in a mapped file.
const stockAlignment = 32

// ErrStock is returned for valid files that can't be loaded with [LoadStock]; other load modes
// can load them. errors.As to *StockError gives the tensor.
var ErrStock = errors.New("llama.cpp's own loader refuses the file")

// StockError is the error of a file whose weights begin at an offset that the engine does not
// accept for a buffer.
type StockError struct {
	Tensor    string // the first tensor that the engine would use in place
	Offset    int64  // of the tensor in its file, in bytes
	Alignment uint64 // the file's general.alignment, in bytes
}

func (e *StockError) Error() string {
	return fmt.Sprintf("%v: tensor %s begins at byte %d, which is not a multiple of %d (general.alignment is %d): use load mode mmap or copy", ErrStock, e.Tensor, e.Offset, stockAlignment, e.Alignment)
}

// Is makes the error an ErrStock.
func (e *StockError) Is(target error) bool { return target == ErrStock }

// loadStock lets the engine load the file, after checking alignment and memory.
func (w *weights) loadStock(ctx context.Context) error {
	if err := w.checkStock(ctx); err != nil {
		return err
	}
	if err := w.roomForRepacked(ctx); err != nil {
		return err
	}
	var err error
	w.native, err = llama.LoadModel(ctx, w.path, w.place(llama.ModelParams{
		MMap: true, Repack: w.config.repack, Progress: func(f float32) {
			w.config.progress(Progress{Mode: w.mode, Done: uint64(float64(f) * float64(w.plan.Bytes)), Total: w.plan.Bytes})
		},
	}))
	return err
}

// checkStock returns a [*StockError] if the engine can't load the file.
func (w *weights) checkStock(ctx context.Context) error {
	if !slices.ContainsFunc(w.index.Tensors(), func(t gguf.Tensor) bool { return t.Offset%stockAlignment != 0 }) {
		return nil
	}
	// The engine decides which weights it uses in place: ask it in a dry run.
	dry, err := loadHeader(ctx, w.config, w.source, LoadStock)
	if err != nil {
		return err
	}
	defer dry.unload()
	return dry.stockBegin()
}

// stockBegin returns a [*StockError] if the first tensor that the engine would use in place in
// a file is not aligned, as its buffer begins there. The engine has read the header.
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

// roomForRepacked refuses a stock load whose repacked weights, which are private memory beside
// the mapped file, do not fit: the system would kill the process during the load.
func (w *weights) roomForRepacked(ctx context.Context) error {
	p, err := probe.Measure()
	if err != nil || !w.repacks() || !llama.CanRepack() {
		return nil // without figures the allocation itself decides
	}
	fits := func(repacked uint64) *memory.Error { return roomFor(besideCopy(repacked, p), p) }
	if fits(repackable(w.index)) == nil {
		return nil // even all of them fit
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

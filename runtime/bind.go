package runtime

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// bind maps or copies the weights and points the engine's tensors to them, and starts the
// memory budget of mapped weights if one is needed. planned is the session that
// there is room for.
func (w *weights) bind(ctx context.Context, probe probe.Probe, planned fitted, progress loader.Progress) error {
	ws, err := w.native.Weights()
	if err != nil {
		return err
	}
	if err := w.matchPacked(ws); err != nil {
		return err
	}
	uploaded, total := uint64(0), w.plan.Bytes
	if w.upload != nil {
		uploaded = w.upload.Bytes
		total += uploaded
	}
	if err := w.bindDevices(ctx, ws, func(done, _ uint64) { progress(done, total) }); err != nil {
		return err
	}
	return w.bindHost(ctx, ws, probe, planned, func(done, _ uint64) { progress(uploaded+done, total) })
}

// bindHost is bind for weights in host memory.
func (w *weights) bindHost(ctx context.Context, ws []llama.Weight, probe probe.Probe, planned fitted, progress loader.Progress) error {
	if w.mode == LoadCopy {
		return w.bindCopied(ctx, ws, progress)
	}
	total, wanted := w.maxMemory(planned.planned, probe)
	if err := w.bindMapped(ctx, ws, probe, w.config.prefetch && !wanted, progress); err != nil || !wanted {
		return err
	}
	auto := w.config.maxMemory == 0
	err := w.startBudget(ctx, ws, planned, total, auto)
	if auto && errors.Is(err, ErrInsufficientMemory) {
		// The budget is automatic: without it the system evicts pages by its own rules.
		w.config.log("no memory budget is used", "reason", err)
		return nil
	}
	return err
}

// bindMapped maps the files' chunks and points the engine's tensors to them.
func (w *weights) bindMapped(ctx context.Context, ws []llama.Weight, probe probe.Probe, prefetch bool, progress loader.Progress) error {
	available, _ := probe.Available()
	var err error
	w.memory, err = loader.MapWeights(ctx, w.index, w.plan, loader.MapOptions{
		Ledger: w.ledger, Progress: progress,
		// Reading ahead more than fits would evict what was just read.
		Prefetch: prefetch && w.plan.Bytes < available-min(available, reserve(available)),
	})
	if err != nil {
		return err
	}
	for p, size := range w.memory.Mapped() {
		w.watches = append(w.watches, llama.WatchMapped(p, size))
	}
	for i, x := range ws {
		if x.Kind == llama.WeightDevice {
			continue
		}
		data, err := w.tensorData(x)
		if err != nil {
			return err
		}
		switch x.Kind {
		case llama.WeightRepack: // in a packed file
			err = w.native.BindPacked(i, data)
		default:
			err = w.native.Bind(i, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bindCopied copies the weights, repacked where the engine has a layout for them.
func (w *weights) bindCopied(ctx context.Context, ws []llama.Weight, progress loader.Progress) error {
	// By name: tensors that are copied unchanged, and tensors that are converted.
	plain := map[string]bool{}
	special := map[string]int{}
	for i, x := range ws {
		if x.Kind == llama.WeightHost {
			plain[x.Name] = true
		} else if _, ok := special[x.Name]; !ok && x.Kind == llama.WeightRepack {
			special[x.Name] = i
		}
	}
	var err error
	w.memory, err = loader.CopyWeights(ctx, w.index, w.plan, loader.CopyOptions{
		Arena: w.arena, Ledger: w.ledger, Progress: progress,
		Transforms: func(name string) bool {
			_, ok := special[name]
			return ok && !plain[name]
		},
		Transform: func(t gguf.Tensor, dst, src unsafe.Pointer) error {
			return w.convert(special[t.Name], ws, dst, src)
		},
	})
	if err != nil {
		return err
	}
	for i, x := range ws {
		if x.Kind != llama.WeightHost {
			continue
		}
		data, err := w.tensorData(x)
		if err != nil {
			return err
		}
		if err := w.native.Bind(i, data); err != nil {
			return err
		}
	}
	return w.bindSecond(ws)
}

// bindSecond converts the copied tensors that the engine needs in a second layout.
func (w *weights) bindSecond(ws []llama.Weight) error {
	for _, i := range secondCopies(ws) {
		data, err := w.tensorData(ws[i])
		if err != nil {
			return err
		}
		dst, err := w.arena.AllocBlock(memory.PurposeWeights, uintptr(ws[i].Stored))
		if err != nil {
			return err
		}
		w.second = append(w.second, dst)
		if err := w.convert(i, ws, dst, data); err != nil {
			return err
		}
	}
	return nil
}

// convert repacks the bytes of tensor i to dst.
func (w *weights) convert(i int, ws []llama.Weight, dst, src unsafe.Pointer) error {
	w.repacked += ws[i].Stored
	return w.native.Repack(i, dst, src)
}

// placeOf returns the name, in the file, of the tensor with a weight's bytes.
func (b *binding) placeOf(w llama.Weight) string {
	if t, ok := b.packed[w.Name]; ok && w.Kind == llama.WeightRepack {
		return t.Name
	}
	return w.Name
}

// tensorData returns the address of a weight's bytes. A size that is not the engine's is an
// error.
func (b *binding) tensorData(w llama.Weight) (unsafe.Pointer, error) {
	want := w.Size
	if b.packed != nil {
		want = w.Stored
	}
	data, size, ok := b.memory.TensorData(b.placeOf(w))
	if !ok || size != want {
		return nil, fmt.Errorf("%w: tensor %q has %d bytes, and the engine expects %d", ErrBadModel, w.Name, size, want)
	}
	return data, nil
}

package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/runtime/internal/cache"
)

// checkPacked returns why a packed file can't be opened with a configuration, by its header.
func checkPacked(index *gguf.Index, c *config) error {
	p := index.Packed()
	if p == nil {
		return nil
	}
	from := "the file that it was packed from"
	if len(p.Source) > 0 {
		from = p.Source[0].Path
	}
	switch {
	case c.load == LoadCopy || c.load == LoadStock:
		return optionError("load mode", c.load.String(), "is not possible for a packed file: use mmap or auto, or open %s", from)
	case !c.repack:
		return optionError("NoRepack", "", "NoRepack is not possible for a packed file, whose weights are repacked already: open %s", from)
	case !llama.CanRepack():
		return &PackedError{Reason: "this program was compiled without -DGGML_USE_CPU_REPACK and can't compute with its layout", Source: from}
	case p.Engine != llama.Engine().Layouts():
		return &PackedError{Reason: fmt.Sprintf("packed by engine %s, and this is engine %s", p.Engine, llama.Engine().Layouts()), Source: from, Again: true}
	case p.Instructions != cache.Instructions():
		return &PackedError{Reason: fmt.Sprintf("packed for %s, and this program is compiled for %s", p.Instructions, cache.Instructions()), Source: from, Again: true}
	}
	return nil
}

// packedTensors returns the repacked tensors of a packed file by their names in the model; nil
// for other files.
func packedTensors(index *gguf.Index) map[string]gguf.PackedTensor {
	p := index.Packed()
	if p == nil {
		return nil
	}
	tensors := make(map[string]gguf.PackedTensor, len(p.Tensors))
	for _, t := range p.Tensors {
		tensors[t.Of] = t
	}
	return tensors
}

// matchPacked compares the layouts of a packed file with those that the engine chooses on this
// CPU. A difference is a [*PackedError].
func (w *weights) matchPacked(ws []llama.Weight) error {
	if w.packed == nil {
		return nil
	}
	from := w.index.Packed().Source[0].Path
	for i, x := range ws {
		t, packed := w.packed[x.Name]
		if x.Kind != llama.WeightRepack {
			if packed && t.Name == t.Of {
				return &PackedError{Reason: fmt.Sprintf("tensor %q has layout %s, and %s needs it in the original layout", x.Name, t.Layout, where(x.Kind)), Source: from}
			}
			continue
		}
		layout, err := w.native.Layout(i)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrPackedElsewhere, err)
		case !packed:
			return &PackedError{Reason: fmt.Sprintf("tensor %q has its original layout, and this engine needs %s", x.Name, layout.Name), Source: from, Again: true}
		case layout.Name != t.Layout:
			return &PackedError{Reason: fmt.Sprintf("tensor %q has layout %s, and this engine needs %s", x.Name, t.Layout, layout.Name), Source: from, Again: true}
		}
		if x.Stored != t.Stored {
			return &PackedError{Reason: fmt.Sprintf("tensor %q has %d bytes in layout %s, and this engine needs %d", x.Name, t.Stored, t.Layout, x.Stored), Source: from, Again: true}
		}
		w.packedBytes += x.Stored
	}
	return w.samplePacked(ws)
}

func where(k llama.WeightKind) string {
	if k == llama.WeightDevice {
		return "a device"
	}
	return "the CPU"
}

// samplePacked compares some rows of each layout with the repacked rows of the source, if the
// source still exists.
func (w *weights) samplePacked(ws []llama.Weight) error {
	p := w.index.Packed()
	source, err := packed.OpenSource(p)
	if err != nil {
		// The packed file is complete without its source; Check reports the difference.
		reason := "the source can't be read"
		switch {
		case errors.Is(err, fs.ErrNotExist):
			reason = "the source does not exist any more"
		case errors.Is(err, loader.ErrFileChanged):
			reason = "the source has changed"
		}
		w.config.log("packed weights are not compared with their source", "reason", reason, "error", err)
		return nil
	}
	defer source.Close()
	seen := map[string]int{}
	for i, x := range ws {
		t := w.packed[x.Name]
		if x.Kind != llama.WeightRepack || seen[t.Layout] >= sampledTensors {
			continue
		}
		seen[t.Layout]++
		if err := w.compareRows(source, i, t); err != nil {
			return err
		}
	}
	return nil
}

// sampledTensors is the number of tensors of each layout of which a load compares rows.
const sampledTensors = 2

// compareRows compares the first and the last group of rows of a tensor with its source.
func (w *weights) compareRows(source *packed.Origin, i int, p gguf.PackedTensor) error {
	t, _ := w.index.Tensor(p.Name)
	layout, err := w.native.Layout(i)
	if err != nil {
		return err
	}
	group, stored := t.Type.RowSize(t.Shape[0])*uint64(layout.Group), layout.RowSize*uint64(layout.Group)
	if group > p.Size || stored > t.Size {
		return nil
	}
	was, is, want := make([]byte, group), make([]byte, stored), make([]byte, stored)
	for _, last := range []bool{false, true} {
		from, at := int64(0), int64(0)
		if last {
			from, at = int64(p.Size-group), int64(t.Size-stored)
		}
		if err := errors.Join(source.ReadTensor(p, was, from), w.index.ReadTensor(t, is, at)); err != nil {
			return err
		}
		if err := w.native.RepackRows(i, want, was); err != nil {
			return err
		}
		if !bytes.Equal(is, want) {
			return &gguf.FormatError{File: w.path, Offset: t.Offset + at, Field: fmt.Sprintf("tensor %q", p.Name),
				Reason: "differs from the repacked tensor of " + w.index.Packed().Source[p.File].Path + ": pack it again"}
		}
	}
	return nil
}

// fill is how a packed file is made.
type fill struct {
	quiet    bool // as packed.Options.Quiet
	pause    func(context.Context) error
	progress loader.Progress
}

// fillCache adds the packed file of a model to the cache, unless the cache has it.
func fillCache(ctx context.Context, store *packed.Store, path string, index *gguf.Index, how fill) error {
	return cache.Fill(ctx, store, path, index.Bytes(), func() (func(*os.File) error, func(), error) {
		p, err := newPacking(ctx, path, index)
		if err != nil {
			return nil, nil, err
		}
		return func(f *os.File) error { return p.write(ctx, f, how) }, p.close, nil
	})
}

// packing is a model and the layouts that the engine chooses for its tensors.
type packing struct {
	header  *weights // whose header the engine has read
	tensors map[string]packedAs
}

// packedAs is how a tensor is packed.
type packedAs struct {
	i      int // the engine's index of the tensor
	layout llama.Layout
	plain  bool // the original layout is needed too
}

func newPacking(ctx context.Context, path string, index *gguf.Index) (_ *packing, err error) {
	switch {
	case index.Packed() != nil:
		return nil, optionError("", "", "%s is a packed file: pack the file that it was packed from", path)
	case !index.HasTensors():
		return nil, fmt.Errorf("%s: %w", path, errNoWeights())
	}
	src, err := newSource(path, index, 0)
	if err != nil {
		return nil, err
	}
	header, err := loadHeader(ctx, Options{}.config(), src, LoadCopy)
	if err != nil {
		return nil, err
	}
	p := &packing{header: header, tensors: map[string]packedAs{}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	ws, err := header.native.Weights()
	if err != nil {
		return nil, err
	}
	plain := map[string]bool{}
	for _, w := range ws {
		if w.Kind == llama.WeightHost {
			plain[w.Name] = true
		}
	}
	for i, w := range ws {
		if w.Kind != llama.WeightRepack {
			continue
		}
		layout, err := header.native.Layout(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		p.tensors[w.Name] = packedAs{i, layout, plain[w.Name]}
	}
	if len(p.tensors) == 0 {
		return nil, fmt.Errorf("%s: %w: %s", path, ErrNothingToPack, whyNothing(index))
	}
	return p, nil
}

// whyNothing returns why the engine repacks no tensor of a model.
func whyNothing(index *gguf.Index) string {
	if !llama.CanRepack() {
		return "this program was compiled without -DGGML_USE_CPU_REPACK"
	}
	sizes := map[gguf.Type]uint64{}
	var most gguf.Type
	for _, t := range index.Tensors() {
		if sizes[t.Type] += t.Size; sizes[t.Type] > sizes[most] {
			most = t.Type
		}
	}
	return fmt.Sprintf("on this CPU the engine does not repack weights of type %v: open the file itself, which is as fast", most)
}

// write writes the packed file.
func (p *packing) write(ctx context.Context, f *os.File, how fill) error {
	return packed.Write(ctx, p.header.index, f, packed.Options{
		Engine: llama.Engine().Layouts(), Instructions: cache.Instructions(), Progress: how.progress, Quiet: how.quiet,
		Layout: func(t gguf.Tensor) packed.Layout {
			as, ok := p.tensors[t.Name]
			if !ok {
				return packed.Layout{}
			}
			return packed.Layout{Name: as.layout.Name, Group: as.layout.Group, RowSize: as.layout.RowSize, Both: as.plain}
		},
		Repack: func(t gguf.Tensor, dst, src []byte) error {
			if how.pause != nil {
				if err := how.pause(ctx); err != nil {
					return err
				}
			}
			return p.header.native.RepackRows(p.tensors[t.Name].i, dst, src)
		},
	})
}

// close frees the engine's part. The index belongs to the caller.
func (p *packing) close() { p.header.unload() }

// errBudgeted is why a model with a memory budget is not moved.
var errBudgeted = errors.New("the model streams its weights within a memory budget")

// moveTo points an open model's tensors to its packed file, after no call has run for
// idleBefore. Sessions keep their contexts. Calls that begin meanwhile wait only while the
// pointers are changed. After an error the model is unchanged.
func (m *Model) moveTo(ctx context.Context, file string) error {
	if m.weights.budget != nil {
		return errBudgeted
	}
	start := clock.Now()
	to, err := m.openBeside(ctx, file)
	if err != nil {
		return err
	}
	defer to.close() // after the swap it owns the model's former memory
	opened := clock.Since(start)
	for {
		if err := m.activity.Wait(ctx, idleBefore); err != nil {
			return err
		}
		if m.activity.Weights.TryLock() { // false: a call has just begun
			break
		}
	}
	start = clock.Now()
	err = m.weights.swap(to)
	m.activity.Weights.Unlock()
	held := clock.Since(start)
	if err != nil {
		return err
	}
	m.config.log("the model has moved to a packed file", "file", file, "opened_in", opened, "calls_held_for", held) // without locks: the logger may call the model
	return nil
}

// openBeside opens the weights of the model's packed file, counted by the model's ledger.
func (m *Model) openBeside(ctx context.Context, file string) (*weights, error) {
	c := Options{NoPrefetch: !m.config.prefetch, Logger: m.config.logger}.config()
	src, err := openSource(file, m.path, c, m.weights.chunkSize)
	if err != nil {
		return nil, err
	}
	w := newWeights(c, src, LoadMMap, reasonCached, m.weights.ledger)
	if err := w.loadPacked(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// loadPacked maps a packed file without a memory budget.
func (w *weights) loadPacked(ctx context.Context) error {
	if err := w.loadHeader(ctx); err != nil {
		return err
	}
	ws, err := w.native.Weights()
	if err != nil {
		return err
	}
	if err := w.matchPacked(ws); err != nil {
		return err
	}
	return w.bindMapped(ctx, ws, w.probe, w.config.prefetch, nil)
}

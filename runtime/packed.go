package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/runtime/internal/cache"
)

// checkPacked tells why a packed file can't be opened, before anything of it is read.
func checkPacked(index *gguf.Index, c *config) error {
	p := index.Packed()
	if p == nil {
		return nil
	}
	from := "the file that it was made of"
	if len(p.Source) > 0 {
		from = p.Source[0].Path
	}
	switch {
	case c.load == LoadCopy || c.load == LoadStock:
		return optionError("a packed file is mapped as it is and can't be loaded in mode %v: use mmap or auto, or %s", c.load, from)
	case !c.repack:
		return optionError("a packed file has no other layout than that of this CPU: to compute with the file's own, open %s", from)
	case !llama.CanRepack():
		return &PackedError{Reason: "this program was compiled without -DGGML_USE_CPU_REPACK and can't compute with its layout", Source: from}
	case p.Engine != llama.EngineVersion:
		return &PackedError{Reason: fmt.Sprintf("by engine %s, and this is %s", p.Engine, llama.EngineVersion), Source: from, Again: true}
	case p.Instructions != cache.Instructions():
		return &PackedError{Reason: fmt.Sprintf("for %s, and this program is compiled for %s", p.Instructions, cache.Instructions()), Source: from, Again: true}
	}
	return nil
}

// packedTensors are the tensors of a packed file that have a layout of their own, by the
// model's names.
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

// matchPacked compares the layouts of a packed file with those that the engine wants.
func (w *weights) matchPacked(ws []llama.Weight) error {
	if w.packed == nil {
		return nil
	}
	from := w.index.Packed().Source[0].Path
	for i, x := range ws {
		t, packed := w.packed[x.Name]
		if x.Kind != llama.WeightRepack {
			if packed && t.Name == t.Of {
				return &PackedError{Reason: fmt.Sprintf("tensor %q is laid out as %s, and is wanted as it was, on %s", x.Name, t.Layout, where(x.Kind)), Source: from}
			}
			continue
		}
		layout, err := w.native.Layout(i)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrPackedElsewhere, err)
		case !packed:
			return &PackedError{Reason: fmt.Sprintf("tensor %q is laid out as it was, and this engine wants %s", x.Name, layout.Name), Source: from, Again: true}
		case layout.Name != t.Layout:
			return &PackedError{Reason: fmt.Sprintf("tensor %q is laid out as %s, and this engine wants %s", x.Name, t.Layout, layout.Name), Source: from, Again: true}
		}
		w.packedBytes += x.Size
	}
	return w.samplePacked(ws)
}

func where(k llama.WeightKind) string {
	if k == llama.WeightDevice {
		return "a device"
	}
	return "the CPU"
}

// samplePacked compares some rows of each layout with what the engine makes of the source,
// where that is still there.
func (w *weights) samplePacked(ws []llama.Weight) error {
	p := w.index.Packed()
	source, err := packed.OpenSource(p)
	if err != nil {
		// The file is complete without it; `infer check` knows more.
		reason := "the source can't be read"
		switch {
		case errors.Is(err, fs.ErrNotExist):
			reason = "the source is not there any more"
		case errors.Is(err, loader.ErrFileChanged):
			reason = "the source is another file now"
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

// sampledTensors are the tensors of each layout of which rows are compared at a load.
const sampledTensors = 2

// compareRows compares the first and the last group of rows of a tensor with its source.
func (w *weights) compareRows(source *packed.Origin, i int, p gguf.PackedTensor) error {
	t, _ := w.index.Tensor(p.Name)
	layout, err := w.native.Layout(i)
	if err != nil {
		return err
	}
	group := t.Type.RowSize(t.Shape[0]) * uint64(layout.Group)
	if group > t.Size {
		return nil
	}
	was, is, want := make([]byte, group), make([]byte, group), make([]byte, group)
	for _, at := range []int64{0, int64(t.Size - group)} {
		if err := errors.Join(source.ReadTensor(p, was, at), w.index.ReadTensor(t, is, at)); err != nil {
			return err
		}
		if err := w.native.RepackRows(i, want, was); err != nil {
			return err
		}
		if !bytes.Equal(is, want) {
			return &gguf.FormatError{File: w.path, Offset: t.Offset + at, Field: fmt.Sprintf("tensor %q", p.Name),
				Reason: "differs from what the engine makes of " + w.index.Packed().Source[p.File].Path + ": pack it again"}
		}
	}
	return nil
}

// fill is how a packed file is made.
type fill struct {
	quiet    bool // keep out of the way of what computes
	pause    func(context.Context) error
	progress loader.Progress
}

// fillCache makes the packed file of a model for the cache, unless it is there.
func fillCache(ctx context.Context, store *packed.Store, path string, index *gguf.Index, how fill) error {
	return cache.Fill(ctx, store, path, index.Bytes(), func() (func(*os.File) error, func(), error) {
		p, err := newPacking(ctx, path, index)
		if err != nil {
			return nil, nil, err
		}
		return func(f *os.File) error { return p.write(ctx, f, how) }, p.close, nil
	})
}

// packing is what the engine says of how a model is packed.
type packing struct {
	header  *weights // that the engine has read the header of
	tensors map[string]packedAs
}

// packedAs is how a tensor is packed.
type packedAs struct {
	i      int // the engine's number of it
	layout llama.Layout
	plain  bool // it is wanted as it is too
}

func newPacking(ctx context.Context, path string, index *gguf.Index) (_ *packing, err error) {
	switch {
	case index.Packed() != nil:
		return nil, optionError("%s is a packed file: pack the file that it was made of", path)
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

// whyNothing says why nothing of a model is repacked.
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
	return fmt.Sprintf("the engine computes with weights of %v as they are on this CPU, so the file itself is as fast", most)
}

// write writes the packed file.
func (p *packing) write(ctx context.Context, f *os.File, how fill) error {
	return packed.Write(ctx, p.header.index, f, packed.Options{
		Engine: llama.EngineVersion, Instructions: cache.Instructions(), Progress: how.progress, Quiet: how.quiet,
		Layout: func(t gguf.Tensor) packed.Layout {
			as, ok := p.tensors[t.Name]
			if !ok {
				return packed.Layout{}
			}
			return packed.Layout{Name: as.layout.Name, Group: as.layout.Group, Both: as.plain}
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

// close frees the engine's part; the index is the caller's.
func (p *packing) close() { p.header.unload() }

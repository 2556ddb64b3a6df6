package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
)

// instructions names what the engine was compiled for, as far as that decides how it lays
// weights out.
func instructions() string {
	compiled := llama.CompiledFeatures()
	for _, name := range []string{"avx512", "avx2", "avx", "sve", "matmul_int8", "dotprod", "neon"} {
		if slices.Contains(compiled, name) {
			return name
		}
	}
	return "any CPU"
}

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
	case p.Instructions != instructions():
		return &PackedError{Reason: fmt.Sprintf("for %s, and this program is compiled for %s", p.Instructions, instructions()), Source: from, Again: true}
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

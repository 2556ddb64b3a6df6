package runtime

import (
	"context"
	"fmt"
	"os"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/packed"
	"github.com/seed7adf6694/infer/models"
)

// PackOptions are the options of [Pack].
type PackOptions struct {
	// Progress is called with the bytes of weights done.
	Progress func(done, total uint64)
}

// Pack writes a packed file of the model at path (see [Open]) to the file out, which appears whole
// or not at all: the same model, with the weights that the engine repacks on this CPU in
// the layout that it computes with. Opened, such a file is mapped and as fast as a copy.
// It is good for this version of the engine and this kind of CPU, and for nothing but this
// package: see [ErrPackedElsewhere].
//
// It reads the model once and takes a few MiB. A model of which nothing would be repacked
// gives [ErrNothingToPack], a packed one [ErrOption].
func Pack(ctx context.Context, path, out string, o PackOptions) error {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return err
	}
	index, err := loader.Open(file)
	if err != nil {
		return err
	}
	defer index.Close()
	for _, f := range index.Files() {
		if same(f.Path, out) {
			return fmt.Errorf("%s would be replaced with its own packed file: name another file", out)
		}
	}
	p, err := newPacking(ctx, file, index)
	if err != nil {
		return err
	}
	defer p.close()
	return files.WriteFile(out, func(f *os.File) error { return p.write(ctx, f, fill{progress: o.Progress}) })
}

// same tells whether two paths lead to one file.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
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
		Engine: llama.EngineVersion, Instructions: instructions(), Progress: how.progress, Quiet: how.quiet,
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

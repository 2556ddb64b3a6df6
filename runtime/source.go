package runtime

import (
	"fmt"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/runtime/internal/cache"
)

// source is a model's file that is open, and how its weights are divided.
type source struct {
	path   string
	index  *gguf.Index
	plan   *loader.Plan
	files  []gguf.FileInfo
	packed map[string]gguf.PackedTensor // by the model's names; nil but for packed files
}

// newSource plans for an index in chunks of a size, 0 for the default. The index stays the
// caller's where that fails.
func newSource(path string, index *gguf.Index, chunkSize uint64) (*source, error) {
	plan, err := loader.NewPlan(index, loader.PlanOptions{ChunkSize: chunkSize})
	if err != nil {
		return nil, err
	}
	return &source{path: path, index: index, plan: plan, files: index.Files(), packed: packedTensors(index)}, nil
}

// openSource opens a model's file, which is refused where no model can be made of it with
// this configuration; one of the cache stands in for another, cacheOf.
func openSource(path, cacheOf string, c *config, chunkSize uint64) (src *source, err error) {
	index, err := loader.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			index.Close()
		}
	}()
	switch {
	case !index.HasTensors():
		err = errNoWeights()
	case cacheOf != "":
		err = cache.Check(index, cacheOf)
	}
	if err == nil {
		err = checkPacked(index, c)
	}
	if err != nil {
		return nil, err
	}
	return newSource(path, index, chunkSize)
}

func errNoWeights() error {
	return fmt.Errorf("%w: vocabulary only, there are no weights to load", ErrBadModel)
}

func (s *source) close() { s.index.Close() }

// addAdapters loads the configuration's adapters.
func (w *weights) addAdapters(tied bool) error {
	for _, a := range w.config.adapters {
		if err := w.addAdapter(a, tied); err != nil {
			return err
		}
	}
	return nil
}

// addAdapter loads a LoRA adapter, whose file is validated as the model's was.
func (w *weights) addAdapter(a Adapter, tied bool) error {
	index, err := loader.OpenWith(a.Path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return err
	}
	defer index.Close()
	if v, ok := index.Lookup("general.type"); ok {
		if s, _ := v.Str(); s != "adapter" {
			return fmt.Errorf("%s: %w: general.type is %q, an adapter's is \"adapter\"", a.Path, ErrBadModel, s)
		}
	}
	if _, ok := index.Tensor("token_embd.weight.lora_a"); ok && tied {
		return fmt.Errorf("adapter %s: %w: it changes token_embd.weight, which this model uses for its output too, where the engine can't apply it: merge it into the model", a.Path, ErrBadModel)
	}
	native, err := w.native.LoadAdapter(a.Path)
	if err != nil {
		return fmt.Errorf("adapter %s: %w", a.Path, err)
	}
	w.adapters = append(w.adapters, appliedAdapter{native, a.Scale})
	return nil
}

package runtime

import (
	"fmt"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
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
		err = ofCache(index, cacheOf)
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

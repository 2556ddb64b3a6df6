package runtime

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime/internal/cache"
	"github.com/seed7adf6694/infer/runtime/internal/values"
)

// Rules are the rules by which models are checked before the engine of this process sees them. Without
// an engine, as in a build without cgo, they are those of the compiled-in one.
func Rules() check.Engine {
	e, err := check.ParseEngine(llama.Engine().ABI)
	if err != nil {
		return check.EngineBuiltin
	}
	return e
}

// openIndex opens a model and validates it for the engine of this process.
func openIndex(path string) (*gguf.Index, error) {
	return loader.OpenWith(path, loader.OpenOptions{Engine: Rules()})
}

// source is a model's open file and the plan of its chunks.
type source struct {
	path   string
	index  *gguf.Index
	plan   *loader.Plan
	files  []gguf.FileInfo
	packed map[string]gguf.PackedTensor // by the model's names; nil if the file is not packed
	probe  probe.Probe                  // measured when the file was open
}

// newSource plans an index with a chunk size, 0 for the default. It takes over the index
// unless it fails.
func newSource(path string, index *gguf.Index, chunkSize uint64) (*source, error) {
	measured, err := probe.Measure()
	if err != nil {
		return nil, err
	}
	if chunkSize == 0 {
		chunkSize = memory.DefaultChunkSize(measured)
	}
	skipped := Rules().Skipped(index)
	plan, err := loader.NewPlan(index, loader.PlanOptions{ChunkSize: chunkSize, Uses: func(name string) bool { return !skipped(name) }})
	if err != nil {
		return nil, err
	}
	return &source{path: path, index: index, plan: plan, files: index.Files(), packed: packedTensors(index), probe: measured}, nil
}

// openSource opens a model's file, or the packed file of the model at cacheOf if that is set.
// It refuses files that can't be loaded with this configuration.
func openSource(path, cacheOf string, c *config, chunkSize uint64) (src *source, err error) {
	index, err := openIndex(path)
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
	return fmt.Errorf("%w: the file has a vocabulary and no weights", ErrBadModel)
}

func (s *source) close() { s.index.Close() }

// checkValues checks all weights if the options ask for it.
func (s *source) checkValues(ctx context.Context, c *config) error {
	if !c.check {
		return nil
	}
	return values.CheckAll(ctx, s.index, func(done, total uint64) {
		c.progress(Progress{Mode: c.load, Checking: true, Done: done, Total: total})
	})
}

// addAdapters loads the configuration's adapters.
func (w *weights) addAdapters(tied bool) error {
	for _, a := range w.config.adapters {
		if err := w.addAdapter(a, tied); err != nil {
			return err
		}
	}
	return nil
}

// addAdapter validates and loads a LoRA adapter. tied tells that the model's output uses the
// token embeddings.
func (w *weights) addAdapter(a Adapter, tied bool) error {
	index, err := loader.OpenWith(a.Path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return err
	}
	defer index.Close()
	if v, ok := index.Lookup("general.type"); ok {
		if s, _ := v.Str(); s != "adapter" {
			return fmt.Errorf("adapter %s: %w: general.type is %q, and must be \"adapter\"", a.Path, ErrBadModel, s)
		}
	}
	if _, ok := index.Tensor("token_embd.weight.lora_a"); ok && tied {
		return fmt.Errorf("adapter %s: %w: the engine can't apply it to token_embd.weight, as this model also uses that tensor for its output: merge it into the model", a.Path, ErrBadModel)
	}
	if err := Rules().Adapter(index, w.index); err != nil {
		return fmt.Errorf("adapter: %w", err)
	}
	native, err := w.native.LoadAdapter(a.Path)
	if err != nil {
		return fmt.Errorf("adapter %s: %w", a.Path, err)
	}
	w.adapters = append(w.adapters, appliedAdapter{native, a.Scale})
	return nil
}

// chooseMode chooses the load mode, and returns why.
func chooseMode(src *source, p probe.Probe, c *config) (LoadMode, string, error) {
	available, limit := p.Available() // page files must not grow for a copy
	of := beforeGrowth(limit, p)
	if c.maxMemory > 0 && c.maxMemory < available {
		available, of = c.maxMemory, string(probe.LimitBudget)
	}
	share := available / 2
	if c.pool != nil { // the pool's memory is meant for weights: all of it counts
		available, of = c.pool.Stats().Free, string(probe.LimitPool)
		share = available
	}
	switch c.load {
	case LoadMMap, LoadStock:
		return c.load, "as requested", nil
	case LoadCopy:
		// Checked before the engine reads the header; the session is checked later.
		if e := roomFor(besideCopy(src.plan.Bytes, p), p); e != nil && c.pool == nil && !c.offloads() {
			e.Remedies = append([]memory.Remedy{{Kind: memory.RemedyMap}, {Kind: memory.RemedyQuantise}}, memory.RaiseLimit(e.Limit, e.Requested-e.Available)...)
			return c.load, "", e
		}
		return c.load, "as requested", nil
	}
	gains := repackGains(src.index)
	switch {
	case src.packed != nil:
		return LoadMMap, "packed for this CPU: as fast as a copy", nil
	case !c.repack || !gains:
		return LoadMMap, "a copy of these weights would not be faster", nil
	case src.plan.Bytes > share:
		return LoadMMap, fmt.Sprintf("a copy of %s would take more than %s of the %s left (%s)", words.Size(src.plan.Bytes), words.Size(share), words.Size(available), of), nil
	}
	return LoadCopy, fmt.Sprintf("the weights can be repacked for this CPU, and %s fit into the %s left (%s)", words.Size(src.plan.Bytes), words.Size(available), of), nil
}

// repackGains reports whether more than a quarter of the weights has a type that the engine
// repacks.
func repackGains(index *gguf.Index) bool {
	if !llama.CanRepack() {
		return false
	}
	return repackable(index) > index.Bytes()/4
}

// repackable returns the size in bytes of all matrices of such types when they are repacked. It is an
// upper bound: the engine may not repack all of them.
func repackable(index *gguf.Index) (bytes uint64) {
	amx := slices.Contains(llama.Repacks(), "AMX")
	for _, t := range index.Tensors() {
		if len(t.Shape) < 2 {
			continue
		}
		switch t.Type {
		case gguf.TypeQ4_0, gguf.TypeQ4_K, gguf.TypeIQ4_NL, gguf.TypeQ2_K:
			bytes += t.Size
		case gguf.TypeQ4_1, gguf.TypeQ8_0, gguf.TypeQ5_K, gguf.TypeQ6_K, gguf.TypeIQ4_XS:
			if amx {
				bytes += t.Size + t.Size/8 // AMX's layout of q8_0 is larger by 2/17, others by less
			}
		}
	}
	return bytes
}

// besideCopy returns the memory for copied weights and the memory that has to stay free.
func besideCopy(weights uint64, p probe.Probe) memory.Parts {
	available, _ := p.Available()
	return memory.Parts{}.With(memory.PurposeWeights, weights).With(memory.PurposeOther, min(reserve(available), weights/8))
}

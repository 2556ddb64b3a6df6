package runtime

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

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
		if e := roomFor(besideCopy(src.plan.Bytes, p), p); e != nil && c.pool == nil {
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

// repackable returns the size in bytes of all matrices of such types. It is an upper bound: the
// engine may not repack all of them.
func repackable(index *gguf.Index) (bytes uint64) {
	for _, t := range index.Tensors() {
		switch t.Type {
		case gguf.TypeQ4_0, gguf.TypeQ4_K, gguf.TypeIQ4_NL, gguf.TypeQ2_K:
			if len(t.Shape) >= 2 {
				bytes += t.Size
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

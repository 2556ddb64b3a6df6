package runtime

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// chooseMode decides where the weights go, and why.
func chooseMode(src *source, p probe.Probe, c *config) (LoadMode, string, error) {
	available, limit := p.Available() // page files are not to grow for a copy
	of := beforeGrowth(limit, p)
	if c.maxMemory > 0 && c.maxMemory < available {
		available, of = c.maxMemory, string(probe.LimitBudget)
	}
	share := available / 2
	if c.pool != nil { // which is there for this
		available, of = c.pool.Stats().Free, string(probe.LimitPool)
		share = available
	}
	switch c.load {
	case LoadMMap, LoadStock:
		return c.load, "as asked", nil
	case LoadCopy:
		// Before the header is given to the engine: the session comes on top later.
		if e := roomFor(besideCopy(src.plan.Bytes, p), p); e != nil && c.pool == nil {
			e.Remedies = append([]memory.Remedy{{Kind: memory.RemedyMap}, {Kind: memory.RemedyQuantise}}, memory.RaiseLimit(e.Limit, e.Requested-e.Available)...)
			return c.load, "", e
		}
		return c.load, "as asked", nil
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
	return LoadCopy, fmt.Sprintf("the weights can be repacked for this CPU, and %s fit well into the %s left (%s)", words.Size(src.plan.Bytes), words.Size(available), of), nil
}

// repackGains tells whether a good part of the weights is of a type that the engine
// repacks on this CPU.
func repackGains(index *gguf.Index) bool {
	if !llama.CanRepack() {
		return false
	}
	return repackable(index) > index.Bytes()/4
}

// repackable is the size of all tensors of such types; the engine may leave out some.
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

// besideCopy are weights that are copied, and what has to be left beside them.
func besideCopy(weights uint64, p probe.Probe) memory.Parts {
	available, _ := p.Available()
	return memory.Parts{}.With(memory.PurposeWeights, weights).With(memory.PurposeOther, min(reserve(available), weights/8))
}

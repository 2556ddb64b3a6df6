package residency

import (
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Plan is what keeping weights within a budget would do. Sizes are bytes.
type Plan struct {
	Budget   uint64 // of weights
	Least    uint64 // the smallest budget that can be kept, the largest where nothing can be streamed
	Resident uint64 // weights that would stay, and memory for those that would not
	Private  uint64 // of that: what the weights are read into
	Read     uint64 // from the files for each pass over the layers
	Layers   int
	Streamed int // layers that would be streamed, in part or whole
}

// NewPlan tells what [New] would do with a budget and an arena of such chunks,
// without touching anything. Where the budget is too small the plan is that of the least.
func NewPlan(p *loader.Plan, budget, chunk uint64) Plan {
	d := newSplitter(nil, p, memory.ChunkSize(chunk))
	f := Plan{Budget: budget, Layers: len(d.layers)}
	if len(d.layers) == 0 {
		f.Least, f.Resident = d.nonLayer.maxResident, d.nonLayer.maxResident
		return f
	}
	f.Least = d.smallest(minSlots).resident
	now, _ := d.choose(budget, minSlots) // the least, where that is too small
	f.Resident, f.Streamed = now.resident, len(now.streamed)
	f.Private = uint64(min(minSlots, f.Streamed)) * sumOf(now.shape)
	for _, n := range now.streamed {
		f.Read += d.layers[n].split(now.selection, d.maxBlock).readSize()
	}
	return f
}

package residency

import (
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Plan is the effect of a budget. Sizes are in bytes.
type Plan struct {
	Budget   uint64 // for weights
	Least    uint64 // smallest possible budget; the size of all weights if none can be streamed
	Resident uint64 // resident weights plus slots for streamed ones
	Private  uint64 // size of the slots, included in Resident
	Read     uint64 // read from the files for each pass
	Layers   int
	Streamed int // layers of which at least one tensor is streamed

	// Experts is the number of slots for experts, AllExperts the number of experts of all layers.
	// Experts 0: the model has none, or they are used from the mapping. PerToken is the size of the
	// experts of one token. Read counts the part of it that is read if a router chooses all experts
	// equally often, which is the upper bound.
	Experts, AllExperts int
	TokenExperts        int    // that one token uses, of all layers
	ExpertBytes         uint64 // size of the experts of all layers
	PerToken            uint64
	ExpertBlocks        []uint64 // sizes of the blocks of slots for experts, included in Private
	Banks               int      // that these slots are divided into
	ReadExperts         uint64   // the part of Read that is experts, the upper bound
}

// NewPlan computes what [New] would do with a budget in bytes and an arena with this chunk
// size (0: the default), and micro-batches of so many tokens in all sessions (0: 512). It
// allocates and reads nothing. If the budget is smaller than Least, the plan is the one for Least.
func NewPlan(p *loader.Plan, budget, chunk uint64, microBatch int) Plan {
	d := newSplitter(nil, p, memory.ChunkSize(chunk))
	d.experts.countTokens(microBatch)
	f := Plan{Budget: budget, Layers: len(d.layers)}
	if len(d.layers) == 0 {
		f.Least, f.Resident = d.nonLayer.maxResident, d.nonLayer.maxResident
		return f
	}
	f.Least = d.smallest(minSlots).resident
	if x := d.experts; x != nil {
		f.Least += uint64(x.used) * x.slotBytes()
		f.AllExperts, _ = x.counts()
		f.TokenExperts = x.tokenExperts()
		f.ExpertBytes, f.PerToken = x.bytes, x.perToken()
	}
	now, _ := d.choose(budget, minSlots) // on error: the smallest possible
	f.Resident, f.Streamed = now.resident, len(now.streamed)
	f.Private = uint64(min(minSlots, f.Streamed)) * sumOf(now.shape)
	for _, n := range now.streamed {
		f.Read += d.layers[n].split(now.selection, d.maxBlock).readSize()
	}
	if f.Experts = now.experts; f.Experts > 0 {
		for range now.banks {
			for _, k := range d.experts.kinds {
				f.ExpertBlocks = append(f.ExpertBlocks, uint64(f.Experts/now.banks)*k.stride)
			}
		}
		f.Private += sumOf(f.ExpertBlocks)
		f.Banks = now.banks
		f.ReadExperts = uint64(float64(f.PerToken) * (1 - float64(f.Experts)/float64(f.AllExperts)))
		f.Read += f.ReadExperts
	}
	return f
}

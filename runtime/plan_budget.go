package runtime

import (
	"math"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/loader/residency"
)

// BudgetPlan is how mapped weights would be kept within a memory budget ([Options].MaxMemory).
// Sizes are bytes.
type BudgetPlan struct {
	// Budget is what the model might keep in memory: what was asked for, or what the system
	// leaves now.
	Budget uint64 `json:"budget_bytes"`
	// Least is the smallest budget with which this session runs.
	Least uint64 `json:"least_bytes"`
	// Streamed is what would be read from the file for each pass over the layers; 0 where
	// all fits.
	Streamed uint64 `json:"streamed_bytes_per_pass"`
	Layers   int    `json:"streamed_layers"` // in part or whole
	// Private is the memory that is read into, part of what is charged as commit.
	Private uint64 `json:"private_bytes"`
}

// planBudget adds what keeping a budget would do, and returns how much of the weights would
// be in memory then, 0 for all of them.
func (p *ModePlan) planBudget(w *weights, n need, measured probe.Probe) (resident uint64) {
	base, _, err := baseMemory()
	if p.Mode != LoadMMap || p.Device > 0 || err != nil {
		return 0
	}
	planned := n.parts()
	total, wanted := w.maxMemory(planned, measured)
	other := base + planned.Total()
	most := uint64(math.MaxUint64)
	if wanted {
		most = total - min(total, other)
	}
	r := residency.NewPlan(w.plan, most, w.chunkSize)
	p.Budget = &BudgetPlan{Budget: total, Least: other + r.Least, Streamed: r.Read, Layers: r.Streamed, Private: r.Private}
	if r.Streamed == 0 {
		return 0
	}
	p.add(w.privatePiece(memory.PurposeWeights, "layers that are streamed, two at a time", r.Private))
	if wanted && w.config.maxMemory > 0 && p.Budget.Least > total { // nobody asked for an automatic one
		p.Missing, p.LimitedBy = p.Budget.Least-total, probe.LimitBudget
		p.Needed = leastBudget(r.Least, planned, base)
		p.Remedies = append(p.Remedies, useBudget(p.Budget.Least))
	}
	return r.Resident
}

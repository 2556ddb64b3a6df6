package runtime

import (
	"context"
	"fmt"
	"math"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/loader/residency"
	"github.com/seed7adf6694/infer/loader/residency/replay"
)

// judge compares the plan with the probe: whether it fits, which limit it exceeds, what helps.
func (p *ModePlan) judge(ctx context.Context, s *sizer, n need, measured probe.Probe) {
	var private, ranges, mappings uint64
	for _, x := range p.Pieces {
		ranges += x.Size
		mappings += 3 // the range, whose allocations the system merges, and a guard on each side
		if x.Private {
			for _, a := range x.Allocations {
				private = max(private, a)
			}
		}
	}
	weights := p.Commit - p.Engine - n.allBlocks()
	available, _ := measured.Available()
	short := func(need, have uint64, limit probe.Limit) bool {
		if need <= have {
			return false
		}
		if need-have > p.Missing {
			p.Missing, p.LimitedBy = need-have, limit
		}
		return true
	}
	sum := append(memory.Parts{}.With(memory.PurposeWeights, weights), n.parts()...)
	sum = sum.Plus(memory.Parts{}.With(memory.PurposeOther, spare(available, weights, weights+n.allBlocks())))
	refused := s.roomFor(sum, measured)
	if s.weights.mode == LoadStock { // takes nothing from a pool, and keeps no budget
		refused = roomFor(sum, measured)
		all := n.parts().Plus(memory.Parts{}.With(memory.PurposeWeights, p.Weights).With(memory.PurposeOther, p.Engine))
		if refused == nil && s.config.asksBudget() && all.Total() > s.config.maxMemory {
			refused = all.Short(s.config.maxMemory, probe.LimitBudget)
		}
	}
	tooMuch := refused != nil && short(refused.Requested, refused.Available, refused.Limit)
	block, by := measured.LargestFreeBlock, measured.LimitedBy
	if s.weights.mode != LoadStock && measured.PossibleBlock > block { // page files grow between the chunks
		block, by = measured.PossibleBlock, measured.PossibleBy
	}
	tooLarge := short(private, block, by)
	short(ranges, measured.AddressSpaceLeft, probe.LimitAddresses)
	tooLong := short(p.LargestRange, measured.LargestHole, probe.LimitHole)
	if mappings > measured.MappingsLeft {
		p.LimitedBy = probe.LimitMappings
	}
	switch {
	case tooMuch && p.LimitedBy == refused.Limit:
		p.Needed = refused.Parts
	case p.LimitedBy != probe.LimitBudget:
		p.Needed = nil
	}
	p.Fits = p.LimitedBy == ""
	if p.Fits {
		p.PageFileGrowth = growth(weights+n.allBlocks(), measured)
		return
	}
	if (tooLarge || tooLong && p.LargestRange > s.weights.plan.LargestTensor) && p.Mode != LoadStock {
		size := memory.DefaultChunkSize(measured)
		p.Remedies = append(p.Remedies, memory.Remedy{Kind: memory.RemedyChunkSize, Bytes: size})
	}
	if p.Mode == LoadStock && (tooLarge || tooLong || p.LimitedBy == probe.LimitBudget) {
		p.Remedies = append(p.Remedies, memory.Remedy{Kind: memory.RemedyChunked})
	}
	if tooMuch && (p.Mode != LoadStock || p.LimitedBy != probe.LimitBudget) {
		p.Remedies = append(p.Remedies, s.whatWouldFit(ctx, n.params, weights, measured)...)
	}
	if weights > 0 {
		p.Remedies = append(p.Remedies, s.weights.smallerTypes(available)...)
	}
	switch {
	case p.LimitedBy != probe.LimitBudget:
		p.Remedies = append(p.Remedies, memory.RaiseLimit(p.LimitedBy, p.Missing)...)
	case tooMuch && p.Mode != LoadStock:
		p.Remedies = append(p.Remedies, useBudget(refused.Requested))
	}
}

// smallerTypes lists quantisations that make copied weights smaller, the most precise first,
// up to the first that fits.
func (w *weights) smallerTypes(available uint64) []memory.Remedy {
	var remedies []memory.Remedy
	for _, t := range []gguf.Type{gguf.TypeQ8_0, gguf.TypeQ4_0} {
		size := quantisedSize(w.plan, t)
		if size >= w.plan.Bytes*9/10 {
			continue
		}
		remedies = append(remedies, memory.Remedy{Kind: memory.RemedyQuantise, Type: t.String(), Bytes: size})
		if size < available {
			break
		}
	}
	return remedies
}

// quantisedSize returns the size in bytes of all weights with matrices converted to a type.
// Tensors that the type cannot hold, such as norms, keep their size.
func quantisedSize(plan *loader.Plan, t gguf.Type) uint64 {
	sum := uint64(0)
	for _, r := range plan.Ranges {
		for _, x := range r.Tensors {
			size := x.Size
			if len(x.Shape) >= 2 && x.Elements() > 0 {
				if row := t.RowSize(x.Shape[0]); row > 0 {
					size = min(size, x.Elements()/x.Shape[0]*row)
				}
			}
			sum += size
		}
	}
	return sum
}

// BudgetPlan is what a memory budget ([Options].MaxMemory) would do with mapped weights. Sizes
// are bytes.
type BudgetPlan struct {
	// Budget is the limit of resident memory: Options.MaxMemory, or by default what is
	// available now.
	Budget uint64 `json:"budget_bytes"`
	// Least is the smallest budget with which this session runs.
	Least uint64 `json:"least_bytes"`
	// Streamed is what would be read from the file in each pass over the layers; 0 if all
	// weights fit.
	Streamed uint64 `json:"streamed_bytes_per_pass"`
	Layers   int    `json:"streamed_layers"` // in part or in whole
	// Private is the memory that layers are read into. It is a part of ModePlan.Commit.
	Private uint64 `json:"private_bytes"`
	// Experts is how many of AllExperts, of all layers together, have slots in memory; 0: the model
	// has no experts, or all fit. PerToken is the size of the experts of one token. Streamed counts
	// the part of it that is read if all experts are chosen equally often, the upper bound.
	Experts    int `json:"experts_in_memory"`
	AllExperts int `json:"experts"`
	// ExpertBytes is the size of all experts; the other weights are dense: each token uses them.
	ExpertBytes uint64 `json:"experts_bytes"`
	PerToken    uint64 `json:"experts_bytes_per_token"`
	// Trace is what a trace of chosen experts makes of that, nil without [Options].Trace.
	Trace *TracePlan `json:"trace,omitempty"`
}

// planBudget plans the memory budget. It returns how many bytes of weights would be resident,
// 0 if all of them.
func (p *ModePlan) planBudget(f *Forecast, w *weights, n need) (resident uint64, err error) {
	measured := f.Probe
	base, _, unknown := baseMemory()
	if p.Mode != LoadMMap || unknown != nil {
		return 0, nil
	}
	planned := n.touched()
	total, wanted := w.maxMemory(planned, measured)
	other := base + planned.Total()
	most := uint64(math.MaxUint64)
	if wanted {
		most = total - min(total, other)
	}
	r := residency.NewPlan(w.plan, most, w.chunkSize, n.ubatch)
	p.Budget = &BudgetPlan{Budget: total, Least: other + r.Least, Streamed: r.Read, Layers: r.Streamed, Private: r.Private, Experts: r.Experts, AllExperts: r.AllExperts, ExpertBytes: r.ExpertBytes, PerToken: r.PerToken}
	if p.Budget.Trace, err = w.planTrace(r); err != nil {
		return 0, err
	}
	if r.Streamed == 0 && r.Experts == 0 {
		return 0, nil
	}
	layers := r.Private
	for _, size := range r.ExpertBlocks {
		layers -= size
		p.add(w.privatePiece(memory.PurposeWeights, fmt.Sprintf("slots for %d of %d experts", r.Experts, r.AllExperts), size))
	}
	if layers > 0 {
		p.add(w.privatePiece(memory.PurposeWeights, "slots of streamed layers", layers))
	}
	if few := warnFewExperts(r.Experts, r.AllExperts, r.TokenExperts); !f.fewExperts { // once for all modes
		f.Warnings, f.fewExperts = append(f.Warnings, few...), len(few) > 0
	}
	if wanted && w.config.maxMemory > 0 && p.Budget.Least > total { // an automatic budget is not enforced where it is too small
		p.Missing, p.LimitedBy = p.Budget.Least-total, probe.LimitBudget
		p.Needed = leastBudget(r.Least, planned, base)
		p.Remedies = append(p.Remedies, useBudget(p.Budget.Least))
	}
	return r.Resident, nil
}

// warnFewExperts returns a warning where a budget keeps fewer experts than a token uses.
func warnFewExperts(slots, all, used int) []string {
	if slots == 0 || slots >= used {
		return nil
	}
	return []string{fmt.Sprintf("the memory budget has room for %d of %d experts, and a token uses %d: most are read from the disk for each token; use a larger budget", slots, all, used)}
}

// TracePlan is what a replay of [Options].Trace finds with the slots of a budget, which are empty at
// the start. The figures are of the tokens that were evaluated one by one; if there are none, of all.
type TracePlan struct {
	Tokens  int     `json:"tokens"`
	Hits    uint64  `json:"hits"`   // chosen experts that were in memory
	Misses  uint64  `json:"misses"` // chosen experts that were read
	HitRate float64 `json:"hit_ratio"`
	// Read is the mean number of bytes read for a token, streamed layers included.
	Read uint64 `json:"read_bytes_per_token"`
}

// planTrace replays the trace of the options, nil without. r is the plan of the budget.
func (w *weights) planTrace(r residency.Plan) (*TracePlan, error) {
	if w.config.trace == nil {
		return nil, nil
	}
	sizes, _ := residency.SizesOfExperts(w.plan) // none: an error below
	t, err := w.config.trace.Of(sizes)
	if err != nil {
		return nil, err
	}
	slots := r.Experts
	if slots > 0 {
		t.Bank = slots / r.Banks
	} else { // all experts are in memory
		slots, t.Bank = t.Experts(), 0
	}
	found, err := t.Replay(replay.LFU, slots)
	if err != nil {
		return nil, err
	}
	c := found.Alone
	if c.Tokens == 0 {
		c = found.Together
	}
	p := &TracePlan{Tokens: c.Tokens, Hits: c.Hits, Misses: c.Misses, HitRate: c.HitRatio(), Read: uint64(c.ReadPerToken()) + r.Read - r.ReadExperts}
	if r.Experts == 0 {
		p.Hits, p.Misses, p.HitRate, p.Read = c.Hits+c.Misses, 0, 1, r.Read
	}
	return p, nil
}

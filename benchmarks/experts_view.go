package benchmarks

import (
	"fmt"

	"gonum.org/v1/plot"

	"github.com/seed7adf6694/infer/loader/residency/replay"
)

// Figures of the experts experiment.
const (
	shareLabel      = "of_experts"
	slotsShare      = "slots_ratio" // of all experts
	slotCount       = "slots"
	slotsBytes      = "slots_bytes"
	layersOfExperts = "expert_layers"
	expertsOfLayers = "experts"
	expertsUsed     = "experts_used"
	expertsBytes    = "experts_bytes"
	expertsPerToken = "experts_bytes_per_token"
	tokensAlone     = "tokens_evaluated_alone"
	tokensTogether  = "tokens_evaluated_together"
)

func hitsOf(p replay.Policy) string      { return string(p) + "_hit_ratio" }
func readOf(p replay.Policy) string      { return string(p) + "_read_bytes_per_token" }
func readShareOf(p replay.Policy) string { return string(p) + "_read_ratio" } // of the bytes chosen

func policyName(p replay.Policy) string {
	return map[replay.Policy]string{replay.LRU: "LRU", replay.LFU: "LFU", replay.Optimal: "optimum"}[p]
}

func expertsView() view {
	v := view{
		title:   "Memory for the experts of a mixture",
		columns: []column{{title: "of all experts", label: shareLabel}, {title: "slots", metric: slotCount}, {title: "memory", metric: slotsBytes}},
		noRuns:  true,
		facts:   expertsFacts,
		closing: expertsClosing,
		plots:   expertsPlots,
	}
	for _, p := range replay.Policies() {
		v.columns = append(v.columns, column{title: "hits " + policyName(p), metric: hitsOf(p)})
	}
	for _, p := range replay.Policies() {
		v.columns = append(v.columns, column{title: "read/token " + policyName(p), metric: readOf(p)})
		v.compared = append(v.compared, hitsOf(p), readOf(p))
	}
	return v
}

func expertsFacts(rs Results) []string {
	m := rs[0].Metrics
	replayed := fmt.Sprintf("%s evaluated one by one, after %.0f together", times(int(m[tokensAlone]), "token"), m[tokensTogether])
	if m[tokensAlone] == 0 {
		replayed = fmt.Sprintf("%s evaluated together; the figures are of those", times(int(m[tokensTogether]), "token"))
	}
	return []string{
		mixtureText(m),
		"replayed: " + replayed,
		"replaced is: LRU, the expert unused for longest; LFU, the one used least, where older uses count less (memory budgets use this); optimum, the one whose next use is farthest ahead (Belady)",
	}
}

// mixtureText says how large a mixture's experts are.
func mixtureText(m map[string]float64) string {
	return fmt.Sprintf("mixture: %.0f experts in %s, %s in all; a token uses %.0f of a layer, %s in all layers", m[expertsOfLayers], times(int(m[layersOfExperts]), "layer"), size(m[expertsBytes]), m[expertsUsed], size(m[expertsPerToken]))
}

// expertsClosing says in a sentence what the middle number of slots saves.
func expertsClosing(rs Results) []string {
	r := rs[len(rs)/2]
	best := r.Metrics[readShareOf(replay.Optimal)]
	return []string{fmt.Sprintf("at %s of the experts, %s, %.0f %% of a token's experts are read: %s (LFU; at the optimum %.0f %%)",
		r.Labels[shareLabel], size(r.Metrics[slotsBytes]), 100*r.Metrics[readShareOf(replay.LFU)], size(r.Metrics[readOf(replay.LFU)]), 100*best)}
}

// expertsPlots are bars of the hits.
func expertsPlots(rs Results) ([]*plot.Plot, error) {
	sizes := distinct(rs, func(r Record) string { return r.Labels[shareLabel] })
	var parts []bars
	for _, p := range replay.Policies() {
		part := bars{name: policyName(p)}
		for _, s := range sizes {
			part.values = append(part.values, rs.labelled(map[string]string{shareLabel: s}).values(hitsOf(p)))
		}
		parts = append(parts, part)
	}
	p, err := newBarPlot("Experts that are in memory when they are chosen", "share of the choices", sizes, parts...)
	if p == nil || err != nil {
		return nil, err
	}
	return []*plot.Plot{p}, nil
}

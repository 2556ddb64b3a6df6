package benchmarks

import (
	"fmt"

	"gonum.org/v1/plot"
)

// Metrics that are derived from several cases.
const (
	stockRatio  = "stock_ratio"             // speed relative to stock under the same limit
	offRatio    = "off_ratio"               // speed relative to the mapping without a budget, under the same limit
	boundRate   = "bound_tokens_per_second" // upper bound by disk and CPU, in tokens per second
	boundRatio  = "bound_ratio"             // speed relative to the bound
	lookupRatio = "lookup_ratio"            // speed relative to the run without lookup
)

func pressureView() view {
	return view{
		title: "Generation with less memory than the model needs",
		columns: []column{
			{title: "budget", label: "budget"},
			{title: "limit", metric: limitBytes},
			{title: "readahead", label: readaheadLabel},
			{title: "load", label: "load"},
			{title: "text", label: "text"},
			{title: "tok/s", metric: tokenRate, spread: true},
			{title: "× stock", metric: stockRatio},
			{title: "× off", metric: offRatio},
			{title: "bound", metric: boundRate},
			{title: "of bound", metric: boundRatio},
			{title: "read/token", metric: readPerToken},
			{title: "streamed/token", metric: streamedToken},
			{title: "hits", metric: expertHitRatio},
			{title: "simulated/token", metric: simulatedRead},
			{title: "of simulated", metric: simulatedRatio},
			{title: "passes/token", metric: "passes_per_token"},
			{title: "× lookup", metric: lookupRatio},
			{title: "load time", metric: loadTime},
			{title: "peak", metric: groupPeak},
			{title: "of limit", metric: "limit_used_ratio"},
		},
		compared: []string{tokenRate, readPerToken, loadTime, groupPeak, diskRate},
		derive:   derivePressure,
		facts:    pressureFacts,
		hide:     func(r Record) bool { return r.Labels["budget"] == "disk" && r.Status == OK },
		plots:    pressurePlots,
	}
}

// derivePressure adds ratios and bounds. A token takes at least the time that it takes with ample
// memory, and at least the time to read its streamed bytes from the disk.
func derivePressure(all Results, experiment string) {
	rs := all.where(func(r Record) bool { return r.Experiment == experiment })
	disk := rs.labelled(map[string]string{"budget": "disk"}).values(diskRate).median()
	for _, r := range all {
		budget, load, text := r.Labels["budget"], r.Labels["load"], r.Labels["text"]
		rate := r.Metrics[tokenRate]
		median := func(metric, budget, load, text string) float64 {
			labels := map[string]string{"budget": budget, "load": load, "text": text}
			if budget != ample {
				labels[readaheadLabel] = r.Labels[readaheadLabel]
			}
			return rs.labelled(labels).values(metric).median()
		}
		if r.Experiment != experiment || r.Status != OK || rate <= 0 {
			continue
		}
		if text == textLookup {
			if without := median(tokenRate, budget, load, textQuote); without > 0 {
				r.Metrics[lookupRatio] = rate / without
			}
		}
		if load == "stock" {
			continue
		}
		if stock := median(tokenRate, budget, "stock", text); stock > 0 {
			r.Metrics[stockRatio] = rate / stock
		}
		if off := median(tokenRate, budget, loadOff, text); off > 0 && load != loadOff {
			r.Metrics[offRatio] = rate / off
		}
		compute := median(tokenRate, ample, load, text)
		streamed := median(streamedToken, budget, load, text)
		if budget == ample || compute <= 0 || streamed > 0 && disk <= 0 {
			continue
		}
		bound := compute
		if streamed > 0 {
			bound = min(bound, disk/streamed)
		}
		r.Metrics[boundRate], r.Metrics[boundRatio] = bound, rate/bound
	}
}

func pressureFacts(rs Results) []string {
	facts := []string{needText(rs)}
	if m := rs[0].Metrics; m[expertsBytes] > 0 {
		facts = append(facts, mixtureText(m))
	}
	if s := rs.where(func(r Record) bool { return r.Labels["budget"] == ample }).values(readaheadBytes); len(s) > 0 {
		facts = append(facts, "readahead of the disk: "+size(s.median()))
	}
	if s := rs.values(diskRate); len(s) > 0 {
		facts = append(facts, fmt.Sprintf("disk: %s (past the page cache, queue depth %d, requests of %s)", withSpread(diskRate, s), diskRequests, size(diskBlock)))
	}
	if s := rs.values(diskBusyRate); len(s) > 0 {
		facts = append(facts, fmt.Sprintf("disk while processors are busy: %s (a lower rate means that reading takes CPU time, as in many virtual machines: the bound cannot be reached there)", withSpread(diskBusyRate, s)))
	}
	if s := rs.values(boundRatio); len(s) > 0 && s.most() > 1 {
		facts = append(facts, "faster than the bound: the disk was faster in this run than when its rate was measured")
	}
	if rs.labelled(map[string]string{"load": loadOff}) != nil {
		facts = append(facts, "off: mapped weights without a budget (--max-memory off)")
	}
	if s := rs.values(simulatedRead); len(s) > 0 {
		facts = append(facts, "simulated: bytes of the experts that a replay of the same choices misses, with the budget's policy and slots")
	}
	return append(facts, "stock does not repack; bound: 1 / max(time per token with ample memory, streamed bytes per token / disk rate)")
}

func pressurePlots(rs Results) ([]*plot.Plot, error) {
	rates := newPlot("Generation under a memory limit", "limit, % of weights + KV cache + compute buffers", "tokens per second")
	reads := newPlot("Read from the disk", "limit, % of weights + KV cache + compute buffers", "MiB per token")
	draw := []struct{ load, text, name string }{{"mmap", "", "mmap, automatic budget"}, {loadPacked, "", "packed, automatic budget"}, {loadOff, "", "mmap, no budget"}, {"stock", "", "stock"}, {"mmap", textQuote, "mmap, quoting"}, {"mmap", textLookup, "mmap, repeated text, lookup"}}
	var rate, read []*curve
	bound := &curve{name: "upper bound (disk and CPU)", dashed: true}
	limited := rs.where(func(r Record) bool { return r.Metrics[budgetRatio] > 0 })
	for i, readahead := range distinct(limited, func(r Record) string { return r.Labels[readaheadLabel] }) {
		for _, d := range draw {
			if readahead != "" {
				d.name += ", readahead " + readahead
			}
			a, b := &curve{name: d.name}, &curve{name: d.name}
			for _, budget := range distinct(limited, func(r Record) string { return r.Labels["budget"] }) {
				of := limited.labelled(map[string]string{"budget": budget, "load": d.load, "text": d.text, readaheadLabel: readahead})
				if len(of) == 0 {
					continue
				}
				percent := 100 * of[0].Metrics[budgetRatio]
				a.add(percent, of.values(tokenRate))
				b.add(percent, of.values(readPerToken).inMiB())
				if i == 0 && d.load == "mmap" && d.text == "" {
					bound.add(percent, of.values(boundRate))
				}
			}
			rate, read = append(rate, a), append(read, b)
		}
	}
	if !hasPoints(rate) {
		return nil, nil
	}
	if err := addCurves(rates, append(rate, bound)...); err != nil {
		return nil, err
	}
	plots := []*plot.Plot{rates}
	if hasPoints(read) {
		if err := addCurves(reads, read...); err != nil {
			return nil, err
		}
		plots = append(plots, reads)
	}
	return plots, nil
}

func hasPoints(curves []*curve) bool {
	for _, c := range curves {
		if c.Len() > 0 {
			return true
		}
	}
	return false
}

package benchmarks

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

func memoryView() view {
	return view{
		title: "Memory by type and load mode",
		columns: []column{
			{title: "type", label: "type"}, {title: "load", label: "load"}, {title: "case", label: "cache"},
			{title: "on disk", metric: "disk_bytes"},
			{title: "commit", metric: commitBytes},
			{title: "anonymous", metric: "peak_anon_bytes"},
			{title: "file-backed", metric: "peak_file_bytes"},
			{title: "peak", metric: "peak_rss_bytes"},
			{title: "two processes", metric: bothPSS},
			{title: "largest allocation", metric: "largest_allocation_bytes"},
			{title: "load time", metric: loadTime, spread: true},
			{title: "first token", metric: firstToken},
			{title: "tok/s", metric: tokenRate, spread: true},
			{title: "perplexity", metric: perplexityValue}, {title: "±", metric: "perplexity_error"}, {title: "KL", metric: klDivergence},
		},
		compared: []string{commitBytes, "peak_rss_bytes", bothPSS, loadTime, firstToken, tokenRate, perplexityValue},
		facts: func(Results) []string {
			return []string{"commit: private memory charged by the system since the beginning of the load; two processes: sum of the PSS of two processes that generate at the same time"}
		},
		hide:  func(r Record) bool { return r.Labels["cache"] == quality && r.Status == Skipped },
		plots: memoryPlots,
	}
}

// typeAndLoad returns the label of a bar: type and load mode.
func typeAndLoad(r Record) string { return r.Labels["type"] + " " + r.Labels["load"] }

// memoryPlots plots the peak of resident memory as bars, and memory over time.
func memoryPlots(rs Results) ([]*plot.Plot, error) {
	var plots []*plot.Plot
	warm := rs.where(func(r Record) bool { return r.Labels["cache"] == "warm" && r.Status == OK })
	if len(warm) == 0 {
		return nil, nil
	}
	names := distinct(warm, typeAndLoad)
	parts := []bars{{name: "anonymous"}, {name: "file-backed"}, {name: "commit"}}
	for i, metric := range []string{"peak_anon_bytes", "peak_file_bytes", commitBytes} {
		for _, name := range names {
			of := warm.where(func(r Record) bool { return typeAndLoad(r) == name })
			parts[i].values = append(parts[i].values, of.values(metric).inMiB())
		}
	}
	peaks, err := newBarPlot("Peak memory", "MiB", names, parts...)
	if err != nil {
		return nil, err
	}
	if peaks != nil {
		plots = append(plots, peaks)
	}

	over := newPlot("Memory over time (first repetition)", "seconds", "MiB resident")
	drawn := 0
	for i, name := range names {
		of := warm.where(func(r Record) bool {
			return typeAndLoad(r) == name && len(r.Series[seriesTime]) > 1
		})
		if len(of) == 0 {
			continue
		}
		var xys plotter.XYs
		s := of[0].Series
		for k := range min(len(s[seriesTime]), len(s[seriesAnon]), len(s[seriesFile])) {
			xys = append(xys, plotter.XY{X: s[seriesTime][k], Y: (s[seriesAnon][k] + s[seriesFile][k]) / (1 << 20)})
		}
		line, err := plotter.NewLine(xys)
		if err != nil {
			return nil, fmt.Errorf("memory over time: %w", err)
		}
		line.Color, line.Width = palette[i%len(palette)], vg.Points(1.5)
		over.Add(line)
		over.Legend.Add(name, line)
		drawn++
	}
	if drawn > 0 {
		leaveLegend(over, drawn)
		plots = append(plots, over)
	}
	return plots, nil
}

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
			return []string{"commit: private memory that the system has promised, what the process had before the load left out; two processes: PSS of both together, all generating"}
		},
		hide:  func(r Record) bool { return r.Labels["cache"] == quality && r.Status == Skipped },
		plots: memoryPlots,
	}
}

// memoryPlots are bars of what is resident at most, and memory over time.
func memoryPlots(rs Results) ([]*plot.Plot, error) {
	var plots []*plot.Plot
	warm := rs.where(func(r Record) bool { return r.Labels["cache"] == "warm" && r.Status == OK })
	if len(warm) == 0 {
		return nil, nil
	}
	names := distinct(warm, func(r Record) string { return r.Labels["type"] + " " + r.Labels["load"] })
	bars := newPlot("Memory at its peak", "", "MiB")
	parts := []struct{ name, metric string }{{"anonymous", "peak_anon_bytes"}, {"file-backed", "peak_file_bytes"}, {"commit", commitBytes}}
	for i, part := range parts {
		var values plotter.Values
		for _, name := range names {
			of := warm.where(func(r Record) bool { return r.Labels["type"]+" "+r.Labels["load"] == name })
			values = append(values, of.values(part.metric).median()/(1<<20))
		}
		b, err := plotter.NewBarChart(values, vg.Points(14))
		if err != nil {
			return nil, err
		}
		b.Color, b.LineStyle.Width, b.Offset = palette[i], 0, vg.Points(15)*vg.Length(i-1)
		bars.Add(b)
		bars.Legend.Add(part.name, b)
	}
	bars.NominalX(names...)
	bars.Y.Max *= 1 + legendShare*float64(len(parts))
	plots = append(plots, bars)

	over := newPlot("Memory over time, of the first repetition", "seconds", "MiB resident")
	drawn := 0
	for i, name := range names {
		of := warm.where(func(r Record) bool {
			return r.Labels["type"]+" "+r.Labels["load"] == name && len(r.Series[seriesTime]) > 1
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
		over.Y.Max *= 1 + legendShare*float64(drawn)
		plots = append(plots, over)
	}
	return plots, nil
}

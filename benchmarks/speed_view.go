package benchmarks

import (
	"strings"

	"gonum.org/v1/plot"
)

// evaluatedRate is the metric that llama-bench calls t/s: prompt and generated tokens per second.
const evaluatedRate = "evaluated_tokens_per_second"

// Metrics with layers on GPUs: the time to load, the most that the process had in memory, and the memory of
// devices.
const (
	gpuLoadTime = "gpu_load_seconds"
	gpuPeakHost = "gpu_peak_host_bytes"
	gpuBytes    = "gpu_bytes"
)

// testSeconds is the metric with the time of the test.
const testSeconds = "test_seconds"

// speedView has llama-bench's columns. As in llama-bench, columns with default values are left out.
func speedView() view {
	return view{
		title: "Speed (llama-bench's tests)",
		columns: []column{
			{title: "model", label: "model"},
			{title: "size", label: "size"},
			{title: "params", label: "params"},
			{title: "backend", label: "backend"},
			{title: "ngl", label: "ngl"},
			{title: "threads", label: "threads"},
			{title: "n_batch", label: "n_batch"},
			{title: "n_ubatch", label: "n_ubatch"},
			{title: "type_k", label: "type_k"},
			{title: "type_v", label: "type_v"},
			{title: "fa", label: "fa"},
			{title: "load", label: "load"},
			{title: "test", label: "test"},
			{title: "t/s", metric: evaluatedRate, mean: true},
			{title: "× llama-bench", metric: ofPeer},
			{title: "load time", metric: gpuLoadTime}, {title: "peak host memory", metric: gpuPeakHost}, {title: "on devices", metric: gpuBytes},
		},
		compared: []string{evaluatedRate, loadTime},
		facts:    func(Results) []string { return []string{"t/s: mean ± standard deviation, as in llama-bench"} },
		noRuns:   true,
		derive:   deriveSpeed,
		plots:    speedPlots,
	}
}

// deriveSpeed adds llama-bench's figures under its names to each record: mean and standard
// deviation over the repetitions of the case.
func deriveSpeed(all Results, experiment string) {
	rs := all.where(func(r Record) bool { return r.Experiment == experiment })
	for _, r := range rs {
		if r.Status != OK {
			continue
		}
		of := rs.where(func(o Record) bool { return o.Case == r.Case && o.Run.Equal(r.Run) })
		rates, seconds := of.values(evaluatedRate), of.values(testSeconds)
		r.Metrics["avg_ts"], r.Metrics["stddev_ts"] = rates.mean(), rates.deviation()
		r.Metrics["avg_ns"], r.Metrics["stddev_ns"] = 1e9*seconds.mean(), 1e9*seconds.deviation()
	}
	ratioToPeer(rs)
}

// speedPlots returns separate bar plots for prompts, for tokens one by one and for both together,
// since their rates differ widely.
func speedPlots(rs Results) ([]*plot.Plot, error) {
	var plots []*plot.Plot
	for _, kind := range []struct {
		title            string
		prompt, generate bool
	}{{"Prompts", true, false}, {"Tokens one by one", false, true}, {"Prompts and tokens one by one", true, true}} {
		of := rs.where(func(r Record) bool {
			test := r.Labels["test"]
			return r.Status == OK && strings.Contains(test, "pp") == kind.prompt && strings.Contains(test, "tg") == kind.generate
		})
		tests := distinct(of, func(r Record) string { return r.Labels["test"] })
		wayOf := func(r Record) string { return strings.TrimPrefix(r.Case, r.Labels["test"]+" ") }
		var parts []bars
		for _, way := range distinct(of, wayOf) {
			part := bars{name: way}
			for _, test := range tests {
				part.values = append(part.values, of.where(func(r Record) bool { return r.Labels["test"] == test && wayOf(r) == way }).values(evaluatedRate))
			}
			parts = append(parts, part)
		}
		p, err := newBarPlot(kind.title, "tokens per second", tests, parts...)
		if err != nil {
			return nil, err
		}
		if p != nil {
			plots = append(plots, p)
		}
	}
	return plots, nil
}

// ratioToPeer adds the ratio of each rate to the median of llama-bench's with the same options.
func ratioToPeer(rs Results) {
	for _, r := range rs {
		if r.Status != OK || r.Labels["load"] == llamaBench {
			continue
		}
		peer := rs.where(func(o Record) bool {
			if o.Status != OK || !o.Run.Equal(r.Run) || o.Labels["load"] != llamaBench {
				return false
			}
			for name, value := range r.Labels {
				if name != "load" && o.Labels[name] != value {
					return false
				}
			}
			return true
		}).values(evaluatedRate)
		if len(peer) > 0 && peer.median() > 0 {
			r.Metrics[ofPeer] = r.Metrics[evaluatedRate] / peer.median()
		}
	}
}

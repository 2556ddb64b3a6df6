package benchmarks

import (
	"gonum.org/v1/plot"
)

func serveView() view {
	return view{
		title: "Servers with several clients",
		columns: []column{
			{title: "memory", label: "memory"},
			{title: "limit", metric: limitBytes},
			{title: "streams", label: "streams"},
			{title: "server", label: "server"},
			{title: "tok/s, total", metric: totalRate, spread: true},
			{title: "× one stream", metric: ofOneStream},
			{title: "tok/s × llama-server", metric: ofPeer},
			{title: "tok/s × ollama", metric: ofOllama},
			{title: "first token", metric: firstMedian},
			{title: "worst", metric: firstWorst},
			{title: "first token × llama-server", metric: firstOfPeer},
			{title: "between tokens", metric: betweenMedian},
			{title: "worst", metric: betweenWorst},
			{title: "load time", metric: loadTime},
			{title: "peak RSS", metric: serverRSS},
			{title: "private", metric: serverAnon},
			{title: "peak of the group", metric: groupPeak},
			{title: "memory × llama-server", metric: memoryOfPeer},
			{title: "memory × ollama", metric: memoryOfOther},
		},
		compared: []string{totalRate, firstMedian, firstWorst, betweenMedian, serverRSS},
		derive:   deriveServe,
		facts: func(rs Results) []string {
			facts := []string{"times are medians over the requests of a run, and the worst of them, as clients see them"}
			if rs.labelled(map[string]string{"server": llamaServer}) != nil {
				facts = append(facts, "llama-server repacks weights, except under a memory limit (--no-repack), where the process would be killed")
			}
			return facts
		},
		plots: servePlots,
	}
}

// peakOf is the memory that a server is compared by: of its control group, if there is one.
func peakOf(r Record) float64 {
	if n := r.Metrics[groupPeak]; n > 0 {
		return n
	}
	return r.Metrics[serverRSS]
}

// deriveServe adds the ratios to one stream and to the other server.
func deriveServe(all Results, experiment string) {
	rs := all.where(func(r Record) bool { return r.Experiment == experiment && r.Status == OK })
	for _, r := range rs {
		like := func(server, streams string) Results {
			return rs.where(func(x Record) bool {
				return x.Run.Equal(r.Run) && x.Labels["server"] == server && x.Labels["streams"] == streams && x.Labels["memory"] == r.Labels["memory"]
			})
		}
		ratio := func(name string, value, of float64) {
			if value > 0 && of > 0 {
				r.Metrics[name] = value / of
			}
		}
		server, streams := r.Labels["server"], r.Labels["streams"]
		if streams != "1" {
			ratio(ofOneStream, r.Metrics[totalRate], like(server, "1").values(totalRate).median())
		}
		peakRatio := func(name string, of Results) {
			var peaks []float64
			for _, x := range of {
				peaks = append(peaks, peakOf(x))
			}
			ratio(name, peakOf(r), sampleOf(peaks).median())
		}
		if peer := like(llamaServer, streams); server != llamaServer {
			ratio(ofPeer, r.Metrics[totalRate], peer.values(totalRate).median())
			ratio(firstOfPeer, r.Metrics[firstMedian], peer.values(firstMedian).median())
			peakRatio(memoryOfPeer, peer)
		}
		if other := like(ollama, streams); server == inferServer {
			ratio(ofOllama, r.Metrics[totalRate], other.values(totalRate).median())
			peakRatio(memoryOfOther, other)
		}
	}
}

// servePlots returns bars of rates, times and memory.
func servePlots(rs Results) ([]*plot.Plot, error) {
	situation := func(r Record) string {
		name := r.Labels["streams"] + " streams"
		if r.Labels["streams"] == "1" {
			name = "1 stream"
		}
		if m := r.Labels["memory"]; m != "" {
			name += ", " + m
		}
		return name
	}
	situations := distinct(rs, situation)
	var plots []*plot.Plot
	for _, p := range []struct {
		title, y string
		value    func(sample) sample
		metric   string
	}{
		{"Tokens of all streams", "tokens per second", same, totalRate},
		{"Time to the first token", "seconds", same, firstMedian},
		{"Memory of the server", "MiB", sample.inMiB, serverRSS},
	} {
		var parts []bars
		for _, server := range distinct(rs, func(r Record) string { return r.Labels["server"] }) {
			part := bars{name: server}
			for _, s := range situations {
				of := rs.where(func(r Record) bool { return r.Labels["server"] == server && situation(r) == s })
				part.values = append(part.values, p.value(of.values(p.metric)))
			}
			parts = append(parts, part)
		}
		drawn, err := newBarPlot(p.title, p.y, situations, parts...)
		if err != nil {
			return nil, err
		}
		if drawn != nil {
			plots = append(plots, drawn)
		}
	}
	return plots, nil
}

func same(s sample) sample { return s }

package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gonum.org/v1/plot"

	"github.com/seed7adf6694/infer/runtime"
)

const loadName = "load"

// LoadOptions are the options of [Runner.Load].
type LoadOptions struct {
	// Shapes are shapes of models with random weights, Models are existing models. If both are nil:
	// seven shapes of 0.1 to 2 GiB in f16, which differ only in their number of layers.
	Shapes []string
	Models []string
	Type   string // tensor type of the synthesized models; "": f16
	Dir    string // folder that keeps them; "": a temporary folder

	Threads int // 0: [runtime.DefaultThreads]
	Context int // context in tokens; 0: 64
}

// loadShapes share one small vocabulary, since loading a vocabulary takes time too.
var loadShapes = []string{"1b,layers=1,vocab=4096", "1b,layers=3,vocab=4096", "1b,layers=6,vocab=4096", "1b,layers=10,vocab=4096", "1b,layers=14,vocab=4096", "1b,layers=18,vocab=4096", "1b,layers=22,vocab=4096"}

// Load measures time and memory of loading by model size, with a cold and with a warm page cache.
//
// With an error it also returns the results so far.
func (r *Runner) Load(ctx context.Context, o LoadOptions) (rs Results, err error) {
	if o.Context == 0 {
		o.Context = 64
	}
	if o.Context < 16 || o.Threads < 0 {
		return nil, fmt.Errorf("%w: %d tokens of context, %d threads: want at least 16 tokens and 0 threads", runtime.ErrOption, o.Context, o.Threads)
	}
	var sources []Model
	for _, path := range o.Models {
		sources = append(sources, Model{Path: path})
	}
	if len(sources) == 0 && len(o.Shapes) == 0 {
		o.Shapes = loadShapes
	}
	for _, shape := range o.Shapes {
		kind := o.Type
		if kind == "" {
			kind = "f16"
		}
		sources = append(sources, Model{Shape: shape, Type: kind, Dir: o.Dir})
	}
	var ms []*preparedModel
	defer func() {
		for _, m := range ms {
			err = errors.Join(err, m.close())
		}
	}()
	var cases []testCase
	for _, source := range sources {
		m, err := r.prepare(ctx, source)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
		for _, load := range loadModes {
			for _, cache := range []string{"cold", "warm"} {
				cases = append(cases, testCase{
					name: fmt.Sprintf("%s %s, %s", strings.TrimSuffix(m.about.Name, ".gguf"), load, cache), labels: map[string]string{"model": m.about.Name, "load": load, "cache": cache},
					metrics: map[string]float64{"disk_bytes": float64(m.about.Bytes)}, model: m, cold: cache == "cold",
					job: job{Do: "generate", Model: m.path, Load: load, NoBudget: true, NoRepack: true, Context: o.Context, UBatch: 16, Threads: o.Threads, Prompt: storyPrompt, Tokens: 2},
				})
			}
		}
	}
	return r.run(ctx, plan{experiment: loadName, model: ms[0], cases: cases})
}

func loadView() view {
	return view{
		title: "Loading by model size",
		columns: []column{
			{title: "model", label: "model"}, {title: "on disk", metric: "disk_bytes"}, {title: "load", label: "load"}, {title: "page cache", label: "cache"},
			{title: "load time", metric: loadTime, spread: true}, {title: "first token", metric: firstToken},
			{title: "peak", metric: "peak_rss_bytes"}, {title: "anonymous", metric: "peak_anon_bytes"}, {title: "largest allocation", metric: "largest_allocation_bytes"},
		},
		compared: []string{loadTime, firstToken, "peak_rss_bytes"},
		facts:    loadFacts,
		plots:    loadPlots,
	}
}

// loadGroups groups the records by load mode and state of the page cache.
func loadGroups(rs Results, visit func(name string, of Results)) {
	for _, load := range loadModes {
		for _, cache := range []string{"cold", "warm"} {
			of := rs.labelled(map[string]string{"load": load, "cache": cache})
			visit(load+", "+cache, of.where(func(r Record) bool { return r.Status == OK }))
		}
	}
}

// loadFacts describes the lines fitted to the load times (least squares): the constant part and the
// time per GiB.
func loadFacts(rs Results) []string {
	var facts []string
	signed := func(print func(float64) string, v float64) string {
		if v < 0 {
			return "−" + print(-v)
		}
		return print(v)
	}
	loadGroups(rs, func(name string, of Results) {
		x, times := byModel(of, firstToken)
		base, slope, ok := fit(x, times)
		if !ok {
			return
		}
		text := fmt.Sprintf("%s: to the first token %s + %s per GiB (r² %.3f)", name, signed(duration, base), signed(duration, slope), straightness(x, times))
		x, peaks := byModel(of, "peak_rss_bytes")
		if base, slope, ok := fit(x, peaks); ok {
			text += fmt.Sprintf(", resident %s + %s per GiB (r² %.3f)", signed(size, base), signed(size, slope), straightness(x, peaks))
		}
		facts = append(facts, text)
	})
	return facts
}

// byModel returns the models' sizes in GiB and the medians of a metric.
func byModel(rs Results, metric string) (x, y []float64) {
	for _, model := range distinct(rs, func(r Record) string { return r.Labels["model"] }) {
		of := rs.labelled(map[string]string{"model": model})
		x, y = append(x, of.values("disk_bytes").median()/(1<<30)), append(y, of.values(metric).median())
	}
	return x, y
}

// loadPlots plots times, cold and warm, and peaks, with the fitted lines.
func loadPlots(rs Results) ([]*plot.Plot, error) {
	const x = "model, GiB on disk"
	drawn := []struct {
		cache, metric string
		scale         float64
		plot          *plot.Plot
	}{
		{"cold", firstToken, 1, newPlot("Time to the first token, cold page cache", x, "seconds")},
		{"warm", firstToken, 1, newPlot("Time to the first token, warm page cache", x, "seconds")},
		{"warm", "peak_rss_bytes", 1 << 20, newPlot("Peak resident memory, warm page cache", x, "MiB")},
	}
	var plots []*plot.Plot
	for _, d := range drawn {
		var curves []*curve
		for _, load := range loadModes {
			c := &curve{name: load, fitted: true}
			of := rs.labelled(map[string]string{"load": load, "cache": d.cache})
			for _, model := range distinct(of, func(r Record) string { return r.Labels["model"] }) {
				some := of.labelled(map[string]string{"model": model})
				c.add(some.values("disk_bytes").median()/(1<<30), some.values(d.metric).scaled(1/d.scale))
			}
			curves = append(curves, c)
		}
		if !hasPoints(curves) {
			continue
		}
		if err := addCurves(d.plot, curves...); err != nil {
			return nil, err
		}
		d.plot.X.Min = 0
		plots = append(plots, d.plot)
	}
	return plots, nil
}

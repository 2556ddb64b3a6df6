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
	// Shapes of models with random weights, or Models, which there are; nil both: seven, of
	// 0.1 to 2 GiB as f16.
	Shapes []string
	Models []string
	Type   string // of the models that are made; "": f16
	Dir    string // keeps them; "": a temporary folder

	Threads int // 0: one per CPU
	Context int // tokens; 0: 64
}

// loadShapes are as f16 of about 0.2 to 2 GiB, and 0.1.
var loadShapes = []string{"1b,layers=1,vocab=4096", "1b,layers=1", "1b,layers=3", "1b,layers=6", "1b,layers=10", "1b,layers=15", "1b"}

// Load measures the time and memory of loading against the size of the model, with its
// pages dropped before and without.
//
// The results so far are returned with an error too.
func (r *Runner) Load(ctx context.Context, o LoadOptions) (rs Results, err error) {
	if o.Context == 0 {
		o.Context = 64
	}
	if o.Context < 16 || o.Threads < 0 {
		return nil, fmt.Errorf("%w: %d tokens of context, %d threads", runtime.ErrOption, o.Context, o.Threads)
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
		title: "Loading against the size of the model",
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

// loadGroups are the records of each load mode and state of the page cache.
func loadGroups(rs Results, visit func(name string, of Results)) {
	for _, load := range loadModes {
		for _, cache := range []string{"cold", "warm"} {
			of := rs.labelled(map[string]string{"load": load, "cache": cache})
			visit(load+", "+cache, of.where(func(r Record) bool { return r.Status == OK }))
		}
	}
}

// loadFacts are the lines fitted to load times: what a load takes whatever its size, and
// what each GiB adds.
func loadFacts(rs Results) []string {
	var facts []string
	loadGroups(rs, func(name string, of Results) {
		var x, y []float64
		for _, r := range of {
			x, y = append(x, r.Metrics["disk_bytes"]/(1<<30)), append(y, r.Metrics[firstToken])
		}
		if base, slope, ok := fit(x, y); ok {
			facts = append(facts, fmt.Sprintf("%s: to the first token %s + %s per GiB", name, duration(max(base, 0)), duration(max(slope, 0))))
		}
	})
	return facts
}

func loadPlots(rs Results) ([]*plot.Plot, error) {
	times := newPlot("From the beginning of the load to the first token", "model, GiB on disk", "seconds")
	peaks := newPlot("Resident at most", "model, GiB on disk", "MiB")
	var time, peak []*curve
	loadGroups(rs, func(name string, of Results) {
		a, b, line := &curve{name: name}, &curve{name: name}, &curve{name: name + ", fitted", dashed: true}
		var x, y []float64
		for _, model := range distinct(of, func(r Record) string { return r.Labels["model"] }) {
			some := of.labelled(map[string]string{"model": model})
			at := some.values("disk_bytes").median() / (1 << 30)
			a.add(at, some.values(firstToken))
			b.add(at, sampleOf([]float64{some.values("peak_rss_bytes").median() / (1 << 20)}))
			x, y = append(x, at), append(y, some.values(firstToken).median())
		}
		if base, slope, ok := fit(x, y); ok {
			for _, at := range x {
				line.add(at, sampleOf([]float64{base + slope*at}))
			}
		}
		time, peak = append(time, a, line), append(peak, b)
	})
	if !hasPoints(time) {
		return nil, nil
	}
	return []*plot.Plot{times, peaks}, errors.Join(addCurves(times, time...), addCurves(peaks, peak...))
}

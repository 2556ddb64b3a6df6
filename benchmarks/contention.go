package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"gonum.org/v1/plot"

	infer "github.com/seed7adf6694/infer/runtime"
)

const contentionName = "contention"

// Metrics of the contention experiment.
const (
	totalRate = "total_tokens_per_second" // total of all sessions of all processes
	ofBest    = "ratio_of_best_fixed"
	ofDefault = "ratio_of_all_cores"
)

// chosen is the label for a number of threads that is chosen while running.
const chosen = "auto"

// ContentionOptions are the options of [Runner.Contention].
type ContentionOptions struct {
	Model Model

	Tokens    int       // tokens that each session generates; 0: 48
	Context   int       // context in tokens; 0: 256
	Threads   []int     // fixed numbers of threads to compare with; nil: 1, 2, 4, … and all cores
	Busy      []int     // processors that other processes keep busy; nil: 0, 1 and all
	Quotas    []float64 // CPU quotas of control groups, in processors; nil: 0.5, 1 and 1.5
	Sessions  []int     // sessions that generate at the same time in one process; nil: 2, 4 and 8
	Processes []int     // processes that generate at the same time; nil: 2 and 4
}

// Contention measures the rate of generation on a machine with other load: with the number of
// threads that is chosen while running, and with fixed numbers, the last of which is llama.cpp's
// default, one thread per core. Rates are totals of all sessions of all processes, measured after
// the prompts.
//
// With an error it also returns the results so far.
func (r *Runner) Contention(ctx context.Context, o ContentionOptions) (rs Results, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	m, err := r.prepare(ctx, o.Model)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	return r.run(ctx, plan{experiment: contentionName, model: m, cases: o.cases(m)})
}

func (o ContentionOptions) withDefaults() (ContentionOptions, error) {
	cores := infer.DefaultThreads()
	for _, x := range []struct {
		p    *int
		or   int
		name string
	}{{&o.Tokens, 48, "tokens to generate"}, {&o.Context, 256, "tokens of context"}} {
		if *x.p == 0 {
			*x.p = x.or
		}
		if *x.p < 1 {
			return o, fmt.Errorf("%w: %d %s: want at least 1", infer.ErrOption, *x.p, x.name)
		}
	}
	if o.Threads == nil {
		for n := 1; n < cores; n *= 2 {
			o.Threads = append(o.Threads, n)
		}
		o.Threads = append(o.Threads, cores)
	}
	if o.Busy == nil {
		o.Busy = slices.Compact([]int{0, 1, runtime.NumCPU()})
	}
	if o.Quotas == nil {
		o.Quotas = []float64{0.5, 1, 1.5}
	}
	if o.Sessions == nil {
		o.Sessions = []int{2, 4, 8}
	}
	if o.Processes == nil {
		o.Processes = []int{2, 4}
	}
	for _, x := range []struct {
		values []int
		name   string
		min    int
	}{{o.Threads, "threads", 1}, {o.Busy, "busy processors", 0}, {o.Sessions, "sessions", 1}, {o.Processes, "processes", 1}} {
		for _, n := range x.values {
			if n < x.min || n > 512 {
				return o, fmt.Errorf("%w: %d %s out of range (%d to 512)", infer.ErrOption, n, x.name, x.min)
			}
		}
	}
	for _, q := range o.Quotas {
		if !(q >= 0.01 && q <= 512) {
			return o, fmt.Errorf("%w: CPU quota of %g processors out of range (0.01 to 512)", infer.ErrOption, q)
		}
	}
	return o, nil
}

// cases returns the cases: in each situation all numbers of threads, one after the other.
func (o ContentionOptions) cases(m *preparedModel) []testCase {
	var cases []testCase
	situation := func(kind, name string, change func(*testCase)) {
		for _, n := range append([]int{0}, o.Threads...) {
			threads := chosen
			if n > 0 {
				threads = fmt.Sprint(n)
			}
			c := testCase{name: name + ", threads " + threads, labels: map[string]string{"kind": kind, "situation": name, "threads": threads},
				job: job{Do: "contend", Model: m.path, Load: "mmap", Context: o.Context, Threads: n, Prompt: storyPrompt, Tokens: o.Tokens, Sessions: 1, Processes: 1}}
			change(&c)
			cases = append(cases, c)
		}
	}
	for _, n := range o.Busy {
		situation("With other busy processors", times(n, "busy processor"), func(c *testCase) { c.job.Busy = n })
	}
	for _, q := range o.Quotas {
		situation("With a CPU quota", fmt.Sprintf("a quota of %g", q), func(c *testCase) { c.processors = q })
	}
	for _, n := range o.Sessions {
		situation("Several sessions of one process, total", times(n, "session"), func(c *testCase) { c.job.Sessions = n })
	}
	for _, n := range o.Processes {
		situation("Processes, together", fmt.Sprintf("%d processes", n), func(c *testCase) { c.job.Processes = n })
	}
	return cases
}

// deriveContention adds the ratios to the best fixed number of threads and to one thread per core.
func deriveContention(all Results, experiment string) {
	rs := all.where(func(r Record) bool { return r.Experiment == experiment })
	for _, r := range rs {
		if r.Status != OK {
			continue
		}
		best, cores, most := 0.0, 0.0, 0
		for _, o := range rs {
			n := 0
			if o.Labels["situation"] != r.Labels["situation"] || !o.Run.Equal(r.Run) || o.Labels["threads"] == chosen {
				continue
			}
			rate := rs.where(func(x Record) bool { return x.Case == o.Case && x.Run.Equal(r.Run) }).values(totalRate).median()
			best = max(best, rate)
			if _, err := fmt.Sscan(o.Labels["threads"], &n); err == nil && n >= most {
				most, cores = n, rate
			}
		}
		if best > 0 {
			r.Metrics[ofBest], r.Metrics[ofDefault] = r.Metrics[totalRate]/best, r.Metrics[totalRate]/cores
		}
	}
}

func contentionView() view {
	return view{
		title: "Generation beside other programs, under CPU quotas, and with several sessions",
		columns: []column{
			{title: "situation", label: "situation"}, {title: "threads", label: "threads"},
			{title: "tok/s, total", metric: totalRate, spread: true}, {title: "of the best fixed", metric: ofBest}, {title: "of all cores", metric: ofDefault},
		},
		compared: []string{totalRate},
		derive:   deriveContention,
		plots:    contentionPlots,
		facts: func(Results) []string {
			return []string{"auto: number of threads chosen while running (the default); llama.cpp's default is one thread per core"}
		},
	}
}

// contentionPlots returns bar plots of the rates, one for each kind of situation.
func contentionPlots(rs Results) ([]*plot.Plot, error) {
	var plots []*plot.Plot
	for _, kind := range distinct(rs, func(r Record) string { return r.Labels["kind"] }) {
		of := rs.labelled(map[string]string{"kind": kind})
		situations := distinct(of, func(r Record) string { return r.Labels["situation"] })
		var parts []bars
		for _, threads := range distinct(of, func(r Record) string { return r.Labels["threads"] }) {
			part := bars{name: "threads " + threads}
			for _, s := range situations {
				part.values = append(part.values, of.labelled(map[string]string{"situation": s, "threads": threads}).values(totalRate))
			}
			parts = append(parts, part)
		}
		p, err := newBarPlot(kind, "tokens per second", situations, parts...)
		if err != nil {
			return nil, err
		}
		if p != nil {
			plots = append(plots, p)
		}
	}
	return plots, nil
}

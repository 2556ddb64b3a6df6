package benchmarks

import (
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/plot"

	"github.com/seed7adf6694/infer/runtime"
)

const floorName = "floor"

// Kinds of limits, as labels say them.
const (
	groupLimit   = "control group"
	addressLimit = "address space"
)

// FloorOptions are the options of [Runner.Floor].
type FloorOptions struct {
	// F16, Q4, Shape and Dir are as in [MemoryOptions].
	F16, Q4, Shape, Dir string

	Tokens  int    // tokens to generate; 0: 4
	Threads int    // 0: [runtime.DefaultThreads]
	Context int    // context in tokens; 0: 256
	Within  uint64 // precision of the limit, in bytes; 0: the larger of 1 MiB and 1/64 of the model
}

// Floor finds, for each load mode, the smallest limits under which a model still loads and
// generates: of memory (control group) and of address space (RLIMIT_AS).
//
// With an error it also returns the results so far.
func (r *Runner) Floor(ctx context.Context, o FloorOptions) (rs Results, err error) {
	for _, x := range []struct {
		p    *int
		or   int
		name string
	}{{&o.Tokens, 4, "tokens to generate"}, {&o.Threads, 0, "threads"}, {&o.Context, 256, "tokens of context"}} {
		if *x.p == 0 {
			*x.p = x.or
		}
		if *x.p < 0 {
			return nil, fmt.Errorf("%w: %d %s: want at least 1", runtime.ErrOption, *x.p, x.name)
		}
	}
	ms, done, err := r.preparePair(ctx, o.F16, o.Q4, o.Shape, o.Dir)
	defer func() { err = errors.Join(err, done()) }()
	if err != nil {
		return nil, err
	}
	one := *r
	one.Repetitions = max(one.Repetitions, 1) // a bisection runs the case many times already
	return one.run(ctx, plan{experiment: floorName, model: ms[0].preparedModel, cases: o.cases(ms)})
}

func (o FloorOptions) cases(ms []typedModel) []testCase {
	var cases []testCase
	for _, m := range ms {
		within := o.Within
		if within == 0 {
			within = max(1<<20, m.about.Bytes/64)
		}
		for _, kind := range []struct {
			name   string
			beyond uint64 // memory of the process beside the model
			set    func(*testCase, uint64)
		}{
			{groupLimit, 512 << 20, func(c *testCase, n uint64) { c.limit = n }},
			{addressLimit, 6 << 30, func(c *testCase, n uint64) { c.addresses = n }}, // Go reserves more than 1 GiB
		} {
			for _, load := range loadModes {
				cases = append(cases, testCase{
					name: fmt.Sprintf("%s %s, %s", m.label, load, kind.name), labels: map[string]string{"type": m.label, "load": load, "limit": kind.name},
					metrics: map[string]float64{"disk_bytes": float64(m.about.Bytes)}, model: m.preparedModel, cold: kind.name == groupLimit,
					// The number of threads, each with a stack, differs from run to run.
					search: &search{most: 3*m.about.Bytes + kind.beyond, within: within, set: kind.set, again: kind.name == addressLimit},
					job:    job{Do: "generate", Model: m.path, Load: load, NoRepack: load == "stock", Context: o.Context, UBatch: 64, Threads: o.Threads, Prompt: storyPrompt, Tokens: o.Tokens},
				})
			}
		}
	}
	return cases
}

// floorPlots returns bar plots of the limits, beside the model's size on disk.
func floorPlots(rs Results) ([]*plot.Plot, error) {
	names := distinct(rs, typeAndLoad)
	disk, group, addresses := bars{name: "on disk"}, bars{name: groupLimit}, bars{name: addressLimit}
	for _, name := range names {
		of := rs.where(func(r Record) bool { return typeAndLoad(r) == name })
		limit := func(kind string) sample {
			return of.labelled(map[string]string{"limit": kind}).values(floorBytes).inMiB()
		}
		disk.values = append(disk.values, of.values("disk_bytes").inMiB())
		group.values, addresses.values = append(group.values, limit(groupLimit)), append(addresses.values, limit(addressLimit))
	}
	if !hasValues(group.values) && !hasValues(addresses.values) {
		return nil, nil
	}
	p, err := newBarPlot("Smallest limit under which the model loads and generates", "MiB", names, disk, group, addresses)
	return []*plot.Plot{p}, err
}

func floorView() view {
	return view{
		title: "Smallest limit under which a model loads and generates",
		columns: []column{
			{title: "type", label: "type"}, {title: "load", label: "load"}, {title: "limit of", label: "limit"},
			{title: "on disk", metric: "disk_bytes"}, {title: "smallest", metric: floorBytes}, {title: "refused", metric: "last_refusal_bytes"},
			{title: "tok/s there", metric: tokenRate}, {title: "tries", metric: "tries"},
		},
		compared: []string{floorBytes},
		plots:    floorPlots,
		facts: func(Results) []string {
			return []string{"found by bisection: it ran under the smallest limit and did not run under the refused one; stock does not repack"}
		},
	}
}

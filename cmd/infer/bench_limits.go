package main

import (
	"context"
	"strings"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
)

func floorCommand() *command {
	f := newFlags()
	c, o := &benchConfig{flags: f}, &benchmarks.FloorOptions{}
	pairFlags(f, &o.F16, &o.Q4, &o.Shape, &o.Dir)
	f.group("Cases")
	tokensFlag(f, &o.Tokens, 4, 1)
	contextFlag(f, &o.Context, 256)
	threadsFlag(f, &o.Threads)
	f.Var(values.Size{P: &o.Within}, "within", "how exact the limit has to be (default 1MiB, or a 64th of the model)")
	c.runFlags(f)
	c.repetitions = 1
	f.Lookup("repetitions").DefValue = "1"
	c.outputFlags(f)
	return &command{
		name: benchName + " floor", summary: "the smallest limit under which a model loads and generates", synopsis: []string{"[flags]"},
		about:    "Looks by bisection for the smallest control group (Linux, root) and the smallest address space (RLIMIT_AS) in which a model still loads and generates, mapped, copied and as llama.cpp itself loads it, as f16 and in four bits.",
		examples: []string{`infer bench floor --synthesize 1b --models .`, "a large pair"},
		flags:    f,
		run: func(ctx context.Context, s *streams, args []string) error {
			if len(args) > 0 {
				return unexpected(args)
			}
			return c.experiment(ctx, s, nil, func(ctx context.Context, r *benchmarks.Runner, _ benchmarks.Model) (benchmarks.Results, error) {
				return r.Floor(ctx, *o)
			})
		},
	}
}

func fragmentationCommand() *command {
	f := newFlags()
	c, o := &benchConfig{flags: f}, &benchmarks.FragmentationOptions{}
	c.modelFlags(f, "1b", "q4_0")
	f.group("Cases")
	f.parsed("holes", "", "LIST", "largest free blocks of addresses to leave, separated by commas (default 2G,1G,…,32M)", func(list string) error {
		o.Holes = nil
		for _, s := range strings.Split(list, ",") {
			n, err := values.ParseSize(strings.TrimSpace(s))
			if err != nil {
				return err
			}
			o.Holes = append(o.Holes, n)
		}
		return nil
	})
	tokensFlag(f, &o.Tokens, 16, 2)
	contextFlag(f, &o.Context, 256)
	threadsFlag(f, &o.Threads)
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name: benchName + " fragmentation", summary: "loading in address spaces without large holes", synopsis: []string{"[flags] [MODEL]"},
		about:    "Loads and generates in processes whose largest free block of addresses is smaller and smaller, in chunks and as llama.cpp itself loads. That a model does not load is a result.",
		examples: []string{`infer bench fragmentation --models . --plot f.svg`, "all of it"},
		flags:    f,
		run: func(ctx context.Context, s *streams, args []string) error {
			return c.experiment(ctx, s, args, func(ctx context.Context, r *benchmarks.Runner, m benchmarks.Model) (benchmarks.Results, error) {
				o.Model = m
				return r.Fragmentation(ctx, *o)
			})
		},
	}
}

func loadCommand() *command {
	f := newFlags()
	c, o := &benchConfig{flags: f}, &benchmarks.LoadOptions{}
	f.group("Models (default seven with random weights, of 0.1 to 2 GiB)")
	f.parsed("synthesize", "", "SHAPE", "make a model of this shape instead (repeatable)", func(shape string) error {
		o.Shapes = append(o.Shapes, shape)
		return nil
	})
	f.text(&o.Type, "type", "", "f16", "TYPE", "type of the models that are made")
	f.text(&o.Dir, "models", "", "", "DIR", "keep them in this folder, and use those that are there (default a temporary folder, removed at the end)")
	f.group("Cases")
	contextFlag(f, &o.Context, 64)
	threadsFlag(f, &o.Threads)
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name: benchName + " load", summary: "load time and memory against the size of the model", synopsis: []string{"[flags] [MODEL ...]"},
		about:    "Loads models of several sizes and generates a token, with the page cache dropped before and without, and fits a line to the times.",
		examples: []string{`infer bench load --models . --plot l.svg`, "0.1 to 2 GiB"},
		flags:    f,
		run: func(ctx context.Context, s *streams, args []string) error {
			o.Models = args
			return c.experiment(ctx, s, nil, func(ctx context.Context, r *benchmarks.Runner, _ benchmarks.Model) (benchmarks.Results, error) {
				return r.Load(ctx, *o)
			})
		},
	}
}

package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
)

func contentionCommand() *command {
	f := newFlags()
	c, o := &benchConfig{flags: f}, &benchmarks.ContentionOptions{}
	c.modelFlags(f, "1b", "q4_0")
	f.group("Cases (comma-separated lists; an empty list skips that kind of case)")
	tokensFlag(f, &o.Tokens, 48, 1)
	contextFlag(f, &o.Context, 256)
	f.parsed("threads", "t", "LIST", "fixed numbers of threads to compare with (default 1, 2, 4, … and one per core)", values.ListOf(&o.Threads, values.Whole(1, 512)))
	f.parsed("busy", "", "LIST", "processors that other programs keep busy (default 0, 1 and all)", listOrNothing(&o.Busy, values.Whole(0, 512)))
	f.parsed("quotas", "", "LIST", "CPU quotas of control groups, in processors (Linux, root; default 0.5,1,1.5)", listOrNothing(&o.Quotas, fraction))
	f.parsed("sessions", "", "LIST", "sessions of one process that generate at the same time (default 2,4,8)", listOrNothing(&o.Sessions, values.Whole(1, 512)))
	f.parsed("processes", "", "LIST", "processes that generate at the same time (default 2,4)", listOrNothing(&o.Processes, values.Whole(1, 64)))
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name: benchName + " contention", summary: "measure speed beside other programs, under CPU quotas, and with several sessions", synopsis: []string{"[flags] [MODEL]"},
		about:    "Generates while other processes keep processors busy, in control groups with a CPU quota, and in several sessions and processes at once. Compares the number of threads that is chosen while running with fixed numbers. llama.cpp's default is one thread per core.",
		examples: []string{`infer bench contention --models . --plot c.svg`, "all cases", `infer bench contention model.gguf --busy 1 --quotas "" --sessions "" --processes ""`, "beside one busy processor"},
		flags:    f,
		run: func(ctx context.Context, s *streams, args []string) error {
			return c.experiment(ctx, s, args, func(ctx context.Context, r *benchmarks.Runner, m benchmarks.Model) (benchmarks.Results, error) {
				o.Model = m
				return r.Contention(ctx, *o)
			})
		},
	}
}

// listOrNothing is like listOf, but reads an empty text as an empty list.
func listOrNothing[V any](p *[]V, read func(string) ([]V, error)) func(string) error {
	return func(s string) error {
		if s == "" {
			*p = []V{}
			return nil
		}
		return values.ListOf(p, read)(s)
	}
}

// fraction reads a number of processors, which may be fractional.
func fraction(s string) ([]float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) {
		return nil, errors.New("want numbers of processors, as in 0.5,1.5")
	}
	return []float64{v}, nil
}

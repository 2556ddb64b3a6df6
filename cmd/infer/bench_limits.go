package main

import (
	"context"
	"errors"
	"strconv"
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
	f.Var(values.Size{P: &o.Within}, "within", "stop the bisection at this precision (default 1MiB, or 1/64 of the model)")
	c.runFlags(f)
	c.repetitions = 1
	f.Lookup("repetitions").DefValue = "1"
	c.outputFlags(f)
	return &command{
		name: benchName + " floor", summary: "find the smallest memory limit under which a model loads and generates", synopsis: []string{"[flags]"},
		about:    "Finds by bisection the smallest control group (Linux, root) and the smallest address space (RLIMIT_AS) in which a model still loads and generates: mapped, copied and as llama.cpp itself loads it, in f16 and in 4 bits.",
		examples: []string{`infer bench floor --synthesize 1b --models .`, "a pair of large models"},
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
	f.parsed("holes", "", "LIST", "sizes of the largest free block of addresses, separated by commas (default 2G,1G,…,32M)", func(list string) error {
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
		name: benchName + " fragmentation", summary: "measure loading in fragmented address spaces", synopsis: []string{"[flags] [MODEL]"},
		about:    "Loads and generates in processes whose largest free block of addresses gets smaller from case to case, in chunks and as llama.cpp itself loads. A model that does not load is a result, not a failure.",
		examples: []string{`infer bench fragmentation --models . --plot f.svg`, "all cases"},
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
	f.parsed("synthesize", "", "SHAPE", "measure a model of this shape instead (repeatable)", func(shape string) error {
		o.Shapes = append(o.Shapes, shape)
		return nil
	})
	f.text(&o.Type, "type", "", "f16", "TYPE", "tensor type of the synthesized models")
	f.text(&o.Dir, "models", "", "", "DIR", "keep the models in this folder and reuse those that are there (default a temporary folder, removed at the end)")
	f.group("Cases")
	contextFlag(f, &o.Context, 64)
	threadsFlag(f, &o.Threads)
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name: benchName + " load", summary: "measure load time and memory by model size", synopsis: []string{"[flags] [MODEL ...]"},
		about:    "Loads models of several sizes and generates one token, with a cold and with a warm page cache, and fits a line to the times (least squares).",
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

func serversCommand() *command {
	f := newFlags()
	c, o := &benchConfig{flags: f}, &benchmarks.ServeOptions{}
	c.modelFlags(f, "1b", "q4_0")
	f.group("Cases")
	f.parsed("streams", "", "LIST", "numbers of clients at the same time (default 1,8)", values.ListOf(&o.Streams, values.Whole(1, 256)))
	f.parsed("limit", "", "LIST", "memory limits of the servers' control groups, as fractions of the size of the model, as in 0.6; 0 is no limit (Linux, root; default 0)", values.ListOf(&o.Limits, limitShare))
	f.text(&o.Peer, "peer", "", "", "PATH", "also measure this llama-server, in turn ('make llama-server' builds one)")
	f.parsed("ollama", "", "PATH", "also measure this ollama, in turn", func(path string) error { o.Ollama = []string{path}; return nil })
	tokensFlag(f, &o.Tokens, 64, 2)
	f.integer(&o.PromptTokens, "n-prompt", "p", 128, 1, 8<<10, "tokens of a prompt on average; their lengths differ")
	f.integer(&o.Requests, "requests", "", 2, 1, 1<<10, "requests of each client, one after the other")
	f.BoolVar(&o.Chat, "chat", false, "send prompts as messages of a chat (the model needs a template)")
	f.integer(&o.Context, "ctx-size", "c", 0, 0, 1<<24, "context of each client, in tokens (default what prompts and answers need)")
	threadsFlag(f, &o.Threads)
	argument := func(p *[]string) func(string) error {
		return func(s string) error { *p = append(*p, s); return nil }
	}
	f.parsed("server-arg", "", "ARG", "a further argument for infer serve, as in --server-arg=--no-repack (repeatable)", argument(&o.Arguments))
	f.parsed("peer-arg", "", "ARG", "a further argument for llama-server (repeatable)", argument(&o.PeerArguments))
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name: benchName + " serve", summary: "measure infer serve with several clients, beside llama-server and ollama", synopsis: []string{"[flags] [MODEL]"},
		about: "Starts servers and streams answers to several clients at the same time, with prompts of different lengths. Shows the tokens per second of all clients, the time to the first token, the times between tokens, and the memory of the server's process. " +
			"With --peer llama-server, and with --ollama an ollama is measured in turn, with the same model, context and threads.",
		examples: []string{
			`infer bench serve model.gguf --peer bin/llama-tools/llama-server --plot s.svg`, "beside llama-server, with 1 and 8 clients",
			`infer bench serve model.gguf --streams 8 --limit 0.6`, "in 60 % of the model's memory",
		},
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			return c.experiment(ctx, s, args, func(ctx context.Context, r *benchmarks.Runner, m benchmarks.Model) (benchmarks.Results, error) {
				o.Model = m
				return r.Serve(ctx, *o)
			})
		},
	}
}

// limitShare reads a fraction of the size of a model.
func limitShare(s string) ([]float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return nil, errors.New("want fractions of the model's size, as in 0.6,1.15")
	}
	return []float64{v}, nil
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

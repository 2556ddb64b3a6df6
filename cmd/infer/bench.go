package main

import (
	"context"
	"strings"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/internal/words"
)

const benchName = "bench"

// benchCommand is `infer bench`, whose subcommands are the experiments.
func benchCommand() *command {
	f := newFlags()
	f.group("Flags")
	c := &command{
		name:     benchName,
		summary:  "measure memory and speed against the engine's own way of loading",
		synopsis: []string{"EXPERIMENT [flags] [MODEL]"},
		about: "Runs an experiment: each case runs in a process of its own, and all cases are repeated in turn. Shows medians, their spread, and which cases this machine cannot run. " +
			"With --out each run of a case is appended to a file when it ends, so that an interrupted experiment loses no finished run; 'infer bench show' makes tables and plots from such files.",
		examples: []string{
			`infer bench pressure --out p.jsonl --plot p.svg`, "generate with less memory than a model of 1.1 billion parameters needs",
			`infer bench pressure model.gguf --against p.jsonl`, "compared with an earlier run",
			`infer bench speed model.gguf`, "llama-bench's tests and columns",
			`infer bench show p.jsonl -o md`, "print its table in Markdown",
		},
		flags: f,
		below: []*command{speedCommand(), memoryCommand(), pressureCommand(), expertsCommand(), floorCommand(), fragmentationCommand(), loadCommand(), contentionCommand(), showCommand()},
	}
	c.run = func(_ context.Context, _ *streams, args []string) error {
		if len(args) == 0 {
			return usagef("no experiment: give one of %s", strings.Join(c.belowNames(), ", "))
		}
		if s := spellings.Suggest(args[0], c.belowNames()); s != "" {
			return usagef("unknown experiment %s (did you mean %s?)", words.Quoted(args[0]), s)
		}
		return usagef("unknown experiment %s: use one of %s", words.Quoted(args[0]), strings.Join(c.belowNames(), ", "))
	}
	return c
}

// runBenchChild runs one case of an experiment in the child process. It is not meant to be called
// by users.
func runBenchChild(ctx context.Context, s *streams) error {
	return benchmarks.Child(ctx, s.in, s.out)
}

// belowNames are the names of the subcommands.
func (c *command) belowNames() []string {
	var names []string
	for _, b := range c.below {
		names = append(names, strings.TrimPrefix(b.name, c.name+" "))
	}
	return names
}

// find returns the subcommand that the first argument names, or c itself, and the remaining
// arguments.
func (c *command) find(args []string) (*command, []string) {
	for i, name := range c.belowNames() {
		if len(args) > 0 && args[0] == name {
			return c.below[i], args[1:]
		}
	}
	return c, args
}

func showCommand() *command {
	f := newFlags()
	c := &benchConfig{flags: f}
	f.group("Flags")
	c.reportFlags(f)
	return &command{
		name:     benchName + " show",
		summary:  "make tables and plots from the files that --out wrote",
		synopsis: []string{"[flags] FILE ..."},
		about:    "Shows the latest run of each experiment in files that --out wrote.",
		examples: []string{
			`infer bench show p.jsonl -o md --plot p.svg`, "a Markdown table and a plot",
			`infer bench show new.jsonl --against old.jsonl`, "compare two runs",
		},
		flags: f,
		run: func(_ context.Context, s *streams, args []string) error {
			if len(args) == 0 {
				return usagef("no file to show: give files that --out wrote")
			}
			if err := c.checkFiles(); err != nil {
				return err
			}
			earlier, err := c.earlier()
			if err != nil {
				return err
			}
			var all benchmarks.Results
			for _, path := range args {
				rs, err := readResults(path)
				if err != nil {
					return err
				}
				all = append(all, rs...)
			}
			return c.show(s, all.Latest(), earlier)
		},
	}
}

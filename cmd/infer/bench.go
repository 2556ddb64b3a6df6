package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

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
		below: []*command{speedCommand(), memoryCommand(), pressureCommand(), expertsCommand(), floorCommand(), fragmentationCommand(), loadCommand(), contentionCommand(), serversCommand(), showCommand()},
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

// benchConfig holds the values of the flags that all experiments share.
type benchConfig struct {
	flags *flags

	model, shape, kind, dir string

	repetitions int
	timeout     time.Duration

	format, plot, against, out string
	force, quiet, noProgress   bool
}

// modelFlags defines the flags for the model to measure.
func (c *benchConfig) modelFlags(f *flags, shape, kind string) {
	f.group("Model")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model")
	usage := "measure a model of this shape with random weights, as 'infer synthesize' makes it"
	if shape != "" {
		usage += " (default " + shape + ", if no model is given)"
	}
	f.text(&c.shape, "synthesize", "", shape, "SHAPE", usage)
	f.text(&c.kind, "type", "", kind, "TYPE", "its type")
	f.text(&c.dir, "models", "", "", "DIR", "keep the model in this folder and reuse one that is there (default a temporary folder, removed at the end)")
}

// runFlags defines the flags for repetitions and the time limit.
func (c *benchConfig) runFlags(f *flags) {
	f.integer(&c.repetitions, "repetitions", "r", benchmarks.DefaultRepetitions, 1, math.MaxInt32, "repetitions of each case")
	c.timeout = benchmarks.DefaultTimeout
	f.Var(timeoutValue{&c.timeout}, "timeout", "time limit of a case; a case that takes longer is stopped and counts as failed")
}

// reportFlags defines the flags for tables, plots and files.
func (c *benchConfig) reportFlags(f *flags) {
	f.choice(&c.format, "output", "o", string(benchmarks.Table), benchmarks.Formats(), "output: a table (text or md), or the records (csv, json, jsonl)")
	f.text(&c.plot, "plot", "", "", "FILE", "draw the results into a .png or .svg file")
	f.text(&c.against, "against", "", "", "FILE", "compare with the latest run in a file written by --out")
	f.BoolVar(&c.force, "force", false, "overwrite an existing plot")
}

func (c *benchConfig) outputFlags(f *flags) {
	engineFlag(f)
	f.group("Results")
	c.reportFlags(f)
	f.text(&c.out, "out", "", "", "FILE", "append each record to a file when its case ends, one JSON object per line")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar, only one line per case")
}

// chosen returns the model that flags and argument name. The default shape applies only where no
// model is given.
func (c *benchConfig) chosen(args []string) (benchmarks.Model, error) {
	if err := modelArgument(c.flags, &c.model, args); err != nil {
		return benchmarks.Model{}, err
	}
	m := benchmarks.Model{Path: c.model, Shape: c.shape, Type: c.kind, Dir: c.dir}
	if c.model == "" {
		return m, nil
	}
	for _, name := range []string{"synthesize", "type", "models"} {
		if c.flags.Changed(name) {
			return m, usagef("--%s synthesizes a model and --model names an existing one: use only one of them", name)
		}
	}
	m.Shape = ""
	return m, nil
}

// timeoutValue is a flag with a time limit.
type timeoutValue struct{ p *time.Duration }

func (v timeoutValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("want a time such as 90s, 10m or 1h")
	}
	if d < time.Second {
		return fmt.Errorf("out of range (at least 1s)")
	}
	*v.p = d
	return nil
}

func (v timeoutValue) Type() string { return "TIME" }
func (v timeoutValue) String() string {
	if v.p == nil || *v.p == 0 {
		return ""
	}
	return v.p.String()
}

// The flags that most experiments share.

func tokensFlag(f *flags, p *int, value, least int) {
	f.integer(p, "predict", "n", value, least, math.MaxInt32, "tokens to generate")
}

func contextFlag(f *flags, p *int, value int) {
	f.integer(p, "ctx-size", "c", value, 16, math.MaxInt32, "context in tokens")
}

func threadsFlag(f *flags, p *int) {
	f.integer(p, "threads", "t", 0, 0, 512, "threads (default chosen by the system's load, at most one per core)")
}

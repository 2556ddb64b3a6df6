package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/seed7adf6694/infer/benchmarks"
)

// benchConfig is what the flags that all experiments have say.
type benchConfig struct {
	flags *flags

	model, shape, kind, dir string

	repetitions int
	timeout     time.Duration

	format, plot, against, out string
	force, quiet, noProgress   bool
}

// modelFlags define which model is measured.
func (c *benchConfig) modelFlags(f *flags, shape, kind string) {
	f.group("Model")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model")
	usage := "make a model of this shape with random weights, as 'infer synthesize' does"
	if shape != "" {
		usage += " (default " + shape + ", if no model is given)"
	}
	f.text(&c.shape, "synthesize", "", shape, "SHAPE", usage)
	f.text(&c.kind, "type", "", kind, "TYPE", "its type")
	f.text(&c.dir, "models", "", "", "DIR", "keep it in this folder, and use the one that is there (default a temporary folder, removed at the end)")
}

// runFlags define how often and how long.
func (c *benchConfig) runFlags(f *flags) {
	f.integer(&c.repetitions, "repetitions", "r", benchmarks.DefaultRepetitions, 1, math.MaxInt32, "how often each case is run")
	c.timeout = benchmarks.DefaultTimeout
	f.Var(timeoutValue{&c.timeout}, "timeout", "end a case that takes longer, which then failed")
}

// reportFlags define what becomes of the results.
func (c *benchConfig) reportFlags(f *flags) {
	f.choice(&c.format, "output", "o", string(benchmarks.Table), benchmarks.Formats(), "write a table, or the records as csv, json or jsonl")
	f.text(&c.plot, "plot", "", "", "FILE", "draw the results into a file that ends in .png or .svg")
	f.text(&c.against, "against", "", "", "FILE", "compare with the latest run in a file that --out wrote")
	f.BoolVar(&c.force, "force", false, "replace a plot that is there")
}

func (c *benchConfig) outputFlags(f *flags) {
	f.group("Results")
	c.reportFlags(f)
	f.text(&c.out, "out", "", "", "FILE", "append each record to a file as it is finished, one JSON object a line")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar, only a line for each case")
}

// chosen is the model that flags and argument name; the shape's default counts only where
// no model is given.
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
			return m, usagef("--%s is for a model that is made, and --model names one that there is", name)
		}
	}
	m.Shape = ""
	return m, nil
}

// timeoutValue is a flag of the longest time for something.
type timeoutValue struct{ p *time.Duration }

func (v timeoutValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("want a time such as 90s, 10m or 1h")
	}
	if d < time.Second {
		return fmt.Errorf("out of range, 1s or more")
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

// The flags that most experiments have.

func tokensFlag(f *flags, p *int, value, least int) {
	f.integer(p, "predict", "n", value, least, math.MaxInt32, "tokens to generate")
}

func contextFlag(f *flags, p *int, value int) {
	f.integer(p, "ctx-size", "c", value, 16, math.MaxInt32, "context in tokens")
}

func threadsFlag(f *flags, p *int) {
	f.integer(p, "threads", "t", 0, 0, 512, "threads (default one per core at most, by the load)")
}

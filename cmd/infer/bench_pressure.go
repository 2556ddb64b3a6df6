package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
)

// pressureConfig holds the flags of `infer bench pressure`.
type pressureConfig struct {
	benchConfig
	benchmarks.PressureOptions
	prompt int
}

func pressureCommand() *command {
	f := newFlags()
	c := &pressureConfig{benchConfig: benchConfig{flags: f}}
	c.modelFlags(f, "1b", "q4_0")
	f.group("Cases")
	f.parsed("budgets", "", "LIST", "memory limits, separated by commas: percentages of what weights, KV cache and compute buffers need, or sizes such as 400MiB (default 50%,60%,75%,90%,98%; for mixtures of experts 25%,40%,60%,90%)", c.setBudgets)
	f.BoolVar(&c.Packed, "packed", false, "also measure the packed file of the model, as 'infer pack' makes it")
	f.BoolVar(&c.Lookup, "lookup", false, "also continue a text that repeats itself, with and without drafted tokens")
	f.BoolVar(&c.NoBudget, "no-budget", false, "also measure mapped weights without a budget, as with --max-memory off; mixtures of experts always have these cases")
	f.parsed("readahead", "", "LIST", "settings of the readahead of the model's disk to measure at, separated by commas, as in 128KiB,8MiB; set while a case runs (Linux, root) (default as it is; for mixtures also 128KiB)", c.setReadahead)
	f.integer(&c.prompt, "n-prompt", "p", 0, 0, 1<<24, "also measure prompts of so many tokens, 0 for none (default 256 for mixtures, none for other models)")
	tokensFlag(f, &c.Tokens, 32, 2)
	contextFlag(f, &c.Context, 512)
	f.integer(&c.UBatch, "ubatch-size", "", 64, 1, math.MaxInt32, "micro-batch: tokens of the prompt computed at once (also -ub)")
	threadsFlag(f, &c.Threads)
	chunkFlag(f, &c.ChunkSize)
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name:     benchName + " pressure",
		summary:  "measure generation with less memory than the model needs, and compare with stock",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Generates in control groups with less memory than the model needs: with mapped weights and the automatic budget, and as llama.cpp itself maps the file; mixtures of experts also without a budget, " +
			"with a prompt, and with the readahead that is Linux's default. " +
			"Also measures the speed with ample memory and the read rate of the disk, and computes from them the highest speed possible. All cases must generate the same tokens. " +
			"Needs permission to create control groups (Linux, root).",
		examples: []string{
			`infer bench pressure --models . --out p.jsonl --plot p.svg`, "all cases",
			`infer bench pressure --synthesize 1b,layers=8 --budgets 75%,90% -n 8 -r 1`, "a quick run",
			`infer bench pressure model.gguf --budgets 4G --lookup`, "your own model in 4 GiB",
			`infer bench pressure mixture.gguf --budgets 60% --readahead 128KiB,8MiB`, "a mixture of experts, at two settings of the disk's readahead",
		},
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			return c.experiment(ctx, s, args, func(ctx context.Context, r *benchmarks.Runner, m benchmarks.Model) (benchmarks.Results, error) {
				c.Model = m
				if c.PromptTokens = c.prompt; c.flags.Changed("n-prompt") && c.prompt == 0 {
					c.PromptTokens = -1
				}
				return r.Pressure(ctx, c.PressureOptions)
			})
		},
	}
}

// setReadahead reads sizes, as in 128KiB,8MiB.
func (c *pressureConfig) setReadahead(list string) error {
	c.Readahead = nil
	for _, s := range strings.Split(list, ",") {
		n, err := values.ParseSize(s)
		if err != nil || n == 0 {
			return errors.New("want sizes, as in 128KiB,8MiB")
		}
		c.Readahead = append(c.Readahead, n)
	}
	return nil
}

// setBudgets reads percentages, as in 50% or 75, and sizes, as in 400MiB.
func (c *pressureConfig) setBudgets(list string) error {
	c.Shares, c.Limits = nil, nil
	for _, s := range strings.Split(list, ",") {
		s = strings.TrimSpace(s)
		if percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64); err == nil {
			if !(percent > 0 && percent <= 1000) {
				return fmt.Errorf("%q is out of range (more than 0%%, at most 1000%%)", s)
			}
			c.Shares = append(c.Shares, percent/100)
			continue
		}
		n, err := values.ParseSize(s)
		if err != nil || n == 0 {
			return errors.New("want percentages or sizes, as in 50%,75%,400MiB")
		}
		c.Limits = append(c.Limits, n)
	}
	return nil
}

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

// pressureConfig is what the flags of `infer bench pressure` say.
type pressureConfig struct {
	benchConfig
	benchmarks.PressureOptions
}

func pressureCommand() *command {
	f := newFlags()
	c := &pressureConfig{benchConfig: benchConfig{flags: f}}
	c.modelFlags(f, "1b", "q4_0")
	f.group("Cases")
	f.parsed("budgets", "", "LIST", "limits to run under, separated by commas: percentages of what weights, KV cache and compute buffers need, or sizes as 400MiB (default 50%,60%,75%,90%,98%)", c.setBudgets)
	f.BoolVar(&c.Packed, "packed", false, "also the packed file of the model, as 'infer pack' makes it")
	f.BoolVar(&c.Lookup, "lookup", false, "also go on with a text that is quoted, with and without guessed tokens")
	tokensFlag(f, &c.Tokens, 32, 2)
	contextFlag(f, &c.Context, 512)
	f.integer(&c.UBatch, "ubatch-size", "", 64, 1, math.MaxInt32, "tokens of the prompt computed at once (also -ub)")
	threadsFlag(f, &c.Threads)
	chunkFlag(f, &c.ChunkSize)
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name:     benchName + " pressure",
		summary:  "generation in less memory than the model needs, against stock",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Generates in control groups that have less memory than the model needs: with mapped weights and the automatic budget, and as llama.cpp itself maps the file. " +
			"Beside them the same with ample memory and the rate of the disk are measured, from which follows how fast it could be at most. All have to generate the same tokens. " +
			"It needs the right to make control groups (Linux, root).",
		examples: []string{
			`infer bench pressure --models . --out p.jsonl --plot p.svg`, "all of it",
			`infer bench pressure --synthesize 1b,layers=8 --budgets 75%,90% -n 8 -r 1`, "a short look",
			`infer bench pressure model.gguf --budgets 4G --lookup`, "a model of your own in 4 GiB",
		},
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			return c.experiment(ctx, s, args, func(ctx context.Context, r *benchmarks.Runner, m benchmarks.Model) (benchmarks.Results, error) {
				c.Model = m
				return r.Pressure(ctx, c.PressureOptions)
			})
		},
	}
}

// setBudgets reads 50%, 75 (per cent too) and 400MiB.
func (c *pressureConfig) setBudgets(list string) error {
	c.Shares, c.Limits = nil, nil
	for _, s := range strings.Split(list, ",") {
		s = strings.TrimSpace(s)
		if percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64); err == nil {
			if !(percent > 0 && percent <= 1000) {
				return fmt.Errorf("%q is out of range, more than 0 to 1000%%", s)
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

package main

import (
	"context"
	"fmt"
	"math"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/runtime"
)

// perplexityConfig holds the flags of `infer perplexity`.
type perplexityConfig struct {
	flags *flags
	benchmarks.PerplexityOptions
	file, load              string
	json, quiet, noProgress bool
}

func perplexityCommand() *command {
	f := newFlags()
	c := &perplexityConfig{flags: f}
	f.group("Flags")
	f.text(&c.Model, "model", "m", "", "MODEL", "a GGUF file or the name of a model (default tiny, the embedded model)")
	f.text(&c.file, "file", "f", "", "FILE", "the text, - for standard input")
	f.text(&c.Base, "kl-base", "", "", "MODEL", "also compare the probabilities with those of this model, for example the f16 original")
	f.integer(&c.Context, "ctx-size", "c", 512, 4, math.MaxInt32, "tokens per chunk")
	f.integer(&c.Chunks, "chunks", "", 0, 0, math.MaxInt32, "maximum number of chunks (default all of the text)")
	f.integer(&c.UBatch, "ubatch-size", "", 512, 1, math.MaxInt32, "micro-batch: tokens computed at once (also -ub)")
	f.integer(&c.Threads, "threads", "t", 0, 0, 512, "threads (default chosen by the system's load, at most one per core)")
	f.choice(&c.load, "load", "", "auto", []string{"auto", "mmap", "copy", "stock"}, "load mode: where the weights are kept")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	engineFlag(f)
	return &command{
		name:     "perplexity",
		summary:  "measure a model's perplexity on a text, and its divergence from another model",
		synopsis: []string{"-f TEXT [flags] [MODEL]"},
		about: "Evaluates a text as llama.cpp's perplexity tool does: in chunks of one context each, of which the second half is scored. A perplexity of N means that the model was as uncertain as among N equally likely tokens: less is better. " +
			"With --kl-base the probabilities of all tokens are compared with those of another model with the same vocabulary: the mean Kullback-Leibler divergence, in nats, is the loss by quantisation.",
		examples: []string{
			`infer perplexity -m q4.gguf --kl-base f16.gguf -f text.txt`, "the loss by 4-bit quantisation",
			`infer perplexity -f text.txt -c 256 --chunks 20`, "a quick run with the embedded model",
		},
		flags: f,
		run:   c.run,
	}
}

func (c *perplexityConfig) run(ctx context.Context, s *streams, args []string) error {
	if err := modelArgument(c.flags, &c.Model, args); err != nil {
		return err
	}
	if c.file == "" {
		return usagef("no text: give one with -f FILE, or - for standard input")
	}
	var err error
	if c.Text, err = s.readInput(ctx, c.file); err != nil {
		return err
	}
	if c.PerplexityOptions.Load, err = runtime.ParseLoadMode(c.load); err != nil {
		return err
	}
	bar := terminal.NewBar(s.err, !c.quiet && !c.noProgress)
	defer bar.Clear()
	bar.Items = "chunks"
	c.Progress = func(done, total int, p benchmarks.Perplexity) {
		bar.Show(fmt.Sprintf("perplexity %.4f", p.Value), uint64(done), uint64(total))
	}
	if !c.quiet {
		warnSlow(s.err)
	}
	p, err := benchmarks.MeasurePerplexity(ctx, c.PerplexityOptions)
	bar.Clear()
	if err != nil {
		if p.Chunks > 0 && !c.quiet { // print the result of the finished chunks
			fmt.Fprintf(s.err, "infer: after %d chunks of %d tokens: perplexity %.4f ± %.4f\n", p.Chunks, p.Context, p.Value, p.Error)
		}
		return err
	}
	if c.json {
		return texts.WriteJSON(s.out, p)
	}
	if !c.quiet {
		warn(s.err, p.Warnings)
	}
	text := fmt.Sprintf("perplexity %.4f ± %.4f (%d chunks of %d tokens, %d scored)\n", p.Value, p.Error, p.Chunks, p.Context, p.Tokens)
	if b := p.Base; b != nil {
		text += fmt.Sprintf("base       %.4f ± %.4f\nKL divergence %.5f ± %.5f, at most %.4f; same likeliest token %.2f %%\n", b.Value, b.Error, b.KL, b.KLError, b.KLMax, 100*b.SameTop)
	}
	_, err = fmt.Fprint(s.out, text)
	return err
}

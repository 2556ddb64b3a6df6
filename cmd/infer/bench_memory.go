package main

import (
	"context"
	"math"

	"github.com/seed7adf6694/infer/benchmarks"
)

// memoryConfig is what the flags of `infer bench memory` say.
type memoryConfig struct {
	benchConfig
	benchmarks.MemoryOptions
	text string
}

// pairFlags define which model is measured in two types.
func pairFlags(f *flags, f16, q4, shape, dir *string) {
	f.group("Models (default the embedded pair)")
	f.text(f16, "f16", "", "", "MODEL", "a model of 16 bits")
	f.text(q4, "q4", "", "", "MODEL", "the same in four bits")
	f.text(shape, "synthesize", "", "", "SHAPE", "make a pair of this shape with random weights, such as 1b")
	f.text(dir, "models", "", "", "DIR", "keep it in this folder, and use the one that is there (default a temporary folder, removed at the end)")
}

func memoryCommand() *command {
	f := newFlags()
	c := &memoryConfig{benchConfig: benchConfig{flags: f}}
	pairFlags(f, &c.F16, &c.Q4, &c.Shape, &c.Dir)
	f.group("Cases")
	f.text(&c.text, "text", "f", "", "FILE", "text to measure the cost in quality on (default stories, on which the embedded model was not trained)")
	f.integer(&c.Chunks, "chunks", "", 20, 1, math.MaxInt32, "chunks of it")
	tokensFlag(f, &c.Tokens, 32, 2)
	contextFlag(f, &c.Context, 512)
	threadsFlag(f, &c.Threads)
	chunkFlag(f, &c.ChunkSize)
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name:     benchName + " memory",
		summary:  "what four bits save, by load mode, and what they cost",
		synopsis: []string{"[flags] [MODEL ...]"},
		about: "Measures what a model takes as f16 and in four bits, and others beside them, mapped, copied and as llama.cpp itself loads it: commit, anonymous and file-backed memory, the peak, two processes together, the largest allocation, " +
			"the time to load (cold where the page cache may be dropped, and warm) and to the first token, the rate; and what fewer bits than the f16's cost in perplexity, and how far they diverge from it.",
		examples: []string{
			`infer bench memory --plot m.svg`, "the embedded pair",
			`infer bench memory --f16 model-f16.gguf --q4 model-q4_0.gguf`, "a pair of your own",
			`infer bench memory --f16 model-f16.gguf model-q8_0.gguf model-q4_k_m.gguf`, "several, each against the f16",
			`infer bench memory --synthesize 1b --models . -r 1`, "a large pair",
		},
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			c.Others = args
			if c.text != "" {
				var err error
				if c.Text, err = s.readInput(ctx, c.text); err != nil {
					return err
				}
			}
			return c.experiment(ctx, s, nil, func(ctx context.Context, r *benchmarks.Runner, _ benchmarks.Model) (benchmarks.Results, error) {
				return r.Memory(ctx, c.MemoryOptions)
			})
		},
	}
}

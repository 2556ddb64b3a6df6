package main

import (
	"context"
	"math"

	"github.com/seed7adf6694/infer/benchmarks"
)

// memoryConfig holds the flags of `infer bench memory`.
type memoryConfig struct {
	benchConfig
	benchmarks.MemoryOptions
	text string
}

// pairFlags defines the flags for the f16 and the 4-bit model.
func pairFlags(f *flags, f16, q4, shape, dir *string) {
	f.group("Models (default the embedded pair)")
	f.text(f16, "f16", "", "", "MODEL", "the model in 16 bits (f16)")
	f.text(q4, "q4", "", "", "MODEL", "the same model in 4 bits")
	f.text(shape, "synthesize", "", "", "SHAPE", "measure a pair of this shape with random weights, such as 1b")
	f.text(dir, "models", "", "", "DIR", "keep the pair in this folder and reuse one that is there (default a temporary folder, removed at the end)")
}

func memoryCommand() *command {
	f := newFlags()
	c := &memoryConfig{benchConfig: benchConfig{flags: f}}
	pairFlags(f, &c.F16, &c.Q4, &c.Shape, &c.Dir)
	f.group("Cases")
	f.text(&c.text, "text", "f", "", "FILE", "text for the perplexity (default stories that the embedded model was not trained on)")
	f.integer(&c.Chunks, "chunks", "", 20, 1, math.MaxInt32, "chunks of the text to evaluate")
	tokensFlag(f, &c.Tokens, 32, 2)
	contextFlag(f, &c.Context, 512)
	threadsFlag(f, &c.Threads)
	chunkFlag(f, &c.ChunkSize)
	c.runFlags(f)
	c.outputFlags(f)
	return &command{
		name:     benchName + " memory",
		summary:  "measure what 4 bits save in memory, by load mode, and cost in quality",
		synopsis: []string{"[flags] [MODEL ...]"},
		about: "Measures a model in f16 and in 4 bits, and further variants, each mapped, copied and as llama.cpp itself loads it: commit, anonymous and file-backed memory, the peak, two processes together, the largest allocation, " +
			"the time to load (warm, and cold where the page cache may be dropped) and to the first token, tokens per second; and the perplexity of each variant and its divergence from the f16.",
		examples: []string{
			`infer bench memory --plot m.svg`, "the embedded pair",
			`infer bench memory --f16 model-f16.gguf --q4 model-q4_0.gguf`, "your own models",
			`infer bench memory --f16 model-f16.gguf model-q8_0.gguf model-q4_k_m.gguf`, "several variants, each compared with the f16",
			`infer bench memory --synthesize 1b --models . -r 1`, "a pair of large models",
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

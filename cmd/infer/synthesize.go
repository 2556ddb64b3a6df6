package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// synthesizeConfig holds the flags of `infer synthesize`.
type synthesizeConfig struct {
	shape, kind       string
	seed              uint64
	list, force, json bool
	quiet, noProgress bool
}

func synthesizeCommand() *command {
	f := newFlags()
	c := &synthesizeConfig{}
	f.group("Flags")
	f.text(&c.shape, "shape", "", "", "SHAPE", "a name of --list, key=value pairs, or both, as in 1b,layers=4. The keys are layers, width, heads, kv_heads, ffn, vocab, context, experts, experts_used, experts_skew (the share of the choices that half of the experts take), head_size, window and arch (llama, qwen3moe, gpt-oss or granitehybrid)")
	f.text(&c.kind, "type", "", "f16", "TYPE", "file type: f32, f16, bf16, q4_0, q8_0, q4_k_m, …")
	f.parsed("seed", "s", "N", "seed of the random weights (default 0)", func(s string) (err error) {
		if c.seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("want a whole number of at least 0")
		}
		return nil
	})
	f.BoolVar(&c.list, "list", false, "list the named shapes")
	f.BoolVar(&c.json, "json", false, "print the list, or an error, as one JSON object")
	f.BoolVar(&c.force, "force", false, "overwrite an existing file")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, no closing line")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	engineFlag(f)
	return &command{
		name:     "synthesize",
		summary:  "make a model of any size with random weights, for measurements",
		synopsis: []string{"--shape SHAPE [flags] FILE"},
		about:    "Writes a valid model with random weights. The weights depend only on shape, type and seed, on every machine. Its output is noise; its speed and memory are those of a real model.",
		examples: []string{
			`infer synthesize --shape 1b --type q4_0 --seed 1 1b.gguf`, "1.1 billion parameters",
			`infer synthesize --shape layers=2,width=256,heads=4 small.gguf`, "your own shape",
		},
		flags:  f,
		silent: true,
		run:    c.run,
	}
}

func (c *synthesizeConfig) run(ctx context.Context, s *streams, args []string) error {
	if c.list {
		return listShapes(s.out, c.json)
	}
	switch {
	case len(args) == 0:
		return usagef("no output file: give it as an argument")
	case len(args) > 1:
		return unexpected(args[1:])
	case c.shape == "":
		return usagef("no shape: give one with --shape; 'infer synthesize --list' lists those with names")
	}
	shape, err := models.ParseShape(c.shape)
	if err != nil {
		return usagef("--shape: %s", err)
	}
	path := args[0]
	if err := checkOverwrite(path, c.force); err != nil {
		return err
	}

	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress)
	defer progress.Clear()
	err = runtime.Synthesize(ctx, path, models.SynthesizeOptions{
		Shape: shape, Type: c.kind, Seed: c.seed,
		Progress: func(done, total uint64) { progress.Show("writing", done, total) },
	})
	progress.Clear()
	if err != nil || c.quiet {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "infer: wrote %s: %s parameters as %s, %s\n", texts.OneLine(path), texts.Number(shape.Parameters()), c.kind, words.Size(uint64(info.Size())))
	return nil
}

// namedShape is a named shape in the JSON output.
type namedShape struct {
	Name       string `json:"name"`
	Parameters uint64 `json:"parameters"`
	Shape      string `json:"shape"`
}

func listShapes(w io.Writer, json bool) error {
	var shapes []namedShape
	for _, name := range models.ShapeNames() {
		shape, err := models.ParseShape(name)
		if err != nil {
			return err
		}
		shapes = append(shapes, namedShape{name, shape.Parameters(), shape.String()})
	}
	if json {
		return texts.WriteJSON(w, map[string]any{"shapes": shapes})
	}
	var b strings.Builder
	for _, s := range shapes {
		fmt.Fprintf(&b, "%-10s %8s parameters  %s\n", s.Name, texts.Number(s.Parameters), s.Shape)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

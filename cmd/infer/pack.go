package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// packConfig holds the flags of `infer pack`.
type packConfig struct {
	flags                    *flags
	model, output            string
	force, quiet, noProgress bool
}

func packCommand() *command {
	f := newFlags()
	c := &packConfig{flags: f}
	f.group("Flags")
	f.text(&c.model, "model", "m", "", "MODEL", "the model to read (default tiny, the embedded model)")
	f.text(&c.output, "output", "o", "", "FILE", "the file to write (default in the model's folder, with .packed in its name)")
	f.BoolVar(&c.force, "force", false, "overwrite an existing file")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, no closing line")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	engineFlag(f)
	return &command{
		name:     "pack",
		summary:  "write a model in this CPU's layout, which is mapped and as fast as a copy",
		synopsis: []string{"[flags] [MODEL [FILE]]"},
		about: "Writes a model with its weights in the layout that the engine computes with on this CPU. Such a file is mapped when it is opened: it is as fast as a private copy, and shared and evictable as a mapping. " +
			"Only infer, on this kind of CPU, can use it: other programs refuse it, and so does infer on other CPUs. The file appears when it is complete; an interrupted or failed run leaves nothing behind.",
		examples: []string{
			`infer pack -m model-Q4_K_M.gguf`, "writes model-Q4_K_M.packed.gguf",
			`infer -m model-Q4_K_M.packed.gguf -p "..."`, "map the packed file",
		},
		flags:  f,
		silent: true,
		run:    c.run,
	}
}

func (c *packConfig) run(ctx context.Context, s *streams, args []string) error {
	if c.output == "" && len(args) > 0 && (len(args) == 2 || c.model != "") {
		c.output, args = args[len(args)-1], args[:len(args)-1]
	}
	if err := modelArgument(c.flags, &c.model, args); err != nil {
		return err
	}
	in, err := models.Resolve(c.model, models.ResolveOptions{})
	if err != nil {
		return err
	}
	if c.output == "" {
		c.output = packedName(in)
		if c.model == "" || c.model == "tiny" { // the model is in the cache
			c.output = "tiny.packed.gguf"
		}
	}
	if err := checkOverwrite(c.output, c.force); err != nil {
		return err
	}
	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress)
	defer progress.Clear()
	err = runtime.Pack(ctx, in, c.output, runtime.PackOptions{
		Progress: func(done, total uint64) { progress.Show("packing", done, total) },
	})
	progress.Clear()
	if err != nil || c.quiet {
		return err
	}
	index, err := loader.OpenWith(c.output, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return err
	}
	defer index.Close()
	p := index.Packed()
	fmt.Fprintf(s.err, "infer: wrote %s: weights of %s, %s packed for %s\n",
		texts.OneLine(c.output), words.Size(index.Bytes()), count(len(p.Tensors), "tensor"), p.Instructions)
	return nil
}

// packedName inserts .packed into a file's name: model.gguf becomes model.packed.gguf.
func packedName(in string) string {
	dir, base := filepath.Split(in)
	base = strings.TrimSuffix(base, ".gguf")
	if i := strings.Index(base, "-00001-of-"); i > 0 {
		base = base[:i]
	}
	return dir + base + ".packed.gguf"
}

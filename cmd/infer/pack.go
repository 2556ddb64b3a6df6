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

// checkConfig holds the flags of `infer check`.
type checkConfig struct {
	flags             *flags
	model             string
	json              bool
	quiet, noProgress bool
	noCompute         bool
}

func checkCommand() *command {
	f := newFlags()
	c := &checkConfig{flags: f}
	f.group("Flags")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model (default tiny, the embedded model)")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, and no output if all is well")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	f.BoolVar(&c.noCompute, "no-compute", false, "compute no tokens (computing reads all weights)")
	engineFlag(f)
	return &command{
		name:     "check",
		summary:  "check that a model loads and computes the same in each load mode",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Validates a model's file and lets the engine read its header. A packed file (infer pack) is read completely: " +
			"each tensor is compared with its checksum and with the engine's repacking of the source, and the source with its checksum. " +
			"Then a few tokens are computed with the file mapped and with the engine's own loader, and the results are compared bit by bit; a file that the engine cannot load itself is copied instead. " +
			"If tokens cannot be computed, for example because the weights are larger than the available memory, the output says why.",
		examples: []string{`infer check model.packed.gguf`, "exit code 0 if all is well"},
		flags:    f,
		run:      c.run,
	}
}

// jsonChecked is the JSON output for a model that can be loaded.
type jsonChecked struct {
	Path         string `json:"path"`
	OK           bool   `json:"ok"`
	Architecture string `json:"architecture"`
	Description  string `json:"description"`
	Tensors      int    `json:"tensors"`
	Bytes        uint64 `json:"bytes"`
	Packed       int    `json:"packed_tensors"`
	Source       string `json:"source_not_compared"` // why; "" where it was, or there is none

	Modes       []string `json:"computed"`     // the load modes whose results were equal
	NotStock    string   `json:"not_stock"`    // why llama.cpp's own loader refuses the file; "" if it does not
	NotComputed string   `json:"not_computed"` // why fewer load modes were computed
	Warnings    []string `json:"warnings"`
}

func (c *checkConfig) run(ctx context.Context, s *streams, args []string) error {
	if err := modelArgument(c.flags, &c.model, args); err != nil {
		return err
	}
	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress)
	defer progress.Clear()
	r, err := runtime.Check(ctx, c.model, runtime.CheckOptions{
		Progress:  func(done, total uint64) { progress.Show("checking", done, total) },
		NoCompute: c.noCompute,
	})
	progress.Clear()
	switch {
	case err != nil:
		return err
	case c.json:
		return texts.WriteJSON(s.out, jsonChecked{r.Path, true, r.Architecture, r.Description, r.Tensors, r.Bytes, r.Packed, r.Source, list(r.Modes), r.NotStock, r.NotComputed, list(r.Warnings)})
	case c.quiet:
		return nil
	}
	warn(s.err, r.Warnings)
	how := ""
	switch {
	case r.Packed > 0 && r.Source != "":
		how = fmt.Sprintf("; %s packed, not compared with the source: %s", count(r.Packed, "tensor"), r.Source)
	case r.Packed > 0:
		how = fmt.Sprintf("; %s packed, equal to the engine's repacking of the source", count(r.Packed, "tensor"))
	}
	switch {
	case r.NotComputed != "":
		how += "; not computed: " + r.NotComputed
	case len(r.Modes) > 0:
		how += "; computes the same as " + strings.Join(r.Modes, " and ")
	}
	if r.NotStock != "" {
		how += "; " + r.NotStock
	}
	_, err = fmt.Fprintf(s.out, "%s: ok: %s, %s of %s%s\n", texts.OneLine(r.Path), texts.OneLine(r.Description), count(r.Tensors, "tensor"), words.Size(r.Bytes), texts.OneLine(how))
	return err
}

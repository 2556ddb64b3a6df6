package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/runtime"
)

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

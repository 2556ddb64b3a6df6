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

// checkConfig is what the flags of `infer check` say.
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
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, and no line where all is well")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	f.BoolVar(&c.noCompute, "no-compute", false, "compute no tokens, which reads all weights")
	return &command{
		name:     "check",
		summary:  "say whether a model loads, and computes a few tokens",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Validates a model's file and lets the engine read its header. Of a packed file (infer pack) all is read: " +
			"each tensor is compared with its sum and with what the engine makes of the source's bytes, and the source with its sum. " +
			"Then a few tokens are computed with the file mapped and as the engine loads it by itself, and compared to the last bit; a file that it does not load by itself is copied. " +
			"Where that can't be done, as for weights larger than the memory that is available, the answer says why.",
		examples: []string{`infer check model.packed.gguf`, "exit code 0 where all is well"},
		flags:    f,
		run:      c.run,
	}
}

// jsonChecked is what --json prints of a model that can be loaded.
type jsonChecked struct {
	Path         string `json:"path"`
	OK           bool   `json:"ok"`
	Architecture string `json:"architecture"`
	Description  string `json:"description"`
	Tensors      int    `json:"tensors"`
	Bytes        uint64 `json:"bytes"`
	Packed       int    `json:"packed_tensors"`
	Source       string `json:"source_not_compared"` // why; "" where it was, or there is none

	Modes       []string `json:"computed"`     // the ways that gave the same numbers
	NotStock    string   `json:"not_stock"`    // why llama.cpp's own load does not take the file; "" where it does
	NotComputed string   `json:"not_computed"` // why there are no more
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
		how = fmt.Sprintf("; %s packed, as the engine makes them of the source", count(r.Packed, "tensor"))
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

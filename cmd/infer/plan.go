package main

import (
	"bufio"
	"context"
	"io"
	"os"

	"github.com/seed7adf6694/infer/cmd/infer/internal/planview"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/loader/residency/replay"
	"github.com/seed7adf6694/infer/runtime"
)

// planConfig holds the flags of `infer plan`.
type planConfig struct {
	generateConfig
	svg   string
	trace string
	force bool
}

func planCommand() *command {
	f := newFlags()
	c := &planConfig{generateConfig: generateConfig{flags: f}}
	f.group("Flags")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model (default tiny, the embedded model)")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	f.text(&c.trace, "trace", "", "", "FILE", "replay the experts that a mixture chose, as 'infer bench experts --trace' records them, within the memory budget")
	f.text(&c.svg, "svg", "", "", "FILE", "draw the allocations into an SVG file")
	f.BoolVar(&c.force, "force", false, "overwrite an existing file")
	c.memoryFlags(f, "")
	f.hide("threads", "threads-batch", "no-prefetch", "check-tensors", "fallback", "pool", "packed", "packed-cache")
	return &command{
		name:     "plan",
		summary:  "show the memory that a model would need, without loading it",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Shows what each load mode would take for one session: weights, KV cache, compute buffers, the largest single allocation and its purpose; " +
			"whether it fits now, how much is missing, and what would help. Only the header is read; the session's figures are the engine's own, from a dry run.",
		examples: []string{
			`infer plan model.gguf`, "with the default context",
			`infer plan model.gguf -c 32768 -ctk q8_0 -ctv q8_0`, "with a long context and an 8-bit KV cache",
			`infer plan model.gguf --max-memory 2G`, "what is streamed within a budget of 2 GiB",
			`infer plan mixture.gguf --max-memory 8G --trace t.jsonl`, "what a mixture reads per token for a text of yours",
			`infer plan model.gguf --json | jq '.modes[] | {mode, fits, missing_bytes}'`, "for programs",
		},
		flags: f,
		run:   c.run,
	}
}

func (c *planConfig) run(ctx context.Context, s *streams, args []string) error {
	if err := modelArgument(c.flags, &c.model, args); err != nil {
		return err
	}
	for _, name := range []string{"fallback", "pool"} {
		if c.flags.Changed(name) {
			return usagef("--%s cannot be used with 'infer plan', which plans one model within the system's memory", name)
		}
	}
	if c.svg != "" {
		if err := checkOverwrite(c.svg, c.force); err != nil {
			return err
		}
	}
	open, session, _, err := c.options()
	if err != nil {
		return err
	}
	open.Session = session
	if c.trace != "" {
		if open.Trace, err = replay.ReadFile(c.trace); err != nil {
			return err
		}
	}
	f, err := runtime.Plan(ctx, c.model, open)
	if err != nil {
		return err
	}
	if c.flags.Changed("load") && open.Load != runtime.LoadAuto {
		f.Modes = onlyMode(f.Modes, open.Load)
	}
	if c.svg != "" {
		if err := runtime.WriteFile(c.svg, func(w io.Writer) error { return planview.Draw(w, f) }); err != nil {
			return err
		}
	}
	if c.json {
		return texts.WriteJSON(s.out, planJSON(f))
	}
	warn(s.err, f.Warnings)
	w := bufio.NewWriter(s.out)
	if err := planview.Print(w, f, outputWidth(s.out), remedyTexts); err != nil {
		return err
	}
	return w.Flush()
}

func onlyMode(modes []runtime.ModePlan, mode runtime.LoadMode) []runtime.ModePlan {
	for _, p := range modes {
		if p.Mode == mode { // a packed file has no other packed file
			return []runtime.ModePlan{p}
		}
	}
	return modes
}

// outputWidth returns the width of the output: that of the terminal, at most 100 columns.
func outputWidth(out any) int {
	if checked, ok := out.(*checkedWriter); ok {
		out = checked.w
	}
	if f, ok := out.(*os.File); ok && terminal.Is(f) {
		if w := terminal.Width(f); w > 0 {
			return min(w-1, 100)
		}
	}
	return helpWidth
}

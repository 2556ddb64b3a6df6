package main

import (
	"bufio"
	"context"
	"io"
	"os"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/runtime"
)

// planConfig is what the flags of `infer plan` say.
type planConfig struct {
	generateConfig
	svg   string
	force bool
}

func planCommand() *command {
	f := newFlags()
	c := &planConfig{generateConfig: generateConfig{flags: f}}
	f.group("Flags")
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model (default tiny, the embedded model)")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	f.text(&c.svg, "svg", "", "", "FILE", "draw the chunks into a file")
	f.BoolVar(&c.force, "force", false, "replace a file that is there")
	c.memoryFlags(f, "")
	f.hide("threads", "threads-batch", "no-prefetch", "check-tensors", "fallback", "pool", "packed", "packed-cache")
	return &command{
		name:     "plan",
		summary:  "show what memory a model would need, before anything is loaded",
		synopsis: []string{"[flags] [MODEL]"},
		about: "Shows what each way of loading a model would take for one session: weights, KV cache, compute buffers, the largest single allocation and what it is for; " +
			"whether it fits now, by how much not, and what would help. Only the header is read; the figures of the session are the engine's own, from a dry run.",
		examples: []string{
			`infer plan model.gguf`, "with the default context",
			`infer plan model.gguf -c 32768 -ctk q8_0 -ctv q8_0`, "with a long context in 8 bits",
			`infer plan model.gguf --max-memory 2G`, "what is streamed to stay within 2 GiB",
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
			return usagef("--%s is not for plans, which are of one model and of what the system has", name)
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
	f, err := runtime.Plan(ctx, c.model, open)
	if err != nil {
		return err
	}
	if c.flags.Changed("load") && open.Load != runtime.LoadAuto {
		f.Modes = onlyMode(f.Modes, open.Load)
	}
	if c.svg != "" {
		if err := runtime.WriteFile(c.svg, func(w io.Writer) error { return drawPlan(w, f) }); err != nil {
			return err
		}
	}
	if c.json {
		return writeJSON(s.out, planJSON(f))
	}
	warn(s.err, f.Warnings)
	w := bufio.NewWriter(s.out)
	if err := printPlan(w, f, outputWidth(s.out)); err != nil {
		return err
	}
	return w.Flush()
}

func onlyMode(modes []runtime.ModePlan, mode runtime.LoadMode) []runtime.ModePlan {
	for _, p := range modes {
		if p.Mode == mode { // of a packed file there is no other than that
			return []runtime.ModePlan{p}
		}
	}
	return modes
}

// outputWidth is how wide what is shown may be: as the terminal is, to 100 columns.
func outputWidth(out any) int {
	if checked, ok := out.(*checkedWriter); ok {
		out = checked.w
	}
	if f, ok := out.(*os.File); ok && isTerminal(f) {
		if w := terminalWidth(f); w > 0 {
			return min(w-1, 100)
		}
	}
	return helpWidth
}

// pieceGroups are the pieces of a plan by what they are for, in the order of pictures.
func pieceGroups(p runtime.ModePlan) []pieceGroup {
	groups := []pieceGroup{{purpose: loader.PurposeWeights}, {purpose: loader.PurposeKV}, {purpose: loader.PurposeCompute}, {purpose: loader.PurposeOutput}}
	for _, x := range p.Pieces {
		for i := range groups {
			if groups[i].purpose == x.Purpose {
				groups[i].pieces = append(groups[i].pieces, x)
				groups[i].size += x.Size
			}
		}
	}
	return groups
}

type pieceGroup struct {
	purpose loader.Purpose
	pieces  []runtime.PlanPiece
	size    uint64
}

// allocations are the sizes of all single mappings and commits of a group.
func (g pieceGroup) allocations() []uint64 {
	var sizes []uint64
	for _, x := range g.pieces {
		sizes = append(sizes, x.Allocations...)
	}
	return sizes
}

func (g pieceGroup) label() string { return g.purpose.String() + " " + loader.Size(g.size) }

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/benchmarks"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
)

// expertsConfig holds the flags of `infer bench experts`.
type expertsConfig struct {
	benchConfig
	benchmarks.ExpertsOptions
	file, text string
}

func expertsCommand() *command {
	f := newFlags()
	c := &expertsConfig{benchConfig: benchConfig{flags: f}}
	c.modelFlags(f, "", "q4_0")
	f.group("Trace")
	f.text(&c.Trace, "trace", "", "", "FILE", "record the trace into this file, one JSON object a line (default: it is not kept)")
	f.text(&c.Replay, "replay", "", "", "FILE", "replay this trace; no model is evaluated")
	f.group("Text")
	f.text(&c.Prompt, "prompt", "p", "", "TEXT", `text to continue; the escapes \n, \t, \", \\ and \xHH are replaced (default "`+defaultPrompt+`")`)
	f.text(&c.file, "file", "f", "", "FILE", "read the prompt from a file, - for standard input")
	f.text(&c.text, "text", "", "", "FILE", "evaluate this text token by token instead, as if it had been generated")
	tokensFlag(f, &c.Tokens, 128, 1)
	contextFlag(f, &c.Context, 4096)
	threadsFlag(f, &c.Threads)
	f.group("Cases")
	f.parsed("slots", "", "LIST", "numbers of slots, separated by commas: percentages of all experts (default 10%,25%,50%,75%,90%)", c.setSlots)
	c.outputFlags(f)
	f.Lookup("force").Usage = "overwrite an existing trace or plot"
	return &command{
		name:     benchName + " experts",
		summary:  "show how much reading memory for the experts of a mixture saves",
		synopsis: []string{"[flags] MODEL", "--replay FILE [flags]"},
		about: "Records which experts the routers of a mixture choose while a text is evaluated, and replays the choices with several numbers of slots. A slot has room for one expert of any layer. " +
			"Shows how often a chosen expert is in memory and how many bytes are read per token: with LRU, with LFU with ageing (which memory budgets use), and at the optimum, which no policy can beat. " +
			"The figures are counts: the memory of this machine does not change them.",
		examples: []string{
			`infer bench experts mixture.gguf --trace t.jsonl -f prompt.txt -n 256`, "record a trace and replay it",
			`infer bench experts --replay t.jsonl --slots 30%,40%,60%`, "replay it with other numbers of slots",
			`infer bench experts mixture.gguf --text book.txt`, "a text of your own instead of a generated one",
		},
		flags: f,
		run:   c.run,
	}
}

func (c *expertsConfig) run(ctx context.Context, s *streams, args []string) error {
	if err := c.check(args); err != nil {
		return err
	}
	var err error
	switch {
	case c.flags.Changed("text"):
		if c.Text, err = s.readInput(ctx, c.text); err == nil && c.Text == "" {
			err = usagef("no text, %s is empty", texts.Visible(c.text, true))
		}
	case c.flags.Changed("file"):
		if c.Prompt, err = s.readInput(ctx, c.file); err == nil {
			if c.Prompt = trimNewline(c.Prompt); c.Prompt == "" {
				err = usagef("no prompt, %s is empty", texts.Visible(c.file, true))
			}
		}
	default:
		c.Prompt = texts.Unescape(c.Prompt)
	}
	if err != nil {
		return err
	}
	return c.experiment(ctx, s, args, func(ctx context.Context, r *benchmarks.Runner, m benchmarks.Model) (benchmarks.Results, error) {
		c.ExpertsOptions.Model = m
		return r.Experts(ctx, c.ExpertsOptions)
	})
}

// check refuses flags that exclude each other, and a trace that would be overwritten.
func (c *expertsConfig) check(args []string) error {
	given := func(names ...string) string {
		for _, name := range names {
			if c.flags.Changed(name) {
				return "--" + name
			}
		}
		return ""
	}
	if c.flags.Changed("replay") {
		if len(args) > 0 {
			return unexpected(args)
		}
		if other := given("model", "synthesize", "trace", "prompt", "file", "text", "predict"); other != "" {
			return usagef("--replay and %s exclude each other: a trace has its model and text", other)
		}
		return nil
	}
	if len(args) == 0 && given("model", "synthesize") == "" {
		return usagef("no model: name a mixture of experts, or give a trace with --replay FILE")
	}
	if c.flags.Changed("prompt") && c.flags.Changed("file") {
		return usagef("--prompt and --file exclude each other")
	}
	if other := given("prompt", "file", "predict"); other != "" && c.flags.Changed("text") {
		return usagef("--text and %s exclude each other: nothing is generated after a text", other)
	}
	if c.Trace != "" {
		return checkOverwrite(c.Trace, c.force)
	}
	return nil
}

// setSlots reads percentages, as in 50% or 75.
func (c *expertsConfig) setSlots(list string) error {
	c.Slots = nil
	for _, s := range strings.Split(list, ",") {
		percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "%")), 64)
		if err != nil {
			return errors.New("want percentages, as in 25%,50%,75%")
		}
		if !(percent > 0 && percent <= 100) {
			return fmt.Errorf("%q is out of range (more than 0%%, at most 100%%)", s)
		}
		c.Slots = append(c.Slots, percent/100)
	}
	return nil
}

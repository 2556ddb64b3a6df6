package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
	"github.com/seed7adf6694/infer/runtime/schema"
)

func generateCommand() *command {
	f, cfg := generateFlags()
	f.group("Other")
	return &command{
		synopsis: []string{"[flags]"},
		about:    "infer generates text with GGUF models, loaded in chunks of bounded size.",
		examples: []string{
			`infer -p "Once upon a time" -n 100`, "continue a text with the embedded model",
			`infer -m instruct.gguf -p "Why is the sky blue?"`, "an answer: the model has a chat template ('infer chat' for a conversation)",
			`infer -m model.gguf -f prompt.txt --temp 0 > out.txt`, "the most likely continuation of a file's text",
			`infer -m model.gguf --load mmap --chunk-size 16MiB -c 2048 < prompt.txt`, "with little memory",
			`infer -m model.gguf -p "..." --json | jq -r .text`, "for programs",
		},
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			if len(args) > 0 {
				return unexpected(args)
			}
			return cfg.generate(ctx, s)
		},
	}
}

// generate runs the command.
func (c *generateConfig) generate(ctx context.Context, s *streams) error {
	open, session, gen, err := c.options()
	if err != nil {
		return err
	}
	prompt, err := c.promptText(ctx, s)
	if err != nil {
		return err
	}
	if err := c.checkChat(ctx, s); err != nil {
		return err
	}
	if err := c.readConstraint(ctx, s, &gen.Sampling); err != nil {
		return err
	}
	open.Session, open.Generate = session, &gen
	shown := prompt
	var parser *answer.Parser
	c.accept = func(v *runtime.Vocabulary) (err error) {
		prompt, gen.Tokens, gen.Special = shown, nil, false
		parser, err = c.templated(v, &prompt, &gen)
		return err
	}
	m, free, err := c.open(ctx, s, &open)
	if err != nil {
		return err
	}
	defer free()
	if parser != nil {
		shown = c.chat.savedPrompt
	}
	sess, err := m.NewSession(ctx, session)
	if err != nil {
		return err
	}
	defer sess.Close()
	if !c.quiet {
		for _, line := range adjustments(sess.Adjusted()) {
			fmt.Fprintln(s.err, "infer: "+texts.OneLine(line))
		}
	}

	save, err := c.restore(sess, &gen)
	if err != nil {
		return err
	}
	w := newTokenWriter(s.out, c.json)
	if w.parser = parser; parser != nil {
		w.screen = c.screen(s)
	}
	if c.echo {
		err = w.prompt(shown)
	}
	end := finishError
	if err == nil {
		end, err = c.stream(ctx, s, sess, w, prompt, gen)
	}
	if err == nil {
		err = save()
	}
	return c.closing(ctx, s, stats{model: m.Report(), session: sess.Stats(), finish: end, chat: c.chat.words}, open.Pool, err)
}

// closing prints the figures of a generation that ended with err.
func (c *generateConfig) closing(ctx context.Context, s *streams, stats stats, from *memory.Pool, err error) error {
	if from != nil {
		pool := from.Stats()
		stats.pool = &pool
	}
	if c.predict == 0 {
		stats.session.GeneratedTokens = 0
	}
	if c.json && !errors.As(err, new(*outputError)) {
		err = errors.Join(err, texts.WriteJSON(s.out, map[string]any{"stats": stats}))
	}
	cancelled := err != nil && ctx.Err() != nil
	if !c.quiet && !errors.As(err, new(*outputError)) && (err == nil || cancelled || stats.session.GeneratedTokens > 0) {
		fmt.Fprintln(s.err, stats.figures())
	}
	if cancelled {
		err = shown{err}
	}
	return err
}

// readConstraint reads the grammar or the JSON schema that the text has to obey.
func (c *generateConfig) readConstraint(ctx context.Context, s *streams, to *runtime.Sampling) (err error) {
	file, what, text := c.grammarFile, "grammar", ""
	switch {
	case c.schemaFile != "":
		file, what = c.schemaFile, "JSON schema"
	case strings.HasPrefix(c.schema, "@"):
		file, what = c.schema[1:], "JSON schema"
	case c.schema != "":
		text, what = c.schema, "JSON schema"
	case file == "":
		return nil
	}
	if text == "" {
		if text, err = s.readInput(ctx, file); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if text == "" { // an empty text would mean: no grammar
			return fmt.Errorf("%w: %s file %s is empty", runtime.ErrOption, what, file)
		}
	}
	if what == "JSON schema" {
		if text, err = schema.Grammar([]byte(text), schema.Options{}); err != nil {
			return &runtime.OptionError{Option: what, Err: err}
		}
	}
	to.Grammar = text
	return nil
}

// open opens the model that the flags name, and prints what was adjusted; if it is to be verbose, it logs
// what the runtime and the engine say until the returned function closes the model.
func (c *generateConfig) open(ctx context.Context, s *streams, open *runtime.Options) (m *runtime.Model, free func(), err error) {
	if !c.quiet {
		warnSlow(s.err)
	}
	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress && c.verbose == 0)
	defer progress.Clear()
	open.Progress = func(p runtime.Progress) {
		label := "loading (" + p.Mode.String() + ")"
		switch {
		case p.Packing:
			label = "packing"
		case p.Checking:
			label = "checking"
		}
		progress.Show(label, p.Done, p.Total)
	}
	for _, f := range c.fallbacks { // report a misspelt fallback now, not only when memory is short
		if _, err := models.Resolve(f, models.ResolveOptions{}); err != nil {
			return nil, nil, fmt.Errorf("fallback: %w", err)
		}
	}
	if c.pool > 0 {
		if err := poolFits(c.pool); err != nil {
			return nil, nil, err
		}
		if open.Pool, err = memory.NewPool(c.pool, memory.PoolOptions{SegmentSize: c.chunk}); err != nil {
			return nil, nil, err
		}
	}
	free = func() {
		if m != nil {
			m.Close()
		}
		if open.Pool != nil {
			open.Pool.Close()
		}
		if c.verbose > 0 {
			llama.SetLogger(nil)
		}
	}
	if c.verbose > 0 {
		open.Logger = c.logger(s)
		llama.SetLogger(open.Logger)
	}
	var refused error
	if c.accept != nil {
		open.Accept = func(v *runtime.Vocabulary) error {
			refused = c.accept(v)
			return refused
		}
	}
	if m, err = runtime.Open(ctx, c.model, *open); err != nil {
		free()
		return nil, nil, cmp.Or(refused, err)
	}
	progress.Clear()
	if !c.quiet {
		for _, line := range adjustments(m.Report().Adjusted) {
			fmt.Fprintln(s.err, "infer: "+texts.OneLine(line))
		}
		if c.verbose == 0 { // the logger has printed them
			warn(s.err, m.Report().Warnings)
		}
	}
	return m, free, nil
}

// poolFits refuses a pool that is larger than the available memory, even if the system would grant
// it (overcommit).
func poolFits(size uint64) error {
	p, err := probe.Measure()
	if err != nil {
		return nil // the limit is unknown: try it
	}
	available, limit := p.Possible()
	if size <= available {
		return nil
	}
	return &memory.Error{Purpose: memory.PurposePool, Requested: size, Available: available, Limit: limit, Remedies: append([]memory.Remedy{{Kind: memory.RemedySmallerPool}}, memory.RaiseLimit(limit, size-available)...)}
}

// This command's own reasons for the end of a generation.
const (
	finishInterrupted runtime.FinishReason = "interrupted"
	finishError       runtime.FinishReason = "error"
)

// stream generates, writes the text token by token, and returns why the generation ended.
func (c *generateConfig) stream(ctx context.Context, s *streams, sess *runtime.Session, w *tokenWriter, prompt string, o runtime.GenerateOptions) (end runtime.FinishReason, err error) {
	first := true
	for t, e := range sess.Generate(ctx, prompt, o) {
		if first && e == nil && !c.quiet {
			warn(s.err, sess.Stats().Notes)
		}
		first = false
		if c.predict == 0 && e == nil { // only the prompt is evaluated
			end = runtime.FinishLength
			break
		}
		if err = errors.Join(e, w.token(t)); err != nil {
			break
		}
		end = t.Finish
	}
	if !errors.As(err, new(*outputError)) {
		err = errors.Join(err, w.finish())
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		end = finishInterrupted
	default:
		end = finishError
	}
	return end, err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/talk"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
)

func chatCommand() *command {
	f := newFlags()
	c := &generateConfig{flags: f, random: true}
	c.modelFlags(f)
	c.chat.chatFlags(f, false)
	c.generationFlags(f)
	c.samplingFlags(f)
	c.memoryFlags(f, topicMemory)
	f.group("Output")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, figures or notes")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	f.CountVarP(&c.verbose, "verbose", "v", "log decisions to standard error; twice for more")
	f.BoolVar(&c.noEscape, "no-escape", false, `do not replace escapes such as \n in --system-prompt and --stop`)
	f.BoolVarP(&c.escape, "escape", "e", true, "")
	f.BoolVar(&c.noMMap, "no-mmap", false, "")
	f.hide("escape", "no-mmap")
	return &command{
		name:     "chat",
		synopsis: []string{"-m model.gguf [flags]"},
		summary:  "a conversation with an instruct model",
		about: "infer chat talks with a model: each line is a message, and /help lists the commands. Ctrl-C stops an answer, and Ctrl-C again ends the chat. " +
			"When the context is full, the oldest turns are left out; the system prompt stays. Through pipes, each line of the input is a message, and standard output has the answers alone.",
		examples: []string{
			`infer chat -m model.gguf`, "talk with a model",
			`infer chat -m model.gguf -sys "Answer in one sentence." --reasoning hide`, "with a system prompt, and without the model's reasoning",
			`infer chat -m model.gguf --prompt-cache talk.state`, "keep the computed text for the next time",
			`printf 'Hello\nAnd now in French\n' | infer chat -m model.gguf -q`, "two turns in a pipe",
		},
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			if err := modelArgument(f, &c.model, args); err != nil {
				return err
			}
			return c.converse(ctx, s)
		},
	}
}

// converse runs the command.
func (c *generateConfig) converse(ctx context.Context, s *streams) (err error) {
	open, session, gen, err := c.options()
	if err == nil {
		err = c.checkChat(ctx, s)
	}
	if err == nil {
		err = c.readConstraint(ctx, s, &gen.Sampling)
	}
	if err != nil {
		return err
	}
	if s.in == nil {
		return usagef("no messages: standard input is closed")
	}
	open.Session, open.Generate = session, &gen
	var t *chat.Template
	c.accept = func(v *runtime.Vocabulary) (err error) {
		if t, err = c.chatTemplate(v); err != nil || t != nil {
			return err
		}
		return usagef("%s: give one with --chat-template NAME (%s) or --chat-template-file FILE; infer -p TEXT continues a text", chat.ErrNoTemplate, strings.Join(chat.Names(), ", "))
	}
	m, free, err := c.open(ctx, s, &open)
	if err != nil {
		return err
	}
	defer free()
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
	conv := chat.New(m, sess, t)
	conv.Context, conv.Options = sess.Stats().Context, c.chat.templateOptions()
	if system := c.chat.system; system != "" {
		conv.Messages = []chat.Message{{Role: "system", Content: system}}
	}
	figures := func() string {
		st := stats{model: m.Report(), session: sess.Stats(), chat: c.chat.words}
		return st.figures()
	}
	err = c.talk(ctx, s, conv, gen, figures)
	if e := save(); err == nil || errors.Is(err, talk.ErrInterrupted) {
		err = errors.Join(err, e)
	}
	if errors.As(err, new(*outputError)) {
		return err
	}
	if !c.quiet && sess.Stats().GeneratedTokens > 0 {
		fmt.Fprintln(s.err, figures())
	}
	return err
}

// talk lets the user and the model talk.
func (c *generateConfig) talk(ctx context.Context, s *streams, conv *chat.Conversation, gen runtime.GenerateOptions, figures func() string) error {
	t := &talk.Talk{Chat: conv, Generate: gen, Screen: c.screen(s), Notes: s.err, Colour: coloured(s.err), Interruptible: untilInterrupt, Stats: func() string {
		return strings.TrimPrefix(figures(), "infer: ")
	}}
	if c.quiet && !terminal.Is(s.in) {
		t.Notes = io.Discard
	}
	if t.Terminal = terminal.Is(s.in); !t.Terminal {
		t.Interruptible = func(ctx context.Context, f func(context.Context)) { f(ctx) }
		text, err := texts.Decode(s.in)
		if err != nil {
			return fmt.Errorf("reading standard input: %w", err)
		}
		t.Lines = talk.Pipe(text)
		return t.Run(ctx)
	}
	t.Prompt = "> "
	if coloured(s.out) {
		t.Lines = talk.Terminal(talk.HistoryFile(), talk.Complete)
	} else { // the prompt must not be in a file of answers
		t.Lines = talk.Asking(talk.Pipe(s.in), s.err)
	}
	defer t.Lines.Close()
	goesOn := t.Interrupted
	chatting.Store(&goesOn)
	defer chatting.Store(nil)
	if !c.quiet {
		fmt.Fprintf(s.err, "infer: %s, a context of %d tokens; /help lists the commands\n", c.chat.words, conv.Context)
	}
	return t.Run(ctx)
}

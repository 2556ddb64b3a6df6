package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/talk"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// chatConfig holds the flags of chat templates.
type chatConfig struct {
	raw                bool
	system, systemFile string
	template, file     string
	source             string // of the template, from the file
	kwargs             map[string]any
	reasoning          string
	promptCache        string
	jinja              bool
	savedPrompt        string // the rendered prompt
	words              string // for the closing line
}

// chatFlags defines the flags of chat templates; those of a single prompt if raw is set.
func (c *chatConfig) chatFlags(f *flags, raw bool) {
	f.group("Chat")
	f.textOnce(&c.system, "system-prompt", "", "TEXT", "the system prompt (also -sys)")
	f.textOnce(&c.systemFile, "system-prompt-file", "", "FILE", "read the system prompt from a file (also -sysf)")
	f.text(&c.template, "chat-template", "", "", "NAME", "the chat template: the name of another one of the model, "+strings.Join(chat.Names(), ", ")+", or a template's text (default the model's own)")
	f.text(&c.file, "chat-template-file", "", "", "FILE", "read the chat template, which is Jinja, from a file")
	f.parsed("chat-template-kwargs", "", "JSON", `values for the chat template, as in '{"enable_thinking": false}'`, c.setKwargs)
	f.choice(&c.reasoning, "reasoning", "", talk.Show, []string{talk.Show, talk.Hide, talk.Off}, "what the model thinks before it answers: show or hide it, or off to ask it not to think")
	f.text(&c.promptCache, "prompt-cache", "", "", "FILE", "keep the computed text in a file, and go on with what a later prompt has in common with it")
	f.BoolVar(&c.jinja, "jinja", true, "")
	f.hide("jinja")
	if raw {
		f.BoolVar(&c.raw, "raw", false, "continue the prompt as it is, without the model's chat template")
	}
}

func (c *chatConfig) setKwargs(s string) error {
	if err := json.Unmarshal([]byte(s), &c.kwargs); err != nil || c.kwargs == nil {
		return errors.New("want a JSON object")
	}
	return nil
}

// systemText reads the system prompt.
func (c *generateConfig) systemText(ctx context.Context, s *streams) (string, error) {
	if !c.flags.Changed("system-prompt-file") {
		if c.escapes() {
			return texts.Unescape(c.chat.system), nil
		}
		return c.chat.system, nil
	}
	if c.flags.Changed("system-prompt") {
		return "", usagef("--system-prompt and --system-prompt-file exclude each other")
	}
	text, err := s.readInput(ctx, c.chat.systemFile)
	return trimNewline(text), err
}

// asksForChat returns the first flag that only a chat template gives a meaning, or "".
func (c *generateConfig) asksForChat() string {
	for _, name := range []string{"chat-template", "chat-template-file", "system-prompt", "system-prompt-file", "chat-template-kwargs"} {
		if c.flags.Changed(name) {
			return name
		}
	}
	return ""
}

// checkChat refuses, before the model is opened, flags that exclude each other and a template that can't
// be parsed, and reads the files.
func (c *generateConfig) checkChat(ctx context.Context, s *streams) (err error) {
	if c.flags.Changed("chat-template") && c.flags.Changed("chat-template-file") {
		return usagef("--chat-template and --chat-template-file exclude each other")
	}
	if name := c.asksForChat(); c.chat.raw && name != "" {
		return usagef("--raw and --%s exclude each other", name)
	}
	if c.flags.Changed("chat-template-file") {
		if c.chat.source, err = s.readInput(ctx, c.chat.file); err != nil {
			return fmt.Errorf("chat template: %w", err)
		}
		if _, err = chat.Parse(c.chat.source, chat.ParseOptions{}); err != nil {
			return fmt.Errorf("%s: %w", c.chat.file, err)
		}
	}
	if err = chat.Check(c.chat.template); err == nil {
		c.chat.system, err = c.systemText(ctx, s)
	}
	return err
}

// chatTemplate returns the template to use, nil if the model has none and none is asked for.
func (c *generateConfig) chatTemplate(v *runtime.Vocabulary) (*chat.Template, error) {
	name := c.chat.template
	c.chat.words = "chat template " + name
	if c.flags.Changed("chat-template-file") {
		c.chat.words = "chat template from " + c.chat.file
		special, err := v.SpecialTokens()
		if err != nil {
			return nil, err
		}
		return chat.Parse(c.chat.source, chat.ParseOptions{BOS: special.BOSText, EOS: special.EOSText})
	}
	t, err := chat.ForModel(v, name)
	switch {
	case errors.Is(err, chat.ErrNoTemplate):
		return nil, nil
	case err != nil:
		return nil, err
	case name == "":
		c.chat.words = "the model's chat template"
	case strings.ContainsAny(name, "{"):
		c.chat.words = "a chat template of the command line"
	}
	return t, nil
}

// templateOptions are the values for a template.
func (c *chatConfig) templateOptions() chat.Options {
	o := chat.Options{Extra: c.kwargs}
	if c.reasoning == talk.Off {
		no := false
		o.EnableThinking = &no
	}
	return o
}

// templated replaces the prompt by the tokens of its conversation, if the model has a chat template. It
// returns the writer's parser of the answer, nil without a template.
func (c *generateConfig) templated(v *runtime.Vocabulary, prompt *string, g *runtime.GenerateOptions) (*answer.Parser, error) {
	if c.chat.raw {
		if text, err := v.ChatTemplate(""); err == nil && text != "" {
			c.chat.words = "without the model's chat template"
		}
		return nil, nil
	}
	if *prompt == "" { // begins a text
		return nil, nil
	}
	t, err := c.chatTemplate(v)
	if err != nil {
		return nil, err
	}
	if t == nil {
		c.chat.words = ""
		if name := c.asksForChat(); name != "" {
			return nil, usagef("--%s: %s: give one with --chat-template NAME or --chat-template-file FILE", name, chat.ErrNoTemplate)
		}
		return nil, nil
	}
	var messages []chat.Message
	if system := c.chat.system; system != "" {
		messages = append(messages, chat.Message{Role: "system", Content: system})
	}
	p, err := t.Render(append(messages, chat.Message{Role: "user", Content: *prompt}), c.chat.templateOptions())
	if err != nil {
		return nil, err
	}
	if g.Tokens, err = p.Tokens(v); err != nil {
		return nil, err
	}
	format := t.Format()
	g.Special, g.SpecialOnly = format.String() != "", format.Marks
	*prompt = ""
	c.chat.savedPrompt = p.Text
	return answer.NewParser(format, answer.Options{ReasoningOpen: format.ReasoningOpen(p.Text)}), nil
}

// restore goes on with the file of --prompt-cache, if it exists. The returned function writes it.
func (c *generateConfig) restore(sess *runtime.Session, g *runtime.GenerateOptions) (save func() error, err error) {
	if c.chat.promptCache == "" {
		return func() error { return nil }, nil
	}
	g.KeepPrefix = true
	if _, err := os.Stat(c.chat.promptCache); err == nil {
		if err := sess.Restore(c.chat.promptCache); err != nil {
			return nil, fmt.Errorf("%w (another --prompt-cache FILE, or none, computes the text)", err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := files.CheckWrite(c.chat.promptCache); err != nil { // not only after the answer
		return nil, fmt.Errorf("--prompt-cache: %w", err)
	}
	return func() error {
		if err := sess.Save(c.chat.promptCache); err != nil {
			return fmt.Errorf("--prompt-cache %s: %w", texts.OneLine(c.chat.promptCache), err)
		}
		return nil
	}, nil
}

// screen returns what writes answers.
func (c *generateConfig) screen(s *streams) *talk.Screen {
	return &talk.Screen{Out: s.out, Terminal: isTerminalWriter(s.out), Colour: coloured(s.out), Reasoning: c.chat.reasoning}
}

// coloured reports whether an output is a terminal that shows colours.
func coloured(out io.Writer) bool {
	f, ok := terminalOf(out)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && terminal.Codes(f)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
)

// maxInput is the largest input, in bytes, from a file or standard input. The bound keeps an
// endless stream from filling the memory.
const maxInput = 1 << 30

// readInput reads all of a file, or of standard input for "-", as UTF-8 (decodeText). A
// cancelled ctx ends it even while it waits for data.
func (s *streams) readInput(ctx context.Context, name string) (string, error) {
	type result struct {
		text string
		err  error
	}
	// Reading a terminal or a pipe, and opening one, cannot be interrupted. On cancellation the
	// goroutine is abandoned; the process is about to end.
	done := make(chan result, 1)
	go func() {
		text, err := s.read(name)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (s *streams) read(name string) (string, error) {
	in, label := s.in, "standard input"
	if name == "-" && in == nil {
		return "", errors.New("reading standard input: it is closed")
	}
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in, label = f, name
	}
	var b strings.Builder
	limited := &io.LimitedReader{R: in, N: maxInput + 1}
	text, err := texts.Decode(limited)
	if err == nil {
		_, err = io.Copy(&b, text)
	}
	switch {
	case err != nil:
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return "", fmt.Errorf("reading %s: %w", label, err)
	case limited.N == 0:
		return "", fmt.Errorf("reading %s: more than %s", label, words.Size(maxInput))
	}
	return b.String(), nil
}

// promptText returns the prompt from -p, -f or standard input.
func (c *generateConfig) promptText(ctx context.Context, s *streams) (string, error) {
	if c.flags.Changed("prompt") {
		if c.flags.Changed("file") {
			return "", usagef("--prompt and --file exclude each other")
		}
		if c.escapes() {
			return texts.Unescape(c.prompt), nil
		}
		return c.prompt, nil
	}
	file := c.file
	if !c.flags.Changed("file") {
		if s.in == nil || terminal.Is(s.in) {
			return c.noPrompt()
		}
		file = "-"
	} else if file == "-" && terminal.Is(s.in) && !c.quiet {
		fmt.Fprintln(s.err, "infer: type the prompt and end it with "+endOfFileKey)
	}
	text, err := s.readInput(ctx, file)
	if err != nil {
		return "", err
	}
	if text = trimNewline(text); text == "" {
		from := "standard input"
		if file != "-" {
			from = texts.Visible(file, true)
		}
		return "", usagef("no prompt, %s is empty: "+givePrompt, from)
	}
	return text, nil
}

// defaultPrompt is the example prompt. It suits the embedded model, which tells stories.
const defaultPrompt = "Once upon a time"

const givePrompt = `give one with -p "text", -f FILE or on standard input; -p "" starts without a prompt`

// noPrompt returns the error for a command line without a prompt.
func (c *generateConfig) noPrompt() (string, error) {
	if c.model == "" {
		return defaultPrompt, nil
	}
	return "", usagef("no prompt: " + givePrompt)
}

// trimNewline drops one newline at the end, which editors and echo add.
func trimNewline(s string) string {
	if t, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.TrimSuffix(t, "\r")
	}
	return s
}

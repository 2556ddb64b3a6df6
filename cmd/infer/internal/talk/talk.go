// Package talk is a conversation with a model on a terminal, or through pipes: lines, commands, and
// answers as they are generated.
package talk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
)

// Talk is a conversation with a user.
type Talk struct {
	Chat     *chat.Conversation
	Generate runtime.GenerateOptions
	Lines    Lines
	Screen   *Screen
	Notes    io.Writer // what is no answer
	Colour   bool      // Notes is a terminal that shows colours
	Prompt   string    // before a message; "": none
	Terminal bool      // of the lines
	// Interruptible runs f with a context that Ctrl-C cancels.
	Interruptible func(ctx context.Context, f func(ctx context.Context))
	Stats         func() string // of /stats

	Finish  runtime.FinishReason // of the last answer
	aborted atomic.Int32         // times that Ctrl-C was pressed since the last message
	dropped int
	read    string // of /read, for the next message
	again   uint32 // answers to the last message that were replaced
}

// ErrInterrupted is returned by Run if the user has ended the conversation with Ctrl-C.
var ErrInterrupted = errors.New("interrupted")

// Run talks until the end of the lines.
func (t *Talk) Run(ctx context.Context) error {
	for {
		text, err := t.message(ctx)
		switch {
		case errors.Is(err, errAborted):
			if !t.Interrupted() {
				return ErrInterrupted
			}
			continue
		case errors.Is(err, io.EOF):
			if t.Terminal {
				fmt.Fprintln(t.Notes)
			}
			return nil
		case err != nil:
			return err
		}
		t.aborted.Store(0)
		if strings.TrimSpace(text) == "" {
			continue
		}
		if command, ok := strings.CutPrefix(text, "/"); ok && !strings.HasPrefix(command, "/") {
			end, err := t.command(ctx, command)
			switch {
			case err != nil && (!t.Terminal || errors.As(err, new(fatal))):
				return err
			case err != nil:
				t.note(err.Error())
			case end:
				return nil
			}
			continue
		}
		text = strings.TrimPrefix(text, "/")
		text, n := t.read+text, len(t.Chat.Messages)
		err = t.answer(ctx, func(inner context.Context) iter.Seq2[chat.Event, error] { return t.Chat.Ask(inner, text, t.Generate) })
		if err != nil {
			return err
		}
		if len(t.Chat.Messages) > n { // otherwise it was refused
			t.read, t.again = "", 0
		}
	}
}

// Interrupted is for Ctrl-C outside of an answer. It returns whether the conversation goes on. It is safe
// for concurrent use.
func (t *Talk) Interrupted() bool {
	if t.aborted.Add(1) > 1 {
		return false
	}
	t.note("Ctrl-C again, or /exit, ends the chat")
	return true
}

const quotes = `"""`

// message reads a message. On a terminal it goes on after a line that ends with a backslash, and
// between lines with three quotes.
func (t *Talk) message(ctx context.Context) (string, error) {
	line, err := t.Lines.Line(ctx, t.Prompt)
	if err != nil || !t.Terminal {
		return line, err
	}
	t.Lines.Keep(line)
	more := t.Prompt
	if more != "" {
		more = ". "
	}
	if rest, ok := strings.CutPrefix(strings.TrimSpace(line), quotes); ok {
		if text, ok := strings.CutSuffix(rest, quotes); ok {
			return strings.Trim(text, "\n"), nil
		}
		parts := []string{rest}
		for {
			if line, err = t.Lines.Line(ctx, more); err != nil {
				return "", err
			}
			text, end := strings.CutSuffix(line, quotes)
			parts = append(parts, text)
			if end {
				return strings.Trim(strings.Join(parts, "\n"), "\n"), nil
			}
		}
	}
	var b strings.Builder
	for {
		part, on := strings.CutSuffix(line, `\`)
		b.WriteString(part)
		if !on {
			return b.String(), nil
		}
		b.WriteByte('\n')
		if line, err = t.Lines.Line(ctx, more); err != nil {
			return "", err
		}
	}
}

// answer shows an answer while generate makes it. An error of the output, and the end of the
// program, are returned; others are shown.
func (t *Talk) answer(ctx context.Context, generate func(context.Context) iter.Seq2[chat.Event, error]) error {
	var failed error
	t.Interruptible(ctx, func(inner context.Context) {
		for e, err := range generate(inner) {
			if e.Dropped > 0 {
				t.dropped += e.Dropped
				t.note(fmt.Sprintf("the context is full: the oldest %d messages are left out", e.Dropped))
			}
			if err != nil {
				failed = err
				break
			}
			if e.Finish != "" {
				t.Finish = e.Finish
			}
			if err := t.Screen.Write(e.Event); err != nil {
				failed = err
				break
			}
		}
	})
	if err := t.Screen.End(); err != nil {
		return err
	}
	switch {
	case failed == nil:
		if t.Finish == runtime.FinishContext {
			t.note("the context is full: the answer is cut off")
		}
		if t.Finish == runtime.FinishLength {
			t.note("the answer has reached its largest number of tokens")
		}
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(failed, context.Canceled):
		t.aborted.Store(1)
		t.note("the answer was stopped")
		return nil
	case t.Terminal && (errors.Is(failed, chat.ErrTooLong) || errors.Is(failed, chat.ErrRefused)):
		t.note(failed.Error())
		return nil
	}
	return failed
}

// fatal is an error of a command that ends the conversation, as it would after a message.
type fatal struct{ error }

func (e fatal) Unwrap() error { return e.error }

// regenerate replaces the last answer. A fixed seed would make the same one: the next is used.
func (t *Talk) regenerate(ctx context.Context) error {
	o := t.Generate
	if s := o.Sampling; s.Greedy || s.Temperature == runtime.Off {
		t.note("with a temperature of 0, the answer is always the same")
	}
	if o.Sampling.Seed != nil {
		t.again++
		seed := *o.Sampling.Seed + t.again
		o.Sampling.Seed = &seed
	}
	return t.answer(ctx, func(inner context.Context) iter.Seq2[chat.Event, error] { return t.Chat.Regenerate(inner, o) })
}

// note shows something that is no answer.
func (t *Talk) note(text string) {
	text = texts.OneLine(text)
	if t.Colour {
		text = dim + text + plain
	}
	fmt.Fprintln(t.Notes, text)
}

// help lists the commands.
var help = [][2]string{
	{"/system [TEXT]", "set the system prompt, or show it"},
	{"/read FILE", "put a file's text before the next message"},
	{"/regen", "answer the last message again"},
	{"/clear", "forget all turns; the system prompt stays"},
	{"/save FILE", "write the conversation to a file, as JSON"},
	{"/load FILE", "go on with a conversation from a file"},
	{"/stats", "figures: tokens, speed, memory"},
	{"/help", "this list"},
	{"/exit", "end (also Ctrl-D)"},
}

// Complete returns the commands that begin with a line.
func Complete(line string) []string {
	var list []string
	for _, h := range help {
		if name, _, _ := strings.Cut(h[0], " "); line != "" && strings.HasPrefix(name, line) {
			list = append(list, name)
		}
	}
	return list
}

// command runs a command, and returns whether it ends the conversation.
func (t *Talk) command(ctx context.Context, line string) (end bool, err error) {
	name, argument, _ := strings.Cut(line, " ")
	argument = strings.TrimSpace(argument)
	switch name {
	case "exit", "quit", "bye":
		return true, nil
	case "help", "?":
		for _, h := range help {
			fmt.Fprintf(t.Notes, "  %-16s %s\n", h[0], h[1])
		}
		if t.Terminal {
			fmt.Fprintf(t.Notes, "A line that ends with \\ goes on; %s begins and ends several lines; // begins a message with a slash.\n", quotes)
		}
	case "system":
		t.system(argument)
	case "read":
		err = t.readFile(named(argument))
	case "regen":
		if err = t.regenerate(ctx); err != nil && !errors.Is(err, chat.ErrNothingAsked) {
			err = fatal{err}
		}
	case "clear":
		t.read, t.again = "", 0
		t.Chat.Reset(t.Chat.Messages[:systemPrompt(t.Chat.Messages)])
		t.note("all turns are forgotten")
	case "stats":
		t.note(t.Stats() + fmt.Sprintf("; %d messages, %d left out", len(t.Chat.Messages), t.dropped))
	case "save":
		err = t.save(named(argument))
	case "load":
		err = t.load(named(argument))
	default:
		err = fmt.Errorf("unknown command /%s: /help lists them", name)
	}
	return false, err
}

func systemPrompt(messages []chat.Message) int {
	if len(messages) > 0 && messages[0].Role == "system" {
		return 1
	}
	return 0
}

func (t *Talk) system(text string) {
	n := systemPrompt(t.Chat.Messages)
	switch {
	case text != "":
		t.Chat.Reset(slices.Concat([]chat.Message{{Role: "system", Content: text}}, t.Chat.Messages[n:]))
		t.note("the system prompt is set")
	case n == 0:
		t.note("there is no system prompt")
	default:
		for line := range strings.Lines(t.Chat.Messages[0].Content) {
			fmt.Fprintln(t.Notes, texts.OneLine(strings.TrimRight(line, "\n")))
		}
	}
}

// named reads the name of a file as shells do: quotes around it, or ~ for the user's folder.
func named(path string) string {
	if n := len(path); n > 1 && path[0] == path[n-1] && (path[0] == '"' || path[0] == '\'') {
		return path[1 : n-1]
	}
	rest, ok := strings.CutPrefix(path, "~")
	if home, err := os.UserHomeDir(); ok && err == nil && (rest == "" || os.IsPathSeparator(rest[0])) {
		return home + rest
	}
	return path
}

// maxRead is the most text of /read for a message, in bytes: more than contexts hold.
const maxRead = 4 << 20

// openFile opens the file that a user has named for a command.
func openFile(command, path string) (*os.File, error) {
	if path == "" {
		return nil, fmt.Errorf("%s wants a file", command)
	}
	info, err := os.Stat(path) // first, as Windows opens no folders
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s, not a file", path, files.FileKind(info.Mode()))
	}
	return files.OpenRegular(path)
}

// readFile keeps a file's text for the next message.
func (t *Talk) readFile(path string) error {
	f, err := openFile("/read", path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := texts.Decode(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	b, err := io.ReadAll(io.LimitReader(text, maxRead+1))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case len(t.read)+len(b) > maxRead:
		return fmt.Errorf("%s: with more than %d MiB, the text is too long for a message", path, maxRead>>20)
	case !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0:
		return fmt.Errorf("%s is no text", path)
	case len(bytes.TrimSpace(b)) == 0:
		return fmt.Errorf("%s is empty", path)
	}
	if err := t.Chat.Fits(t.read + string(b)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	t.read += strings.TrimRight(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") + "\n\n"
	t.note(fmt.Sprintf("%d bytes of %s are put before the next message", len(b), path))
	return nil
}

// saved is the file of a conversation.
type saved struct {
	Messages []chat.Message `json:"messages"`
}

func (t *Talk) save(path string) error {
	if path == "" {
		return errors.New("/save wants a file")
	}
	data, err := json.MarshalIndent(saved{t.Chat.Messages}, "", " ")
	if err != nil {
		return err
	}
	err = files.WriteFile(path, func(f *os.File) error {
		_, err := f.Write(append(data, '\n'))
		return err
	})
	if err == nil {
		t.note(fmt.Sprintf("%d messages were written to %s", len(t.Chat.Messages), path))
	}
	return err
}

// maxSaved is the largest file of a conversation, in bytes.
const maxSaved = 256 << 20

func (t *Talk) load(path string) error {
	f, err := openFile("/load", path)
	if err != nil {
		return err
	}
	defer f.Close()
	var s saved
	var kind *json.UnmarshalTypeError
	switch err := json.NewDecoder(io.LimitReader(f, maxSaved)).Decode(&s); {
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("%s is no saved conversation: it is of type %s, no object with messages", path, kind.Value)
	case errors.As(err, &kind):
		return fmt.Errorf("%s is no saved conversation: %s is of type %s", path, kind.Field, kind.Value)
	case err != nil:
		return fmt.Errorf("%s is no saved conversation: %w", path, err)
	}
	for _, m := range s.Messages {
		if m.Role == "" {
			return fmt.Errorf("%s is no saved conversation: a message has no role", path)
		}
	}
	t.Chat.Reset(s.Messages)
	t.read, t.again = "", 0
	t.note(fmt.Sprintf("%d messages from %s", len(s.Messages), path))
	return nil
}

package talk

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/peterh/liner"
)

// errAborted is returned by a Lines when the user has pressed Ctrl-C.
var errAborted = errors.New("aborted")

// Lines are the lines that a user types.
type Lines interface {
	// Line returns the next line without its end; io.EOF at the end.
	Line(ctx context.Context, prompt string) (string, error)
	// Keep adds a text to the history.
	Keep(text string)
	Close()
}

// maxLine is the longest line of a pipe, in bytes.
const maxLine = 16 << 20

// pipe reads lines from what is no terminal.
type pipe struct {
	next chan string
	err  error // once next is closed
}

// Pipe returns the lines of a reader.
func Pipe(r io.Reader) Lines {
	p := &pipe{next: make(chan string)}
	go func() { // reading can't be interrupted; the goroutine ends with the input, or the process
		s := bufio.NewScanner(r)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			p.next <- s.Text()
		}
		p.err = s.Err()
		close(p.next)
	}()
	return p
}

func (p *pipe) Line(ctx context.Context, _ string) (string, error) {
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case line, ok := <-p.next:
		switch {
		case ok:
			return line, nil
		case p.err != nil:
			return "", p.err
		}
		return "", io.EOF
	}
}

func (p *pipe) Keep(string) {}
func (p *pipe) Close()      {}

// terminal edits lines on a terminal.
type terminal struct {
	state   *editor
	history string // file; "": none
}

// Terminal returns lines that are edited on the terminal, with the history of a file ("": none).
func Terminal(history string, complete func(line string) []string) Lines {
	t := &terminal{state: newEditor(), history: history}
	t.state.SetCtrlCAborts(true)
	t.state.SetMultiLineMode(true)
	t.state.SetCompleter(complete)
	if f, err := os.Open(history); err == nil {
		t.state.ReadHistory(f)
		f.Close()
	}
	return t
}

func (t *terminal) Line(ctx context.Context, prompt string) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() { // waits for the user; on cancellation the process is about to end
		line, err := t.state.Prompt(prompt)
		done <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case r := <-done:
		if errors.Is(r.err, liner.ErrPromptAborted) {
			r.err = errAborted
		}
		return r.line, r.err
	}
}

// longestKept is the longest text of the history, in bytes: liner reads no longer lines from a file.
const longestKept = 4<<10 - 16

func (t *terminal) Keep(text string) {
	if text = shown(strings.TrimSpace(text)); text != "" && len(text) <= longestKept {
		t.state.AppendHistory(text)
	}
}

// Close restores the terminal and writes the history, which only the user can read.
func (t *terminal) Close() {
	defer t.state.Close()
	if t.history == "" || os.MkdirAll(filepath.Dir(t.history), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(t.history), ".history-*")
	if err != nil {
		return // a history is not worth an error
	}
	_, err = t.state.WriteHistory(f)
	if e := f.Close(); err == nil && e == nil {
		err = os.Rename(f.Name(), t.history)
	}
	if err != nil {
		os.Remove(f.Name())
	}
}

// HistoryFile is the file of the history in the user's cache folder, "" if there is none.
func HistoryFile() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "infer", "chat_history")
}

// asking prints prompts before lines that are not edited.
type asking struct {
	Lines
	out io.Writer
}

// Asking prints the prompts of lines.
func Asking(l Lines, out io.Writer) Lines { return &asking{l, out} }

func (a *asking) Line(ctx context.Context, prompt string) (string, error) {
	io.WriteString(a.out, prompt)
	return a.Lines.Line(ctx, prompt)
}

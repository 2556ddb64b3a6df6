package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/talk"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat/answer"
)

// closedOutput is a standard output that was closed when the program started (>&-). Each write to
// it is an error.
type closedOutput struct{}

func (closedOutput) Write([]byte) (int, error) { return 0, errClosedOutput }

var errClosedOutput = errors.New("it is closed")

// lost returns the error of an output that cannot be written to, before anything is written.
func (s *streams) lost() error {
	if w, ok := s.out.(*checkedWriter); ok && w.w == (closedOutput{}) {
		return &outputError{errClosedOutput}
	}
	return nil
}

// tokenWriter writes a text while it is generated. Each token is one Write and appears at once.
type tokenWriter struct {
	w      io.Writer
	json   bool
	safe   *texts.Stream  // for a terminal; nil: the text as it is
	last   byte           // the last byte written; 0 if none was
	parser *answer.Parser // of an answer; nil: a text
	screen *talk.Screen   // writes the answer
}

func newTokenWriter(w io.Writer, json bool) *tokenWriter {
	t := &tokenWriter{w: w, json: json}
	if isTerminalWriter(w) {
		t.safe = &texts.Stream{}
	}
	return t
}

func (t *tokenWriter) prompt(text string) error {
	if t.json {
		return texts.WriteJSON(t.w, map[string]string{"prompt": text})
	}
	if err := t.text(text); err != nil || t.safe == nil {
		return err
	}
	return t.write(t.safe.End())
}

// jsonToken is a line of --json.
type jsonToken struct {
	Token     int32  `json:"token"` // -1 for the rest of the text at the end
	Text      string `json:"text"`
	Reasoning string `json:"reasoning,omitempty"`
}

func (t *tokenWriter) token(tok runtime.Token) error {
	if t.parser != nil {
		return t.events(tok.ID, t.parser.Push(tok.Text))
	}
	if !t.json {
		return t.text(tok.Text)
	}
	if tok.ID < 0 && tok.Text == "" {
		return nil
	}
	return texts.WriteJSON(t.w, jsonToken{Token: tok.ID, Text: tok.Text})
}

// events writes what of an answer is certain after a token.
func (t *tokenWriter) events(id int32, list []answer.Event) error {
	line := jsonToken{Token: id}
	for _, e := range list {
		switch {
		case !t.json:
			if err := t.screen.Write(e); err != nil {
				return err
			}
		case e.Kind == answer.Content:
			line.Text += e.Text
		case e.Kind == answer.Reasoning && t.screen.Reasoning == talk.Show:
			line.Reasoning += e.Text
		}
	}
	if !t.json || id < 0 && line.Text+line.Reasoning == "" {
		return nil
	}
	return texts.WriteJSON(t.w, line)
}

func (t *tokenWriter) text(s string) error {
	if t.safe != nil {
		s = t.safe.Push(s)
	}
	return t.write(s)
}

func (t *tokenWriter) write(s string) error {
	if s == "" {
		return nil
	}
	t.last = s[len(s)-1]
	_, err := io.WriteString(t.w, s)
	return err
}

// finish ends the last line, so that a shell's prompt, or text appended to the file, begins a new
// one.
func (t *tokenWriter) finish() error {
	if t.parser != nil {
		err := t.events(-1, t.parser.End())
		if err == nil && !t.json {
			err = t.screen.End()
		}
		return err
	}
	rest := ""
	if t.safe != nil {
		rest = t.safe.End()
	}
	if !t.json && (rest != "" || t.last != 0 && t.last != '\n') {
		rest += "\n"
	}
	return t.write(rest)
}

// logger returns the logger of -v, which writes to standard error.
func (c *generateConfig) logger(s *streams) *slog.Logger {
	level := slog.LevelInfo
	if c.verbose > 1 {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
}

// warn prints defects of a model's file that do not prevent its use.
func warn(w io.Writer, warnings []string) {
	for _, line := range warnings {
		fmt.Fprintln(w, "infer: warning: "+texts.OneLine(line))
	}
}

// warnSlow warns if the program was compiled without instructions that this CPU has, which makes it
// up to 20 times slower, and names the remedy.
func warnSlow(w io.Writer) {
	sys, err := runtime.System()
	if err != nil || len(sys.Missing) == 0 || sys.Engine.Folder != "" {
		return
	}
	fmt.Fprintf(w, "infer: compiled without %s, which this CPU has, and therefore many times slower; set before 'go build' or 'go install':\n%s",
		strings.Join(sys.Missing, ", "), buildFlags())
}

// buildFlags returns the Makefile's build settings as commands for the system's shell.
func buildFlags() string {
	var b strings.Builder
	for _, v := range [][2]string{{"CGO_CFLAGS", "-O3 -march=native"}, {"CGO_CXXFLAGS", "-O3 -march=native"}, {"CGO_CPPFLAGS", "-DGGML_USE_CPU_REPACK"}} {
		fmt.Fprintf(&b, "  "+setVariable+"\n", v[0], v[1])
	}
	return b.String()
}

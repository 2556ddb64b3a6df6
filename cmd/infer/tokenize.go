package main

import (
	"context"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/runtime"
)

// tokenizeConfig holds the flags of `infer tokenize`.
type tokenizeConfig struct {
	flags            *flags
	model, file      string
	lines, ids, json bool
	noSpecial, plain bool
}

func tokenizeCommand() *command {
	f := newFlags()
	c := &tokenizeConfig{flags: f}
	f.group("Flags")
	f.text(&c.model, "model", "m", "", "MODEL", "a model, or a vocabulary-only file (default tiny, the embedded model)")
	f.text(&c.file, "file", "f", "", "FILE", "read the text from a file, - for standard input")
	f.BoolVar(&c.lines, "lines", false, "treat each line as a text of its own, without its newline")
	f.BoolVar(&c.ids, "ids", false, "print only the token numbers, one line per text")
	f.BoolVar(&c.json, "json", false, "print one JSON object per text")
	f.BoolVar(&c.noSpecial, "no-special", false, "do not add the tokens that begin and end a text (BOS, EOS)")
	f.BoolVar(&c.plain, "no-parse-special", false, "treat names of special tokens in the text as plain text")
	f.BoolVar(&c.noSpecial, "no-bos", false, "")
	f.hide("no-bos")
	engineFlag(f)
	return &command{
		name:     "tokenize",
		summary:  "show the tokens of a text",
		synopsis: []string{"[flags] [TEXT ...]"},
		about: "Shows the tokens of a text: the arguments, joined by spaces, a file, or standard input. The text is used unchanged, unless --lines is given. " +
			"Each token is printed on a line: its number, a tab, and its text in quotes.",
		examples: []string{
			`infer tokenize "Once upon a time"`, "with the embedded model's vocabulary",
			`infer tokenize -m model.gguf --ids --no-special < text.txt`, "only the numbers",
		},
		flags: f,
		run:   c.run,
	}
}

func (c *tokenizeConfig) run(ctx context.Context, s *streams, args []string) error {
	if c.ids && c.json {
		return usagef("--ids and --json exclude each other")
	}
	text, err := c.input(ctx, s, args)
	if err != nil {
		return err
	}
	v, err := runtime.OpenVocabulary(ctx, c.model)
	if err != nil {
		return err
	}
	defer v.Close()
	warn(s.err, v.Warnings())
	texts := []string{text}
	if c.lines {
		texts = splitLines(text)
	}
	for i, t := range texts {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		ids, err := v.Tokenize(t, runtime.TokenizeOptions{NoSpecial: c.noSpecial, Plain: c.plain})
		if err != nil {
			return err
		}
		if err := c.print(s.out, v, ids, i); err != nil {
			return err
		}
	}
	return nil
}

// input returns the text of the arguments, of the file or of standard input.
func (c *tokenizeConfig) input(ctx context.Context, s *streams, args []string) (string, error) {
	switch {
	case len(args) > 0 && c.flags.Changed("file"):
		return "", usagef("text in arguments and --file exclude each other")
	case len(args) > 0:
		return strings.Join(args, " "), nil
	case c.flags.Changed("file"):
		return s.readInput(ctx, c.file)
	case terminal.Is(s.in):
		return "", usagef("no text: give it as an argument, with -f FILE or on standard input")
	}
	return s.readInput(ctx, "-")
}

// splitLines returns the lines of a text without their newlines.
func splitLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

// print writes the tokens of the i-th text.
func (c *tokenizeConfig) print(w io.Writer, v *runtime.Vocabulary, ids []int32, i int) error {
	if c.ids {
		_, err := io.WriteString(w, joinIDs(ids)+"\n")
		return err
	}
	tokens := make([]tokenPiece, len(ids))
	for j, id := range ids {
		p, err := v.Piece(id)
		if err != nil {
			return err
		}
		tokens[j] = tokenPiece{id, piece(p)}
	}
	if c.json {
		return texts.WriteJSON(w, map[string]any{"tokens": tokens})
	}
	var b strings.Builder
	if i > 0 {
		b.WriteByte('\n') // an empty line separates texts
	}
	for _, t := range tokens {
		b.WriteString(strconv.Itoa(int(t.ID)) + "\t" + strconv.Quote(string(t.Piece)) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func joinIDs(ids []int32) string {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return string(b)
}

// tokenPiece is a token in the output of --json.
type tokenPiece struct {
	ID    int32 `json:"id"`
	Piece piece `json:"piece"`
}

// piece is the text of a token. In JSON it is a string or, if it is not valid UTF-8 (a part of a
// character), an array of its bytes, as in llama.cpp's server.
type piece string

func (p piece) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	if utf8.ValidString(string(p)) {
		err := texts.WriteJSON(&b, string(p))
		return []byte(b.String()), err
	}
	b.WriteByte('[')
	for i := range len(p) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(p[i])))
	}
	b.WriteByte(']')
	return []byte(b.String()), nil
}

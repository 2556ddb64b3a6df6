package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/cmd/infer/internal/values"
	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// embedConfig holds the flags of `infer embed`.
type embedConfig struct {
	textsConfig
	pooling, format string
	normalize       int
}

// textsConfig holds the flags that commands about many texts share.
type textsConfig struct {
	generateConfig
	separator string
}

// embedBatch is the number of texts that are evaluated between two updates of the progress.
const embedBatch = 256

var poolings = map[string]llama.Pooling{
	"": llama.PoolingDefault, "none": llama.PoolingNone, "mean": llama.PoolingMean, "cls": llama.PoolingCLS, "last": llama.PoolingLast, "rank": llama.PoolingRank,
}

func embedCommand() *command {
	f := newFlags()
	c := &embedConfig{textsConfig: textsConfig{generateConfig: generateConfig{flags: f}}}
	f.group("Model and texts")
	c.textFlags(f, "texts")
	f.group("Embeddings")
	f.choice(&c.pooling, "pooling", "", "", []string{"none", "mean", "cls", "last", "rank"}, "how the vectors of a text's tokens are combined into one; none keeps one per token, rank gives a classifier's scores (default as the model says, else mean)")
	f.integer(&c.normalize, "embd-normalize", "", 2, -1, math.MaxInt32, "normalisation of each vector: 2 Euclidean, 1 taxicab, more for other p-norms, 0 largest value 32760, -1 none")
	f.choice(&c.format, "embd-output-format", "", "json", embedFormats(), "json is OpenAI's format, json+ adds cosine similarities, array is an array of arrays; csv and raw have one line per vector, separated by commas or spaces; f32 is binary, 32-bit little-endian floats")
	c.memoryFlags(f, topicMemory)
	c.textOutputFlags(f, "print OpenAI's JSON format, and errors as JSON")
	return &command{
		name:     "embed",
		summary:  "compute embedding vectors of texts",
		synopsis: []string{"[flags] [TEXT ...]"},
		about: "Computes a vector for each text: the arguments, or the lines of a file or of standard input. As many texts as fit are evaluated together. " +
			"Embedding models (BERT and similar, Gemma Embedding, Qwen3 Embedding) use the pooling that their file names; for other models it is the mean of the last layer.",
		examples: []string{
			`infer embed -m bert.gguf "a red ball" "a blue ball"`, "OpenAI's JSON",
			`infer embed -m bert.gguf -f lines.txt --embd-output-format csv > vectors.csv`, "one vector per line of the file",
			`infer embed -m bert.gguf -f essay.txt --embd-separator ""`, "a whole file as one text",
		},
		flags: f,
		run:   c.run,
	}
}

// textFlags defines the flags for the input texts. The texts are called by the given plural in the
// help.
func (c *textsConfig) textFlags(f *flags, plural string) {
	f.text(&c.model, "model", "m", "", "MODEL", "a GGUF file or the name of a model (default tiny, the embedded model)")
	f.text(&c.file, "file", "f", "", "FILE", "take the "+plural+" from a file, - for standard input (the default without arguments)")
	c.separator = "\n"
	f.VarP(values.Text{P: &c.separator, Kind: "TEXT"}, "embd-separator", "", "separator between the "+plural+" of a file (default a newline); \"\" takes the file as one text")
}

func (c *textsConfig) textOutputFlags(f *flags, json string) {
	f.group("Output")
	f.BoolVar(&c.json, "json", false, json)
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, figures or warnings")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	f.CountVarP(&c.verbose, "verbose", "v", "log decisions to standard error; twice for more")
}

// texts returns the texts of the arguments, of the file or of standard input.
func (c *textsConfig) texts(ctx context.Context, s *streams, args []string, plural string) ([]string, error) {
	file := c.file
	switch {
	case len(args) > 0 && c.flags.Changed("file"):
		return nil, usagef("%s in arguments and --file exclude each other", plural)
	case len(args) > 0:
		return args, nil
	case !c.flags.Changed("file"):
		if s.in == nil || terminal.Is(s.in) {
			return nil, usagef("no %s: give them as arguments, with -f FILE or on standard input", plural)
		}
		file = "-"
	}
	all, err := s.readInput(ctx, file)
	if err != nil {
		return nil, err
	}
	if all = trimNewline(all); all == "" {
		return nil, usagef("no %s: the input is empty", plural)
	}
	separator := texts.Unescape(c.separator)
	if separator == "" {
		return []string{all}, nil
	}
	list := strings.Split(all, separator)
	if separator == "\n" {
		for i, line := range list {
			list[i] = strings.TrimSuffix(line, "\r")
		}
	}
	return list, nil
}

// openFor opens the model and a session for embeddings. Unless the context is given, the model
// chooses one for the texts.
func (c *textsConfig) openFor(ctx context.Context, s *streams, pooling llama.Pooling, fits func(*runtime.Model) (int, error)) (*runtime.Model, *runtime.Session, func(), error) {
	open, session, _, err := c.options()
	if err != nil {
		return nil, nil, nil, err
	}
	session.Embeddings, session.Pooling = true, pooling
	open.Session = session
	m, free, err := c.open(ctx, s, &open)
	if err != nil {
		return nil, nil, nil, err
	}
	var sess *runtime.Session
	if session.Context == 0 {
		session.Context, err = fits(m)
	}
	if err == nil {
		sess, err = m.NewSession(ctx, session)
	}
	if err != nil {
		free()
		return nil, nil, nil, err
	}
	return m, sess, func() { sess.Close(); free() }, nil
}

func (c *embedConfig) run(ctx context.Context, s *streams, args []string) error {
	switch {
	case c.json && c.flags.Changed("embd-output-format") && !strings.HasPrefix(c.format, "json"):
		return usagef("--json and --embd-output-format %s exclude each other", c.format)
	case c.format == "f32" && isTerminalWriter(s.out):
		return usagef("--embd-output-format f32 writes binary data and standard output is a terminal: redirect it to a file")
	case c.format == "json+" && c.pooling == "none":
		return usagef("--embd-output-format json+ needs one vector per text: use another --pooling than none")
	}
	inputs, err := c.texts(ctx, s, args, "texts")
	if err != nil {
		return err
	}
	m, sess, free, err := c.openFor(ctx, s, poolings[c.pooling], func(m *runtime.Model) (int, error) { return m.EmbedContext(inputs...) })
	if err != nil {
		return err
	}
	defer free()

	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress && c.verbose == 0)
	defer progress.Clear()
	progress.Items = "texts"
	o := runtime.EmbedOptions{Norm: c.norm(), Tokens: c.pooling == "none"}
	var list []runtime.Embedding
	tokens, start := 0, clock.Now()
	for from := 0; from < len(inputs); from += embedBatch {
		progress.Show("embedding", uint64(from), uint64(len(inputs)))
		part, err := sess.EmbedTexts(ctx, inputs[from:min(from+embedBatch, len(inputs))], o)
		if err != nil {
			return err
		}
		for _, e := range part {
			tokens += e.Count
		}
		list = append(list, part...)
	}
	progress.Clear()
	if err := writeEmbeddings(s.out, c.format, modelName(m), list, tokens); err != nil {
		return err
	}
	if !c.quiet {
		fmt.Fprintln(s.err, textFigures(len(inputs), "texts", tokens, clock.Since(start)))
	}
	return nil
}

// norm translates llama.cpp's numbers for norms.
func (c *embedConfig) norm() runtime.Norm {
	switch c.normalize {
	case -1:
		return runtime.NormNone
	case 0:
		return runtime.NormMax
	case 2:
		return runtime.NormEuclidean
	}
	return runtime.Norm(c.normalize)
}

// textFigures returns the closing line: how much was evaluated, and how fast.
func textFigures(n int, what string, tokens int, d time.Duration) string {
	return fmt.Sprintf("infer: %d %s, %d tokens in %.2f s, %.1f tok/s", n, what, tokens, d.Seconds(), float64(tokens)/max(d.Seconds(), 1e-9))
}

// isTerminalWriter reports whether w is a terminal.
func isTerminalWriter(w io.Writer) bool {
	_, ok := terminalOf(w)
	return ok
}

// embedFormats are the output formats. They have llama.cpp's names where it has them.
func embedFormats() []string { return []string{"json", "json+", "array", "csv", "raw", "f32"} }

// The objects of OpenAI's API.
type (
	embeddingList struct {
		Object string            `json:"object"`
		Model  string            `json:"model"`
		Data   []embeddingObject `json:"data"`
		Usage  tokenUsage        `json:"usage"`
		// Cosine has the cosine similarity of each pair of texts.
		Cosine [][]float32 `json:"cosineSimilarity,omitempty"`
	}
	embeddingObject struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"` // numbers, or with --pooling none a list of them for each token
	}
	tokenUsage struct {
		Prompt int `json:"prompt_tokens"`
		Total  int `json:"total_tokens"`
	}
)

// modelName is the model's name in results.
func modelName(m *runtime.Model) string { return filepath.Base(m.Report().Path) }

// writeEmbeddings writes vectors in one of the embedFormats.
func writeEmbeddings(w io.Writer, format, model string, list []runtime.Embedding, tokens int) error {
	switch format {
	case "json", "json+":
		o := embeddingList{Object: "list", Model: model, Data: []embeddingObject{}, Usage: tokenUsage{tokens, tokens}}
		for i, e := range list {
			o.Data = append(o.Data, embeddingObject{"embedding", i, numbersOf(e)})
		}
		if format == "json+" {
			o.Cosine = cosines(list)
		}
		return texts.WriteJSON(w, o)
	case "array":
		all := []any{}
		for _, e := range list {
			all = append(all, numbersOf(e))
		}
		return texts.WriteJSON(w, all)
	}
	b := bufio.NewWriter(w)
	var line []byte
	for _, e := range list {
		rows := e.Tokens
		if rows == nil {
			rows = [][]float32{e.Vector}
		}
		for _, row := range rows {
			line = appendRow(line[:0], format, row)
			if _, err := b.Write(line); err != nil {
				return err
			}
		}
	}
	return b.Flush()
}

// numbersOf returns the vector of a text, or a list of the vectors of its tokens.
func numbersOf(e runtime.Embedding) any {
	if e.Tokens != nil {
		return e.Tokens
	}
	return e.Vector
}

// appendRow appends a vector as a line of numbers, or as bytes.
func appendRow(b []byte, format string, row []float32) []byte {
	if format == "f32" {
		for _, x := range row {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
		}
		return b
	}
	for i, x := range row {
		switch {
		case i > 0 && format == "csv":
			b = append(b, ',')
		case i > 0:
			b = append(b, ' ')
		}
		b = strconv.AppendFloat(b, float64(x), 'g', -1, 32)
	}
	return append(b, '\n')
}

// cosines returns the cosine similarity of each pair of vectors; with a zero vector it is 0.
func cosines(list []runtime.Embedding) [][]float32 {
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	rows := make([][]float32, len(list))
	for i, a := range list {
		rows[i] = make([]float32, len(list))
		for j, b := range list {
			if length := math.Sqrt(dot(a.Vector, a.Vector) * dot(b.Vector, b.Vector)); length > 0 {
				rows[i][j] = float32(dot(a.Vector, b.Vector) / length)
			}
		}
	}
	return rows
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// quantizeConfig holds the flags of `infer quantize`.
type quantizeConfig struct {
	flags                   *flags
	model, output, kind     string
	threads                 int
	requantize, pure, force bool
	list, json              bool
	quiet, noProgress       bool
}

func quantizeCommand() *command {
	f := newFlags()
	c := &quantizeConfig{flags: f}
	f.group("Flags")
	f.text(&c.model, "model", "m", "", "MODEL", "the model to read")
	f.text(&c.output, "output", "o", "", "FILE", "the file to write (default in the model's folder, with the type in its name)")
	f.text(&c.kind, "type", "", "", "TYPE", "file type, as llama.cpp names them: q4_0, q4_k_m, …; see --list")
	f.BoolVar(&c.list, "list", false, "list the types")
	f.BoolVar(&c.json, "json", false, "print the list, or an error, as one JSON object")
	f.BoolVar(&c.requantize, "allow-requantize", false, "accept models that are already quantised, with additional loss of quality")
	f.BoolVar(&c.pure, "pure", false, "use the same type for all matrices")
	f.BoolVar(&c.force, "force", false, "overwrite an existing file")
	f.integer(&c.threads, "threads", "t", -1, -1, 512, "threads (default one per CPU)")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, no closing line")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	engineFlag(f)
	return &command{
		name:     "quantize",
		summary:  "quantise a model: write it with fewer bits per weight",
		synopsis: []string{"-m MODEL --type TYPE [-o FILE] [flags]", "[flags] MODEL [FILE] TYPE"},
		about:    "Writes a model with fewer bits per weight, with the same result as llama.cpp's own quantiser. The file appears when it is complete; an interrupted or failed run leaves nothing behind.",
		examples: []string{
			`infer quantize -m model-f16.gguf --type q4_0`, "writes model-q4_0.gguf",
			`infer quantize model-f16.gguf small.gguf q4_k_m`, "the same order as llama-quantize",
		},
		flags:  f,
		silent: true,
		run:    c.run,
	}
}

func (c *quantizeConfig) run(ctx context.Context, s *streams, args []string) error {
	if c.list {
		return listTypes(s.out, c.json)
	}
	if err := c.arguments(args); err != nil {
		return err
	}
	in, err := models.Resolve(c.model, models.ResolveOptions{})
	if err != nil {
		return err
	}
	if c.output == "" {
		c.output = quantizedName(in, c.kind)
	}
	if same, err := sameFile(in, c.output); err != nil {
		return err
	} else if same {
		return fmt.Errorf("%s is both input and output: name another output file with -o", c.output)
	}
	if err := checkOverwrite(c.output, c.force); err != nil {
		return err
	}

	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress)
	progress.Items = "tensors"
	defer progress.Clear()
	err = runtime.Quantize(ctx, in, c.output, runtime.QuantizeOptions{
		Type: c.kind, Threads: max(c.threads, 0), AllowRequantize: c.requantize, Pure: c.pure,
		Progress: func(done, total int, _ string) { progress.Show("quantizing", uint64(done), uint64(total)) },
	})
	progress.Clear()
	if errors.Is(err, runtime.ErrQuantised) {
		return fmt.Errorf("%w (--allow-requantize)", err)
	}
	if err != nil || c.quiet {
		return err
	}
	return c.summary(s, in)
}

// arguments reads the positional arguments, in llama-quantize's order.
func (c *quantizeConfig) arguments(args []string) error {
	if c.model == "" && len(args) > 0 {
		c.model, args = args[0], args[1:]
	}
	if c.kind == "" && len(args) > 0 {
		c.kind, args = args[len(args)-1], args[:len(args)-1]
	}
	if c.output == "" && len(args) > 0 {
		c.output, args = args[0], args[1:]
	}
	switch {
	case len(args) > 0:
		return unexpected(args)
	case c.model == "":
		return usagef("no model: give one with -m FILE")
	case c.kind == "":
		return usagef("no type: give one with --type; 'infer quantize --list' lists them")
	}
	return checkType(c.kind)
}

func (c *quantizeConfig) summary(s *streams, in string) error {
	before, err := tensorBytes(in)
	if err != nil {
		return err
	}
	after, err := tensorBytes(c.output)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.err, "infer: wrote %s: weights of %s, before %s (%.0f%%)\n",
		texts.OneLine(c.output), words.Size(after), words.Size(before), 100*float64(after)/float64(max(before, 1)))
	return nil
}

func tensorBytes(path string) (uint64, error) {
	index, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		return 0, err
	}
	defer index.Close()
	return index.Bytes(), nil
}

// quantizedName appends the type to a file's name, in place of another type at its end:
// model-f16.gguf becomes model-q4_0.gguf.
func quantizedName(in, kind string) string {
	dir, base := filepath.Split(in)
	base = strings.TrimSuffix(base, ".gguf")
	if i := strings.Index(base, "-00001-of-"); i > 0 {
		base = base[:i]
	}
	if i := strings.LastIndexAny(base, "-._"); i > 0 && isTypeName(base[i+1:]) {
		base = base[:i]
	}
	return dir + base + "-" + strings.ToLower(kind) + ".gguf"
}

func isTypeName(s string) bool {
	_, err := gguf.ParseType(strings.ToLower(s))
	return err == nil
}

// sameFile reports whether two paths lead to the same file.
func sameFile(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y), nil
}

// checkOverwrite refuses to overwrite a file that is not empty.
func checkOverwrite(path string, force bool) error {
	info, err := os.Lstat(path)
	if err != nil || force || info.Mode().IsRegular() && info.Size() == 0 {
		return nil // other errors of the path are reported when the file is written
	}
	if info.IsDir() {
		return fmt.Errorf("%s is a folder: name a file", path)
	}
	return fmt.Errorf("%s exists: overwrite it with --force, or name another file", path)
}

func listTypes(w io.Writer, json bool) error {
	if json {
		return texts.WriteJSON(w, map[string][]string{"types": llama.FileTypes()})
	}
	_, err := fmt.Fprintln(w, strings.Join(llama.FileTypes(), "\n"))
	return err
}

// checkType refuses unknown types. Types that the engine refuses for another reason are left to it.
func checkType(name string) error {
	low := strings.ToLower(name)
	known := append(llama.FileTypes(), "q3_k", "q4_k", "q5_k") // short names of the medium variants
	if slices.Contains(known, low) || strings.HasPrefix(low, "iq") {
		return nil
	}
	if s := spellings.Suggest(low, known); s != "" {
		return usagef("unknown type %q (did you mean %s?)", name, s)
	}
	return usagef("unknown type %q; 'infer quantize --list' lists them", name)
}

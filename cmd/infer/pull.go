package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"text/tabwriter"

	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/models/pull"
	"github.com/seed7adf6694/infer/runtime"
)

// pullConfig holds the flags of `infer pull`.
type pullConfig struct {
	options                 pull.Options
	json, quiet, noProgress bool
}

func pullCommand() *command {
	f := newFlags()
	c := &pullConfig{}
	f.group("Flags")
	f.text(&c.options.Dir, "dir", "", "", "DIR", "the folder of models (default the first of $INFER_MODELS, or infer/models in the user's folder for data)")
	f.text(&c.options.SHA256, "sha256", "", "", "HEX", "the file's SHA-256, for a URL")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, no closing line")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	return &command{
		name: "pull", summary: "download a model", synopsis: []string{"[flags] ORG/REPO[:TYPE]", "[flags] ORG/REPO/FILE", "[flags] URL"},
		about: "Downloads a model from Hugging Face, or from an https URL, into the folder of models, all of its shards, and prints its path. -m takes the same name. Without a type it is Q4_K_M, or else the repository's first model. " +
			"What was cut off goes on at the next call. The SHA-256 that the server lists is checked, and the header before the rest comes. " +
			"$HF_ENDPOINT is another server with the same interface; $HF_TOKEN is sent to it alone.",
		examples: []string{
			`infer pull ggml-org/gemma-3-1b-it-GGUF`, "the Q4_K_M of a repository",
			`infer -m ggml-org/gemma-3-1b-it-GGUF -p "..."`, "use it",
			`infer list`, "what is there",
		},
		flags: f, run: c.run,
	}
}

// pullError is an error of package pull.
type pullError struct{ error }

func (e *pullError) Unwrap() error { return e.error }

func (c *pullConfig) run(ctx context.Context, s *streams, args []string) error {
	switch {
	case len(args) == 0:
		return usagef("no model: give its name, as in org/repo:Q4_K_M, or a URL")
	case len(args) > 1:
		return unexpected(args[1:])
	}
	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress)
	defer progress.Clear()
	c.options.Progress = func(p pull.Progress) {
		label := p.Step
		if p.Of > 1 {
			label = fmt.Sprintf("%s %d of %d", p.Step, p.Index, p.Of)
		}
		progress.Show(label, p.Done, p.Total)
	}
	r, err := pull.Pull(ctx, args[0], c.options)
	progress.Clear()
	switch {
	case errors.Is(err, pull.ErrSource):
		return usagef("%s", strings.TrimPrefix(err.Error(), pull.ErrSource.Error()+": "))
	case err != nil:
		return &pullError{err}
	}
	if c.json {
		return texts.WriteJSON(s.out, map[string]any{"path": r.Path, "files": r.Files, "size_bytes": r.Bytes, "downloaded_bytes": r.Downloaded})
	}
	if !c.quiet {
		line := fmt.Sprintf("%s downloaded, the rest of %s was there", words.Size(r.Downloaded), words.Size(r.Bytes))
		switch r.Downloaded {
		case 0:
			line = words.Size(r.Bytes) + ", which were there already"
		case r.Bytes:
			line = words.Size(r.Bytes) + " downloaded"
		}
		fmt.Fprintln(s.err, "infer: "+line)
	}
	_, err = fmt.Fprintln(s.out, texts.OneLine(r.Path))
	return err
}

// listedModel is a model in the JSON output.
type listedModel struct {
	Name        string `json:"name"`
	Path        string `json:"path"`
	Size        uint64 `json:"size_bytes"`
	Description string `json:"description"` // architecture, size and type of the weights
	Fits        bool   `json:"fits"`        // now
	Streamed    uint64 `json:"streamed_bytes_per_pass"`
	Error       string `json:"error,omitempty"` // why it can't be used
}

func listCommand() *command {
	f := newFlags()
	asJSON := false
	f.group("Flags")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return &command{
		name: "list", summary: "list the models in the folders of models", synopsis: []string{"[flags]"},
		about: "Lists the models in the folders of $INFER_MODELS and in the user's folder of models, with their size, type, and whether they fit into the memory that is available now: as a whole, or with weights that are streamed for each token. 'infer plan' says more.",
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			if len(args) > 0 {
				return unexpected(args)
			}
			var found []models.Listed
			for _, dir := range models.Dirs() {
				here, err := models.List(dir)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				found = append(found, here...)
			}
			list := []listedModel{}
			for _, m := range found {
				l := listedModel{Name: m.Name, Path: m.Path, Size: m.Size}
				if err := l.judge(ctx); err != nil {
					return err
				}
				list = append(list, l)
			}
			if asJSON {
				return texts.WriteJSON(s.out, map[string]any{"models": list, "folders": models.Dirs()})
			}
			return printModels(s, list)
		},
	}
}

// judge finds out whether a model fits. Its error is that of ctx.
func (l *listedModel) judge(ctx context.Context) error {
	f, err := runtime.Plan(ctx, l.Path, runtime.Options{})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		l.Error = err.Error()
		return nil
	}
	l.Description = f.Description
	for _, p := range f.Modes {
		if p.Mode != runtime.LoadMMap || !p.Fits || l.Fits {
			continue
		}
		l.Fits = true
		if p.Budget != nil {
			l.Streamed = p.Budget.Streamed
		}
	}
	return nil
}

func printModels(s *streams, list []listedModel) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, l := range list {
		fits := "does not fit"
		switch {
		case l.Error != "":
			fits = texts.OneLine(l.Error)
		case l.Streamed > 0:
			fits = "fits, reads " + words.Size(l.Streamed) + " a token"
		case l.Fits:
			fits = "fits"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", texts.Visible(l.Name, true), words.Size(l.Size), texts.Visible(l.Description, true), fits)
	}
	t.Flush()
	if len(list) == 0 {
		b.WriteString("no models: 'infer pull NAME' downloads one; -m finds models in the folders of $INFER_MODELS\n")
	}
	_, err := fmt.Fprint(s.out, b.String())
	return err
}

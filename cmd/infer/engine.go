package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/engineview"
	"github.com/seed7adf6694/infer/cmd/infer/internal/spellings"
	"github.com/seed7adf6694/infer/cmd/infer/internal/terminal"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama/engines"
)

const engineName = "engine"

func engineCommand() *command {
	c := &command{
		name:     engineName,
		summary:  "list, check, choose, add or remove engines: builds of llama.cpp as libraries",
		synopsis: []string{"list [flags]", "check [flags] [NAME|DIR]", "use [flags] NAME|DIR|builtin", "add [flags] FILE|DIR|URL", "remove [flags] NAME"},
		about: "An engine is a folder with the shared libraries of a build of llama.cpp: a release, a package of npm, what a distribution installs. " +
			"Engines are found beside the program, in the user's folder for data, in the usual folders of libraries and in packages of npm; never beside a model or in the working directory. " +
			"Before its first use an engine is tried in a process of its own. --engine of the other commands, or $INFER_ENGINE, names the engine of a run.",
		examples: []string{
			`infer engine list`, "which engines there are, and where they are looked for",
			`infer engine add --name new llama-bin-ubuntu-x64.tar.gz`, "unpack the libraries of a release",
			`infer engine use new`, "use them from now on",
			`infer engine remove new`, "remove them",
		},
		flags: newFlags(),
		below: []*command{engineListCommand(), engineCheckCommand(), engineUseCommand(), engineAddCommand(), engineRemoveCommand()},
	}
	c.run = func(_ context.Context, _ *streams, args []string) error {
		names := c.belowNames()
		want := "want " + strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
		if len(args) == 0 {
			return usagef("%s", want)
		}
		if m := spellings.Suggest(args[0], names); m != "" {
			return usagef("unknown command %s (did you mean %s?)", words.Quoted(args[0]), m)
		}
		return usagef("unknown command %s: %s", words.Quoted(args[0]), want)
	}
	return c
}

func engineListCommand() *command {
	f := newFlags()
	asJSON := false
	f.group("Flags")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return &command{
		name: engineName + " list", summary: "list engines, and the places that are looked at", synopsis: []string{"[flags]"},
		about: "Lists the engines in all places, with the version and variant that their files' names have. An engine that others could replace is used only when it is named. The first line is what 'infer engine use' has chosen. The last column is what the trial before the first use, or 'infer engine check', has shown of an engine as it is now. Nothing is loaded.",
		flags: f,
		run: func(_ context.Context, s *streams, args []string) error {
			if len(args) > 0 {
				return unexpected(args)
			}
			places := engineview.Places(engines.Find())
			chosen, err := engines.Choice()
			if err != nil {
				return engineError(err)
			}
			if asJSON {
				return texts.WriteJSON(s.out, map[string]any{"chosen": chosen, "places": places})
			}
			if _, err := fmt.Fprintf(s.out, "chosen: %s\n", texts.OneLine(chosen)); err != nil {
				return err
			}
			return engineview.Print(s.out, places)
		},
	}
}

// engineAdding holds the flags of `infer engine add`.
type engineAdding struct {
	options                 engines.Options
	json, quiet, noProgress bool
}

func engineAddCommand() *command {
	f := newFlags()
	c := &engineAdding{}
	f.group("Flags")
	f.text(&c.options.Name, "name", "", "", "NAME", "its name (default: that of the source)")
	f.text(&c.options.Dir, "dir", "", "", "DIR", "the folder to add it to (default the user's folder)")
	f.text(&c.options.SHA256, "sha256", "", "", "HEX", "the archive's SHA-256")
	f.text(&c.options.Integrity, "integrity", "", "", "TEXT", "the archive's integrity as npm shows it: sha512-…")
	f.text(&c.options.Folder, "folder", "", "", "DIR", "the folder of the engine within the source, if there are several")
	f.BoolVar(&c.options.Replace, "force", false, "replace an engine of the same name")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress bar, no closing line")
	f.BoolVar(&c.noProgress, "no-progress", false, "no progress bar")
	return &command{
		name: engineName + " add", summary: "add an engine from a folder, an archive or a URL", synopsis: []string{"[flags] FILE|DIR|URL"},
		about: "Copies the libraries of a folder, of an archive (tar.gz, zip, a package of npm) or of one that is downloaded into the user's folder, infer/engines in the folder for data. A download needs --sha256 or --integrity. " +
			"What is in an archive is checked before anything is written; the engine appears when it is complete, and a failed or interrupted run leaves nothing behind. Nothing is loaded.",
		examples: []string{
			`infer engine add --name new llama-bin-ubuntu-x64.tar.gz`, "the libraries of a release",
			`infer engine add "$(npm pack @node-llama-cpp/linux-x64-vulkan)"`, "a package that npm has downloaded and checked",
		},
		flags: f,
		run:   c.run,
	}
}

func (c *engineAdding) run(ctx context.Context, s *streams, args []string) error {
	switch {
	case len(args) == 0:
		return usagef("no engine: give a file, a folder or a URL")
	case len(args) > 1:
		return unexpected(args[1:])
	case args[0] == "":
		return usagef("the engine's file, folder or URL is empty")
	}
	progress := terminal.NewBar(s.err, !c.quiet && !c.noProgress)
	defer progress.Clear()
	c.options.Progress = progress.Show
	f, err := engines.Add(ctx, args[0], c.options)
	progress.Clear()
	if err != nil {
		return engineError(err)
	}
	e := engineview.Of(f)
	if c.json {
		return texts.WriteJSON(s.out, e)
	}
	if c.quiet {
		return nil
	}
	_, err = fmt.Fprintf(s.out, "added %s: %s (backends: %s)\n", filepath.Base(e.Folder), texts.OneLine(e.Folder), texts.OneLine(e.Devices()))
	return err
}

func engineRemoveCommand() *command {
	f := newFlags()
	asJSON := false
	f.group("Flags")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return &command{
		name: engineName + " remove", summary: "remove an engine that was added", synopsis: []string{"[flags] NAME"},
		about: "Removes an engine from the user's folder. Programs that use it keep it until they end; on Windows it can't be removed before that.",
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("no engine: give its name; 'infer engine list' lists them")
			case len(args) > 1:
				return unexpected(args[1:])
			}
			if err := engines.Remove(ctx, args[0]); err != nil {
				return engineError(err)
			}
			if asJSON {
				return texts.WriteJSON(s.out, map[string]any{"removed": args[0]})
			}
			_, err := fmt.Fprintf(s.out, "removed %s\n", args[0])
			return err
		},
	}
}

// engineError adds the flags that help to an error about an engine.
func engineError(err error) error {
	var archive *engines.ArchiveError
	switch {
	case errors.Is(err, engines.ErrNoChecksum):
		return usagef("%s: give --sha256 HEX or --integrity sha512-…", err)
	case errors.Is(err, engines.ErrName), errors.Is(err, engines.ErrBadChecksum):
		return usagef("%s", err)
	case errors.Is(err, engines.ErrExists):
		return fmt.Errorf("%w: --force replaces it, --name gives another name", err)
	case errors.Is(err, engines.ErrNotFound):
		return fmt.Errorf("%w: 'infer engine list' lists those that are there", err)
	case errors.Is(err, engines.ErrChoice):
		return fmt.Errorf("%w: 'infer engine use builtin' writes it again", err)
	case errors.As(err, &archive) && archive.Several != nil:
		return fmt.Errorf("%w with --folder", err)
	}
	return err
}

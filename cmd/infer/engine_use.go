package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/engineview"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/llama/engines"
	"github.com/seed7adf6694/infer/runtime/engine"
)

const (
	// trialArgument is the first argument of a process that tries an engine. It is not meant for users.
	trialArgument = "engine-trial"
	// engineVariable is the default of --engine.
	engineVariable = "INFER_ENGINE"
)

// engineUse says who chose the engine of a run.
type engineUse struct {
	by string // "--engine", "$INFER_ENGINE" or "infer engine use"; "" for the compiled-in engine without a choice
}

// engineOptions are those for an engine that is tried by this program.
func engineOptions(name string) (engine.Options, error) {
	exe, err := os.Executable()
	if err != nil {
		return engine.Options{}, fmt.Errorf("cannot find this program's executable to try an engine: %w", err)
	}
	return engine.Options{Engine: name, Command: []string{exe, trialArgument}}, nil
}

// useEngine uses the engine that the flags of a command, the environment or the user's choice name.
func (s *streams) useEngine(ctx context.Context, f *flags) error {
	flag := f.Lookup(engineName)
	if flag == nil {
		return nil // the command needs none
	}
	name, by := flag.Value.String(), "--"+engineName
	if !flag.Changed {
		name, by = os.Getenv(engineVariable), "$"+engineVariable
	}
	if name == "" && flag.Changed {
		return usagef("--%s is empty: want builtin, auto, or the name or folder of an engine", engineName)
	}
	if name == "" || name == engine.Auto {
		name, by = engine.Auto, "infer engine use"
	}
	if name == engine.Builtin && llama.Engine().Folder == "" {
		s.engine = engineUse{by: by}
		return nil
	}
	o, err := engineOptions(name)
	if err != nil {
		return err
	}
	info, err := engine.Use(ctx, o)
	if err != nil {
		return useError(err, name)
	}
	if info.Folder != "" || name != engine.Auto {
		s.engine = engineUse{by: by}
	}
	return nil
}

// useError adds to the error of an engine what helps. named is how it was asked for.
func useError(err error, named string) error {
	other := "--engine builtin uses the compiled-in engine"
	if named == engine.Auto {
		other = "'infer engine use builtin' goes back to the compiled-in engine"
	}
	var refused *engine.Error
	switch {
	case errors.As(err, &refused) && !refused.Checked.IsZero():
		return fmt.Errorf("%w: %s, 'infer engine check %s' tries this one again", err, other, texts.OneLine(refused.Folder))
	case errors.Is(err, engine.ErrRefused), errors.Is(err, llama.ErrEngineVersion):
		return fmt.Errorf("%w: %s", err, other)
	case errors.Is(err, engines.ErrChoice):
		return engineError(err)
	case errors.Is(err, engines.ErrUntrusted):
		return fmt.Errorf("%w; 'infer engine add' copies it to your folder, --engine DIR uses it as it is", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: 'infer engine list' lists those that are there, %s", err, other)
	}
	return err
}

// checkedEngine is the output of `infer engine check --json`.
type checkedEngine struct {
	Folder   string         `json:"folder"` // "": compiled in
	Version  string         `json:"version"`
	ABI      string         `json:"abi"`
	Library  string         `json:"library"`
	Backends []string       `json:"backends"`
	Devices  []device       `json:"devices"`
	OK       bool           `json:"ok"`
	Failure  engine.Failure `json:"failure"` // "" if ok
	Reason   string         `json:"reason"`
	Hash     string         `json:"hash"`
}

func describeChecked(c engine.Checked) checkedEngine {
	e := checkedEngine{
		Folder: c.Engine.Folder, Version: c.Engine.Version, ABI: c.Engine.ABI, Library: c.Engine.Library,
		Backends: list(c.Backends), Devices: []device{}, OK: c.OK, Failure: c.Failure, Reason: c.Reason, Hash: c.Hash,
	}
	for _, d := range c.Devices {
		e.Devices = append(e.Devices, device{d.Name, d.Description, d.Kind, d.MemoryFree, d.MemoryTotal})
	}
	return e
}

func (e checkedEngine) text() string {
	var b strings.Builder
	row := func(name, value string) { fmt.Fprintf(&b, "%-14s %s\n", name, texts.OneLine(value)) }
	row("engine", cmp.Or(e.Folder, engine.Builtin))
	if e.ABI != "" {
		row("version", "llama.cpp "+e.Version+", ABI "+e.ABI)
	}
	if devices := (engineview.Engine{Backends: e.Backends}).Devices(); devices != "" {
		row("backends", devices)
	}
	for i, d := range e.Devices {
		name := "devices"
		if i > 0 {
			name = ""
		}
		row(name, fmt.Sprintf("%s (%s), %s, %s", d.Name, d.Kind, d.Description, words.Size(d.Total)))
	}
	if e.OK {
		row("verdict", "it computes the known text")
	} else {
		row("verdict", "refused: "+e.Reason)
	}
	return b.String()
}

func engineCheckCommand() *command {
	f := newFlags()
	asJSON := false
	f.group("Flags")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return &command{
		name: engineName + " check", summary: "try an engine, and keep the verdict", synopsis: []string{"[flags] [NAME|DIR]"},
		about: "Tries an engine anew: a process of its own loads it, loads the embedded model, generates a text that is known, and ends. Without an argument it is that of $INFER_ENGINE or 'infer engine use'. " +
			"The verdict is kept for this machine and the contents of the libraries. An engine that is refused is a failure.",
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			name := cmp.Or(os.Getenv(engineVariable), engine.Auto)
			switch {
			case len(args) > 1:
				return unexpected(args[1:])
			case len(args) == 1:
				name = args[0]
			}
			c, err := checkEngine(ctx, name)
			if err != nil {
				return err
			}
			e := describeChecked(c)
			if asJSON {
				err = texts.WriteJSON(s.out, e)
			} else {
				_, err = fmt.Fprint(s.out, e.text())
			}
			return errors.Join(err, c.Err())
		},
	}
}

// checkEngine tries the engine of a name.
func checkEngine(ctx context.Context, name string) (engine.Checked, error) {
	o, err := engineOptions(name)
	if err != nil {
		return engine.Checked{}, err
	}
	c, err := engine.Check(ctx, o)
	if err != nil {
		return c, useError(err, name)
	}
	return c, nil
}

func engineUseCommand() *command {
	f := newFlags()
	asJSON := false
	f.group("Flags")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	return &command{
		name: engineName + " use", summary: "choose the engine that is used from now on", synopsis: []string{"[flags] NAME|DIR|builtin"},
		about: "Tries an engine, as 'infer engine check' does, and stores it as the choice of this user: engine.json in infer in the folder for configuration. It is the engine of each run without --engine and $INFER_ENGINE. " +
			"A folder in which others could replace a library can't be chosen; 'infer engine add' copies it.",
		flags: f,
		run: func(ctx context.Context, s *streams, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("no engine: give its name or folder, or builtin")
			case len(args) > 1:
				return unexpected(args[1:])
			case args[0] == engine.Auto:
				return usagef("auto is the engine that was chosen: give a name, a folder or builtin")
			}
			c, err := checkEngine(ctx, args[0])
			switch {
			case err != nil:
				return err
			case c.Err() != nil:
				return c.Err()
			case c.Untrusted != nil:
				return fmt.Errorf("%w; 'infer engine add' copies it to your folder, --engine DIR uses it as it is", c.Untrusted)
			}
			choice := args[0]
			if choice != engine.Builtin && engines.CheckName(choice) != nil { // a path
				if choice, err = filepath.Abs(choice); err != nil {
					return err
				}
			}
			if err := engines.SetChoice(choice); err != nil {
				return err
			}
			if asJSON {
				return texts.WriteJSON(s.out, map[string]any{"chosen": choice, "engine": describeChecked(c)})
			}
			_, err = fmt.Fprintf(s.out, "chosen: %s (%s)\n", texts.OneLine(choice), texts.OneLine(c.Engine.String()))
			return err
		},
	}
}

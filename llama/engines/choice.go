package engines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
)

// Builtin is the name of the compiled-in engine, which no folder has.
const Builtin = "builtin"

// ErrChoice is wrapped if the file with the user's choice can't be read.
var ErrChoice = errors.New("the user's choice of an engine can't be read")

// mostChoice bounds the file, in bytes.
const mostChoice = 64 << 10

// choice is the content of the file.
type choice struct {
	Engine string `json:"engine"`
}

// choicePath is where the choice is stored: infer/engine.json in the user's folder for configuration.
func choicePath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoHome, err)
	}
	return filepath.Join(dir, "infer", "engine.json"), nil
}

// Choice returns the engine that the user has chosen by [SetChoice], for [Open], or [Builtin] if none
// was chosen. The error wraps [ErrChoice] for a file that has no choice, [ErrUntrusted] for one that
// others can write to.
func Choice() (string, error) {
	path, err := choicePath()
	if err != nil {
		return Builtin, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Builtin, nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrChoice, err)
	}
	defer f.Close()
	if err := distrust(path); err != nil {
		return "", fmt.Errorf("%w: %w", ErrChoice, err)
	}
	var c choice
	text, err := io.ReadAll(io.LimitReader(f, mostChoice))
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil {
		err = checkChoice(c.Engine)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrChoice, words.QuotePath(path), err)
	}
	return c.Engine, nil
}

// SetChoice stores the user's choice in place of an earlier one: [Builtin], the name of an engine in
// the user's folder, or the absolute path of a folder or of a library llama. It does not look whether
// the engine can be used. Paths that are not absolute wrap [ErrName].
func SetChoice(name string) error {
	if err := checkChoice(name); err != nil {
		return err
	}
	path, err := choicePath()
	if err != nil {
		return err
	}
	text, err := words.EncodeJSON(choice{name})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return files.Publish(path, 0o600, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

func checkChoice(name string) error {
	if name == Builtin || filepath.IsAbs(name) && !strings.Contains(name, "\x00") {
		return nil
	}
	return CheckName(name)
}

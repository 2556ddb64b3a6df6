package engines

import (
	"fmt"
	"path/filepath"
)

// UserDir returns the user's folder of engines, which need not exist: infer/engines in $XDG_DATA_HOME
// (default ~/.local/share), on Windows in %LocalAppData%, on macOS in ~/Library/Application
// Support. The error wraps [ErrNoHome].
func UserDir() (string, error) { return dataDir("engines") }

// dataDir returns a folder of this program in the user's folder for data.
func dataDir(name string) (string, error) {
	base, err := userData()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoHome, err)
	}
	return filepath.Join(base, "infer", name), nil
}

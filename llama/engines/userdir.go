package engines

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/userdir"
)

// UserDir returns the user's folder of engines, which need not exist: infer/engines in $XDG_DATA_HOME
// (default ~/.local/share), on Windows in %LocalAppData%, on macOS in ~/Library/Application
// Support. The error wraps [ErrNoHome].
func UserDir() (string, error) { return dataDir("engines") }

// dataDir returns a folder of this program in the user's folder for data.
func dataDir(name string) (string, error) {
	dir, err := userdir.Data(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoHome, err)
	}
	return dir, nil
}

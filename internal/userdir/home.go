//go:build !windows

package userdir

import (
	"fmt"
	"os"
	"path/filepath"
)

// fromHome returns a folder in the home folder.
func fromHome(path ...string) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(home) {
		return "", fmt.Errorf("the home folder %q is no absolute path", home)
	}
	return filepath.Join(append([]string{home}, path...)...), nil
}

//go:build !windows && !darwin

package userdir

import (
	"os"
	"path/filepath"
)

// userData is the user's folder for data.
func userData() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	return fromHome(".local", "share")
}

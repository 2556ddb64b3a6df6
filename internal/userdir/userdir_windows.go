package userdir

import (
	"errors"
	"os"
	"path/filepath"
)

// userData is the user's folder for data.
func userData() (string, error) {
	if dir := os.Getenv("LocalAppData"); filepath.IsAbs(dir) {
		return dir, nil
	}
	return "", errors.New("%LocalAppData% is not set")
}

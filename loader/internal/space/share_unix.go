//go:build unix

package space

import (
	"errors"
	"os"
)

// tempMemory returns an unlinked temporary file, for systems without files in memory.
func tempMemory() (*os.File, error) {
	f, err := os.CreateTemp("", "infer-scratch-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

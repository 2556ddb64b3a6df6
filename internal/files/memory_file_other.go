//go:build !linux

package files

import (
	"errors"
	"fmt"
	"os"
)

// MemoryFile is not supported on this system: the error wraps [errors.ErrUnsupported].
func MemoryFile(name, content string) (*os.File, error) {
	return nil, fmt.Errorf("a file in memory: %w", errors.ErrUnsupported)
}

//go:build !linux

package files

import (
	"errors"
	"fmt"
	"os"
)

// MemoryFile makes a file in memory with a content that nobody can change any more. There
// is no such thing here: the error is [errors.ErrUnsupported].
func MemoryFile(name, content string) (*os.File, error) {
	return nil, fmt.Errorf("a file in memory: %w", errors.ErrUnsupported)
}

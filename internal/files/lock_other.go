//go:build !linux && !darwin && !windows

package files

import (
	"errors"
	"os"
)

// Lock is not supported on this system.
func Lock(*os.File) error { return errors.ErrUnsupported }

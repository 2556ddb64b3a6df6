//go:build !linux && !darwin && !windows

package files

import (
	"errors"
	"os"
)

// Lock is not known here.
func Lock(*os.File) error { return errors.ErrUnsupported }

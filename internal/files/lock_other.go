//go:build !linux && !darwin && !windows

package files

import (
	"errors"
	"os"
)

func lockFile(*os.File) error { return errors.ErrUnsupported }

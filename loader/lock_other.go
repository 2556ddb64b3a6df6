//go:build !linux && !darwin && !windows

package loader

import (
	"errors"
	"os"
)

func lockFile(*os.File) error { return errors.ErrUnsupported }

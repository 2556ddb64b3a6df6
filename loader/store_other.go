//go:build !linux && !darwin && !windows

package loader

import (
	"errors"
	"os"
)

func lockFile(*os.File) error { return errors.ErrUnsupported }

func diskFree(string) (uint64, error) { return 0, errors.ErrUnsupported }

//go:build !linux && !darwin && !windows

package loader

import (
	"errors"
	"os"
)

func openDirect(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

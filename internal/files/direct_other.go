//go:build !linux && !darwin && !windows

package files

import (
	"errors"
	"os"
)

func openDirect(*os.File) (*os.File, error) { return nil, errors.ErrUnsupported }

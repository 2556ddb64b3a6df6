//go:build !linux && !darwin && !windows

package packed

import "errors"

func diskFree(string) (uint64, error) { return 0, errors.ErrUnsupported }

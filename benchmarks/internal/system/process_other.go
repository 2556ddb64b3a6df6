//go:build !linux

package system

import "errors"

// DiskRead is not known here.
func DiskRead() (uint64, error) { return 0, errors.ErrUnsupported }

//go:build !linux

package system

import "errors"

// DiskRead is not available on this system.
func DiskRead() (uint64, error) { return 0, errors.ErrUnsupported }

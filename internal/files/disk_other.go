//go:build !linux && !darwin && !windows

package files

import "errors"

// DiskFree returns the bytes that this user can still write to the file system of a folder.
func DiskFree(string) (uint64, error) { return 0, errors.ErrUnsupported }

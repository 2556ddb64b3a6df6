//go:build !linux

package benchmarks

import "errors"

func diskRead() (uint64, error) { return 0, errors.ErrUnsupported }

//go:build !linux

package system

import "errors"

// ReadaheadOf is not available on this system.
func ReadaheadOf(string) (*Readahead, error) { return nil, errors.ErrUnsupported }

// Bytes is not available on this system.
func (r *Readahead) Bytes() (uint64, error) { return 0, errors.ErrUnsupported }

func (r *Readahead) write(uint64) error { return errors.ErrUnsupported }

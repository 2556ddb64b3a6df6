//go:build !linux

package loader

import (
	"context"
	"errors"
)

// batch is reading several pieces with one call, which this system has no way for that
// would gain anything.
type batch struct{}

func newBatch() (*batch, error) { return nil, errors.ErrUnsupported }

func (*batch) read(context.Context, []*directFile, []request, func(request, uint64)) error {
	return errors.ErrUnsupported
}

func (*batch) close() {}

//go:build !linux

package residency

import (
	"context"
	"errors"

	"github.com/seed7adf6694/infer/internal/files"
)

// batch is reading several pieces with one call, which this system has no way for that
// would gain anything.
type batch struct{}

func newBatch() (*batch, error) { return nil, errors.ErrUnsupported }

func (*batch) read(context.Context, []*files.DirectFile, []request, func(request, uint64)) error {
	return errors.ErrUnsupported
}

func (*batch) close() {}

//go:build !linux

package residency

import (
	"context"
	"errors"

	"github.com/seed7adf6694/infer/internal/files"
)

// batch is not available on this system.
type batch struct{}

func newBatch() (*batch, error) { return nil, errors.ErrUnsupported }

func (*batch) read(context.Context, []*files.DirectFile, []request, func(request, uint64)) error {
	return errors.ErrUnsupported
}

func (*batch) close() {}

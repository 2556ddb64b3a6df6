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

func (*batch) begin([]*files.DirectFile, []request, bool) *submission { return &submission{} }

func (*batch) close() {}

type submission struct {
	flying int
	failed error
	upTo   int
}

func (*submission) more() bool { return false }

func (*submission) submit(context.Context) bool { return false }

func (*submission) collect(int, bool, func(request, uint64)) error { return errors.ErrUnsupported }

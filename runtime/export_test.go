package runtime

import (
	"context"
	"time"
)

// SetIdle changes for how long a model has to be idle, and returns what it was.
func SetIdle(d time.Duration) time.Duration {
	was := idleBefore
	idleBefore = d
	return was
}

// AwaitPacking waits until a model has been packed, and has moved, or has given up.
func (m *Model) AwaitPacking() { <-m.packing.Done() }

// MoveTo is moveTo.
func (m *Model) MoveTo(ctx context.Context, file string) error { return m.moveTo(ctx, file) }

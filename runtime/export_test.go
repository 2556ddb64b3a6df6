package runtime

import (
	"context"
	"time"
)

// SetIdle sets how long a model has to be idle before packing, and returns the previous value.
func SetIdle(d time.Duration) time.Duration {
	was := idleBefore
	idleBefore = d
	return was
}

// AwaitPacking waits until a model has been packed and moved, or has given up.
func (m *Model) AwaitPacking() { <-m.packing.Done() }

// MoveTo exports moveTo.
func (m *Model) MoveTo(ctx context.Context, file string) error { return m.moveTo(ctx, file) }

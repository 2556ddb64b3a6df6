package idle

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWaitingForCallsToRest(t *testing.T) {
	var a Activity
	a.Begin()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := a.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call runs, and: %v", err)
	}
	a.End()
	if err := a.Wait(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
}

func TestWorkBesideCallsEndsWithStop(t *testing.T) {
	begun := make(chan struct{})
	w := Beside(func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
	})
	<-begun
	w.Stop()
	select {
	case <-w.Done():
	default:
		t.Error("it has not ended")
	}
}

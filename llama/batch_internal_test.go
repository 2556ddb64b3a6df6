//go:build cgo

package llama

import (
	"runtime"
	"testing"
	"time"
)

// forgottenBatch returns the state of a batch without references.
func forgottenBatch(t *testing.T) *batchState {
	t.Helper()
	b, err := NewBatch(8, 1)
	if err != nil {
		t.Fatal(err)
	}
	return b.s
}

// External tests cannot observe the memory of batches.
func TestForgottenBatchesAreFreed(t *testing.T) {
	s := forgottenBatch(t)
	freed := func() bool {
		s.life.mu.Lock()
		defer s.life.mu.Unlock()
		return s.life.closed && s.life.free == nil
	}
	if freed() {
		t.Fatal("freed before a collection")
	}
	for deadline := time.Now().Add(time.Minute); !freed(); {
		if time.Now().After(deadline) {
			t.Fatal("a minute after it was forgotten the batch is not freed")
		}
		runtime.GC() // queues cleanups, which run beside this
	}
}

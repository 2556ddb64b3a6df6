//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

func TestACancelledPromptIsNoErrorOfItsLength(t *testing.T) {
	s := session(t, open(t, tinyF16, runtime.Options{}), runtime.SessionOptions{Context: 256})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Complete(ctx, strings.Repeat(prompt, 200), runtime.GenerateOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

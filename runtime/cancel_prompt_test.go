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

// cancelledLate is a context that is cancelled after it was asked once.
type cancelledLate struct {
	context.Context
	asked bool
}

func (c *cancelledLate) Err() error {
	if !c.asked {
		c.asked = true
		return nil
	}
	return c.Context.Err()
}

// The token that was generated last is computed with the text behind it. It stays if that is cancelled.
func TestACancelledContinuationLosesNoToken(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	o := greedyOptions(3)
	more := greedyOptions(5)
	more.Continue = true
	for name, cancel := range map[string]func(s *runtime.Session, ctx context.Context) error{
		"": nil,
		"a prompt": func(s *runtime.Session, ctx context.Context) error {
			_, err := s.Complete(&cancelledLate{Context: ctx}, " of the", more)
			return err
		},
		"tokens": func(s *runtime.Session, ctx context.Context) error {
			return s.Evaluate(ctx, []int32{5, 6}, runtime.EvaluateOptions{})
		},
		"tokens with logits": func(s *runtime.Session, ctx context.Context) error {
			return s.Evaluate(ctx, []int32{5, 6}, runtime.EvaluateOptions{Logits: func(int, []float32) error { return nil }})
		},
	} {
		s := session(t, m, runtime.SessionOptions{})
		begin, err := s.Complete(t.Context(), prompt, o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		end()
		if cancel != nil {
			if err := cancel(s, ctx); !errors.Is(err, context.Canceled) {
				t.Fatal(name, err)
			}
		}
		rest, err := s.Complete(t.Context(), "", more)
		if want := ", there lived a little boy called Remy"; err != nil || begin+rest != want {
			t.Errorf("%s cancelled: %q, %v, want %q", name, begin+rest, err, want)
		}
	}
}

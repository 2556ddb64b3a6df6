package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

func TestTrimNewline(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a\n": "a", "a\r\n": "a", "a\n\n": "a\n", "a\r": "a\r", "\n": ""} {
		if got := trimNewline(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	stopped, cancel := context.WithCancelCause(context.Background())
	cancel(&interrupted{fakeSignal{}})
	plain, cancelPlain := context.WithCancel(context.Background())
	cancelPlain()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		code int
		want string
	}{
		{"no error", context.Background(), nil, 0, ""},
		{"any error", context.Background(), errors.New("it broke"), 1, "infer: it broke\n"},
		{"a bad model", context.Background(), fmt.Errorf("x: %w", runtime.ErrBadModel), 1, "infer: x: " + runtime.ErrBadModel.Error() + "\n"},
		{"not enough memory", context.Background(), fmt.Errorf("x: %w", runtime.ErrInsufficientMemory), 3, "infer: x: not enough memory\n"},
		{"an option that runtime refuses", context.Background(), fmt.Errorf("%w: y", runtime.ErrOption), 2, "infer: invalid option: y\n"},
		{"interrupted", stopped, context.Canceled, 130, "infer: interrupted\n"},
		{"interrupted, wrapped", stopped, fmt.Errorf("loading: %w", context.Cause(stopped)), 130, "infer: interrupted\n"},
		{"interrupted, and the output has said so", stopped, shown{context.Canceled}, 130, ""},
		{"cancelled without a signal", plain, context.Canceled, 130, "infer: interrupted\n"},
		{"another error while interrupted", stopped, errors.New("disk on fire"), 1, "infer: disk on fire\n"},
		{"a cancellation that nobody asked for", context.Background(), context.Canceled, 1, "infer: context canceled\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if code := report(tt.ctx, tt.err, &b, false); code != tt.code || b.String() != tt.want {
				t.Errorf("exit code %d, %q", code, b.String())
			}
		})
	}
}

// fakeSignal is none that this system knows.
type fakeSignal struct{}

func (fakeSignal) String() string { return "fake" }
func (fakeSignal) Signal()        {}

package memtest

import (
	"errors"
	"fmt"
)

// Unsupported is the error for functions that the system does not support, or the process has no right
// to. It matches errors.ErrUnsupported.
type Unsupported struct {
	Tool    string // name of the function: "carve", "cgroup", "trace", …
	Missing string // what is missing, as text
	Err     error  // the system's error, or nil
}

func (e *Unsupported) Error() string {
	s := fmt.Sprintf("memtest %s: not supported here: %s", e.Tool, e.Missing)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns errors.ErrUnsupported and the system's error.
func (e *Unsupported) Unwrap() []error {
	if e.Err == nil {
		return []error{errors.ErrUnsupported}
	}
	return []error{errors.ErrUnsupported, e.Err}
}

// TB is the part of testing.TB that this package uses.
type TB interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
}

// Need skips the test if err is an [*Unsupported], with its text as the reason, and fails the test on
// other errors.
func Need(t TB, err error) {
	t.Helper()
	var un *Unsupported
	switch {
	case errors.As(err, &un):
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

// WithoutRace skips a test under the race detector. It is for tests without concurrency and for tests
// that measure memory: the detector makes tests many times slower and takes memory itself.
func WithoutRace(t TB) {
	t.Helper()
	if Race {
		t.Skip("not under the race detector: it takes long, or measures memory")
	}
}

package memtest

import (
	"errors"
	"fmt"
)

// Unsupported is returned when this system, or this process's rights on it, cannot do
// what was asked. It matches errors.ErrUnsupported.
type Unsupported struct {
	Tool    string // what was asked for: "carve", "cgroup", "trace", …
	Missing string // what lacks, for a person
	Err     error  // the system's error, may be nil
}

func (e *Unsupported) Error() string {
	s := fmt.Sprintf("memtest %s: not supported here: %s", e.Tool, e.Missing)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives errors.ErrUnsupported and the system's error.
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

// Need skips the test when err is an [*Unsupported], with its text as the reason,
// fails it on any other error and returns when err is nil.
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

// WithoutRace skips, under the race detector, a test in which nothing runs at the same time as
// something else, or that measures memory: the detector makes it many times as long, and takes
// memory of its own.
func WithoutRace(t TB) {
	t.Helper()
	if Race {
		t.Skip("not under the race detector: it takes long, or measures memory")
	}
}

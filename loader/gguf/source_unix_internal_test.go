//go:build unix

package gguf

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/ggufcases"
)

func TestInterruptedReadsAreTriedAgain(t *testing.T) {
	small := ggufcases.Small()
	n := 0
	u := &unreliable{content: small, piece: 10, failAt: -1, every: func() error {
		if n++; n%3 != 0 {
			return unix.EINTR
		}
		return nil
	}}
	if _, err := parseHeader("x", u, int64(len(small))); err != nil {
		t.Error(err)
	}
}

func TestReadThatIsInterruptedForeverIsGivenUp(t *testing.T) {
	u := &unreliable{content: ggufcases.Small(), failAt: -1, every: func() error { return unix.EINTR }}
	_, err := parseHeader("x", u, int64(len(u.content)))
	if !errors.Is(err, unix.EINTR) || !errors.Is(err, ErrFormat) {
		t.Errorf("error %v", err)
	}
}

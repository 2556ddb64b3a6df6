package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// Rung is one of the models that [Open] tried.
type Rung struct {
	Path      string
	Mode      LoadMode     // LoadAuto where none was chosen yet
	Needed    uint64       // bytes; 0 where that is not why
	Parts     memory.Parts // as in [memory.Error]
	Available uint64       // bytes
	Limit     probe.Limit  // which limit left no more
	Remedies  []memory.Remedy
	Err       error
}

// FallbackError is the error of [Open] with fallbacks, none of which could be opened.
// errors.Is and errors.As look into the errors of all rungs.
type FallbackError struct{ Rungs []Rung }

// Error is one line for all rungs.
func (e *FallbackError) Error() string {
	parts := make([]string, len(e.Rungs))
	for i, r := range e.Rungs {
		parts[i] = r.Err.Error()
	}
	return fmt.Sprintf("none of %d models could be opened: %s", len(e.Rungs), strings.Join(parts, "; then "))
}

// Unwrap returns the errors of the rungs.
func (e *FallbackError) Unwrap() []error {
	errs := make([]error, len(e.Rungs))
	for i, r := range e.Rungs {
		errs[i] = r.Err
	}
	return errs
}

// rung describes a failed attempt.
func rung(path string, err error) Rung {
	r := Rung{Path: path, Err: err}
	var load *LoadError
	if errors.As(err, &load) {
		r.Path, r.Mode = load.Path, load.Mode
	}
	var memory *memory.Error
	if errors.As(err, &memory) {
		r.Needed, r.Parts, r.Available, r.Limit, r.Remedies = memory.Requested, memory.Parts, memory.Available, memory.Limit, memory.Remedies
	}
	return r
}

// openFallbacks goes on where there was not enough memory for the model at path. What
// each attempt needs is measured before anything large is taken, so that those which do
// not fit cost a look at their header.
func openFallbacks(ctx context.Context, path string, c *config, first error) (*Model, error) {
	e := &FallbackError{Rungs: []Rung{rung(path, first)}}
	for _, fallback := range c.fallbacks {
		m, err := openOne(ctx, fallback, c)
		if err == nil {
			m.adjusted = append(m.adjusted, passedOver(e.Rungs)...)
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		e.Rungs = append(e.Rungs, rung(fallback, err))
	}
	return nil, e
}

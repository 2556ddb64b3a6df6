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
	Mode      LoadMode     // LoadAuto if none was chosen yet
	Needed    uint64       // bytes; 0 if memory is not the reason
	Parts     memory.Parts // as in [memory.Error]
	Available uint64       // bytes
	Limit     probe.Limit  // the limit that was exceeded
	Remedies  []memory.Remedy
	Err       error
}

// FallbackError is the error of [Open] if neither the model nor a fallback could be opened.
// Rungs are in the order of the attempts. errors.Is and errors.As look into all of them.
type FallbackError struct{ Rungs []Rung }

// Error returns one line with the errors of all rungs.
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

// openFallbacks tries the fallbacks after the model at path did not fit. An attempt that does
// not fit reads only the header, as memory is checked before it is allocated.
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

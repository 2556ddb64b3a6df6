package runtime

import (
	"context"
	"errors"

	"github.com/seed7adf6694/infer/internal/clock"
)

// errBudgeted is why a model with a memory budget is not moved.
var errBudgeted = errors.New("the model streams its weights within a memory budget")

// moveTo points an open model's tensors to its packed file, after no call has run for
// idleBefore. Sessions keep their contexts. Calls that begin meanwhile wait only while the
// pointers are changed. After an error the model is unchanged.
func (m *Model) moveTo(ctx context.Context, file string) error {
	if m.weights.budget != nil {
		return errBudgeted
	}
	start := clock.Now()
	to, err := m.openBeside(ctx, file)
	if err != nil {
		return err
	}
	defer to.close() // after the swap it owns the model's former memory
	opened := clock.Since(start)
	for {
		if err := m.activity.Wait(ctx, idleBefore); err != nil {
			return err
		}
		if m.activity.Weights.TryLock() { // false: a call has just begun
			break
		}
	}
	start = clock.Now()
	err = m.weights.swap(to)
	m.activity.Weights.Unlock()
	held := clock.Since(start)
	if err != nil {
		return err
	}
	m.config.log("the model has moved to a packed file", "file", file, "opened_in", opened, "calls_held_for", held) // without locks: the logger may call the model
	return nil
}

// openBeside opens the weights of the model's packed file, counted by the model's ledger.
func (m *Model) openBeside(ctx context.Context, file string) (*weights, error) {
	c := Options{NoPrefetch: !m.config.prefetch, Logger: m.config.logger}.config()
	src, err := openSource(file, m.path, c, m.weights.chunkSize)
	if err != nil {
		return nil, err
	}
	w := newWeights(c, src, LoadMMap, reasonCached, m.weights.ledger)
	if err := w.loadPacked(ctx); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// loadPacked maps a packed file without a memory budget.
func (w *weights) loadPacked(ctx context.Context) error {
	if err := w.loadHeader(ctx); err != nil {
		return err
	}
	ws, err := w.native.Weights()
	if err != nil {
		return err
	}
	if err := w.matchPacked(ws); err != nil {
		return err
	}
	return w.bindMapped(ctx, ws, w.probe, w.config.prefetch, nil)
}

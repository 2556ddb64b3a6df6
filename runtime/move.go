package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/probe"
)

// errBudgeted is why a model stays where it is.
var errBudgeted = errors.New("the model streams its weights within a memory budget")

// moveTo points the weights of an open model at a packed file of it, when nobody computes.
// Contexts stay as they are; a call that comes meanwhile waits while pointers change. After
// an error the model is where it was.
func (m *Model) moveTo(ctx context.Context, file string, o Options) error {
	if m.budget != nil {
		return errBudgeted
	}
	start := time.Now()
	to, err := m.openBeside(ctx, file, o)
	if to != nil {
		defer to.free()
	}
	if err != nil {
		return err
	}
	opened := time.Since(start)
	for {
		if err := m.activity.wait(ctx, idleBefore); err != nil {
			return err
		}
		if m.activity.weights.TryLock() { // else a call has just begun
			break
		}
	}
	start = time.Now()
	err = m.swapWeights(to)
	m.activity.weights.Unlock()
	held := time.Since(start)
	if err != nil {
		return err
	}
	m.log("the model has moved to a packed file", "file", file, "opened_in", opened, "calls_held_for", held) // by a logger that may ask the model
	return nil
}

// swapWeights gives the model what the other one has, and the other way round. Nobody else
// looks at the weights meanwhile.
func (m *Model) swapWeights(to *Model) error {
	if err := m.native.Rebind(to.native); err != nil {
		return engineError(err)
	}
	// What to has now is what this model had, and is freed with it.
	m.index, to.index = to.index, m.index
	m.weights, to.weights = to.weights, m.weights
	m.watches, to.watches = to.watches, m.watches
	for _, b := range m.second {
		m.extra.FreeBlock(b)
	}
	m.second = nil
	m.plan, m.files, m.packed, m.packedBytes, m.repacked = to.plan, to.files, to.packed, to.packedBytes, 0
	m.mode, m.reason = LoadMMap, reasonCached
	return nil
}

// openBeside opens the packed file of a model for its weights alone, which the model's
// ledger counts. What it returns is to be freed, after an error too.
func (m *Model) openBeside(ctx context.Context, file string, o Options) (*Model, error) {
	index, err := openIndex(file, m.path, Options{})
	if err != nil {
		return nil, err
	}
	probe, err := probe.Measure()
	plan, planErr := loader.NewPlan(index, loader.PlanOptions{ChunkSize: m.chunkSize})
	if err := errors.Join(err, planErr); err != nil {
		return nil, errors.Join(err, index.Close())
	}
	to := newModel(file, index, plan, LoadMMap, reasonCached, Options{Logger: o.Logger})
	to.ledger = m.ledger
	if err := to.loadUnbound(ctx, Options{}); err != nil {
		return to, err
	}
	ws, err := to.native.Weights()
	if err != nil {
		return to, err
	}
	if err := to.matchPacked(ws); err != nil {
		return to, err
	}
	return to, to.bindMapped(ctx, ws, Options{NoPrefetch: o.NoPrefetch}, probe, nil)
}

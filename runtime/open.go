package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime/internal/idle"
)

// Open opens a model. path is a file's path, a model's name (see models.Resolve), or "" for
// the embedded model. Open reads and validates the file's header, chooses the load mode by the
// available memory, makes room for a session (see [Options].Session), and maps or copies the
// weights chunk by chunk.
//
// The error is a [*LoadError] that wraps the reason. If there is not enough memory, the reason
// is an [ErrInsufficientMemory], and Fallbacks are tried in order; if all fail, the error is a
// [*FallbackError] with the errors of all. A cancelled ctx stops the load between two chunks
// and returns the context's error. After an error no memory or file is kept.
func Open(ctx context.Context, path string, o Options) (*Model, error) {
	c, err := o.resolve()
	if err != nil {
		return nil, err
	}
	m, err := openOne(ctx, path, c)
	if err != nil && len(c.fallbacks) > 0 && errors.Is(err, ErrInsufficientMemory) {
		return openFallbacks(ctx, path, c, err)
	}
	return m, err
}

func openOne(ctx context.Context, path string, c *config) (*Model, error) {
	file, err := models.Resolve(path, models.ResolveOptions{})
	if err != nil {
		return nil, &LoadError{Path: path, Err: err}
	}
	m, err := openCached(ctx, file, c)
	if m == nil && err == nil {
		if m, err = openFile(ctx, file, "", c); err == nil {
			m.packLater()
		}
	}
	if err != nil {
		var e *LoadError
		if !errors.As(err, &e) {
			err = &LoadError{Path: file, Err: err}
		}
		return nil, err
	}
	return m, nil
}

// openFile opens a model's file, or the packed file of the model at cacheOf if that is set.
func openFile(ctx context.Context, path, cacheOf string, c *config) (m *Model, err error) {
	start := clock.Now()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	src, err := openSource(path, cacheOf, c, c.chunkSize)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			src.close()
		}
	}()
	if err := src.checkValues(ctx, c); err != nil {
		return nil, &LoadError{Path: path, Mode: c.load, Err: err}
	}
	mode, reason, err := chooseMode(src, src.probe, c)
	if err != nil {
		return nil, &LoadError{Path: path, Mode: c.load, Err: err}
	}
	if c, err = c.chooseLayers(ctx, src, mode); err != nil {
		return nil, &LoadError{Path: path, Mode: mode, Err: err}
	}
	var tried []*LoadError
	m, err = loadFewer(ctx, c, src, mode, reason)
	if err != nil && c.load == LoadAuto && mode == LoadCopy && errors.Is(err, ErrInsufficientMemory) {
		tried = append(tried, &LoadError{Mode: LoadCopy, Err: err})
		mode, reason = LoadMMap, "a copy was refused: "+shortReason(err)
		m, err = loadFewer(ctx, c, src, mode, reason)
	}
	if err != nil {
		return nil, &LoadError{Path: path, Mode: mode, Tried: tried, Err: err}
	}
	if cacheOf != "" {
		m.path, m.weights.reason = cacheOf, reasonCached
	}
	if b := m.weights.budget; b != nil && b.auto {
		m.giving = idle.Beside(func(ctx context.Context) { b.giveWay(ctx, &m.activity) })
	}
	m.loadDuration = clock.Since(start)
	m.peak.SampleNow()
	for _, w := range m.warnings {
		c.logger.Warn(w)
	}
	return m, nil
}

// load loads a model in its mode. After an error everything is freed except the source.
func load(ctx context.Context, w *weights, probe probe.Probe) (m *Model, err error) {
	w.config.log("opening", "path", w.path, "mode", w.mode.String(), "reason", w.reason, "chunks", len(w.plan.Chunks), "chunk_size", w.plan.ChunkSize)
	defer func() {
		if err != nil {
			w.unload()
		}
	}()
	if w.mode == LoadStock {
		err = w.loadStock(ctx)
	} else {
		err = w.loadHeader(ctx)
	}
	if err != nil {
		return nil, err
	}
	if m, err = newModel(w); err != nil {
		return nil, err
	}
	w.layers = m.info.Layers + 1
	if err := m.checkGenerate(w.config.generate); err != nil {
		return nil, err
	}
	if w.config.accept != nil {
		if err := w.config.accept(&Vocabulary{native: w.native, warnings: m.warnings, lent: true}); err != nil {
			return nil, err
		}
	}
	if w.mode != LoadStock { // stock: the engine has loaded the weights
		if m.fitted, err = m.fit(ctx); err != nil {
			return nil, err
		}
		err = w.bind(ctx, probe, m.fitted, func(done, total uint64) {
			m.peak.Sample()
			w.config.progress(Progress{Mode: w.mode, Done: done, Total: total})
		})
		if err != nil {
			return nil, err
		}
	}
	if err := w.addAdapters(m.tied); err != nil || w.mode == LoadStock {
		return m, err
	}
	return m, m.tryDevices()
}

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

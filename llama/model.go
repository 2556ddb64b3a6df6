//go:build cgo

package llama

// #include "engine_table.h"
// #include "shim_callbacks.h"
import "C"

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/seed7adf6694/infer/llama/internal/pretoken"
)

// Model is a model's weights, metadata and vocabulary. It is safe for concurrent
// use.
type Model struct {
	s *modelState
}

type modelState struct {
	life      lifetime
	model     *C.struct_llama_model
	home      *home
	weights   *C.infer_weights // weights of an unbound model
	streams   *C.infer_streams // of those
	vocabOnly bool

	rebound atomic.Int64 // times

	mu         sync.Mutex
	pieces     *C.infer_pieces     // nil until there is a grammar
	characters pretoken.Characters // of the tokens; nil until there is a long text
	pending    int                 // number of weights that are not bound yet
	bound      []bool
}

// LoadModel loads a GGUF file: llama_model_load_from_file, or _from_splits if Shards are given.
//
// The engine's own parser reads the file and ends the process on some malformed files: validate it
// first. If ctx is cancelled, the load stops before the next tensor and returns ctx's error.
func LoadModel(ctx context.Context, path string, p ModelParams) (*Model, error) {
	if err := start(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	if p.Unbound && (p.Scratch == nil || p.MMap || p.CheckTensors) {
		return nil, argument("ModelParams.Unbound needs Scratch, and excludes MMap and CheckTensors")
	}
	if len(p.TensorSplit) > int(C.infer_llama_max_devices()) {
		return nil, argument("tensor split of %d shares: the engine supports at most %d devices", len(p.TensorSplit), int(C.infer_llama_max_devices()))
	}
	paths, free, err := p.paths(path)
	if err != nil {
		return nil, err
	}
	defer free()
	params, freeParams, err := p.native()
	if err != nil {
		return nil, err
	}
	defer freeParams()

	// The engine checks this flag before every tensor. A C callback reads it, which avoids a call
	// into Go for each tensor.
	watch := newWatch(ctx)
	defer watch.stop()
	if p.Progress == nil {
		params.progress_callback = (C.llama_progress_callback)(C.infer_progress)
		params.progress_callback_user_data = unsafe.Pointer(watch.flag)
	} else {
		report := newProgress(watch, p.Progress)
		defer report.close()
		params.progress_callback = (C.llama_progress_callback)(C.infer_progress_report)
		params.progress_callback_user_data = report.data()
	}

	s := &modelState{home: newHome(p.Blocks), vocabOnly: p.VocabOnly}
	if err := s.load(paths, params, p); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	s.life.free = s.free
	m := &Model{s: s}
	runtime.AddCleanup(m, func(s *modelState) { s.life.close() }, s)
	if err := ctx.Err(); err != nil { // cancelled after the engine's last check
		m.Close()
		return nil, err
	}
	return m, nil
}

// load lets the engine read the files. After an error all memory is freed.
func (s *modelState) load(paths []*C.char, params C.infer_model_params, p ModelParams) error {
	var e C.infer_error
	var weights *C.infer_weights
	record := &weights
	if !p.Unbound {
		record = nil
	}
	s.model = C.infer_model_load(unsafe.SliceData(paths), C.size_t(len(paths)), params, s.home.scope(C.INFER_PURPOSE_WEIGHTS),
		record, p.Scratch, C.size_t(p.ScratchSize), &e)
	s.weights = weights
	if s.model == nil {
		err := failure("llama_model_load_from_file", &e, s.home)
		if !broken(err) { // otherwise buffers of the failed model may still refer to it
			s.home.close()
		}
		return err
	}
	if s.weights != nil {
		s.pending = int(C.infer_weights_count(s.weights))
		s.bound = make([]bool, s.pending)
	}
	s.streams = C.infer_streams_new() // nil without memory, and then nothing streams
	return nil
}

func (s *modelState) free() {
	if s.pieces != nil {
		C.infer_pieces_free(s.pieces)
	}
	C.infer_llama_model_free(s.model)
	C.infer_streams_free(s.streams)
	if s.weights != nil {
		C.infer_weights_free(s.weights)
	}
	s.home.close()
}

// Close frees the model, as soon as its contexts, samplers and adapters have been closed too.
// Closing twice is safe.
func (m *Model) Close() error {
	m.s.life.close()
	runtime.KeepAlive(m)
	return nil
}

// use runs f while the model cannot be freed.
func (m *Model) use(f func(*C.struct_llama_model)) error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	f(m.s.model)
	runtime.KeepAlive(m)
	return nil
}

//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Context has the state of sequences: KV cache, compute buffers, logits. It is safe for concurrent
// use; calls run one at a time. Close aborts a running Decode.
type Context struct {
	s *contextState
}

type contextState struct {
	mu      sync.Mutex // held during calls of the engine on this context
	ctx     *C.struct_llama_context
	mem     C.llama_memory_t
	model   *modelState
	home    *home
	layers  *layerWatch
	threads threads
	rebound int64  // generation of the model's weights when the engine last built a graph
	abort   *int32 // abort flag in C memory; the engine reads it between operations
	watch   abortWatch
	failed  C.infer_error // of the running call; a field, so that it is allocated once and not for each token
	closing atomic.Bool
	stop    sync.Mutex // held while Close raises or frees the flag, for concurrent Close
	broken  bool

	vocab, embd, seqs, ctxLen, batch, ubatch, classes int
	mostThreads                                       int
	positions                                         int // length of the position table; 0: no table
	pooling                                           C.enum_llama_pooling_type
	causal, embeddings                                bool
	encoder                                           bool   // the model has an encoder
	recurrent, hybrid                                 bool   // the model is recurrent
	unified                                           bool   // all sequences share one buffer (KVUnified)
	outputs                                           []int8 // of the last batch
	outputCount                                       int
	restored                                          bool      // the outputs are those of a restored state
	loras                                             []applied // kept alive while applied
}

// NewContext creates a context: llama_init_from_model.
func (m *Model) NewContext(p ContextParams) (*Context, error) {
	if err := m.s.life.acquire(); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(m)
	made := false
	defer func() {
		if !made {
			m.s.life.release()
		}
	}()
	c, err := m.s.newContext(p)
	made = err == nil
	return c, err
}

func (ms *modelState) newContext(p ContextParams) (*Context, error) {
	if err := ms.complete(); err != nil {
		return nil, err
	}
	if ms.vocabOnly {
		return nil, argument("the model was loaded with VocabOnly and has no weights")
	}
	params, err := p.native(ms)
	if err != nil {
		return nil, err
	}
	layers, err := newLayerWatch(p, ms)
	if err != nil {
		return nil, err
	}
	s := &contextState{model: ms, home: newHome(p.Blocks), layers: layers, abort: (*int32)(C.calloc(1, 4))}
	s.layers.set(&params)
	params.abort = (*C.int)(s.abort)

	var e C.infer_error
	s.ctx = C.infer_context_new(ms.model, params, s.home.scope(C.INFER_PURPOSE_OUTPUT), &e)
	if s.ctx == nil {
		err := failure("llama_init_from_model", &e, s.home)
		if !broken(err) {
			C.free(unsafe.Pointer(s.abort))
			s.home.close()
			s.layers.close()
		}
		return nil, err
	}
	vocab := C.infer_llama_model_get_vocab(ms.model)
	s.mem = C.infer_llama_get_memory(s.ctx)
	s.vocab = int(C.infer_llama_vocab_n_tokens(vocab))
	s.embd = int(C.infer_llama_model_n_embd(ms.model))
	s.classes = int(C.infer_llama_model_n_cls_out(ms.model))
	s.positions = int(C.infer_positions(ms.model))
	s.seqs = int(C.infer_llama_n_seq_max(s.ctx))
	s.ctxLen = int(C.infer_llama_n_ctx(s.ctx))
	s.batch = int(C.infer_llama_n_batch(s.ctx))
	s.ubatch = int(C.infer_llama_n_ubatch(s.ctx))
	s.pooling = C.infer_llama_pooling_type(s.ctx)
	s.embeddings = p.Embeddings
	s.encoder = bool(C.infer_llama_model_has_encoder(ms.model))
	s.recurrent, s.hybrid = bool(C.infer_llama_model_is_recurrent(ms.model)), bool(C.infer_llama_model_is_hybrid(ms.model))
	s.unified = p.KVUnified || s.seqs == 1
	s.causal = s.mem != nil && p.Attention != AttentionNonCausal
	s.mostThreads = ms.mostThreads()
	s.setThreads(int(params.n_threads), int(params.n_threads_batch))

	c := &Context{s: s}
	runtime.AddCleanup(c, (*contextState).close, s)
	return c, nil
}

func (s *contextState) close() {
	s.closing.Store(true)
	s.stop.Lock()
	if s.abort != nil {
		atomic.StoreInt32(s.abort, 1)
	}
	s.stop.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		return
	}
	s.unwatch()
	if !s.broken {
		C.infer_context_free(s.ctx)
		s.home.close()
		s.layers.close()
		s.threads.free()
		s.stop.Lock()
		C.free(unsafe.Pointer(s.abort))
		s.abort = nil
		s.stop.Unlock()
	}
	s.ctx = nil
	for _, l := range s.loras {
		l.adapter.life.release()
	}
	s.loras = nil
	s.model.life.release()
}

// Close aborts a running call on the context and frees the context. Closing twice is safe.
func (c *Context) Close() error {
	c.s.close()
	runtime.KeepAlive(c)
	return nil
}

// lock locks the context for one call of the engine.
func (s *contextState) lock() error {
	s.mu.Lock()
	switch {
	case s.ctx == nil || s.closing.Load():
		s.mu.Unlock()
		return ErrClosed
	case s.broken:
		s.mu.Unlock()
		return ErrBroken
	}
	return nil
}

// locked runs f while the context is locked.
func (c *Context) locked(f func(*C.struct_llama_context) error) error {
	if err := c.s.lock(); err != nil {
		return err
	}
	defer c.s.mu.Unlock()
	err := f(c.s.ctx)
	c.s.broken = c.s.broken || broken(err)
	runtime.KeepAlive(c)
	return err
}

// Ctx returns the number of tokens that the context can hold.
func (c *Context) Ctx() int { return c.s.ctxLen }

// Batch returns the maximum number of tokens of one Decode call.
func (c *Context) Batch() int { return c.s.batch }

// UBatch returns the number of tokens that are computed at once (micro-batch).
func (c *Context) UBatch() int { return c.s.ubatch }

// SeqMax returns the maximum number of sequences.
func (c *Context) SeqMax() int { return c.s.seqs }

// Vocab returns the number of logits per token.
func (c *Context) Vocab() int { return c.s.vocab }

// SetEmbeddings switches the computation of embeddings: llama_set_embeddings.
func (c *Context) SetEmbeddings(on bool) error {
	return c.locked(func(p *C.struct_llama_context) error {
		C.infer_llama_set_embeddings(p, C.bool(on))
		c.s.embeddings = on
		return nil
	})
}

// SetCausal switches causal attention: llama_set_causal_attn.
func (c *Context) SetCausal(on bool) error {
	return c.locked(func(p *C.struct_llama_context) error {
		C.infer_llama_set_causal_attn(p, C.bool(on))
		c.s.causal = on
		return nil
	})
}

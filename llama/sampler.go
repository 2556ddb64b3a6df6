//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// Sampler is a chain of samplers: llama_sampler_chain. Each one filters or changes the candidates
// of the next. The last one must choose a token: [Sampler.AddGreedy], [Sampler.AddDist],
// [Sampler.AddMirostat] or [Sampler.AddMirostatV2]; nothing can be added after it.
//
// A sampler keeps its model alive until it is closed. Its state depends on the tokens accepted
// before, so it serves one text at a time. It is safe for concurrent use; calls run one at a time.
// Numbers have the engine's meaning: no value stands for a default, and each method says which
// values have no effect. NaN, infinities and values out of range are refused with [ErrArgument];
// the chain is then unchanged.
type Sampler struct {
	s *samplerState
}

type samplerState struct {
	mu      sync.Mutex
	chain   *C.infer_sampler
	model   *modelState
	vocab   int
	chooses bool
	broken  bool
	failed  C.infer_error // of the running call; a field, so that it is allocated once and not for each token
}

// NewSampler returns an empty chain for a model's vocabulary: llama_sampler_chain_init.
func (m *Model) NewSampler() (*Sampler, error) {
	if err := m.s.life.acquire(); err != nil {
		return nil, err
	}
	vocab := C.infer_llama_model_get_vocab(m.s.model)
	var e C.infer_error
	chain := C.infer_sampler_new(vocab, &e)
	if chain == nil {
		m.s.life.release()
		return nil, failure("llama_sampler_chain_init", &e, nil)
	}
	x := newSampler(&samplerState{chain: chain, model: m.s, vocab: int(C.infer_llama_vocab_n_tokens(vocab))})
	runtime.KeepAlive(m)
	return x, nil
}

func newSampler(s *samplerState) *Sampler {
	x := &Sampler{s}
	runtime.AddCleanup(x, (*samplerState).close, s)
	return x
}

func (s *samplerState) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chain == nil {
		return
	}
	C.infer_sampler_free(s.chain)
	s.chain = nil
	s.model.life.release()
}

// Close frees the chain. Closing twice is safe.
func (x *Sampler) Close() error {
	x.s.close()
	runtime.KeepAlive(x)
	return nil
}

func (x *Sampler) locked(f func(*samplerState) error) error {
	defer runtime.KeepAlive(x)
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	switch {
	case x.s.chain == nil:
		return ErrClosed
	case x.s.broken:
		return ErrBroken
	}
	err := f(x.s)
	x.s.broken = x.s.broken || broken(err)
	return err
}

// Sample chooses a token from the i-th output of a context's last batch (see [Context.Logits] for
// i) and accepts it in the chain: llama_sampler_sample. If the chain leaves no token, or does not
// end with a sampler that chooses, it returns NullToken and an error. The context is locked during
// the call.
func (x *Sampler) Sample(c *Context, i int) (Token, error) {
	token := NullToken
	err := x.locked(func(s *samplerState) error {
		if err := s.ready(); err != nil {
			return err
		}
		return c.locked(func(p *C.struct_llama_context) error {
			if s.model != c.s.model {
				return argument("the sampler belongs to another model than the context")
			}
			if err := c.s.output(i); err != nil {
				return err
			}
			t := C.infer_sampler_sample(s.chain, p, clampInt32(i), &s.failed)
			if s.failed.kind != C.INFER_OK {
				return samplerError("llama_sampler_sample", &s.failed)
			}
			token = Token(t)
			return nil
		})
	})
	return token, err
}

// Choose chooses a token from the caller's logits, one for each token of the vocabulary:
// llama_sampler_apply. It does not accept the token: call [Sampler.Accept] with the token that is
// used.
func (x *Sampler) Choose(logits []float32) (Token, error) {
	token := NullToken
	err := x.locked(func(s *samplerState) error {
		if err := s.ready(); err != nil {
			return err
		}
		if len(logits) != s.vocab {
			return argument("%d logits: need one for each of the vocabulary's %d tokens", len(logits), s.vocab)
		}
		t := C.infer_sampler_choose(s.chain, (*C.float)(unsafe.Pointer(unsafe.SliceData(logits))), C.int32_t(len(logits)), &s.failed)
		if s.failed.kind != C.INFER_OK {
			return samplerError("llama_sampler_apply", &s.failed)
		}
		token = Token(t)
		return nil
	})
	return token, err
}

func (s *samplerState) ready() error {
	if !s.chooses {
		return argument("the chain does not end with a sampler that chooses: add one by AddGreedy, AddDist or AddMirostat")
	}
	return nil
}

// samplerError is like failure, for calls that only read the context's logits and leave the context
// usable.
func samplerError(call string, e *C.infer_error) error {
	err := failure(call, e, nil).(*Error)
	if err.Kind == ErrBroken {
		err.Kind = nil
	}
	return err
}

// Accept updates the chain's state with a chosen token: llama_sampler_accept. If a grammar does not
// allow the token, it returns an error, and the chain is unusable until [Sampler.Reset].
func (x *Sampler) Accept(t Token) error { return x.accept(t, false) }

// AcceptPrompt updates the chain's state with a token of the prompt: penalties consider it,
// grammars ignore it.
func (x *Sampler) AcceptPrompt(t Token) error { return x.accept(t, true) }

func (x *Sampler) accept(t Token, prompt bool) error {
	return x.locked(func(s *samplerState) error {
		if t < 0 || int(t) >= s.vocab {
			return noToken(t, s.vocab)
		}
		if !C.infer_sampler_accept(s.chain, C.llama_token(t), C.bool(prompt), &s.failed) {
			return samplerError("llama_sampler_accept", &s.failed)
		}
		return nil
	})
}

// Reset clears the chain's state, and restarts random sequences and grammars: llama_sampler_reset.
func (x *Sampler) Reset() error {
	return x.locked(func(s *samplerState) error {
		var e C.infer_error
		if !C.infer_sampler_reset(s.chain, &e) {
			return failure("llama_sampler_reset", &e, nil)
		}
		return nil
	})
}

// Clone returns a copy of the chain with its state: llama_sampler_clone. For mirostat 1, which the
// engine cannot clone, it returns an error.
func (x *Sampler) Clone() (*Sampler, error) {
	var c *Sampler
	err := x.locked(func(s *samplerState) error {
		var e C.infer_error
		chain := C.infer_sampler_clone(s.chain, &e)
		if chain == nil {
			return failure("llama_sampler_clone", &e, nil)
		}
		s.model.life.share()
		c = newSampler(&samplerState{chain: chain, model: s.model, vocab: s.vocab, chooses: s.chooses})
		return nil
	})
	return c, err
}

// Names lists the chain's samplers: llama_sampler_name.
func (x *Sampler) Names() (names []string, err error) {
	err = x.locked(func(s *samplerState) error {
		for i := range C.infer_sampler_count(s.chain) {
			names = append(names, C.GoString(C.infer_sampler_name(s.chain, i)))
		}
		return nil
	})
	return names, err
}

// Seed returns the seed of the sampler that chooses, and whether it has one:
// llama_sampler_get_seed. For [RandomSeed] it is the seed that was drawn.
func (x *Sampler) Seed() (seed uint32, ok bool, err error) {
	err = x.locked(func(s *samplerState) error {
		seed = uint32(C.infer_sampler_seed(s.chain))
		return nil
	})
	if seed == RandomSeed {
		return 0, false, err
	}
	return seed, true, err
}

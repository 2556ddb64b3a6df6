//go:build cgo

package llama

// #include "shim_more.h"
import "C"

import (
	"math"
	"runtime"
	"sync"
	"unsafe"
)

// Sampler is a chain of samplers, each of which changes what the next one chooses
// from: llama_sampler_chain. A last one has to choose: [Sampler.Greedy],
// [Sampler.Dist], [Sampler.Mirostat] or [Sampler.MirostatV2]. Calls run one at a time.
type Sampler struct {
	s *samplerState
}

type samplerState struct {
	mu      sync.Mutex
	chain   *C.struct_llama_sampler
	model   *modelState
	chooses bool
	broken  bool
	// Grammars are not told about the prompt, of which they know nothing.
	notPrompt map[int]bool
	n         int
}

// NewSampler returns an empty chain for a model's vocabulary.
func (m *Model) NewSampler() (*Sampler, error) {
	if err := m.s.life.acquire(); err != nil {
		return nil, err
	}
	s := &samplerState{chain: C.llama_sampler_chain_init(C.llama_sampler_chain_params{no_perf: true}), model: m.s, notPrompt: map[int]bool{}}
	x := &Sampler{s}
	runtime.AddCleanup(x, (*samplerState).close, s)
	runtime.KeepAlive(m)
	return x, nil
}

func (s *samplerState) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.chain == nil {
		return
	}
	C.llama_sampler_free(s.chain)
	s.chain = nil
	s.model.life.release()
}

// Close frees the chain.
func (x *Sampler) Close() error {
	x.s.close()
	runtime.KeepAlive(x)
	return nil
}

func (x *Sampler) locked(f func(*samplerState) error) error {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	defer runtime.KeepAlive(x)
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

// add appends what make returns, having checked the numbers.
func (x *Sampler) add(name string, make func(s *samplerState) (*C.struct_llama_sampler, error), numbers ...float32) error {
	for _, n := range numbers {
		if f := float64(n); math.IsNaN(f) || math.IsInf(f, 0) {
			return argument("%s with %g", name, n)
		}
	}
	return x.locked(func(s *samplerState) error {
		if s.chooses {
			return argument("%s behind the sampler that chooses", name)
		}
		c, err := make(s)
		if err != nil {
			return err
		}
		if c == nil {
			return &Error{Call: name}
		}
		C.llama_sampler_chain_add(s.chain, c)
		s.n++
		return nil
	})
}

func (x *Sampler) addChoosing(name string, make func(s *samplerState) (*C.struct_llama_sampler, error), numbers ...float32) error {
	return x.add(name, func(s *samplerState) (*C.struct_llama_sampler, error) {
		c, err := make(s)
		s.chooses = err == nil && c != nil
		return c, err
	}, numbers...)
}

func plain(f func() *C.struct_llama_sampler) func(*samplerState) (*C.struct_llama_sampler, error) {
	return func(*samplerState) (*C.struct_llama_sampler, error) { return f(), nil }
}

// Greedy chooses the most likely token: llama_sampler_init_greedy.
func (x *Sampler) Greedy() error {
	return x.addChoosing("greedy", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_greedy() }))
}

// Dist chooses by probability: llama_sampler_init_dist.
func (x *Sampler) Dist(seed uint32) error {
	return x.addChoosing("dist", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_dist(C.uint32_t(seed)) }))
}

// Mirostat chooses by version 1 of the algorithm, over m tokens (100 in its paper):
// llama_sampler_init_mirostat.
func (x *Sampler) Mirostat(seed uint32, tau, eta float32, m int) error {
	if m < 1 || m > 1<<20 {
		return argument("mirostat over %d tokens", m)
	}
	return x.addChoosing("mirostat", func(s *samplerState) (*C.struct_llama_sampler, error) {
		n := C.llama_vocab_n_tokens(C.llama_model_get_vocab(s.model.model))
		return C.llama_sampler_init_mirostat(n, C.uint32_t(seed), C.float(tau), C.float(eta), C.int32_t(min(m, int(n)))), nil
	}, tau, eta)
}

// MirostatV2 chooses by version 2: llama_sampler_init_mirostat_v2.
func (x *Sampler) MirostatV2(seed uint32, tau, eta float32) error {
	return x.addChoosing("mirostat-v2", plain(func() *C.struct_llama_sampler {
		return C.llama_sampler_init_mirostat_v2(C.uint32_t(seed), C.float(tau), C.float(eta))
	}), tau, eta)
}

// TopK keeps the k most likely tokens; k <= 0: all. llama_sampler_init_top_k.
func (x *Sampler) TopK(k int) error {
	return x.add("top-k", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_top_k(clampInt32(k)) }))
}

// TopP keeps the likely tokens that make up probability p, at least keep of them:
// llama_sampler_init_top_p.
func (x *Sampler) TopP(p float32, keep int) error {
	return x.add("top-p", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_top_p(C.float(p), size(keep)) }), p)
}

// MinP keeps tokens of at least p times the best one's probability:
// llama_sampler_init_min_p.
func (x *Sampler) MinP(p float32, keep int) error {
	return x.add("min-p", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_min_p(C.float(p), size(keep)) }), p)
}

// Typical keeps locally typical tokens: llama_sampler_init_typical.
func (x *Sampler) Typical(p float32, keep int) error {
	return x.add("typical", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_typical(C.float(p), size(keep)) }), p)
}

// TopNSigma keeps tokens within n standard deviations of the best:
// llama_sampler_init_top_n_sigma.
func (x *Sampler) TopNSigma(n float32) error {
	return x.add("top-n-sigma", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_top_n_sigma(C.float(n)) }), n)
}

// XTC removes the most likely tokens with a probability: llama_sampler_init_xtc.
func (x *Sampler) XTC(probability, threshold float32, keep int, seed uint32) error {
	return x.add("xtc", plain(func() *C.struct_llama_sampler {
		return C.llama_sampler_init_xtc(C.float(probability), C.float(threshold), size(keep), C.uint32_t(seed))
	}), probability, threshold)
}

// Temperature divides the logits; t <= 0 keeps the best alone:
// llama_sampler_init_temp.
func (x *Sampler) Temperature(t float32) error {
	return x.add("temperature", plain(func() *C.struct_llama_sampler { return C.llama_sampler_init_temp(C.float(t)) }), t)
}

// DynamicTemperature is a temperature of t±delta by entropy:
// llama_sampler_init_temp_ext.
func (x *Sampler) DynamicTemperature(t, delta, exponent float32) error {
	return x.add("dynamic temperature", plain(func() *C.struct_llama_sampler {
		return C.llama_sampler_init_temp_ext(C.float(t), C.float(delta), C.float(exponent))
	}), t, delta, exponent)
}

// Penalties make what occurred among the last lastN tokens less likely (-1: the
// context it was trained with): llama_sampler_init_penalties.
func (x *Sampler) Penalties(lastN int, repeat, frequency, presence float32) error {
	if repeat <= 0 {
		return argument("repeat penalty of %g", repeat)
	}
	return x.add("penalties", func(s *samplerState) (*C.struct_llama_sampler, error) {
		if lastN < 0 {
			lastN = int(C.llama_model_n_ctx_train(s.model.model))
		}
		return C.llama_sampler_init_penalties(clampInt32(min(lastN, 1<<20)), C.float(repeat), C.float(frequency), C.float(presence)), nil
	}, repeat, frequency, presence)
}

// DRYParams are the parameters of [Sampler.DRY].
type DRYParams struct {
	Multiplier    float32
	Base          float32
	AllowedLength int
	LastN         int // tokens looked at; negative: the context it was trained with
	Breakers      []string
}

// DRY makes longer repetitions less likely: llama_sampler_init_dry.
func (x *Sampler) DRY(p DRYParams) error {
	breakers := make([]*C.char, 0, len(p.Breakers))
	var pin runtime.Pinner
	defer pin.Unpin()
	for _, b := range p.Breakers {
		c, err := cString(b)
		if err != nil {
			return err
		}
		defer C.free(unsafe.Pointer(c))
		breakers = append(breakers, c)
	}
	return x.add("dry", func(s *samplerState) (*C.struct_llama_sampler, error) {
		var first **C.char
		if len(breakers) > 0 {
			first = &breakers[0]
		}
		var e C.infer_error
		c := C.infer_sampler_dry(C.llama_model_get_vocab(s.model.model), C.llama_model_n_ctx_train(s.model.model), C.float(p.Multiplier), C.float(p.Base),
			clampInt32(p.AllowedLength), clampInt32(min(p.LastN, 1<<20)), first, C.size_t(len(breakers)), &e)
		if c == nil {
			return nil, failure("llama_sampler_init_dry", &e, nil)
		}
		return c, nil
	}, p.Multiplier, p.Base)
}

// LogitBias adds to the logits of tokens; -Inf bans one:
// llama_sampler_init_logit_bias.
func (x *Sampler) LogitBias(bias map[Token]float32) error {
	return x.add("logit bias", func(s *samplerState) (*C.struct_llama_sampler, error) {
		n := C.llama_vocab_n_tokens(C.llama_model_get_vocab(s.model.model))
		list := make([]C.llama_logit_bias, 0, len(bias)+1)
		for t, b := range bias {
			if t < 0 || C.int32_t(t) >= n || math.IsNaN(float64(b)) || math.IsInf(float64(b), 1) {
				return nil, argument("bias of %g for token %d, the vocabulary has %d", b, t, int(n))
			}
			list = append(list, C.llama_logit_bias{token: C.llama_token(t), bias: C.float(b)})
		}
		return C.llama_sampler_init_logit_bias(n, C.int32_t(len(list)), unsafe.SliceData(list[:cap(list)])), nil
	})
}

// Grammar keeps tokens that a GBNF grammar allows, beginning with the rule root:
// llama_sampler_init_grammar. See [CheckGrammar] for its limits.
func (x *Sampler) Grammar(grammar, root string) error {
	if err := CheckGrammar(grammar); err != nil {
		return err
	}
	g, err := cString(grammar)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(g))
	r, err := cString(root)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(r))
	return x.add("grammar", func(s *samplerState) (*C.struct_llama_sampler, error) {
		var e C.infer_error
		c := C.infer_sampler_grammar(C.llama_model_get_vocab(s.model.model), g, r, &e)
		if c == nil {
			err := failure("llama_sampler_init_grammar", &e, nil)
			return nil, argument("grammar refused: %v", err)
		}
		s.notPrompt[s.n] = true
		return c, nil
	})
}

// Infill is for filling in the middle, behind TopK and TopP:
// llama_sampler_init_infill.
func (x *Sampler) Infill() error {
	return x.add("infill", func(s *samplerState) (*C.struct_llama_sampler, error) {
		return C.llama_sampler_init_infill(C.llama_model_get_vocab(s.model.model)), nil
	})
}

// Sample chooses a token from the i-th output of a context's last batch (see
// [Context.Logits]) and tells the chain: llama_sampler_sample.
func (x *Sampler) Sample(c *Context, i int) (Token, error) {
	token := NullToken
	err := x.locked(func(s *samplerState) error {
		if !s.chooses {
			return argument("the chain has no sampler that chooses: add Greedy or Dist")
		}
		return c.locked(func(p *C.struct_llama_context) error {
			if s.model != c.s.model {
				return argument("sampler of another model than the context's")
			}
			if err := c.s.output(i); err != nil {
				return err
			}
			var e C.infer_error
			t := C.infer_sample(s.chain, p, clampInt32(i), &e)
			if e.kind != C.INFER_OK {
				return samplerError("llama_sampler_sample", &e)
			}
			token = Token(t)
			return nil
		})
	})
	return token, err
}

// samplerError is failure for calls after which the context is as good as before: the
// engine only read its logits.
func samplerError(call string, e *C.infer_error) error {
	err := failure(call, e, nil).(*Error)
	if err.Kind == ErrBroken {
		err.Kind = nil
	}
	return err
}

// Accept tells the chain that a token was chosen: llama_sampler_accept.
func (x *Sampler) Accept(t Token) error { return x.accept(t, false) }

// AcceptPrompt tells the chain about a token of the prompt: what looks back at the
// text sees it, grammars do not.
func (x *Sampler) AcceptPrompt(t Token) error { return x.accept(t, true) }

func (x *Sampler) accept(t Token, prompt bool) error {
	return x.locked(func(s *samplerState) error {
		if n := C.llama_vocab_n_tokens(C.llama_model_get_vocab(s.model.model)); t < 0 || C.int32_t(t) >= n {
			return argument("token %d, the vocabulary has %d", t, int(n))
		}
		for i := range s.n {
			if prompt && s.notPrompt[i] {
				continue
			}
			var e C.infer_error
			if !C.infer_sampler_accept(C.llama_sampler_chain_get(s.chain, C.int32_t(i)), C.llama_token(t), &e) {
				return failure("llama_sampler_accept", &e, nil)
			}
		}
		return nil
	})
}

// Reset makes the chain forget what was chosen: llama_sampler_reset.
func (x *Sampler) Reset() error {
	return x.locked(func(s *samplerState) error {
		var e C.infer_error
		if !C.infer_sampler_reset(s.chain, &e) {
			return failure("llama_sampler_reset", &e, nil)
		}
		return nil
	})
}

// Clone returns a chain that goes on as this one would: llama_sampler_clone.
func (x *Sampler) Clone() (*Sampler, error) {
	var c *Sampler
	err := x.locked(func(s *samplerState) error {
		if err := s.model.life.acquire(); err != nil {
			return err
		}
		var e C.infer_error
		chain := C.infer_sampler_clone(s.chain, &e)
		if chain == nil {
			s.model.life.release()
			return failure("llama_sampler_clone", &e, nil)
		}
		n := &samplerState{chain: chain, model: s.model, chooses: s.chooses, n: s.n, notPrompt: map[int]bool{}}
		for i := range s.notPrompt {
			n.notPrompt[i] = true
		}
		c = &Sampler{n}
		runtime.AddCleanup(c, (*samplerState).close, n)
		return nil
	})
	return c, err
}

// Names lists the chain's samplers: llama_sampler_name.
func (x *Sampler) Names() (names []string, err error) {
	err = x.locked(func(s *samplerState) error {
		for i := range C.llama_sampler_chain_n(s.chain) {
			names = append(names, C.GoString(C.llama_sampler_name(C.llama_sampler_chain_get(s.chain, C.int32_t(i)))))
		}
		return nil
	})
	return names, err
}

func size(n int) C.size_t { return C.size_t(max(n, 0)) }

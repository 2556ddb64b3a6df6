//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"cmp"
	"math"
	"slices"
	"unsafe"
)

// link adds the sampler that add appends in C, unless one of the checks failed.
func (x *Sampler) link(name string, add func(s *samplerState, e *C.infer_error) C.bool, checks ...error) error {
	if err := cmp.Or(checks...); err != nil {
		return err
	}
	return x.locked(func(s *samplerState) error {
		if s.chooses {
			return argument("%s: add it before the sampler that chooses", name)
		}
		var e C.infer_error
		if !add(s, &e) {
			return failure(name, &e, nil)
		}
		return nil
	})
}

// choosing is like link, for a sampler that chooses.
func (x *Sampler) choosing(name string, add func(s *samplerState, e *C.infer_error) C.bool, checks ...error) error {
	return x.link(name, func(s *samplerState, e *C.infer_error) C.bool {
		s.chooses = bool(add(s, e))
		return C.bool(s.chooses)
	}, checks...)
}

// AddGreedy chooses the most likely token: llama_sampler_init_greedy.
func (x *Sampler) AddGreedy() error {
	return x.choosing("llama_sampler_init_greedy", func(s *samplerState, e *C.infer_error) C.bool { return C.infer_add_greedy(s.chain, e) })
}

// AddDist chooses by probability: llama_sampler_init_dist. The same seed chooses the same
// from the same logits.
func (x *Sampler) AddDist(seed uint32) error {
	seed = drawn(seed)
	return x.choosing("llama_sampler_init_dist", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_dist(s.chain, C.uint32_t(seed), e)
	})
}

// AddMirostat chooses by version 1 of the algorithm, which steers towards the surprise
// tau (bits, 5 in its paper) at the rate eta (0.1), estimated over the m most likely
// tokens (100): llama_sampler_init_mirostat. tau and eta are not negative, m is at
// least 1.
func (x *Sampler) AddMirostat(seed uint32, tau, eta float32, m int) error {
	seed = drawn(seed)
	return x.choosing("llama_sampler_init_mirostat", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_mirostat(s.chain, C.uint32_t(seed), C.float(tau), C.float(eta), clampInt32(m), e)
	}, number("mirostat tau", tau, 0, finite), number("mirostat eta", eta, 0, finite), integer("mirostat m", m, 1, math.MaxInt32))
}

// AddMirostatV2 chooses by version 2, which cuts off what is more surprising:
// llama_sampler_init_mirostat_v2. tau and eta are as for Mirostat.
func (x *Sampler) AddMirostatV2(seed uint32, tau, eta float32) error {
	seed = drawn(seed)
	return x.choosing("llama_sampler_init_mirostat_v2", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_mirostat_v2(s.chain, C.uint32_t(seed), C.float(tau), C.float(eta), e)
	}, number("mirostat tau", tau, 0, finite), number("mirostat eta", eta, 0, finite))
}

// AddTopK keeps the k most likely tokens; k <= 0: all. llama_sampler_init_top_k.
func (x *Sampler) AddTopK(k int) error {
	return x.link("llama_sampler_init_top_k", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_top_k(s.chain, clampInt32(k), e)
	})
}

// AddTopP keeps the most likely tokens that together have probability p, 0 to 1, and at
// least keep of them: llama_sampler_init_top_p.
func (x *Sampler) AddTopP(p float32, keep int) error {
	return x.link("llama_sampler_init_top_p", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_top_p(s.chain, C.float(p), C.size_t(keep), e)
	}, number("top-p", p, 0, 1), integer("top-p keep", keep, 0, math.MaxInt32))
}

// AddMinP keeps tokens of at least p, 0 to 1, times the best one's probability, and at
// least keep of them: llama_sampler_init_min_p.
func (x *Sampler) AddMinP(p float32, keep int) error {
	return x.link("llama_sampler_init_min_p", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_min_p(s.chain, C.float(p), C.size_t(keep), e)
	}, number("min-p", p, 0, 1), integer("min-p keep", keep, 0, math.MaxInt32))
}

// AddTypical keeps the locally typical tokens that together have probability p, 0 to 1,
// and at least keep of them: llama_sampler_init_typical. It does nothing useful behind
// samplers that exclude tokens.
func (x *Sampler) AddTypical(p float32, keep int) error {
	return x.link("llama_sampler_init_typical", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_typical(s.chain, C.float(p), C.size_t(keep), e)
	}, number("typical-p", p, 0, 1), integer("typical-p keep", keep, 0, math.MaxInt32))
}

// AddTopNSigma keeps tokens whose logits are within n standard deviations of the best;
// n <= 0: all. llama_sampler_init_top_n_sigma.
func (x *Sampler) AddTopNSigma(n float32) error {
	return x.link("llama_sampler_init_top_n_sigma", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_top_n_sigma(s.chain, C.float(n), e)
	}, number("top-n-sigma", n, -finite, finite))
}

// AddXTC removes, with the given probability (0 to 1), all tokens with at least the threshold's
// probability (0 to 1) except the least likely of them, if at least keep tokens are left:
// llama_sampler_init_xtc.
func (x *Sampler) AddXTC(probability, threshold float32, keep int, seed uint32) error {
	seed = drawn(seed)
	return x.link("llama_sampler_init_xtc", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_xtc(s.chain, C.float(probability), C.float(threshold), C.size_t(keep), C.uint32_t(seed), e)
	}, number("XTC probability", probability, 0, 1), number("XTC threshold", threshold, 0, 1), integer("XTC keep", keep, 0, math.MaxInt32))
}

// AddTemperature divides the logits by t; t <= 0, and for all practical purposes
// t < 1e-6, keeps the best alone: llama_sampler_init_temp.
func (x *Sampler) AddTemperature(t float32) error {
	return x.link("llama_sampler_init_temp", func(s *samplerState, e *C.infer_error) C.bool {
		if t < minTemperature {
			t = 0
		}
		return C.infer_add_temp(s.chain, C.float(t), e)
	}, number("temperature", t, -finite, finite))
}

// AddDynamicTemperature sets a temperature from t-delta to t+delta that depends on a power of the
// entropy: llama_sampler_init_temp_ext. With delta <= 0 it is [Sampler.AddTemperature]. The
// exponent must not be negative.
func (x *Sampler) AddDynamicTemperature(t, delta, exponent float32) error {
	return x.link("llama_sampler_init_temp_ext", func(s *samplerState, e *C.infer_error) C.bool {
		if t < minTemperature && delta <= 0 {
			t = 0
		}
		return C.infer_add_temp_ext(s.chain, C.float(t), C.float(delta), C.float(exponent), e)
	}, number("temperature", t, -finite, finite), number("dynamic temperature range", delta, -finite, finite), number("dynamic temperature exponent", exponent, 0, finite))
}

// AddPenalties makes tokens less likely that are among the last lastN (0: off; -1: the
// context that the model was trained with; at most 1048576): llama_sampler_init_penalties.
// repeat divides their logits (1: off; above 0), frequency is subtracted once for each
// time that one occurs and presence once (0: off; negative ones make them likelier).
func (x *Sampler) AddPenalties(lastN int, repeat, frequency, presence float32) error {
	err := number("repeat penalty", repeat, 0, finite)
	if err == nil && repeat == 0 {
		err = invalid("repeat penalty", 0, "out of range: use more than 0, or 1 for none")
	}
	return x.link("llama_sampler_init_penalties", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_penalties(s.chain, s.window(lastN), C.float(repeat), C.float(frequency), C.float(presence), e)
	}, err, number("frequency penalty", frequency, -finite, finite), number("presence penalty", presence, -finite, finite),
		integer("penalty window", lastN, -1, maxWindow))
}

// window replaces -1 by the length of context that the model was trained with.
func (s *samplerState) window(n int) C.int32_t {
	if n < 0 {
		n = int(C.infer_llama_model_n_ctx_train(s.model.model))
	}
	return C.int32_t(min(max(n, 0), maxWindow))
}

// AddDRY penalises tokens that would extend a repetition of earlier text; the penalty grows
// exponentially with the length of the repetition: llama_sampler_init_dry. The window has at most
// 1048576 tokens. There are at most 256 breakers, none of them empty.
func (x *Sampler) AddDRY(p DRYParams) error {
	breakers, free, err := cTexts("DRY breaker", p.Breakers)
	if err != nil {
		return err
	}
	defer free()
	return x.link("llama_sampler_init_dry", func(s *samplerState, e *C.infer_error) C.bool {
		n := s.window(p.LastN)
		return C.infer_add_dry(s.chain, max(n, 1), C.float(p.Multiplier), C.float(p.Base), clampInt32(p.AllowedLength), n,
			breakers, C.size_t(len(p.Breakers)), e)
	}, number("DRY multiplier", p.Multiplier, 0, finite), number("DRY base", p.Base, 0, finite), integer("DRY allowed length", p.AllowedLength, 0, math.MaxInt32),
		integer("DRY window", p.LastN, -1, maxWindow), integer("number of DRY breakers", len(p.Breakers), 0, maxBreakers))
}

// AddLogitBias adds to the logits of tokens; -Inf excludes one:
// llama_sampler_init_logit_bias. Tokens outside the vocabulary are refused.
func (x *Sampler) AddLogitBias(bias map[Token]float32) error {
	return x.locked(func(s *samplerState) error {
		if s.chooses {
			return argument("logit bias: add it before the sampler that chooses")
		}
		list := make([]C.llama_logit_bias, 0, len(bias)+1)
		for t, b := range bias {
			if t < 0 || int(t) >= s.vocab {
				return noToken(t, s.vocab)
			}
			if f := float64(b); math.IsNaN(f) || math.IsInf(f, 1) {
				return argument("bias %g of token %d: use a finite number, or -Inf to exclude the token", b, t)
			}
			list = append(list, C.llama_logit_bias{token: C.llama_token(t), bias: C.float(b)})
		}
		var e C.infer_error
		if !C.infer_add_logit_bias(s.chain, C.int32_t(len(list)), unsafe.SliceData(list), &e) {
			return failure("llama_sampler_init_logit_bias", &e, nil)
		}
		return nil
	})
}

// AddInfill keeps what fills a gap in a text, for use behind TopK and TopP (its time grows
// with the square of the tokens left): llama_sampler_init_infill. The vocabulary needs
// a token for the end of a turn or of a text.
func (x *Sampler) AddInfill() error {
	return x.link("llama_sampler_init_infill", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_infill(s.chain, e)
	}, x.locked(func(s *samplerState) error {
		v := C.infer_llama_model_get_vocab(s.model.model)
		if C.infer_llama_vocab_eot(v) < 0 && C.infer_llama_vocab_eos(v) < 0 {
			return argument("infill needs a vocabulary with a token for the end of a turn or of a text")
		}
		return nil
	}))
}

// cTexts is cStrings of texts that are not empty.
func cTexts(what string, list []string) (array **C.char, free func(), err error) {
	if slices.Contains(list, "") {
		return nil, nil, argument("empty %s: use texts of at least one byte", what)
	}
	return cStrings(list)
}

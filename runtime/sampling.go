package runtime

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"strings"
)

// DefaultSampling are the values that zero fields of [Sampling] stand for.
func DefaultSampling() Sampling {
	return Sampling{
		Temperature: 0.8, DynatempExponent: 1, TopK: 40, TopP: 0.95, MinP: 0.05, TypicalP: 1, XTCThreshold: 0.1,
		MirostatTau: 5, MirostatEta: 0.1, PenaltyLastN: 64, RepeatPenalty: 1,
		DRYBase: 1.75, DRYAllowedLength: 2, DRYPenaltyLastN: -1, DRYBreakers: []string{"\n", ":", "\"", "*"},
	}
}

// withDefaults replaces zero fields, draws a seed where none is given and refuses
// values that no sampler can work with.
func (s Sampling) withDefaults() (Sampling, error) {
	d := DefaultSampling()
	for _, f := range []struct {
		name     string
		v        *float32
		def      float32
		min, max float32
	}{
		{"temperature", &s.Temperature, d.Temperature, 0, 1e6},
		{"dynamic temperature range", &s.DynatempRange, 0, 0, 1e6},
		{"dynamic temperature exponent", &s.DynatempExponent, d.DynatempExponent, 0, 1e6},
		{"top-p", &s.TopP, d.TopP, 0, 1e6},
		{"min-p", &s.MinP, d.MinP, -1e6, 1},
		{"typical-p", &s.TypicalP, d.TypicalP, 0, 1e6},
		{"top-n-sigma", &s.TopNSigma, 0, -1e6, 1e6},
		{"XTC probability", &s.XTCProbability, 0, 0, 1},
		{"XTC threshold", &s.XTCThreshold, d.XTCThreshold, 0, 1},
		{"mirostat tau", &s.MirostatTau, d.MirostatTau, 0, 1e6},
		{"mirostat eta", &s.MirostatEta, d.MirostatEta, 0, 1e6},
		{"repeat penalty", &s.RepeatPenalty, d.RepeatPenalty, 1e-6, 1e6},
		{"frequency penalty", &s.FrequencyPenalty, 0, -1e6, 1e6},
		{"presence penalty", &s.PresencePenalty, 0, -1e6, 1e6},
		{"DRY multiplier", &s.DRYMultiplier, 0, 0, 1e6},
		{"DRY base", &s.DRYBase, d.DRYBase, 0, 1e6},
	} {
		if *f.v == 0 {
			*f.v = f.def
		}
		// The comparison is written so that NaN fails it.
		if *f.v != f.def && !(*f.v >= f.min && *f.v <= f.max) {
			return s, optionError("%s of %g: %g to %g are possible", f.name, *f.v, f.min, f.max)
		}
	}
	for _, f := range []struct {
		name string
		v    *int
		def  int
	}{
		{"top-k", &s.TopK, d.TopK},
		{"penalty window", &s.PenaltyLastN, d.PenaltyLastN},
		{"DRY allowed length", &s.DRYAllowedLength, d.DRYAllowedLength},
		{"DRY window", &s.DRYPenaltyLastN, d.DRYPenaltyLastN},
	} {
		if *f.v == 0 {
			*f.v = f.def
		}
		if *f.v < -1 || *f.v > 1<<30 {
			return s, optionError("%s of %d", f.name, *f.v)
		}
	}
	if s.Mirostat < 0 || s.Mirostat > 2 {
		return s, optionError("mirostat %d: 0 (off), 1 or 2", s.Mirostat)
	}
	for id, bias := range s.LogitBias {
		if id < 0 {
			return s, optionError("logit bias for token %d: tokens count from 0", id)
		}
		if math.IsNaN(float64(bias)) || math.IsInf(float64(bias), 1) {
			return s, optionError("logit bias of %g for token %d", bias, id)
		}
	}
	for _, b := range s.DRYBreakers {
		if b == "" || strings.IndexByte(b, 0) >= 0 {
			return s, optionError("DRY breaker %q: empty, or with a NUL", b)
		}
	}
	if s.DRYBreakers == nil {
		s.DRYBreakers = d.DRYBreakers
	}
	if s.Seed == nil {
		var b [4]byte
		rand.Read(b[:])
		seed := binary.LittleEndian.Uint32(b[:])
		if seed == math.MaxUint32 { // the engine's word for "draw one"
			seed--
		}
		s.Seed = &seed
	}
	return s, nil
}

package runtime

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"strings"
)

// DefaultSampling are the values that zero fields of [Sampling] stand for. What is zero in it
// is Off by default.
func DefaultSampling() Sampling {
	return Sampling{
		Temperature: 0.8, DynatempExponent: 1, TopK: 40, TopP: 0.95, MinP: 0.05, TypicalP: 1, XTCThreshold: 0.1,
		MirostatTau: 5, MirostatEta: 0.1, PenaltyLastN: 64, RepeatPenalty: 1,
		DRYBase: 1.75, DRYAllowedLength: 2, DRYPenaltyLastN: -1, DRYBreakers: []string{"\n", ":", "\"", "*"},
	}
}

// number is a field of Sampling. off changes the options so that its step is left out.
type number[T int | float32] struct {
	name     string
	v        *T
	def      T
	min, max T
	off      func()
}

// resolveNumbers replaces 0 and Off by the defaults, and adds off of those that were Off.
func resolveNumbers[T int | float32](numbers []number[T], offs *[]func()) error {
	for _, n := range numbers {
		v := *n.v
		switch {
		case v == Off:
			*n.v = n.def
			*offs = append(*offs, n.off)
		case v == 0:
			*n.v = n.def
		case !(v >= n.min && v <= n.max): // NaN is not
			hint := ""
			if n.min >= 0 && v < 0 {
				hint = ", or Off"
			}
			return optionError("%s of %v: %v to %v are possible%s", n.name, v, n.min, n.max, hint)
		}
	}
	return nil
}

// withDefaults replaces zero fields and Off by what they stand for, draws a seed where none
// is given and refuses values that no sampler can work with.
func (s Sampling) withDefaults() (Sampling, error) {
	d := DefaultSampling()
	noDRY := func() { s.DRYMultiplier = 0 }
	noMirostat := func() { s.Mirostat = 0 }
	noXTC := func() { s.XTCProbability = 0 }
	noDynatemp := func() { s.DynatempRange = 0 }
	noPenalties := func() { s.RepeatPenalty, s.FrequencyPenalty, s.PresencePenalty = 1, 0, 0 }
	var offs []func()
	err := resolveNumbers([]number[float32]{
		{"temperature", &s.Temperature, d.Temperature, 0, 1e6, func() { s.Greedy = true }},
		{"dynamic temperature range", &s.DynatempRange, 0, 0, 1e6, noDynatemp},
		{"dynamic temperature exponent", &s.DynatempExponent, d.DynatempExponent, 0, 1e6, noDynatemp},
		{"top-p", &s.TopP, d.TopP, 0, 1e6, func() { s.TopP = 1 }},
		{"min-p", &s.MinP, d.MinP, 0, 1, func() { s.MinP = 0 }},
		{"typical-p", &s.TypicalP, d.TypicalP, 0, 1e6, func() { s.TypicalP = 1 }},
		{"top-n-sigma", &s.TopNSigma, 0, 0, 1e6, func() { s.TopNSigma = 0 }},
		{"XTC probability", &s.XTCProbability, 0, 0, 1, noXTC},
		{"XTC threshold", &s.XTCThreshold, d.XTCThreshold, 0, 1, noXTC},
		{"mirostat tau", &s.MirostatTau, d.MirostatTau, 0, 1e6, noMirostat},
		{"mirostat eta", &s.MirostatEta, d.MirostatEta, 0, 1e6, noMirostat},
		{"repeat penalty", &s.RepeatPenalty, d.RepeatPenalty, 1e-6, 1e6, func() { s.RepeatPenalty = 1 }},
		{"frequency penalty", &s.FrequencyPenalty, 0, -1e6, 1e6, func() { s.FrequencyPenalty = 0 }},
		{"presence penalty", &s.PresencePenalty, 0, -1e6, 1e6, func() { s.PresencePenalty = 0 }},
		{"DRY multiplier", &s.DRYMultiplier, 0, 0, 1e6, noDRY},
		{"DRY base", &s.DRYBase, d.DRYBase, 0, 1e6, noDRY},
	}, &offs)
	if err != nil {
		return s, err
	}
	err = resolveNumbers([]number[int]{
		{"top-k", &s.TopK, d.TopK, 1, 1 << 30, func() { s.TopK = 0 }},
		{"mirostat", &s.Mirostat, 0, 1, 2, noMirostat},
		{"penalty window", &s.PenaltyLastN, d.PenaltyLastN, -1, 1 << 30, noPenalties},
		{"DRY allowed length", &s.DRYAllowedLength, d.DRYAllowedLength, 1, 1 << 30, noDRY},
		{"DRY window", &s.DRYPenaltyLastN, d.DRYPenaltyLastN, -1, 1 << 30, noDRY},
	}, &offs)
	if err != nil {
		return s, err
	}
	for _, off := range offs {
		off()
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

package runtime

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime/internal/logits"
)

// DefaultSampling returns the values that zero fields of [Sampling] stand for. A number that
// is zero here is Off by default.
func DefaultSampling() Sampling {
	return Sampling{
		Temperature: 0.8, DynatempExponent: 1, TopK: 40, TopP: 0.95, MinP: 0.05, TypicalP: 1, XTCThreshold: 0.1,
		MirostatTau: 5, MirostatEta: 0.1, PenaltyLastN: 64, RepeatPenalty: 1,
		DRYBase: 1.75, DRYAllowedLength: 2, DRYPenaltyLastN: -1, DRYBreakers: []string{"\n", ":", "\"", "*"},
	}
}

// number is a field of Sampling. off changes the options so that the field's step is off.
type number[T int | float32] struct {
	name     string
	v        *T
	def      T
	min, max T
	off      func()
}

// resolveNumbers replaces 0 and Off by the defaults, and appends off for fields that were Off.
func resolveNumbers[T int | float32](numbers []number[T], offs *[]func()) error {
	for _, n := range numbers {
		v := *n.v
		switch {
		case v == Off:
			*n.v = n.def
			*offs = append(*offs, n.off)
		case v == 0:
			*n.v = n.def
		case !(v >= n.min && v <= n.max): // true for NaN
			hint := ""
			if n.min >= 0 && v < 0 {
				hint = ", or Off"
			}
			return optionError(n.name, fmt.Sprint(v), "out of range (%v to %v%s)", n.min, n.max, hint)
		}
	}
	return nil
}

// withDefaults replaces zero and Off by what they stand for, draws a seed if none is set, and
// refuses values that no sampler accepts.
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
			return s, optionError("logit bias", "", "logit bias for token %d: use a token from 0 on", id)
		}
		if math.IsNaN(float64(bias)) || math.IsInf(float64(bias), 1) {
			return s, optionError("logit bias", fmt.Sprint(bias), "for token %d: use a finite number or -Inf", id)
		}
	}
	for _, b := range s.DRYBreakers {
		if b == "" || strings.IndexByte(b, 0) >= 0 {
			return s, optionError("DRY breaker", strconv.Quote(b), "must not be empty or contain NUL")
		}
	}
	for _, w := range s.GrammarTriggers {
		if w == "" || !utf8.ValidString(w) || strings.IndexByte(w, 0) >= 0 {
			return s, optionError("grammar trigger", strconv.Quote(w), "must be valid UTF-8, not empty, and without NUL")
		}
	}
	if s.GrammarTriggers != nil && (len(s.GrammarTriggers) == 0 || s.Grammar == "") {
		return s, optionError("grammar triggers", "", "need a grammar, and at least one word: give both, or nil")
	}
	if s.DRYBreakers == nil {
		s.DRYBreakers = d.DRYBreakers
	}
	if s.Seed == nil {
		var b [4]byte
		rand.Read(b[:])
		seed := binary.LittleEndian.Uint32(b[:])
		if seed == math.MaxUint32 { // LLAMA_DEFAULT_SEED: the engine would draw one
			seed--
		}
		s.Seed = &seed
	}
	return s, nil
}

// grammarRoot is the start rule of grammars.
const grammarRoot = "root"

// mirostatWindow is m of mirostat 1, the number of tokens for its estimate, as in its paper.
const mirostatWindow = 100

// newSampler makes the sampler chain for options without zero fields, in llama.cpp's order:
// penalties, truncation, temperature, choice.
func (m *Model) newSampler(o GenerateOptions) (*llama.Sampler, error) {
	x, err := m.weights.native.NewSampler()
	if err != nil {
		return nil, closed(err)
	}
	s := o.Sampling
	var steps []func() error
	add := func(on bool, step func() error) {
		if on {
			steps = append(steps, step)
		}
	}
	bias := map[llama.Token]float32{}
	for id, b := range s.LogitBias {
		bias[llama.Token(id)] = b
	}
	seed := *s.Seed
	add(len(bias) > 0, func() error { return x.AddLogitBias(bias) })
	add(s.Grammar != "" && s.GrammarTriggers == nil, func() error { return x.AddGrammar(s.Grammar, grammarRoot) })
	add(s.Grammar != "" && s.GrammarTriggers != nil, func() error {
		return x.AddLazyGrammar(s.Grammar, grammarRoot, s.GrammarTriggers, nil)
	})
	add(s.RepeatPenalty != 1 || s.FrequencyPenalty != 0 || s.PresencePenalty != 0, func() error {
		return x.AddPenalties(s.PenaltyLastN, s.RepeatPenalty, s.FrequencyPenalty, s.PresencePenalty)
	})
	add(s.DRYMultiplier != 0, func() error {
		return x.AddDRY(llama.DRYParams{Multiplier: s.DRYMultiplier, Base: s.DRYBase, AllowedLength: s.DRYAllowedLength, LastN: s.DRYPenaltyLastN, Breakers: s.DRYBreakers})
	})
	temperature := func() error {
		if s.DynatempRange > 0 {
			return x.AddDynamicTemperature(s.Temperature, s.DynatempRange, s.DynatempExponent)
		}
		return x.AddTemperature(s.Temperature)
	}
	switch {
	case s.Greedy:
		add(true, x.AddGreedy)
	case s.Mirostat == 1:
		add(true, temperature)
		add(true, func() error { return x.AddMirostat(seed, s.MirostatTau, s.MirostatEta, mirostatWindow) })
	case s.Mirostat == 2:
		add(true, temperature)
		add(true, func() error { return x.AddMirostatV2(seed, s.MirostatTau, s.MirostatEta) })
	default:
		add(s.TopNSigma > 0, func() error { return x.AddTopNSigma(s.TopNSigma) })
		add(s.TopK > 0, func() error { return x.AddTopK(s.TopK) })
		add(s.TypicalP < 1, func() error { return x.AddTypical(s.TypicalP, 1) })
		add(s.TopP < 1, func() error { return x.AddTopP(s.TopP, 1) })
		add(s.MinP > 0, func() error { return x.AddMinP(s.MinP, 1) })
		add(s.XTCProbability > 0, func() error { return x.AddXTC(s.XTCProbability, s.XTCThreshold, 1, seed) })
		add(true, temperature)
		add(true, func() error { return x.AddDist(seed) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			x.Close()
			return nil, asOption(err)
		}
	}
	return x, nil
}

// mostLogprobs bounds GenerateOptions.TopLogprobs: as many tokens as the largest vocabularies have.
const mostLogprobs = 1 << 18

// logprobs returns the log-probability of a token by a row of logits, and those of the n most
// likely tokens.
func (m *Model) logprobs(row []float32, id llama.Token, n int) (float32, []TokenLogprob, error) {
	all := logits.LogSum(row)
	logprob := func(i int) float32 { return float32(float64(row[i]) - all) }
	best := logits.Top(row, n)
	top := make([]TokenLogprob, len(best))
	for i, t := range best {
		text, err := piece(m.weights.native, int32(t))
		if err != nil {
			return 0, nil, err
		}
		top[i] = TokenLogprob{int32(t), text, logprob(t)}
	}
	return logprob(int(id)), top, nil
}

// checkGenerate refuses options that generations of this model refuse.
func (m *Model) checkGenerate(o *GenerateOptions) error {
	if o == nil {
		return nil
	}
	if err := m.decodes(); err != nil {
		return err
	}
	s, err := o.Sampling.withDefaults()
	if err != nil {
		return err
	}
	x, err := m.newSampler(GenerateOptions{Sampling: s})
	if err != nil {
		return err
	}
	return x.Close()
}

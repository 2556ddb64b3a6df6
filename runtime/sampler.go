package runtime

import "github.com/seed7adf6694/infer/llama"

// grammarRoot is the rule with which a text begins.
const grammarRoot = "root"

// mirostatWindow is the number of tokens over which mirostat 1 estimates, its paper's.
const mirostatWindow = 100

// newSampler makes the chain that options with defaults describe, in llama.cpp's
// order: what looks back at the text, what cuts off, temperature, choice.
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
	add(s.Grammar != "", func() error { return x.AddGrammar(s.Grammar, grammarRoot) })
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

// checkGenerate refuses what generations of this model could not ask for.
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

package server

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/seed7adf6694/infer/runtime"
)

// settings are the settings of a choice, with the defaults of those that the request does not have: all that
// has an effect on it, by llama-server's names.
func (a *nativeAnswer) settings(st runtime.Stats) map[string]any {
	g := a.g
	predict := g.MaxTokens
	if predict == 0 && !g.PromptOnly {
		predict = -1
	}
	m := samplers(g.Sampling)
	for k, v := range map[string]any{
		"n_ctx": st.Context, "seed": st.Seed, "n_predict": predict, "max_tokens": predict, "n_probs": g.TopLogprobs, "n_cmpl": g.n,
		"stop": append([]string{}, g.Stop...), "ignore_eos": g.IgnoreEOG, "stream": g.stream, "grammar": g.Sampling.Grammar,
		"logit_bias": biases(g.Sampling), "timings_per_token": g.timings, "post_sampling_probs": false,
	} {
		m[k] = v
	}
	return m
}

// samplers are the figures of the steps by which tokens are chosen, and in samplers the names of those that are
// on, in their order.
func samplers(s runtime.Sampling) map[string]any {
	d := runtime.DefaultSampling()
	breakers := s.DRYBreakers
	if breakers == nil {
		breakers = d.DRYBreakers
	}
	temperature := orDefault(s.Temperature, d.Temperature, 0)
	if s.Greedy {
		temperature = 0
	}
	m := map[string]any{
		"temperature": temperature, "dynatemp_range": orDefault(s.DynatempRange, 0, 0), "dynatemp_exponent": orDefault(s.DynatempExponent, d.DynatempExponent, 1),
		"top_k": orDefault(s.TopK, d.TopK, 0), "top_p": orDefault(s.TopP, d.TopP, 1), "min_p": orDefault(s.MinP, d.MinP, 0),
		"typical_p": orDefault(s.TypicalP, d.TypicalP, 1), "top_n_sigma": orDefault(s.TopNSigma, -1, -1),
		"xtc_probability": orDefault(s.XTCProbability, 0, 0), "xtc_threshold": orDefault(s.XTCThreshold, d.XTCThreshold, 1),
		"mirostat": orDefault(s.Mirostat, 0, 0), "mirostat_tau": orDefault(s.MirostatTau, d.MirostatTau, 0), "mirostat_eta": orDefault(s.MirostatEta, d.MirostatEta, 0),
		"repeat_last_n": orDefault(s.PenaltyLastN, d.PenaltyLastN, 0), "repeat_penalty": orDefault(s.RepeatPenalty, d.RepeatPenalty, 1),
		"presence_penalty": orDefault(s.PresencePenalty, 0, 0), "frequency_penalty": orDefault(s.FrequencyPenalty, 0, 0),
		"dry_multiplier": orDefault(s.DRYMultiplier, 0, 0), "dry_base": orDefault(s.DRYBase, d.DRYBase, 0), "dry_allowed_length": orDefault(s.DRYAllowedLength, d.DRYAllowedLength, 0),
		"dry_penalty_last_n": orDefault(s.DRYPenaltyLastN, d.DRYPenaltyLastN, 0), "dry_sequence_breakers": append([]string{}, breakers...),
	}
	m["samplers"] = stepsOf(m)
	return m
}

// stepsOf returns the names of the steps that are on, in the order of [runtime.Sampling].
func stepsOf(m map[string]any) []string {
	number := func(name string) float32 { return m[name].(float32) }
	window, breaking := m["repeat_last_n"].(int) != 0, m["dry_penalty_last_n"].(int) != 0
	chooses := number("temperature") > 0
	truncates := chooses && m["mirostat"].(int) == 0
	list := []string{}
	for _, s := range []struct {
		name string
		on   bool
	}{
		{"penalties", window && (number("repeat_penalty") != 1 || number("presence_penalty") != 0 || number("frequency_penalty") != 0)},
		{"dry", breaking && number("dry_multiplier") != 0 && number("dry_base") != 0},
		{"top_n_sigma", truncates && number("top_n_sigma") > 0},
		{"top_k", truncates && m["top_k"].(int) > 0},
		{"typ_p", truncates && number("typical_p") < 1},
		{"top_p", truncates && number("top_p") < 1},
		{"min_p", truncates && number("min_p") > 0},
		{"xtc", truncates && number("xtc_probability") > 0},
		{"temperature", chooses},
		{"mirostat", chooses && !truncates},
	} {
		if s.on {
			list = append(list, s.name)
		}
	}
	return list
}

// biased is a token whose logit is changed; null bans it, as -Inf, which JSON does not have.
type biased struct {
	Token int32    `json:"token"`
	Bias  *float32 `json:"bias"`
}

func biases(s runtime.Sampling) []biased {
	list := []biased{}
	for id, x := range s.LogitBias {
		b := biased{Token: id}
		if !math.IsInf(float64(x), 0) {
			b.Bias = &x
		}
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b biased) int { return cmp.Compare(a.Token, b.Token) })
	return list
}

// orDefault returns what a number of [runtime.Sampling] stands for; off is its value where its step is off.
func orDefault[T int | float32](n, byDefault, off T) T {
	if n == 0 {
		n = byDefault
	}
	if n == runtime.Off {
		return off
	}
	return n
}

// mostAlternatives is how many alternatives of tokens, with n_probs of more than 20, are kept at the same time,
// for one answer and for all: as many as the largest vocabularies have tokens. Each takes some 200 bytes.
const mostAlternatives = 1 << 18

// alternatives returns how many alternatives of tokens an answer may have, 0 for few with each token, or the
// error of too many. The vocabulary's size is the most with a token. counts are the tokens of the prompts.
func (l *live) alternatives(g *generation, counts []int) (int, error) {
	if n := l.facts.Vocabulary; n > 0 {
		g.TopLogprobs = min(g.TopLogprobs, n)
	}
	if g.TopLogprobs <= mostTop || l.batch == nil || g.PromptOnly {
		return 0, nil
	}
	tokens := 0
	for _, n := range counts {
		left := max(l.batch.Stats().RequestContext-n, 0)
		if g.MaxTokens > 0 {
			left = min(left, g.MaxTokens)
		}
		tokens += g.n * left
	}
	if all := float64(tokens) * float64(g.TopLogprobs); all > mostAlternatives {
		return 0, badField("n_probs", "%d alternatives of up to %d tokens are %.0f: use at most %d in an answer, by a smaller n_probs or n_predict", g.TopLogprobs, tokens, all, mostAlternatives)
	}
	return tokens * g.TopLogprobs, nil
}

// hold counts the alternatives of an answer, or refuses it while others have too many. Who holds some takes
// them off Server.wide at the end.
func (s *Server) hold(alternatives int) error {
	if all := s.wide.Add(int64(alternatives)); alternatives > 0 && all > mostAlternatives {
		s.wide.Add(int64(-alternatives))
		e := unavailable("too_many_alternatives", "n_probs: "+itoa(alternatives)+" alternatives of tokens are too many beside the "+itoa(int(all)-alternatives)+
			" of other answers: at most "+itoa(mostAlternatives)+" are kept at the same time: try again later", time.Second)
		e.param = "n_probs"
		return e
	}
	return nil
}

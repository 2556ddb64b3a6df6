//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// kept returns the tokens that links leave: those that are chosen if a bias behind the links makes
// them the best.
func kept(t *testing.T, m *llama.Model, l []float32, tokens []llama.Token, links ...func(*llama.Sampler) error) []llama.Token {
	t.Helper()
	var left []llama.Token
	for _, token := range tokens {
		s := chain(t, m, append(slices.Clone(links), bias(token, 1e5), greedy)...)
		if chooses(t, s, l) == token {
			left = append(left, token)
		}
		s.Close()
	}
	return left
}

// gap is by how much the logit of a exceeds that of b behind the links: the bias that
// makes b the better one. No other token may be better than both.
func gap(t *testing.T, m *llama.Model, l []float32, a, b llama.Token, links ...func(*llama.Sampler) error) float64 {
	t.Helper()
	lo, hi := -100.0, 100.0
	for hi-lo > 1e-4 {
		mid := (lo + hi) / 2
		s := chain(t, m, append(slices.Clone(links), bias(b, float32(mid)), greedy)...)
		if chooses(t, s, l) == b {
			hi = mid
		} else {
			lo = mid
		}
		s.Close()
	}
	return hi
}

func TestWhatFiltersKeep(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const a, b, c, d, e = 10, 700, 300, 1500, 400 // in no order
	all := []llama.Token{a, b, c, d, e}
	five := probable(map[llama.Token]float64{a: 0.4, b: 0.3, c: 0.15, d: 0.1, e: 0.05})
	topK := func(k int) func(*llama.Sampler) error { return func(s *llama.Sampler) error { return s.AddTopK(k) } }
	topP := func(p float32, keep int) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddTopP(p, keep) }
	}
	minP := func(p float32, keep int) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddMinP(p, keep) }
	}
	typical := func(p float32, keep int) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddTypical(p, keep) }
	}
	sigma := func(n float32) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddTopNSigma(n) }
	}
	xtc := func(p, threshold float32, keep int) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddXTC(p, threshold, keep, 1) }
	}
	temperature := func(v float32) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddTemperature(v) }
	}
	type link = func(*llama.Sampler) error
	for _, tt := range []struct {
		name  string
		links []link
		want  []llama.Token
	}{
		{"no link keeps all", nil, all},
		{"top-k keeps the best k", []link{topK(2)}, []llama.Token{a, b}},
		{"top-k of more than there are keeps all", []link{topK(1 << 30)}, all},
		{"top-k of 0 keeps all", []link{topK(0)}, all},
		{"a negative top-k keeps all", []link{topK(-5)}, all},
		{"top-p stops when the sum has been reached", []link{topP(0.69, 0)}, []llama.Token{a, b}},
		{"top-p takes the token that crosses the sum", []link{topP(0.71, 0)}, []llama.Token{a, b, c}},
		{"top-p keeps as many as it is told to", []link{topP(0.1, 4)}, []llama.Token{a, b, c, d}},
		{"top-p of 0 keeps the best", []link{topP(0, 0)}, []llama.Token{a}},
		{"top-p of 1 keeps all", []link{topP(1, 0)}, all},
		{"min-p compares with the best", []link{minP(0.3, 0)}, []llama.Token{a, b, c}},
		{"min-p keeps as many as it is told to", []link{minP(0.3, 4)}, []llama.Token{a, b, c, d}},
		{"min-p of 0 keeps all", []link{minP(0, 0)}, all},
		{"min-p of 1 keeps the best", []link{minP(1, 0)}, []llama.Token{a}},
		// Entropy 1.393; -ln p is 0.916, 1.204, 1.897, 2.303, 2.996: b is nearest to it, then a, c.
		{"typical keeps what is nearest to the entropy", []link{topK(5), typical(0.2, 1)}, []llama.Token{b}},
		{"typical adds the next nearest", []link{topK(5), typical(0.5, 1)}, []llama.Token{a, b}},
		{"typical keeps as many as it is told to", []link{topK(5), typical(0.2, 3)}, []llama.Token{a, b, c}},
		{"typical of 1 keeps all", []link{topK(5), typical(1, 1)}, all},
		// Logits of mean -1.865 and deviation 0.736: within one of -0.916 are a and b.
		{"top-n-sigma measures in deviations", []link{topK(5), sigma(1)}, []llama.Token{a, b}},
		{"two deviations keep more", []link{topK(5), sigma(2)}, []llama.Token{a, b, c, d}},
		{"top-n-sigma of 0 keeps all", []link{topK(5), sigma(0)}, all},
		{"a negative top-n-sigma keeps all", []link{topK(5), sigma(-1)}, all},
		{"xtc removes what is above the threshold but for the last", []link{topK(5), xtc(1, 0.12, 1)}, []llama.Token{c, d, e}},
		{"xtc removes nothing where one is above the threshold", []link{topK(5), xtc(1, 0.35, 1)}, all},
		{"xtc removes nothing where too few would be left", []link{topK(5), xtc(1, 0.12, 4)}, all},
		{"xtc of probability 0 removes nothing", []link{topK(5), xtc(0, 0.12, 1)}, all},
		{"xtc with a threshold above a half removes nothing", []link{topK(5), xtc(1, 0.6, 1)}, all},
		{"a temperature keeps all", []link{temperature(0.5)}, all},
		{"temperature 0 keeps the best", []link{temperature(0)}, []llama.Token{a}},
		{"a negative temperature keeps the best", []link{temperature(-1)}, []llama.Token{a}},
		{"a temperature that would make logits infinite keeps the best", []link{temperature(1e-40)}, []llama.Token{a}},
		{"filters act in the order in which they were added", []link{xtc(1, 0.12, 1), topK(2)}, []llama.Token{c, d}},
		{"and the other way round", []link{topK(2), xtc(1, 0.12, 1)}, []llama.Token{b}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := kept(t, m, five, all, tt.links...)
			if !slices.Equal(got, slices.DeleteFunc(slices.Clone(all), func(t llama.Token) bool { return !slices.Contains(tt.want, t) })) {
				t.Errorf("kept %v, want %v of %v", got, tt.want, all)
			}
		})
	}
}

func TestXTCFlipsACoin(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	l := probable(map[llama.Token]float64{10: 0.6, 20: 0.4})
	draw := func(seed uint32) (text string) {
		s := chain(t, m, func(s *llama.Sampler) error { return s.AddXTC(0.5, 0.1, 1, seed) }, greedy)
		defer s.Close()
		text = fmt.Sprint(sequence(t, s, l, 40))
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		if again := fmt.Sprint(sequence(t, s, l, 40)); again != text {
			t.Errorf("after a reset %s, at first %s", again, text)
		}
		return text
	}
	one := draw(1)
	if n := strings.Count(one, "20"); n < 8 || n > 32 {
		t.Errorf("the best was removed %d times of 40", n)
	}
	if draw(1) != one || draw(2) == one {
		t.Error("the coin does not follow the seed")
	}
}

func TestTemperatures(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	l := logitsOf(map[llama.Token]float64{10: 1, 20: 3})
	two := func(s *llama.Sampler) error { return s.AddTopK(2) }
	// The probabilities of two logits that differ by 2, and their entropy as a part of the largest.
	p := 1 / (1 + math.Exp(-2))
	entropy := -(p*math.Log(p) + (1-p)*math.Log(1-p)) / math.Log(2)
	for _, tt := range []struct {
		name string
		link func(*llama.Sampler) error
		want float64
	}{
		{"a temperature divides", func(s *llama.Sampler) error { return s.AddTemperature(0.5) }, 4},
		{"a high one brings logits together", func(s *llama.Sampler) error { return s.AddTemperature(4) }, 0.5},
		{"1 changes nothing", func(s *llama.Sampler) error { return s.AddTemperature(1) }, 2},
		{"a dynamic one without a range is a plain one", func(s *llama.Sampler) error { return s.AddDynamicTemperature(0.5, 0, 1) }, 4},
		{"a negative range is none", func(s *llama.Sampler) error { return s.AddDynamicTemperature(0.5, -1, 1) }, 4},
		{"a dynamic one follows the entropy", func(s *llama.Sampler) error { return s.AddDynamicTemperature(1, 0.5, 1) }, 2 / (0.5 + entropy)},
		{"by a power of it", func(s *llama.Sampler) error { return s.AddDynamicTemperature(1, 0.5, 2) }, 2 / (0.5 + entropy*entropy)},
		{"exponent 0 is the upper end", func(s *llama.Sampler) error { return s.AddDynamicTemperature(1, 0.5, 0) }, 2 / 1.5},
		{"the lower end is not below 0", func(s *llama.Sampler) error { return s.AddDynamicTemperature(0.5, 1.5, 1) }, 2 / (2 * entropy)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := gap(t, m, l, 20, 10, two, tt.link); math.Abs(got-tt.want) > 1e-3 {
				t.Errorf("the logits differ by %g, want %g", got, tt.want)
			}
		})
	}
}

func TestPenalties(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const a, b, c = 10, 20, 30
	given := map[llama.Token]float64{a: 8, c: -4}
	type link = func(*llama.Sampler) error
	penalties := func(n int, repeat, frequency, presence float32) link {
		return func(s *llama.Sampler) error { return s.AddPenalties(n, repeat, frequency, presence) }
	}
	prompt := func(s *llama.Sampler) error { return s.AcceptPrompt(a) }
	for _, tt := range []struct {
		name  string
		token llama.Token // against b, which does not occur
		links []link
		want  float64
	}{
		{"what has not occurred is not penalised", a, []link{penalties(10, 2, 1, 1)}, 8},
		{"a repeat penalty divides positive logits", a, []link{penalties(10, 2, 0, 0), accepted(a)}, 4},
		{"and multiplies negative ones", c, []link{penalties(10, 2, 0, 0), accepted(c)}, -8},
		{"one below 1 rewards", a, []link{penalties(10, 0.5, 0, 0), accepted(a)}, 16},
		{"it does not count", a, []link{penalties(10, 2, 0, 0), accepted(a, a, a)}, 4},
		{"a frequency penalty counts", a, []link{penalties(10, 1, 0.5, 0), accepted(a, c, a, a)}, 6.5},
		{"a presence penalty does not", a, []link{penalties(10, 1, 0, 0.5), accepted(a, c, a, a)}, 7.5},
		{"negative ones reward", a, []link{penalties(10, 1, -0.5, -1), accepted(a, a)}, 10},
		{"they add up", a, []link{penalties(10, 2, 0.5, 0.25), accepted(a, a)}, 4 - 1 - 0.25},
		{"a prompt counts", a, []link{penalties(10, 2, 0, 0), prompt}, 4},
		{"what has left the window does not", a, []link{penalties(2, 1, 1, 0), accepted(a, a, c)}, 7},
		{"nor does anything with a window of 0", a, []link{penalties(0, 2, 1, 1), accepted(a)}, 8},
		{"-1 is the context that the model was trained with", a, []link{penalties(-1, 1, 0.01, 0), accepted(slices.Repeat([]llama.Token{a}, 600)...)}, 8 - 0.01*512},
		{"a reset forgets", a, []link{penalties(10, 2, 1, 1), accepted(a, a), func(s *llama.Sampler) error { return s.Reset() }}, 8},
		{"after which it counts anew", a, []link{penalties(10, 1, 1, 0), accepted(a, a), func(s *llama.Sampler) error { return s.Reset() }, accepted(a)}, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := logitsOf(map[llama.Token]float64{tt.token: given[tt.token], b: 0})
			if got := gap(t, m, l, tt.token, b, tt.links...); math.Abs(got-tt.want) > 1e-3 {
				t.Errorf("the logit is %g, want %g", got, tt.want)
			}
		})
	}
}

func TestDRY(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	dot, err := m.Tokenize(".", false, false)
	if err != nil {
		t.Fatal(err)
	}
	stop := dot[len(dot)-1]
	const a, b, c, next, other, quoted = 310, 320, 330, 340, 350, 414 // quoted is ."
	l := logitsOf(map[llama.Token]float64{next: 0, other: 0})
	params := llama.DRYParams{Multiplier: 1, Base: 2, AllowedLength: 2, LastN: 100}
	with := func(change func(*llama.DRYParams)) llama.DRYParams {
		p := params
		change(&p)
		return p
	}
	repeats := []llama.Token{a, b, c, next, a, b, c} // next would be the fourth to repeat
	for _, tt := range []struct {
		name   string
		params llama.DRYParams
		text   []llama.Token
		want   float64 // multiplier * base ^ (repeated - allowed)
	}{
		{"what repeats nothing is not penalised", params, []llama.Token{a, b, c, next, c, a}, 0},
		{"what goes on with a repetition is", params, repeats, 2},
		{"a longer repetition costs more", params, append([]llama.Token{other, 299, 298}, 297, 296, a, b, c, next, 297, 296, a, b, c), 8},
		{"one as long as allowed costs the multiplier", with(func(p *llama.DRYParams) { p.AllowedLength = 3 }), repeats, 1},
		{"a shorter one costs nothing", with(func(p *llama.DRYParams) { p.AllowedLength = 4 }), repeats, 0},
		{"the multiplier multiplies", with(func(p *llama.DRYParams) { p.Multiplier = 1.5 }), repeats, 3},
		{"a multiplier of 0 is off", with(func(p *llama.DRYParams) { p.Multiplier = 0 }), repeats, 0},
		{"a base below 1 is off", with(func(p *llama.DRYParams) { p.Base = 0.5 }), repeats, 0},
		{"a window of 0 is off", with(func(p *llama.DRYParams) { p.LastN = 0 }), repeats, 0},
		{"what has left the window does not count", with(func(p *llama.DRYParams) { p.LastN = 5 }), repeats, 0},
		{"-1 is the context that the model was trained with", with(func(p *llama.DRYParams) { p.LastN = -1 }), repeats, 2},
		{"a breaker ends the repetition", with(func(p *llama.DRYParams) { p.Breakers = []string{"."} }), []llama.Token{a, b, stop, c, next, a, b, stop, c}, 0},
		{"which goes on without it", params, []llama.Token{a, b, stop, c, next, a, b, stop, c}, 4},
		{"so does a token that has one in it", with(func(p *llama.DRYParams) { p.Breakers = []string{"."} }), []llama.Token{a, b, quoted, c, next, a, b, quoted, c}, 0},
		{"one that is not there does not", with(func(p *llama.DRYParams) { p.Breakers = []string{"zzz", "\x00\x01"[1:]} }), repeats, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dry := func(s *llama.Sampler) error { return s.AddDRY(tt.params) }
			if got := gap(t, m, l, other, next, dry, accepted(tt.text...)); math.Abs(got-tt.want) > 1e-3 {
				t.Errorf("a penalty of %g, want %g", got, tt.want)
			}
			reset := func(s *llama.Sampler) error { return s.Reset() }
			if got := gap(t, m, l, other, next, dry, accepted(tt.text...), reset); math.Abs(got) > 1e-3 {
				t.Errorf("a penalty of %g after a reset", got)
			}
		})
	}
}

func TestMirostatKeepsToTheSurprise(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	l := probable(map[llama.Token]float64{10: 0.6, 20: 0.3, 30: 0.1}) // 0.74, 1.74 and 3.32 bits
	drawn := func(link func(seed uint32) func(*llama.Sampler) error, n int) map[llama.Token]bool {
		all := map[llama.Token]bool{}
		for seed := range uint32(40) {
			s := chain(t, m, link(seed))
			for _, token := range sequence(t, s, l, n) {
				all[token] = true
			}
			s.Close()
		}
		return all
	}
	v1 := func(tau float32, m int) func(uint32) func(*llama.Sampler) error {
		return func(seed uint32) func(*llama.Sampler) error {
			return func(s *llama.Sampler) error { return s.AddMirostat(seed, tau, 0.1, m) }
		}
	}
	v2 := func(tau, eta float32) func(uint32) func(*llama.Sampler) error {
		return func(seed uint32) func(*llama.Sampler) error {
			return func(s *llama.Sampler) error { return s.AddMirostatV2(seed, tau, eta) }
		}
	}
	for _, tt := range []struct {
		name string
		link func(uint32) func(*llama.Sampler) error
		n    int
		want map[llama.Token]bool
	}{
		{"version 2 begins with twice tau: one bit takes the best", v2(0.5, 0), 1, map[llama.Token]bool{10: true}},
		{"two bits take two", v2(1, 0), 1, map[llama.Token]bool{10: true, 20: true}},
		{"four bits take all three", v2(2, 0), 1, map[llama.Token]bool{10: true, 20: true, 30: true}},
		{"no surprise at all takes the best", v2(0, 0), 3, map[llama.Token]bool{10: true}},
		// The best alone is no surprise: 0 bits, 0.5 below tau, so that the bound rises
		// by 0.5 to 2 bits with a rate of 2.
		{"too little surprise raises the bound by eta", v2(0.5, 2), 2, map[llama.Token]bool{10: true, 20: true}},
		{"not without eta", v2(0.5, 0), 2, map[llama.Token]bool{10: true}},
		{"version 1 takes the best for no surprise", v1(0, 3), 1, map[llama.Token]bool{10: true}},
		{"version 1 takes all for a large one", v1(10, 3), 1, map[llama.Token]bool{10: true, 20: true, 30: true}},
		{"version 1 takes the best where it has nothing to estimate from", v1(5, 1), 3, map[llama.Token]bool{10: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := drawn(tt.link, tt.n)
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("drew %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLogitBias(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	l := logitsOf(map[llama.Token]float64{0: 1, 700: 2, tinyVocab - 1: 3})
	biases := func(b map[llama.Token]float32) func(*llama.Sampler) error {
		return func(s *llama.Sampler) error { return s.AddLogitBias(b) }
	}
	inf := float32(math.Inf(-1))
	for _, tt := range []struct {
		name string
		bias map[llama.Token]float32
		want llama.Token
	}{
		{"none changes nothing", nil, tinyVocab - 1},
		{"a bias adds", map[llama.Token]float32{700: 1.5}, 700},
		{"a negative one takes away", map[llama.Token]float32{tinyVocab - 1: -1.5}, 700},
		{"an infinite one excludes", map[llama.Token]float32{tinyVocab - 1: inf, 700: inf}, 0},
		{"an excluded token stays excluded", map[llama.Token]float32{tinyVocab - 1: inf, 0: 1000}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, first := range []func(*llama.Sampler) error{biases(nil), func(s *llama.Sampler) error { return s.AddTopK(3) }} { // in place, and sorted
				if got := chooses(t, chain(t, m, first, biases(tt.bias), greedy), l); got != tt.want {
					t.Errorf("chose %d, want %d", got, tt.want)
				}
			}
		})
	}
}

func TestInfill(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const eos, t1, the, that, q = 2, 319, 325, 381, 309 // " t", " the", " that", "q"
	infill := []func(*llama.Sampler) error{func(s *llama.Sampler) error { return s.AddTopK(4) }, func(s *llama.Sampler) error { return s.AddInfill() }}
	all := []llama.Token{t1, the, that, q, eos}
	for _, tt := range []struct {
		name string
		p    map[llama.Token]float64
		want []llama.Token
	}{
		// The end outweighs the text when it has a part in 1 + 3 times the candidates.
		{"a probable end is taken", map[llama.Token]float64{t1: 0.5, q: 0.4, the: 0.02, eos: 0.08}, []llama.Token{eos}},
		{"an improbable one is left for what goes on", map[llama.Token]float64{t1: 0.55, q: 0.44, the: 0.003, eos: 0.007}, []llama.Token{t1, q, eos}},
		{"tokens that begin alike go to the most probable of them", map[llama.Token]float64{t1: 0.3, the: 0.21, q: 0.4, that: 0.09}, []llama.Token{t1, q}},
		{"the end is taken where nothing is probable", map[llama.Token]float64{262: 0.19, 263: 0.19, 264: 0.19, 265: 0.19, 266: 0.19, 267: 0.19}, []llama.Token{eos}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			links := infill
			if len(tt.p) > 4 {
				links = []func(*llama.Sampler) error{func(s *llama.Sampler) error { return s.AddTopK(6) }, infill[1]}
			}
			got := kept(t, m, probable(tt.p), all, links...)
			want := slices.DeleteFunc(slices.Clone(all), func(t llama.Token) bool { return !slices.Contains(tt.want, t) })
			if !slices.Equal(got, want) {
				t.Errorf("kept %v, want %v", got, want)
			}
		})
	}
}

func TestRefusedArgumentsLeaveTheChainAsItWas(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	s := chain(t, m, func(s *llama.Sampler) error { return s.AddTopK(2) })
	refused := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, v := range []float32{nan, inf, -inf} {
		refused("temperature", s.AddTemperature(v))
		refused("dynamic temperature", s.AddDynamicTemperature(v, 1, 1))
		refused("dynamic temperature range", s.AddDynamicTemperature(1, v, 1))
		refused("dynamic temperature exponent", s.AddDynamicTemperature(1, 1, v))
		refused("top-p", s.AddTopP(v, 1))
		refused("min-p", s.AddMinP(v, 1))
		refused("typical", s.AddTypical(v, 1))
		refused("top-n-sigma", s.AddTopNSigma(v))
		refused("xtc probability", s.AddXTC(v, 0.1, 1, 1))
		refused("xtc threshold", s.AddXTC(0.5, v, 1, 1))
		refused("repeat penalty", s.AddPenalties(10, v, 0, 0))
		refused("frequency penalty", s.AddPenalties(10, 1, v, 0))
		refused("presence penalty", s.AddPenalties(10, 1, 0, v))
		refused("dry multiplier", s.AddDRY(llama.DRYParams{Multiplier: v, Base: 2, LastN: 10}))
		refused("dry base", s.AddDRY(llama.DRYParams{Multiplier: 1, Base: v, LastN: 10}))
		refused("mirostat tau", s.AddMirostat(1, v, 0.1, 100))
		refused("mirostat eta", s.AddMirostat(1, 5, v, 100))
		refused("mirostat 2 tau", s.AddMirostatV2(1, v, 0.1))
		refused("mirostat 2 eta", s.AddMirostatV2(1, 5, v))
	}
	for _, v := range []float32{-0.1, 1.1} {
		refused("top-p", s.AddTopP(v, 1))
		refused("min-p", s.AddMinP(v, 1))
		refused("typical", s.AddTypical(v, 1))
		refused("xtc probability", s.AddXTC(v, 0.1, 1, 1))
		refused("xtc threshold", s.AddXTC(0.5, v, 1, 1))
	}
	for _, n := range []int{-1, math.MinInt, math.MaxInt} {
		refused("top-p keep", s.AddTopP(0.5, n))
		refused("min-p keep", s.AddMinP(0.5, n))
		refused("typical keep", s.AddTypical(0.5, n))
		refused("xtc keep", s.AddXTC(0.5, 0.1, n, 1))
		refused("dry allowed length", s.AddDRY(llama.DRYParams{Multiplier: 1, Base: 2, LastN: 10, AllowedLength: n}))
		refused("mirostat m", s.AddMirostat(1, 5, 0.1, n))
	}
	for _, n := range []int{-2, 1<<20 + 1, math.MaxInt} {
		refused("penalty window", s.AddPenalties(n, 1, 0, 0))
		refused("dry window", s.AddDRY(llama.DRYParams{Multiplier: 1, Base: 2, LastN: n}))
	}
	refused("mirostat m of 0", s.AddMirostat(1, 5, 0.1, 0))
	refused("negative mirostat tau", s.AddMirostat(1, -1, 0.1, 100))
	refused("negative mirostat 2 eta", s.AddMirostatV2(1, 5, -0.1))
	refused("repeat penalty of 0", s.AddPenalties(10, 0, 0, 0))
	refused("negative repeat penalty", s.AddPenalties(10, -1, 0, 0))
	refused("negative dry multiplier", s.AddDRY(llama.DRYParams{Multiplier: -1, Base: 2, LastN: 10}))
	for _, breakers := range [][]string{{""}, {"a", ""}, {"a\x00b"}, slices.Repeat([]string{"a"}, 257)} {
		refused(fmt.Sprintf("dry breakers %.20q", breakers), s.AddDRY(llama.DRYParams{Multiplier: 1, Base: 2, LastN: 10, Breakers: breakers}))
	}
	for _, b := range []map[llama.Token]float32{{-1: 1}, {tinyVocab: 1}, {5: nan}, {5: inf}, {5: 1, math.MaxInt32: 1}} {
		refused(fmt.Sprintf("bias %v", b), s.AddLogitBias(b))
	}

	if names, err := s.Names(); err != nil || !slices.Equal(names, []string{"top-k"}) {
		t.Errorf("the chain is %v, %v", names, err)
	}
	if err := s.AddGreedy(); err != nil {
		t.Fatal(err)
	}
	if got := chooses(t, s, logitsOf(map[llama.Token]float64{700: 1})); got != 700 {
		t.Errorf("chose %d", got)
	}
}

func TestExtremeArgumentsAreSurvived(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const big = math.MaxFloat32
	l := make([]float32, tinyVocab)
	for i := range l {
		l[i] = float32(i % 7)
	}
	for name, link := range map[string]func(*llama.Sampler) error{
		"a tiny temperature":    func(s *llama.Sampler) error { return s.AddTemperature(1e-6) },
		"a huge one":            func(s *llama.Sampler) error { return s.AddTemperature(big) },
		"a huge dynamic one":    func(s *llama.Sampler) error { return s.AddDynamicTemperature(big, big, big) },
		"a tiny dynamic one":    func(s *llama.Sampler) error { return s.AddDynamicTemperature(-big, 1e-30, 0) },
		"a huge repeat penalty": func(s *llama.Sampler) error { return s.AddPenalties(-1, big, big, big) },
		"a tiny repeat penalty": func(s *llama.Sampler) error { return s.AddPenalties(1<<20, 1e-38, -big, -big) },
		"a huge dry": func(s *llama.Sampler) error {
			return s.AddDRY(llama.DRYParams{Multiplier: big, Base: big, LastN: 1 << 20})
		},
		"a dry of base 1":        func(s *llama.Sampler) error { return s.AddDRY(llama.DRYParams{Multiplier: 1, Base: 1, LastN: 1}) },
		"a huge n-sigma":         func(s *llama.Sampler) error { return s.AddTopNSigma(big) },
		"a huge bias":            bias(5, big),
		"a hugely negative bias": bias(5, -big),
		"all kept by top-p":      func(s *llama.Sampler) error { return s.AddTopP(0, math.MaxInt32) },
		"all kept by min-p":      func(s *llama.Sampler) error { return s.AddMinP(1, math.MaxInt32) },
		"all kept by typical":    func(s *llama.Sampler) error { return s.AddTypical(0, math.MaxInt32) },
		"breakers of many bytes": func(s *llama.Sampler) error {
			return s.AddDRY(llama.DRYParams{Multiplier: 1, Base: 2, LastN: 9, Breakers: []string{strings.Repeat("ab ", 1e5), "\xff\xfe"}})
		},
		"an xtc of all":                   func(s *llama.Sampler) error { return s.AddXTC(1, 0, 0, 1) },
		"a top-k of the whole vocabulary": func(s *llama.Sampler) error { return s.AddTopK(tinyVocab) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, last := range []func(*llama.Sampler) error{greedy, dist(1), func(s *llama.Sampler) error { return s.AddMirostat(1, big, big, math.MaxInt32) },
				func(s *llama.Sampler) error { return s.AddMirostatV2(1, big, big) }} {
				s := chain(t, m, link, last)
				for range 5 {
					token, err := s.Choose(l)
					var e *llama.Error
					if err != nil && (!errors.As(err, &e) || errors.Is(err, llama.ErrBroken)) {
						t.Fatal(err)
					}
					if err == nil && (token < 0 || token >= tinyVocab) {
						t.Fatalf("chose %d", token)
					}
					if err := s.Accept(max(token, 0)); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

//go:build cgo

package llama_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

const tinyVocab = 1536

// chain makes a sampler of links in order.
func chain(t testing.TB, m *llama.Model, links ...func(*llama.Sampler) error) *llama.Sampler {
	t.Helper()
	s, err := m.NewSampler()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, link := range links {
		if err := link(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func greedy(s *llama.Sampler) error { return s.AddGreedy() }

func dist(seed uint32) func(*llama.Sampler) error {
	return func(s *llama.Sampler) error { return s.AddDist(seed) }
}

func bias(t llama.Token, b float32) func(*llama.Sampler) error {
	return func(s *llama.Sampler) error { return s.AddLogitBias(map[llama.Token]float32{t: b}) }
}

func accepted(tokens ...llama.Token) func(*llama.Sampler) error {
	return func(s *llama.Sampler) error {
		for _, t := range tokens {
			if err := s.Accept(t); err != nil {
				return err
			}
		}
		return nil
	}
}

// logitsOf returns the given logits, and -1000 for all other tokens: improbable, not impossible.
func logitsOf(given map[llama.Token]float64) []float32 {
	l := slices.Repeat([]float32{-1000}, tinyVocab)
	for t, v := range given {
		l[t] = float32(v)
	}
	return l
}

// probable gives tokens probabilities, up to a common factor.
func probable(p map[llama.Token]float64) []float32 {
	given := map[llama.Token]float64{}
	for t, v := range p {
		given[t] = math.Log(v)
	}
	return logitsOf(given)
}

func chooses(t testing.TB, s *llama.Sampler, l []float32) llama.Token {
	t.Helper()
	token, err := s.Choose(l)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func sequence(t testing.TB, s *llama.Sampler, l []float32, n int) []llama.Token {
	t.Helper()
	var tokens []llama.Token
	for range n {
		token := chooses(t, s, l)
		if err := s.Accept(token); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	return tokens
}

func TestGreedyTakesTheMostProbable(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	s := chain(t, m, greedy)
	l := logitsOf(map[llama.Token]float64{0: 1, 700: 3, tinyVocab - 1: 2})
	if got := sequence(t, s, l, 3); !slices.Equal(got, []llama.Token{700, 700, 700}) {
		t.Errorf("chose %v", got)
	}
}

func TestSeeds(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	l := make([]float32, tinyVocab)
	for i := range l {
		l[i] = -1.1 * float32(math.Log(float64(i+1))) // much as words are in a language
	}
	for _, tt := range []struct {
		name string
		link func(seed uint32) func(*llama.Sampler) error
	}{
		{"dist", dist},
		{"mirostat 1", func(seed uint32) func(*llama.Sampler) error {
			return func(s *llama.Sampler) error { return s.AddMirostat(seed, 10, 0.1, 100) }
		}},
		{"mirostat 2", func(seed uint32) func(*llama.Sampler) error {
			return func(s *llama.Sampler) error { return s.AddMirostatV2(seed, 10, 0.1) }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := chain(t, m, tt.link(7))
			want := sequence(t, s, l, 20)
			if got := sequence(t, chain(t, m, tt.link(7)), l, 20); !slices.Equal(got, want) {
				t.Errorf("the same seed chose %v, then %v", want, got)
			}
			if got := sequence(t, chain(t, m, tt.link(8)), l, 20); slices.Equal(got, want) {
				t.Error("another seed chose the same")
			}
			if got := sequence(t, s, l, 20); slices.Equal(got, want) {
				t.Error("the sequence begins again by itself")
			}
			if err := s.Reset(); err != nil {
				t.Fatal(err)
			}
			if got := sequence(t, s, l, 20); !slices.Equal(got, want) {
				t.Errorf("after a reset chose %v, at first %v", got, want)
			}
			if seed, ok, err := s.Seed(); seed != 7 || !ok || err != nil {
				t.Errorf("seed %d, %v, %v", seed, ok, err)
			}

			s = chain(t, m, tt.link(llama.RandomSeed))
			want = sequence(t, s, l, 20)
			seed, ok, err := s.Seed()
			if !ok || err != nil {
				t.Fatalf("seed %d, %v, %v", seed, ok, err)
			}
			if got := sequence(t, chain(t, m, tt.link(seed)), l, 20); !slices.Equal(got, want) {
				t.Error("the seed that was drawn does not repeat the sequence")
			}
		})
	}
	if _, ok, err := chain(t, m, greedy).Seed(); ok || err != nil {
		t.Errorf("greedy has a seed: %v, %v", ok, err)
	}
}

func TestDistFollowsTheProbabilities(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	s := chain(t, m, dist(1))
	l := probable(map[llama.Token]float64{10: 0.7, 20: 0.2, 30: 0.1})
	n := map[llama.Token]int{}
	for _, token := range sequence(t, s, l, 2000) {
		n[token]++
	}
	// Four standard deviations: the seed is fixed, so this cannot fail by chance.
	for token, want := range map[llama.Token]int{10: 1400, 20: 400, 30: 200} {
		if d := n[token] - want; d < -85 || d > 85 {
			t.Errorf("token %d chosen %d times of 2000, expected about %d", token, n[token], want)
		}
	}
	if n[10]+n[20]+n[30] != 2000 {
		t.Errorf("chose %v", n)
	}
}

func TestAChainNeedsASamplerThatChooses(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	l := logitsOf(nil)
	for _, s := range []*llama.Sampler{
		chain(t, m),
		chain(t, m, func(s *llama.Sampler) error { return s.AddTopK(5) }, func(s *llama.Sampler) error { return s.AddTemperature(0) }),
	} {
		if token, err := s.Choose(l); !errors.Is(err, llama.ErrArgument) || token != llama.NullToken {
			t.Errorf("chose %d, %v", token, err)
		}
		if err := s.AddGreedy(); err != nil {
			t.Fatal(err)
		}
		chooses(t, s, l)
	}
}

func TestNothingIsAddedBehindASamplerThatChooses(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for name, last := range map[string]func(*llama.Sampler) error{
		"greedy":      greedy,
		"dist":        dist(1),
		"mirostat":    func(s *llama.Sampler) error { return s.AddMirostat(1, 5, 0.1, 100) },
		"mirostat-v2": func(s *llama.Sampler) error { return s.AddMirostatV2(1, 5, 0.1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := chain(t, m, last)
			for link, add := range links {
				if err := add(s); !errors.Is(err, llama.ErrArgument) {
					t.Errorf("%s behind it: %v", link, err)
				}
			}
			if names, err := s.Names(); err != nil || !slices.Equal(names, []string{name}) {
				t.Errorf("the chain is %v, %v", names, err)
			}
			chooses(t, s, logitsOf(nil))
		})
	}
}

// links are all samplers, by the engine's names.
var links = map[string]func(*llama.Sampler) error{
	"greedy":      greedy,
	"dist":        dist(1),
	"mirostat":    func(s *llama.Sampler) error { return s.AddMirostat(1, 5, 0.1, 100) },
	"mirostat-v2": func(s *llama.Sampler) error { return s.AddMirostatV2(1, 5, 0.1) },
	"top-k":       func(s *llama.Sampler) error { return s.AddTopK(40) },
	"top-p":       func(s *llama.Sampler) error { return s.AddTopP(0.9, 1) },
	"min-p":       func(s *llama.Sampler) error { return s.AddMinP(0.1, 1) },
	"typical":     func(s *llama.Sampler) error { return s.AddTypical(0.9, 1) },
	"top-n-sigma": func(s *llama.Sampler) error { return s.AddTopNSigma(1) },
	"xtc":         func(s *llama.Sampler) error { return s.AddXTC(0.5, 0.1, 1, 1) },
	"temp":        func(s *llama.Sampler) error { return s.AddTemperature(0.8) },
	"temp-ext":    func(s *llama.Sampler) error { return s.AddDynamicTemperature(0.8, 0.2, 1) },
	"penalties":   func(s *llama.Sampler) error { return s.AddPenalties(64, 1.1, 0.1, 0.1) },
	"dry": func(s *llama.Sampler) error {
		return s.AddDRY(llama.DRYParams{Multiplier: 0.8, Base: 1.75, AllowedLength: 2, LastN: -1, Breakers: []string{"."}})
	},
	"logit-bias": bias(5, 1),
	"infill":     func(s *llama.Sampler) error { return s.AddInfill() },
	"grammar":    func(s *llama.Sampler) error { return s.AddGrammar(`root ::= [a-z ]+`, "root") },
}

func TestNamesAreThoseOfTheEngineInOrder(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	order := []string{"logit-bias", "penalties", "dry", "grammar", "top-n-sigma", "top-k", "typical", "top-p", "min-p", "xtc", "infill", "temp", "temp-ext", "dist"}
	s := chain(t, m)
	if names, err := s.Names(); len(names) != 0 || err != nil {
		t.Errorf("an empty chain has %v, %v", names, err)
	}
	for _, name := range order {
		if err := links[name](s); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := s.Names(); !slices.Equal(names, order) || err != nil {
		t.Errorf("got %v, %v, want %v", names, err, order)
	}
	// All samplers in one chain, on equal logits.
	chooses(t, s, make([]float32, tinyVocab))
}

func TestACloneGoesOnAsTheOriginalWould(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	l := make([]float32, tinyVocab)
	for i := range l {
		l[i] = float32(i%97) / 20
	}
	begun := []llama.Token{300, 301, 302, 303, 300, 301, 302}
	for name, links := range map[string][]func(*llama.Sampler) error{
		"dist":       {dist(3)},
		"mirostat 2": {links["mirostat-v2"]},
		"xtc":        {func(s *llama.Sampler) error { return s.AddTopK(20) }, func(s *llama.Sampler) error { return s.AddXTC(0.5, 0.01, 1, 5) }, dist(3)},
		"penalties":  {links["penalties"], greedy},
		"penalties twice": {func(s *llama.Sampler) error { return s.AddPenalties(2, 1.5, 0.5, 0.5) },
			func(s *llama.Sampler) error { return s.AddPenalties(6, 1, 0.5, 0) }, greedy},
		"dry": {func(s *llama.Sampler) error {
			return s.AddDRY(llama.DRYParams{Multiplier: 5, Base: 1.75, AllowedLength: 1, LastN: 100, Breakers: []string{"."}})
		}, dist(3)},
		"bias":    {bias(700, 3), dist(4)},
		"grammar": {func(s *llama.Sampler) error { return s.AddGrammar(`root ::= [a-z ]+`, "root") }, dist(3)},
		"lazy grammar": {func(s *llama.Sampler) error {
			return s.AddLazyGrammar(`root ::= "k" [a-z]+`, "root", []string{"k"}, nil)
		}, dist(3)},
	} {
		t.Run(name, func(t *testing.T) {
			s := chain(t, m, links...)
			if err := accepted(begun...)(s); err != nil {
				t.Fatal(err)
			}
			sequence(t, s, l, 10)
			c, err := s.Clone()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			want := sequence(t, s, l, 30)
			if err := s.Close(); err != nil { // neither needs the other
				t.Fatal(err)
			}
			if got := sequence(t, c, l, 30); !slices.Equal(got, want) {
				t.Errorf("the clone chose %v, the original %v", got, want)
			}
			if err := c.AddGreedy(); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("behind the end of the clone: %v", err)
			}
		})
	}
	t.Run("mirostat 1 cannot be cloned and goes on", func(t *testing.T) {
		s, other := chain(t, m, links["mirostat"]), chain(t, m, links["mirostat"])
		sequence(t, s, l, 5)
		sequence(t, other, l, 5)
		var e *llama.Error
		if c, err := s.Clone(); !errors.As(err, &e) || c != nil {
			t.Errorf("got %v, %v", c, err)
		}
		if a, b := sequence(t, s, l, 20), sequence(t, other, l, 20); !slices.Equal(a, b) {
			t.Errorf("after the refusal %v, without it %v", a, b)
		}
	})
}

func TestAClosedSampler(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	s := chain(t, m, greedy)
	s.Close()
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	for name, add := range links {
		if err := add(s); !errors.Is(err, llama.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, choose := s.Choose(logitsOf(nil))
	_, clone := s.Clone()
	_, names := s.Names()
	_, _, seed := s.Seed()
	for name, err := range map[string]error{"choose": choose, "clone": clone, "names": names, "seed": seed, "accept": s.Accept(1), "reset": s.Reset()} {
		if !errors.Is(err, llama.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.Close()
	if _, err := m.NewSampler(); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("sampler of a closed model: %v", err)
	}
}

func TestSamplingFromAContext(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
	s := chain(t, m, greedy)
	if token, err := s.Sample(c, -1); !errors.Is(err, llama.ErrArgument) || token != llama.NullToken {
		t.Errorf("before a decode: %d, %v", token, err)
	}
	l := decode(t, c, story)

	penalty := func(s *llama.Sampler) error { return s.AddPenalties(8, 1, 0, 100) }
	a, b := chain(t, m, penalty, greedy), chain(t, m, penalty, greedy)
	for range 3 { // Sample is Choose and Accept: the penalty makes each the next best
		got, err := a.Sample(c, -1)
		if err != nil {
			t.Fatal(err)
		}
		want := chooses(t, b, l)
		if err := b.Accept(want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("sampled %d, chose %d", got, want)
		}
	}

	if _, err := s.Sample(c, 3); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("an output that was not asked for: %v", err)
	}
	if _, err := chain(t, m).Sample(c, -1); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("a chain that does not choose: %v", err)
	}
	other := load(t, tinyF16, llama.ModelParams{MMap: true})
	if token, err := chain(t, other, greedy).Sample(c, -1); !errors.Is(err, llama.ErrArgument) || token != llama.NullToken {
		t.Errorf("a sampler of another model: %d, %v", token, err)
	}
	c.Close()
	if _, err := s.Sample(c, -1); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("a closed context: %v", err)
	}
}

func TestLogitsThatNothingCanBeChosenFrom(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	inf := float32(math.Inf(1))
	good := logitsOf(map[llama.Token]float64{700: 1})
	with := func(token llama.Token, v float32) []float32 {
		l := slices.Clone(good)
		l[token] = v
		return l
	}
	for _, tt := range []struct {
		name     string
		logits   []float32
		argument bool
	}{
		{"none at all", nil, true},
		{"one too few", good[1:], true},
		{"one too many", append(slices.Clone(good), 0), true},
		{"one is not a number", with(3, float32(math.NaN())), false},
		{"one is infinite", with(700, inf), false},
		{"all are excluded", slices.Repeat([]float32{-inf}, tinyVocab), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, link := range links {
				s := chain(t, m, link)
				if err := s.AddGreedy(); err != nil && !errors.Is(err, llama.ErrArgument) {
					t.Fatal(err)
				}
				token, err := s.Choose(tt.logits)
				var e *llama.Error
				if name == "infill" && err == nil {
					continue // ends the text where no continuation is left
				}
				if token != llama.NullToken || errors.Is(err, llama.ErrArgument) != tt.argument || !tt.argument && !errors.As(err, &e) || errors.Is(err, llama.ErrBroken) {
					t.Errorf("%s chose %d, %v", name, token, err)
				}
				if name != "grammar" { // which excludes the good one
					chooses(t, s, good)
				}
			}
		})
	}
	t.Run("the chain excludes all", func(t *testing.T) {
		none := map[llama.Token]float32{}
		for i := range tinyVocab {
			none[llama.Token(i)] = -inf
		}
		for _, last := range []func(*llama.Sampler) error{greedy, dist(1), links["mirostat"], links["mirostat-v2"]} {
			s := chain(t, m, func(s *llama.Sampler) error { return s.AddLogitBias(none) }, last)
			for range 2 {
				var e *llama.Error
				if token, err := s.Choose(good); !errors.As(err, &e) || errors.Is(err, llama.ErrBroken) || token != llama.NullToken {
					t.Errorf("chose %d, %v", token, err)
				}
			}
		}
	})
}

func TestTokensOutsideTheVocabularyAreNotAccepted(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	s := chain(t, m, links["penalties"], greedy)
	for _, token := range []llama.Token{-1, tinyVocab, math.MaxInt32, math.MinInt32} {
		if err := s.Accept(token); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("accepted %d: %v", token, err)
		}
		if err := s.AcceptPrompt(token); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("accepted %d as a prompt: %v", token, err)
		}
	}
	if err := s.Accept(tinyVocab - 1); err != nil {
		t.Error(err)
	}
}

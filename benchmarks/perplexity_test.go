//go:build cgo

package benchmarks

import (
	"errors"
	"math"
	"os"
	"testing"

	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

const (
	tinyF16  = "../models/tiny/tiny-stories-f16.gguf"
	tinyQ4   = "../models/tiny/tiny-stories-q4_0.gguf"
	heldOut  = "../models/tiny/tiny-stories-heldout.txt"
	rounding = 0.0005 // between llama-perplexity's figures and kernels of another CPU
)

func heldOutText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(heldOut)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The figures are llama-perplexity's, as models/tiny/README.md has them. The whole text
// takes a minute on a slow machine.
func TestPerplexityIsThatOfLlamaCpp(t *testing.T) {
	if os.Getenv("INFER_LONG") == "" {
		t.Skip("takes a minute: set INFER_LONG=1")
	}
	told := 0
	p, err := MeasurePerplexity(t.Context(), PerplexityOptions{
		Model: tinyQ4, Base: tinyF16, Text: heldOutText(t), Context: 256, Threads: 1, Load: runtime.LoadMMap,
		Progress: func(done, total int, _ Perplexity) { told = done * 1000 / total },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want float64
	}{{"q4_0", p.Value, 1.6323}, {"its error", p.Error, 0.0185}, {"f16", p.Base.Value, 1.6325}, {"its error", p.Base.Error, 0.0185}} {
		if math.Abs(tt.got-tt.want) > rounding {
			t.Errorf("%s: %.4f, want %.4f", tt.name, tt.got, tt.want)
		}
	}
	if told != 1000 || p.Tokens != p.Chunks*127 {
		t.Errorf("%d of 1000 told, %+v", told, p)
	}
	if b := p.Base; !(b.KL > 0 && b.KL < 0.1) || !(b.KLMax > b.KL) || !(b.SameTop > 0.9 && b.SameTop <= 1) {
		t.Errorf("%+v", b)
	}
}

func TestPerplexityIsThatOfTokensOneByOne(t *testing.T) {
	const size, chunks = 32, 3
	text := heldOutText(t)[:2000]
	p, err := MeasurePerplexity(t.Context(), PerplexityOptions{Model: tinyF16, Text: text, Context: size, Chunks: chunks, Threads: 1, Load: runtime.LoadMMap})
	if err != nil {
		t.Fatal(err)
	}
	o := runtime.SessionOptions{Context: size, Threads: 1}
	m, err := runtime.Open(t.Context(), tinyF16, runtime.Options{Load: runtime.LoadMMap, Session: o})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tokens, err := m.Tokenize(text, runtime.TokenizeOptions{Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0
	for c := range chunks {
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		for i := range size - 1 {
			id := tokens[c*size+i]
			if i == 0 {
				id = tokens[0]
			}
			err := s.Evaluate(t.Context(), []int32{id}, runtime.EvaluateOptions{Logits: func(_ int, logits []float32) error {
				if i < size/2 {
					return nil
				}
				all := 0.0
				for _, x := range logits {
					all += math.Exp(float64(x))
				}
				sum -= math.Log(math.Exp(float64(logits[tokens[c*size+i+1]])) / all)
				n++
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := math.Exp(sum / float64(n)); p.Tokens != n || math.Abs(p.Value-want) > 0.005*want {
		t.Errorf("%+v, want %g of %d", p, want, n)
	}
}

func TestAModelDoesNotDivergeFromItself(t *testing.T) {
	p, err := MeasurePerplexity(t.Context(), PerplexityOptions{Model: tinyF16, Base: tinyF16, Text: heldOutText(t), Context: 64, Chunks: 3, Threads: 1, Load: runtime.LoadMMap})
	if err != nil || p.Chunks != 3 || p.Base.KL > 1e-6 || p.Base.SameTop != 1 || p.Base.Value != p.Value {
		t.Errorf("%+v, %+v, %v", p, p.Base, err)
	}
}

func TestPerplexityRefuses(t *testing.T) {
	text := heldOutText(t)
	other := t.TempDir() + "/other.gguf"
	shape, err := models.ParseShape("test")
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.Synthesize(t.Context(), other, models.SynthesizeOptions{Shape: shape, Type: "f16"}); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]PerplexityOptions{
		"a text that is too short": {Text: "Once upon a time"},
		"chunks of nothing":        {Text: text, Context: 2},
		"a base that is missing":   {Text: text, Base: "missing.gguf"},
		"another vocabulary":       {Text: text, Base: other},
	} {
		o.Model, o.Threads = tinyF16, 1
		if _, err := MeasurePerplexity(t.Context(), o); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	if _, err := MeasurePerplexity(t.Context(), PerplexityOptions{Model: tinyF16, Threads: 1}); !errors.Is(err, runtime.ErrOption) {
		t.Error(err)
	}
}

func TestKnownDivergences(t *testing.T) {
	logs := func(p ...float32) []float32 {
		for i := range p {
			p[i] = float32(math.Log(float64(p[i])))
		}
		return p
	}
	if d := divergence(logs(0.5, 0.5), logs(0.25, 0.75)); math.Abs(d-0.5*math.Log(4.0/3)) > 1e-6 {
		t.Error(d)
	}
	if got := logProbabilities([]float32{1000, 1000}, nil); math.Abs(float64(got[0])+math.Ln2) > 1e-6 {
		t.Error(got)
	}
	var a tally
	for _, v := range []float64{1, 2, 3} {
		a.add(v)
	}
	if v, e := a.perplexity(); math.Abs(v-math.Exp(2)) > 1e-9 || math.Abs(e-v*math.Sqrt(2.0/3/2)) > 1e-9 {
		t.Error(v, e)
	}
}

//go:build cgo

package llama_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/fieldtest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

func TestNoFieldOfAParameterBringsAnythingDown(t *testing.T) {
	memtest.WithoutRace(t)
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	model, err := filepath.Abs(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	scratch := make([]byte, 1<<20)

	t.Run("ModelParams", func(t *testing.T) {
		fieldtest.Each(llama.ModelParams{MMap: true, Scratch: unsafe.Pointer(&scratch[0]), ScratchSize: uintptr(len(scratch))}, func(name string, p llama.ModelParams) {
			if strings.HasPrefix(name, "ScratchSize") || strings.HasPrefix(name, "Unbound") {
				return // an address range is the caller's word
			}
			p.Scratch, p.ScratchSize = nil, 0
			if m, err := llama.LoadModel(t.Context(), model, p); err == nil {
				m.Close()
			}
		})
	})
	t.Run("ContextParams", func(t *testing.T) {
		fieldtest.Each(llama.ContextParams{Ctx: 64, Threads: 1}, func(name string, p llama.ContextParams) {
			_, measured := m.MeasureContext(p, 0)
			c, err := m.NewContext(p)
			if errors.Is(measured, llama.ErrArgument) != errors.Is(err, llama.ErrArgument) {
				t.Errorf("%s: measured %v, made %v", name, measured, err)
			}
			if p.Check() != nil && !errors.Is(err, llama.ErrArgument) {
				t.Errorf("%s: refused by Check and not by NewContext: %v", name, err)
			}
			if err != nil {
				return
			}
			b, err := llama.NewBatch(1, 1)
			if err == nil {
				_ = b.Add(1, 0, true)
				err = c.Decode(t.Context(), b)
				b.Close()
			}
			if err != nil {
				t.Errorf("%s: made, and then %v", name, err)
			}
			c.Close()
		})
	})
	t.Run("DRYParams", func(t *testing.T) {
		fieldtest.Each(llama.DRYParams{Multiplier: 1, Base: 2, AllowedLength: 1, LastN: 8, Breakers: []string{"\n"}}, func(name string, p llama.DRYParams) {
			s, err := m.NewSampler()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.AddDRY(p); err != nil {
				return
			}
			if err := s.AddGreedy(); err != nil {
				t.Fatal(err)
			}
			for range 4 {
				if err := s.Accept(300); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				_, _ = s.Choose(make([]float32, tinyVocab)) // penalties may be too extreme
			}
		})
	})
	t.Run("QuantizeRows", func(t *testing.T) {
		type arguments struct {
			Type llama.TensorType
			Row  int
		}
		fieldtest.Each(arguments{8, 32}, func(name string, a arguments) {
			b, err := llama.QuantizeRows(a.Type, make([]float32, 64), a.Row)
			if err != nil && (!errors.Is(err, llama.ErrArgument) || b != nil) {
				t.Errorf("%s: %d bytes, %v", name, len(b), err)
			}
			_ = a.Type.String()
		})
	})
	t.Run("QuantizeParams", func(t *testing.T) {
		fieldtest.Each(llama.QuantizeParams{Type: "q8_0", Threads: 1}, func(name string, p llama.QuantizeParams) {
			_ = llama.Quantize(gone, model, "out.gguf", p)
			if !strings.HasPrefix(name, "Threads") || p.Threads < 3 {
				_ = llama.Quantize(t.Context(), model, "out.gguf", p)
			}
		})
	})
}

func TestEnumerationsAreChecked(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	context := func(p llama.ContextParams) func() error {
		return func() error {
			p.Ctx = 64
			c, err := m.NewContext(p)
			if err == nil {
				c.Close()
			}
			return err
		}
	}
	model := func(p llama.ModelParams) func() error {
		return func() error {
			m, err := llama.LoadModel(t.Context(), tinyF16, p)
			if err == nil {
				m.Close()
			}
			return err
		}
	}
	for _, c := range []struct {
		name, value, bounds string
		call                func() error
	}{
		{"flash attention", "7", "out of range (0 to 2", context(llama.ContextParams{FlashAttn: 7})},
		{"pooling", "-1", "out of range (0 to 5", context(llama.ContextParams{Pooling: -1})},
		{"attention", "3", "out of range (0 to 2", context(llama.ContextParams{Attention: 3})},
		{"rope scaling", "-2147483648", "out of range (0 to 4", context(llama.ContextParams{RopeScaling: math.MinInt32})},
		{"rope frequency base", "NaN", "out of range (0 to ", context(llama.ContextParams{RopeFreqBase: float32(math.NaN())})},
		{"YaRN beta fast", "+Inf", "out of range (-3.4028235e+38 to ", context(llama.ContextParams{YaRNBetaFast: float32(math.Inf(1))})},
		{"context of YaRN", "-5", "out of range (0 to 1073741824", context(llama.ContextParams{YaRNOrigCtx: -5})},
		{"split mode", "3", "out of range (0 to 2", model(llama.ModelParams{Split: 3})},
		{"main GPU", "-1", "out of range (0 to 2147483647", model(llama.ModelParams{MainGPU: -1})},
		{"share 0 of the tensor split", "NaN", "out of range (0 to ", model(llama.ModelParams{TensorSplit: []float32{float32(math.NaN())}})},
		{"shards", "70000", "out of range (0 to 65535", model(llama.ModelParams{Shards: make([]string, 70000)})},
	} {
		var e *llama.ArgumentError
		if err := c.call(); !errors.Is(err, llama.ErrArgument) || !errors.As(err, &e) || e.Name != c.name || e.Value != c.value || !strings.HasPrefix(e.Reason, c.bounds) {
			t.Errorf("%v, want %s of %s, %s", err, c.name, c.value, c.bounds)
		}
	}
	if s := llama.FlashOn.String() + " " + llama.Pooling(9).String(); s != "on Pooling(9)" {
		t.Errorf("names are %q", s)
	}
}

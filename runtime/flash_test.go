//go:build cgo

package runtime_test

import (
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// planOf returns the plan for a mode.
func planOf(t *testing.T, o runtime.Options, mode runtime.LoadMode) runtime.ModePlan {
	t.Helper()
	f, err := runtime.Plan(t.Context(), tinyF16, o)
	if err != nil {
		t.Fatal(err)
	}
	return f.Modes[slices.IndexFunc(f.Modes, func(p runtime.ModePlan) bool { return p.Mode == mode && !p.Packed })]
}

func TestFlashAttentionIsForWhereMemoryIsShort(t *testing.T) {
	memtest.WithoutRace(t)
	const context = 2048
	with := runtime.SessionOptions{Context: context, UBatch: 512, Threads: 1, FlashAttention: llama.FlashOn}
	without := with
	without.FlashAttention = llama.FlashOff
	open := with
	open.FlashAttention = llama.FlashAuto
	quantised := open
	quantised.CacheTypeK, quantised.CacheTypeV = "f16", "q8_0"

	least := planOf(t, runtime.Options{Session: with}, runtime.LoadMMap)
	most := planOf(t, runtime.Options{Session: without}, runtime.LoadMMap)
	if most.Commit < least.Commit+4<<20 {
		t.Fatalf("%d bytes with flash attention and %d without tell nothing", least.Commit, most.Commit)
	}
	small, err := memory.NewPool(least.Commit-least.Engine-least.Unused+2<<20, memory.PoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	for _, c := range []struct {
		name    string
		o       runtime.Options
		session runtime.SessionOptions
		want    llama.FlashAttention
		why     string
	}{
		{"where memory is ample", runtime.Options{}, open, llama.FlashOff, "ample"},
		{"as requested", runtime.Options{}, with, llama.FlashOn, "as requested"},
		{"as requested", runtime.Options{}, without, llama.FlashOff, "as requested"},
		{"a cache that needs it", runtime.Options{}, quantised, llama.FlashOn, "q8_0"},
		{"guessed tokens", runtime.Options{Generate: &runtime.GenerateOptions{Lookup: true}}, open, llama.FlashOn, "drafted"},
		{"a pool that has no room without", runtime.Options{Pool: small}, open, llama.FlashOn, "pool"},
		{"a budget", runtime.Options{MaxMemory: 1 << 30}, open, llama.FlashOn, "budget"},
	} {
		c.o.Load, c.o.Packed, c.o.Session = runtime.LoadMMap, runtime.PackedOff, c.session
		if c.o.MaxMemory > 0 { // the process's memory, which counts, is what it is now
			debug.FreeOSMemory()
			c.o.MaxMemory = planOf(t, runtime.Options{MaxMemory: c.o.MaxMemory, Session: with}, runtime.LoadMMap).Budget.Least + 8<<20
		}
		m, err := runtime.Open(t.Context(), tinyF16, c.o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		s, err := m.NewSession(t.Context(), c.session)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			m.Close()
			continue
		}
		if _, err := s.Complete(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 2}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		r, st := m.Report(), s.Stats()
		if r.FlashAttention != c.want || !strings.Contains(r.FlashReason, c.why) || st.FlashAttention != c.want {
			t.Errorf("%s: the model was opened with flash attention %v (%s), the session has %v, want %v (%s)", c.name, r.FlashAttention, r.FlashReason, st.FlashAttention, c.want, c.why)
		}
		if len(r.Adjusted)+len(s.Adjusted()) != 0 || st.Context != context {
			t.Errorf("%s: a context of %d tokens, adjusted %v %v", c.name, st.Context, r.Adjusted, s.Adjusted())
		}
		s.Close()
		m.Close()
		if c.o.Pool == nil && c.o.MaxMemory == 0 {
			if p := planOf(t, c.o, runtime.LoadMMap); p.FlashAttention != c.want || !strings.Contains(p.FlashReason, c.why) {
				t.Errorf("%s: planned with flash attention %v (%s)", c.name, p.FlashAttention, p.FlashReason)
			}
		}
	}
}

func TestWhatAskedForNoFlashAttentionIsToldOfIt(t *testing.T) {
	with := runtime.SessionOptions{Context: 2048, UBatch: 512, Threads: 1, FlashAttention: llama.FlashOn}
	least := planOf(t, runtime.Options{Session: with}, runtime.LoadMMap)
	small, err := memory.NewPool(least.Commit-least.Engine-least.Unused+2<<20, memory.PoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	o := runtime.Options{Load: runtime.LoadMMap, Packed: runtime.PackedOff, Pool: small, Session: with}
	o.Session.FlashAttention = llama.FlashOff
	m, err := runtime.Open(t.Context(), tinyF16, o)
	if err == nil {
		m.Close()
		t.Fatal("it was opened")
	}
	var e *memory.Error
	if !errors.As(err, &e) || !slices.ContainsFunc(e.Remedies, func(r memory.Remedy) bool {
		return r.Kind == memory.RemedyFlashAttention || slices.ContainsFunc(r.With, func(w memory.Remedy) bool { return w.Kind == memory.RemedyFlashAttention })
	}) {
		t.Error(err)
	}
}

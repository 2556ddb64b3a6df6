//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/runtime"
)

// mixture is a model with 4 of 32 experts in each of 6 layers, which are most of it. An expert of
// unevenMixture is no multiple of what direct reads are of.
const (
	mixture       = "layers=6,width=512,heads=8,kv_heads=2,ffn=512,vocab=2048,experts=32,experts_used=4"
	unevenMixture = "layers=6,width=480,heads=8,kv_heads=2,ffn=544,vocab=2048,experts=32,experts_used=4"
	otherMixture  = "layers=6,width=512,heads=8,kv_heads=2,ffn=512,vocab=2048,experts=32,experts_used=4,arch="
)

// With any sufficient budget, plain and packed, the text is the same as with ample memory, and
// experts that do not fit are read when they are chosen.
func TestABudgetOfAMixtureChangesNothingInTheText(t *testing.T) {
	few := testing.Short() // of the reading, which other engines share; the race detector and Windows see each way of it
	shares := []float64{0.9, 0.6, 0.4, 0.25}
	if few {
		shares = []float64{0.6, 0.25}
	}
	for _, tt := range []struct {
		name, shape string
		packed      bool
		chunk       uint64
	}{
		{"plain", mixture, false, 0},
		{"uneven", unevenMixture, false, 0},
		{"packed", mixture, true, 0},
		{"in small chunks", mixture, false, 1 << 20},
		{"qwen3moe", otherMixture + "qwen3moe", false, 0},
		{"qwen3moe, packed", otherMixture + "qwen3moe", true, 0},
		{"gpt-oss", otherMixture + "gpt-oss", false, 0},
		{"gpt-oss, packed", otherMixture + "gpt-oss", true, 0},
		{"granitehybrid", otherMixture + "granitehybrid", false, 0},
		{"granitehybrid, packed", otherMixture + "granitehybrid", true, 0},
	} {
		if few && (memtest.Race || goruntime.GOOS == "windows") && strings.HasPrefix(tt.shape, otherMixture) {
			continue // another graph, read in the same way
		}
		t.Run(tt.name, func(t *testing.T) {
			path := model(t, tt.shape, "q4_0")
			if tt.packed {
				path = packedOf(t, path)
			}
			want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 24)
			if err != nil {
				t.Fatal(err)
			}
			for _, share := range shares {
				t.Run(fmt.Sprint(share), func(t *testing.T) {
					o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, share), ChunkSize: tt.chunk, Session: budgeted}
					got, r, err := greedy(t.Context(), path, o, budgeted, 24)
					if err != nil {
						t.Fatal(err)
					}
					equal(t, "tokens", got, want)
					keepsExperts(t, r, share)
				})
			}
		})
	}
}

// keepsExperts checks what a budget counted for the experts of a prompt and 24 tokens.
func keepsExperts(t *testing.T, r runtime.Report, share float64) {
	t.Helper()
	x := r.Residency
	if x == nil || x.Experts == nil {
		t.Fatalf("no experts: %+v", x)
	}
	e := x.Experts
	// The prompt takes one pass, and each token except the last one takes one. With fewer slots than a
	// layer has experts, the prompt may choose more than there are slots, and use the mapping.
	mapped := e.Mapped > 0 && (e.Slots >= 32 || e.Mapped > 6)
	if e.Experts != 6*32 || e.Slots == 0 || e.Slots >= e.Experts || x.Resident > x.Budget || e.Private > x.Resident || e.Passes != 24 || mapped {
		t.Errorf("%+v, %+v", x, e)
	}
	// Each token chooses 4 in 6 layers; the prompt's tokens share some.
	if n := e.Hits + e.Misses; n < 23*24 || e.Misses == 0 || e.Misses > n || e.Read < e.Misses*e.Private/uint64(e.Slots)*9/10 {
		t.Errorf("%+v", e)
	}
	if share > 0.5 && e.Hits == 0 {
		t.Errorf("nothing stays: %+v", e)
	}
}

// Sessions share the slots, each with its own text, and one that is cancelled leaves them to
// the others. The budget changes meanwhile.
func TestSessionsShareTheExperts(t *testing.T) {
	path := model(t, mixture, "q4_0")
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 16)
	if err != nil {
		t.Fatal(err)
	}
	high, low := budgetOf(t, path, budgeted, 0.9), budgetOf(t, path, budgeted, 0.6)
	m := open(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: high, Session: budgeted})
	var wg sync.WaitGroup
	for range 3 {
		s := session(t, m, budgeted)
		wg.Go(func() {
			for range 3 {
				if err := s.Reset(); err != nil {
					t.Error(err)
				}
				var got []int32
				for x, err := range s.Generate(t.Context(), prompt, greedyOptions(16)) {
					if err != nil {
						t.Error(err)
						return
					}
					got = append(got, x.ID)
				}
				equal(t, "tokens", got, want)
			}
		})
	}
	given := session(t, m, budgeted)
	wg.Go(func() {
		for n := range 6 {
			ctx, cancel := context.WithCancel(t.Context())
			if err := given.Reset(); err != nil {
				t.Error(err)
			}
			for _, err := range given.Generate(ctx, prompt, greedyOptions(16)) {
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				cancel()
			}
			cancel()
			budget := low
			if n%2 == 1 {
				budget = high
			}
			if err := m.SetMaxMemory(t.Context(), budget+16<<20); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	// All experts fit: no slots are needed.
	if err := m.SetMaxMemory(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if x := m.Report().Residency; x.Experts != nil {
		t.Errorf("%+v", x.Experts)
	}
	if err := given.Reset(); err != nil {
		t.Error(err)
	}
	if _, err := given.Complete(t.Context(), prompt, greedyOptions(4)); err != nil {
		t.Error(err)
	}
}

// A micro-batch that chooses more experts than there are slots is evaluated from the mapping.
func TestFewerSlotsThanExpertsOfAMicroBatch(t *testing.T) {
	path := model(t, mixture, "q4_0")
	so := budgeted
	so.UBatch = 128
	text := strings.Repeat(prompt+" ", 8)
	complete := func(o runtime.Options) (string, runtime.Report) {
		m := open(t, path, o)
		got, err := session(t, m, so).Complete(t.Context(), text, greedyOptions(8))
		if err != nil {
			t.Fatal(err)
		}
		r := m.Report()
		m.Close() // its mapping is in memory, too
		return got, r
	}
	want, _ := complete(runtime.Options{Load: runtime.LoadMMap})
	for _, share := range []uint64{8, 12} { // MiB
		got, r := complete(runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, so, 0) + share<<20, Session: so})
		if e := r.Residency.Experts; got != want || e == nil || e.Slots >= 32 || e.Mapped == 0 || len(r.Warnings) == 0 {
			t.Errorf("%d MiB: %q, want %q; %+v, warnings %q", share, got, want, e, r.Warnings)
		}
	}
}

// A file that is cut short while its experts are read is an error of the call.
func TestExpertsOfAFileThatIsCutShort(t *testing.T) {
	from, err := os.ReadFile(model(t, mixture, "q4_0"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "short.gguf")
	if err := os.WriteFile(path, from, 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.4), Session: budgeted})
	s := session(t, m, budgeted)
	if _, err := s.Complete(t.Context(), prompt, greedyOptions(4)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(from)-1<<20)); err != nil {
		t.Skip("files that are mapped can't be cut short here:", err)
	}
	if _, err := s.Complete(t.Context(), prompt, greedyOptions(16)); !errors.Is(err, loader.ErrFileChanged) {
		t.Errorf("%v", err)
	}
}

// Slots are used for micro-batches of any size that the sessions may have.
func TestLargeMicroBatchesUseSlots(t *testing.T) {
	path := model(t, mixture, "q4_0")
	large := runtime.SessionOptions{Context: 1024, UBatch: 1024, Threads: 1, FlashAttention: llama.FlashOn}
	tokens := make([]int32, 700)
	for i := range tokens {
		tokens[i] = int32(3 + i*31%2000)
	}
	m := open(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, large, 0.6), Session: budgeted})
	if err := session(t, m, large).Evaluate(t.Context(), tokens, runtime.EvaluateOptions{}); err != nil {
		t.Fatal(err)
	}
	if x := m.Report().Residency; x.Experts == nil || x.Experts.Misses == 0 || x.Experts.Mapped > 0 {
		t.Errorf("%+v, %+v", x, x.Experts)
	}
}

//go:build cgo

package runtime_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// newPool makes a pool, so that the test decides how much memory there is on any machine.
func newPool(t testing.TB, size uint64) *memory.Pool {
	t.Helper()
	p, err := memory.NewPool(size, memory.PoolOptions{SegmentSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestTheFirstModelThatFitsIsOpened(t *testing.T) {
	large, synthetic, tiny := model(t, "large", "f16"), model(t, "synthetic", "f16"), model(t, "tiny", "q4_0")
	o := runtime.Options{Load: runtime.LoadCopy, NoRepack: true, ChunkSize: 4 << 20, Session: runtime.SessionOptions{Context: 256, UBatch: 32}}
	for _, tt := range []struct {
		pool uint64
		want string
		over int // models tried before
	}{
		{400 << 20, large, 0},
		{64 << 20, synthetic, 1},
		{12 << 20, tiny, 2},
	} {
		o.Pool = newPool(t, tt.pool)
		o.Fallbacks = []string{synthetic, tiny}
		m, err := runtime.Open(t.Context(), large, o)
		if err != nil {
			t.Errorf("pool of %d MiB: %v", tt.pool>>20, err)
			continue
		}
		r := m.Report()
		if r.Path != tt.want || len(r.Adjusted) != tt.over {
			t.Errorf("pool of %d MiB: %s was opened, adjusted %q", tt.pool>>20, r.Path, r.Adjusted)
		}
		for _, a := range r.Adjusted {
			line := a.String()
			if !strings.HasPrefix(line, "passed over ") || !strings.Contains(line, "pool") || strings.Contains(line, "\n") {
				t.Errorf("%q", line)
			}
			var refused *memory.Error
			if a.Kind != runtime.AdjustedModel || !errors.As(a.Err, &refused) || refused.Limit != probe.LimitPool || len(refused.Remedies) == 0 {
				t.Errorf("%s: %v, %+v", a.Kind, a.Err, refused)
			}
		}
		if _, err := session(t, m, o.Session).Complete(t.Context(), prompt, greedyOptions(4)); err != nil {
			t.Error(err)
		}
		m.Close()
		if st := o.Pool.Stats(); st.Used != 0 {
			t.Errorf("%d bytes of the pool are still in use", st.Used)
		}
	}

	o.Pool = newPool(t, 1<<20)
	o.Fallbacks = []string{synthetic, filepath.Join(t.TempDir(), "none.gguf"), tiny}
	_, err := runtime.Open(t.Context(), large, o)
	var all *runtime.FallbackError
	if !errors.Is(err, runtime.ErrInsufficientMemory) || !errors.As(err, &all) || len(all.Rungs) != 4 || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%v", err)
	}
	for i, r := range all.Rungs {
		if i == 2 {
			if r.Needed != 0 || r.Err == nil {
				t.Errorf("the missing file: %+v", r)
			}
			continue
		}
		if r.Needed <= r.Available || r.Available != 1<<20 || r.Limit != "pool" || len(r.Remedies) == 0 {
			t.Errorf("%+v", r)
		}
	}
	if st := o.Pool.Stats(); st.Used != 0 {
		t.Errorf("%d bytes of the pool are in use after the failure", st.Used)
	}
}

func TestOtherErrorsAreNotForFallbacks(t *testing.T) {
	_, err := runtime.Open(t.Context(), filepath.Join(t.TempDir(), "none.gguf"), runtime.Options{Fallbacks: []string{tinyF16}})
	if err == nil || errors.As(err, new(*runtime.FallbackError)) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestWhatIsLeftOpenIsLowered(t *testing.T) {
	path := model(t, "synthetic", "f16") // a context of 2048 if it is left open
	// With flash attention, which is turned on before any option is lowered.
	load := func(size uint64, so runtime.SessionOptions) (*runtime.Model, error) {
		so.FlashAttention = llama.FlashOn
		return runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, ChunkSize: 16 << 20, Pool: newPool(t, size), Session: so})
	}
	needs := func(so runtime.SessionOptions) uint64 {
		so.FlashAttention = llama.FlashOn
		f, err := runtime.Plan(t.Context(), path, runtime.Options{ChunkSize: 16 << 20, Session: so})
		if err != nil {
			t.Fatal(err)
		}
		return f.Modes[0].Commit - f.Modes[0].Engine - f.Modes[0].Unused
	}
	for _, tt := range []struct {
		name string
		pool uint64
		so   runtime.SessionOptions
		want []string // parts of the lines
	}{
		{"nothing where all fits", needs(runtime.SessionOptions{}), runtime.SessionOptions{}, nil},
		{"the context alone", needs(runtime.SessionOptions{Context: 1024}), runtime.SessionOptions{}, []string{"context lowered from 2048 to 1024 tokens"}},
		{"the cache where the context is given", needs(runtime.SessionOptions{Context: 2048, CacheTypeK: "q8_0", CacheTypeV: "q8_0"}), runtime.SessionOptions{Context: 2048}, []string{"KV cache lowered from f16 to q8_0"}},
		{"the micro-batch where context and cache are given", needs(runtime.SessionOptions{Context: 2048, UBatch: 64}), runtime.SessionOptions{Context: 2048, CacheTypeK: "f16", CacheTypeV: "f16"}, []string{"micro-batch lowered from 512 to 64 tokens"}},
		{"everything", needs(runtime.SessionOptions{Context: 512, UBatch: 32, CacheTypeK: "q4_0", CacheTypeV: "q4_0"}), runtime.SessionOptions{}, []string{"context lowered from 2048 to 512", "KV cache lowered from f16 to q4_0", "micro-batch lowered from 512 to 32"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := load(tt.pool, tt.so)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			got := m.Report().Adjusted
			if len(got) != len(tt.want) {
				t.Errorf("adjusted %q, want %q", got, tt.want)
			}
			for i := range min(len(got), len(tt.want)) {
				if line := got[i].String(); !strings.HasPrefix(line, tt.want[i]) || !strings.Contains(line, "(pool)") {
					t.Errorf("%q, want %q", line, tt.want[i])
				}
				var refused *memory.Error
				if !errors.As(got[i].Err, &refused) || refused.Limit != probe.LimitPool || refused.Requested <= refused.Available {
					t.Errorf("%s: %+v", got[i].What, got[i].Err)
				}
			}
			tt.so.FlashAttention = llama.FlashOn
			s, err := m.NewSession(t.Context(), tt.so)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if tt.so.Context != 0 && s.Stats().Context != tt.so.Context {
				t.Errorf("a context of %d was given and one of %d made", tt.so.Context, s.Stats().Context)
			}
			if _, err := s.Complete(t.Context(), prompt, greedyOptions(4)); err != nil {
				t.Error(err)
			}
		})
	}

	t.Run("nothing that is given", func(t *testing.T) {
		given := runtime.SessionOptions{Context: 2048, UBatch: 256, CacheTypeK: "f16", CacheTypeV: "f16"}
		_, err := load(needs(given)-1<<20, given)
		var refused *memory.Error
		if !errors.As(err, &refused) {
			t.Fatalf("%v", err)
		}
		if refused.Parts.Total() != refused.Requested || refused.Parts.Of(memory.PurposeKV) == 0 || refused.Parts.Of(memory.PurposeCompute) == 0 || !strings.Contains(err.Error(), refused.Parts.String()) {
			t.Errorf("%v: of %v", err, refused.Parts)
		}
		for _, want := range []func(memory.Remedy) bool{
			func(r memory.Remedy) bool { return r.Kind == memory.RemedyContext && r.Tokens == 1024 },
			func(r memory.Remedy) bool { return r.Kind == memory.RemedyCache && r.Type == "q8_0" },
			func(r memory.Remedy) bool { return r.Kind == memory.RemedyBatch && r.Tokens > 0 },
		} {
			if !slices.ContainsFunc(refused.Remedies, want) {
				t.Errorf("remedies: %v", refused.Remedies)
			}
		}
	})
}

// Weights are mapped rather than an option lowered to make room for a copy.
func TestNothingIsLoweredForACopy(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("this engine repacks no weights, so that nothing is gained by a copy")
	}
	path := model(t, "synthetic", "q4_0")
	plan := func(o runtime.Options) (*runtime.Forecast, runtime.ModePlan) {
		f, err := runtime.Plan(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		return f, f.Modes[slices.IndexFunc(f.Modes, func(p runtime.ModePlan) bool { return p.Mode == runtime.LoadCopy })]
	}
	_, all := plan(runtime.Options{Session: runtime.SessionOptions{FlashAttention: llama.FlashOn}})
	for _, tt := range []struct {
		name    string
		size    uint64
		mode    runtime.LoadMode
		lowered bool
	}{
		{"all fits", all.Commit - all.Engine - all.Unused + 1<<20, runtime.LoadCopy, false},
		{"the copy fits without the session", all.Commit - all.Engine - all.Unused - 1<<20, runtime.LoadMMap, false},
		{"not even the session fits", all.Commit - all.Engine - all.Unused - all.Weights - 1<<20, runtime.LoadMMap, true},
	} {
		o := runtime.Options{Pool: newPool(t, tt.size), Session: runtime.SessionOptions{FlashAttention: llama.FlashOn}}
		if f, _ := plan(o); f.Auto != tt.mode {
			t.Errorf("%s: planned %v: %s", tt.name, f.Auto, f.Reason)
		}
		m := open(t, path, o)
		r := m.Report()
		if r.LoadMode != tt.mode || len(r.Adjusted) > 0 != tt.lowered || !strings.Contains(r.LoadReason, "pool") {
			t.Errorf("%s: %v (%s), adjusted %q", tt.name, r.LoadMode, r.LoadReason, r.Adjusted)
		}
		if got, want := session(t, m, o.Session).Stats().Context, all.Context; (got < want) != tt.lowered {
			t.Errorf("%s: a context of %d, of %d", tt.name, got, want)
		}
		m.Close()
	}
}

// Two models are opened in turn a thousand times: no failure, no growth, the pool unchanged.
func TestModelsTakeTurnsInAPool(t *testing.T) {
	memtest.WithoutRace(t)
	turns := 470 // after 30 of warm-up
	if testing.Short() {
		turns = 100
	}
	res, err := memtest.Run(t.Context(), memtest.Child("turns", strconv.Itoa(turns), model(t, "tiny", "f16"), model(t, "tiny", "q4_0")), memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var grown int64
	if _, err := fmt.Sscan(string(res.Stdout), &grown); err != nil || res.Code != 0 {
		t.Fatal(res)
	}
	t.Logf("private memory grew by %d KiB", grown>>10)
	if grown > 1<<20 {
		t.Errorf("private memory grew by %d bytes", grown)
	}
}

// childTurns opens two models in turn, so many times each, in one pool.
func childTurns(args []string) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, err); return 1 }
	turns, err := strconv.Atoi(args[0])
	if err != nil {
		return fail(err)
	}
	pool, err := memory.NewPool(24<<20, memory.PoolOptions{SegmentSize: 4 << 20})
	if err != nil {
		return fail(err)
	}
	defer pool.Close()
	whole := pool.Stats().LargestFree
	o := runtime.Options{Load: runtime.LoadCopy, ChunkSize: 4 << 20, Pool: pool}
	grown, err := memtest.Growth(turns, func() (int64, error) {
		debug.FreeOSMemory()
		p, err := probe.ProcessMemory()
		return int64(p.Anon), err
	}, func() error {
		for _, path := range args[1:] {
			_, r, err := greedy(background, path, o, runtime.SessionOptions{Context: 128, UBatch: 32, Threads: 1}, 2)
			if err != nil {
				return err
			}
			if r.Memory.Total.Current == 0 {
				return errors.New("the report counts nothing of what comes from the pool")
			}
			if st := pool.Stats(); st.Used != 0 || st.LargestFree != whole || st.Refused != 0 {
				return fmt.Errorf("after a turn: %+v", st)
			}
		}
		return nil
	})
	if err != nil {
		return fail(err)
	}
	fmt.Println(grown)
	return 0
}

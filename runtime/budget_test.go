//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// budgetOf returns a budget that leaves the given share of the weights' size for weights, with
// a session as in this file. The process's part is taken from an open model, as it includes
// the heap of the test binary.
func budgetOf(t testing.TB, path string, so runtime.SessionOptions, share float64) uint64 {
	t.Helper()
	const plenty = 1 << 30
	var r runtime.Report
	for range 2 { // what the first leaves behind is in memory when the model is opened again
		debug.FreeOSMemory()
		m, err := runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: plenty, Session: so})
		if err != nil {
			t.Fatal(err)
		}
		r = m.Report()
		m.Close()
	}
	return plenty - r.Residency.Budget + uint64(float64(r.WeightBytes)*share)
}

// budgeted fixes flash attention, which otherwise depends on the available memory.
var budgeted = runtime.SessionOptions{Context: 128, UBatch: 32, Threads: 1, FlashAttention: llama.FlashOn}

func TestABudgetChangesNothingInTheText(t *testing.T) {
	path := model(t, "large", "q4_0")
	want, r, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 12)
	if err != nil {
		t.Fatal(err)
	}
	if r.Residency != nil || r.Budget != 0 {
		t.Errorf("there is memory for all of it, and a budget of %d is kept: %+v", r.Budget, r.Residency)
	}
	for _, share := range []float64{2, 0.85, 0.7, 0.55} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, share), Session: budgeted}
			got, r, err := greedy(t.Context(), path, o, budgeted, 12)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "tokens", got, want)
			x := r.Residency
			if r.Budget != o.MaxMemory || x == nil || x.Layers != 8 || x.Resident > x.Budget && share < 1 {
				t.Fatalf("budget %d: %+v", r.Budget, x)
			}
			if share > 1 {
				if x.Streamed != 0 || x.Read != 0 || x.Hits+x.Misses != 0 {
					t.Errorf("all fits, and yet %+v", x)
				}
				return
			}
			// The prompt takes one pass, and each token except the last one takes one.
			if x.Streamed == 0 || x.Passes != 12 || x.Hits+x.Misses != 12*uint64(x.Streamed) || x.Read == 0 {
				t.Errorf("%+v", x)
			}
		})
	}
}

func TestABudgetThatIsTooSmallIsRefused(t *testing.T) {
	path := model(t, "large", "q4_0")
	_, err := runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: 8 << 20, Session: budgeted})
	var refused *memory.Error
	if !errors.Is(err, runtime.ErrInsufficientMemory) || !errors.As(err, &refused) || refused.Limit != "memory budget" || len(refused.Remedies) == 0 || refused.Available != 8<<20 {
		t.Errorf("%v", err)
	}
	if strings.Count(err.Error(), "other ") != 1 {
		t.Errorf("not each purpose once: %v", err)
	}
	for _, p := range []memory.Purpose{memory.PurposeWeights, memory.PurposeKV, memory.PurposeCompute, memory.PurposeOther} {
		if refused.Parts.Of(p) == 0 || refused.Parts.Total() != refused.Requested {
			t.Errorf("%v of %v", p, refused.Parts)
		}
	}
	const heap = 16 << 20 // of the test binary, which varies
	o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: refused.Requested + heap, Session: budgeted}
	enough := open(t, path, o)
	if x := enough.Report().Residency; x == nil || x.Streamed == 0 {
		t.Errorf("with what was said to be needed: %+v", x)
	}
	enough.Close()
	o.MaxMemory = 8 << 20
	f, e := runtime.Plan(t.Context(), path, o)
	if e != nil {
		t.Fatal(e)
	}
	if p := f.Modes[0]; p.Fits || p.LimitedBy != refused.Limit || len(p.Remedies) == 0 || !around(p.Budget.Least, refused.Requested, heap) || p.Needed.Total() != p.Budget.Least {
		t.Errorf("planned %+v, %+v, refused %v", p, p.Budget, err)
	}
	m := open(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.8), Session: budgeted})
	if err := m.SetMaxMemory(t.Context(), 8<<20); !errors.Is(err, runtime.ErrInsufficientMemory) {
		t.Errorf("shrinking below the least: %v", err)
	}
	if _, err := session(t, m, budgeted).Complete(t.Context(), prompt, greedyOptions(2)); err != nil {
		t.Errorf("after a refused change: %v", err)
	}
	if err := open(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: runtime.MaxMemoryOff}).SetMaxMemory(t.Context(), 1<<30); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("a model without a budget: %v", err)
	}
}

// A copy can't be streamed: it has to fit with its sessions.
func TestACopyKeepsABudget(t *testing.T) {
	path := model(t, "large", "q4_0")
	o := runtime.Options{Load: runtime.LoadCopy, Packed: runtime.PackedOff, MaxMemory: 40 << 20, Session: budgeted}
	var refused *memory.Error
	_, err := runtime.Open(t.Context(), path, o)
	if !errors.As(err, &refused) || refused.Limit != probe.LimitBudget || refused.Available != o.MaxMemory || refused.Parts.Of(memory.PurposeWeights) == 0 ||
		len(refused.Remedies) == 0 || refused.Remedies[len(refused.Remedies)-1].Kind != memory.RemedyBudget {
		t.Fatalf("%v", err)
	}
	f, err := runtime.Plan(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Modes {
		if (p.Mode == runtime.LoadCopy || p.Mode == runtime.LoadStock) && (p.Fits || p.LimitedBy != probe.LimitBudget || len(p.Remedies) == 0) {
			t.Errorf("%v: planned %+v", p.Mode, p)
		}
	}
	if _, err := runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadStock, MaxMemory: 1 << 40}); !errors.Is(err, runtime.ErrOption) {
		t.Errorf("a stock load: %v", err)
	}
	o.MaxMemory = refused.Requested + 16<<20 // the heap of the test binary varies
	m := open(t, path, o)
	if r := m.Report(); r.LoadMode != runtime.LoadCopy {
		t.Errorf("%v", r.LoadMode)
	}
	session(t, m, budgeted)
	large := budgeted
	large.Context = 1 << 16
	if _, err := m.NewSession(t.Context(), large); !errors.As(err, &refused) || refused.Limit != probe.LimitBudget {
		t.Errorf("a session beyond the budget: %v", err)
	}
	// Half of the budget is more than the weights, and the session does not fit beside a copy.
	o.Load, o.Session.Context = runtime.LoadAuto, 1<<14
	m.Close()
	plan, err := runtime.Plan(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: 1 << 40, Session: o.Session})
	if err != nil {
		t.Fatal(err)
	}
	o.MaxMemory = plan.Modes[0].Budget.Least + (plan.Modes[0].Weights / 2)
	if o.MaxMemory < 2*plan.Modes[0].Weights {
		t.Fatalf("a budget of %d tells nothing", o.MaxMemory)
	}
	if r := open(t, path, o).Report(); r.LoadMode != runtime.LoadMMap || !strings.Contains(r.LoadReason, "memory budget") {
		t.Errorf("%v: %s", r.LoadMode, r.LoadReason)
	}
}

func around(a, b, most uint64) bool { return max(a, b)-min(a, b) <= most }

func TestThePlanSaysWhatIsStreamed(t *testing.T) {
	path := model(t, "large", "q4_0")
	for _, share := range []float64{0.6, 0.85, 1.5} {
		o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, share), Session: budgeted}
		f, err := runtime.Plan(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		m := open(t, path, o)
		x, p := m.Report().Residency, f.Modes[0]
		m.Close()
		if share > 1 {
			if x.Streamed > 0 || p.Budget == nil || p.Budget.Layers > 0 || p.Budget.Streamed > 0 || p.Budget.Least >= o.MaxMemory {
				t.Errorf("all fits: planned %+v, got %+v", p.Budget, x)
			}
			continue
		}
		// The process's memory, and so the weights' part, differs by some MiB between the two.
		const some = 8 << 20
		weights := p.Resident - p.Engine
		for _, piece := range p.Pieces {
			if piece.Purpose != memory.PurposeWeights {
				weights -= piece.Resident
			}
		}
		if !p.Fits || p.Budget.Budget != o.MaxMemory || p.Resident > o.MaxMemory || !around(p.Budget.Private, x.Private, some) || !around(weights, x.Resident, some) || p.Budget.Layers == 0 {
			t.Errorf("planned %+v, got %+v of %d", p.Budget, x, o.MaxMemory)
		}
		if p.Commit < p.KV+p.Compute+p.Budget.Private {
			t.Errorf("commit of %d without what is read into", p.Commit)
		}
	}
}

func TestABudgetChangesWhileItIsKept(t *testing.T) {
	path := model(t, "large", "q4_0")
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 16)
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.9), Session: budgeted})
	s := session(t, m, budgeted)
	shares := []float64{0.6, 1.5, 0.7, 0.95, 0.6, 2}
	var tokens []int32
	for tok, err := range s.Generate(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 16, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, tok.ID)
		if i := len(tokens) / 2; len(tokens)%2 == 0 && i <= len(shares) {
			if err := m.SetMaxMemory(t.Context(), budgetOf(t, path, budgeted, shares[i-1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	equal(t, "tokens", tokens, want)
	if r := m.Report(); r.Residency.Streamed != 0 || r.Residency.Read == 0 {
		t.Errorf("the last budget has room for all, earlier ones had not: %+v", r.Residency)
	}
}

// Results of many tokens take memory from the weights, until the session is closed. In a budget without
// room for them fewer tokens are evaluated at once.
func TestABudgetCountsTheResultsThatAreAskedFor(t *testing.T) {
	path := model(t, "large", "q4_0")
	m, err := runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.7), Session: budgeted})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	weights := func() uint64 { return m.Report().Residency.Budget }
	before := weights()
	vocabulary := uint64(0)
	evaluate := func(s *runtime.Session, logits bool) (rows int) {
		o := runtime.EvaluateOptions{}
		if logits {
			o.Logits = func(_ int, row []float32) error {
				rows, vocabulary = rows+1, uint64(len(row))
				return nil
			}
		}
		memtest.Need(t, s.Evaluate(t.Context(), make([]int32, 32), o))
		return rows
	}
	s, err := m.NewSession(t.Context(), budgeted)
	memtest.Need(t, err)
	defer s.Close()
	evaluate(s, false)
	if got := weights(); got != before {
		t.Errorf("a prompt leaves %d of %d bytes for weights", got, before)
	}
	if rows := evaluate(s, true); rows != 32 {
		t.Errorf("results of %d tokens", rows)
	}
	if got := weights(); got > before-31*4*vocabulary {
		t.Errorf("results of 32 tokens, of %d numbers each, leave %d of %d bytes for weights", vocabulary, got, before)
	}
	s.Close()
	if got := weights(); got != before {
		t.Errorf("a closed session leaves %d of %d bytes for weights", got, before)
	}

	var refused *memory.Error
	if err := m.SetMaxMemory(t.Context(), 1); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	memtest.Need(t, m.SetMaxMemory(t.Context(), refused.Requested))
	least, err := m.NewSession(t.Context(), budgeted)
	memtest.Need(t, err)
	defer least.Close()
	if rows := evaluate(least, true); rows != 32 {
		t.Errorf("results of %d tokens in the smallest budget", rows)
	}
}

func TestSessionsTakeTurnsUnderABudget(t *testing.T) {
	path := model(t, "large", "q4_0")
	o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.9), Session: budgeted}
	want, _, err := greedy(t.Context(), path, o, budgeted, 6)
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, path, o)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			s, err := m.NewSession(t.Context(), budgeted)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var got []int32
			for tok, err := range s.Generate(ctx, prompt, runtime.GenerateOptions{MaxTokens: 6, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
				if err != nil {
					if i != 0 || !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				got = append(got, tok.ID)
				if i == 0 && len(got) == 3 { // cancelled during a pass: the others must go on
					cancel()
				}
			}
			if i != 0 && !slices.Equal(got, want) {
				t.Errorf("session %d: %v, want %v", i, got, want)
			}
		})
	}
	wg.Wait()
}

// Random sessions, cancellations and budgets: no crash, no deadlock, no wrong token.
func TestBudgetsPassesAndClosingAtAnyMoment(t *testing.T) {
	path := model(t, "large", "q4_0")
	o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.9), Session: budgeted}
	budgets := []uint64{0, budgetOf(t, path, budgeted, 0.5), budgetOf(t, path, budgeted, 0.8), 1}
	want, _, err := greedy(t.Context(), path, o, budgeted, 6)
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(3) {
		m := open(t, path, o)
		var wg sync.WaitGroup
		for i := range uint64(3) {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(seed, i))
				for range 4 {
					s, err := m.NewSession(t.Context(), budgeted)
					if err != nil {
						if !errors.Is(err, runtime.ErrClosed) && !errors.Is(err, runtime.ErrInsufficientMemory) {
							t.Error(err)
						}
						continue
					}
					ctx, cancel := context.WithCancel(t.Context())
					last := random.IntN(8)
					n := 0
					for tok, err := range s.Generate(ctx, prompt, runtime.GenerateOptions{MaxTokens: 6, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
						if err != nil {
							if !errors.Is(err, context.Canceled) && !errors.Is(err, runtime.ErrClosed) {
								t.Error(err)
							}
							break
						}
						if tok.ID != want[n] {
							t.Errorf("token %d is %d, want %d", n, tok.ID, want[n])
						}
						if n++; n == last {
							cancel()
						}
					}
					cancel()
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, 99))
			for range 8 {
				err := m.SetMaxMemory(t.Context(), budgets[random.IntN(len(budgets))])
				if err != nil && !errors.Is(err, runtime.ErrInsufficientMemory) && !errors.Is(err, runtime.ErrClosed) {
					t.Error(err)
				}
			}
			if seed == 2 {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Resident memory stays below the limit of a control group that is smaller than the weights,
// and passes read only streamed layers.
func TestAnAutomaticBudgetFollowsTheControlGroup(t *testing.T) {
	memtest.WithoutRace(t)
	path := model(t, "large", "f16")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	limit := uint64(info.Size()) * 7 / 8
	cg, err := memtest.NewCgroup(limit)
	memtest.Need(t, err)
	defer cg.Close()
	memtest.Need(t, memtest.DropCache(path))
	res, err := memtest.Run(t.Context(), memtest.Child("budget", path, "load=mmap", "ctx=128", "ubatch=32", "threads=1"), memtest.Limits{Cgroup: cg})
	if err != nil {
		t.Fatal(err)
	}
	use, err := cg.Usage()
	if err != nil {
		t.Fatal(err)
	}
	var streamed, passes, read int
	if _, err := fmt.Sscan(string(res.Stdout), &streamed, &passes, &read); err != nil || res.Code != 0 || use.OOMKills != 0 {
		t.Fatal(res, use)
	}
	if streamed == 0 || passes < 8 || use.Peak > limit {
		t.Errorf("%d layers streamed in %d passes, peak %d of %d", streamed, passes, use.Peak, limit)
	}
	whole := uint64(info.Size()) * uint64(passes+1)
	if res.DiskRead > whole*3/4 {
		t.Errorf("%d bytes were read from the disk, all weights in every pass are %d", res.DiskRead, whole)
	}
	t.Logf("peak %d of %d, read %d for %d passes, all weights each time would be %d", use.Peak, limit, res.DiskRead, passes, whole)
}

// childBudget generates and prints the budget's statistics.
func childBudget(args []string) int {
	path, o, so := parseChild(args)
	o.Session = so
	_, r, err := greedy(context.Background(), path, o, so, 8)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if r.Residency == nil {
		fmt.Fprintln(os.Stderr, "no budget was kept")
		return 1
	}
	fmt.Println(r.Residency.Streamed, r.Residency.Passes, r.Residency.Read)
	return 0
}

// If the available memory is below the smallest automatic budget, the model runs without one.
func TestAnAutomaticBudgetIsNoReasonToRefuse(t *testing.T) {
	memtest.WithoutRace(t)
	path := model(t, "large", "f16")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	cg, err := memtest.NewCgroup(uint64(info.Size()) / 3)
	memtest.Need(t, err)
	defer cg.Close()
	res, err := memtest.Run(t.Context(), memtest.Child("generate", path, "load=mmap", "ctx=128", "ubatch=32", "threads=1"), memtest.Limits{Cgroup: cg})
	if err != nil {
		t.Fatal(err)
	}
	if res.Code != 0 {
		t.Error(res)
	}
}

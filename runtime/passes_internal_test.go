package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/residency"
	"github.com/seed7adf6694/infer/runtime/internal/threads"
)

const (
	streamedLayers = 8
	layerSize      = 256 << 10 // several units of memory on every system
)

// streaming makes passes over a file of layers, of which two are in memory at once.
func streaming(t *testing.T) *passes {
	t.Helper()
	var w gguf.Writer
	w.AddTensor("output.weight", gguf.TypeI8, 32)
	for n := range streamedLayers {
		w.AddTensor(fmt.Sprintf("blk.%d.w", n), gguf.TypeI8, layerSize)
	}
	path := filepath.Join(t.TempDir(), "layers.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	header, err := w.WriteHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(header + int64(w.DataBytes())); err != nil {
		t.Fatal(err)
	}
	index, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { index.Close() })
	plan, err := loader.NewPlan(index, loader.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	weights, err := loader.MapWeights(t.Context(), index, plan, loader.MapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { weights.Close() })
	arena := memory.NewArena(memory.ArenaOptions{})
	t.Cleanup(func() { arena.Close() })
	r, err := residency.New(t.Context(), residency.Options{Weights: weights, Plan: plan, Budget: 3 * layerSize, Arena: arena})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if st := r.Stats(); st.Streamed != streamedLayers || st.Slots != 2 {
		t.Fatalf("%+v", st)
	}
	ps := newPasses(r)
	return &ps
}

// over does one pass, and calls computing for each layer.
func (p *pass) over(computing func(layer int)) error {
	for n := range streamedLayers {
		if !p.BeforeLayer(n) {
			return fmt.Errorf("layer %d was not there", n)
		}
		computing(n)
		p.AfterLayer(n)
	}
	return nil
}

// entered waits until that many passes have entered.
func (ps *passes) entered(n int) {
	for {
		ps.mu.Lock()
		on := len(ps.all)
		ps.mu.Unlock()
		if on == n {
			return
		}
		goruntime.Gosched()
	}
}

func TestPassesShareWhatIsRead(t *testing.T) {
	const company, rounds = 3, 5
	ps := streaming(t)
	before := ps.residency.Stats()
	var mu sync.Mutex
	busy := 0
	order := map[int][]int{} // layers by pass
	for range rounds {
		var wg sync.WaitGroup
		list := make([]*pass, company)
		for i := range list {
			list[i] = ps.newPass()
		}
		if err := list[0].enter(t.Context()); err != nil { // the others have to wait
			t.Fatal(err)
		}
		run := func(i int) {
			p := list[i]
			if err := p.over(func(n int) {
				mu.Lock()
				defer mu.Unlock()
				order[i] = append(order[i], n)
				busy++
			}); err != nil {
				t.Error(err)
			}
			if err := p.leave(); err != nil {
				t.Error(err)
			}
		}
		for i := 1; i < company; i++ {
			wg.Go(func() {
				if err := list[i].enter(t.Context()); err != nil {
					t.Error(err)
					return
				}
				run(i)
			})
		}
		ps.entered(company)
		run(0)
		wg.Wait()
	}
	st := ps.residency.Stats()
	if busy != company*rounds*streamedLayers {
		t.Errorf("%d layers were computed", busy)
	}
	// Each layer once in a round, and layers that are read ahead.
	if read, most := st.Read-before.Read, uint64(rounds*streamedLayers+2)*(layerSize+8192); read > most {
		t.Errorf("%d bytes were read, %d would be enough for all %d sessions", read, most, company)
	}
	if st.Passes-before.Passes != rounds {
		t.Errorf("%d times over the layers in %d rounds", st.Passes-before.Passes, rounds)
	}
}

func TestALatePassMeetsTheOthersWhereTheyComeRound(t *testing.T) {
	ps := streaming(t)
	early, late := ps.newPass(), ps.newPass()
	if err := early.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var lateAt []int
	if err := early.over(func(n int) {
		if n == 3 {
			wg.Go(func() {
				if err := late.enter(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if err := late.over(func(n int) { lateAt = append(lateAt, n) }); err != nil {
					t.Error(err)
				}
				late.leave()
			})
			ps.entered(2)
		}
	}); err != nil {
		t.Fatal(err)
	}
	// The same evaluation goes on with its next micro-batch.
	begun := ps.residency.Stats().Passes
	if err := early.over(func(int) {}); err != nil {
		t.Fatal(err)
	}
	early.leave()
	wg.Wait()
	if len(lateAt) != streamedLayers || ps.residency.Stats().Passes-begun != 1 {
		t.Errorf("the late one computed %v, in %d times over the layers", lateAt, ps.residency.Stats().Passes-begun)
	}
}

func TestACancelledPassLetsTheOthersGoOn(t *testing.T) {
	ps := streaming(t)
	for cut := range streamedLayers {
		for _, where := range []string{"before", "holding", "after"} {
			ctx, cancel := context.WithCancel(t.Context())
			first, second, third := ps.newPass(), ps.newPass(), ps.newPass()
			if err := first.enter(ctx); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := second.enter(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if err := second.over(func(int) {}); err != nil {
					t.Error(err)
				}
				second.leave()
			})
			wg.Go(func() {
				if err := third.enter(ctx); err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				_ = third.over(func(int) {})
				third.leave()
			})
			ps.entered(3)
			for n := range cut + 1 {
				if n == cut && where == "before" {
					cancel()
				}
				first.BeforeLayer(n)
				if n == cut && where == "holding" {
					cancel()
					break
				}
				first.AfterLayer(n)
			}
			cancel()
			first.leave()
			wg.Wait()
		}
	}
	if ps.runs != nil || len(ps.all) != 0 {
		t.Errorf("%d passes are left", len(ps.all))
	}
}

// A change of the budget waits for running passes until its context ends.
func TestAChangeOfTheBudgetIsCancelled(t *testing.T) {
	b := &budget{passes: newPasses(streaming(t).residency)}
	p := b.newPass()
	if err := p.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	changed := func(*budget) { t.Error("changed under a pass") }
	if err := b.change(ctx, changed); !errors.Is(err, context.Canceled) {
		t.Errorf("while a pass is on: %v", err)
	}
	if err := p.leave(); err != nil {
		t.Error(err)
	}
	if err := b.newPass().enter(ctx); !errors.Is(err, context.Canceled) && err != nil {
		t.Errorf("a pass after it: %v", err)
	}
}

// Evaluations of a model one after the other are one session for the budget of threads, which divides
// its threads among sessions that have just computed.
func TestEvaluationsOneAfterTheOtherShareASeat(t *testing.T) {
	b := threads.Computing()
	var ps passes
	first := ps.takeSeat()
	ps.offer(first)
	if joined := ps.join(b); joined != first {
		t.Fatalf("joined %p, want %p", joined, first)
	}
	other := ps.takeSeat() // of an evaluation that does not join, since others wait
	if other == first {
		t.Error("two evaluations took one seat")
	}
	for range 2 {
		ps.left(first)
	}
	again := ps.takeSeat()
	if again != first {
		t.Error("the next evaluation is another session")
	}
	if joined := ps.join(b); joined != nil {
		t.Errorf("joined %p, which holds no threads yet", joined)
	}
	ps.offer(again)
	if joined := ps.join(b); joined != first {
		t.Errorf("joined %p, want %p", joined, first)
	}
}

package loader_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/fieldtest"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/loader/memory"
)

func TestNoFieldOfAnOptionBringsAnythingDown(t *testing.T) {
	const model = "../models/tiny/tiny-stories-f16.gguf"
	fieldtest.Each(loader.OpenOptions{}, func(name string, o loader.OpenOptions) {
		ix, err := loader.OpenWith(model, o)
		if errors.Is(err, check.ErrEngine) && o.Engine > check.EngineV0_5 {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ix.Close()
	})
	ix, err := loader.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	fieldtest.Each(loader.PlanOptions{}, func(name string, o loader.PlanOptions) {
		plan, err := loader.NewPlan(ix, o)
		if err != nil {
			return
		}
		if w, err := loader.MapWeights(t.Context(), ix, plan, loader.MapOptions{}); err == nil {
			w.Close()
		}
	})
	plan, err := loader.NewPlan(ix, loader.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	fieldtest.Each(loader.MapOptions{}, func(name string, o loader.MapOptions) {
		w, err := loader.MapWeights(t.Context(), ix, plan, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w.Close()
	})
	type block struct{ Purpose memory.Purpose }
	arena := memory.NewArena(memory.ArenaOptions{})
	defer arena.Close()
	fieldtest.Each(block{}, func(name string, b block) {
		p, err := arena.AllocBlock(b.Purpose, 1)
		if _, text := b.Purpose.MarshalText(); err == nil && text != nil || err != nil && !errors.Is(err, memory.ErrPurpose) {
			t.Errorf("%s: %v, its name %v", name, err, text)
		}
		arena.FreeBlock(p)
	})
	fieldtest.Each(memory.ArenaOptions{}, func(name string, o memory.ArenaOptions) {
		a := memory.NewArena(o)
		defer a.Close()
		for _, size := range []uintptr{0, 1, 1 << 16} {
			if p, err := a.AllocBlock(memory.PurposeKV, size); err == nil {
				a.FreeBlock(p)
			}
		}
		if !strings.HasPrefix(name, "Retry") { // for how long a refusal is tried again
			_, _ = a.AllocBlock(memory.PurposeKV, ^uintptr(0))
		}
	})
	for _, size := range []uint64{0, 1, 1 << 20} {
		fieldtest.Each(memory.PoolOptions{}, func(name string, o memory.PoolOptions) {
			if p, err := memory.NewPool(size, o); err == nil {
				p.Close()
			}
		})
	}
	fieldtest.Each(memory.PoolOptions{}, func(name string, o memory.PoolOptions) {
		if !strings.HasPrefix(name, "Retry") {
			_, _ = memory.NewPool(1<<64-1, o)
		}
	})
}

//go:build cgo

package llama

import (
	"context"
	"testing"
)

// BenchmarkAroundDecode is what Decode does for a token before and after the engine's call.
func BenchmarkAroundDecode(b *testing.B) {
	m, err := LoadModel(b.Context(), "../models/tiny/tiny-stories-f16.gguf", ModelParams{MMap: true})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewContext(ContextParams{Ctx: 16, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	batch, err := NewBatch(1, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer batch.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	around := func() error {
		batch.Clear()
		if err := batch.Add(1, 0, true); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := batch.s.life.acquire(); err != nil {
			return err
		}
		defer batch.s.life.release()
		if err := c.s.lock(); err != nil {
			return err
		}
		defer c.s.mu.Unlock()
		if err := c.s.check(batch, true); err != nil {
			return err
		}
		c.s.abortOn(ctx)
		c.s.layers.begin()
		_ = c.s.home.takeError()
		c.s.threads.freeRetired()
		c.s.keepOutputs(batch)
		return nil
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := around(); err != nil {
			b.Fatal(err)
		}
	}
}

//go:build cgo

package llama_test

import (
	"context"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// steady is a text that is continued as a caller of this package does it.
type steady struct {
	t     testing.TB
	m     *llama.Model
	c     *llama.Context
	b     *llama.Batch
	s     *llama.Sampler
	next  llama.Token
	pos   llama.Pos
	piece []byte
}

func newSteady(t testing.TB, links ...func(*llama.Sampler) error) *steady {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	b, err := llama.NewBatch(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	x := &steady{t: t, m: m, c: newContext(t, m, llama.ContextParams{Ctx: 512, Threads: 1}), b: b, s: chain(t, m, links...), next: 1, piece: make([]byte, 0, 64)}
	for range 4 { // the engine makes its graphs
		x.token(t.Context())
	}
	return x
}

// token evaluates the last token and chooses the next, with the text of it.
func (x *steady) token(ctx context.Context) {
	if int(x.pos) == x.c.Ctx() {
		x.pos = 0
		check(x.t, x.c.Clear())
	}
	x.b.Clear()
	check(x.t, x.b.Add(x.next, x.pos, true))
	check(x.t, x.c.Decode(ctx, x.b))
	x.pos++
	var err error
	x.next, err = x.s.Sample(x.c, -1)
	check(x.t, err)
	x.piece, err = x.m.AppendPiece(x.piece[:0], x.next, true)
	check(x.t, err)
}

// usual are llama.cpp's samplers and their values, seeded.
var usual = []func(*llama.Sampler) error{
	func(s *llama.Sampler) error { return s.AddPenalties(64, 1.1, 0, 0) },
	func(s *llama.Sampler) error { return s.AddTopK(40) },
	func(s *llama.Sampler) error { return s.AddTopP(0.95, 1) },
	func(s *llama.Sampler) error { return s.AddMinP(0.05, 1) },
	func(s *llama.Sampler) error { return s.AddTemperature(0.8) },
	dist(1),
}

func TestATokenDoesNotAllocate(t *testing.T) {
	if memtest.Race {
		t.Skip("the race detector has pools forget at random")
	}
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		links []func(*llama.Sampler) error
	}{
		{"greedy", context.Background(), []func(*llama.Sampler) error{greedy}},
		{"sampled, and can be cancelled", cancellable, usual},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newSteady(t, tt.links...)
			if n := testing.AllocsPerRun(200, func() { x.token(tt.ctx) }); n > 0 {
				t.Errorf("%g allocations a token", n)
			}
			accept := testing.AllocsPerRun(200, func() { check(t, x.s.Accept(x.next)) })
			logits := make([]float32, 0, x.c.Vocab())
			read := testing.AllocsPerRun(200, func() {
				var err error
				logits, err = x.c.Logits(-1, logits[:0])
				check(t, err)
			})
			choose := testing.AllocsPerRun(200, func() {
				_, err := x.s.Choose(logits)
				check(t, err)
			})
			if accept+read+choose > 0 {
				t.Errorf("allocations: to accept %g, to read logits %g, to choose by them %g", accept, read, choose)
			}
		})
	}
}

// The goroutine that watches a ctx keeps running between calls.
func TestACtxThatIsCancelledStopsNoLaterCallOfAnother(t *testing.T) {
	x := newSteady(t, greedy)
	for range 50 {
		ctx, cancel := context.WithCancel(context.Background())
		x.token(ctx)
		cancel() // its effects may come at any time from here on
		x.token(context.Background())
		other, cancelOther := context.WithCancel(context.Background())
		x.token(other)
		cancelOther()
		last, cancelLast := context.WithCancel(context.Background())
		x.token(last)
		cancelLast()
	}
}

func TestAContextIsClosedWhileItsLastCtxIsCancelled(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for range 50 {
		c, err := m.NewContext(llama.ContextParams{Ctx: 16, Threads: 1})
		check(t, err)
		b, err := llama.NewBatch(1, 1)
		check(t, err)
		check(t, b.Add(1, 0, true))
		ctx, cancel := context.WithCancel(context.Background())
		check(t, c.Decode(ctx, b))
		done := make(chan struct{})
		go func() { cancel(); close(done) }()
		check(t, c.Close())
		<-done
		check(t, b.Close())
	}
}

// samplings are what is measured.
var samplings = []struct {
	name  string
	links []func(*llama.Sampler) error
}{{"greedy", []func(*llama.Sampler) error{greedy}}, {"sampled", usual}}

// BenchmarkToken is all that the binding does for a token, the engine's part included,
// which is small for this model.
func BenchmarkToken(b *testing.B) {
	for _, tt := range samplings {
		b.Run(tt.name, func(b *testing.B) {
			x := newSteady(b, tt.links...)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				x.token(ctx)
			}
		})
	}
}

// BenchmarkSample is the sampling path alone.
func BenchmarkSample(b *testing.B) {
	for _, tt := range samplings {
		b.Run(tt.name, func(b *testing.B) {
			x := newSteady(b, tt.links...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.s.Sample(x.c, -1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPiece(b *testing.B) {
	m := load(b, tinyF16, llama.ModelParams{VocabOnly: true})
	piece := make([]byte, 0, 64)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		var err error
		if piece, err = m.AppendPiece(piece[:0], llama.Token(i%tinyVocab), true); err != nil {
			b.Fatal(err)
		}
	}
}

//go:build cgo

package llama_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
)

const tinyF16 = "../models/tiny/tiny-stories-f16.gguf"

type mapped struct {
	bytes   []byte
	release func() error
}

// heap is a Blocks over mapped memory that counts; limit > 0 refuses larger blocks and
// failAt the n-th request.
type heap struct {
	mu       sync.Mutex
	live     map[unsafe.Pointer]mapped
	purposes map[unsafe.Pointer]llama.Purpose
	size     uintptr
	limit    uintptr
	failAt   int
	requests int
	largest  uintptr
}

var errRefused = errors.New("refused by the test")

func newHeap(size uintptr) *heap {
	return &heap{live: map[unsafe.Pointer]mapped{}, purposes: map[unsafe.Pointer]llama.Purpose{}, size: size}
}

func (h *heap) AllocBlock(purpose llama.Purpose, size uintptr) (unsafe.Pointer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	h.largest = max(h.largest, size)
	if h.requests == h.failAt || h.limit > 0 && size > h.limit {
		return nil, errRefused
	}
	b, release, err := memtest.Memory(int(size))
	if err != nil {
		return nil, err
	}
	p := unsafe.Pointer(&b[0])
	h.live[p] = mapped{b, release}
	h.purposes[p] = purpose
	return p, nil
}

func (h *heap) TagBlock(p unsafe.Pointer, purpose llama.Purpose) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.purposes[p] = purpose
}

func (h *heap) FreeBlock(p unsafe.Pointer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.live[p].release(); err != nil {
		panic(err)
	}
	delete(h.live, p)
	delete(h.purposes, p)
}

func (h *heap) BlockSize() uintptr { return h.size }

func (h *heap) count() map[llama.Purpose]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := map[llama.Purpose]int{}
	for _, p := range h.purposes {
		n[p]++
	}
	return n
}

func load(t testing.TB, path string, p llama.ModelParams) *llama.Model {
	t.Helper()
	m, err := llama.LoadModel(t.Context(), path, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func newContext(t testing.TB, m *llama.Model, p llama.ContextParams) *llama.Context {
	t.Helper()
	c, err := m.NewContext(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// story is "Once upon a time" in the tiny model's vocabulary, by its first tokens:
// the tests of this file need a valid prompt, not a particular one.
var story = []llama.Token{1, 300, 400, 500, 600}

// decode evaluates tokens as sequence 0 from position 0 and returns the logits of
// the last.
func decode(t *testing.T, c *llama.Context, tokens []llama.Token) []float32 {
	t.Helper()
	b, err := llama.NewBatch(len(tokens), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i, tok := range tokens {
		if err := b.Add(tok, llama.Pos(i), i == len(tokens)-1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Decode(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	l, err := c.Logits(-1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestContextMemoryComesFromBlocks(t *testing.T) {
	stock := load(t, tinyF16, llama.ModelParams{MMap: true})
	want := decode(t, newContext(t, stock, llama.ContextParams{Ctx: 256}), story)

	h := newHeap(64 << 10)
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 256, UBatch: 16, Blocks: h})
	if got := decode(t, c, story); !slices.Equal(got, want) {
		t.Error("logits differ from those of the engine's own memory")
	}
	n := h.count()
	if n[llama.PurposeKV] < 2 || n[llama.PurposeCompute] < 2 || n[llama.PurposeOutput] != 1 {
		t.Errorf("blocks by purpose: %v, want several kv and compute blocks and one output block", n)
	}
	c.Close()
	m.Close()
	if n := h.count(); len(n) != 0 {
		t.Errorf("blocks left after closing: %v", n)
	}
}

func TestEveryRefusedBlockIsAnErrorThatLeavesNothing(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for n := 1; ; n++ {
		h := newHeap(64 << 10)
		h.failAt = n
		c, err := m.NewContext(llama.ContextParams{Ctx: 128, UBatch: 16, Blocks: h})
		if err == nil {
			if h.requests >= n {
				t.Fatalf("request %d was refused and the context made", n)
			}
			c.Close()
			if n < 4 {
				t.Fatalf("a context took only %d blocks", n-1)
			}
			return
		}
		if !errors.Is(err, llama.ErrNoMemory) || !errors.Is(err, errRefused) {
			t.Fatalf("request %d refused: %v, want ErrNoMemory wrapping the refusal", n, err)
		}
		if len(h.count()) != 0 {
			t.Fatalf("request %d refused: blocks left: %v", n, h.count())
		}
	}
}

func TestLoadErrors(t *testing.T) {
	notGGUF := t.TempDir() + "/x.gguf"
	if err := os.WriteFile(notGGUF, []byte("this is no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		path string
		p    llama.ModelParams
		want error
	}{
		{"a missing file is an engine error", t.Context(), t.TempDir() + "/none.gguf", llama.ModelParams{}, nil},
		{"a file that is no GGUF is an engine error", t.Context(), notGGUF, llama.ModelParams{}, nil},
		{"a cancelled context stops the load", cancelled, tinyF16, llama.ModelParams{}, context.Canceled},
		{"a path with a NUL is refused", t.Context(), "a\x00b", llama.ModelParams{}, llama.ErrArgument},
		{"an unbound load without scratch is refused", t.Context(), tinyF16, llama.ModelParams{Unbound: true}, llama.ErrArgument},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := llama.LoadModel(tt.ctx, tt.path, tt.p)
			if err == nil {
				m.Close()
				t.Fatal("no error")
			}
			var e *llama.Error
			if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && (!errors.As(err, &e) || e.Reason == "") {
				t.Errorf("error %q", err)
			}
		})
	}
}

// The engine warns of a vocabulary before it fails for another reason.
func TestTheReasonIsTheErrorNotAWarningBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	shape, err := models.ParseShape("test")
	check(t, err)
	check(t, models.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: shape}))
	whole, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, bytes.Replace(whole, []byte("output_norm.weight"), []byte("output_norm.wought"), 1), 0o600))
	var e *llama.Error
	if _, err := llama.LoadModel(t.Context(), path, llama.ModelParams{}); !errors.As(err, &e) || !strings.HasPrefix(e.Reason, "error loading model: ") || !strings.Contains(e.Reason, "output_norm.weight") {
		t.Errorf("%v", err)
	}
}

func TestProgressRisesAndCanCancel(t *testing.T) {
	var seen []float32
	load(t, tinyF16, llama.ModelParams{Progress: func(f float32) { seen = append(seen, f) }})
	if len(seen) < 10 || !slices.IsSorted(seen) || seen[len(seen)-1] != 1 {
		t.Errorf("progress %v", seen)
	}

	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := llama.LoadModel(ctx, tinyF16, llama.ModelParams{Progress: func(float32) {
		if calls++; calls == 3 {
			cancel()
			for ctx.Err() == nil {
			}
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled during the load: %v", err)
	}
}

func TestArgumentsThatTheEngineWouldAssertOn(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for _, p := range []llama.ContextParams{
		{Ctx: -2}, {SeqMax: 1000}, {Threads: -1}, {Threads: 100000}, {CacheTypeK: "q7_9"}, {Ctx: 2, SeqMax: 4},
		{CacheTypeV: "q4_0", FlashAttn: llama.FlashOff}, {Batch: -1},
	} {
		if c, err := m.NewContext(p); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%+v: %v", p, err)
			if c != nil {
				c.Close()
			}
		}
	}
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Batch: 8})
	add := func(b *llama.Batch, tok llama.Token, pos llama.Pos, seqs ...llama.SeqID) *llama.Batch {
		if err := b.Add(tok, pos, true, seqs...); err != nil {
			t.Fatal(err)
		}
		return b
	}
	batch := func(n int) *llama.Batch {
		b, err := llama.NewBatch(n, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
	long := batch(9)
	for i := range 9 {
		add(long, 5, llama.Pos(i))
	}
	for name, b := range map[string]*llama.Batch{
		"empty":                   batch(1),
		"token past the end":      add(batch(1), 1536, 0),
		"negative token":          add(batch(1), -1, 0),
		"sequence out of range":   add(batch(1), 5, 0, 1),
		"longer than the context": long,
	} {
		if err := c.Decode(t.Context(), b); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("batch %s: %v", name, err)
		}
	}
	if _, err := c.Logits(0, nil); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("logits before a decode: %v", err)
	}
	if _, err := c.RemoveSeq(7, 0, -1); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("removing an unknown sequence: %v", err)
	}
	if err := c.SetState([]byte("no state at all, but long enough to be read")); err == nil {
		t.Error("a broken state was restored")
	}
	if err := c.Decode(t.Context(), add(batch(1), 5, 0)); err != nil {
		t.Errorf("the context is unusable after refused calls: %v", err)
	}
}

func TestClosingInAnyOrder(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64})
	m.Close()
	m.Close()
	if _, err := m.NewContext(llama.ContextParams{}); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("context of a closed model: %v", err)
	}
	decode(t, c, story) // the model lives on while its context does
	c.Close()
	c.Close()
	b, _ := llama.NewBatch(1, 1)
	b.Add(1, 0, true)
	if err := c.Decode(t.Context(), b); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("decode on a closed context: %v", err)
	}
	b.Close()
	b.Close()
	if err := b.Add(1, 0, true); !errors.Is(err, llama.ErrClosed) {
		t.Errorf("add to a closed batch: %v", err)
	}
}

func TestDamagedStatesAreRefused(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64})
	want := decode(t, c, story)
	state, err := c.State(nil)
	check(t, err)
	for _, damaged := range [][]byte{nil, state[:1], state[:len(state)/2], state[:len(state)-1], state[1:], append(slices.Clone(state), 0), bytes.Repeat([]byte{0x7f}, 4096)} {
		if err := c.SetState(damaged); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%d bytes of %d: %v", len(damaged), len(state), err)
		}
	}
	for _, at := range []int{0, 4, 12, 100, len(state) / 2, len(state) - 40, len(state) - 8, len(state) - 1} {
		damaged := slices.Clone(state)
		damaged[at] ^= 0x40
		if err := c.SetState(damaged); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	if got, err := c.Logits(-1, nil); err != nil || !slices.Equal(got, want) {
		t.Errorf("the context has changed: %v", err)
	}
}

func TestStateIsRestored(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for _, kv := range []string{"f16", "q8_0", "q4_0"} {
		t.Run(kv, func(t *testing.T) {
			p := llama.ContextParams{Ctx: 64, SeqMax: 2, KVUnified: true, CacheTypeK: kv, CacheTypeV: kv}
			c := newContext(t, m, p)
			want := decode(t, c, story)
			all, err := c.State(nil)
			if err != nil {
				t.Fatal(err)
			}
			one, err := c.SeqState(0, nil)
			if err != nil {
				t.Fatal(err)
			}
			d := newContext(t, m, p)
			if err := d.SetState(all); err != nil {
				t.Fatal(err)
			}
			if got, err := d.Logits(-1, nil); llama.Engine().ABI == llama.ABIBuiltin && (err != nil || !slices.Equal(got, want)) {
				t.Errorf("logits after restoring: %v", err)
			}
			if err := d.SetSeqState(1, one); err != nil {
				t.Fatal(err)
			}
			next := func(seq llama.SeqID) []float32 {
				b, _ := llama.NewBatch(1, 1)
				defer b.Close()
				b.Add(700, llama.Pos(len(story)), true, seq)
				if err := d.Decode(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				l, _ := d.Logits(-1, nil)
				return l
			}
			if a, b := next(0), next(1); distance(a, b) > 1e-3 {
				t.Errorf("the restored sequence goes on differently: %g", distance(a, b))
			}
		})
	}
}

func distance(a, b []float32) float64 {
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

func TestCancelledDecodeStopsInside(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 4096, Batch: 4096, UBatch: 64})
	b, _ := llama.NewBatch(4096, 1)
	defer b.Close()
	for i := range 4096 {
		b.Add(llama.Token(300+i%1000), llama.Pos(i), i == 4095)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() {
		<-started
		cancel()
	}()
	close(started)
	err := c.Decode(ctx, b)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled decode: %v", err)
	}
	if p, err := c.PosMax(0); err != nil || p >= 4095 {
		t.Errorf("position %d after a cancelled decode, %v", p, err)
	}
	c.Clear()
	decode(t, c, story)
}

func TestCloseDuringDecode(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 4096, Batch: 4096, UBatch: 64})
	b, _ := llama.NewBatch(4096, 1)
	defer b.Close()
	for i := range 4096 {
		b.Add(llama.Token(300+i%1000), llama.Pos(i), false)
	}
	done := make(chan error, 1)
	go func() { done <- c.Decode(context.Background(), b) }()
	m.Close()
	c.Close()
	if err := <-done; err != nil && !errors.Is(err, llama.ErrClosed) {
		t.Errorf("decode while closing: %v", err)
	}
}

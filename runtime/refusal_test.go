//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

var errNth = errors.New("refused by the test")

// If any one allocation of a load, a session or a generation is refused, the error is typed,
// nothing leaks, and another model goes on.
func TestEveryRefusalIsAnErrorThatLeavesNothing(t *testing.T) {
	memtest.WithoutRace(t)
	other := session(t, open(t, tinyF16, runtime.Options{}), runtime.SessionOptions{Context: 64, Threads: 1})
	want, err := other.Complete(t.Context(), prompt, greedyOptions(3))
	if err != nil {
		t.Fatal(err)
	}
	path := model(t, "synthetic", "q4_0")
	for _, o := range []runtime.Options{{Load: runtime.LoadMMap}, {Load: runtime.LoadCopy}, {Load: runtime.LoadCopy, Pool: newPool(t, 64<<20)}} {
		t.Run(fmt.Sprintf("%v, pool %v", o.Load, o.Pool != nil), func(t *testing.T) {
			o.ChunkSize = 1 << 20
			so := runtime.SessionOptions{Context: 256, UBatch: 32, Threads: 1}
			o.Session = so
			for n := int64(1); ; n++ {
				var requests atomic.Int64
				o.Admit = func(memory.Purpose, uint64) error {
					if requests.Add(1) == n {
						return errNth
					}
					return nil
				}
				_, _, err := greedy(t.Context(), path, o, so, 3)
				if err == nil {
					if requests.Load() >= n {
						t.Fatalf("request %d was refused and everything worked", n)
					}
					if n < 10 {
						t.Fatalf("there were only %d requests", n-1)
					}
					return
				}
				var refused *memory.Error
				if !errors.Is(err, runtime.ErrInsufficientMemory) || !errors.Is(err, errNth) || !errors.As(err, &refused) {
					t.Fatalf("request %d refused: %v", n, err)
				}
				if o.Pool != nil && o.Pool.Stats().Used != 0 {
					t.Fatalf("request %d refused: of the pool %+v", n, o.Pool.Stats())
				}
				maps, err := memtest.Maps(0)
				memtest.Need(t, err)
				for _, m := range maps {
					if m.Path == path {
						t.Fatalf("request %d refused: %+v is left", n, m)
					}
				}
				if got, err := other.Complete(t.Context(), prompt, greedyOptions(3)); err != nil || got != want {
					t.Fatalf("request %d refused: the other model says %q, %v", n, got, err)
				}
			}
		})
	}
}

// childAddressSpace repeats a load under decreasing limits of the address space, while another
// open model goes on.
func childAddressSpace(args []string) int {
	path, o, so := parseChild(args)
	ctx := context.Background()
	first, err := runtime.Open(ctx, "", runtime.Options{Load: runtime.LoadCopy})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := first.NewSession(background, runtime.SessionOptions{Context: 128, Threads: 1})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	want, err := s.Complete(ctx, prompt, greedyOptions(4))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for room := uint64(512); room >= 64; room -= 32 { // with less, Go may not get a thread
		p, err := probe.Measure()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if p.AddressSpaceLeft > room<<20 {
			if err := memtest.SetLimits(memtest.Limits{AddressSpace: room << 20, Headroom: true}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return childUnsupported
			}
		}
		switch _, _, err := greedy(ctx, path, o, so, 2); {
		case err == nil:
			fmt.Println("fits")
		case errors.Is(err, runtime.ErrInsufficientMemory) && !strings.Contains(err.Error(), "\n"):
			fmt.Println("refused")
		default:
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if got, err := s.Complete(ctx, prompt, greedyOptions(4)); err != nil || got != want {
			fmt.Fprintf(os.Stderr, "the open model says %q, %v\n", got, err)
			return 1
		}
	}
	return 0
}

func TestUnderALimitOfAddresses(t *testing.T) {
	memtest.WithoutRace(t)
	for _, mode := range []string{"mmap", "copy"} {
		res, err := memtest.Run(t.Context(), memtest.Child("addresses", model(t, "large", "f16"), "load="+mode, "norepack", "chunk=4194304", "ctx=128", "threads=1"), memtest.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if res.Code == childUnsupported {
			t.Skip(string(res.Stderr))
		}
		if out := string(res.Stdout); res.Code != 0 || !strings.HasPrefix(out, "fits") || !strings.HasSuffix(out, "refused\n") {
			t.Errorf("%s: %v", mode, res)
		}
	}
}

// An error about a sum names all of its parts.
func TestARefusedSumNamesItsParts(t *testing.T) {
	path := model(t, "synthetic", "f16")
	so := runtime.SessionOptions{Context: 1024, UBatch: 64, CacheTypeK: "f16", CacheTypeV: "f16", FlashAttention: llama.FlashOn}
	f, err := runtime.Plan(t.Context(), path, runtime.Options{Session: so, NoRepack: true, ChunkSize: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var p runtime.ModePlan
	for _, m := range f.Modes {
		if m.Mode == runtime.LoadCopy {
			p = m
		}
	}
	check := func(what string, err error, weights uint64) {
		t.Helper()
		var e *memory.Error
		if !errors.As(err, &e) {
			t.Fatalf("%s: %v", what, err)
		}
		got := [4]uint64{e.Parts.Of(memory.PurposeWeights), e.Parts.Of(memory.PurposeKV), e.Parts.Of(memory.PurposeCompute), e.Parts.Of(memory.PurposeOutput)}
		if want := [4]uint64{weights, p.KV, p.Compute, p.Output}; got != want || e.Parts.Total() != e.Requested {
			t.Errorf("%s: %v, want %v", what, e.Parts, want)
		}
		if !strings.Contains(err.Error(), "not enough memory for "+e.Parts.String()+": "+words.Size(e.Requested)+" needed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	o := runtime.Options{Load: runtime.LoadCopy, NoRepack: true, ChunkSize: 4 << 20, Session: so}
	o.Pool = newPool(t, p.Weights+p.KV)
	_, err = runtime.Open(t.Context(), path, o)
	check("a copy and a session", err, p.Weights)

	o.Load, o.Pool = runtime.LoadMMap, newPool(t, p.Commit-p.Engine-p.Unused-p.Weights+1<<20)
	m := open(t, path, o)
	session(t, m, so)
	_, err = m.NewSession(t.Context(), so)
	check("a second session", err, 0)
}

// If no single change is enough, an error names the smallest sufficient combination, and a
// model opens with it.
func TestAnErrorCombinesWhatIsNotEnoughAlone(t *testing.T) {
	path := model(t, "synthetic", "f16")
	given := runtime.SessionOptions{Context: 2048, UBatch: 512, CacheTypeK: "f16", CacheTypeV: "f16", FlashAttention: llama.FlashOn}
	change := func(f func(*runtime.SessionOptions)) runtime.SessionOptions {
		o := given
		f(&o)
		return o
	}
	open := func(size uint64, so runtime.SessionOptions) error {
		m, err := runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, ChunkSize: 16 << 20, Pool: newPool(t, size), Session: so})
		if err == nil {
			m.Close()
		}
		return err
	}
	context512 := memory.Remedy{Kind: memory.RemedyContext, Tokens: 512}
	batch32 := memory.Remedy{Kind: memory.RemedyBatch, Tokens: 32}
	cache4 := memory.Remedy{Kind: memory.RemedyCache, Type: "q4_0"}
	for _, tt := range []struct {
		name  string
		given runtime.SessionOptions
		least runtime.SessionOptions
		want  []memory.Remedy
	}{
		{"two", given, change(func(o *runtime.SessionOptions) { o.Context, o.UBatch = 512, 32 }),
			[]memory.Remedy{context512, batch32}},
		{"three", given, change(func(o *runtime.SessionOptions) {
			o.Context, o.UBatch, o.CacheTypeK, o.CacheTypeV = 512, 32, "q4_0", "q4_0"
		}), []memory.Remedy{context512, cache4, batch32}},
		{"flash attention among them", change(func(o *runtime.SessionOptions) { o.Context, o.UBatch, o.FlashAttention = 512, 32, llama.FlashOff }),
			change(func(o *runtime.SessionOptions) {
				o.Context, o.UBatch, o.CacheTypeK, o.CacheTypeV = 512, 32, "q4_0", "q4_0"
			}), []memory.Remedy{{Kind: memory.RemedyFlashAttention}, cache4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := runtime.Plan(t.Context(), path, runtime.Options{ChunkSize: 16 << 20, Session: tt.least})
			if err != nil {
				t.Fatal(err)
			}
			size := f.Modes[0].Commit - f.Modes[0].Engine - f.Modes[0].Unused
			var refused *memory.Error
			if err := open(size, tt.given); !errors.As(err, &refused) {
				t.Fatalf("%v", err)
			}
			if !slices.ContainsFunc(refused.Remedies, func(r memory.Remedy) bool {
				needs := r.Needs
				r.Needs = 0
				want := tt.want[0]
				want.With = tt.want[1:]
				return needs > 0 && reflect.DeepEqual(r, want)
			}) {
				t.Errorf("%v is not among %v", tt.want, refused.Remedies)
			}
			if err := open(size, tt.least); err != nil {
				t.Errorf("as the error says: %v", err)
			}
		})
	}
}

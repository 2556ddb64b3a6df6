//go:build cgo

package runtime_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	goruntime "runtime"
	"runtime/debug"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

func init() { children["taken"] = childTaken }

// taken is what a run took by the system's figures: charged and resident memory.
type taken struct{ Commit, Resident uint64 }

// mappings adds up the process's mappings.
func mappings() (memtest.Smaps, error) {
	b, err := os.ReadFile("/proc/self/smaps")
	return memtest.ParseSmaps(string(b)), err
}

// settle makes Go allocate in advance what it keeps: heap and stacks. With one running thread,
// no other thread starts an arena of the C library or a cache of Go. The kernel makes no huge pages:
// in a process that lives long enough it would make one of 4 KiB of Go's figures of the heap.
func settle() {
	_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
	goruntime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	heap := make([]byte, 32<<20)
	for i := 0; i < len(heap); i += 4096 {
		heap[i] = 1
	}
	goruntime.KeepAlive(heap)
	goruntime.GC()
	memtest.StartThreads(16)
}

// childTaken fills a session's context and prints the memory that it took.
func childTaken(args []string) int {
	path, o, so := parseChild(args)
	o.Session = so
	start, err := mappings()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return childUnsupported
	}
	// The engine's static parts are initialised first.
	if _, _, err := greedy(background, tinyF16, runtime.Options{Load: runtime.LoadStock}, runtime.SessionOptions{Context: 64, Threads: 1}, 2); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	settle()
	before, err := mappings()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return childUnsupported
	}
	// Freed parts of the C library's heap stay charged below others that were not freed, which depends on
	// when Go's threads ran: the heap counts from its start.
	before.Commit += start.Heap.Commit - before.Heap.Commit
	before.Resident += start.Heap.Resident - before.Heap.Resident
	return inChild(path, o, func(m *runtime.Model, s *runtime.Session) error {
		const generated = 4
		tokens := make([]int32, s.Stats().Context-2*generated)
		for i := range tokens {
			tokens[i] = int32(3 + i*31%250)
		}
		if err := s.Evaluate(background, tokens, runtime.EvaluateOptions{}); err != nil {
			return err
		}
		o := runtime.GenerateOptions{Continue: true, MaxTokens: generated, IgnoreEOG: true}
		if _, err := s.Complete(background, "a", o); err != nil {
			return err
		}
		after, err := mappings()
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(taken{after.Commit - before.Commit, after.Resident - before.Resident})
	})
}

func TestThePlanIsWhatTheSystemCounts(t *testing.T) {
	memtest.WithoutRace(t)
	builtin := llama.Engine().ABI == llama.ABIBuiltin
	for _, tt := range []struct {
		shape, typ string
		contexts   []int // others than the compiled-in engine: the first
		so         runtime.SessionOptions
	}{
		{"layers=6,width=1024,heads=8,kv_heads=2,ffn=4096,vocab=8000", "f16", []int{256}, runtime.SessionOptions{}},
		{"layers=4,width=768,heads=12,ffn=2048,vocab=32000", "q4_0", []int{1024}, runtime.SessionOptions{}},
		{"layers=12,width=768,heads=12,ffn=3072,vocab=4096", "q8_0", []int{1024}, runtime.SessionOptions{}},
		{"layers=3,width=1024,heads=16,kv_heads=4,ffn=2816,vocab=64000", "q8_0", []int{256}, runtime.SessionOptions{}},
		{"layers=16,width=512,heads=8,ffn=2048,vocab=16000", "f16", []int{256, 1024}, runtime.SessionOptions{}},
		{"layers=4,width=512,heads=8,kv_heads=2,ffn=1024,vocab=8000,experts=4", "f16", []int{256}, runtime.SessionOptions{}},
		// The estimate of the engine's heap was fitted to the models above, not to these.
		{"layers=10,width=640,heads=10,kv_heads=5,ffn=1792,vocab=24000", "q4_0", []int{512, 3072}, runtime.SessionOptions{}},
		{"layers=10,width=640,heads=10,kv_heads=5,ffn=1792,vocab=24000", "q4_0", []int{2048}, runtime.SessionOptions{FlashAttention: llama.FlashOn, CacheTypeK: "q8_0", CacheTypeV: "q8_0"}},
	} {
		path := model(t, tt.shape, tt.typ)
		for i, ctx := range tt.contexts {
			if !builtin && (i > 0 || tt.typ != "q4_0") { // the same estimates: some models are enough
				continue
			}
			so := tt.so
			so.Context, so.Threads = ctx, 1
			f, err := runtime.Plan(t.Context(), path, runtime.Options{Session: so})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range f.Modes {
				if !p.Packed && (builtin || ctx < 1024 || p.Mode == runtime.LoadMMap) {
					t.Run(fmt.Sprintf("%s %s, %d, %s, %s cache", tt.shape, tt.typ, ctx, p.Name(), p.CacheTypeK), func(t *testing.T) { compareTaken(t, path, p) })
				}
			}
		}
	}
}

// compareTaken compares a plan with what a run takes.
func compareTaken(t *testing.T, path string, p runtime.ModePlan) {
	args := []string{path, "load=" + p.Name(), fmt.Sprint("ctx=", p.Context), "threads=1", "cache=" + p.CacheTypeK, fmt.Sprint("flash=", p.FlashAttention)}
	cmd := memtest.Child("taken", args...)
	if llama.Engine().ABI != llama.ABIBuiltin {
		// The C library would keep the schedulers' large blocks that were freed, and take others from their places.
		cmd.Env = append(cmd.Env, "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1048576")
	}
	res, err := memtest.Run(t.Context(), cmd, memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got taken
	if err := json.Unmarshal(res.Stdout, &got); res.Code != 0 || err != nil {
		t.Fatal(res, err)
	}
	for _, f := range []struct {
		name              string
		planned, measured uint64
	}{{"commit", p.Commit, got.Commit}, {"resident", p.Resident, got.Resident}} {
		off := 100 * (float64(f.planned)/float64(f.measured) - 1)
		t.Logf("%s: planned %d KiB, taken %d KiB, off by %.2f %%", f.name, f.planned>>10, f.measured>>10, off)
		if math.Abs(off) > 2 {
			t.Errorf("%s: planned %d, taken %d", f.name, f.planned, f.measured)
		}
	}
}

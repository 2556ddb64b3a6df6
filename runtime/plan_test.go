//go:build cgo

package runtime_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// near tells whether a planned figure is within 2 % or 1 MiB of the measured one.
func near(planned, measured uint64) bool {
	d := max(planned, measured) - min(planned, measured)
	return d <= 1<<20 || d <= measured/50
}

func TestThePlanIsWhatIsTaken(t *testing.T) {
	memtest.WithoutRace(t)
	sessions := []runtime.SessionOptions{
		{},
		{Context: 4096},
		{Context: 1024, CacheTypeK: "q8_0", CacheTypeV: "q8_0"},
		{Context: 2048, CacheTypeK: "q4_0", CacheTypeV: "q4_0", UBatch: 64},
		{Context: 512, Embeddings: true},
	}
	for _, file := range []struct{ kind, typ string }{{"tiny", "q4_0"}, {"tiny", "f16"}, {"synthetic", "q4_0"}, {"synthetic", "f16"}, {"large", "f16"}} {
		path := model(t, file.kind, file.typ)
		packedFile := filepath.Join(t.TempDir(), "packed.gguf")
		if err := runtime.Pack(t.Context(), path, packedFile, runtime.PackOptions{}); err != nil && !errors.Is(err, runtime.ErrNothingToPack) {
			t.Fatal(err)
		}
		for i, so := range sessions {
			for _, chunk := range []uint64{1 << 20, 16 << 20} {
				o := runtime.Options{Session: so, ChunkSize: chunk}
				forecast, err := runtime.Plan(t.Context(), path, o)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range forecast.Modes {
					if p.Mode == runtime.LoadStock {
						continue // the engine's heap is in no ledger
					}
					t.Run(fmt.Sprintf("%s %s, session %d, %d MiB, %s", file.kind, file.typ, i, chunk>>20, p.Name()), func(t *testing.T) {
						o.Load = p.Mode
						path := path
						if p.Packed {
							path = packedFile
						}
						if p.LimitedBy == "chunk size" { // all tokens of an embedding are computed at once
							_, err := runtime.Open(t.Context(), path, o)
							if !errors.As(err, new(*memory.RangeError)) {
								t.Errorf("the plan says that a block is larger than a chunk, opening it: %v", err)
							}
							return
						}
						m := open(t, path, o)
						defer m.Close()
						s := session(t, m, so)
						defer s.Close()
						r := m.Report()
						weights, kv, compute, output := r.Memory.Of(memory.PurposeWeights), r.Memory.Of(memory.PurposeKV), r.Memory.Of(memory.PurposeCompute), r.Memory.Of(memory.PurposeOutput)
						for _, f := range []struct {
							name              string
							planned, measured uint64
						}{
							{"weights", p.Weights, weights.Current},
							{"KV", p.KV, kv.Current},
							{"compute", p.Compute, compute.Current},
							{"output", p.Output, output.Current},
							{"largest allocation", p.LargestAllocation, max(weights.LargestAllocation, kv.LargestAllocation, compute.LargestAllocation, output.LargestAllocation)},
							{"largest range", p.LargestRange, max(weights.LargestRange, kv.LargestRange, compute.LargestRange, output.LargestRange)},
						} {
							if !near(f.planned, f.measured) {
								t.Errorf("%s: planned %d, taken %d", f.name, f.planned, f.measured)
							}
						}
						if st := s.Stats(); p.Context != st.Context || p.UBatch != st.UBatch {
							t.Errorf("planned a context of %d and %d at once, got %d and %d", p.Context, p.UBatch, st.Context, st.UBatch)
						}
						if !p.Fits || p.Missing != 0 || p.Remedies == nil {
							t.Errorf("it was opened, and the plan says %+v", p)
						}
					})
				}
			}
		}
	}
}

func TestThePlanSaysWhatIsLargest(t *testing.T) {
	f, err := runtime.Plan(t.Context(), model(t, "large", "f16"), runtime.Options{ChunkSize: 4 << 20, Session: runtime.SessionOptions{Context: 512}})
	if err != nil {
		t.Fatal(err)
	}
	var mmap, stock runtime.ModePlan
	for _, p := range f.Modes {
		switch p.Mode {
		case runtime.LoadMMap:
			mmap = p
		case runtime.LoadStock:
			stock = p
		}
	}
	if mmap.LargestAllocation > 4<<20 || mmap.LargestRange <= 4<<20 || !strings.HasPrefix(mmap.LargestRangeOf, "blk.") && !strings.HasPrefix(mmap.LargestRangeOf, "token_embd") {
		t.Errorf("%d of %s in one allocation, %d of %s side by side", mmap.LargestAllocation, mmap.LargestAllocationOf, mmap.LargestRange, mmap.LargestRangeOf)
	}
	if stock.LargestAllocation < 200<<20 || stock.LargestAllocationOf != "the whole file" {
		t.Errorf("stock: %d of %s", stock.LargestAllocation, stock.LargestAllocationOf)
	}
	kv := 0
	for _, x := range mmap.Pieces {
		if x.Purpose == memory.PurposeKV && strings.HasPrefix(x.Of, "KV layer") {
			kv++
		}
	}
	if kv == 0 {
		t.Errorf("no piece says which layers' cache it is: %+v", mmap.Pieces)
	}
}

func TestPlanErrors(t *testing.T) {
	for name, c := range ggufcases.Structure() {
		path, err := c.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := runtime.Plan(t.Context(), path, runtime.Options{}); !errors.Is(err, runtime.ErrBadModel) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := runtime.Plan(t.Context(), filepath.Join(t.TempDir(), "none.gguf"), runtime.Options{}); err == nil {
		t.Error("a missing file was planned")
	}
	if _, err := runtime.Plan(t.Context(), tinyF16, runtime.Options{Session: runtime.SessionOptions{CacheTypeK: "q7"}}); err == nil {
		t.Error("an unknown cache type was planned")
	}
}

// childPlan plans under limits and prints what does not fit, and why.
func childPlan(args []string) int {
	path, o, so := parseChild(args)
	o.Session = so
	room := uint64(48 << 20)
	if len(args) > 1 && args[1] == "small" {
		room = 20 << 20
	}
	if err := memtest.SetLimits(memtest.Limits{Data: room, Headroom: true}); err != nil {
		fmt.Println(err)
		return childUnsupported
	}
	f, err := runtime.Plan(background, path, o)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, p := range f.Modes {
		fmt.Printf("%v %v %d %q %q %v\n", p.Mode, p.Fits, p.Missing>>20, p.LimitedBy, p.Remedies, p.Needed)
	}
	return 0
}

func TestAPlanThatDoesNotFitSaysWhatWould(t *testing.T) {
	res, err := memtest.Run(t.Context(), memtest.Child("plan", model(t, "large", "f16"), "ctx=16384", "chunk=16777216"), memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Code == childUnsupported {
		t.Skip(string(res.Stdout))
	}
	lines := strings.Split(strings.TrimSpace(string(res.Stdout)), "\n")
	if res.Code != 0 || len(lines) != 3 {
		t.Fatal(res)
	}
	for i, want := range [][]string{
		{"mmap false", "data limit", "use a context of ", "kv ", " and other "},
		{"copy false", "data limit", "quantise it to q8_0", "weights of about", "weights 2"},
	} {
		for _, w := range want {
			if !strings.Contains(lines[i], w) {
				t.Errorf("%q is missing in %q", w, lines[i])
			}
		}
	}
}

// If no single change is enough, the smallest sufficient combinations are named.
func TestAPlanCombinesWhatIsNotEnoughAlone(t *testing.T) {
	enginetest.NeedBuiltin(t, "the sizes are chosen for its compute buffers")
	res, err := memtest.Run(t.Context(), memtest.Child("plan", model(t, "large", "f16"), "small", "ctx=16384", "chunk=16777216"), memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Code == childUnsupported {
		t.Skip(string(res.Stdout))
	}
	lines := strings.Split(strings.TrimSpace(string(res.Stdout)), "\n")
	if res.Code != 0 || len(lines) != 3 {
		t.Fatal(res)
	}
	for i, want := range []string{`context of [^"]* and use `, ` and map the weights`} {
		if !regexp.MustCompile(`"use [^"]*` + want + `[^"]*: needs [0-9.]+ MiB"`).MatchString(lines[i]) {
			t.Errorf("no combination with %s in %q", want, lines[i])
		}
	}
}

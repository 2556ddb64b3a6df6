//go:build cgo

package runtime_test

import (
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/loader/residency/replay"
	"github.com/seed7adf6694/infer/runtime"
)

// chosenExperts generates, and lists what each layer chose in each evaluation.
func chosenExperts(t *testing.T, path string, o runtime.Options) (tokens []int32, layers []int, ids [][]int32, r runtime.Report) {
	t.Helper()
	m := open(t, path, o)
	with := budgeted
	with.OnExperts = func(layer int, chosen []int32) {
		layers, ids = append(layers, layer), append(ids, slices.Clone(chosen))
	}
	s := session(t, m, with)
	for x, err := range s.Generate(t.Context(), prompt, greedyOptions(6)) {
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, x.ID)
	}
	return tokens, layers, ids, m.Report()
}

// A session is told of the experts that routers choose, the same in all load modes and with a
// budget, and its text is the one without.
func TestASessionTellsWhichExpertsAreChosen(t *testing.T) {
	path := model(t, mixture, "q4_0")
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 6)
	if err != nil {
		t.Fatal(err)
	}
	var first [][]int32
	for _, tt := range []struct {
		name string
		o    runtime.Options
	}{
		{"mapped", runtime.Options{Load: runtime.LoadMMap, MaxMemory: runtime.MaxMemoryOff}},
		{"with a budget", runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.6), Session: budgeted}},
		{"copied", runtime.Options{Load: runtime.LoadCopy, NoRepack: true}},
		{"stock", runtime.Options{Load: runtime.LoadStock, NoRepack: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tokens, layers, ids, r := chosenExperts(t, path, tt.o)
			equal(t, "tokens", tokens, want)
			if len(layers) != 6*6 { // the prompt, and 5 tokens of 6
				t.Fatalf("told %d times", len(layers))
			}
			for i, n := range layers {
				if n != i%6 || i >= 6 && len(ids[i]) != 4 || i < 5 && len(ids[i]) != 4*(len(ids[0])/4) || i == 5 && len(ids[i]) != 4 {
					t.Errorf("%d: layer %d, %v", i, n, ids[i])
				}
				for _, id := range ids[i] {
					if id < 0 || id >= 32 {
						t.Errorf("expert %d", id)
					}
				}
				for row := range slices.Chunk(ids[i], 4) {
					if slices.Sort(row); len(slices.Compact(row)) != 4 {
						t.Errorf("experts of a token: %v", row)
					}
				}
			}
			if first == nil {
				first = ids
			}
			if !slices.EqualFunc(ids, first, slices.Equal) {
				t.Error("other experts than when mapped")
			}
			if x := r.Residency; tt.o.MaxMemory == runtime.MaxMemoryOff && x != nil || tt.name == "with a budget" && (x == nil || x.Experts == nil || x.Experts.Misses == 0) {
				t.Errorf("%+v", x)
			}
		})
	}
}

func TestAModelWithoutExpertsTellsOfNone(t *testing.T) {
	m := openTiny(t)
	s := session(t, m, runtime.SessionOptions{Context: 64, OnExperts: func(int, []int32) { t.Error("told of experts") }})
	if _, err := s.Complete(t.Context(), prompt, greedyOptions(2)); err != nil {
		t.Error(err)
	}
}

// The replay of a trace gives the hits and misses of a budget with the same number of slots.
func TestAReplayMissesWhatABudgetReads(t *testing.T) {
	path := model(t, mixture, "q4_0")
	_, layers, ids, r := chosenExperts(t, path, runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.5), Session: budgeted})
	h := replay.Header{Used: 4, Slot: 1}
	for n := range 6 {
		h.Layers = append(h.Layers, replay.Layer{Layer: n, Experts: 32, Bytes: 1})
	}
	trace := replay.Trace{Header: h}
	for i, chosen := range ids {
		trace.Choices = append(trace.Choices, replay.Choice{Evaluation: i / 6, Layer: layers[i], Tokens: len(chosen) / 4, IDs: chosen})
	}
	if r.Residency == nil || r.Residency.Experts == nil {
		t.Fatalf("%+v", r.Residency)
	}
	e := r.Residency.Experts
	got, err := trace.Replay(replay.LFU, e.Slots)
	if err != nil || got.Alone.Hits+got.Together.Hits != e.Hits || got.Alone.Misses+got.Together.Misses != e.Misses {
		t.Errorf("%v: %+v, the budget had %+v", err, got, e)
	}
}

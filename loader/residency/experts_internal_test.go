package residency

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// mixtureOf writes a model of layers with tensors of experts, each row 32 bytes of I8, and maps it.
// The bytes of an expert are its layer and number.
func mixtureOf(t *testing.T, used uint32, rows, experts int, layers ...int) (*loader.Plan, *loader.Weights) {
	t.Helper()
	var w gguf.Writer
	w.Add("general.architecture", gguf.StringValue("made"))
	if used > 0 {
		w.Add("made.expert_used_count", gguf.Uint32Value(used))
	}
	w.AddTensor("output.weight", gguf.TypeI8, 32)
	var data []byte
	add := func(name string, expert func(n int) byte, n int) {
		_, size := w.AddTensor(name, gguf.TypeI8, 32, uint64(rows), uint64(n))
		for i := range size {
			data = append(data, expert(int(i)/(32*rows)))
		}
		data = append(data, make([]byte, w.Padding(size))...)
	}
	data = append(data, make([]byte, 32)...)
	for _, l := range layers {
		for k, kind := range []string{"gate", "up"} {
			add(fmt.Sprintf("blk.%d.ffn_%s_exps.weight", l, kind), func(n int) byte { return byte(l*32 + n*2 + k) }, experts)
		}
	}
	path := filepath.Join(t.TempDir(), "mixture.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := w.WriteHeader(f); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	ix, err := gguf.Open(path, gguf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	plan, err := loader.NewPlan(ix, loader.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	weights, err := loader.MapWeights(t.Context(), ix, plan, loader.MapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { weights.Close() })
	return plan, weights
}

func TestTheLayoutOfExperts(t *testing.T) {
	plan, _ := mixtureOf(t, 2, 100, 8, 0, 2)
	l := expertLayoutOf(nil, plan)
	if l == nil || len(l.kinds) != 2 || len(l.layers) != 3 || len(l.layers[1]) != 0 || len(l.layers[2]) != 2 || l.bytes != 4*8*3200 {
		t.Fatalf("%+v", l)
	}
	if all, most := l.counts(); all != 16 || most != 8 {
		t.Errorf("%d experts, %d in a layer", all, most)
	}
	if l.perToken() != 2*2*2*3200 || l.tokenExperts() != 4 || l.kinds[0].stride != 2*files.DirectUnit {
		t.Errorf("%d bytes for a token, %d experts, %+v", l.perToken(), l.tokenExperts(), l.kinds)
	}
	if x := l.layers[0][0]; x.inSlot() != 0 || x.shift(1)%files.DirectUnit != (x.shift(0)+3200)%files.DirectUnit {
		t.Errorf("%+v: %d, %d", x, x.shift(0), x.shift(1))
	}
	if plan, _ := mixtureOf(t, 0, 100, 8, 0); expertLayoutOf(nil, plan) != nil {
		t.Error("nobody says how many experts a token uses")
	}
	if plan, _ := mixtureOf(t, 9, 100, 8, 0); expertLayoutOf(nil, plan) != nil {
		t.Error("more experts used than there are")
	}
	if plan, _ := mixtureOf(t, 1, 100, 1, 0); expertLayoutOf(nil, plan) != nil {
		t.Error("one expert is none")
	}
}

// expertsOf makes slots for the experts of a mixture.
func expertsOf(t *testing.T, rows, slots int) *Experts {
	t.Helper()
	plan, weights := mixtureOf(t, 2, rows, 8, 0, 1)
	arena := memory.NewArena(memory.ArenaOptions{})
	t.Cleanup(func() { arena.Close() })
	e := newExperts(expertLayoutOf(weights.TensorData, plan), arena, plan.Index())
	t.Cleanup(func() { e.close() })
	if err := e.resize(1, slots); err != nil {
		t.Fatal(err)
	}
	return e
}

// choose uses experts of a layer, checks the bytes in their slots, and releases them.
func choose(t *testing.T, e *Experts, layer int, ids ...int32) {
	t.Helper()
	var u ExpertUse
	slots := make([]int32, len(ids))
	if ok, err := e.Use(t.Context(), &u, layer, ids, slots); !ok || err != nil {
		t.Fatalf("%v of layer %d: %v, %v", ids, layer, ok, err)
	}
	defer e.Release(&u)
	for k, x := range e.layout.layers[layer] {
		if _, err := e.Await(&u, x.name); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		_, base, stride, count := e.Slots(x.name)
		for i, id := range ids {
			b := space.BytesAt(space.At(base, uint64(slots[i])*stride), x.size)
			if want := byte(layer*32 + int(id)*2 + k); int(slots[i]) >= count || b[0] != want || b[len(b)-1] != want || b[len(b)/2] != want {
				t.Errorf("%s, expert %d in slot %d: %d … %d, want %d", x.name, id, slots[i], b[0], b[len(b)-1], want)
			}
		}
	}
}

// What is chosen often stays, others are read; in slots are the bytes of the file, whatever the
// alignment.
func TestExpertsThatAreUsedMostStay(t *testing.T) {
	for _, rows := range []int{1, 100, 128, 1000} { // 128 rows are 4096 bytes
		e := expertsOf(t, rows, 4)
		for range 5 {
			choose(t, e, 0, 1, 2, 1)
		}
		before := e.Stats()
		if before.Misses != 2 || before.Hits != 8 || before.Read == 0 {
			t.Errorf("%d rows: %+v", rows, before)
		}
		for id := range int32(8) {
			choose(t, e, 1, id)
		}
		choose(t, e, 0, 2, 1)
		if st := e.Stats(); st.Misses != 10 || st.Hits != 10 || st.Slots != 4 || st.Mapped != 0 {
			t.Errorf("%d rows: %+v", rows, st)
		}
	}
}

func TestMoreExpertsThanSlotsAreNotInUse(t *testing.T) {
	e := expertsOf(t, 100, 3)
	var a, b ExpertUse
	slots := make([]int32, 4)
	if ok, err := e.Use(t.Context(), &a, 0, []int32{0, 1, 2, 3}, slots); ok || err != nil {
		t.Errorf("4 in 3 slots: %v, %v", ok, err)
	}
	if ok, err := e.Use(t.Context(), &a, 0, []int32{0, 1}, slots); !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.Finish(&a)
	if ok, err := e.Use(t.Context(), &b, 1, []int32{0, 1}, slots); ok || err != nil {
		t.Errorf("a second pass took what the first uses: %v, %v", ok, err)
	}
	if ok, err := e.Use(t.Context(), &b, 0, []int32{0, 1, 5}, slots); !ok || err != nil {
		t.Errorf("what both use and a free slot: %v, %v", ok, err)
	}
	e.Release(&a)
	e.Release(&b)
	choose(t, e, 1, 4, 5, 6)
	for _, ids := range [][]int32{{-1}, {8}, {0, 100}} {
		if ok, err := e.Use(t.Context(), &a, 0, ids, slots); ok || err != nil {
			t.Errorf("experts %v: %v, %v", ids, ok, err)
		}
	}
	if ok, err := e.Use(t.Context(), &a, 7, []int32{0}, slots); ok || err != nil {
		t.Errorf("a layer without experts: %v, %v", ok, err)
	}
	many := make([]int32, 2*(defaultTokens+1)) // the engine's work buffer would be larger than counted
	if ok, err := e.Use(t.Context(), &a, 0, many, make([]int32, len(many))); ok || err != nil {
		t.Errorf("%d tokens: %v, %v", len(many)/2, ok, err)
	}
	if st := e.Stats(); st.Mapped != 3 {
		t.Errorf("%+v", st)
	}
	for _, s := range e.slots {
		if s.users != 0 || s.filling {
			t.Errorf("%+v", e.slots)
		}
	}
}

func TestExpertsThatCouldNotBeReadAreNotThere(t *testing.T) {
	e := expertsOf(t, 100, 4)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var u ExpertUse
	slots := make([]int32, 1)
	if _, err := e.Use(ctx, &u, 0, []int32{3}, slots); err != nil {
		t.Errorf("%v before the read was awaited", err)
	}
	for _, x := range e.layout.layers[0] {
		if more, err := e.Await(&u, x.name); more || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, %v", x.name, more, err)
		}
	}
	e.Release(&u)
	choose(t, e, 0, 3)
	if st := e.Stats(); st.Hits != 0 || st.Misses != 2 {
		t.Errorf("%+v", st)
	}
}

// Tensors can be used one after the other; what the graph uses first is read first.
func TestTensorsOfExpertsAreAwaitedOneByOne(t *testing.T) {
	e := expertsOf(t, 1000, 4)
	gate, up := e.layout.layers[0][0].name, e.layout.layers[0][1].name
	for i, order := range [][]string{{gate, up}, {up, gate}} {
		var u ExpertUse
		if ok, err := e.Use(t.Context(), &u, 0, []int32{int32(2 * i), int32(2*i + 1)}, make([]int32, 2)); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if more, err := e.Await(&u, order[0]); more != (i == 0) || err != nil { // up is read after gate
			t.Errorf("%s: %v, %v", order[0], more, err)
		}
		if more, err := e.Await(&u, "another"); more != (i == 0) || err != nil {
			t.Errorf("another tensor: %v, %v", more, err)
		}
		if more, err := e.Await(&u, order[1]); more || err != nil {
			t.Errorf("%s: %v, %v", order[1], more, err)
		}
		e.Release(&u)
	}
	e = expertsOf(t, 1000, 4)
	for i, first := range []string{up, up} {
		var u ExpertUse
		if ok, err := e.Use(t.Context(), &u, 0, []int32{int32(i)}, make([]int32, 1)); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if more, err := e.Await(&u, first); more != (i == 1) || err != nil {
			t.Errorf("pass %d: more %v, %v", i, more, err)
		}
		e.Release(&u) // waits for the rest
	}
	choose(t, e, 0, 0, 1)
}

// A pass that uses what another pass reads waits for it, also if both read.
func TestPassesWaitForEachOthersExperts(t *testing.T) {
	e := expertsOf(t, 1000, 6)
	for round := range int32(50) {
		var both sync.WaitGroup
		for pass := range int32(2) {
			both.Go(func() {
				choose(t, e, 0, round%8, (round+1+pass)%8, (round+3)%8)
			})
		}
		both.Wait()
	}
	for _, s := range e.slots {
		if s.users != 0 || s.filling {
			t.Errorf("%+v", e.slots)
		}
	}
}

func TestSlotsForExpertsComeAndGo(t *testing.T) {
	e := expertsOf(t, 100, 6)
	choose(t, e, 0, 0, 1, 2, 3, 4, 5)
	for _, n := range []int{2, 6, 16, 0, 3} {
		if err := e.resize(min(n, 1), n); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			if _, base, _, slots := e.Slots("blk.0.ffn_up_exps.weight"); base != nil || slots != 0 {
				t.Errorf("%d slots at %p", slots, base)
			}
			continue
		}
		for range 2 {
			choose(t, e, 0, 0, 1)
			choose(t, e, 1, 6, 7)
		}
	}
	if _, _, _, slots := e.Slots("blk.0.attn_q.weight"); slots != 0 {
		t.Error("a tensor without experts has slots")
	}
	if _, _, _, slots := (*Experts)(nil).Slots("blk.0.ffn_up_exps.weight"); slots != 0 {
		t.Error("no experts have slots")
	}
}

// Slots are in blocks of bounded size, and each layer has all of its slots in one.
func TestSlotsForExpertsAreInBanks(t *testing.T) {
	plan, weights := mixtureOf(t, 2, 128, 8, 0, 1, 3, 4)
	l := expertLayoutOf(weights.TensorData, plan)
	stride := l.kinds[0].stride
	for _, tt := range []struct {
		wanted, block, banks, slots int // block in slots
	}{{32, 32, 1, 32}, {32, 31, 2, 32}, {31, 16, 2, 30}, {32, 8, 4, 32}, {10, 8, 1, 8}, {17, 8, 2, 16}, {3, 8, 1, 3}, {32, 100, 1, 32}} {
		if banks, slots := l.banks(tt.wanted, uint64(tt.block)*stride); banks != tt.banks || slots != tt.slots {
			t.Errorf("%d in blocks of %d: %d banks, %d slots, want %d, %d", tt.wanted, tt.block, banks, slots, tt.banks, tt.slots)
		}
	}
	arena := memory.NewArena(memory.ArenaOptions{MaxRange: 8 * stride})
	t.Cleanup(func() { arena.Close() })
	e := newExperts(l, arena, plan.Index())
	t.Cleanup(func() { e.close() })
	for _, n := range []int{32, 16, 24, 8, 32} { // in all of 4 banks
		if err := e.resize(4, n); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			for _, layer := range []int{0, 1, 3, 4} {
				choose(t, e, layer, 0, 7)
			}
		}
	}
}

package memory

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// places is a reference implementation of a free list: a mark for each unit.
type places []bool

// fits tells whether size free units lie side by side.
func (p places) fits(size uint64) bool {
	run := uint64(0)
	for _, used := range p {
		if run++; used {
			run = 0
		}
		if run >= size {
			return true
		}
	}
	return false
}

// mark sets units, which must not be so already.
func (p places) mark(t *testing.T, e extent, used bool) {
	t.Helper()
	for i := e.begin; i < e.end; i++ {
		if p[i] == used {
			t.Fatalf("unit %d of %v is in two blocks, or in none", i, e)
		}
		p[i] = used
	}
}

func TestFreeListIsWhatIsInNoBlock(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ranges := []extent{{0, 300}, {301, 400}, {401, 402}} // with a unit between them
	for range 20 {
		model := make(places, 403)
		for i := range model {
			model[i] = true
		}
		var free freeList
		for _, i := range r.Perm(len(ranges)) {
			free.put(ranges[i])
			model.mark(t, ranges[i], false)
		}
		var out []extent
		for range 2000 {
			if r.IntN(2) == 0 && len(out) > 0 {
				i := r.IntN(len(out))
				free.put(out[i])
				model.mark(t, out[i], false)
				out = slices.Delete(out, i, i+1)
			} else {
				size := 1 + r.Uint64N(1+r.Uint64N(200))
				begin, ok := free.take(size, r.IntN(2) == 0)
				if ok != model.fits(size) {
					t.Fatalf("%d units: granted %v, of %v", size, ok, free)
				}
				if ok {
					out = append(out, extent{begin, begin + size})
					model.mark(t, out[len(out)-1], true)
				}
			}
			sum, last := uint64(0), uint64(0)
			for i, e := range free {
				if e.begin >= e.end || i > 0 && e.begin <= last {
					t.Fatalf("not in order, or not joined: %v", free)
				}
				last = e.end
				sum += e.size()
			}
			for _, used := range model {
				if !used {
					sum--
				}
			}
			if sum != 0 {
				t.Fatalf("%d units differ: %v", sum, free)
			}
			if n := free.largest(); n > 0 && !model.fits(n) || model.fits(n+1) {
				t.Fatalf("%d is not the largest of %v", n, free)
			}
			if len(free) > len(out)+len(ranges) {
				t.Fatalf("%d holes between %d blocks", len(free), len(out))
			}
		}
		for _, e := range out {
			free.put(e)
		}
		if !slices.Equal(free, ranges) {
			t.Fatalf("in the end %v", free)
		}
	}
}

func TestFreeListPlaces(t *testing.T) {
	for _, tt := range []struct {
		name string
		free freeList
		size uint64
		high bool
		want uint64
		ok   bool
		left freeList
	}{
		{"nothing is free", nil, 1, false, 0, false, nil},
		{"nothing is large enough", freeList{{0, 2}, {3, 5}}, 3, false, 0, false, freeList{{0, 2}, {3, 5}}},
		{"the lowest that fits", freeList{{0, 2}, {3, 9}, {10, 13}}, 3, false, 3, true, freeList{{0, 2}, {6, 9}, {10, 13}}},
		{"the highest that fits", freeList{{0, 4}, {5, 9}, {10, 12}}, 3, true, 6, true, freeList{{0, 4}, {5, 6}, {10, 12}}},
		{"all of a hole", freeList{{0, 2}, {3, 6}, {7, 8}}, 3, false, 3, true, freeList{{0, 2}, {7, 8}}},
		{"all of a hole from the high end", freeList{{0, 2}, {3, 6}, {7, 8}}, 3, true, 3, true, freeList{{0, 2}, {7, 8}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := tt.free.take(tt.size, tt.high); got != tt.want || ok != tt.ok || !slices.Equal(tt.free, tt.left) {
				t.Errorf("%d, %v, left %v", got, ok, tt.free)
			}
		})
	}
}

// Units that were in a block count as touched, and untouched units at the ends are not cleared
// needlessly.
func TestUnusedIsWhatWasInNoBlock(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		const n = 64
		u := unused{extent{100, 100 + n}}
		used := make([]bool, n)
		for range 30 {
			size := 1 + r.Uint64N(20)
			b := extent{begin: 100 + r.Uint64N(n-size+1)}
			b.end = b.begin + size
			before := u
			dirty := u.use(b)
			cleared := make([]bool, size)
			for _, e := range dirty {
				for i := e.begin; i < e.end; i++ {
					if cleared[i] {
						t.Fatalf("unit %d of %v is cleared twice: %v", i, b, dirty)
					}
					cleared[i] = true
				}
			}
			for i := range size {
				at := b.begin + i
				if used[at-100] && !cleared[i] {
					t.Fatalf("unit %d of %v was used, and is not in %v", i, b, dirty)
				}
				if at >= before.begin && at < before.end && cleared[i] {
					t.Fatalf("unit %d of %v is cleared, which never was used", i, b)
				}
				used[at-100] = true
			}
			for at := u.begin; at < u.end; at++ {
				if used[at-100] {
					t.Fatalf("after %v %v count as unused", b, u)
				}
			}
		}
	}
}

// modelBlocks are the blocks of a model, in MiB: weights, and what else there is.
type modelBlocks struct{ weights, rest []uint64 }

// load takes all blocks, or none.
func (m modelBlocks) load(f *freeList) (blocks []extent, ok bool) {
	for i, list := range [][]uint64{m.weights, m.rest} {
		for _, size := range list {
			begin, ok := f.take(size, i == 1)
			if !ok {
				for _, b := range blocks {
					f.put(b)
				}
				return nil, false
			}
			blocks = append(blocks, extent{begin, begin + size})
		}
	}
	return blocks, true
}

func (m modelBlocks) size() (n uint64) {
	for _, size := range slices.Concat(m.weights, m.rest) {
		n += size
	}
	return n
}

// Models of 13 and 8 thousand million weights, and such that one of a third model stays.
func TestFreeListOfModelsThatTakeTurns(t *testing.T) {
	a := modelBlocks{weights: []uint64{1002, 255, 251, 249, 255, 255, 248, 254, 255, 253, 255, 255, 255, 250, 255, 255, 255, 178}, rest: []uint64{255, 255, 255, 35, 164, 18, 1}}
	b := modelBlocks{weights: []uint64{411, 255, 253, 255, 249, 255, 255, 251, 255, 255, 255, 255, 240, 66, 411}, rest: []uint64{255, 255, 2, 258, 24, 1}}
	small := modelBlocks{weights: []uint64{255, 255, 97}, rest: []uint64{22, 66, 1}}
	free := freeList{{0, small.size() + max(a.size(), b.size())}}
	if _, ok := small.load(&free); !ok {
		t.Fatal("no room")
	}
	start := slices.Clone(free)
	var first [2][]extent
	for i := range 1000 {
		for j, m := range []modelBlocks{a, b} {
			blocks, ok := m.load(&free)
			if !ok {
				t.Fatalf("turn %d: no room in %v", i, free)
			}
			if i == 0 {
				first[j] = blocks
			} else if !slices.Equal(blocks, first[j]) {
				t.Fatalf("turn %d: other places than in the first", i)
			}
			for _, k := range rand.Perm(len(blocks)) {
				free.put(blocks[k])
			}
			if !slices.Equal(free, start) {
				t.Fatalf("turn %d: left %v, found %v", i, free, start)
			}
		}
	}
}

// Sessions that outlive models fragment less where they lie at the other end.
func TestPlacementOfModelsAndSessions(t *testing.T) {
	type instance struct {
		blocks []extent
		model  int // 0: a model; otherwise whose session
		id     int
	}
	refusals := func(seed uint64, ends bool) (n int) {
		r := rand.New(rand.NewPCG(seed, 5))
		free := freeList{{0, 16 << 10}}
		var kinds []modelBlocks
		for range 6 {
			var m modelBlocks
			if r.IntN(2) == 0 {
				m.weights = append(m.weights, 300+r.Uint64N(800))
			}
			for left := int(600 + r.Uint64N(5000)); left > 0; left -= 256 {
				m.weights = append(m.weights, 180+r.Uint64N(77))
			}
			kinds = append(kinds, m)
		}
		var live []instance
		load := func(m modelBlocks, i instance) {
			if !ends {
				m = modelBlocks{weights: slices.Concat(m.weights, m.rest)}
			}
			total := uint64(0)
			for _, e := range free {
				total += e.size()
			}
			var ok bool
			if i.blocks, ok = m.load(&free); ok {
				live = append(live, i)
			} else if total >= m.size() {
				n++
			}
		}
		unload := func(which func(instance) bool) {
			live = slices.DeleteFunc(live, func(i instance) bool {
				if !which(i) {
					return false
				}
				for _, b := range i.blocks {
					free.put(b)
				}
				return true
			})
		}
		pick := func(session bool) (id int) {
			seen := 0
			for _, i := range live {
				if (i.model > 0) == session {
					if seen++; r.IntN(seen) == 0 {
						id = i.id
					}
				}
			}
			return id
		}
		for step := 1; step <= 2000; step++ {
			switch x := r.IntN(10); {
			case x < 2:
				load(kinds[r.IntN(len(kinds))], instance{id: step})
			case x < 4:
				id := pick(false)
				unload(func(i instance) bool { return i.id == id || i.model == id && id > 0 })
			case x < 7:
				m := modelBlocks{rest: []uint64{20 + r.Uint64N(200), 1 + r.Uint64N(4)}}
				for kv := 50 + r.IntN(400); kv > 0; kv -= 255 {
					m.rest = append(m.rest, uint64(min(kv, 255)))
				}
				if of := pick(false); of > 0 {
					load(m, instance{model: of, id: step})
				}
			default:
				id := pick(true)
				unload(func(i instance) bool { return i.id == id })
			}
		}
		return n
	}
	one, two := 0, 0
	for seed := range uint64(20) {
		one += refusals(seed, false)
		two += refusals(seed, true)
	}
	t.Logf("refused for fragmentation: from one end %d, from two %d", one, two)
	if two >= one {
		t.Errorf("two ends gain nothing: %d, from one %d", two, one)
	}
}

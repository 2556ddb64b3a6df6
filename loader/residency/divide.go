package residency

import (
	"iter"
	"maps"
	"slices"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// fewestSlots is how many layers there is memory for at once while streaming: one is
// computed with while another is read.
const fewestSlots = 2

// division is which layers are streamed, and which of their tensors.
type division struct {
	budget   uint64
	resident uint64
	cut      cut
	streamed []int
	shape    []uint64 // of a slot: its blocks' sizes
}

// same tells whether both stream the same.
func (d division) same(e division) bool {
	return slices.Equal(d.streamed, e.streamed) && maps.Equal(d.cut.kinds, e.cut.kinds) && d.cut.sparse == e.cut.sparse && slices.Equal(d.shape, e.shape)
}

// of is the cut of a layer.
func (d division) of(layer int) cut {
	if slices.Contains(d.streamed, layer) {
		return d.cut
	}
	return cut{}
}

// divider is what divisions are made of.
type divider struct {
	layers   []weightLayer
	head     weightLayer // what belongs to none
	room     uint64      // of a block of several tensors
	stopCost uint64
}

func newDivider(data tensorAddr, plan *loader.Plan, chunk uint64) divider {
	d := divider{room: space.Room(chunk), stopCost: stopCost}
	d.layers, d.head = layersOf(data, plan)
	return d
}

// divide streams as few bytes as the budget allows. Slots cost as much as the layers they
// hold, so that it is cheaper to stream a little of many layers than all of a few: those
// tensors of a layer are streamed, side by side in the file, with which the sum is least.
func (r *divider) divide(budget uint64, slots int) (division, error) {
	best := r.whole()
	if best.resident > budget {
		found := uint64(0)
		for _, c := range cutsOf(r.layers) {
			for d, cost := range r.streaming(c, slots) {
				if d.resident <= budget {
					if found == 0 || cost < found {
						best, found = d, cost
					}
					break
				}
			}
		}
		if found == 0 {
			best = r.least(slots)
		}
	}
	best.budget = budget
	if best.resident > budget {
		return best, &memory.Error{
			Purpose: memory.PurposeWeights, Requested: best.resident, Available: budget, Limit: probe.LimitBudget,
			Remedies: []memory.Remedy{{Kind: memory.RemedyBudget}, {Kind: memory.RemedyLess}},
		}
	}
	return best, nil
}

// whole is all in memory.
func (r *divider) whole() division {
	d := division{resident: r.head.most}
	for _, l := range r.layers {
		d.resident += l.most
	}
	return d
}

// least is what has the least in memory.
func (r *divider) least(slots int) division {
	least := r.whole()
	for d := range r.streaming(cutsOf(r.layers)[0], slots) {
		if d.resident < least.resident {
			least = d
		}
	}
	return least
}

// streaming is one layer streamed by a cut, two and so on, and what a pass costs then, in
// bytes to be read.
func (r *divider) streaming(c cut, slots int) iter.Seq2[division, uint64] {
	return func(yield func(division, uint64) bool) {
		whole := r.whole().resident
		parts := make([]portion, 0, len(r.layers))
		var layers []int
		for n, l := range r.layers {
			if p := l.portion(c, r.room); len(p.block) > 0 {
				parts, layers = append(parts, p), append(layers, n)
			}
		}
		for n := 1; n <= len(layers); n++ {
			d, rows, cost := division{resident: whole, cut: c}, uint64(0), uint64(0)
			for _, k := range spread(n, len(layers)) {
				d.streamed = append(d.streamed, layers[k])
				d.shape = stretched(d.shape, parts[k].block)
				d.resident -= r.layers[layers[k]].most - parts[k].kept
				rows = max(rows, sizeOf(parts[k].rows))
				cost += parts[k].read() + r.stopCost + rowsRead(sizeOf(parts[k].rows))
			}
			d.resident += rows + uint64(min(slots, n))*sumOf(d.shape)
			if !yield(d, cost) {
				return
			}
		}
	}
}

// stopCost is how many bytes more are worth reading to stream one layer less: at each the
// engine stops and the disk is asked anew, which takes as long as reading that much (about
// 0.4 ms of two cores at 4 GiB/s).
const stopCost = 2 << 20

// rowsRead is how much of layers' sparse weights has to be read again for a token where
// they do not stay.
func rowsRead(sparse uint64) uint64 { return sparse / 2 } // a mixture uses fewer, in small reads

// cutsOf lists what may be streamed of a layer: all, then each run of neighbouring kinds
// that begins and ends with a large one, with and without the sparse ones.
func cutsOf(layers []weightLayer) []cut {
	most := slices.MaxFunc(layers, func(a, b weightLayer) int { return len(a.parts) - len(b.parts) })
	kinds, sparse, sum := map[string]bool{}, false, uint64(0)
	for _, l := range layers {
		sparse = sparse || len(l.sparse) > 0
		for _, x := range l.parts {
			kinds[x.kind] = true
		}
	}
	for _, x := range most.parts {
		sum += x.tensor.Size
	}
	list := []cut{{kinds, sparse}}
	large := func(i int) bool { return most.parts[i].tensor.Size >= sum/largeShare }
	for i := range most.parts {
		run := map[string]bool{}
		for j := i; large(i) && j < len(most.parts); j++ {
			if run[most.parts[j].kind] = true; large(j) {
				list = append(list, cut{maps.Clone(run), false})
				if sparse {
					list = append(list, cut{maps.Clone(run), true})
				}
			}
		}
	}
	return list
}

// largeShare is the share of a layer that a tensor has to have to be streamed alone.
const largeShare = 64

// spread chooses n of all layers at even distances. The last is one of them, so that the
// first has the time of the output head and of the layers before it to come.
func spread(n, all int) []int {
	var list []int
	for i := range all {
		if (i+1)*n/all > i*n/all {
			list = append(list, i)
		}
	}
	return list
}

func sumOf(sizes []uint64) (sum uint64) {
	for _, size := range sizes {
		sum += size
	}
	return sum
}

// stretched is the shape of a slot for other blocks too.
func stretched(shape []uint64, blocks []layerBlock) []uint64 {
	for i, b := range blocks {
		if i == len(shape) {
			shape = append(shape, 0)
		}
		shape[i] = max(shape[i], b.size)
	}
	return shape
}

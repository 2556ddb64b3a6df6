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

// minSlots is how many layers there is memory for at once while streaming: one is
// computed with while another is read.
const minSlots = 2

// modelSplit is which layers are streamed, and which of their tensors.
type modelSplit struct {
	budget    uint64
	resident  uint64
	selection selection
	streamed  []int
	shape     []uint64 // of a slot: its blocks' sizes
}

// same tells whether both stream the same.
func (d modelSplit) same(e modelSplit) bool {
	return slices.Equal(d.streamed, e.streamed) && maps.Equal(d.selection.kinds, e.selection.kinds) && d.selection.sparse == e.selection.sparse && slices.Equal(d.shape, e.shape)
}

// of is the cut of a layer.
func (d modelSplit) selectionOf(layer int) selection {
	if slices.Contains(d.streamed, layer) {
		return d.selection
	}
	return selection{}
}

// splitter is what divisions are made of.
type splitter struct {
	layers   []layerWeights
	nonLayer layerWeights // what belongs to none
	maxBlock uint64       // of a block of several tensors
	stopCost uint64
}

func newSplitter(data tensorAddr, plan *loader.Plan, chunk uint64) splitter {
	d := splitter{maxBlock: space.Payload(chunk), stopCost: stopCost}
	d.layers, d.nonLayer = layersOf(data, plan)
	return d
}

// choose streams as few bytes as the budget allows. Slots cost as much as the layers they
// hold, so that it is cheaper to stream a little of many layers than all of a few: those
// tensors of a layer are streamed, side by side in the file, with which the sum is least.
func (r *splitter) choose(budget uint64, slots int) (modelSplit, error) {
	best := r.allResident()
	if best.resident > budget {
		found := uint64(0)
		for _, sel := range selectionsOf(r.layers) {
			for d, cost := range r.candidates(sel, slots) {
				if d.resident <= budget {
					if found == 0 || cost < found {
						best, found = d, cost
					}
					break
				}
			}
		}
		if found == 0 {
			best = r.smallest(slots)
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

// allResident is all in memory.
func (r *splitter) allResident() modelSplit {
	d := modelSplit{resident: r.nonLayer.maxResident}
	for _, l := range r.layers {
		d.resident += l.maxResident
	}
	return d
}

// smallest is what has the least in memory.
func (r *splitter) smallest(slots int) modelSplit {
	least := r.allResident()
	for d := range r.candidates(selectionsOf(r.layers)[0], slots) {
		if d.resident < least.resident {
			least = d
		}
	}
	return least
}

// streaming is one layer streamed by a cut, two and so on, and what a pass costs then, in
// bytes to be read.
func (r *splitter) candidates(sel selection, slots int) iter.Seq2[modelSplit, uint64] {
	return func(yield func(modelSplit, uint64) bool) {
		whole := r.allResident().resident
		splits := make([]layerSplit, 0, len(r.layers))
		var layers []int
		for n, l := range r.layers {
			if p := l.split(sel, r.maxBlock); len(p.blocks) > 0 {
				splits, layers = append(splits, p), append(layers, n)
			}
		}
		for n := 1; n <= len(layers); n++ {
			d, sparse, cost := modelSplit{resident: whole, selection: sel}, uint64(0), uint64(0)
			for _, k := range spread(n, len(layers)) {
				d.streamed = append(d.streamed, layers[k])
				d.shape = growShape(d.shape, splits[k].blocks)
				d.resident -= r.layers[layers[k]].maxResident - splits[k].residentSize
				sparse = max(sparse, sizeOf(splits[k].sparse))
				cost += splits[k].readSize() + r.stopCost + sparseReadSize(sizeOf(splits[k].sparse))
			}
			d.resident += sparse + uint64(min(slots, n))*sumOf(d.shape)
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
func sparseReadSize(sparse uint64) uint64 { return sparse / 2 } // a mixture uses fewer, in small reads

// selectionsOf lists what may be streamed of a layer: all, then each run of neighbouring kinds
// that begins and ends with a large one, with and without the sparse ones.
func selectionsOf(layers []layerWeights) []selection {
	most := slices.MaxFunc(layers, func(a, b layerWeights) int { return len(a.tensors) - len(b.tensors) })
	kinds, sparse, sum := map[string]bool{}, false, uint64(0)
	for _, l := range layers {
		sparse = sparse || len(l.sparse) > 0
		for _, x := range l.tensors {
			kinds[x.kind] = true
		}
	}
	for _, x := range most.tensors {
		sum += x.tensor.Size
	}
	list := []selection{{kinds, sparse}}
	large := func(i int) bool { return most.tensors[i].tensor.Size >= sum/largeShare }
	for i := range most.tensors {
		run := map[string]bool{}
		for j := i; large(i) && j < len(most.tensors); j++ {
			if run[most.tensors[j].kind] = true; large(j) {
				list = append(list, selection{maps.Clone(run), false})
				if sparse {
					list = append(list, selection{maps.Clone(run), true})
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
func growShape(shape []uint64, blocks []layerBlock) []uint64 {
	for i, b := range blocks {
		if i == len(shape) {
			shape = append(shape, 0)
		}
		shape[i] = max(shape[i], b.size)
	}
	return shape
}

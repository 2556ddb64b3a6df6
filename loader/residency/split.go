package residency

import (
	"errors"
	"iter"
	"maps"
	"slices"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// minSlots is the least number of slots: one layer is evaluated while another is read.
const minSlots = 2

// modelSplit is the choice of layers that are streamed, and of their tensors.
type modelSplit struct {
	budget    uint64
	resident  uint64
	selection selection
	streamed  []int
	shape     []uint64 // sizes of a slot's blocks
	experts   int      // slots for experts; 0: experts are used from the mapping
	banks     int      // that these are in
}

// same reports whether both stream the same tensors with the same slots.
func (d modelSplit) same(e modelSplit) bool {
	return slices.Equal(d.streamed, e.streamed) && maps.Equal(d.selection.kinds, e.selection.kinds) && d.selection.sparse == e.selection.sparse && slices.Equal(d.shape, e.shape) && d.experts == e.experts && d.banks == e.banks
}

// selectionOf returns which tensors of a layer are streamed.
func (d modelSplit) selectionOf(layer int) selection {
	if slices.Contains(d.streamed, layer) {
		return d.selection
	}
	return selection{}
}

// splitter computes splits.
type splitter struct {
	layers    []layerWeights
	nonLayer  layerWeights // tensors outside layers
	maxBlock  uint64       // largest block that holds several tensors
	stopCost  uint64
	maxBanked uint64        // largest block of slots for experts
	experts   *expertLayout // nil: no tensors of experts, or they are treated as other sparse tensors
}

func newSplitter(data tensorAddr, plan *loader.Plan, chunk uint64) splitter {
	d := splitter{maxBlock: space.Payload(chunk), stopCost: stopCost}
	d.experts = expertLayoutOf(data, plan)
	d.maxBanked = largestBlock(plan, chunk, d.experts)
	d.layers, d.nonLayer = layersOf(data, plan, d.experts)
	return d
}

// LargestBlock is the size of the largest block of memory, in bytes, that a residency takes for a plan
// and an arena with this chunk size.
func LargestBlock(plan *loader.Plan, chunk uint64) uint64 {
	return largestBlock(plan, chunk, expertLayoutOf(nil, plan))
}

func largestBlock(plan *loader.Plan, chunk uint64, experts *expertLayout) uint64 {
	size := max(chunk, plan.LargestRange)
	if experts != nil {
		size = max(size, experts.layerBlock())
	}
	return size
}

// choose returns the split that reads the fewest bytes per pass within the budget. A slot is as
// large as the tensors that it holds, so streaming few tensors of many layers needs
// less memory than streaming a few whole layers. The error is a [*memory.Error] with
// the smallest possible split.
func (r *splitter) choose(budget uint64, slots int) (modelSplit, error) {
	if r.experts == nil {
		return r.chooseLayers(budget, slots)
	}
	if d := r.allResident(); d.resident+r.experts.bytes <= budget {
		d.resident, d.budget = d.resident+r.experts.bytes, budget
		return d, nil
	}
	// Dense weights come first, because each token uses all of them. Before those, there are slots
	// for all experts of a layer, so that a prompt's micro-batch fits; where dense weights would be
	// streamed for it, for the experts of one or two tokens.
	each := r.experts.slotBytes()
	all, layer := r.experts.counts()
	var d modelSplit
	var err error
	for _, least := range []int{layer, min(layer, 2*r.experts.used), r.experts.used} {
		d, err = r.chooseLayers(budget-min(budget, uint64(least)*each), slots)
		d.resident += uint64(least) * each
		d.experts = least
		if err == nil && len(d.streamed) == 0 {
			break
		}
	}
	d.budget, d.banks = budget, 1
	var refused *memory.Error
	if errors.As(err, &refused) {
		refused.Requested, refused.Available = d.resident, budget
	}
	if err != nil {
		return d, err
	}
	before := d.experts
	d.banks, d.experts = r.experts.banks(before+int(min((budget-d.resident)/each, uint64(all-before))), r.maxBanked)
	d.resident = d.resident - uint64(before)*each + uint64(d.experts)*each
	return d, nil
}

// chooseLayers is choose for all weights but experts.
func (r *splitter) chooseLayers(budget uint64, slots int) (modelSplit, error) {
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

// allResident streams nothing.
func (r *splitter) allResident() modelSplit {
	d := modelSplit{resident: r.nonLayer.maxResident}
	for _, l := range r.layers {
		d.resident += l.maxResident
	}
	return d
}

// smallest needs the least memory.
func (r *splitter) smallest(slots int) modelSplit {
	least := r.allResident()
	for d := range r.candidates(selectionsOf(r.layers)[0], slots) {
		if d.resident < least.resident {
			least = d
		}
	}
	return least
}

// candidates yields splits with one streamed layer, two, and so on, each with its cost: bytes
// read per pass plus stopCost for each streamed layer.
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

// stopCost is the fixed cost of streaming a layer, in bytes read in the same time: at each
// streamed layer the engine interrupts the evaluation and new reads start (about 0.4 ms on
// two cores with a disk of 4 GiB/s).
const stopCost = 2 << 20

// rowsRead is how much of layers' sparse weights has to be read again for a token where
// they do not stay.
func sparseReadSize(sparse uint64) uint64 { return sparse / 2 } // a mixture uses fewer, in small reads

// selectionsOf lists the selections to try: all tensors, then each run of neighbouring kinds
// that begins and ends with a large tensor, with and without the sparse ones.
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

// largeShare is the divisor of a layer's size: a tensor of at least that share is large.
const largeShare = 64

// spread returns n of all layers, evenly spaced. The last layer is one of them, so that the first
// is read while the output head and the layers before it are evaluated.
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

// growShape enlarges the shape of a slot so that it can hold these blocks too.
func growShape(shape []uint64, blocks []layerBlock) []uint64 {
	for i, b := range blocks {
		if i == len(shape) {
			shape = append(shape, 0)
		}
		shape[i] = max(shape[i], b.size)
	}
	return shape
}

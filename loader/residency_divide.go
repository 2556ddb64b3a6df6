package loader

// fewestSlots is how many layers there is memory for at once while streaming: one is
// computed with while another is read.
const fewestSlots = 2

// division is which layers stay and which are streamed.
type division struct {
	budget   uint64
	resident uint64
	streamed []int
}

// divide streams as few layers as the budget allows.
func (r *Residency) divide(budget uint64, slots int) (division, error) {
	d := division{budget: budget}
	for n := 0; n <= len(r.layers); n++ {
		d.streamed = spread(n, len(r.layers))
		if d.resident = r.cost(d.streamed, slots); d.resident <= budget {
			return d, nil
		}
	}
	return d, &MemoryError{
		Purpose: PurposeWeights, Requested: d.resident, Available: budget, Limit: "memory budget",
		Remedies: []string{"use a larger budget (--max-memory)", lessMemory},
	}
}

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

// cost is what is in memory at most while those layers are streamed.
func (r *Residency) cost(streamed []int, slots int) uint64 {
	sum, sparse := r.head.most, uint64(0)
	for _, l := range r.layers {
		sum += l.most
	}
	for _, n := range streamed {
		sum -= r.layers[n].most
		sparse = max(sparse, sizeOf(r.layers[n].sparse))
	}
	return sum + sparse + uint64(min(slots, len(streamed)))*sumOf(r.shape)
}

func sumOf(sizes []uint64) (sum uint64) {
	for _, size := range sizes {
		sum += size
	}
	return sum
}

// slotShape is the sizes of the blocks that hold any of the layers.
func slotShape(layers []weightLayer) []uint64 {
	var shape []uint64
	for _, l := range layers {
		for i, b := range l.blocks {
			if i == len(shape) {
				shape = append(shape, 0)
			}
			shape[i] = max(shape[i], b.size)
		}
	}
	return shape
}

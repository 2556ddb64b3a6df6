package residency

import (
	"math"
	"unsafe"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
)

// ExpertSizes are the numbers and sizes of a mixture's experts.
type ExpertSizes struct {
	Layers []ExpertLayer // by layer, those without experts too
	Used   int           // experts of a layer that a token uses
	Slot   uint64        // bytes of a slot, which has room for one expert of any layer
	Bank   int           // slots of a bank at most; the slots of a layer are in one bank
}

// ExpertLayer are the experts of one layer.
type ExpertLayer struct {
	Experts int    // 0: the layer has none
	Bytes   uint64 // of one, with all of its matrices
}

// SizesOfExperts returns the sizes of a model's experts, false if it has none that slots can hold.
func SizesOfExperts(p *loader.Plan) (s ExpertSizes, ok bool) {
	l := expertLayoutOf(nil, p)
	if l == nil {
		return s, false
	}
	s = ExpertSizes{Layers: make([]ExpertLayer, len(l.layers)), Used: l.used, Slot: l.slotBytes(), Bank: l.bankSlots(largestBlock(p, memory.ChunkSize(0), l))}
	for n, tensors := range l.layers {
		s.Layers[n].Experts = l.experts[n]
		for _, t := range tensors {
			s.Layers[n].Bytes += t.size
		}
	}
	return s, true
}

// ExpertReplay replaces experts in slots with the code of [Experts], but allocates no memory for
// them and reads nothing. It is for one goroutine.
type ExpertReplay struct {
	e *Experts
	u ExpertUse
}

// NewExpertReplay returns a replay with so many empty slots, or somewhat fewer where they are divided
// into banks of at most bank slots. layers has the number of experts of each layer, at least one
// of them above 0; used is how many experts of a layer a token uses.
func NewExpertReplay(layers []int, used, bank, slots int) *ExpertReplay {
	l := &expertLayout{experts: layers, order: orderOf(layers), layers: make([][]expertTensor, len(layers)), used: used, tokens: math.MaxInt}
	e := newExperts(l, nil, nil)
	banks, n := l.banksOf(slots, bank)
	e.banks, e.each, e.slots = make([][]unsafe.Pointer, banks), n/banks, emptySlots(n)
	return &ExpertReplay{e: e}
}

// Use is [Experts.Use] without reading, followed by [Experts.Release]. It returns how many of the
// distinct experts were in a slot, and how many were not and are now. It returns false, and
// changes no slot, if there are fewer slots than distinct experts, or no such layer or expert.
func (r *ExpertReplay) Use(layer int, ids []int32) (hits, misses int, ok bool) {
	missing, ok := r.e.take(&r.u, layer, ids)
	if !ok {
		return 0, 0, false
	}
	hits, misses = len(r.u.slots)-len(missing), len(missing)
	for _, i := range missing {
		r.e.slots[i].filling = false
	}
	r.e.Release(&r.u)
	return hits, misses, true
}

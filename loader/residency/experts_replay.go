package residency

import (
	"github.com/seed7adf6694/infer/loader"
)

// ExpertSizes is where the experts of a mixture are, and what they take.
type ExpertSizes struct {
	Layers []ExpertLayer // by layer, those without experts too
	Used   int           // experts of a layer that a token uses
	Slot   uint64        // bytes of a slot, which has room for one expert of any layer
}

// ExpertLayer are the experts of one layer.
type ExpertLayer struct {
	Experts int    // 0: the layer has none
	Bytes   uint64 // of one, with all of its matrices
}

// SizesOfExperts finds the experts of a model. false: it has none that slots can hold.
func SizesOfExperts(p *loader.Plan) (s ExpertSizes, ok bool) {
	l := expertLayoutOf(nil, p)
	if l == nil {
		return s, false
	}
	s = ExpertSizes{Layers: make([]ExpertLayer, len(l.layers)), Used: l.used, Slot: l.slotBytes()}
	for n, tensors := range l.layers {
		s.Layers[n].Experts = l.experts[n]
		for _, t := range tensors {
			s.Layers[n].Bytes += t.size
		}
	}
	return s, true
}

// ExpertReplay chooses which experts have slots by the code of [Experts], but has no memory for
// them and reads nothing: it tells what slots would be good for. It is for one goroutine.
type ExpertReplay struct {
	e *Experts
	u ExpertUse
}

// NewExpertReplay begins with empty slots. layers are the numbers of experts by layer, used is how
// many of them a token uses. At least one layer must have experts.
func NewExpertReplay(layers []int, used, slots int) *ExpertReplay {
	l := &expertLayout{experts: layers, layers: make([][]expertTensor, len(layers)), used: used}
	r := &ExpertReplay{e: newExperts(l, nil, nil)}
	for range slots {
		r.e.slots = append(r.e.slots, expertSlot{layer: -1})
	}
	return r
}

// Use is [Experts.Use] with nothing to read, and [Experts.Release]. It returns how many distinct
// experts had a slot already, and how many have got one. False: there are fewer slots than
// distinct experts, or no such layer or expert; then no slot changes.
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

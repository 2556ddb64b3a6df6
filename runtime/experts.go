package runtime

import "github.com/seed7adf6694/infer/llama"

// BeforeExperts brings the experts that a layer's router has chosen into slots. With an error
// the engine goes on with what is mapped, and the pass ends with it.
func (p *pass) BeforeExperts(layer int, ids, slots []int32) bool {
	e := p.of.residency.Experts()
	if e == nil || p.expertErr != nil {
		return false
	}
	ok, err := e.Use(p.ctx, &p.experts, layer, ids, slots)
	p.expertErr = err
	return ok
}

// AfterExperts gives the slots to others.
func (p *pass) AfterExperts(int) {
	if e := p.of.residency.Experts(); e != nil {
		e.Release(&p.experts)
	}
}

// placeExperts tells the engine where the slots are of a tensor of experts, if it has some.
func (b *budget) placeExperts(i int, w llama.Weight) error {
	layer, base, stride, slots := b.residency.Experts().Slots(b.of.placeOf(w))
	return b.of.native.StreamExperts(i, max(layer, 0), base, uintptr(stride), slots)
}

package runtime

import (
	"cmp"
	"fmt"

	"github.com/seed7adf6694/infer/llama"
)

// BeforeExperts begins to read the experts that a layer's router has chosen into slots, and tells
// whether it did. After a read error the engine computes from the mapping, and leave returns
// the error.
func (p *pass) BeforeExperts(layer int, ids, slots []int32) bool {
	e := p.of.residency.Experts()
	if e == nil || p.expertErr != nil {
		return false
	}
	defer p.of.waits()()
	ok, err := e.Use(p.ctx, &p.experts, layer, ids, slots)
	p.expertErr = err
	return ok
}

// AwaitExperts waits until the chosen experts of a tensor have been read.
func (p *pass) AwaitExperts(tensor string) (more, ok bool) {
	defer p.of.waits()()
	more, err := p.of.residency.Experts().Await(&p.experts, tensor)
	p.expertErr = cmp.Or(p.expertErr, err)
	return more, err == nil
}

// finishExperts completes the reads of a pass that is about to wait for others, which may wait for
// those reads.
func (p *pass) finishExperts() {
	if e := p.of.residency.Experts(); e != nil {
		e.Finish(&p.experts)
	}
}

// AfterExperts releases the slots.
func (p *pass) AfterExperts(int) {
	if e := p.of.residency.Experts(); e != nil {
		e.Release(&p.experts)
	}
}

// placeExperts tells the engine the addresses of an expert tensor's slots, if it has slots.
func (b *budget) placeExperts(i int, w llama.Weight) error {
	layer, base, stride, slots := b.residency.Experts().Slots(b.of.placeOf(w))
	return b.of.native.StreamExperts(i, max(layer, 0), base, uintptr(stride), slots)
}

// warnFewExperts returns a warning where a budget keeps fewer experts than a token uses.
func warnFewExperts(slots, all, used int) []string {
	if slots == 0 || slots >= used {
		return nil
	}
	return []string{fmt.Sprintf("the memory budget has room for %d of %d experts, and a token uses %d: most are read from the disk for each token; use a larger budget", slots, all, used)}
}

package residency

import (
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Offer lets the system take the slots of experts that no pass uses, if it needs memory. They can be
// used as before; experts that were taken are read again. It returns false if the system takes
// no such memory. It may be called at any time.
func (r *Residency) Offer() bool {
	e := r.experts
	if e == nil {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for begin := 0; begin < len(e.slots); {
		var slots []int
		size, bank := uint64(0), begin/e.each
		for ; begin < len(e.slots) && begin/e.each == bank && size < offeredAtOnce; begin++ {
			if s := e.slots[begin]; s.layer >= 0 && s.users == 0 && !s.filling && s.offered == nil {
				slots = append(slots, begin)
			}
			size += e.layout.slotBytes()
		}
		if !e.offer(slots) {
			return false
		}
	}
	return true
}

// offeredAtOnce is how many bytes of slots are marked before they are offered: a few milliseconds.
const offeredAtOnce = 32 << 20

// Lost reports whether the system has taken slots that were offered. As far as is known: that is seen
// when they are used. Such slots are not used until the budget changes or Regain, unless all others
// of the layer are in use.
func (r *Residency) Lost() bool {
	if r.experts == nil {
		return false
	}
	r.experts.mu.Lock()
	defer r.experts.mu.Unlock()
	return r.experts.lost
}

// Regain allows to use the slots again that the system has taken, because there is memory for them.
func (r *Residency) Regain() {
	if r.experts == nil {
		return
	}
	r.experts.mu.Lock()
	defer r.experts.mu.Unlock()
	r.experts.regain()
}

// Held returns how many bytes of the slots are in RAM: they take memory when something is read into
// them for the first time, or for the first time after the system has taken them.
func (r *Residency) Held() uint64 {
	r.mu.Lock()
	held := uint64(len(r.slots)) * sumOf(r.current.shape)
	r.mu.Unlock()
	e := r.experts
	if e == nil {
		return held
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, bases := range e.banks {
		for i, k := range e.layout.kinds {
			held += memory.Resident(bases[i], uint64(e.each)*k.stride)
		}
	}
	return held
}

// offer offers slots of a bank. It returns false if the system takes no such memory.
func (e *Experts) offer(slots []int) bool {
	for kind, k := range e.layout.kinds {
		var marked []*memory.Offered
		for _, i := range slots {
			o := memory.Mark(space.At(e.banks[i/e.each][kind], uint64(i%e.each)*k.stride), k.stride)
			e.slots[i].offered = append(e.slots[i].offered, o)
			marked = append(marked, o)
		}
		if memory.Offer(marked) == nil {
			continue
		}
		for _, i := range slots {
			if !e.takeBack(i) {
				e.forget(i)
			}
		}
		return false
	}
	return true
}

// takeBack ends the offer of a slot, if there is one. It returns false if its content is lost.
func (e *Experts) takeBack(i int) bool {
	s := &e.slots[i]
	intact := true
	for _, o := range s.offered {
		intact = o.TakeBack() && intact
	}
	if s.offered = nil; !intact {
		s.lost, e.lost = true, true
	}
	return intact
}

func (e *Experts) regain() {
	e.lost = false
	for i := range e.slots {
		e.slots[i].lost = false
	}
}

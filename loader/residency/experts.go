package residency

import (
	"math"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Experts holds some experts of a mixture in slots of memory, and reads others when a layer's
// router chooses them. One slot holds all matrices of one expert. A new expert replaces the least
// frequently used one; a use loses half its weight every halfLife passes (LFU with ageing).
//
// Experts is safe for concurrent use.
type Experts struct {
	layout *expertLayout
	arena  *memory.Arena
	first  int // first layer with experts

	reading sync.Mutex // held while reader, which executes one flight at a time, reads
	index   *gguf.Index
	reader  *reader // nil before the first slots

	mu      sync.Mutex
	changed *sync.Cond
	banks   [][]unsafe.Pointer // address of slot 0, by bank and kind of tensor
	room    int                // slots per bank that memory is allocated for
	each    int                // slots per bank in use
	slots   []expertSlot       // bank after bank
	where   [][]int            // index of the slot, by layer and expert; -1: none
	scores  [][]float64        // weighted number of uses, by layer and expert
	weight  float64            // of a use now
	turns   []int              // order in which the graph uses the kinds of tensors, by kind; -1: not known
	lost    bool               // some slots are
	stats   ExpertStats
}

// ExpertStats are counters since the model was opened. Sizes are in bytes.
type ExpertStats struct {
	Slots    int           `json:"slots"`             // experts that fit in memory
	Experts  int           `json:"experts"`           // in all layers
	PerToken int           `json:"experts_per_token"` // used by one token, in all layers
	Private  uint64        `json:"slots_bytes"`       // size of the slots
	Passes   uint64        `json:"passes"`            // over the layers
	Hits     uint64        `json:"hits"`              // chosen experts that were in memory
	Misses   uint64        `json:"misses"`            // chosen experts that were read
	Read     uint64        `json:"read_bytes"`
	Reading  time.Duration `json:"-"` // while reads were in flight
	Stalled  time.Duration `json:"-"` // time that passes waited for experts
	// Mapped counts evaluations of a layer from the mapping: its micro-batch chose more experts than
	// there are slots.
	Mapped uint64 `json:"mapped_layers"`
}

// HitRate is the share of chosen experts that were in memory, 0 before the first.
func (s ExpertStats) HitRate() float64 {
	if s.Hits+s.Misses == 0 {
		return 0
	}
	return float64(s.Hits) / float64(s.Hits+s.Misses)
}

// expertSlot is the memory of one expert.
type expertSlot struct {
	layer, expert int               // layer -1: empty
	users         int               // passes that compute with it
	filling       bool              // is being read
	offered       []*memory.Offered // parts that the system may take; nil: none
	lost          bool              // the system has taken it
}

// halfLife is the number of passes after which a use has half its weight.
const halfLife = 100

func newExperts(l *expertLayout, arena *memory.Arena, ix *gguf.Index) *Experts {
	e := &Experts{layout: l, arena: arena, index: ix, weight: 1}
	e.changed = sync.NewCond(&e.mu)
	for range l.kinds {
		e.turns = append(e.turns, -1)
	}
	e.where, e.scores = make([][]int, len(l.layers)), make([][]float64, len(l.layers))
	for n, count := range l.experts {
		e.scores[n] = make([]float64, count)
	}
	for l.experts[e.first] == 0 {
		e.first++
	}
	e.free()
	return e
}

// count returns the number of slots.
func (e *Experts) count() int {
	if e == nil {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.slots)
}

// resize makes n slots in total. Each layer uses the slots of one bank. The caller makes sure that
// no slot is in use. Experts that lose their slot are dropped. After an error there are no slots.
func (e *Experts) resize(banks, n int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reader == nil && n > 0 {
		e.reader = newReader(e.index)
	}
	each := n / max(banks, 1)
	if banks != len(e.banks) || each > e.room {
		e.free()
		for range banks {
			b := make([]unsafe.Pointer, 0, len(e.layout.kinds))
			for _, k := range e.layout.kinds {
				p, err := e.arena.AllocFilled(memory.PurposeWeights, uint64(each)*k.stride)
				if err != nil {
					e.banks = append(e.banks, b)
					e.free()
					return err
				}
				b = append(b, p)
			}
			e.banks = append(e.banks, b)
		}
		e.room, e.slots = each, emptySlots(n)
	} else {
		e.renumber(each)
	}
	e.each = each
	all, _ := e.layout.counts()
	e.stats.Slots, e.stats.Experts, e.stats.PerToken, e.stats.Private = n, all, e.layout.tokenExperts(), 0
	for _, k := range e.layout.kinds {
		e.stats.Private += uint64(n) * k.stride
	}
	return nil
}

func emptySlots(n int) []expertSlot {
	slots := make([]expertSlot, n)
	for i := range slots {
		slots[i].layer = -1
	}
	return slots
}

// renumber moves what the slots hold to banks of another number of slots, up to those that memory is
// allocated for, and discards the memory of slots that are left out.
func (e *Experts) renumber(each int) {
	slots := emptySlots(each * len(e.banks))
	for i, s := range e.slots {
		bank, k := i/e.each, i%e.each
		switch {
		case s.layer < 0:
		case k < each:
			slots[bank*each+k] = s
			e.where[s.layer][s.expert] = bank*each + k
		default:
			e.where[s.layer][s.expert] = -1
		}
	}
	e.slots, e.lost = slots, false
	if each >= e.each {
		return
	}
	for _, bases := range e.banks {
		for i, k := range e.layout.kinds {
			memory.Discard(space.At(bases[i], uint64(each)*k.stride), uint64(e.each-each)*k.stride)
		}
	}
}

// free releases the memory of all slots.
func (e *Experts) free() {
	for _, bases := range e.banks {
		for _, p := range bases {
			e.arena.FreeBlock(p)
		}
	}
	e.banks, e.slots, e.room, e.each, e.lost = nil, nil, 0, 0, false
	for n, count := range e.layout.experts {
		e.where[n] = make([]int, count)
		for i := range e.where[n] {
			e.where[n][i] = -1
		}
	}
}

// bankOf returns the bank of a layer.
func (e *Experts) bankOf(layer int) int { return e.layout.order[layer] % len(e.banks) }

// Slots returns the addresses for the experts of a tensor: slot n is at base + n × stride bytes.
// They are valid until the budget changes. slots is 0 for other tensors.
func (e *Experts) Slots(name string) (layer int, base unsafe.Pointer, stride uint64, slots int) {
	if e == nil {
		return -1, nil, 0, 0
	}
	n := layerOf(name)
	if n < 0 || n >= len(e.layout.layers) {
		return -1, nil, 0, 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.layout.layers[n] {
		if t.name == name && len(e.banks) > 0 {
			return n, space.At(e.banks[e.bankOf(n)][t.kind], t.inSlot()), e.layout.kinds[t.kind].stride, e.each
		}
	}
	return -1, nil, 0, 0
}

// take finds or frees a slot for each expert, and returns the slots to be filled.
func (e *Experts) take(u *ExpertUse, layer int, ids []int32) (missing []int32, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	u.chosen = u.chosen[:0]
	if layer < 0 || layer >= len(e.where) || len(e.where[layer]) == 0 {
		return nil, false
	}
	if u.seen == nil {
		u.seen = map[int32]int32{}
	}
	clear(u.seen)
	tokens := max(len(ids)/e.layout.used, 1)
	share := e.weight / float64(tokens)
	for _, id := range ids {
		if id < 0 || int(id) >= len(e.where[layer]) {
			u.chosen = u.chosen[:0]
			return nil, false
		}
		e.scores[layer][id] += share
		if _, again := u.seen[id]; !again {
			u.seen[id] = -1
			u.chosen = append(u.chosen, id)
		}
	}
	e.age()
	if layer == e.first {
		e.stats.Passes++
	}
	if len(u.chosen) > e.each || tokens > e.layout.tokens { // the engine's work buffer would be larger than counted
		e.stats.Mapped++
		return nil, false
	}
	for _, id := range u.chosen {
		i := e.where[layer][id]
		if i >= 0 && !e.takeBack(i) {
			e.forget(i)
		} else if i >= 0 {
			e.slots[i].users++
			u.slots = append(u.slots, int32(i))
			u.seen[id] = int32(i)
		}
	}
	resident := len(u.slots)
	for _, id := range u.chosen {
		if u.seen[id] >= 0 {
			continue
		}
		i := e.victim(layer)
		for i >= 0 && !e.takeBack(i) {
			e.forget(i)
			i = e.victim(layer)
		}
		if i < 0 {
			for _, i := range missing {
				e.slots[i].filling = false
				e.forget(int(i))
			}
			e.leave(u)
			e.stats.Mapped++
			return nil, false
		}
		e.forget(i)
		e.slots[i] = expertSlot{layer: layer, expert: int(id), users: 1, filling: true}
		e.where[layer][id] = i
		u.slots = append(u.slots, int32(i))
		u.seen[id] = int32(i)
		missing = append(missing, int32(i))
	}
	e.stats.Hits += uint64(resident)
	e.stats.Misses += uint64(len(missing))
	return missing, true
}

// age increases the weight of later uses, which needs less work than reducing all scores.
func (e *Experts) age() {
	e.weight *= math.Exp2(1 / float64(halfLife*len(e.layout.layers)))
	if e.weight < 1e100 {
		return
	}
	for _, scores := range e.scores {
		for i := range scores {
			scores[i] /= e.weight
		}
	}
	e.weight = 1
}

// victim returns the slot to replace for an expert of a layer: an empty one, or the unused one with
// the lowest score, or one that the system has taken; -1 if all are in use.
func (e *Experts) victim(layer int) int {
	best, least, lost := -1, math.Inf(1), -1
	first := e.bankOf(layer) * e.each
	for i := first; i < first+e.each; i++ {
		s := e.slots[i]
		switch {
		case s.users > 0 || s.filling:
		case s.lost:
			lost = i
		case s.layer < 0:
			return i
		default:
			if score := e.scores[s.layer][s.expert]; score < least {
				best, least = i, score
			}
		}
	}
	if best < 0 {
		return lost
	}
	return best
}

// forget empties a slot.
func (e *Experts) forget(i int) {
	if s := e.slots[i]; s.layer >= 0 {
		e.where[s.layer][s.expert] = -1
		e.slots[i].layer = -1
	}
}

// Stats returns the figures.
func (e *Experts) Stats() ExpertStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// close releases all memory. No slot may be in use.
func (e *Experts) close() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	e.free()
	e.mu.Unlock()
	if e.reader == nil {
		return nil
	}
	return e.reader.close()
}

package residency

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
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

	reading sync.Mutex // protects reader, which one goroutine may use at a time
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
	Reading  time.Duration `json:"-"` // spent reading
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
	layer, expert int  // layer -1: empty
	users         int  // passes that compute with it
	filling       bool // is being read
}

// ExpertUse is the set of slots that a pass uses. The zero value is empty. It is not safe for
// concurrent use.
type ExpertUse struct {
	slots  []int32         // distinct
	chosen []int32         // distinct experts of the layer
	seen   map[int32]int32 // slot by expert
	mapped int             // layer that was read into the mapping, counted from 1; 0: none
}

// halfLife is the number of passes after which a use has half its weight.
const halfLife = 100

func newExperts(l *expertLayout, arena *memory.Arena, ix *gguf.Index) *Experts {
	e := &Experts{layout: l, arena: arena, index: ix, weight: 1}
	e.changed = sync.NewCond(&e.mu)
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
	e.slots = slots
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
	e.banks, e.slots, e.room, e.each = nil, nil, 0, 0
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

// Use reads the experts with these ids into slots, writes the slot of each id, and keeps them there
// until [Experts.Release]. It returns false if there are not enough slots, or, with an error, if a
// read failed or ctx was cancelled; then no slot is in use.
func (e *Experts) Use(ctx context.Context, u *ExpertUse, layer int, ids, slots []int32) (bool, error) {
	missing, ok := e.take(u, layer, ids)
	if !ok {
		return false, e.readMapped(ctx, u, layer)
	}
	begun := time.Now()
	err := e.fill(ctx, layer, missing)
	e.mu.Lock()
	defer e.mu.Unlock()
	for err == nil && e.others(u) { // another pass reads an expert that this one uses too
		e.changed.Wait()
	}
	if len(missing) > 0 {
		e.stats.Stalled += time.Since(begun)
	}
	for _, i := range u.slots {
		if s := e.slots[i]; err == nil && (s.layer != layer || s.filling) {
			err = fmt.Errorf("experts of layer %d could not be read", layer)
		}
	}
	if err != nil {
		e.release(u)
		return false, err
	}
	first := int32(e.bankOf(layer) * e.each)
	for i, id := range ids {
		slots[i] = u.seen[id] - first
	}
	return true, nil
}

// readMapped reads the chosen experts into the mapping, if there are not enough slots. Otherwise the
// engine would read them by page faults, one page at a time.
func (e *Experts) readMapped(ctx context.Context, u *ExpertUse, layer int) error {
	if len(u.chosen) == 0 {
		return nil
	}
	u.mapped = layer + 1
	begun := time.Now()
	for _, t := range e.layout.layers[layer] {
		if t.mapped.p == nil {
			continue
		}
		for _, expert := range u.chosen {
			begin := t.begin(int(expert))
			from := begin &^ (space.Granularity() - 1)
			p := space.At(t.mapped.p, int64(from)-t.mapped.offset)
			if err := memory.PrefetchExactly(ctx, e.index.File(t.file), p, int64(from), space.RoundUp(begin+t.size)-from); err != nil {
				return err
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Stalled += time.Since(begun)
	return nil
}

// others reports whether a slot that a pass uses is being filled.
func (e *Experts) others(u *ExpertUse) bool {
	for _, i := range u.slots {
		if e.slots[i].filling {
			return true
		}
	}
	return false
}

// take finds or frees a slot for each expert, and returns the slots to be filled.
func (e *Experts) take(u *ExpertUse, layer int, ids []int32) (missing []int32, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.release(u)
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
		if i := e.where[layer][id]; i >= 0 {
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
		if i < 0 {
			for _, i := range missing {
				e.slots[i].filling = false
				e.forget(int(i))
			}
			e.release(u)
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
// the lowest score; -1 if all are in use.
func (e *Experts) victim(layer int) int {
	best, least := -1, math.Inf(1)
	first := e.bankOf(layer) * e.each
	for i := first; i < first+e.each; i++ {
		s := e.slots[i]
		switch {
		case s.users > 0 || s.filling:
		case s.layer < 0:
			return i
		default:
			if score := e.scores[s.layer][s.expert]; score < least {
				best, least = i, score
			}
		}
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

// fill reads experts of a layer into slots.
func (e *Experts) fill(ctx context.Context, layer int, slots []int32) error {
	if len(slots) == 0 {
		return nil
	}
	var list []request
	read := uint64(0)
	for _, t := range e.layout.layers[layer] {
		for _, i := range slots {
			expert := e.slots[i].expert // constant while the slot is being filled
			begin := t.begin(expert)
			from := begin - t.shift(expert)
			size := space.Pad(begin+t.size, files.DirectUnit) - from
			list = append(list, request{t.file, int64(from), size, e.slot(t, i)})
			read += size
		}
	}
	e.reading.Lock()
	begun := time.Now()
	err := e.reader.read(ctx, list)
	took := time.Since(begun)
	e.reading.Unlock()
	if err == nil {
		for _, t := range e.layout.layers[layer] {
			for _, i := range slots {
				if shift := t.shift(e.slots[i].expert); shift != t.inSlot() {
					b := space.BytesAt(e.slot(t, i), shift+t.size)
					copy(b, b[shift:])
				}
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range slots {
		e.slots[i].filling = false
		if err != nil {
			e.forget(int(i))
		}
	}
	e.stats.Reading += took
	if err == nil {
		e.stats.Read += read
	}
	e.changed.Broadcast()
	return err
}

// slot returns the address of a slot for a tensor.
func (e *Experts) slot(t expertTensor, i int32) unsafe.Pointer {
	return space.At(e.banks[int(i)/e.each][t.kind], uint64(int(i)%e.each)*e.layout.kinds[t.kind].stride)
}

// Release ends the use of a pass's slots.
func (e *Experts) Release(u *ExpertUse) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.release(u)
}

func (e *Experts) release(u *ExpertUse) {
	for _, i := range u.slots {
		e.slots[i].users--
	}
	u.slots = u.slots[:0]
	if u.mapped > 0 {
		evictRanges(e.index, e.layout.mapped(u.mapped-1))
		u.mapped = 0
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

package residency

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Residency keeps the weights of a model within a budget while passes over its layers go
// on. Access to them is cyclic, which is what a system's own replacement is worst at: it
// evicts each page just before its next use. So most stays, mapped, with what belongs to no
// layer; some tensors of some layers, or all, are streamed: read from the file past the page
// cache into slots of private memory, ahead of their use. Slots keep their pages, so that
// nothing is mapped and unmapped while tokens wait, which costs more than the reading
// where a hypervisor follows page tables; and what is in memory is the same figure for
// this process, its control group and the kernel. The streamed layers are spread evenly
// among those that stay: while those are computed, the disk goes on.
//
// [Residency.Slot] says where a streamed layer's tensors are while it is in its slot;
// [loader.Weights.TensorData] goes on to be true of them, at the price of page faults. Of a
// layer of which a pass uses some rows only (experts), nothing is read ahead.
//
// Whoever computes calls Before and After each streamed layer and End after each pass;
// the layers of a pass come in ascending order, or the reading ahead is of the wrong ones.
// SetBudget is for between passes. Other methods may be called from any goroutine.
type Residency struct {
	o Options
	splitter
	reader  *reader
	current modelSplit
	splits  []layerSplit // of the layers, as the modelSplit has them

	mu          sync.Mutex
	changed     *sync.Cond
	slots       []slot
	position    map[int]int            // of a layer among those that are streamed
	tensorSlots map[string]slotAddress // of a streamed tensor
	next        int                    // among those: what is wanted first
	slotCount   int                    // slots that there are to be
	halted      bool                   // nothing more is to be read
	err         error
	stats       Stats
	stop        context.CancelFunc
	idle        chan struct{} // closed when the goroutine has ended
}

// Options are the options of [New].
type Options struct {
	Weights *loader.Weights // mapped
	Plan    *loader.Plan    // that they were mapped by
	Budget  uint64          // bytes of weights in memory
	Arena   *memory.Arena   // gives the slots
}

// Stats are figures since the beginning. Sizes are bytes.
type Stats struct {
	Budget   uint64        `json:"budget_bytes"`   // of weights
	Resident uint64        `json:"resident_bytes"` // weights that stay, and the slots
	Layers   int           `json:"layers"`
	Streamed int           `json:"streamed_layers"` // layers that are streamed
	Slots    int           `json:"slots"`           // layers of those in memory at once
	Private  uint64        `json:"slots_bytes"`     // bytes of the slots
	Method   string        `json:"method"`          // of reading, as measured to be the fastest
	Passes   uint64        `json:"passes"`          // over the streamed layers
	Read     uint64        `json:"read_bytes"`      // bytes streamed
	Reading  time.Duration `json:"-"`               // spent reading them
	Stalled  time.Duration `json:"-"`               // spent waiting for them
	Hits     uint64        `json:"hits"`            // layers that were there in time
	Misses   uint64        `json:"misses"`          // layers that were waited for
}

// Rate is bytes read per second, 0 where nothing was read.
func (s Stats) Rate() float64 {
	if s.Reading <= 0 {
		return 0
	}
	return float64(s.Read) / s.Reading.Seconds()
}

// PerPass is the bytes read for a pass over the streamed layers, 0 before the first.
func (s Stats) PerPass() uint64 {
	if s.Passes == 0 {
		return 0
	}
	return s.Read / s.Passes
}

// MarshalJSON writes an object with all fields, with times in seconds.
func (s Stats) MarshalJSON() ([]byte, error) {
	type plain Stats
	return json.Marshal(struct {
		plain
		Reading float64 `json:"reading_seconds"`
		Stalled float64 `json:"stalled_seconds"`
		Rate    float64 `json:"read_bytes_per_second"`
		PerPass uint64  `json:"read_bytes_per_pass"`
	}{plain(s), s.Reading.Seconds(), s.Stalled.Seconds(), s.Rate(), s.PerPass()})
}

// slot is memory for one layer at a time.
type slot struct {
	shape   []uint64 // its blocks' sizes
	blocks  []unsafe.Pointer
	holds   int // of the streamed layers: which it holds or is to hold, -1 for nothing
	filling bool
	inUse   bool
}

// slotAddress is where in a slot a tensor lies.
type slotAddress struct {
	layer, block int
	offset       uint64
}

// New begins to keep mapped weights within a budget. What stays is read now; a
// cancelled ctx ends that.
//
// The error is a [*memory.Error] where the budget is too small for what no pass can do
// without: the output head, and two layers.
func New(ctx context.Context, o Options) (*Residency, error) {
	r := &Residency{o: o, slotCount: minSlots, splitter: newSplitter(o.Weights.TensorData, o.Plan, o.Arena.ChunkSize())}
	r.changed = sync.NewCond(&r.mu)
	if len(r.layers) == 0 {
		return nil, fmt.Errorf("residency: the model has no layers that are used one after the other")
	}
	d, err := r.choose(o.Budget, r.slotCount)
	if err != nil {
		return nil, err
	}
	r.reader = newReader(o.Plan.Index())
	if err := r.applyFirst(ctx, d); err != nil {
		r.reader.close()
		r.freeSlots()
		return nil, err
	}
	r.start()
	return r, nil
}

// begin puts a first modelSplit in force.
func (r *Residency) applyFirst(ctx context.Context, d modelSplit) error {
	// Headers have been read, and more behind them than was needed.
	seen := map[int]bool{}
	for _, x := range r.o.Plan.Ranges { // in the order of the files
		if !seen[x.File] {
			seen[x.File] = true
			files.Forget(r.file(x.File), 0, uint64(x.Offset))
		}
	}
	for _, x := range r.nonLayer.sparse { // rows of embeddings
		files.Forget(r.file(x.file), x.offset, x.size)
		memory.UsedByPages(x.p, x.size)
	}
	if len(d.streamed) > 0 {
		if err := r.makeSlots(d.shape, min(r.slotCount, len(d.streamed))); err != nil {
			return err
		}
		// What will be streamed is read best to see how fast that goes.
		list := r.requests(0, r.layers[d.streamed[0]].split(d.selection, r.maxBlock))
		uneven, err := r.reader.calibrate(ctx, list)
		if err != nil {
			return err
		}
		if uneven {
			// A late layer then has another one's time to come.
			if more, err := r.choose(r.o.Budget, minSlots+1); err == nil {
				d, r.slotCount = more, minSlots+1
			}
		}
	}
	return r.apply(ctx, d)
}

// apply puts a modelSplit in force: nothing is being read, and there is no pass.
// Where that fails, nothing is streamed, whatever that takes.
func (r *Residency) apply(ctx context.Context, d modelSplit) (err error) {
	defer func() {
		if err != nil {
			r.freeSlots()
			r.setSplit(modelSplit{}, nil)
		}
	}()
	if err := r.makeSlots(d.shape, min(r.slotCount, len(d.streamed))); err != nil {
		return err
	}
	first := r.splits == nil
	splits := make([]layerSplit, len(r.layers))
	var changed []int
	for n, l := range r.layers {
		splits[n] = l.split(d.selectionOf(n), r.maxBlock)
		if first || !slices.Equal(splits[n].resident, r.splits[n].resident) || !slices.Equal(splits[n].sparse, r.splits[n].sparse) {
			changed = append(changed, n)
		}
	}
	for _, n := range changed {
		r.evict(splits[n].streamed)
		r.evict(splits[n].sparse)
	}
	if first {
		if err := r.prefetch(ctx, r.nonLayer.split(selection{}, 0).resident); err != nil {
			return err
		}
	}
	for _, n := range changed {
		if err := r.prefetch(ctx, splits[n].resident); err != nil {
			return err
		}
	}
	for _, n := range changed { // what was read ahead beyond what stays
		r.evict(splits[n].streamed)
	}
	r.setSplit(d, splits)
	return nil
}

// enter notes a modelSplit that is in force.
func (r *Residency) setSplit(d modelSplit, splits []layerSplit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.splits = d, splits
	r.position, r.tensorSlots = map[int]int{}, map[string]slotAddress{}
	for i, n := range d.streamed {
		r.position[n] = i
		for b, block := range splits[n].blocks {
			for _, t := range block.tensors {
				r.tensorSlots[t.Name] = slotAddress{n, b, uint64(t.Offset - block.offset)}
			}
		}
	}
	for i := range r.slots {
		r.slots[i].holds = -1
	}
	r.next = 0
	r.stats.Budget, r.stats.Resident = d.budget, d.resident
	r.stats.Layers, r.stats.Streamed, r.stats.Slots = len(r.layers), len(d.streamed), len(r.slots)
	r.stats.Method, r.stats.Private = r.reader.String(), uint64(len(r.slots))*sumOf(d.shape)
}

func (r *Residency) file(i int) *os.File { return r.o.Plan.Index().File(i) }

// keep brings what stays into memory.
func (r *Residency) prefetch(ctx context.Context, list []fileRange) error {
	for _, x := range list {
		if err := memory.PrefetchExactly(ctx, r.file(x.file), x.p, x.offset, x.size); err != nil {
			return err
		}
	}
	return nil
}

// drop takes pieces out of memory: from the mapping, and from the page cache unless
// somebody else maps them.
func (r *Residency) evict(list []fileRange) {
	for _, x := range list {
		memory.Evict(r.file(x.file), x.p, x.offset, x.size)
	}
}

// makeSlots makes n slots of a shape, and no others.
func (r *Residency) makeSlots(shape []uint64, n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.slots) > 0 && (len(r.slots) > n || !slices.Equal(shape, r.slots[0].shape)) {
		last := len(r.slots) - 1
		r.freeSlot(r.slots[last])
		r.slots = r.slots[:last]
	}
	for len(r.slots) < n {
		s := slot{shape: shape, holds: -1}
		for _, size := range shape {
			p, err := r.o.Arena.AllocFilled(memory.PurposeWeights, size)
			if err != nil {
				r.freeSlot(s)
				return err
			}
			s.blocks = append(s.blocks, p)
		}
		r.slots = append(r.slots, s)
	}
	return nil
}

func (r *Residency) freeSlots() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		r.freeSlot(s)
	}
	r.slots = nil
}

func (r *Residency) freeSlot(s slot) {
	for _, p := range s.blocks {
		r.o.Arena.FreeBlock(p)
	}
}

// Slot is the layer that a tensor is streamed with, and where it is while the layer is in
// memory; nil for one that is not streamed. It holds until the budget changes.
func (r *Residency) Slot(name string) (layer int, p unsafe.Pointer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, ok := r.tensorSlots[name]
	if !ok || len(r.slots) == 0 {
		return -1, nil
	}
	s := r.slots[r.position[w.layer]%len(r.slots)]
	return w.layer, space.At(s.blocks[w.block], w.offset)
}

// First is the first layer that is streamed, -1 for none.
func (r *Residency) First() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.current.streamed) == 0 {
		return -1
	}
	return r.current.streamed[0]
}

// Following is the streamed layer that is used after a streamed one.
func (r *Residency) Following(layer int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.position[layer]
	if !ok {
		return layer
	}
	return r.current.streamed[(n+1)%len(r.current.streamed)]
}

// Before waits until a streamed layer is in its slot, and keeps it there until After or
// End. False says that it is not: it does not stream, what is in its slot is in use, or it
// can't be read, which Err tells then.
func (r *Residency) Before(layer int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.position[layer]
	if !ok || r.halted {
		return false
	}
	s := &r.slots[n%len(r.slots)]
	if s.inUse && s.holds != n {
		return false
	}
	r.next = n
	r.changed.Broadcast()
	if s.holds == n && !s.filling {
		r.stats.Hits++
	} else {
		r.stats.Misses++
		begun := time.Now()
		for (s.holds != n || s.filling) && r.err == nil && !r.halted {
			r.changed.Wait()
		}
		r.stats.Stalled += time.Since(begun)
	}
	s.inUse = r.err == nil && !r.halted
	return s.inUse
}

// After gives a layer's slot to one that is read ahead.
func (r *Residency) After(layer int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.position[layer]
	if !ok || r.halted {
		return
	}
	r.next = (n + 1) % len(r.current.streamed)
	if r.next == 0 {
		r.stats.Passes++
	}
	if s := &r.slots[n%len(r.slots)]; s.holds == n {
		s.inUse = false
	}
	r.evict(r.splits[layer].sparse)
	r.changed.Broadcast()
}

// End is for when nobody computes: layers that a pass which was given up has left in use
// are free, and what could not be read is tried again.
func (r *Residency) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.slots {
		r.slots[i].inUse = false
	}
	r.err = nil
	r.changed.Broadcast()
}

// Err is what has kept layers from being read since the last End.
func (r *Residency) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// due is the slot to be filled next and with what, -1 for none: of those that are neither
// in use nor being filled, the one whose next layer is wanted first.
func (r *Residency) due() (slot, holds int) {
	if r.halted || r.err != nil {
		return -1, -1
	}
	for d := range min(len(r.current.streamed), 2*len(r.slots)) {
		n := (r.next + d) % len(r.current.streamed)
		i := n % len(r.slots)
		taken := false
		for e := range d { // the slot's next layer is a nearer one
			taken = taken || (r.next+e)%len(r.current.streamed)%len(r.slots) == i
		}
		if s := r.slots[i]; !taken && !s.inUse && !s.filling && s.holds != n {
			return i, n
		}
	}
	return -1, -1
}

// stream fills slots as long as there are any to be filled.
func (r *Residency) stream(ctx context.Context, idle chan<- struct{}) {
	defer close(idle)
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.halted {
		i, n := r.due()
		if i < 0 {
			r.changed.Wait()
			continue
		}
		s, p := &r.slots[i], r.splits[r.current.streamed[n]]
		s.holds, s.filling = n, true
		r.mu.Unlock()
		begun := time.Now()
		err := r.reader.read(ctx, r.requests(i, p))
		took := time.Since(begun)
		r.mu.Lock()
		s.filling = false
		r.stats.Reading += took
		switch {
		case err == nil:
			r.stats.Read += p.readSize()
		case ctx.Err() == nil:
			r.err = err
			fallthrough
		default:
			s.holds = -1
		}
		r.changed.Broadcast()
	}
}

// start lets layers be streamed.
func (r *Residency) start() {
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.halted, r.idle = false, make(chan struct{})
	go r.stream(ctx, r.idle)
}

// halt ends the reading.
func (r *Residency) halt() {
	r.mu.Lock()
	r.halted = true
	r.changed.Broadcast()
	stop, idle := r.stop, r.idle
	r.mu.Unlock()
	stop()
	<-idle
}

// requests are what brings a portion into a slot, in the order of its use.
func (r *Residency) requests(slot int, p layerSplit) []request {
	var list []request
	for i, b := range p.blocks {
		list = append(list, request{b.file, b.offset, b.size, r.slots[slot].blocks[i]})
	}
	return list
}

// SetBudget changes the budget, in bytes, when there is no pass. What no longer stays is
// dropped, what may stay now is read; the slots of tensors are others, after an error too.
// Errors are those of [New]; where the budget is too small, nothing has changed.
func (r *Residency) SetBudget(ctx context.Context, budget uint64) error {
	r.mu.Lock()
	d, err := r.choose(budget, r.slotCount)
	same := err == nil && r.splits != nil && d.same(r.current)
	if same {
		r.stats.Budget, r.stats.Resident = d.budget, d.resident
	}
	r.mu.Unlock()
	if err != nil || same {
		return err
	}
	r.halt()
	err = r.apply(ctx, d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start()
	return err
}

// Stats returns the figures.
func (r *Residency) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Close ends the reading ahead and gives the slots back; nobody may compute any more. The
// weights stay mapped. Closing twice is safe.
func (r *Residency) Close() error {
	r.halt()
	r.freeSlots()
	return r.reader.close()
}

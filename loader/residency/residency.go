package residency

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Residency keeps the weights of a model within a budget while layers are evaluated.
//
// Layers are read in cyclic order, the worst case for LRU page replacement: each page is evicted
// shortly before its next use. So most weights stay resident in their mapping, among them all
// tensors outside layers. The other tensors are streamed: before their layer is evaluated they are
// read with direct I/O into slots, which are private memory. Streamed layers are spaced
// evenly among resident ones, so that the disk reads while resident layers are evaluated.
//
// Slots are allocated once. Mapping and unmapping memory for each token can cost more
// than reading it under a hypervisor with nested page tables. The process, its control group and
// the kernel also account for slots alike.
//
// [Residency.Slot] returns the address of a streamed tensor in its slot. The address from
// [loader.Weights.TensorData] stays valid; reading there causes page faults. Tensors of which a
// pass uses only some rows (embeddings, experts) are never read ahead.
//
// The caller calls Before and After around the evaluation of each streamed layer, and End after
// each pass. Layers have to be evaluated in ascending order; any other order is correct but slow,
// as the wrong layers are read ahead. SetBudget must not be called during a pass. The other
// methods are safe for concurrent use.
type Residency struct {
	o Options
	splitter
	reader  *reader
	experts *Experts // nil for models without
	current modelSplit
	splits  []layerSplit // by layer; nil before the first split

	mu          sync.Mutex
	changed     *sync.Cond
	slots       []slot
	position    map[int]int            // layer → index in current.streamed
	tensorSlots map[string]slotAddress // by name of a streamed tensor
	next        int                    // index in current.streamed of the layer to be used next
	slotCount   int                    // wanted: minSlots, or one more
	halted      bool                   // the reading goroutine has to end
	err         error
	stats       Stats
	stop        context.CancelFunc
	idle        chan struct{} // closed when the goroutine has ended
}

// Options are the options of [New].
type Options struct {
	Weights *loader.Weights // mapped weights; required
	Plan    *loader.Plan    // plan of the mapping; required
	Budget  uint64          // bytes of resident weights and slots
	Arena   *memory.Arena   // allocates the slots; required
	// MicroBatch is the number of tokens of the micro-batches of all sessions together; 0: 512. The
	// engine's work buffers, which grow with it and with the slots for experts, count in the budget.
	// For larger micro-batches, experts are used from the mapping.
	MicroBatch int
}

// Stats are counters since [New] and the current sizes, in bytes.
type Stats struct {
	Budget   uint64        `json:"budget_bytes"`   // for weights
	Resident uint64        `json:"resident_bytes"` // resident weights plus slots
	Layers   int           `json:"layers"`
	Streamed int           `json:"streamed_layers"` // layers of which at least one tensor is streamed
	Slots    int           `json:"slots"`           // streamed layers in memory at once
	Private  uint64        `json:"slots_bytes"`     // size of the slots
	Method   string        `json:"method"`          // how files are read: the method measured as fastest
	Passes   uint64        `json:"passes"`          // evaluations of all streamed layers
	Read     uint64        `json:"read_bytes"`      // bytes read into slots
	Reading  time.Duration `json:"-"`               // time spent reading
	Stalled  time.Duration `json:"-"`               // time an evaluation waited for a slot
	Hits     uint64        `json:"hits"`            // layers that were in their slot in time
	Misses   uint64        `json:"misses"`          // layers that had to be waited for

	// Experts are the counters of experts with slots, nil without. The fields above include them,
	// but for Hits and Misses, which count layers.
	Experts *ExpertStats `json:"experts"`
}

// Rate returns bytes read per second of reading, 0 before the first read.
func (s Stats) Rate() float64 {
	if s.Reading <= 0 {
		return 0
	}
	return float64(s.Read) / s.Reading.Seconds()
}

// PerPass returns the mean of bytes read per pass, 0 before the end of the first pass.
func (s Stats) PerPass() uint64 {
	if s.Passes == 0 {
		return 0
	}
	return s.Read / s.Passes
}

// MarshalJSON writes an object with all fields; times are in seconds.
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

// slot is memory for the streamed tensors of one layer at a time.
type slot struct {
	shape   []uint64 // sizes of the blocks
	blocks  []unsafe.Pointer
	holds   int // index in current.streamed of its layer, also while filling; -1: none
	filling bool
	inUse   bool
}

// slotAddress is the address of a tensor in the slot of its layer.
type slotAddress struct {
	layer, block int
	offset       uint64
}

// New applies a budget to mapped weights and starts the goroutine that streams. It reads the
// resident weights before it returns, unless ctx is cancelled.
//
// If the budget is too small (the minimum is the tensors outside layers and slots for two layers),
// the error is a [*memory.Error]. A model without layers that are evaluated in order is an error.
func New(ctx context.Context, o Options) (*Residency, error) {
	r := &Residency{o: o, slotCount: minSlots, splitter: newSplitter(o.Weights.TensorData, o.Plan, o.Arena.ChunkSize())}
	r.changed = sync.NewCond(&r.mu)
	r.splitter.experts.countTokens(o.MicroBatch)
	if len(r.layers) == 0 {
		return nil, fmt.Errorf("residency: the model has no layers that are evaluated in order, so that none can be streamed")
	}
	d, err := r.choose(o.Budget, r.slotCount)
	if err != nil {
		return nil, err
	}
	r.reader = newReader(o.Plan.Index())
	if r.splitter.experts != nil {
		r.experts = newExperts(r.splitter.experts, o.Arena, o.Plan.Index())
	}
	if err := r.applyFirst(ctx, d); err != nil {
		r.reader.close()
		r.freeSlots()
		r.experts.close()
		return nil, err
	}
	r.start()
	return r, nil
}

// applyFirst evicts what the loader read ahead, selects the fastest reading method, and applies
// the first split.
func (r *Residency) applyFirst(ctx context.Context, d modelSplit) error {
	// Reading the headers has filled the page cache, with read-ahead beyond them.
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
		// Measured with the reads of a layer that will be streamed.
		list := r.requests(0, r.layers[d.streamed[0]].split(d.selection, r.maxBlock))
		uneven, err := r.reader.calibrate(ctx, list)
		if err != nil {
			return err
		}
		if uneven {
			// One slot more, so that a slow read has the time of two evaluations.
			if more, err := r.choose(r.o.Budget, minSlots+1); err == nil {
				d, r.slotCount = more, minSlots+1
			}
		}
	}
	return r.apply(ctx, d)
}

// apply changes to a split: it makes the slots, evicts streamed tensors from the mapping and reads
// resident ones. The caller makes sure that nothing is being read and no pass is running. After
// an error all tensors are used from the mapping and nothing is streamed.
func (r *Residency) apply(ctx context.Context, d modelSplit) (err error) {
	defer func() {
		if err != nil {
			r.freeSlots()
			r.setSplit(modelSplit{}, nil)
		}
	}()
	if r.experts.count() > d.experts { // before others take what they free
		if err := r.setExperts(d); err != nil {
			return err
		}
	}
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
	for _, n := range changed { // pages that read-ahead brought back
		r.evict(splits[n].streamed)
	}
	if err := r.setExperts(d); err != nil {
		return err
	}
	r.setSplit(d, splits)
	return nil
}

// setExperts makes the slots for experts. The caller makes sure that no pass is running.
func (r *Residency) setExperts(d modelSplit) error {
	if d.experts == r.experts.count() {
		return nil
	}
	if r.experts.count() == 0 { // until now they were used from the mapping
		for n := range r.splitter.experts.layers {
			r.evict(r.splitter.experts.mapped(n))
			for _, x := range r.splitter.experts.mapped(n) {
				memory.UsedByPages(x.p, x.size)
			}
		}
	}
	return r.experts.resize(d.banks, d.experts)
}

// Experts are those with slots, nil if none have.
func (r *Residency) Experts() *Experts {
	if r.experts.count() == 0 {
		return nil
	}
	return r.experts
}

// setSplit records the split that is in use.
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

// prefetch reads ranges into the page cache and maps their pages.
func (r *Residency) prefetch(ctx context.Context, list []fileRange) error {
	for _, x := range list {
		if err := memory.PrefetchExactly(ctx, r.file(x.file), x.p, x.offset, x.size); err != nil {
			return err
		}
	}
	return nil
}

// evict removes ranges from the mapping, and from the page cache unless another process maps
// them.
func (r *Residency) evict(list []fileRange) { evictRanges(r.o.Plan.Index(), list) }

func evictRanges(ix *gguf.Index, list []fileRange) {
	for _, x := range list {
		memory.Evict(ix.File(x.file), x.p, x.offset, x.size)
	}
}

// makeSlots allocates or frees slots until there are n of a shape.
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

// Slot returns the layer of a streamed tensor and its address while that layer is in its slot,
// (-1, nil) for a tensor that is not streamed. The result is valid until the budget changes.
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

// First returns the first streamed layer, -1 if there is none.
func (r *Residency) First() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.current.streamed) == 0 {
		return -1
	}
	return r.current.streamed[0]
}

// Following returns the next streamed layer, cyclically; the same layer if that is not streamed.
func (r *Residency) Following(layer int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.position[layer]
	if !ok {
		return layer
	}
	return r.current.streamed[(n+1)%len(r.current.streamed)]
}

// Before waits until a layer is in its slot, and keeps it there until After or End. It returns
// false if the layer is not in a slot: it is not streamed, its slot is in use for another layer, or
// reading failed (see Err).
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
		begun := clock.Now()
		for (s.holds != n || s.filling) && r.err == nil && !r.halted {
			r.changed.Wait()
		}
		r.stats.Stalled += clock.Since(begun)
	}
	s.inUse = r.err == nil && !r.halted
	return s.inUse
}

// After releases the slot of a layer, so that the next layer can be read into it.
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

// End releases the slots that an aborted pass still holds, and clears Err so that failed reads are
// repeated. Call it when no layer is being evaluated.
func (r *Residency) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.slots {
		r.slots[i].inUse = false
	}
	r.err = nil
	r.changed.Broadcast()
}

// Err returns the error of a failed read since the last End, nil if there was none.
func (r *Residency) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// due returns the slot to fill next and the index in current.streamed of the layer to read, -1 if
// there is none. Among the slots that are neither in use nor being filled, it is the one
// whose next layer is used first.
func (r *Residency) due() (slot, holds int) {
	if r.halted || r.err != nil {
		return -1, -1
	}
	for d := range min(len(r.current.streamed), 2*len(r.slots)) {
		n := (r.next + d) % len(r.current.streamed)
		i := n % len(r.slots)
		taken := false
		for e := range d { // the slot is for a layer that is used earlier
			taken = taken || (r.next+e)%len(r.current.streamed)%len(r.slots) == i
		}
		if s := r.slots[i]; !taken && !s.inUse && !s.filling && s.holds != n {
			return i, n
		}
	}
	return -1, -1
}

// stream fills slots until halt. It runs in its own goroutine.
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
		begun := clock.Now()
		err := r.reader.read(ctx, r.requests(i, p))
		took := clock.Since(begun)
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

// start starts the goroutine that fills slots.
func (r *Residency) start() {
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.halted, r.idle = false, make(chan struct{})
	go r.stream(ctx, r.idle)
}

// halt cancels the current read and waits until the goroutine has ended.
func (r *Residency) halt() {
	r.mu.Lock()
	r.halted = true
	r.changed.Broadcast()
	stop, idle := r.stop, r.idle
	r.mu.Unlock()
	stop()
	<-idle
}

// requests returns the reads that fill a slot, in file order.
func (r *Residency) requests(slot int, p layerSplit) []request {
	var list []request
	for i, b := range p.blocks {
		list = append(list, request{file: b.file, offset: b.offset, size: b.size, p: r.slots[slot].blocks[i]})
	}
	return list
}

// SetBudget changes the budget, in bytes, and the tokens of micro-batches, as in [Options]. It must not be
// called during a pass. Tensors that are no longer resident are evicted, those that become resident
// are read. Addresses from Slot are invalid afterwards, also after an error. Errors are those of
// [New]; if the budget is too small, nothing changes.
func (r *Residency) SetBudget(ctx context.Context, budget uint64, microBatch int) error {
	r.mu.Lock()
	before := r.splitter.experts.countTokens(microBatch)
	d, err := r.choose(budget, r.slotCount)
	if err != nil {
		r.splitter.experts.countTokens(before)
	}
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

// Stats returns counters and sizes.
func (r *Residency) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.stats
	if e := r.Experts(); e != nil {
		x := e.Stats()
		st.Experts = &x
		st.Read, st.Reading, st.Stalled, st.Private = st.Read+x.Read, st.Reading+x.Reading, st.Stalled+x.Stalled, st.Private+x.Private
		st.Passes = max(st.Passes, x.Passes)
	}
	return st
}

// Close stops reading and frees the slots; no layer may be evaluated any more. The weights stay
// mapped. Closing twice is safe.
func (r *Residency) Close() error {
	r.halt()
	r.freeSlots()
	return errors.Join(r.experts.close(), r.reader.close())
}

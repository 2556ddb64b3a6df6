package runtime

import (
	"context"
	"fmt"
	"sync"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/residency"
)

// weights are a model in the engine and the memory of its tensors: all native memory of a
// model except that of sessions. They have one owner, who closes them.
type weights struct {
	config   *config
	ledger   *memory.Ledger
	devices  *memory.Devices // memory of devices
	native   *llama.Model
	arena    *memory.Arena    // the engine's blocks: copies, second layouts, adapters
	second   []unsafe.Pointer // blocks of the arena with copied tensors in a second layout
	adapters []appliedAdapter
	budget   *budget // nil without a memory budget
	specials specials
	longest  longest

	chunkSize     uint64
	largestTensor uint64
	layers        int    // of the model that can be on devices, with the output
	deviceBytes   uint64 // weights on devices
	weightBytes   uint64 // all weights that are used

	*binding // replaced by a move
	once     sync.Once
}

// binding is the memory that the engine's tensors point to, and the file that it was read
// from. For a stock load it has only the file.
type binding struct {
	*source
	mode    LoadMode
	reason  string          // why this mode
	upload  *loader.Plan    // of tensors that are copied to devices; nil: none
	memory  *loader.Weights // nil for a stock load, and before the weights are loaded
	watches []*llama.Mapped // detect lost pages of the mappings

	repacked    uint64 // bytes that were repacked
	packedBytes uint64 // bytes mapped in this CPU's layout
}

type appliedAdapter struct {
	native *llama.Adapter
	scale  float32
}

// newWeights prepares a load of a source, which the caller owns until the load has succeeded.
// ledger counts the memory; nil: a new one.
func newWeights(c *config, src *source, mode LoadMode, reason string, ledger *memory.Ledger) *weights {
	if ledger == nil {
		ledger = &memory.Ledger{Admit: c.admit}
	}
	return &weights{
		config: c, ledger: ledger, devices: &memory.Devices{Admit: c.admitted}, weightBytes: src.plan.Bytes, chunkSize: src.plan.ChunkSize, largestTensor: src.plan.LargestTensor,
		binding: &binding{source: src, mode: mode, reason: reason},
	}
}

// loadHeader returns weights whose header the engine has read, for dry runs. The caller
// unloads them.
func loadHeader(ctx context.Context, c *config, src *source, mode LoadMode) (*weights, error) {
	w := newWeights(c, src, mode, "", nil)
	if err := w.loadHeader(ctx); err != nil {
		w.unload()
		return nil, err
	}
	return w, nil
}

// loadHeader lets the engine read the validated header from a skeleton file. The engine never
// opens the model's file; see gguf.Skeleton.
func (w *weights) loadHeader(ctx context.Context) error {
	w.arena = w.newArena(residency.LargestBlock(w.plan, w.chunkSize))
	skeleton, err := w.index.Skeleton()
	if err != nil {
		return err
	}
	defer skeleton.Close()
	scratch, err := memory.NewScratch(w.largestTensor, w.chunkSize, w.ledger)
	if err != nil {
		return err
	}
	defer scratch.Close()
	w.native, err = llama.LoadModel(ctx, skeleton.Path(), w.place(llama.ModelParams{
		Repack: w.repacks(), Blocks: blocks{w.arena, w.devices}, Unbound: true, Scratch: scratch.Addr(), ScratchSize: uintptr(scratch.Size()),
	}))
	if err != nil {
		return engineError(err)
	}
	return w.planUsed()
}

// planUsed plans again if the engine, which has read the header, uses other tensors in host memory than
// planned or copies of other sizes, and plans those that go to devices.
func (w *weights) planUsed() error {
	ws, err := w.native.Weights()
	if err != nil {
		return err
	}
	used, onDevices, plain := map[string]bool{}, map[string]bool{}, map[string]bool{}
	w.deviceBytes = 0
	for _, x := range ws {
		if x.Kind == llama.WeightDevice {
			onDevices[w.placeOf(x)] = true
			w.deviceBytes += x.DeviceSize
			continue
		}
		used[w.placeOf(x)] = true
		plain[x.Name] = plain[x.Name] || x.Kind == llama.WeightHost
	}
	copied := map[string]uint64{} // of tensors that are larger, if not beside the original
	for _, x := range ws {
		if (w.mode == LoadCopy || w.packing()) && x.Stored > x.Size && !plain[x.Name] {
			copied[x.Name] = x.Stored
		}
	}
	w.weightBytes = 0
	for _, t := range w.index.Tensors() {
		if used[t.Name] || onDevices[t.Name] {
			w.weightBytes += t.Size
		}
	}
	w.upload = nil
	if len(onDevices) > 0 {
		w.upload, err = loader.NewPlan(w.index, loader.PlanOptions{ChunkSize: w.plan.ChunkSize, Uses: func(name string) bool { return onDevices[name] }})
		if err != nil {
			return err
		}
	}
	planned, unused := 0, 0
	for _, r := range w.plan.Ranges {
		for _, t := range r.Tensors {
			planned++
			if !used[t.Name] {
				unused++
			}
		}
	}
	if planned == len(used) && unused == 0 && len(copied) == 0 {
		return nil
	}
	plan, err := loader.NewPlan(w.index, loader.PlanOptions{
		ChunkSize: w.plan.ChunkSize, Uses: func(name string) bool { return used[name] }, Copied: func(name string) uint64 { return copied[name] },
	})
	if err != nil {
		return err
	}
	w.arena.AllowRange(residency.LargestBlock(plan, w.chunkSize))
	src := *w.source // others may share it
	src.plan = plan
	w.source = &src
	return nil
}

// packing reports whether a packed file is planned that has not been written.
func (w *weights) packing() bool { return w.packed != nil && w.index.Packed() == nil }

// repacks reports whether the engine may choose layouts for this CPU.
func (w *weights) repacks() bool {
	return (w.mode != LoadMMap || w.packed != nil) && w.config.repack
}

// newArena makes an arena with the weights' chunk size and blocks of at most longest bytes.
func (w *weights) newArena(longest uint64) *memory.Arena {
	return memory.NewArena(memory.ArenaOptions{ChunkSize: w.chunkSize, MaxRange: longest, Ledger: w.ledger, Pool: w.config.pool})
}

// swap exchanges the bindings of two models with the same weights: the tensors of each then
// point to the memory of the other. Nobody may use either model meanwhile. After an error both
// are unchanged.
func (w *weights) swap(to *weights) error {
	if err := w.native.Rebind(to.native); err != nil {
		return engineError(err)
	}
	w.binding, to.binding = to.binding, w.binding
	for _, b := range w.second {
		w.arena.FreeBlock(b)
	}
	w.second = nil
	return nil
}

// unload frees everything except the source; the engine's model first, as its tensors point
// to the memory. Calling it twice is safe.
func (w *weights) unload() {
	w.once.Do(func() {
		for _, a := range w.adapters {
			a.native.Close()
		}
		if w.native != nil {
			w.native.Close()
		}
		w.budget.close()
		for _, m := range w.watches {
			m.Close()
		}
		if w.memory != nil {
			w.memory.Close()
		}
		if w.arena != nil {
			w.arena.Close()
		}
	})
}

// close frees everything. Calling it twice is safe.
func (w *weights) close() {
	w.unload()
	w.source.close()
}

// changed returns an error if the files have changed since they were opened: mappings would
// show other bytes, or fault.
func (w *weights) changed() error {
	if w.mode == LoadCopy {
		return nil
	}
	return w.index.Changed()
}

// lost returns an error if pages of mapped weights could not be read: results computed with
// them are wrong. path names the model.
func (w *weights) lost(path string) error {
	lost := uint64(0)
	for _, m := range w.watches {
		lost += m.Lost()
	}
	if lost == 0 {
		return nil
	}
	if err := w.index.Changed(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %s of the weights could not be read from the disk: open the model again", path, words.Size(lost))
}

// privateBytes returns the bytes of copied weights: the plan's ranges, and tensors that the
// engine needs in a second layout. It is 0 in other modes.
func (w *weights) privateBytes() (uint64, error) {
	if w.mode != LoadCopy {
		return 0, nil
	}
	ws, err := w.native.Weights()
	if err != nil {
		return 0, err
	}
	sum := uint64(0)
	for _, r := range w.plan.Ranges {
		sum += r.Copied
	}
	for _, i := range secondCopies(ws) {
		if ws[i].Kind == llama.WeightRepack {
			sum += wholeUnits(ws[i].Stored)
		}
	}
	return sum, nil
}

// stockRepacked returns the bytes of weights that the engine repacks in a stock load, into one
// buffer.
func (w *weights) stockRepacked(ws []llama.Weight) (bytes uint64) {
	converted := map[string]bool{}
	for _, x := range ws {
		if t, ok := w.index.Tensor(x.Name); ok && x.Kind == llama.WeightRepack && !converted[x.Name] {
			converted[x.Name] = true
			bytes += max(t.Size, x.Stored)
		}
	}
	return bytes
}

// secondCopies returns the indices of tensors that are needed in a second layout. Tied
// embeddings are: plain for row lookup, and repacked for the output.
func secondCopies(ws []llama.Weight) []int {
	plain, special := map[string]bool{}, map[string]bool{}
	for _, w := range ws {
		if w.Kind == llama.WeightHost {
			plain[w.Name] = true
		}
	}
	var second []int
	for i, w := range ws {
		if w.Kind != llama.WeightRepack {
			continue
		}
		if plain[w.Name] || special[w.Name] {
			second = append(second, i)
		}
		special[w.Name] = true
	}
	return second
}

// blocks gives the engine its memory from an arena, and counts that of devices.
type blocks struct {
	arena   *memory.Arena
	devices *memory.Devices
}

func (b blocks) AllocBlock(p llama.Purpose, size uintptr) (unsafe.Pointer, error) {
	return b.arena.AllocBlock(purposeOf(p), size)
}

func (b blocks) TagBlock(block unsafe.Pointer, p llama.Purpose) {
	_ = b.arena.TagBlock(block, purposeOf(p)) // can't fail: purposeOf covers all purposes
}

func (b blocks) FreeBlock(block unsafe.Pointer) { b.arena.FreeBlock(block) }

func (b blocks) BlockSize() uintptr { return b.arena.BlockSize() }

func (b blocks) AdmitDevice(device string, size uintptr, p llama.Purpose) error {
	return b.devices.Take(device, purposeOf(p), uint64(size))
}

func (b blocks) TagDevice(device string, size uintptr, from, to llama.Purpose) {
	b.devices.Retag(device, purposeOf(from), purposeOf(to), uint64(size))
}

func (b blocks) FreeDevice(device string, size uintptr, p llama.Purpose) {
	b.devices.Give(device, purposeOf(p), uint64(size))
}

// purposeOf returns the ledger's purpose for the engine's, 0 (invalid) for an unknown one.
func purposeOf(p llama.Purpose) memory.Purpose {
	switch p {
	case llama.PurposeWeights:
		return memory.PurposeWeights
	case llama.PurposeKV:
		return memory.PurposeKV
	case llama.PurposeCompute:
		return memory.PurposeCompute
	case llama.PurposeOutput:
		return memory.PurposeOutput
	}
	return 0
}

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
)

// weights are a model in the engine and the memory that its tensors lie in: all native memory
// of a model that is no session's. There is one owner, who closes them.
type weights struct {
	config   *config
	ledger   *memory.Ledger
	native   *llama.Model
	arena    *memory.Arena    // the engine's blocks: copies, second layouts, adapters
	second   []unsafe.Pointer // blocks of the arena with a second layout of copied tensors
	adapters []appliedAdapter
	budget   *budget // nil where all of them may stay

	chunkSize     uint64
	largestTensor uint64

	*binding // what a move replaces
	once     sync.Once
}

// binding is where the engine's tensors lie: a file, and its weights in memory. A stock load
// has the file alone.
type binding struct {
	*source
	mode    LoadMode
	reason  string          // why this mode
	memory  *loader.Weights // nil for a stock load, and until there are weights
	watches []*llama.Mapped // of the mappings

	repacked    uint64 // bytes that were repacked
	packedBytes uint64 // mapped in the layout of this CPU
}

type appliedAdapter struct {
	native *llama.Adapter
	scale  float32
}

// newWeights prepares for a load of a source, which stays the caller's until the weights are
// good. ledger counts their memory; nil: one of their own.
func newWeights(c *config, src *source, mode LoadMode, reason string, ledger *memory.Ledger) *weights {
	if ledger == nil {
		ledger = &memory.Ledger{Admit: c.admit}
	}
	return &weights{
		config: c, ledger: ledger, chunkSize: src.plan.ChunkSize, largestTensor: src.plan.LargestTensor,
		binding: &binding{source: src, mode: mode, reason: reason},
	}
}

// loadHeader makes weights of which the engine has read the header, for dry runs or to be
// bound. They are to be unloaded.
func loadHeader(ctx context.Context, c *config, src *source, mode LoadMode) (*weights, error) {
	w := newWeights(c, src, mode, "", nil)
	if err := w.loadHeader(ctx); err != nil {
		w.unload()
		return nil, err
	}
	return w, nil
}

// loadHeader lets the engine read the validated header. It never opens the file itself; see
// gguf.Skeleton.
func (w *weights) loadHeader(ctx context.Context) error {
	w.arena = w.newArena(max(w.chunkSize, w.plan.LargestRange))
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
	w.native, err = llama.LoadModel(ctx, skeleton.Path(), llama.ModelParams{
		Repack: w.repacks(), GPULayers: w.config.gpuLayers,
		Blocks: blocks{w.arena}, Unbound: true, Scratch: scratch.Addr(), ScratchSize: uintptr(scratch.Size()),
	})
	return engineError(err)
}

// repacks tells whether the engine is to choose layouts for this CPU.
func (w *weights) repacks() bool {
	return (w.mode != LoadMMap || w.packed != nil) && w.config.repack
}

// newArena makes an arena of the chunk size, whose blocks are at most so long.
func (w *weights) newArena(longest uint64) *memory.Arena {
	return memory.NewArena(memory.ArenaOptions{ChunkSize: w.chunkSize, MaxRange: longest, Ledger: w.ledger, Pool: w.config.pool})
}

// swap binds the engine's tensors to where those of another model of the same weights are,
// and the other way round. Nobody else looks at either meanwhile. After an error both are as
// they were.
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

// unload gives everything back but the source; the engine first, since its tensors point into
// the memory. Twice is safe.
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

// close gives everything back. Twice is safe.
func (w *weights) close() {
	w.unload()
	w.source.close()
}

// changed returns an error when the files are not what was opened: what is mapped of them
// would be other bytes, or a fault.
func (w *weights) changed() error {
	if w.mode == LoadCopy {
		return nil
	}
	return w.index.Changed()
}

// lost returns an error when weights could not be read from the files: what was computed
// with them is nonsense. path names the model.
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
	return fmt.Errorf("%s: %s of the weights could not be read from the disk: load it again", path, words.Size(lost))
}

// privateBytes are the bytes of weights that are copied: the plan's ranges, and what lies
// there twice because the engine wants it in two layouts. Others are mapped, or on devices.
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
		sum += r.Size
	}
	for _, i := range secondCopies(ws) {
		if ws[i].Kind == llama.WeightRepack {
			sum += wholeUnits(ws[i].Size)
		}
	}
	return sum, nil
}

// stockRepacked are the bytes of weights that the engine converts by itself, into one buffer.
func (w *weights) stockRepacked(ws []llama.Weight) (bytes uint64) {
	converted := map[string]bool{}
	for _, x := range ws {
		if t, ok := w.index.Tensor(x.Name); ok && x.Kind == llama.WeightRepack && !converted[x.Name] {
			converted[x.Name] = true
			bytes += t.Size
		}
	}
	return bytes
}

// secondCopies are the indices of tensors that are converted although their name has a
// place already: it occurs as it is for looking up rows, and repacked or on a device for
// the product at the end.
func secondCopies(ws []llama.Weight) []int {
	plain, special := map[string]bool{}, map[string]bool{}
	for _, w := range ws {
		if w.Kind == llama.WeightHost {
			plain[w.Name] = true
		}
	}
	var second []int
	for i, w := range ws {
		if w.Kind == llama.WeightHost {
			continue
		}
		if plain[w.Name] || special[w.Name] {
			second = append(second, i)
		}
		special[w.Name] = true
	}
	return second
}

// blocks gives the engine its memory from an arena.
type blocks struct{ arena *memory.Arena }

func (b blocks) AllocBlock(p llama.Purpose, size uintptr) (unsafe.Pointer, error) {
	return b.arena.AllocBlock(purposeOf(p), size)
}

func (b blocks) TagBlock(block unsafe.Pointer, p llama.Purpose) {
	_ = b.arena.TagBlock(block, purposeOf(p)) // purposeOf knows all
}

func (b blocks) FreeBlock(block unsafe.Pointer) { b.arena.FreeBlock(block) }

func (b blocks) BlockSize() uintptr { return b.arena.BlockSize() }

// purposeOf is the ledger's word for a purpose of the engine's; none for one that it lacks.
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

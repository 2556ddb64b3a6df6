package runtime

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// need is the private memory of a session, as measured by the engine.
type need struct {
	params  llama.ContextParams
	blocks  []llama.MeasuredBlock // in host memory
	devices []llama.MeasuredBlock // in memory of devices
	work    uint64                // bytes of the engine's work buffer, which is no block
	unused  uint64                // bytes that the engine allocates beside blocks, and does not touch
	ubatch  int                   // tokens, as rounded by the engine
	ctx     int
	why     string // the reason for the choice of flash attention
	short   bool   // flash attention was chosen because memory is short
}

// mostMeasured bounds the context of a dry run, in tokens: the run takes some 100 bytes and
// some time for each token.
const mostMeasured = 1 << 20

// measureContext does the engine's dry run. Above mostMeasured tokens it extrapolates.
func (s *sizer) measureContext(p llama.ContextParams, blockSize uintptr) (llama.ContextMemory, error) {
	asked := p.Ctx
	p.Ctx = min(p.Ctx, mostMeasured)
	got, err := s.weights.native.MeasureContext(p, blockSize)
	if err != nil || asked == p.Ctx {
		return got, err
	}
	got.Ctx = asked
	got.Work = got.Work / mostMeasured * uint64(asked)
	for i, b := range got.Blocks {
		if b.Purpose != llama.PurposeOutput {
			got.Blocks[i].Size = b.Size / mostMeasured * uint64(asked)
			got.Blocks[i].Used = b.Used / mostMeasured * uint64(asked)
		}
	}
	return got, nil
}

// measure returns what a session would take. If the caller did not set the micro-batch, it is
// halved until no block exceeds maxRange.
func (s *sizer) measure(p llama.ContextParams, ubatchGiven bool) (need, error) {
	for {
		size := uintptr(0)
		if s.weights.mode != LoadStock {
			size = s.weights.arena.BlockSize()
		}
		got, err := s.measureContext(p, size)
		if err != nil {
			return need{}, sessionError(engineError(err), p)
		}
		n := need{params: p, work: got.Work, unused: got.Unused, ubatch: got.UBatch, ctx: got.Ctx}
		for _, b := range got.Blocks {
			if b.Device == "" {
				n.blocks = append(n.blocks, b)
			} else {
				n.devices = append(n.devices, b)
			}
		}
		bound := s.maxRange(p)
		largest := n.largest()
		if s.weights.mode == LoadStock || largest.Size <= bound {
			return n, nil
		}
		// A tensor of the compute graph is larger than a block may be. Its size is
		// proportional to the micro-batch.
		if ubatchGiven || p.Embeddings || p.UBatch == 1 {
			tooLarge := &memory.RangeError{Purpose: memory.PurposeCompute, Requested: largest.Size, Limit: bound}
			return n, fmt.Errorf("session with a micro-batch of %d tokens: %w: use a larger chunk size, a smaller micro-batch or a smaller context", p.UBatch, tooLarge)
		}
		p.UBatch = max(p.UBatch/2, 1)
		s.config.log("lowering the micro-batch", "ubatch", p.UBatch, "largest_block", largest.Size, "bound", bound)
	}
}

// bytes returns the memory of the blocks of one purpose, each rounded up to whole units.
func (n need) bytes(purpose llama.Purpose) (sum uint64) {
	for _, b := range n.blocks {
		if b.Purpose == purpose {
			sum += wholeUnits(b.Size)
		}
	}
	return sum
}

// allBlocks returns the memory of all blocks in bytes.
func (n need) allBlocks() (sum uint64) {
	for _, b := range n.blocks {
		sum += wholeUnits(b.Size)
	}
	return sum
}

// isBatch tells whether the session is that of a batch.
func (n need) isBatch() bool { return n.params.SeqMax > 1 && !n.params.Embeddings }

// total returns all memory of the session in bytes.
func (n need) total() uint64 { return n.allBlocks() + n.work }

// parts returns the memory by purpose. The work buffer counts as [memory.PurposeOther].
func (n need) parts() memory.Parts {
	return n.blockParts().With(memory.PurposeOther, n.work)
}

// touched returns the part that is in RAM when the context is full, if no evaluation has more outputs than
// were measured. It is what a budget counts.
func (n need) touched() memory.Parts {
	compute := uint64(0)
	for _, b := range n.blocks {
		if b.Purpose == llama.PurposeCompute {
			compute += n.used(b)
		}
	}
	output := n.bytes(llama.PurposeOutput)
	if sequences := max(n.params.SeqMax, 1); n.params.Outputs > sequences { // it grows when they are computed
		output = output / uint64(sequences) * uint64(n.params.Outputs)
	}
	return memory.Parts{}.With(memory.PurposeKV, n.bytes(llama.PurposeKV)).
		With(memory.PurposeCompute, compute).With(memory.PurposeOutput, output).With(memory.PurposeOther, n.work)
}

// blockParts returns the memory of the blocks by purpose.
func (n need) blockParts() memory.Parts {
	kv, output := n.bytes(llama.PurposeKV), n.bytes(llama.PurposeOutput)
	return memory.Parts{}.With(memory.PurposeKV, kv).
		With(memory.PurposeCompute, n.allBlocks()-kv-output).With(memory.PurposeOutput, output)
}

// used returns how much of a block is in RAM when the context is full.
func (n need) used(b llama.MeasuredBlock) uint64 {
	if n.params.Embeddings { // every token may have an output
		return wholeUnits(b.Size)
	}
	return wholeUnits(min(b.Used, b.Size))
}

// The heap memory of the engine in bytes, by a fit to measurements on Linux with models of six
// shapes.
const (
	perToken      = 146        // of the vocabulary
	perTensor     = 2 << 10    // of the model
	perNode       = 2250       // of a graph, beyond leastNodes
	leastNodes    = 1024       // the smallest graph that the engine reserves
	perCell       = 350        // of the KV cache
	engineItself  = 2500 << 10 // constant part
	libraryItself = 2850 << 10 // the same of an engine from libraries
)

// engineMemory estimates what the engine and this package take beside blocks and weights.
func (s *sizer) engineMemory(n need) uint64 {
	vocabulary, err := s.weights.native.VocabSize()
	if err != nil {
		vocabulary = 0 // the model has none
	}
	tensors := uint64(len(s.weights.index.Tensors()))
	spareNodes := max(8*tensors, leastNodes) - leastNodes
	itself := uint64(engineItself)
	if llama.Engine().ABI != llama.ABIBuiltin {
		itself = libraryItself
	}
	return n.work + itself + perToken*uint64(vocabulary) + perTensor*tensors + perNode*spareNodes + perCell*uint64(n.ctx)
}

func (n need) largest() llama.MeasuredBlock {
	var most llama.MeasuredBlock
	for _, b := range n.blocks {
		if b.Size > most.Size {
			most = b
		}
	}
	return most
}

// wholeUnits rounds n bytes up to whole units of memory.
func wholeUnits(n uint64) uint64 {
	unit := memory.Granularity()
	return (n + unit - 1) / unit * unit
}

// blockName names a measured block for people: "KV layer 3", "compute".
func blockName(b llama.MeasuredBlock) string {
	if b.Purpose != llama.PurposeKV {
		if b.Purpose == llama.PurposeCompute && b.First != "" && b.First == b.Last {
			return "compute (" + b.First + ")"
		}
		return b.Purpose.String()
	}
	first, ok1 := layerOf(b.First)
	last, ok2 := layerOf(b.Last)
	switch {
	case !ok1 || !ok2:
		return "KV"
	case first == last:
		return "KV layer " + first
	}
	return "KV layers " + first + " to " + last
}

// layerOf returns the layer in a tensor's name: "3" of cache_k_l3.
func layerOf(tensor string) (string, bool) {
	i := strings.LastIndex(tensor, "_l")
	if i < 0 || !strings.HasPrefix(tensor, "cache_") {
		return "", false
	}
	return tensor[i+2:], true
}

// engineReserve is the memory in bytes that a session leaves free for the engine's threads and
// heap and for the rest of the process.
const engineReserve = 24 << 20

// reserve returns the memory that a copy of the weights leaves free for the process and the
// system: 64 MiB or a sixteenth of what is available, whichever is more.
func reserve(available uint64) uint64 {
	return max(64<<20, available/16)
}

// roomFor returns nil if there is enough private memory, even if page files have to grow for
// it, and the error with the limit otherwise.
func roomFor(parts memory.Parts, p probe.Probe) *memory.Error {
	available, limit := p.Possible()
	if parts.Total() <= available {
		return nil
	}
	return parts.Short(available, limit)
}

// growth returns by how many bytes page files have to grow for private memory.
func growth(bytes uint64, p probe.Probe) uint64 {
	if p.CommitPossibleLeft <= p.CommitLeft {
		return 0
	}
	return bytes - min(bytes, p.CommitLeft)
}

// beforeGrowth names a limit, and adds that page files can still grow if they can.
func beforeGrowth(limit probe.Limit, p probe.Probe) string {
	now, _ := p.Available()
	if possible, _ := p.Possible(); possible > now {
		return string(limit) + ", before page files grow"
	}
	return string(limit)
}

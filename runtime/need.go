package runtime

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// need is the private memory that a session takes, as the engine measured it.
type need struct {
	params llama.ContextParams
	blocks []llama.MeasuredBlock
	work   uint64 // bytes of the engine's work buffer, beside the blocks
	ubatch int    // tokens, as the engine rounded them
	ctx    int
	why    string // with or without flash attention
	short  bool   // with, because memory is short
}

// mostMeasured bounds the contexts, in tokens, that the engine is asked about: a dry run
// keeps some 100 bytes for each token, and visits them.
const mostMeasured = 1 << 20

// measureContext is the engine's dry run. What a larger context takes is in proportion.
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

// measure asks the engine what a session would take. The micro-batch is lowered, where
// the caller left it open, until no block needs a longer range of addresses than it may.
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
		n := need{params: p, blocks: got.Blocks, work: got.Work, ubatch: got.UBatch, ctx: got.Ctx}
		bound := s.maxRange(p)
		largest := n.largest()
		if s.weights.mode == LoadStock || largest.Size <= bound {
			return n, nil
		}
		// A piece of the compute graph is larger than any block may be. It is in
		// proportion to the tokens computed at once.
		if ubatchGiven || p.Embeddings || p.UBatch == 1 {
			tooLarge := &memory.RangeError{Purpose: memory.PurposeCompute, Requested: largest.Size, Limit: bound}
			return n, fmt.Errorf("session with a micro-batch of %d: %w: use a larger chunk size, a smaller micro-batch or a smaller context", p.UBatch, tooLarge)
		}
		p.UBatch = max(p.UBatch/2, 1)
		s.config.log("lowering the micro-batch", "ubatch", p.UBatch, "largest_block", largest.Size, "bound", bound)
	}
}

// bytes is the memory of the blocks of one purpose: each is whole units of memory.
func (n need) bytes(purpose llama.Purpose) (sum uint64) {
	for _, b := range n.blocks {
		if b.Purpose == purpose {
			sum += wholeUnits(b.Size)
		}
	}
	return sum
}

// allBlocks is the memory of all blocks.
func (n need) allBlocks() (sum uint64) {
	for _, b := range n.blocks {
		sum += wholeUnits(b.Size)
	}
	return sum
}

// total is all memory of the session in bytes.
func (n need) total() uint64 { return n.allBlocks() + n.work }

// parts are the memory by purpose. The work buffer is the engine's own: [memory.PurposeOther].
func (n need) parts() memory.Parts {
	return n.blockParts().With(memory.PurposeOther, n.work)
}

// blockParts are the blocks by purpose.
func (n need) blockParts() memory.Parts {
	kv, output := n.bytes(llama.PurposeKV), n.bytes(llama.PurposeOutput)
	return memory.Parts{}.With(memory.PurposeKV, kv).
		With(memory.PurposeCompute, n.allBlocks()-kv-output).With(memory.PurposeOutput, output)
}

// used is what of a block is in RAM at the end of a full context.
func (n need) used(b llama.MeasuredBlock) uint64 {
	if n.params.Embeddings { // where every token may have a result
		return wholeUnits(b.Size)
	}
	return wholeUnits(min(b.Used, b.Size))
}

// What the engine takes for itself, in bytes, fitted to what Linux counts for six shapes: for a
// token of the vocabulary, a tensor, a node of the graphs beyond the least that there is room
// for, a cell of the KV cache, and the rest.
const (
	perToken     = 146
	perTensor    = 2 << 10
	perNode      = 2250
	leastNodes   = 1024
	perCell      = 350
	engineItself = 1750 << 10
)

// engineMemory is what the engine and this package take beside blocks and weights.
func (s *sizer) engineMemory(n need) uint64 {
	vocabulary, err := s.weights.native.VocabSize()
	if err != nil {
		vocabulary = 0 // a model without one
	}
	tensors := uint64(len(s.weights.index.Tensors()))
	spareNodes := max(8*tensors, leastNodes) - leastNodes
	return n.work + engineItself + perToken*uint64(vocabulary) + perTensor*tensors + perNode*spareNodes + perCell*uint64(n.ctx)
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

// wholeUnits is what n bytes take.
func wholeUnits(n uint64) uint64 {
	unit := memory.Granularity()
	return (n + unit - 1) / unit * unit
}

// blockName says what a measured block is, for people: "KV layer 3", "compute".
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

// layerOf reads the layer out of cache_k_l3.
func layerOf(tensor string) (string, bool) {
	i := strings.LastIndex(tensor, "_l")
	if i < 0 || !strings.HasPrefix(tensor, "cache_") {
		return "", false
	}
	return tensor[i+2:], true
}

// engineReserve is what a session leaves to the engine's threads and lists and to the rest of
// the process.
const engineReserve = 24 << 20

// reserve is what is left to the rest of the process and the system when the weights
// are copied: the larger of a fixed sum and a share of what is available.
func reserve(available uint64) uint64 {
	return max(64<<20, available/16)
}

// roomFor tells whether private memory is there, also if page files have to grow for it,
// and the error that names the limit if not.
func roomFor(parts memory.Parts, p probe.Probe) *memory.Error {
	available, limit := p.Possible()
	if parts.Total() <= available {
		return nil
	}
	return parts.Short(available, limit)
}

// growth is by how much page files have to grow for private memory that is granted then.
func growth(bytes uint64, p probe.Probe) uint64 {
	if p.CommitPossibleLeft <= p.CommitLeft {
		return 0
	}
	return bytes - min(bytes, p.CommitLeft)
}

// beforeGrowth says of a limit that it is not the last word.
func beforeGrowth(limit probe.Limit, p probe.Probe) string {
	now, _ := p.Available()
	if possible, _ := p.Possible(); possible > now {
		return string(limit) + ", before page files grow"
	}
	return string(limit)
}

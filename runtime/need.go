package runtime

import (
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
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
func (m *Model) measureContext(p llama.ContextParams, blockSize uintptr) (llama.ContextMemory, error) {
	asked := p.Ctx
	p.Ctx = min(p.Ctx, mostMeasured)
	got, err := m.native.MeasureContext(p, blockSize)
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
func (m *Model) measure(p llama.ContextParams, ubatchGiven bool) (need, error) {
	for {
		size := uintptr(0)
		if m.mode != LoadStock {
			size = m.extra.BlockSize()
		}
		got, err := m.measureContext(p, size)
		if err != nil {
			return need{}, sessionError(engineError(err), p)
		}
		n := need{params: p, blocks: got.Blocks, work: got.Work, ubatch: got.UBatch, ctx: got.Ctx}
		bound := m.maxRange(p)
		largest := n.largest()
		if m.mode == LoadStock || largest.Size <= bound {
			return n, nil
		}
		// A piece of the compute graph is larger than any block may be. It is in
		// proportion to the tokens computed at once.
		if ubatchGiven || p.Embeddings || p.UBatch == 1 {
			tooLarge := &memory.RangeError{Purpose: memory.PurposeCompute, Requested: largest.Size, Limit: bound}
			return n, fmt.Errorf("session with a micro-batch of %d: %w: use a larger chunk size, a smaller micro-batch or a smaller context", p.UBatch, tooLarge)
		}
		p.UBatch = max(p.UBatch/2, 1)
		m.log("lowering the micro-batch", "ubatch", p.UBatch, "largest_block", largest.Size, "bound", bound)
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
func (m *Model) engineMemory(n need) uint64 {
	vocabulary, err := m.native.VocabSize()
	if err != nil {
		vocabulary = 0 // a model without one
	}
	tensors := uint64(len(m.index.Tensors()))
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

// privateWeights are the bytes of weights that are copied: the plan's ranges, and what
// lies there twice because the engine wants it in two layouts. Others are mapped, or on
// devices.
func (m *Model) privateWeights() (uint64, error) {
	if m.mode != LoadCopy {
		return 0, nil
	}
	ws, err := m.native.Weights()
	if err != nil {
		return 0, err
	}
	sum := uint64(0)
	for _, r := range m.plan.Ranges {
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
func (m *Model) stockRepacked(ws []llama.Weight) (bytes uint64) {
	converted := map[string]bool{}
	for _, w := range ws {
		if t, ok := m.index.Tensor(w.Name); ok && w.Kind == llama.WeightRepack && !converted[w.Name] {
			converted[w.Name] = true
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

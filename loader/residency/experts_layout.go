package residency

import (
	"cmp"
	"strings"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
)

// expertTensor is a tensor of a layer that holds one matrix per expert, contiguously.
type expertTensor struct {
	name   string
	kind   int // index into expertLayout.kinds
	file   int
	offset int64     // of the first expert, in the file
	size   uint64    // of an expert, in bytes
	mapped fileRange // of all experts; without an address where the tensor is not mapped
}

// expertKind is what tensors with one name have in common in all layers.
type expertKind struct {
	size   uint64 // of the largest expert, in bytes
	stride uint64 // from one slot to the next, in bytes
}

// expertLayout describes where the experts of a model are in its files.
type expertLayout struct {
	kinds   []expertKind
	layers  [][]expertTensor // by layer; none for those without experts
	experts []int            // of each layer
	used    int              // experts of a layer that a token uses
	order   []int            // of the layers with experts, by layer
	bytes   uint64           // of all tensors
	tokens  int              // of micro-batches, for which work buffers are counted
}

// isExpertTensor reports whether a tensor holds the matrices of a layer's experts.
func isExpertTensor(t gguf.Tensor) bool {
	return layerOf(t.Name) >= 0 && strings.HasSuffix(t.Name, "_exps.weight") && len(t.Shape) == 3 && t.Shape[2] > 1
}

// expertLayoutOf returns the layout of a model's experts. It is nil if the model has none, if tensors
// of a layer differ in the number of experts, or if the metadata does not tell how many a token uses.
// data returns the addresses of mapped tensors; nil: not mapped.
func expertLayoutOf(data tensorAddr, plan *loader.Plan) *expertLayout {
	ix := plan.Index()
	value, _ := ix.Lookup(ix.Architecture() + ".expert_used_count")
	used, ok := value.Uint()
	if !ok || used == 0 {
		return nil
	}
	l := &expertLayout{}
	byName := map[string]int{}
	for i, r := range plan.Ranges {
		for _, t := range r.Tensors {
			if !isExpertTensor(t) {
				continue
			}
			n, count := layerOf(t.Name), int(t.Shape[2])
			for n >= len(l.layers) {
				l.layers, l.experts = append(l.layers, nil), append(l.experts, 0)
			}
			if l.experts[n] != 0 && l.experts[n] != count || used > t.Shape[2] || t.Size%t.Shape[2] != 0 {
				return nil
			}
			l.experts[n] = count
			kind, ok := byName[kindOf(t.Name)]
			if !ok {
				kind = len(l.kinds)
				byName[kindOf(t.Name)] = kind
				l.kinds = append(l.kinds, expertKind{})
			}
			x := expertTensor{name: t.Name, kind: kind, file: t.File, offset: t.Offset, size: t.Size / t.Shape[2]}
			k := &l.kinds[kind]
			k.size = max(k.size, x.size)
			if data != nil {
				begin, size := gguf.Bounds(t, t, space.Granularity())
				if p, _, _ := data(t.Name); p != nil {
					x.mapped = fileRange{p: space.At(p, int64(begin)-t.Offset), mapping: i, file: t.File, offset: int64(begin), size: size}
				}
			}
			l.layers[n] = append(l.layers[n], x)
			l.bytes += t.Size
		}
	}
	if len(l.kinds) == 0 {
		return nil
	}
	for i := range l.kinds {
		// Direct reads are aligned: a slot has room for the bytes before and after the expert.
		l.kinds[i].stride = space.Pad(l.kinds[i].size, files.DirectUnit) + files.DirectUnit
	}
	l.used, l.tokens = int(used), defaultTokens
	l.order = orderOf(l.experts)
	return l
}

// orderOf numbers the layers with experts, given how many each has.
func orderOf(experts []int) (order []int) {
	next := 0
	for _, n := range experts {
		order = append(order, next)
		next += min(n, 1)
	}
	return order
}

// slotBytes returns the memory for one expert: its slot, and its part of the engine's work buffer.
func (l *expertLayout) slotBytes() (sum uint64) {
	for _, k := range l.kinds {
		sum += k.stride
	}
	return sum + uint64(l.used)*rowMapping*uint64(l.tokens)
}

// The engine's work buffer has a list of rows for each slot, with an entry per token and choice.
const (
	rowMapping    = 8   // bytes of an entry
	defaultTokens = 512 // micro-batch
)

// countTokens sets how many tokens are counted, 0: the default. It returns the number before.
func (l *expertLayout) countTokens(n int) (before int) {
	if l == nil {
		return 0
	}
	before, l.tokens = l.tokens, cmp.Or(n, defaultTokens)
	return before
}

// banks divides up to n slots into banks with blocks of at most maxBlock bytes, and returns the number
// of slots that result. Each layer uses one bank.
func (l *expertLayout) banks(n int, maxBlock uint64) (banks, slots int) {
	return l.banksOf(n, l.bankSlots(maxBlock))
}

// bankSlots is how many slots a bank has at most.
func (l *expertLayout) bankSlots(maxBlock uint64) int {
	stride := uint64(0)
	for _, k := range l.kinds {
		stride = max(stride, k.stride)
	}
	return max(int(maxBlock/stride), 1)
}

// banksOf is banks for banks of at most so many slots.
func (l *expertLayout) banksOf(n, most int) (banks, slots int) {
	layers := l.order[len(l.order)-1] + 1
	_, layer := l.counts() // for which there should be slots in each bank
	banks = max(min((n+most-1)/most, layers, n/layer), 1)
	return banks, banks * min(n/banks, most)
}

// layerBlock returns the size of a block with slots for all experts of a layer.
func (l *expertLayout) layerBlock() (size uint64) {
	_, most := l.counts()
	for _, k := range l.kinds {
		size = max(size, uint64(most)*k.stride)
	}
	return size
}

// counts returns the number of experts of all layers, and of the layer with most.
func (l *expertLayout) counts() (all, most int) {
	for _, n := range l.experts {
		all, most = all+n, max(most, n)
	}
	return all, most
}

// tokenExperts returns the number of experts that one token uses, in all layers.
func (l *expertLayout) tokenExperts() (sum int) {
	for _, n := range l.experts {
		sum += min(n, l.used)
	}
	return sum
}

// perToken returns the size of the experts of one token, in bytes.
func (l *expertLayout) perToken() (sum uint64) {
	for _, tensors := range l.layers {
		for _, t := range tensors {
			sum += t.size * uint64(l.used)
		}
	}
	return sum
}

// begin returns the offset of an expert in the file.
func (t expertTensor) begin(expert int) uint64 { return uint64(t.offset) + uint64(expert)*t.size }

// shift returns the offset of an expert in its slot after an aligned read.
func (t expertTensor) shift(expert int) uint64 { return t.begin(expert) % files.DirectUnit }

// inSlot returns the offset of the experts in their slots for the engine. If all have the same shift,
// it is that; otherwise they are moved to the beginning.
func (t expertTensor) inSlot() uint64 {
	if t.size%files.DirectUnit == 0 {
		return t.shift(0)
	}
	return 0
}

// mapped returns the ranges of a layer's expert tensors that are mapped.
func (l *expertLayout) mapped(layer int) (list []fileRange) {
	for _, t := range l.layers[layer] {
		if t.mapped.p != nil {
			list = append(list, t.mapped)
		}
	}
	return list
}

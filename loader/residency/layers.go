package residency

import (
	"strconv"
	"strings"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
)

// maxLayers is the engine's LLAMA_MAX_LAYERS.
const maxLayers = 512

// layerOf returns the layer of a tensor, -1 for a tensor outside layers. Layers of models with
// an encoder and a decoder do not count: they have no single order of evaluation.
func layerOf(name string) int {
	rest, ok := strings.CutPrefix(name, "blk.")
	if !ok {
		return -1
	}
	number, _, ok := strings.Cut(rest, ".")
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > maxLayers {
		return -1
	}
	return n
}

// isSparse reports whether a pass uses only some rows of a tensor, so that these are read on page
// faults instead of the whole tensor. tied: the embeddings are the output head too.
func isSparse(name string, tied bool) bool {
	return name == "token_embd.weight" && !tied || name == "per_layer_token_embd.weight" || strings.HasSuffix(name, "_exps.weight")
}

// fileRange is a range of a file and its address in the mapping, in whole pages.
type fileRange struct {
	p       unsafe.Pointer
	mapping int // index in Plan.Ranges: within one, memory is as contiguous as the file
	file    int
	offset  int64
	size    uint64
}

// layerWeights are the tensors of one layer.
type layerWeights struct {
	tensors     []layerTensor // whole in each pass, in file order
	sparse      []fileRange   // tensors of which a pass uses some rows
	maxResident uint64        // bytes in memory if nothing is streamed
}

// layerTensor is one tensor of a layer.
type layerTensor struct {
	tensor gguf.Tensor
	kind   string // name without the layer
	mapped fileRange
}

// layerBlock is a range of a file that is read into one block of memory. It holds whole tensors
// of one layer; only alignment at its ends adds bytes of others.
type layerBlock struct {
	file    int
	offset  int64
	size    uint64
	tensors []gguf.Tensor
}

// tensorAddr returns the address and size of a tensor, as [loader.Weights.TensorData] does.
type tensorAddr func(name string) (p unsafe.Pointer, size uint64, ok bool)

// layersOf groups tensors by layer; nonLayer are those outside layers. data returns their
// addresses, and is nil if they are not mapped. Tensors of experts are left out, unless experts is
// nil.
func layersOf(data tensorAddr, plan *loader.Plan, experts *expertLayout) (layers []layerWeights, nonLayer layerWeights) {
	tied := true
	for _, r := range plan.Ranges {
		for _, t := range r.Tensors {
			tied = tied && t.Name != "output.weight" && t.Name != gguf.PackedCopy("token_embd.weight")
		}
	}
	for i, r := range plan.Ranges {
		for _, t := range r.Tensors {
			n := layerOf(t.Name)
			for n >= len(layers) { // also of experts alone, beside dense weights on a device
				layers = append(layers, layerWeights{})
			}
			if experts != nil && isExpertTensor(t) {
				continue
			}
			begin, size := gguf.Bounds(t, t, space.Granularity())
			x := fileRange{mapping: i, file: r.File, offset: int64(begin), size: size}
			if data != nil {
				p, _, _ := data(t.Name)
				if p == nil {
					continue
				}
				x.p = space.At(p, int64(begin)-t.Offset)
			}
			l := &nonLayer
			if n >= 0 {
				l = &layers[n]
			}
			if isSparse(t.Name, tied) {
				l.sparse = join(l.sparse, x)
			} else {
				l.tensors = append(l.tensors, layerTensor{t, kindOf(t.Name), x})
			}
		}
	}
	for i := range layers {
		l := &layers[i]
		l.maxResident = l.split(selection{}, 0).residentSize
	}
	nonLayer.maxResident = nonLayer.split(selection{sparse: true}, 0).residentSize // of embeddings a pass uses few rows
	return layers, nonLayer
}

// kindOf returns a tensor's name without its layer.
func kindOf(name string) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(name, "blk."), ".")
	return rest
}

// selection is the set of tensors that are streamed of a streamed layer, by kind.
type selection struct {
	kinds  map[string]bool
	sparse bool // sparse tensors are not resident either
}

// layerSplit is a layer divided by a selection.
type layerSplit struct {
	resident     []fileRange
	streamed     []fileRange
	sparse       []fileRange  // evicted after each evaluation of the layer
	blocks       []layerBlock // streamed, as they are read
	residentSize uint64       // bytes, with sparse tensors that are not evicted
}

// split divides the layer. Blocks have at most maxBlock bytes unless one tensor is larger.
func (l layerWeights) split(sel selection, maxBlock uint64) (p layerSplit) {
	for _, x := range l.tensors {
		if sel.kinds[x.kind] {
			p.streamed = join(p.streamed, x.mapped)
			p.blocks = joinBlock(p.blocks, x.tensor, maxBlock)
		} else {
			p.resident = join(p.resident, x.mapped)
		}
	}
	p.residentSize = sizeOf(p.resident)
	if sel.sparse {
		p.sparse = l.sparse
	} else {
		p.residentSize += sizeOf(l.sparse)
	}
	return p
}

// readSize returns how many bytes of the layer are read for each pass.
func (p layerSplit) readSize() (sum uint64) {
	for _, b := range p.blocks {
		sum += b.size
	}
	return sum
}

// join appends a range to a list in file order; it extends the last one if they touch or overlap.
func join(list []fileRange, x fileRange) []fileRange {
	if n := len(list); n > 0 {
		last := &list[n-1]
		end := last.offset + int64(last.size)
		if last.file == x.file && x.offset >= last.offset && x.offset <= end && last.mapping == x.mapping {
			last.size = max(last.size, uint64(x.offset-last.offset)+x.size)
			return list
		}
	}
	return append(list, x)
}

// joinBlock adds a tensor to the last block if it follows in the file and fits, else it appends a
// block.
func joinBlock(list []layerBlock, t gguf.Tensor, maxBlock uint64) []layerBlock {
	offset, size := gguf.Bounds(t, t, files.DirectUnit)
	if n := len(list); n > 0 {
		last := &list[n-1]
		if _, all := gguf.Bounds(last.tensors[0], t, files.DirectUnit); last.file == t.File && int64(offset) <= last.offset+int64(last.size) && all <= maxBlock {
			last.size = all
			last.tensors = append(last.tensors, t)
			return list
		}
	}
	return append(list, layerBlock{t.File, int64(offset), size, []gguf.Tensor{t}})
}

func sizeOf(list []fileRange) (sum uint64) {
	for _, x := range list {
		sum += x.size
	}
	return sum
}

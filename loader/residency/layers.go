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

// maxLayers is more than the engine has room for.
const maxLayers = 512

// layerOf is the number of the layer that a tensor belongs to, -1 for none. Models with
// an encoder and a decoder have none here: their layers are not used in one order.
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

// isSparse tells whether a pass uses some rows of a tensor only: to be read when they
// are touched, not whole. tied says that the embeddings are the output head too.
func isSparse(name string, tied bool) bool {
	return name == "token_embd.weight" && !tied || name == "per_layer_token_embd.weight" || strings.Contains(name, "_exps.")
}

// fileRange is a piece of a file and where it is mapped, in whole pages.
type fileRange struct {
	p       unsafe.Pointer
	mapping int // a range of the plan: two of one follow each other in memory as in the file
	file    int
	offset  int64
	size    uint64
}

// layerWeights is what one layer has in memory.
type layerWeights struct {
	tensors     []layerTensor // used by every pass, in the order of the files
	sparse      []fileRange   // of which a pass uses some rows
	maxResident uint64        // that it can have in memory
}

// layerTensor is one tensor of a layer.
type layerTensor struct {
	tensor gguf.Tensor
	kind   string // its name without the layer
	mapped fileRange
}

// layerBlock is a piece of a file with whole tensors: what is read into one block of
// memory, with nothing of others but on its edges.
type layerBlock struct {
	file    int
	offset  int64
	size    uint64
	tensors []gguf.Tensor
}

// tensorAddr tells where a tensor is, as [loader.Weights.TensorData] does.
type tensorAddr func(name string) (p unsafe.Pointer, size uint64, ok bool)

// layersOf divides weights by layer; nonLayer is what belongs to none. data is where they are
// mapped, nil if they are not.
func layersOf(data tensorAddr, plan *loader.Plan) (layers []layerWeights, nonLayer layerWeights) {
	tied := true
	for _, r := range plan.Ranges {
		for _, t := range r.Tensors {
			tied = tied && t.Name != "output.weight" && t.Name != gguf.PackedCopy("token_embd.weight")
		}
	}
	for i, r := range plan.Ranges {
		for _, t := range r.Tensors {
			begin, size := gguf.Bounds(t, t, space.Granularity())
			x := fileRange{mapping: i, file: r.File, offset: int64(begin), size: size}
			if data != nil {
				p, _, _ := data(t.Name)
				if p == nil {
					continue
				}
				x.p = space.At(p, int64(begin)-t.Offset)
			}
			n := layerOf(t.Name)
			for n >= len(layers) {
				layers = append(layers, layerWeights{})
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
	nonLayer.maxResident = nonLayer.split(selection{sparse: true}, 0).residentSize // few rows of embeddings are used
	return layers, nonLayer
}

// kindOf is a tensor's name without its layer.
func kindOf(name string) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(name, "blk."), ".")
	return rest
}

// cut is which tensors are streamed of a layer that is, by kind.
type selection struct {
	kinds  map[string]bool
	sparse bool // what a pass uses some rows of goes too
}

// portion is how a cut divides a layer.
type layerSplit struct {
	resident     []fileRange
	streamed     []fileRange
	sparse       []fileRange  // sparse ones, which go when the layer has been used
	blocks       []layerBlock // what goes, as it is read
	residentSize uint64       // bytes that stay, with sparse ones
}

// portion divides the layer, with blocks of at most room bytes where a tensor is not
// larger.
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

// read is how many bytes of the layer are read for a pass.
func (p layerSplit) readSize() (sum uint64) {
	for _, b := range p.blocks {
		sum += b.size
	}
	return sum
}

// join adds a fileRange to a list in file order, to the last one if they touch or overlap.
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

// joinBlock adds a tensor to the last block if it follows there, or begins another.
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

package loader

import (
	"strconv"
	"strings"
	"unsafe"
)

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

// filePiece is a piece of a file and where it is mapped, in whole pages.
type filePiece struct {
	p      unsafe.Pointer
	file   int
	offset int64
	size   uint64
}

// weightLayer is what one layer has in memory.
type weightLayer struct {
	whole  []filePiece // used by every pass
	sparse []filePiece // of which a pass uses some rows
	blocks []layerBlock
	size   uint64 // of whole
	most   uint64 // that it can have in memory
}

// layerBlock is a piece of a file with whole tensors of what every pass uses of a layer:
// what is read into one block of memory, with nothing of other layers but on its edges.
type layerBlock struct {
	file    int
	offset  int64
	size    uint64
	tensors []Tensor
}

// layersOf divides mapped weights by layer, in blocks of at most room bytes where a tensor
// is not larger; head is what belongs to none.
func layersOf(w *Weights, plan *Plan, room uint64) (layers []weightLayer, head weightLayer) {
	tied := true
	for _, r := range plan.Ranges {
		for _, t := range r.Tensors {
			tied = tied && t.Name != "output.weight" && t.Name != packedCopy("token_embd.weight")
		}
	}
	for _, r := range plan.Ranges {
		for _, t := range r.Tensors {
			d := w.data[t.Name]
			if d.p == nil {
				continue
			}
			base := at(d.p, -int64(uint64(t.Offset)-uint64(r.Offset)))
			p, offset, size := pagesOf(r, t, base)
			n := layerOf(t.Name)
			for n >= len(layers) {
				layers = append(layers, weightLayer{})
			}
			l := &head
			if n >= 0 {
				l = &layers[n]
			}
			x := filePiece{p, r.File, offset, size}
			if isSparse(t.Name, tied) {
				l.sparse = join(l.sparse, x)
			} else {
				l.whole = join(l.whole, x)
				l.blocks = joinBlock(l.blocks, t, room)
			}
		}
	}
	for i := range layers {
		l := &layers[i]
		l.size = sizeOf(l.whole)
		l.most = l.size + sizeOf(l.sparse)
	}
	head.size = sizeOf(head.whole)
	head.most = head.size // few rows of embeddings are used
	return layers, head
}

// join adds a filePiece to a list in file order, to the last one if they touch or overlap.
func join(list []filePiece, x filePiece) []filePiece {
	if n := len(list); n > 0 {
		last := &list[n-1]
		end := last.offset + int64(last.size)
		if last.file == x.file && x.offset >= last.offset && x.offset <= end && at(last.p, uint64(x.offset-last.offset)) == x.p {
			last.size = max(last.size, uint64(x.offset-last.offset)+x.size)
			return list
		}
	}
	return append(list, x)
}

// joinBlock adds a tensor to the last block if it follows there, or begins another.
func joinBlock(list []layerBlock, t Tensor, room uint64) []layerBlock {
	offset, size := bounds(t, t, directUnit)
	if n := len(list); n > 0 {
		last := &list[n-1]
		if _, all := bounds(last.tensors[0], t, directUnit); last.file == t.File && int64(offset) <= last.offset+int64(last.size) && all <= room {
			last.size = all
			last.tensors = append(last.tensors, t)
			return list
		}
	}
	return append(list, layerBlock{t.File, int64(offset), size, []Tensor{t}})
}

func sizeOf(list []filePiece) (sum uint64) {
	for _, x := range list {
		sum += x.size
	}
	return sum
}

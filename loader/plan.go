package loader

import (
	"fmt"

	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// PlanOptions are the options of [NewPlan].
type PlanOptions struct {
	// ChunkSize is the largest piece of a file to be mapped or copied at once, in
	// bytes, rounded up to the system's granularity. 0: that of [memory.DefaultChunkSize].
	ChunkSize uint64
}

// Plan is how a model's tensors are divided into chunks and ranges. Sizes are in
// bytes. It is not to be changed, and then safe for concurrent use.
type Plan struct {
	ChunkSize uint64  // a multiple of the granularity
	Chunks    []Chunk // those of a range side by side, in the order of the ranges
	Ranges    []Range // in the order of the files
	Bytes     uint64  // of all tensors, without what lies between them

	LargestChunk      uint64
	LargestRange      uint64 // more than the chunk size only for a tensor that is
	LargestTensor     uint64
	LargestTensorName string

	index *gguf.Index
}

// Chunk is a piece of a file that is mapped, or committed, at once. Offset and size
// are multiples of the granularity, so that a page on which one chunk ends and another
// begins is in both, and the last chunk of a file may reach past its end.
type Chunk struct {
	File   int // as in [gguf.Tensor]
	Offset int64
	Size   uint64 // at most the plan's ChunkSize
	Range  int    // which one it is part of
}

// Range is what has contiguous addresses: one chunk with whole neighbouring tensors,
// or the chunks of one tensor that is larger than a chunk.
type Range struct {
	File    int
	Offset  int64 // of the first chunk
	Size    uint64
	Chunks  int           // number of them, 0 where the tensors have no bytes
	Tensors []gguf.Tensor // with what lies between them
}

// NewPlan divides a model's tensors, in the order of the files, into chunks. It takes no
// memory for them and reads nothing.
func NewPlan(ix *gguf.Index, o PlanOptions) (*Plan, error) {
	if o.ChunkSize > space.MostAddresses {
		return nil, fmt.Errorf("chunk size of %d bytes: more than there are addresses; 0 chooses one", o.ChunkSize)
	}
	chunk := memory.ChunkSize(o.ChunkSize)
	p := planTensors(ix.Tensors(), chunk, space.Payload(chunk), space.Granularity())
	p.index = ix
	return p, nil
}

// Index is the model's.
func (p *Plan) Index() *gguf.Index { return p.index }

// planTensors is NewPlan as a pure function: chunks of whole tensors have at most room
// bytes, offsets and sizes are multiples of unit.
func planTensors(tensors []gguf.Tensor, chunk, room, unit uint64) *Plan {
	p := &Plan{ChunkSize: chunk}
	begin := 0 // of the range that grows
	for i, t := range tensors {
		p.Bytes += t.Size
		if t.Size > p.LargestTensor || p.LargestTensorName == "" {
			p.LargestTensor, p.LargestTensorName = t.Size, t.Name
		}
		if i > begin {
			first := tensors[begin]
			if _, size := gguf.Bounds(first, t, unit); t.File != first.File || size > room {
				p.add(tensors[begin:i], unit)
				begin = i
			}
		}
	}
	if begin < len(tensors) {
		p.add(tensors[begin:], unit)
	}
	return p
}

// add makes a range of neighbouring tensors.
func (p *Plan) add(tensors []gguf.Tensor, unit uint64) {
	offset, size := gguf.Bounds(tensors[0], tensors[len(tensors)-1], unit)
	r := Range{File: tensors[0].File, Offset: int64(offset), Size: size, Tensors: tensors[:len(tensors):len(tensors)]}
	for off := uint64(0); off < size; off += p.ChunkSize {
		c := Chunk{File: r.File, Offset: int64(offset + off), Size: min(p.ChunkSize, size-off), Range: len(p.Ranges)}
		p.LargestChunk = max(p.LargestChunk, c.Size)
		p.Chunks = append(p.Chunks, c)
		r.Chunks++
	}
	p.LargestRange = max(p.LargestRange, size)
	p.Ranges = append(p.Ranges, r)
}

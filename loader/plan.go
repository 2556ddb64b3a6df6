package loader

import (
	"fmt"

	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// PlanOptions are the options of [NewPlan].
type PlanOptions struct {
	// ChunkSize is the most that is mapped or copied at once, in bytes, rounded up to the
	// granularity. 0: [memory.DefaultChunkSize].
	ChunkSize uint64
	// Uses reports whether the engine uses a tensor; the plan leaves out others. nil: all but those
	// of [check.Skipped].
	Uses func(name string) bool
	// Copied returns the bytes that a tensor takes when it is copied, if that is more than in the file.
	// nil: as many as in the file.
	Copied func(name string) uint64
}

// Plan is the division of the tensors that are used of a model into chunks and ranges. Sizes are in bytes. Do not
// change it; it is safe for concurrent reads.
type Plan struct {
	ChunkSize uint64  // a multiple of the granularity
	Chunks    []Chunk // in the order of the ranges, side by side within one
	Ranges    []Range // in the order of the files
	Bytes     uint64  // of the tensors in them, without gaps between those

	LargestChunk      uint64
	LargestRange      uint64 // or its copy; larger than ChunkSize only for a tensor that is larger
	LargestTensor     uint64
	LargestTensorName string

	index *gguf.Index
	grown map[string]uint64 // by how much tensors are larger when they are copied, in bytes
}

// Chunk is a range of a file that is mapped or committed at once. Offset and size are multiples of
// the granularity: a page with the end of one chunk and the beginning of the next is in
// both, and the last chunk may extend past the end of its file.
type Chunk struct {
	File   int // as in [gguf.Tensor]
	Offset int64
	Size   uint64 // at most the plan's ChunkSize
	Range  int    // index in Plan.Ranges
}

// Range has contiguous addresses. It is one chunk with whole neighbouring tensors, or the chunks of
// one tensor that is larger than a chunk.
type Range struct {
	File    int
	Offset  int64 // of the first chunk
	Size    uint64
	Copied  uint64        // bytes of a copy: Size, or more if tensors are larger when they are copied
	Chunks  int           // number of chunks; 0 if the tensors have no bytes
	Tensors []gguf.Tensor // neighbours in the file, in its order
}

// NewPlan divides the tensors that are used of a model into chunks, in file order. It allocates no memory for them and
// reads nothing.
func NewPlan(ix *gguf.Index, o PlanOptions) (*Plan, error) {
	if o.ChunkSize > space.MostAddresses {
		return nil, fmt.Errorf("chunk size of %d bytes exceeds the address space: use a smaller one, or 0 for the default", o.ChunkSize)
	}
	chunk := memory.ChunkSize(o.ChunkSize)
	uses := o.Uses
	if uses == nil {
		skipped := check.Skipped(ix)
		uses = func(name string) bool { return !skipped(name) }
	}
	p := planTensors(ix.Tensors(), uses, o.Copied, chunk, space.Payload(chunk), space.Granularity())
	p.index = ix
	return p, nil
}

// growthUnit keeps the alignment of the tensors after one that is larger when it is copied.
const growthUnit = 64

// grows returns by how much tensors are larger when they are copied.
func grows(tensors []gguf.Tensor, copied func(name string) uint64) map[string]uint64 {
	grown := map[string]uint64{}
	for _, t := range tensors {
		if copied == nil {
			break
		}
		if n := copied(t.Name); n > t.Size {
			grown[t.Name] = (n - t.Size + growthUnit - 1) / growthUnit * growthUnit
		}
	}
	return grown
}

// Index returns the model that the plan was made for.
func (p *Plan) Index() *gguf.Index { return p.index }

// planTensors is NewPlan as a pure function. Chunks of whole tensors have at most payload bytes;
// offsets and sizes are multiples of unit.
func planTensors(tensors []gguf.Tensor, uses func(name string) bool, copied func(name string) uint64, chunk, payload, unit uint64) *Plan {
	p := &Plan{ChunkSize: chunk, grown: grows(tensors, copied)}
	var group []gguf.Tensor // of the current range
	grown := uint64(0)      // by how much its copy is larger
	unused := uint64(0)     // bytes since its last tensor
	for _, t := range tensors {
		if !uses(t.Name) {
			unused += t.Size
			continue
		}
		p.Bytes += t.Size
		if t.Size > p.LargestTensor || p.LargestTensorName == "" {
			p.LargestTensor, p.LargestTensorName = t.Size, t.Name
		}
		if len(group) > 0 {
			_, size := gguf.Bounds(group[0], t, unit)
			if t.File != group[0].File || size+grown+p.grown[t.Name] > payload || unused >= unit {
				p.add(group, grown, unit)
				group, grown = nil, 0
			}
		}
		group, grown, unused = append(group, t), grown+p.grown[t.Name], 0
	}
	if len(group) > 0 {
		p.add(group, grown, unit)
	}
	return p
}

// add appends a range of neighbouring tensors, whose copy is larger by grown bytes.
func (p *Plan) add(tensors []gguf.Tensor, grown, unit uint64) {
	offset, size := gguf.Bounds(tensors[0], tensors[len(tensors)-1], unit)
	r := Range{File: tensors[0].File, Offset: int64(offset), Size: size, Copied: size, Tensors: tensors}
	if grown > 0 {
		r.Copied = (size + grown + unit - 1) / unit * unit
	}
	for off := uint64(0); off < size; off += p.ChunkSize {
		c := Chunk{File: r.File, Offset: int64(offset + off), Size: min(p.ChunkSize, size-off), Range: len(p.Ranges)}
		p.LargestChunk = max(p.LargestChunk, c.Size)
		p.Chunks = append(p.Chunks, c)
		r.Chunks++
	}
	p.LargestRange = max(p.LargestRange, r.Copied)
	p.Ranges = append(p.Ranges, r)
}

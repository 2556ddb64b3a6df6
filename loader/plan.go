package loader

import "fmt"

// mostDefaultChunk is the chunk size where memory is plenty: large enough that there
// are few mappings, small enough to fit holes.
const mostDefaultChunk = 256 << 20

// DefaultChunkSize is the chunk size where none is asked for, in bytes: the lesser of
// 256 MiB and half the largest free block, rounded down to the system's granularity,
// of which it is one unit at least.
func DefaultChunkSize(p Probe) uint64 {
	size := min(mostDefaultChunk, p.LargestFreeBlock/2)
	return max(size&^(granularity()-1), granularity())
}

// chunkSize makes a chunk size of what was asked for.
func chunkSize(size uint64) uint64 {
	if size > 0 {
		return roundUp(min(size, mostAddresses))
	}
	p, err := Measure()
	if err != nil {
		return mostDefaultChunk
	}
	return DefaultChunkSize(p)
}

// PlanOptions are the options of [Index.Plan].
type PlanOptions struct {
	// ChunkSize is the largest piece of a file to be mapped or copied at once, in
	// bytes, rounded up to the system's granularity. 0: that of [DefaultChunkSize].
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

	index *Index
}

// Chunk is a piece of a file that is mapped, or committed, at once. Offset and size
// are multiples of the granularity, so that a page on which one chunk ends and another
// begins is in both, and the last chunk of a file may reach past its end.
type Chunk struct {
	File   int // as in [Tensor]
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
	Chunks  int      // number of them, 0 where the tensors have no bytes
	Tensors []Tensor // with what lies between them
}

// Plan divides the tensors, in the order of the files, into chunks. It takes no
// memory for them and reads nothing.
func (ix *Index) Plan(o PlanOptions) (*Plan, error) {
	if o.ChunkSize > mostAddresses {
		return nil, fmt.Errorf("chunk size of %d bytes: more than there are addresses; 0 chooses one", o.ChunkSize)
	}
	chunk := chunkSize(o.ChunkSize)
	p := planTensors(ix.tensors, chunk, room(chunk), granularity())
	p.index = ix
	return p, nil
}

// planTensors is Plan as a pure function: chunks of whole tensors have at most room
// bytes, offsets and sizes are multiples of unit.
func planTensors(tensors []Tensor, chunk, room, unit uint64) *Plan {
	p := &Plan{ChunkSize: chunk}
	begin := 0 // of the range that grows
	for i, t := range tensors {
		p.Bytes += t.Size
		if t.Size > p.LargestTensor || p.LargestTensorName == "" {
			p.LargestTensor, p.LargestTensorName = t.Size, t.Name
		}
		if i > begin {
			first := tensors[begin]
			if _, size := bounds(first, t, unit); t.File != first.File || size > room {
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

// bounds is what a range from the first to the last tensor covers of their file.
func bounds(first, last Tensor, unit uint64) (offset, size uint64) {
	offset = uint64(first.Offset) &^ (unit - 1)
	if end := uint64(last.Offset) + last.Size; end > uint64(first.Offset) {
		size = pad(end, unit) - offset
	}
	return offset, size
}

// add makes a range of neighbouring tensors.
func (p *Plan) add(tensors []Tensor, unit uint64) {
	offset, size := bounds(tensors[0], tensors[len(tensors)-1], unit)
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

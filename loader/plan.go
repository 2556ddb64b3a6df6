package loader

import "fmt"

// DefaultChunkSize is the chunk size where nothing speaks for another, in bytes.
const DefaultChunkSize = 256 << 20

// PlanOptions are the options of [Index.Plan].
type PlanOptions struct {
	// ChunkSize is the largest piece of a file to be mapped or copied at once, in
	// bytes, rounded up to the system's granularity. 0: [DefaultChunkSize], or half
	// the largest free block where that is less.
	ChunkSize uint64
}

// Plan is how a model's tensors are divided into chunks. It is immutable.
type Plan struct {
	ChunkSize uint64 // bytes, a multiple of the granularity
	Chunks    []Chunk
	Ranges    []Range
	Bytes     uint64 // of all tensors

	LargestChunk      uint64
	LargestRange      uint64
	LargestTensor     uint64
	LargestTensorName string
}

// Chunk is a piece of a file that is mapped or copied at once. Its offset and size are
// multiples of the granularity, except that a file's last chunk may reach past its end.
type Chunk struct {
	File   int
	Offset int64
	Size   uint64
	Range  int // that it is part of
}

// Range is what has contiguous addresses: one chunk with whole tensors, or the chunks
// of one tensor that is larger than a chunk.
type Range struct {
	File    int
	Offset  int64 // of the first chunk
	Size    uint64
	Chunks  int // number of them
	Tensors []Tensor
}

// Plan groups the tensors, in the order of the files, into chunks.
func (ix *Index) Plan(o PlanOptions) (*Plan, error) {
	size := o.ChunkSize
	if size == 0 {
		size = DefaultChunkSize
		if p, err := Measure(); err == nil && p.LargestFreeBlock/2 < size {
			size = p.LargestFreeBlock / 2
		}
	}
	if size > 1<<62 {
		return nil, fmt.Errorf("chunk size of %d bytes: more than there are addresses", size)
	}
	return planTensors(ix.tensors, roundUp(max(size, 1)), granularity()), nil
}

// planTensors is Plan as a pure function.
func planTensors(tensors []Tensor, chunk, unit uint64) *Plan {
	p := &Plan{ChunkSize: chunk}
	var open []Tensor // of the range that grows
	flush := func() {
		if len(open) > 0 {
			p.add(open, unit)
			open = nil
		}
	}
	for _, t := range tensors {
		p.Bytes += t.Size
		if t.Size > p.LargestTensor {
			p.LargestTensor, p.LargestTensorName = t.Size, t.Name
		}
		if len(open) > 0 {
			start := uint64(open[0].Offset) &^ (unit - 1)
			if t.File != open[0].File || pad(uint64(t.Offset)+t.Size, unit)-start > chunk {
				flush()
			}
		}
		open = append(open, t)
	}
	flush()
	return p
}

// add makes a range of neighbouring tensors.
func (p *Plan) add(tensors []Tensor, unit uint64) {
	first, last := tensors[0], tensors[len(tensors)-1]
	start := uint64(first.Offset) &^ (unit - 1)
	size := pad(uint64(last.Offset)+last.Size, unit) - start
	r := Range{File: first.File, Offset: int64(start), Size: size, Tensors: tensors}
	for off := uint64(0); off < size; off += p.ChunkSize {
		c := Chunk{File: first.File, Offset: int64(start + off), Size: min(p.ChunkSize, size-off), Range: len(p.Ranges)}
		p.LargestChunk = max(p.LargestChunk, c.Size)
		p.Chunks = append(p.Chunks, c)
		r.Chunks++
	}
	p.LargestRange = max(p.LargestRange, size)
	p.Ranges = append(p.Ranges, r)
}

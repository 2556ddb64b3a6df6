package loader

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// layout places tensors of these sizes one behind the other, each aligned to 32 bytes,
// in the files of the given numbers.
func layout(start int64, files []int, sizes ...uint64) (tensors []gguf.Tensor) {
	off, file := start, 0
	for i, size := range sizes {
		if files != nil && files[i] != file {
			off, file = start, files[i]
		}
		tensors = append(tensors, gguf.Tensor{Name: fmt.Sprintf("t%d", i), File: file, Offset: off, Size: size})
		off += int64(space.Pad(size, 32))
	}
	return tensors
}

func TestPlans(t *testing.T) {
	const unit, chunk = 4096, 64 * spacetest.KiB
	for _, tt := range []struct {
		name    string
		tensors []gguf.Tensor
		chunk   uint64
		room    uint64
		ranges  []int    // number of tensors of each
		chunks  []uint64 // sizes
	}{
		{"no tensors, no chunks", nil, chunk, chunk, nil, nil},
		{"neighbours share a chunk", layout(96, nil, 100, 200, 300), chunk, chunk, []int{3}, []uint64{4096}},
		{"a chunk is as full as it can be", layout(0, nil, 32*spacetest.KiB, 32*spacetest.KiB, 32), chunk, chunk, []int{2, 1}, []uint64{chunk, 4096}},
		{"what guards take is left free", layout(0, nil, 32*spacetest.KiB, 32*spacetest.KiB, 32), chunk, chunk - 8192, []int{1, 2}, []uint64{32 * spacetest.KiB, 36 * spacetest.KiB}},
		{"a page that two chunks share is in both", layout(96, nil, 60*spacetest.KiB, 60*spacetest.KiB), chunk, chunk, []int{1, 1}, []uint64{chunk, chunk}},
		{"a tensor that is larger has a range of its own", layout(96, nil, 10, 200*spacetest.KiB, 10), chunk, chunk, []int{1, 1, 1}, []uint64{4096, chunk, chunk, chunk, 12 * spacetest.KiB, 4096}},
		{"chunks of one page hold what fits and split the rest", layout(0, nil, 4096, 4096, 8192, 100), 4096, 4096, []int{1, 1, 1, 1}, []uint64{4096, 4096, 4096, 4096, 4096}},
		{"a chunk never spans files", layout(96, []int{0, 0, 1, 1, 2}, 100, 100, 100, 100, 100), chunk, chunk, []int{2, 2, 1}, []uint64{4096, 4096, 4096}},
		{"a small gap stays inside", []gguf.Tensor{{Name: "a", Offset: 0, Size: 10}, {Name: "b", Offset: 40000, Size: 10}}, chunk, chunk, []int{2}, []uint64{40 * spacetest.KiB}},
		{"a gap larger than a chunk is not mapped", []gguf.Tensor{{Name: "a", Offset: 0, Size: 10}, {Name: "b", Offset: 1 << 30, Size: 10}}, chunk, chunk, []int{1, 1}, []uint64{4096, 4096}},
		{"tensors without bytes take none", []gguf.Tensor{{Name: "a", Offset: 4096}, {Name: "b", Offset: 4096}}, chunk, chunk, []int{2}, nil},
		{"nor do they beside others", []gguf.Tensor{{Name: "a", Offset: 4096, Size: 4096}, {Name: "b", Offset: 8192}}, chunk, chunk, []int{2}, []uint64{4096}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planTensors(tt.tensors, all, nil, tt.chunk, tt.room, unit)
			checkPlan(t, p, tt.tensors, unit)
			if len(p.Ranges) != len(tt.ranges) || len(p.Chunks) != len(tt.chunks) {
				t.Fatalf("ranges %+v, chunks %+v, want %v, %v", p.Ranges, p.Chunks, tt.ranges, tt.chunks)
			}
			for i, r := range p.Ranges {
				if len(r.Tensors) != tt.ranges[i] {
					t.Errorf("range %d has %d tensors, want %d", i, len(r.Tensors), tt.ranges[i])
				}
			}
			for i, c := range p.Chunks {
				if c.Size != tt.chunks[i] {
					t.Errorf("chunk %d is of %d bytes, want %d", i, c.Size, tt.chunks[i])
				}
			}
		})
	}
}

func TestAnyPlanKeepsTheBound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		unit := uint64(4096) << (r.IntN(2) * 4)
		chunk := unit * (1 + r.Uint64N(64))
		var sizes []uint64
		var files []int
		for file := range 1 + r.IntN(3) {
			for range 1 + r.IntN(40) {
				sizes = append(sizes, 1+r.Uint64N(1<<r.IntN(24)))
				files = append(files, file)
			}
		}
		tensors := layout(int64(32*r.IntN(10000)), files, sizes...)
		checkPlan(t, planTensors(tensors, all, nil, chunk, max(unit, chunk-unit), unit), tensors, unit)
	}
}

func all(string) bool { return true }

// Tensors that are not used are in no range. Of those within one, less than a page is lost.
func TestPlansWithoutTensorsThatAreNotUsed(t *testing.T) {
	const unit, chunk = 4096, 64 * spacetest.KiB
	tensors := layout(0, nil, 100, 32, 4096, 4096, 200, 300)
	for _, tt := range []struct {
		name   string
		unused string
		ranges [][]string
	}{
		{"none", "", [][]string{{"t0", "t1", "t2", "t3", "t4", "t5"}}},
		{"a small one between others", "t1", [][]string{{"t0", "t2", "t3", "t4", "t5"}}},
		{"a page between others", "t3", [][]string{{"t0", "t1", "t2"}, {"t4", "t5"}}},
		{"the first and the last", "t0 t5", [][]string{{"t1", "t2", "t3", "t4"}}},
		{"all", "t0 t1 t2 t3 t4 t5", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			uses := func(name string) bool { return !strings.Contains(tt.unused, name) }
			p := planTensors(tensors, uses, nil, chunk, chunk, unit)
			var used []gguf.Tensor
			for _, x := range tensors {
				if uses(x.Name) {
					used = append(used, x)
				}
			}
			checkPlan(t, p, used, unit)
			var ranges [][]string
			for _, r := range p.Ranges {
				var names []string
				for _, x := range r.Tensors {
					names = append(names, x.Name)
				}
				ranges = append(ranges, names)
			}
			if !reflect.DeepEqual(ranges, tt.ranges) {
				t.Errorf("ranges %v, want %v", ranges, tt.ranges)
			}
		})
	}
}

// checkPlan checks what must hold for every plan.
func checkPlan(t *testing.T, p *Plan, tensors []gguf.Tensor, unit uint64) {
	t.Helper()
	var seen []gguf.Tensor
	var bytes, largestTensor, largestChunk, largestRange uint64
	chunks := p.Chunks
	for i, r := range p.Ranges {
		off := r.Offset
		for _, c := range chunks[:r.Chunks] {
			if c.File != r.File || c.Range != i || c.Offset != off || c.Size == 0 {
				t.Fatalf("range %+v: chunk %+v does not continue it", r, c)
			}
			if c.Size > p.ChunkSize || c.Size%unit != 0 || uint64(c.Offset)%unit != 0 {
				t.Fatalf("chunk %+v of a plan in chunks of %d", c, p.ChunkSize)
			}
			largestChunk = max(largestChunk, c.Size)
			off += int64(c.Size)
		}
		chunks = chunks[r.Chunks:]
		if r.Size != uint64(off-r.Offset) {
			t.Fatalf("range %+v is not the sum of its chunks", r)
		}
		if len(r.Tensors) > 1 && r.Chunks > 1 {
			t.Fatalf("range %+v has several tensors in several chunks", r)
		}
		if len(r.Tensors) == 1 && r.Size >= r.Tensors[0].Size+2*unit {
			t.Fatalf("range %+v is larger than its tensor", r)
		}
		for _, x := range r.Tensors {
			if x.Size > 0 && (x.File != r.File || x.Offset < r.Offset || uint64(x.Offset)+x.Size > uint64(r.Offset)+r.Size) {
				t.Fatalf("tensor %+v is not within its range %+v", x, r)
			}
			bytes += x.Size
			largestTensor = max(largestTensor, x.Size)
		}
		largestRange = max(largestRange, r.Size)
		seen = append(seen, r.Tensors...)
	}
	if len(chunks) > 0 || len(seen) != len(tensors) {
		t.Fatalf("%d chunks are of no range, %d of %d tensors have one", len(chunks), len(seen), len(tensors))
	}
	for i := range seen {
		if seen[i].Name != tensors[i].Name {
			t.Fatalf("tensor %s where %s is next in the file", seen[i].Name, tensors[i].Name)
		}
	}
	if p.Bytes != bytes || p.LargestTensor != largestTensor || p.LargestChunk != largestChunk || p.LargestRange != largestRange {
		t.Fatalf("%+v does not add up", p)
	}
}

func TestChunkSizes(t *testing.T) {
	ix := modeltest.Model(t, []uint64{100})
	unit := space.Granularity()
	for _, tt := range []struct {
		name      string
		ask, want uint64
	}{
		{"a byte is a granule", 1, unit},
		{"a granule is one", unit, unit},
		{"a byte more is rounded up", unit + 1, 2 * unit},
		{"what is asked for is not bounded", 1 << 40, 1 << 40},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p := mustPlan(t, ix, tt.ask); p.ChunkSize != tt.want {
				t.Errorf("chunks of %d, want %d", p.ChunkSize, tt.want)
			}
		})
	}
	if _, err := NewPlan(ix, PlanOptions{ChunkSize: 1<<64 - 1}); err == nil {
		t.Error("a chunk size that there can't be is planned with")
	}
	for _, tt := range []struct {
		name       string
		free, want uint64
	}{
		{"plenty", 1 << 40, 256 * spacetest.MiB},
		{"no limit known", probe.Unlimited, 256 * spacetest.MiB},
		{"half of what there is", 300 * spacetest.MiB, 150 * spacetest.MiB},
		{"rounded down", 200*spacetest.MiB + 2*unit + 10, 100*spacetest.MiB + unit},
		{"nothing is a granule", 0, unit},
	} {
		t.Run("default: "+tt.name, func(t *testing.T) {
			if got := memory.DefaultChunkSize(probe.Probe{LargestFreeBlock: tt.free}); got != tt.want {
				t.Errorf("chunks of %d, want %d", got, tt.want)
			}
		})
	}
}

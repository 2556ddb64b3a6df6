package loader_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

func TestMain(m *testing.M) {
	os.Exit(memtest.Main(m, memtest.Children{"limited": childLimited, "carved": childCarved, "mappings": childMappings, "pool": childPool, "confirm": childConfirm}))
}

// weightsFile writes a model of tensors of these sizes.
func weightsFile(t *testing.T, sizes ...uint64) string {
	t.Helper()
	var w gguf.Writer
	for i, size := range sizes {
		w.AddTensor(fmt.Sprintf("t%d", i), gguf.TypeI8, size)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	header, err := w.WriteHeader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(header + int64(w.DataBytes())); err != nil {
		t.Fatal(err)
	}
	return path
}

// loadBy loads weights in one of two ways.
func loadBy(mode string, ix *gguf.Index, chunk uint64, l *memory.Ledger) (*loader.Weights, *loader.Plan, error) {
	plan, err := loader.NewPlan(ix, loader.PlanOptions{ChunkSize: chunk})
	if err != nil {
		return nil, nil, err
	}
	var w *loader.Weights
	if mode == "copy" {
		w, err = loader.CopyWeights(context.Background(), ix, plan, loader.CopyOptions{
			Ledger: l, Arena: memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize, Ledger: l, Retry: -1}),
		})
	} else {
		w, err = loader.MapWeights(context.Background(), ix, plan, loader.MapOptions{Ledger: l, Prefetch: true})
	}
	return w, plan, err
}

// A file's large pages can be mapped as such only at addresses that agree with the file's
// offsets. Without them, generating takes half as long again on some machines.
func TestMappingsAgreeWithLargePages(t *testing.T) {
	ix := modeltest.Open(t, weightsFile(t, 100_000, 9<<20, 8<<20, 7<<20))
	plan, err := loader.NewPlan(ix, loader.PlanOptions{ChunkSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w, err := loader.MapWeights(t.Context(), ix, plan, loader.MapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, r := range plan.Ranges {
		x := r.Tensors[0]
		p, _, _ := w.TensorData(x.Name)
		if addr := uintptr(p); (uint64(addr)-uint64(x.Offset))%(2<<20) != 0 {
			t.Errorf("%s at %d of the file is mapped at %x", x.Name, x.Offset, addr)
		}
	}
}

// The kernel's figures of the process's address space equal the ledger's.
func TestMappingsOfTheProcessKeepTheBound(t *testing.T) {
	sizes := []uint64{100}
	for range 30 {
		sizes = append(sizes, 300_000, 100, 70_000)
	}
	sizes = append(sizes, 3<<20+12345, 5<<20, 77)
	path := weightsFile(t, sizes...)
	for _, chunk := range []uint64{64 << 10, 1 << 20} {
		for _, mode := range []string{"mmap", "copy"} {
			t.Run(fmt.Sprintf("%s in %s", mode, words.Size(chunk)), func(t *testing.T) {
				ix := modeltest.Open(t, path)
				before, err := memtest.Maps(0)
				memtest.Need(t, err)
				var l memory.Ledger
				w, plan, err := loadBy(mode, ix, chunk, &l)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				after, err := memtest.Maps(0)
				memtest.Need(t, err)

				// Neighbours in a range may be one region to the kernel, as pieces of one
				// tensor are; separate ranges may not.
				page := uint64(os.Getpagesize())
				bound := max(chunk, plan.LargestTensor+2*page)
				if plan.LargestRange > bound || plan.LargestChunk > chunk {
					t.Errorf("planned: chunks of up to %d, ranges of up to %d", plan.LargestChunk, plan.LargestRange)
				}
				begins := map[uint64]uint64{} // of ranges
				for _, r := range plan.Ranges {
					p, _, ok := w.TensorData(r.Tensors[0].Name)
					if !ok {
						t.Fatal(r.Tensors[0].Name)
					}
					begins[uint64(uintptr(p))-uint64(r.Tensors[0].Offset-r.Offset)] = r.Size
				}
				var total uint64
				for _, region := range after {
					if size, ok := begins[region.Start]; ok && region.Accessible() {
						if region.Size() != size {
							t.Errorf("region %+v begins a range of %d bytes", region, size)
						}
						if mode == "mmap" && (region.Path != path || region.Perms != "r--s") {
							t.Errorf("region %+v is not a shared mapping of the file to read", region)
						}
						if mode == "copy" && (region.Inode != 0 || region.Perms != "rw-p") {
							t.Errorf("region %+v is not private memory", region)
						}
						total += region.Size()
						delete(begins, region.Start)
					}
				}
				if len(begins) > 0 {
					t.Errorf("%d ranges are not regions of their own", len(begins))
				}
				u := l.Snapshot().Of(memory.PurposeWeights)
				if u.Current != total || u.LargestAllocation != plan.LargestChunk || u.LargestRange != plan.LargestRange || u.Count != len(plan.Chunks) {
					t.Errorf("ledger %+v, the kernel has %d bytes", u, total)
				}
				if mode == "mmap" {
					mine := memtest.NewSince(before, after)
					if r := memtest.LargestRange(mine, memtest.OfFile(path)); r.Size() != plan.LargestRange {
						t.Errorf("the largest range of the file is %d, planned %d", r.Size(), plan.LargestRange)
					}
				}
			})
		}
	}
}

// limitedArgs are a child's: the file, the mode and the chunk size.
func limitedArgs(args []string) (ix *gguf.Index, mode string, chunk uint64) {
	ix, err := loader.OpenWith(args[0], loader.OpenOptions{SkipModel: true})
	if err != nil {
		panic(err)
	}
	chunk, err = strconv.ParseUint(args[2], 10, 64)
	if err != nil {
		panic(err)
	}
	return ix, args[1], chunk
}

// outcome prints what a load came to: "ok", or which limit refused.
func outcome(w *loader.Weights, l *memory.Ledger, err error) int {
	var e *memory.Error
	switch {
	case err == nil:
		w.Close()
		fmt.Println("ok")
	case errors.As(err, &e):
		fmt.Printf("%s %s\n", e.Limit, e.Purpose)
	default:
		fmt.Println(err)
	}
	if u := l.Snapshot().Total; u.Current != 0 || u.Count != 0 {
		fmt.Println("left behind:", u)
	}
	return 0
}

// childLimited has 64 MiB of addresses, or of data, more than it has.
func childLimited(args []string) int {
	ix, mode, chunk := limitedArgs(args)
	l := memtest.Limits{Headroom: true}
	if args[3] == "data" {
		l.Data = 64 << 20
	} else {
		l.AddressSpace = 64 << 20
	}
	growHeap()
	memtest.StartThreads(16)
	if err := memtest.SetLimits(l); err != nil {
		fmt.Println("unsupported:", err)
		return 0
	}
	var ledger memory.Ledger
	w, _, err := loadBy(mode, ix, chunk, &ledger)
	return outcome(w, &ledger, err)
}

// childCarved has an address space in which no hole is larger than 4 MiB.
func childCarved(args []string) int {
	ix, mode, chunk := limitedArgs(args)
	memtest.StartThreads(16)
	if _, err := memtest.Carve(memtest.CarveOptions{HoleSize: 4 << 20, Holes: 64}); err != nil {
		fmt.Println("unsupported:", err)
		return 0
	}
	var ledger memory.Ledger
	w, _, err := loadBy(mode, ix, chunk, &ledger)
	return outcome(w, &ledger, err)
}

// childMappings takes nearly all mappings there are, before it loads: some 1,000 must
// stay for the process itself.
func childMappings(args []string) int {
	ix, mode, chunk := limitedArgs(args)
	p, err := probe.Measure()
	if err != nil || p.MappingsLeft > 1<<20 {
		fmt.Println("unsupported: mappings", p.MappingsLeft, err)
		return 0
	}
	blocks := memory.NewArena(memory.ArenaOptions{ChunkSize: 1, Retry: -1})
	for range p.MappingsLeft/2 - 560 {
		if _, err := blocks.AllocBlock(memory.PurposePool, 1); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	var ledger memory.Ledger
	w, _, err := loadBy(mode, ix, chunk, &ledger)
	return outcome(w, &ledger, err)
}

// With real limits of processes: models that fit are loaded, others are refused with the limit's
// name, and leave nothing allocated.
func TestLimitedProcesses(t *testing.T) {
	memtest.WithoutRace(t)
	small := weightsFile(t, 1<<20, 2<<20, 3<<20, 1<<20)
	large := weightsFile(t, 1<<20, 96<<20, 1<<20)
	many := make([]uint64, 200)
	for i := range many {
		many[i] = 4096 - 32
	}
	pages := weightsFile(t, many...)
	const address, data, hole, mappings = "address space limit (RLIMIT_AS)", "data limit (RLIMIT_DATA)", "address space (largest hole)", "mappings (vm.max_map_count)"
	for _, tt := range []struct {
		name  string
		child string
		args  []string
		want  string
	}{
		{"few addresses, a small model mapped", "limited", []string{small, "mmap", "1048576", "as"}, "ok"},
		{"few addresses, a small model copied", "limited", []string{small, "copy", "1048576", "as"}, "ok"},
		{"few addresses, a large model mapped", "limited", []string{large, "mmap", "1048576", "as"}, address + " weights"},
		{"few addresses, a large model copied", "limited", []string{large, "copy", "1048576", "as"}, address + " weights"},
		{"little data, a large model mapped", "limited", []string{large, "mmap", "1048576", "data"}, "ok"},
		{"little data, a large model copied in one piece", "limited", []string{large, "copy", "1073741824", "data"}, data + " weights"},
		{"little data, a small model copied", "limited", []string{small, "copy", "1048576", "data"}, "ok"},
		{"holes, chunks that fit, mapped", "carved", []string{small, "mmap", "1048576"}, "ok"},
		{"holes, chunks that fit, copied", "carved", []string{small, "copy", "1048576"}, "ok"},
		{"holes, the whole at once, mapped", "carved", []string{small, "mmap", "1073741824"}, hole + " weights"},
		{"holes, the whole at once, copied", "carved", []string{small, "copy", "1073741824"}, hole + " weights"},
		{"few mappings, small chunks, mapped", "mappings", []string{pages, "mmap", "1"}, mappings + " weights"},
		{"few mappings, small chunks, copied", "mappings", []string{pages, "copy", "1"}, mappings + " weights"},
		{"few mappings, large chunks, mapped", "mappings", []string{pages, "mmap", "1048576"}, "ok"},
		{"few mappings, large chunks, copied", "mappings", []string{pages, "copy", "1048576"}, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, err := memtest.Run(t.Context(), memtest.Child(tt.child, tt.args...), memtest.Limits{})
			memtest.Need(t, err)
			got := string(res.Stdout)
			if len(got) > 11 && got[:11] == "unsupported" {
				t.Skip(got)
			}
			if res.Code != 0 || got != tt.want+"\n" {
				t.Errorf("got %q, want %q\n%s", got, tt.want, res.Stderr)
			}
		})
	}
}

package loader

import (
	"fmt"
	"testing"
)

func BenchmarkPlan(b *testing.B) {
	var sizes []uint64
	for range 1 << 16 {
		sizes = append(sizes, 4096, 1<<20, 100)
	}
	tensors := layout(4096, nil, sizes...)
	for _, chunk := range []uint64{64 * kib, 256 * mib} {
		b.Run(Size(chunk), func(b *testing.B) {
			for b.Loop() {
				planTensors(tensors, chunk, room(chunk), granularity())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(tensors)), "ns/tensor")
		})
	}
}

// BenchmarkLoad loads 256 MiB that are in the page cache.
func BenchmarkLoad(b *testing.B) {
	sizes := make([]uint64, 64)
	for i := range sizes {
		sizes[i] = 4 * mib
	}
	ix := testModel(b, sizes)
	for _, chunk := range []uint64{1 * mib, 16 * mib, 256 * mib} {
		plan := mustPlan(b, ix, chunk)
		for _, way := range loads {
			b.Run(fmt.Sprintf("%s in %s", way.name, Size(chunk)), func(b *testing.B) {
				b.SetBytes(int64(plan.Bytes))
				for b.Loop() {
					w, err := way.load(b.Context(), ix, plan, realSystem, nil, nil)
					if err != nil {
						b.Fatal(err)
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

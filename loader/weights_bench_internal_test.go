package loader

import (
	"fmt"
	"testing"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
)

func BenchmarkPlan(b *testing.B) {
	var sizes []uint64
	for range 1 << 16 {
		sizes = append(sizes, 4096, 1<<20, 100)
	}
	tensors := layout(4096, nil, sizes...)
	for _, chunk := range []uint64{64 * spacetest.KiB, 256 * spacetest.MiB} {
		b.Run(words.Size(chunk), func(b *testing.B) {
			for b.Loop() {
				planTensors(tensors, all, nil, chunk, space.Payload(chunk), space.Granularity())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(tensors)), "ns/tensor")
		})
	}
}

// BenchmarkLoad loads 256 MiB that are in the page cache.
func BenchmarkLoad(b *testing.B) {
	sizes := make([]uint64, 64)
	for i := range sizes {
		sizes[i] = 4 * spacetest.MiB
	}
	ix := modeltest.Model(b, sizes)
	for _, chunk := range []uint64{1 * spacetest.MiB, 16 * spacetest.MiB, 256 * spacetest.MiB} {
		plan := mustPlan(b, ix, chunk)
		for _, way := range loads {
			b.Run(fmt.Sprintf("%s in %s", way.name, words.Size(chunk)), func(b *testing.B) {
				b.SetBytes(int64(plan.Bytes))
				for b.Loop() {
					w, err := way.load(b.Context(), ix, plan, space.RealSystem, nil, nil)
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

package residency

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// Reads the experts that a layer misses: three matrices each, at three places of the file, and as one
// read of the same size. It writes a file of 1 GiB.
func BenchmarkThreeReadsOfAnExpertOrOne(b *testing.B) {
	if testing.Short() {
		b.Skip("writes a file of 1 GiB")
	}
	const size = 1 << 30
	var w gguf.Writer
	w.Add("general.architecture", gguf.StringValue("made"))
	w.AddTensor("experts", gguf.TypeI8, 1<<20, size>>20)
	path := filepath.Join(b.TempDir(), "experts.gguf")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := w.WriteHeader(f); err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 4<<20)
	for range size / len(block) {
		_, _ = rand.Read(block)
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	ix, err := gguf.Open(path, gguf.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer ix.Close()
	const mostMisses, largest = 8, 864 << 10
	arena := memory.NewArena(memory.ArenaOptions{})
	defer arena.Close()
	p, err := arena.AllocFilled(memory.PurposeWeights, mostMisses*3*largest)
	if err != nil {
		b.Fatal(err)
	}
	r := newReader(ix)
	defer r.close()
	third := int64(size/3) &^ (files.DirectUnit - 1)
	for _, slice := range []uint64{64 << 10, 432 << 10, largest} {
		for _, misses := range []int{1, 3, mostMisses} {
			for _, reads := range []int64{3, 1} {
				b.Run(fmt.Sprintf("%dKiB/misses=%d/reads=%d", slice>>10, misses, reads), func(b *testing.B) {
					b.SetBytes(int64(misses) * 3 * int64(slice))
					for b.Loop() {
						var list []request
						each := 3 * slice / uint64(reads)
						for range misses {
							at := mathrand.Int64N(third-3*largest) &^ (files.DirectUnit - 1)
							for k := range reads {
								list = append(list, request{offset: at + k*third, size: each, p: space.At(p, uint64(len(list))*each)})
							}
						}
						if err := r.read(b.Context(), list); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

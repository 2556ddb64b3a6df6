package loader_test

import (
	"fmt"

	"github.com/seed7adf6694/infer/loader"
)

func ExampleNewPool() {
	var ledger loader.Ledger
	pool, err := loader.NewPool(64<<20, loader.PoolOptions{SegmentSize: 16 << 20, Ledger: &ledger})
	if err != nil {
		fmt.Println(err) // a *MemoryError says which limit refused, and what would help
		return
	}
	defer pool.Close()

	// Models take turns, each with an arena of its own: the system is not asked again.
	for _, size := range []uintptr{40 << 20, 50 << 20, 40 << 20} {
		arena := loader.NewArena(loader.ArenaOptions{Pool: pool, Ledger: &ledger})
		if _, err := arena.AllocBlock(loader.PurposeWeights, size); err != nil {
			fmt.Println(err)
		}
		s, u := pool.Stats(), ledger.Snapshot()
		fmt.Println(loader.Size(s.Used), "used,", loader.Size(s.LargestFree), "free in one piece,", loader.Size(u.Total.Current), "in all")
		arena.Close()
	}
	s := pool.Stats()
	fmt.Println(loader.Size(s.LargestFree), "free in one piece, committed in", s.Segments, "segments")
	// Output:
	// 40 MiB used, 24 MiB free in one piece, 64 MiB in all
	// 50 MiB used, 14 MiB free in one piece, 64 MiB in all
	// 40 MiB used, 24 MiB free in one piece, 64 MiB in all
	// 64 MiB free in one piece, committed in 4 segments
}

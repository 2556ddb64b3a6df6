package memory_test

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/memory"
)

func ExampleNewPool() {
	var ledger memory.Ledger
	pool, err := memory.NewPool(64<<20, memory.PoolOptions{SegmentSize: 16 << 20, Ledger: &ledger})
	if err != nil {
		fmt.Println(err) // an *Error says which limit refused, and what would help
		return
	}
	defer pool.Close()

	// Models take turns, each with an arena of its own: the system is not asked again.
	for _, size := range []uintptr{40 << 20, 50 << 20, 40 << 20} {
		arena := memory.NewArena(memory.ArenaOptions{Pool: pool, Ledger: &ledger})
		if _, err := arena.AllocBlock(memory.PurposeWeights, size); err != nil {
			fmt.Println(err)
		}
		s, u := pool.Stats(), ledger.Snapshot()
		fmt.Println(words.Size(s.Used), "used,", words.Size(s.LargestFree), "free in one piece,", words.Size(u.Total.Current), "in all")
		arena.Close()
	}
	s := pool.Stats()
	fmt.Println(words.Size(s.LargestFree), "free in one piece, committed in", s.Segments, "segments")
	// Output:
	// 40 MiB used, 24 MiB free in one piece, 64 MiB in all
	// 50 MiB used, 14 MiB free in one piece, 64 MiB in all
	// 40 MiB used, 24 MiB free in one piece, 64 MiB in all
	// 64 MiB free in one piece, committed in 4 segments
}

package memory_test

import (
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/memory"
)

func TestUnusedIsWhatNobodyHasWrittenTo(t *testing.T) {
	const size = 8 << 20
	before := memory.Unused()
	a := memory.NewArena(memory.ArenaOptions{ChunkSize: 1 << 20})
	p, err := a.AllocBlock(memory.PurposeCompute, size)
	memtest.Need(t, err)
	if n := memory.Unused() - before; n != size {
		t.Errorf("%d bytes of %d that were never written", n, size)
	}
	for i := 0; i < size/2; i += 4096 {
		*(*byte)(unsafe.Add(p, i)) = 1
	}
	if n := memory.Unused() - before; n > size/2 {
		t.Errorf("%d bytes of %d, of which half were written", n, size)
	}
	a.DiscardBlocks(memory.PurposeKV) // there are none
	if n := memory.Unused() - before; n > size/2 {
		t.Errorf("%d bytes after blocks of another purpose were discarded", n)
	}
	a.DiscardBlocks(memory.PurposeCompute)
	if n := memory.Unused() - before; n != size {
		t.Errorf("%d bytes of %d that were discarded", n, size)
	}
	a.FreeBlock(p)
	if n := memory.Unused() - before; n != 0 {
		t.Errorf("%d bytes of a block that was given back", n)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

package memory_test

import (
	"bytes"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/memory"
	"golang.org/x/sys/unix"
)

// Memory that is offered has its content when it is taken back, or that is known to be lost.
func TestMemoryThatIsOffered(t *testing.T) {
	const size, page = 64 << 12, 1 << 12
	for _, filled := range []bool{false, true} { // in small and in large pages
		a := memory.NewArena(memory.ArenaOptions{})
		alloc := func() (unsafe.Pointer, error) { return a.AllocBlock(memory.PurposeCompute, size) }
		if filled {
			alloc = func() (unsafe.Pointer, error) { return a.AllocFilled(memory.PurposeCompute, size) }
		}
		p, err := alloc()
		memtest.Need(t, err)
		b := unsafe.Slice((*byte)(p), size)
		for i := range b {
			b[i] = byte(i/page + i)
		}
		clear(b[3*page : 4*page])
		want := bytes.Clone(b)
		offer := func(from, to int) *memory.Offered {
			t.Helper()
			o := memory.Mark(unsafe.Pointer(&b[from]), uint64(to-from))
			if err := memory.Offer([]*memory.Offered{o}); err != nil {
				t.Skip("the system takes no memory:", err)
			}
			return o
		}
		for _, r := range [][2]int{{0, size}, {100, size - 100}, {page - 8, page + 8}, {5, 6}} {
			if !offer(r[0], r[1]).TakeBack() || !bytes.Equal(b, want) {
				t.Errorf("%v: lost", r)
			}
		}
		if n := memory.Resident(p, size); n != size {
			t.Errorf("%d bytes of %d are in memory", n, size)
		}
		o := offer(0, size/2)
		// As the system does it when memory is short.
		if err := unix.Madvise(b[2*page:9*page], unix.MADV_PAGEOUT); err != nil || memory.Resident(p, size) == size {
			t.Skip("no page can be taken away here:", err)
		}
		if o.TakeBack() {
			t.Error("nothing is said to be lost")
		}
		if !bytes.Equal(b[size/2:], want[size/2:]) {
			t.Error("memory was lost that was not offered")
		}
		if n := memory.Resident(p, size); n != size/2 {
			t.Errorf("%d bytes are in memory, want %d", n, size/2)
		}
		copy(b, want)
		parts := []*memory.Offered{memory.Mark(p, 4*page), memory.Mark(unsafe.Pointer(&b[4*page]), page), memory.Mark(unsafe.Pointer(&b[9*page]), 3*page+7)}
		if err := memory.Offer(parts); err != nil {
			t.Error(err)
		}
		for i, o := range parts {
			if !o.TakeBack() {
				t.Errorf("part %d is lost", i)
			}
		}
		if !offer(0, size).TakeBack() || !bytes.Equal(b, want) {
			t.Error("written again, and lost")
		}
		a.FreeBlock(p)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

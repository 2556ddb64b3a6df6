package memory

import (
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// Offered is private memory that the system may take, page by page, until it is taken back. Meanwhile
// it must not be used.
//
// A page that was offered (MADV_FREE) and not taken is kept by the next write to it, and only after
// that it is known whether it was taken. So each page gets a mark, which TakeBack exchanges in one
// atomic access for what was there: it finds the mark and has kept the page, or the zeros of a new one.
type Offered struct {
	base  unsafe.Pointer // of the first whole page
	words []uint64       // the first word of each page, in whose place is offerMark
}

// offerMark is not zero.
const offerMark = 0x6f66666572656421

// Mark prepares the whole pages of private memory for [Offer]. It must be taken back, also if it is not
// offered.
func Mark(p unsafe.Pointer, size uint64) *Offered {
	unit := space.Granularity()
	head := min(-uint64(uintptr(p))&(unit-1), size)
	o := &Offered{base: space.At(p, head), words: make([]uint64, (size-head)/unit)}
	for i := range o.words {
		o.words[i] = atomic.SwapUint64(o.first(i), offerMark)
	}
	return o
}

// Offer lets the system take marked memory when it needs some, as it takes page cache, instead of
// ending a process. Neighbours are offered together, which keeps large pages whole. The error is that
// of the system, which then may have taken a part.
func Offer(marked []*Offered) error {
	for len(marked) > 0 {
		first, size, n := marked[0], uint64(0), 0
		for n < len(marked) && marked[n].base == space.At(first.base, size) {
			size += marked[n].size()
			n++
		}
		if err := os.NewSyscallError("madvise", unix.Madvise(space.BytesAt(first.base, size), unix.MADV_FREE)); size > 0 && err != nil {
			return err
		}
		marked = marked[n:]
	}
	return nil
}

func (o *Offered) size() uint64 { return uint64(len(o.words)) * space.Granularity() }

// first returns the first word of a page.
func (o *Offered) first(page int) *uint64 {
	return (*uint64)(space.At(o.base, uint64(page)*space.Granularity()))
}

// TakeBack ends an offer. It reports whether the memory has its content; if not, all of it is lost and
// the pages are given back.
func (o *Offered) TakeBack() bool {
	for i, word := range o.words {
		if atomic.SwapUint64(o.first(i), word) != offerMark {
			Discard(o.base, o.size())
			return false
		}
	}
	return true
}

// Resident returns how many bytes of private memory are in RAM, in whole pages.
func Resident(p unsafe.Pointer, size uint64) uint64 { return size - min(size, untouched(p, size)) }

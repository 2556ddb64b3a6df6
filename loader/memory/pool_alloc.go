package memory

import (
	"slices"
	"sort"
)

// extent is a contiguous part of a pool, in offsets. The offsets of two address ranges do not touch,
// so that free extents of different ranges are never merged.
type extent struct{ begin, end uint64 }

func (e extent) size() uint64 { return e.end - e.begin }

// freeList is the free memory of a pool: its holes in ascending order. No two touch, because free
// merges neighbours at once.
//
// So the holes depend only on the blocks in use, not on history, and so does the offset of the
// next block. Closing a model restores the holes from before, and reopening it gives the same
// offsets: swapping models does not fragment a pool, however often it is done.
//
// Allocation is first fit, weights from the low end, everything else from the high end.
// First fit, because its worst-case memory grows with the logarithm of the ratio of the largest to
// the smallest block, that of best fit with the ratio itself (Robson, Computer Journal 20, 1977).
// Two ends, because weights live as long as their model, caches and buffers as long as a
// session: a session that outlives its model does not occupy the place of the next
// model's large tensors. In simulations of models and sessions that come and go at random in a
// nearly full pool, a fifth to a quarter fewer requests are refused for fragmentation than
// with first fit or best fit from one end.
type freeList []extent

// take allocates size bytes at the low end of the lowest hole that is large enough; high: at the
// high end of the highest.
func (h *freeList) take(size uint64, high bool) (begin uint64, ok bool) {
	for n := range *h {
		i := n
		if high {
			i = len(*h) - 1 - n
		}
		e := &(*h)[i]
		if e.size() < size {
			continue
		}
		if high {
			e.end -= size
			begin = e.end
		} else {
			begin = e.begin
			e.begin += size
		}
		if e.size() == 0 {
			*h = slices.Delete(*h, i, i+1)
		}
		return begin, true
	}
	return 0, false
}

// put frees an extent, or adds a new one.
func (h *freeList) put(e extent) {
	s := *h
	i := sort.Search(len(s), func(i int) bool { return s[i].begin >= e.end })
	below := i > 0 && s[i-1].end == e.begin
	above := i < len(s) && s[i].begin == e.end
	switch {
	case below && above:
		s[i-1].end = s[i].end
		s = slices.Delete(s, i, i+1)
	case below:
		s[i-1].end = e.end
	case above:
		s[i].begin = e.begin
	default:
		s = slices.Insert(s, i, e)
	}
	*h = s
}

// largest returns the size of the largest hole.
func (h freeList) largest() (n uint64) {
	for _, e := range h {
		n = max(n, e.size())
	}
	return n
}

// unused is the part of a range that no block has used: it is zero and untouched. It is one extent,
// as blocks are allocated from both ends.
type unused struct{ extent }

// use records a block and returns which parts of it earlier blocks have used, as offsets in it.
func (u *unused) use(b extent) (dirty [2]extent) {
	if b.end <= u.begin || b.begin >= u.end {
		return [2]extent{{0, b.size()}}
	}
	low := extent{u.begin, max(u.begin, b.begin)}
	high := extent{min(u.end, b.end), u.end}
	dirty[0].end = u.begin - min(u.begin, b.begin)
	dirty[1] = extent{min(u.end, b.end) - b.begin, b.size()}
	// The shorter remainder beside the block counts as used from now on.
	if low.size() >= high.size() {
		u.extent = low
	} else {
		u.extent = high
	}
	return dirty
}

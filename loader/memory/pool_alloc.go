package memory

import (
	"slices"
	"sort"
)

// extent is a piece of a pool: places, not addresses. The ranges of a pool have places
// that do not touch, so that nothing is joined across two of them.
type extent struct{ begin, end uint64 }

func (e extent) size() uint64 { return e.end - e.begin }

// freeList is the free memory of a pool: extents in order, of which no two touch, because
// what is put back is joined with its neighbours at once.
//
// So the holes are a function of the blocks that are out and of nothing else, and so is
// the place of the next block. A model that is closed leaves the holes that it found,
// and when it is opened again it gets the places that it had: swapping models can't
// wear a pool out, however often it is done.
//
// Blocks are placed by first fit, weights from the low end and all else from the high
// end. First fit, because the memory that it can need in the worst case grows with the
// logarithm of the ratio of the largest block to the smallest, and that of best fit
// with the ratio itself (Robson, Computer Journal 20, 1977). Two ends, because weights
// live as long as their model, and caches and buffers as long as a session: a session
// that outlives a model does not lie where the next one's large tensors should go. Of
// models and sessions that come and go at random in a pool that is nearly full, a
// fifth to a quarter fewer are refused for fragmentation than with first fit or best
// fit from one end.
type freeList []extent

// take takes size bytes out of the lowest hole that has as many, from its low end; high
// takes them out of the highest, from its high end.
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

// put gives an extent back, or enters a new one.
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

// largest is the size of the largest hole.
func (h freeList) largest() (n uint64) {
	for _, e := range h {
		n = max(n, e.size())
	}
	return n
}

// unused is the part of a range that was in no block yet, and is zero therefore without
// having been touched. It is one extent in the middle, as blocks are placed from both
// ends.
type unused struct{ extent }

// use enters a block, and returns which parts of it were in blocks before, as offsets
// in it.
func (u *unused) use(b extent) (dirty [2]extent) {
	if b.end <= u.begin || b.begin >= u.end {
		return [2]extent{{0, b.size()}}
	}
	low := extent{u.begin, max(u.begin, b.begin)}
	high := extent{min(u.end, b.end), u.end}
	dirty[0].end = u.begin - min(u.begin, b.begin)
	dirty[1] = extent{min(u.end, b.end) - b.begin, b.size()}
	// What lies on the shorter side of the block counts as used from now on.
	if low.size() >= high.size() {
		u.extent = low
	} else {
		u.extent = high
	}
	return dirty
}

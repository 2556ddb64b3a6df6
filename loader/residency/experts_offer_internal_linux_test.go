package residency

import (
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// taken makes the system take what it was offered of a slot, as it does when memory is short.
func taken(t *testing.T, e *Experts, layer, expert int) {
	t.Helper()
	i := e.where[layer][expert]
	for kind, k := range e.layout.kinds {
		p := space.At(e.banks[i/e.each][kind], uint64(i%e.each)*k.stride)
		if err := unix.Madvise(space.BytesAt(p, k.stride), unix.MADV_PAGEOUT); err != nil {
			t.Skip("no page can be taken away here:", err)
		}
	}
}

// Slots that were offered are used as before; those that the system has taken are read again, into
// others as long as it is not known whether there is memory for them.
func TestSlotsThatAreOffered(t *testing.T) {
	for _, rows := range []int{100, 1000} { // 3200 bytes: less than a page without what is beside it
		e := expertsOf(t, rows, 4)
		r := &Residency{experts: e}
		choose(t, e, 0, 1, 2)
		choose(t, e, 0, 1)
		choose(t, e, 1, 3)
		if !r.Offer() {
			t.Skip("the system takes no memory")
		}
		held := r.Held()
		before := e.Stats()
		choose(t, e, 0, 1, 2)
		if st := e.Stats(); st.Misses != before.Misses || r.Lost() || r.Held() != held {
			t.Errorf("nothing was taken, and %+v became %+v, %d bytes of %d", before, st, r.Held(), held)
		}
		var in ExpertUse
		slots := make([]int32, 1)
		if ok, err := e.Use(t.Context(), &in, 1, []int32{3}, slots); !ok || err != nil {
			t.Fatal(ok, err)
		}
		e.Finish(&in)
		r.Offer()
		if i := e.where[1][3]; e.slots[i].offered != nil {
			t.Error("a slot that is in use was offered")
		}
		taken(t, e, 0, 2)
		if r.Held() >= held {
			t.Skip("no page was taken away")
		}
		lost := e.where[0][2]
		choose(t, e, 0, 1)
		choose(t, e, 0, 2) // its bytes are read again
		if st := e.Stats(); st.Misses != before.Misses+1 || !r.Lost() || e.where[0][2] == lost || e.slots[lost].layer >= 0 {
			t.Errorf("%+v, in slot %d after %d: %+v", st, e.where[0][2], lost, e.slots)
		}
		r.Regain()
		e.Release(&in)
		choose(t, e, 1, 4)
		choose(t, e, 1, 5)
		if r.Lost() || e.slots[lost].layer < 0 {
			t.Errorf("there is memory for slot %d: %+v", lost, e.slots)
		}
		// All slots of the layer are lost: they are used all the same.
		r.Offer()
		for _, x := range e.slots {
			taken(t, e, x.layer, x.expert)
		}
		choose(t, e, 0, 6, 7)
		choose(t, e, 0, 6, 7)
		if err := e.resize(1, 2); err != nil {
			t.Fatal(err)
		}
		choose(t, e, 0, 6, 1)
		if r.Lost() || len(e.slots) != 2 {
			t.Errorf("after a change: %+v", e.slots)
		}
	}
}

// Slots are offered and taken at any moment, and never those that a pass uses.
func TestSlotsAreOfferedWhilePassesUseThem(t *testing.T) {
	e := expertsOf(t, 1000, 6)
	r := &Residency{experts: e}
	var passes sync.WaitGroup
	done := make(chan struct{})
	for pass := range int32(2) {
		passes.Go(func() {
			for n := range int32(150) {
				choose(t, e, int(n%2), (n*7+pass)%8, (n*5+3+pass)%8)
			}
		})
	}
	go func() {
		passes.Wait()
		close(done)
	}()
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		r.Offer()
		e.mu.Lock()
		p := space.At(e.banks[0][i%2], uint64(i%6)*e.layout.kinds[i%2].stride)
		e.mu.Unlock()
		_ = unix.Madvise(space.BytesAt(p, e.layout.kinds[i%2].stride), unix.MADV_PAGEOUT)
		if i%8 == 0 {
			r.Regain()
		}
	}
}

package probe

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
)

// promising is a system that grants addresses and memory up to a size without allocating: it returns
// the address of one byte of Go's memory, which shows accesses.
type promising struct {
	space.System
	addresses, memory uint64 // the most of one block
	refuse            int    // so many of the first blocks whatever their size
	releaseErr        error

	asked     int
	committed uint64 // the largest
	held      int
	byteOfGo  byte
}

func (s *promising) Reserve(size uint64, views bool, phase uint64) (unsafe.Pointer, error) {
	if s.asked == 0 && size == space.Granularity() { // whether mappings are locked
		s.held++
		return unsafe.Pointer(&s.byteOfGo), nil
	}
	s.asked++
	if views || size%space.Granularity() != 0 || size > s.addresses || s.asked <= s.refuse {
		return nil, spacetest.ErrRefused
	}
	s.held++
	return unsafe.Pointer(&s.byteOfGo), nil
}

func (s *promising) Commit(p unsafe.Pointer, size uint64) error {
	if size > s.memory {
		return spacetest.ErrRefused
	}
	s.committed = max(s.committed, size)
	return nil
}

func (s *promising) Release(unsafe.Pointer, uint64, bool) error {
	s.held--
	return s.releaseErr
}

func TestConfirm(t *testing.T) {
	const gib = 1 << 30
	unit := space.Granularity()
	most := uint64(math.MaxUint64)
	// A probe in which the commit limit leaves 4 GiB, the address space more.
	base := func(set func(p *Probe)) Probe {
		p := unlimited()
		p.Overcommit, p.CommitLeft, p.LargestHole, p.MappingsLeft = 0, 4*gib, 64*gib, 60000
		if set != nil {
			set(&p)
		}
		p.finish()
		return p
	}
	unknown := unlimited()
	unknown.finish()
	for _, tt := range []struct {
		name  string
		probe Probe
		sys   promising
		more  bool
		want  uint64
		by    Limit
		asked int // at most
	}{
		{"the figures are right", base(nil), promising{addresses: most, memory: 4 * gib}, true, 4 * gib, LimitCommit, 2},
		{"the figures are right, and more is not asked for", base(nil), promising{addresses: most, memory: most}, false, 4 * gib, LimitCommit, 1},
		{"less memory is granted", base(nil), promising{addresses: most, memory: 3*gib + 5*unit + 1}, true, 3*gib + 5*unit, LimitCommit, 64},
		{"a page less is granted", base(nil), promising{addresses: most, memory: 4*gib - unit}, true, 4*gib - unit, LimitCommit, 2},
		{"fewer addresses are granted", base(nil), promising{addresses: gib, memory: most}, true, gib, LimitHole, 64},
		{"fewer addresses are granted, by the limit on them", base(func(p *Probe) { p.AddressSpaceLeft = 5 * gib }), promising{addresses: gib, memory: most}, true, gib, LimitAddresses, 64},
		{"less data is granted than is left of the commit limit", base(func(p *Probe) { p.DataLeft = 2 * gib }), promising{addresses: most, memory: gib}, true, gib, LimitData, 64},
		{"more is granted, as to administrators", base(nil), promising{addresses: most, memory: 4*gib + 8<<20}, true, 4*gib + 8<<20, LimitCommit, 64},
		{"more is granted, up to what the address space has", base(nil), promising{addresses: 64 * gib, memory: most}, true, 64 * gib, LimitHole, 64},
		{"a control group does not refuse, and stays the bound", base(func(p *Probe) { p.CgroupLeft = gib + 1 }), promising{addresses: most, memory: most}, true, gib, LimitGroup, 1},
		{"no more than the control group leaves is asked for", base(func(p *Probe) { p.CgroupLeft = 5 * gib }), promising{addresses: most, memory: most}, true, 5 * gib, LimitGroup, 64},
		{"the control group leaves less than is refused", base(func(p *Probe) { p.CgroupLeft = 2 * gib }), promising{addresses: most, memory: gib}, true, gib, LimitCommit, 64},
		{"the first block is refused", base(nil), promising{addresses: most, memory: most, refuse: 1}, true, 4*gib - unit, LimitHole, 3},
		{"everything is refused", base(nil), promising{}, true, 0, LimitHole, 64},
		{"all memory is refused", base(nil), promising{addresses: most}, true, 0, LimitCommit, 64},
		{"nothing is left by the figures, and nothing is granted", base(func(p *Probe) { p.CommitLeft = 0 }), promising{addresses: most}, true, 0, LimitCommit, 1},
		{"nothing is known", unknown, promising{addresses: 100 * gib, memory: most}, true, 100 * gib, LimitHole, mostAsked},
		{"nothing is known, and all is granted", unknown, promising{addresses: most, memory: most}, true, space.MostAddresses, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sys := tt.sys
			p, err := tt.probe.confirm(&sys, tt.more)
			if err != nil {
				t.Fatal(err)
			}
			if p.LargestFreeBlock != tt.want || p.LimitedBy != tt.by || !p.Confirmed {
				t.Errorf("%d by the %q, confirmed %v, want %d by the %q", p.LargestFreeBlock, p.LimitedBy, p.Confirmed, tt.want, tt.by)
			}
			if p.Computed != tt.probe.LargestFreeBlock || p.ComputedBy != tt.probe.LimitedBy {
				t.Errorf("computed %d by the %q, want what the probe had: %+v", p.Computed, p.ComputedBy, tt.probe)
			}
			if sys.committed != p.LargestFreeBlock {
				t.Errorf("%d is confirmed, the most that was granted is %d", p.LargestFreeBlock, sys.committed)
			}
			if sys.asked > tt.asked || sys.held != 0 || sys.byteOfGo != 0 {
				t.Errorf("asked %d times, at most %d expected; %d blocks held; touched: %v", sys.asked, tt.asked, sys.held, sys.byteOfGo != 0)
			}
		})
	}
}

func TestConfirmAsksForNothingWhereThatWouldHarm(t *testing.T) {
	p := unlimited()
	p.MappingsLeft = mappingsSpared - 1
	p.finish()
	var sys promising
	got, err := p.confirm(&sys, true)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint(mappingsSpared-1)) || sys.asked != 0 || got.Confirmed {
		t.Errorf("asked %d times: %+v, %v", sys.asked, got, err)
	}
}

func TestConfirmReportsABlockThatCouldNotBeGivenBack(t *testing.T) {
	p := unlimited()
	p.CommitLeft = 1 << 30
	p.finish()
	stuck := errors.New("stuck")
	sys := promising{addresses: math.MaxUint64, memory: 1 << 30, releaseErr: stuck}
	got, err := p.confirm(&sys, true)
	if err == nil || sys.asked > 1 || got.Confirmed || got.LargestFreeBlock != p.LargestFreeBlock {
		t.Errorf("asked %d times: %+v, %v", sys.asked, got, err)
	}
}

// The search finds the largest granted size from any guess, within mostAsked requests.
func TestSearchLargest(t *testing.T) {
	for _, most := range []uint64{0, 1, 2, 3, 17, 1 << 20, 1 << 50} {
		for _, guess := range []uint64{0, 1, 2, most / 3, most - min(most, 1), most} {
			for _, largest := range []uint64{0, 1, 2, guess - min(guess, 1), guess, guess + 1, guess + 1000, most / 2, most} {
				if guess > most || largest > most {
					continue
				}
				asked := 0
				got := searchLargest(guess, most, func(n uint64) bool { asked++; return n <= largest })
				if got != largest || asked > mostAsked {
					t.Errorf("up to %d from %d: found %d, want %d, asked %d times", most, guess, got, largest, asked)
				}
			}
		}
	}
}

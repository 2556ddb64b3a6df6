package probe

import (
	"errors"
	"fmt"

	"github.com/seed7adf6694/infer/loader/internal/space"
)

// Confirm tests the probe's largest free block: it reserves and commits a block of that size and
// releases it at once, without touching it. If that is refused, it searches for the
// largest block that is granted; on Linux, where a refused request has no side effects, also for
// a larger one than computed. It returns the probe with LargestFreeBlock as found, to the
// granularity, LimitedBy as the limit that refused more, and Confirmed set. It makes at most
// 128 requests of some microseconds each.
//
// Some limits do not refuse a commit but act when memory is used: control groups of Linux,
// which kill processes, and available RAM. If one of those is the smallest, LargestFreeBlock stays
// computed, and only that size is tested. Overcommit mode 1 refuses no commit either; then the
// address space decides.
//
// If less is granted than computed, memory was taken meanwhile, for instance by another thread.
// Then it measures again, so that all fields belong to the same moment.
//
// While a block is held, nothing may be left to other threads, and, on Windows and with
// overcommit mode 2, to other programs. An allocation at that moment fails, for which Go's
// runtime and many libraries end the process. So call Confirm before other work starts; [Measure]
// has no such effect. Confirm is safe for concurrent use, but concurrent calls may affect each
// other's result.
//
// The error is why nothing was requested, or that a block could not be released. The probe is
// then returned unchanged.
func (p Probe) Confirm() (Probe, error) {
	confirmed, err := p.confirm(space.RealSystem, asksForMore)
	for tries := 2; err == nil && tries > 0 && confirmed.LargestFreeBlock < p.LargestFreeBlock; tries-- {
		fresh, e := Measure()
		if e != nil {
			break
		}
		p = fresh
		confirmed, err = p.confirm(space.RealSystem, asksForMore)
	}
	return confirmed, err
}

// mappingsSpared is the number of mappings that must be left for a test: a block needs three, and
// other threads may need some meanwhile.
const mappingsSpared = 64

// mostAsked bounds the search, which doubles and halves over all sizes.
const mostAsked = 128

func (p Probe) confirm(sys space.System, more bool) (Probe, error) {
	if p.MappingsLeft < mappingsSpared {
		return p, fmt.Errorf("only %d mappings are left to this process, a test needs %d", p.MappingsLeft, mappingsSpared)
	}
	if locksMappings(sys) {
		return p, errors.New("this process locks new mappings (mlockall), which would make the block resident")
	}
	unit := space.Granularity()
	guess := min(p.LargestFreeBlock, space.MostAddresses) / unit
	most := guess
	if more {
		// If control groups do not refuse, do not request more than they leave.
		most = max(guess, min(p.CgroupLeft, space.MostAddresses)/unit)
	}
	a := asker{sys: sys, left: mostAsked}
	n := searchLargest(guess, most, func(n uint64) bool { return a.grants(n * unit) })
	if a.failed != nil {
		return p, fmt.Errorf("releasing a block: %w", a.failed)
	}
	switch {
	case n == guess: // as computed
	case n == most && most == p.CgroupLeft/unit:
		p.LimitedBy = LimitGroup
	default:
		p.LimitedBy = p.refuser(a.op, a.refusal)
	}
	p.LargestFreeBlock, p.Confirmed = n*unit, true
	return p, nil
}

// searchLargest returns the largest n up to most that is granted, if every smaller n is. It starts at
// a guess, which is usually close, with steps that double.
func searchLargest(guess, most uint64, grants func(n uint64) bool) uint64 {
	granted, refused := uint64(0), most+1
	up := grants(guess)
	if up {
		granted = guess
	} else {
		refused = guess
	}
	for step := uint64(1); refused-granted > 1; step *= 2 {
		n := min(guess+step, refused-1)
		if !up {
			n = max(guess-min(guess, step), 1)
		}
		if grants(n) {
			granted = n
		} else {
			refused = n
		}
		if (granted == n) != up { // the bound was crossed
			break
		}
	}
	for refused-granted > 1 {
		if n := granted + (refused-granted)/2; grants(n) {
			granted = n
		} else {
			refused = n
		}
	}
	return granted
}

// asker requests blocks from the system, a limited number of times.
type asker struct {
	sys  space.System
	left int // requests left

	op      Operation // refused last
	refusal error
	failed  error // error of a release
}

// grants reports whether a block is granted; false once no requests are left.
func (a *asker) grants(size uint64) bool {
	if size == 0 {
		return true
	}
	if a.left == 0 || a.failed != nil {
		return false
	}
	a.left--
	p, err := a.sys.Reserve(size, false, 0)
	if err != nil {
		a.op, a.refusal = Reserving, err
		return false
	}
	// Nothing of Go's may be allocated until the block is given back.
	err = a.sys.Commit(p, size)
	a.failed = a.sys.Release(p, size, false)
	if err != nil {
		a.op, a.refusal = Committing, err
	}
	return err == nil
}

// refuser is the limit that refused: the one that the system named, or of those that
// refuse such operations the one that had been computed, or the least.
func (p Probe) refuser(op Operation, err error) Limit {
	if named := LimitOf(err); named != "" {
		return named
	}
	least := LimitLeft{Left: Unlimited}
	for _, l := range p.applying(op) {
		switch {
		case l.Limit == LimitGroup: // refuses by name, or not at all
		case l.Limit == p.ComputedBy:
			return l.Limit
		case l.Left < least.Left:
			least = l
		}
	}
	switch {
	case least.Limit != "":
		return least.Limit
	case op == Reserving:
		return LimitHole
	}
	return LimitCommit
}

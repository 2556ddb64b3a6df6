package probe

import (
	"errors"
	"fmt"

	"github.com/seed7adf6694/infer/loader/internal/space"
)

// Confirm asks the system for a block of the probe's largest free block: reserves it,
// commits it, and gives it back at once without having touched a byte. If that is
// refused, it looks for the largest block that is granted; on Linux, where asking
// changes nothing, also for a larger one than the figures say. What it returns is the
// probe with LargestFreeBlock as found, to the granularity of the system, with the
// limit that refused more, and Confirmed set. It asks at most 128 times, each time for
// some microseconds.
//
// Some limits refuse no block but take their due when memory is used: the control
// groups of Linux, which end processes, and available RAM. Where one of those is the
// least it stays the figure, which is computed then; what is confirmed is that as much
// is granted. Overcommit mode 1 refuses no commit either, and the address space
// decides.
//
// Where less is granted than the figures say, something else took the memory meanwhile,
// like a thread of this process: then it measures again, for all figures to be of one
// moment.
//
// For the moment that a block is held there may be nothing left to the rest of the
// process, and, on Windows and with overcommit mode 2, to other programs. Whoever
// allocates right then is refused, and Go's runtime and many libraries end the process
// for that. So confirm before the work begins, not beside it; [Measure] disturbs
// nobody. Confirm is safe for concurrent use, though calls may be in each other's way.
//
// An error says why nothing was asked for, or that a block could not be given back. The
// probe is returned as it was then.
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

// mappingsSpared is how many mappings must be left, or nothing is asked for: a block
// needs three, and other threads some meanwhile.
const mappingsSpared = 64

// mostAsked bounds the search: it doubles and halves through all sizes there are.
const mostAsked = 128

func (p Probe) confirm(sys space.System, more bool) (Probe, error) {
	if p.MappingsLeft < mappingsSpared {
		return p, fmt.Errorf("only %d mappings are left to this process", p.MappingsLeft)
	}
	if locksMappings(sys) {
		return p, errors.New("this process locks what it maps, which would fill the block")
	}
	unit := space.Granularity()
	guess := min(p.LargestFreeBlock, space.MostAddresses) / unit
	most := guess
	if more {
		// Where control groups do not refuse, what they leave is all that may be asked for.
		most = max(guess, min(p.CgroupLeft, space.MostAddresses)/unit)
	}
	a := asker{sys: sys, left: mostAsked}
	n := searchLargest(guess, most, func(n uint64) bool { return a.grants(n * unit) })
	if a.failed != nil {
		return p, fmt.Errorf("giving back a block: %w", a.failed)
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

// searchLargest finds the largest n up to most that is granted, given that less always
// is. It begins at a guess and goes from there in steps that double, as the guess is
// seldom far off.
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
		if (granted == n) != up { // on the other side now
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

// asker asks the system for blocks, a bounded number of times.
type asker struct {
	sys  space.System
	left int // of times

	op      Operation // that was refused last
	refusal error
	failed  error // to give back
}

// grants tells whether a block is to be had. After the last time nothing is.
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

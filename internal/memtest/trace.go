package memtest

import (
	"fmt"
	"slices"
)

// TraceOptions say how [Trace] runs its command.
type TraceOptions struct {
	Limits Limits
	// Mark, if set, is called for each opened file, with a Call of the name "openat" and a Path, and
	// for each write, with a Call of the name "write", an Fd and up to 64 bytes of Data. A result that
	// is not empty becomes the phase from then on, as if the command had called [Mark].
	Mark func(Call) string
}

// Call is a system call by which a traced process changed its address space:
//
//	mmap      Addr (hint), Length, Prot, Flags, Fd, Offset, Path, Inode; Result: address
//	mremap    Addr (old), OldLength, Length, Flags; Result: address
//	brk       Addr (wanted end); Result: end now
//	munmap    Addr, Length
//	mprotect  Addr, Length, Prot
//	madvise   Addr, Length, Flags (the advice)
//
// Two more names are no system calls: "exec", when the process started another program, and "mark",
// where a phase begins. Lengths are in bytes, rounded up to pages.
type Call struct {
	Name      string
	Pid, Tid  int
	Phase     string // phase of the whole trace; "" before the first mark
	Addr      uint64
	Length    uint64
	OldLength uint64
	Prot      int
	Flags     int
	Fd        int // -1 for none
	Offset    int64
	Path      string // of the file behind Fd
	Inode     uint64
	Data      []byte // of a write, for TraceOptions.Mark
	Result    uint64
	Err       error // a syscall.Errno, or nil

	// Granted is the number of bytes that the call made accessible: by a mapping that can be read,
	// written or executed, by growth of the heap or of a mapping, or by access to a reservation.
	Granted uint64
	// Reserved is the number of contiguous addresses that the call took, accessible or not. A mapping
	// at a fixed address over an older one takes none.
	Reserved uint64
	// Owner is "go" for the Go heap, "stack" for a thread's stack, and "" for the program.
	Owner string
}

func (c Call) String() string {
	s := fmt.Sprintf("[%s] %d %s(%#x, %d", c.Phase, c.Tid, c.Name, c.Addr, c.Length)
	switch c.Name {
	case "mmap":
		s += fmt.Sprintf(", prot %d, flags %#x, fd %d %s, offset %d", c.Prot, c.Flags, c.Fd, c.Path, c.Offset)
	case "mprotect":
		s += fmt.Sprintf(", prot %d", c.Prot)
	case "mremap":
		s += fmt.Sprintf(", was %d", c.OldLength)
	}
	s += fmt.Sprintf(") = %#x", c.Result)
	if c.Err != nil {
		s += " " + c.Err.Error()
	}
	if c.Owner != "" {
		s += " for " + c.Owner
	}
	return s
}

// InPhase selects the calls of the named phases.
func InPhase(names ...string) func(Call) bool {
	return func(c Call) bool { return slices.Contains(names, c.Phase) }
}

// LargestMapping returns the program's own call with the largest Granted among those that all of keep
// select. Without such a call it returns the zero Call.
func LargestMapping(calls []Call, keep ...func(Call) bool) Call {
	return most(calls, func(c Call) uint64 { return c.Granted }, keep)
}

// LargestReservation returns the program's own call with the largest Reserved among those that all of
// keep select: the most contiguous addresses requested at once.
func LargestReservation(calls []Call, keep ...func(Call) bool) Call {
	return most(calls, func(c Call) uint64 { return c.Reserved }, keep)
}

// LargestFileMapping is [LargestMapping] among the mappings of the file at path. The file is
// identified by the name that the process used, or by its inode.
func LargestFileMapping(calls []Call, path string, keep ...func(Call) bool) Call {
	of := OfFile(path)
	return LargestMapping(calls, append(slices.Clip(keep), func(c Call) bool {
		return of(Region{Path: c.Path, Inode: c.Inode})
	})...)
}

func most(calls []Call, size func(Call) uint64, keep []func(Call) bool) Call {
	var best Call
	for _, c := range calls {
		rejects := func(f func(Call) bool) bool { return !f(c) }
		if c.Owner == "" && size(c) > size(best) && !slices.ContainsFunc(keep, rejects) {
			best = c
		}
	}
	return best
}

// Values of Linux, equal on all architectures that Trace supports.
const (
	mapFixed          = 0x10
	mapAnonymous      = 0x20
	mapPrivate        = 0x02
	mapStack          = 0x20000
	mapFixedNoReplace = 0x100000
)

// space is the state of a process's address space during annotate.
type space struct {
	accessible, goHeap, stacks ranges
	brk                        uint64
}

// annotate replays the calls and sets Granted, Reserved and Owner.
func annotate(calls []Call) {
	spaces := make(map[int]*space)
	for i := range calls {
		c := &calls[i]
		s := spaces[c.Pid]
		if s == nil || c.Name == "exec" {
			s = new(space)
			spaces[c.Pid] = s
		}
		if c.Err == nil {
			s.apply(c)
		}
	}
}

func (s *space) apply(c *Call) {
	start, end := c.Addr, c.Addr+c.Length
	switch c.Name {
	case "mmap":
		start, end = c.Result, c.Result+c.Length
		if c.Flags&mapFixed == 0 || c.Flags&mapFixedNoReplace == mapFixedNoReplace {
			c.Reserved = c.Length
		}
		s.forget(start, end)
		switch {
		case c.Flags&mapStack != 0:
			s.stacks.add(start, end)
		case c.isArena():
			s.goHeap.add(start, end)
		}
		if c.Prot != 0 {
			c.Granted = c.Length
			s.accessible.add(start, end)
		}
	case "mremap":
		was := c.OldLength
		start, end = c.Result, c.Result+c.Length
		if c.Length > was {
			c.Granted, c.Reserved = c.Length-was, c.Length
		}
		s.forget(c.Addr, c.Addr+was)
		s.forget(start, end)
		s.accessible.add(start, end)
	case "brk":
		start, end = s.brk, c.Result
		if start != 0 && end > start {
			c.Length = end - start
			c.Granted, c.Reserved = c.Length, c.Length
		}
		s.brk = end
	case "munmap":
		c.Owner = s.owner(start, end)
		s.forget(start, end)
		s.goHeap.remove(start, end)
	case "mprotect":
		if c.Prot != 0 {
			c.Granted = c.Length - s.accessible.covered(start, end)
			s.accessible.add(start, end)
		} else {
			s.accessible.remove(start, end)
		}
	}
	if c.Owner == "" {
		c.Owner = s.owner(start, end)
	}
}

// isArena reports whether the call reserves an arena of the Go heap: whole arenas, without access, at
// the address that Go requested (a random one since Go 1.26).
func (c *Call) isArena() bool {
	const arena = 64 << 20
	return c.Prot == 0 && c.Flags == mapPrivate|mapAnonymous && c.Addr != 0 && c.Addr == c.Result &&
		c.Addr%arena == 0 && c.Length%arena == 0
}

// forget removes addresses from the state. Mappings over a part of the Go heap, such as its commits,
// still belong to the Go heap.
func (s *space) forget(start, end uint64) {
	s.accessible.remove(start, end)
	s.stacks.remove(start, end)
}

func (s *space) owner(start, end uint64) string {
	switch {
	case end <= start:
		return ""
	case s.goHeap.covered(start, end) == end-start:
		return "go"
	case s.stacks.covered(start, end) == end-start:
		return "stack"
	}
	return ""
}

// ranges is a set of addresses, as ranges that do not touch each other.
type ranges []struct{ start, end uint64 }

func (r *ranges) add(start, end uint64) {
	var out ranges
	for _, x := range *r {
		if x.end < start || x.start > end {
			out = append(out, x)
			continue
		}
		start, end = min(start, x.start), max(end, x.end)
	}
	out = append(out, struct{ start, end uint64 }{start, end})
	*r = out
}

func (r *ranges) remove(start, end uint64) {
	var out ranges
	for _, x := range *r {
		if x.end <= start || x.start >= end {
			out = append(out, x)
			continue
		}
		if x.start < start {
			out = append(out, struct{ start, end uint64 }{x.start, start})
		}
		if x.end > end {
			out = append(out, struct{ start, end uint64 }{end, x.end})
		}
	}
	*r = out
}

func (r ranges) covered(start, end uint64) uint64 {
	var n uint64
	for _, x := range r {
		if from, to := max(start, x.start), min(end, x.end); from < to {
			n += to - from
		}
	}
	return n
}

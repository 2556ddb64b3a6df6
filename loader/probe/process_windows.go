package probe

import (
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/windows"
)

// memoryCounters is PROCESS_MEMORY_COUNTERS_EX2. The fields after privateUsage exist since an update
// of Windows 10 22H2.
type memoryCounters struct {
	cb, pageFaultCount                             uint32
	peakWorkingSet, workingSet                     uintptr
	quotaPeakPaged, quotaPaged                     uintptr
	quotaPeakNonPaged, quotaNonPaged               uintptr
	pagefileUsage, peakPagefileUsage, privateUsage uintptr
	privateWorkingSet                              uintptr
	sharedCommit                                   uint64
}

// committed returns the commit of the process. Both fields are documented as that; wine fills one.
func (c *memoryCounters) committed() uint64 { return uint64(max(c.privateUsage, c.pagefileUsage)) }

// readCounters reads the counters that the system has. It does not allocate.
func readCounters() (c memoryCounters, err error) {
	var failed syscall.Errno
	for _, size := range [...]uintptr{unsafe.Sizeof(c), unsafe.Offsetof(c.privateWorkingSet)} {
		c = memoryCounters{cb: uint32(size)}
		var ok uintptr
		ok, _, failed = syscall.SyscallN(procMemoryInfo.Addr(), uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&c)), size)
		if ok != 0 {
			return c, nil
		}
	}
	return c, os.NewSyscallError("GetProcessMemoryInfo", failed)
}

// ProcessMemory returns the memory of this process: Anon is the private part of its working set, File
// what it shares, or could share, with other processes. Before Windows 10 22H2 the private
// pages are counted by queries of pages, of large regions by a sample; Anon may then be wrong
// by some MiB and old by some milliseconds. It is safe for concurrent use.
func ProcessMemory() (Process, error) {
	c, err := readCounters()
	if err != nil {
		return Process{}, err
	}
	p := Process{RSS: uint64(c.workingSet), Anon: uint64(c.privateWorkingSet), PeakRSS: uint64(max(c.peakWorkingSet, c.workingSet))}
	if p.Anon == 0 {
		if p.Anon, err = privatePages(p.RSS); err != nil {
			return Process{}, err
		}
	}
	p.Anon = min(p.Anon, p.RSS) // they are read at different times
	p.File = p.RSS - p.Anon
	return p, nil
}

// pageQuery is the reused buffer of privatePages: PSAPI_WORKING_SET_EX_INFORMATION, an address and
// the attributes of its page.
var pageQuery struct {
	sync.Mutex
	// The last result, for a working set of rss bytes.
	bytes, rss uint64
	when       time.Time
	took       time.Duration

	pages   [1 << 12]struct{ addr, attributes uintptr }
	counted [1 << 12]uintptr // bytes that a page stands for
}

// Attributes of a page, as in PSAPI_WORKING_SET_EX_BLOCK.
const (
	pageValid  = 1 << 0 // in the working set
	pageShared = 1 << 15
)

// A query takes a fraction of a microsecond, under wine several, and a writable part of a program
// that is never touched may have thousands of pages.
const (
	sampledFrom = 256 << 10 // bytes
	sampleStep  = 16        // pages: the allocation granularity
)

// Kinds of memory, which x/sys does not have: MEM_PRIVATE and MEM_IMAGE.
const (
	memPrivate = 0x20000
	memImage   = 0x1000000
)

// privatePages counts the pages of the working set that only this process has: private memory, and
// pages of mappings that were copied on write. Read-only views of files have none and are
// skipped.
//
// To save time, one page in sampleStep represents its neighbours in regions larger than
// sampledFrom, and a call shortly after another with a similar working set returns the other's
// result.
func privatePages(rss uint64) (bytes uint64, err error) {
	q := &pageQuery
	q.Lock()
	defer q.Unlock()
	const part, same = 16, 4 << 20
	start := time.Now()
	if start.Sub(q.when) < part*q.took && max(rss, q.rss)-min(rss, q.rss) < same {
		return q.bytes, nil
	}
	n := 0
	ask := func() {
		if n == 0 || err != nil {
			return
		}
		size := unsafe.Sizeof(q.pages[0]) * uintptr(n)
		if r, _, e := procQueryPages.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&q.pages[0])), size); r == 0 {
			err = os.NewSyscallError("QueryWorkingSetEx", e)
			return
		}
		for i, x := range q.pages[:n] {
			if x.attributes&(pageValid|pageShared) == pageValid {
				bytes += uint64(q.counted[i])
			}
		}
		n = 0
	}
	const copied = windows.PAGE_WRITECOPY | windows.PAGE_EXECUTE_WRITECOPY | windows.PAGE_READWRITE | windows.PAGE_EXECUTE_READWRITE
	for m := range regionsOfProcess {
		mayBePrivate := m.Type == memPrivate || m.Type == memImage && m.Protect&copied != 0
		if m.State != windows.MEM_COMMIT || !mayBePrivate || m.Protect&(windows.PAGE_NOACCESS|windows.PAGE_GUARD) != 0 {
			continue
		}
		step := uintptr(space.WindowsPage)
		if m.RegionSize > sampledFrom {
			step *= sampleStep
		}
		for off := uintptr(0); off < m.RegionSize; off += step {
			size := min(step, m.RegionSize-off)
			middle := m.BaseAddress + off + size/2
			q.pages[n], q.counted[n] = struct{ addr, attributes uintptr }{addr: middle}, size
			if n++; n == len(q.pages) {
				ask()
			}
		}
	}
	ask()
	if err == nil {
		q.bytes, q.rss, q.when = bytes, rss, time.Now()
		q.took = q.when.Sub(start)
	}
	return bytes, err
}

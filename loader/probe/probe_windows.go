package probe

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/windows"
)

// LimitGroup is the limit of a job object, for this process or all processes of the job.
const LimitGroup Limit = "job object"

func RaiseCommit(by string) string {
	return "let Windows manage the size of the page file, or make it larger" + by + " (System, Advanced, Performance, Virtual memory)"
}

var (
	procGlobalMemory    = kernel32.DLL.NewProc("GlobalMemoryStatusEx")
	procPerformanceInfo = kernel32.DLL.NewProc("K32GetPerformanceInfo")
	procMemoryInfo      = kernel32.DLL.NewProc("K32GetProcessMemoryInfo")
	procQueryPages      = kernel32.DLL.NewProc("K32QueryWorkingSetEx") // psapi.dll is not loaded for it
)

// memoryStatusEx is MEMORYSTATUSEX. According to its documentation, the page file fields are the
// commit limit "for the system or the current process, whichever is smaller": in a job
// that limits its processes, the job's.
type memoryStatusEx struct {
	length                                      uint32
	memoryLoad                                  uint32
	totalPhys, availPhys                        uint64
	totalPageFile, availPageFile                uint64
	totalVirtual, availVirtual, availExtVirtual uint64
}

// performanceInformation is PERFORMANCE_INFORMATION, in pages: the system's figures, also for a
// process in a job.
type performanceInformation struct {
	size                                                               uint32
	commitTotal, commitLimit, commitPeak, physicalTotal, physicalAvail uintptr
	systemCache, kernelTotal, kernelPaged, kernelNonpaged, pageSize    uintptr
	handleCount, processCount, threadCount                             uint32
}

// figures are the values read from the system.
type figures struct {
	memory memoryStatusEx
	commit uint64 // commit of all processes, in bytes
	limit  uint64 // current commit limit
	files  []PageFile
	job    job
	own    uint64 // commit of this process
	least  uint64 // minimum working set
}

// Measure reads the limits of this process. It is safe for concurrent use.
func Measure() (Probe, error) {
	in := inJob()
	f, err := readCommit(in)
	if err != nil {
		return unlimited(), err
	}
	c, err := readCounters()
	if err != nil {
		return unlimited(), err
	}
	f.own = c.committed()
	f.files = readPageFiles(f.memory.totalPhys)
	f.job = readJob(in, f.own)
	var least, most uintptr
	windows.GetProcessWorkingSetSizeEx(windows.CurrentProcess(), &least, &most, new(uint32))
	f.least = uint64(least)
	p := f.probe()
	h := walkHoles()
	h.into(&p)
	p.finish()
	return p, nil
}

// readCommit reads the figures about RAM and commit. GetPerformanceInfo, which counts all processes
// and threads as well, is called only in a job: without one, the fields of memoryStatusEx are the
// system's.
func readCommit(inJob bool) (f figures, err error) {
	f.memory.length = uint32(unsafe.Sizeof(f.memory))
	if inJob {
		// First, so that a page file that grows meanwhile does not look like a limit of the process.
		info, err := readPerformance()
		if err != nil {
			return f, err
		}
		page := uint64(info.pageSize)
		f.limit, f.commit = uint64(info.commitLimit)*page, uint64(info.commitTotal)*page
	}
	if r, _, err := procGlobalMemory.Call(uintptr(unsafe.Pointer(&f.memory))); r == 0 {
		return f, os.NewSyscallError("GlobalMemoryStatusEx", err)
	}
	if !inJob {
		f.limit = f.memory.totalPageFile
		f.commit = f.limit - min(f.limit, f.memory.availPageFile)
	}
	return f, nil
}

func readPerformance() (performanceInformation, error) {
	info := performanceInformation{size: uint32(unsafe.Sizeof(performanceInformation{}))}
	if r, _, err := procPerformanceInfo.Call(uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info)); r == 0 {
		return info, os.NewSyscallError("GetPerformanceInfo", err)
	}
	return info, nil
}

// probe computes a probe without the address space.
func (f *figures) probe() Probe {
	p := unlimited()
	p.PageSize = space.WindowsPage
	p.RAMTotal, p.RAMAvailable = f.memory.totalPhys, f.memory.availPhys
	p.CommitLimit, p.CommitLeft = f.limit, f.limit-min(f.limit, f.commit)
	p.PageFiles = f.files
	grows := uint64(0)
	for _, x := range f.files {
		p.SwapTotal += x.Size
		p.SwapFree += x.Size - min(x.Size, x.Used)
		grows += x.Most - min(x.Size, x.Most)
	}
	p.CommitPossible, p.CommitPossibleLeft = p.CommitLimit+grows, p.CommitLeft+grows

	p.CgroupLimit, p.CgroupLeft, p.CgroupOuter = f.job.limit(f.own)
	// A smaller limit of this process than the system's is that of a job, or of a job that contains
	// it.
	if f.memory.totalPageFile < f.limit {
		p.CgroupLimit = min(p.CgroupLimit, f.memory.totalPageFile)
		p.CgroupLeft = min(p.CgroupLeft, f.memory.availPageFile)
	}
	if f.least > 0 {
		p.LockedLimit, p.LockedLeft = f.least, f.least // what is locked is unknown
	}
	return p
}

// asksForMore: a commit beyond the limit enlarges page files that Windows manages, and they do not
// shrink before the next start.
const asksForMore = false

// locksMappings: Windows has no call to lock new mappings.
func locksMappings(space.System) bool { return false }

// memFree is MEM_FREE, which x/sys does not have.
const memFree = 0x10000

// walkHoles visits the free ranges of the address space.
func walkHoles() (h freeRanges) {
	for m := range regionsOfProcess {
		if m.State == memFree {
			h.add(uint64(m.RegionSize))
		}
	}
	return h
}

// regionsOfProcess yields ranges of pages with equal attributes, in ascending order.
func regionsOfProcess(yield func(m *windows.MemoryBasicInformation) bool) {
	var m windows.MemoryBasicInformation // one for all: it escapes to the heap
	for addr := uintptr(0); ; {
		if windows.VirtualQuery(addr, &m, unsafe.Sizeof(m)) != nil || !yield(&m) {
			return
		}
		next := m.BaseAddress + m.RegionSize
		if next <= addr {
			return
		}
		addr = next
	}
}

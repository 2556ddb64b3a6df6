package probe

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/windows"
)

// LimitGroup is a job object's limit, of this process or of all in the job.
const LimitGroup Limit = "job object"

func RaiseCommit(by string) string {
	return "let Windows manage the size of the page file, or make it larger" + by + " (System, Advanced, Performance, Virtual memory)"
}

var (
	procGlobalMemory    = kernel32.DLL.NewProc("GlobalMemoryStatusEx")
	procPerformanceInfo = kernel32.DLL.NewProc("K32GetPerformanceInfo")
	procMemoryInfo      = kernel32.DLL.NewProc("K32GetProcessMemoryInfo")
)

// memoryStatusEx is MEMORYSTATUSEX. By its documentation, what it calls page file is the
// commit limit "for the system or the current process, whichever is smaller": in a job
// that limits its processes, the job's.
type memoryStatusEx struct {
	length                                      uint32
	memoryLoad                                  uint32
	totalPhys, availPhys                        uint64
	totalPageFile, availPageFile                uint64
	totalVirtual, availVirtual, availExtVirtual uint64
}

// performanceInformation is PERFORMANCE_INFORMATION, in pages: the system's figures, also
// for a process in a job.
type performanceInformation struct {
	size                                                               uint32
	commitTotal, commitLimit, commitPeak, physicalTotal, physicalAvail uintptr
	systemCache, kernelTotal, kernelPaged, kernelNonpaged, pageSize    uintptr
	handleCount, processCount, threadCount                             uint32
}

// figures are what the system tells, before it is put together.
type figures struct {
	memory memoryStatusEx
	commit uint64 // bytes promised to all
	limit  uint64 // as it is now
	files  []PageFile
	job    job
	own    uint64 // what this process has committed
	least  uint64 // working set
}

// Measure looks at the limits of this process.
func Measure() (Probe, error) {
	f := figures{memory: memoryStatusEx{length: uint32(unsafe.Sizeof(memoryStatusEx{}))}}
	// First, so that a page file that grows meanwhile does not look like a process's limit.
	info, err := readPerformance()
	if err != nil {
		return unlimited(), err
	}
	page := uint64(info.pageSize)
	f.limit, f.commit = uint64(info.commitLimit)*page, uint64(info.commitTotal)*page
	if r, _, err := procGlobalMemory.Call(uintptr(unsafe.Pointer(&f.memory))); r == 0 {
		return unlimited(), os.NewSyscallError("GlobalMemoryStatusEx", err)
	}
	c, err := readCounters()
	if err != nil {
		return unlimited(), err
	}
	f.own = c.committed()
	f.files = readPageFiles(f.memory.totalPhys)
	f.job = readJob(f.own)
	var least, most uintptr
	windows.GetProcessWorkingSetSizeEx(windows.CurrentProcess(), &least, &most, new(uint32))
	f.least = uint64(least)
	p := f.probe()
	h := walkHoles()
	h.into(&p)
	p.finish()
	return p, nil
}

func readPerformance() (performanceInformation, error) {
	info := performanceInformation{size: uint32(unsafe.Sizeof(performanceInformation{}))}
	if r, _, err := procPerformanceInfo.Call(uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info)); r == 0 {
		return info, os.NewSyscallError("GetPerformanceInfo", err)
	}
	return info, nil
}

// probe puts the figures together, without those of the address space.
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
	// What binds this process more than the system does is the limit of a job: also of one
	// that its job is nested in.
	if f.memory.totalPageFile < f.limit {
		p.CgroupLimit = min(p.CgroupLimit, f.memory.totalPageFile)
		p.CgroupLeft = min(p.CgroupLeft, f.memory.availPageFile)
	}
	if f.least > 0 {
		p.LockedLimit, p.LockedLeft = f.least, f.least // what is locked is unknown
	}
	return p
}

// asksForMore: Windows would make a page file of its own choosing larger for what goes
// beyond the commit limit, and nothing makes it small again before the next start.
const asksForMore = false

// locksMappings tells whether new mappings are locked, which Windows has no call for.
func locksMappings(space.System) bool { return false }

// memFree is MEM_FREE, which x/sys does not have.
const memFree = 0x10000

// walkHoles walks the address space.
func walkHoles() (h freeRanges) {
	for m := range regionsOfProcess {
		if m.State == memFree {
			h.add(uint64(m.RegionSize))
		}
	}
	return h
}

// regionsOfProcess are the ranges of pages that are alike, in order of their addresses.
func regionsOfProcess(yield func(m *windows.MemoryBasicInformation) bool) {
	var m windows.MemoryBasicInformation // one for all: it lives on the heap
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

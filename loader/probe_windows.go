package loader

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

func raiseCommit(by string) []string {
	return []string{"let Windows manage the size of the page file, or make it larger" + by + " (System, Advanced, Performance, Virtual memory)"}
}

var (
	kernel32           = windows.NewLazySystemDLL("kernel32.dll")
	procGlobalMemory   = kernel32.NewProc("GlobalMemoryStatusEx")
	procQueryJobObject = kernel32.NewProc("QueryInformationJobObject")
	procMemoryInfo     = kernel32.NewProc("K32GetProcessMemoryInfo")
)

// memoryStatusEx is MEMORYSTATUSEX.
type memoryStatusEx struct {
	length                                      uint32
	memoryLoad                                  uint32
	totalPhys, availPhys                        uint64
	totalPageFile, availPageFile                uint64
	totalVirtual, availVirtual, availExtVirtual uint64
}

// Measure looks at the limits of this process.
func Measure() (Probe, error) {
	p := unlimited()
	p.PageSize = uint64(os.Getpagesize())
	m := memoryStatusEx{length: uint32(unsafe.Sizeof(memoryStatusEx{}))}
	if r, _, err := procGlobalMemory.Call(uintptr(unsafe.Pointer(&m))); r == 0 {
		return p, os.NewSyscallError("GlobalMemoryStatusEx", err)
	}
	p.RAMTotal, p.RAMAvailable = m.totalPhys, m.availPhys
	// What the API calls the page file is the commit limit: RAM and page file.
	// For a process in a job, the job's.
	p.CommitLimit, p.CommitLeft = m.totalPageFile, m.availPageFile
	p.SwapTotal = m.totalPageFile - min(m.totalPageFile, m.totalPhys)
	p.SwapFree = m.availPageFile - min(m.availPageFile, m.availPhys)
	p.job()
	var least, most uintptr
	windows.GetProcessWorkingSetSizeEx(windows.CurrentProcess(), &least, &most, new(uint32))
	if least > 0 {
		p.LockedLimit, p.LockedLeft = uint64(least), uint64(least) // what is locked is unknown
	}
	h := walkHoles()
	h.into(&p)
	p.finish()
	return p, nil
}

// asksForMore: Windows would make a page file of its own choosing larger for what goes
// beyond the commit limit, and nothing makes it small again before the next start.
const asksForMore = false

// locksMappings tells whether new mappings are locked, which Windows has no call for.
func locksMappings(system) bool { return false }

// job reads the limits of the job object that the process is in.
func (p *Probe) job() {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	r, _, _ := procQueryJobObject.Call(0, uintptr(windows.JobObjectExtendedLimitInformation), uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), 0)
	if r == 0 {
		return
	}
	process, err := ProcessMemory()
	if err != nil {
		return
	}
	flags := info.BasicLimitInformation.LimitFlags
	if flags&windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY != 0 {
		p.CgroupLimit = uint64(info.ProcessMemoryLimit)
	}
	if flags&windows.JOB_OBJECT_LIMIT_JOB_MEMORY != 0 {
		p.CgroupLimit = min(p.CgroupLimit, uint64(info.JobMemoryLimit))
	}
	if p.CgroupLimit != Unlimited {
		p.CgroupLeft = p.CgroupLimit - min(p.CgroupLimit, process.Anon)
	}
}

// memFree is MEM_FREE, which x/sys does not have.
const memFree = 0x10000

// walkHoles walks the address space.
func walkHoles() (h freeRanges) {
	for addr := uintptr(0); ; {
		var m windows.MemoryBasicInformation
		if windows.VirtualQuery(addr, &m, unsafe.Sizeof(m)) != nil {
			return h
		}
		if m.State == memFree {
			h.add(uint64(m.RegionSize))
		}
		next := m.BaseAddress + m.RegionSize
		if next <= addr {
			return h
		}
		addr = next
	}
}

package probe

import (
	"errors"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"golang.org/x/sys/windows"
)

var procQueryJobObject = kernel32.DLL.NewProc("QueryInformationJobObject")

// job are the memory limits of the job object of this process. Of nested jobs the system reports only
// the innermost ("Nested Jobs": the immediate job is used), but all of them apply.
type job struct {
	in      bool
	process uint64 // limit on the commit of one process
	all     uint64 // limit on the commit of all processes together
	used    uint64 // commit of all processes, with this one
}

// limit returns the limit that leaves least to a process that has committed own bytes, and how much
// it leaves.
func (j job) limit(own uint64) (limit, left uint64, outer bool) {
	limit, left = Unlimited, Unlimited
	for _, l := range []struct{ most, used uint64 }{{j.process, own}, {j.all, max(j.used, own)}} {
		if l.most == Unlimited {
			continue
		}
		if n := l.most - min(l.most, l.used); n < left {
			limit, left = l.most, n
		}
	}
	return limit, left, j.in
}

// queryJob queries the job of this process.
func queryJob(class uintptr, p unsafe.Pointer, size uintptr) error {
	if r, _, err := procQueryJobObject.Call(0, class, uintptr(p), size, 0); r == 0 {
		return err
	}
	return nil
}

// readJob reads the limits of the process's job object, if it is in one.
func readJob(in bool, own uint64) job {
	j := job{in: in, process: Unlimited, all: Unlimited}
	if !in {
		return j
	}
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	if queryJob(windows.JobObjectExtendedLimitInformation, unsafe.Pointer(&info), unsafe.Sizeof(info)) != nil {
		return j
	}
	flags := info.BasicLimitInformation.LimitFlags
	if flags&windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY != 0 {
		j.process = uint64(info.ProcessMemoryLimit)
	}
	if flags&windows.JOB_OBJECT_LIMIT_JOB_MEMORY != 0 {
		j.all, j.used = uint64(info.JobMemoryLimit), jobCommit(own)
	}
	return j
}

var procIsProcessInJob = kernel32.DLL.NewProc("IsProcessInJob")

func inJob() bool {
	var in uint32
	r, _, _ := procIsProcessInJob.Call(uintptr(windows.CurrentProcess()), 0, uintptr(unsafe.Pointer(&in)))
	return r != 0 && in != 0
}

// jobCommit returns the commit of the job's processes; own if it can't be read.
func jobCommit(own uint64) uint64 {
	ids := map[uintptr]bool{}
	for _, id := range jobProcesses() {
		ids[id] = true
	}
	sum := uint64(0)
	_ = eachProcess(func(p *windows.SYSTEM_PROCESS_INFORMATION) {
		if ids[p.UniqueProcessID] {
			sum += committedBy(p)
		}
	})
	return max(sum, own)
}

// jobProcesses lists the processes of the job by JOBOBJECT_BASIC_PROCESS_ID_LIST: how many there
// are, how many are listed, and their identifiers.
func jobProcesses() []uintptr {
	for n := 64; n <= 1<<16; n *= 4 {
		b := make([]uintptr, 1+n)
		err := queryJob(windows.JobObjectBasicProcessIdList, unsafe.Pointer(&b[0]), uintptr(len(b))*unsafe.Sizeof(b[0]))
		if errors.Is(err, windows.ERROR_MORE_DATA) {
			continue
		}
		if err != nil {
			return nil
		}
		listed := (*[2]uint32)(unsafe.Pointer(&b[0]))[1]
		return b[1 : 1+min(n, int(listed))]
	}
	return nil
}

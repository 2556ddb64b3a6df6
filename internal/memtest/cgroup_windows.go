package memtest

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/windows"
)

// NewCgroup creates a job object whose processes together may commit limit bytes. If the system has
// no such limit, as wine, the error is an [*Unsupported]. Close it when its processes have ended.
func NewCgroup(limit uint64) (*Cgroup, error) {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_JOB_MEMORY
	info.JobMemoryLimit = uintptr(limit)
	c, err := newJob(info)
	if err == nil {
		c.Limit = limit
	}
	return c, err
}

// newJob creates a job object and checks that it has the requested limits.
func newJob(info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION) (*Cgroup, error) {
	h, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("memtest: making a job object: %w", err)
	}
	c := &Cgroup{Job: uintptr(h)}
	if _, err := windows.SetInformationJobObject(h, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))); err != nil {
		return nil, errors.Join(fmt.Errorf("memtest: limiting a job object: %w", err), c.Close())
	}
	kept, err := c.limits()
	if err == nil && kept.BasicLimitInformation.LimitFlags != info.BasicLimitInformation.LimitFlags {
		err = &Unsupported{Tool: "job", Missing: "job objects of this system have no memory limit (wine)"}
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// cpuRateControl is JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.
type cpuRateControl struct{ flags, rate uint32 }

// NewProcessorGroup creates a job object whose processes together get the time of the given number of
// processors.
func NewProcessorGroup(processors float64) (*Cgroup, error) {
	h, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return nil, fmt.Errorf("memtest: making a job object: %w", err)
	}
	c := &Cgroup{Job: uintptr(h)}
	const enable, hardCap = 1, 4
	// The rate is a share of all processors, in hundredths of a percent.
	info := cpuRateControl{enable | hardCap, uint32(max(1, min(10000, processors/float64(runtime.NumCPU())*10000)))}
	if _, err := windows.SetInformationJobObject(h, windows.JobObjectCpuRateControlInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))); err != nil {
		err = &Unsupported{Tool: "job", Missing: "job objects of this system have no processor limit (wine, Windows before 8)", Err: err}
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cgroup) limits() (info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION, err error) {
	err = windows.QueryInformationJobObject(windows.Handle(c.Job), windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil)
	if err != nil {
		err = fmt.Errorf("memtest: reading the limits of a job object: %w", err)
	}
	return info, err
}

// Add assigns the process pid to the job.
func (c *Cgroup) Add(pid int) error {
	p, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(pid))
	if err != nil {
		return fmt.Errorf("memtest: opening process %d: %w", pid, err)
	}
	defer windows.CloseHandle(p)
	if err := windows.AssignProcessToJobObject(windows.Handle(c.Job), p); err != nil {
		return fmt.Errorf("memtest: putting process %d into a job: %w", pid, err)
	}
	return nil
}

// Usage returns the peak commit of the job. The system reports no other figure.
func (c *Cgroup) Usage() (CgroupUsage, error) {
	info, err := c.limits()
	return CgroupUsage{Peak: uint64(info.PeakJobMemoryUsed)}, err
}

// Close ends the remaining processes of the job and closes the job.
func (c *Cgroup) Close() error {
	if c.Job == 0 {
		return nil
	}
	h := windows.Handle(c.Job)
	c.Job = 0
	return errors.Join(windows.TerminateJobObject(h, 1), windows.CloseHandle(h))
}

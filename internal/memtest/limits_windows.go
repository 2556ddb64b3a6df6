package memtest

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// apply puts process pid into job objects with the limits.
func (l Limits) apply(pid int) error {
	for name, n := range map[string]uint64{"AddressSpace": l.AddressSpace, "FileSize": l.FileSize, "Locked": l.Locked} {
		if n > 0 {
			return &Unsupported{Tool: "limits", Missing: "Windows has no limit like " + name}
		}
	}
	if l.Data > 0 {
		if l.Headroom {
			return &Unsupported{Tool: "limits", Missing: "Headroom needs Linux"}
		}
		var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
		info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY
		info.ProcessMemoryLimit = uintptr(l.Data)
		c, err := newJob(info)
		if err != nil {
			return err
		}
		err = c.Add(pid)
		// The job object exists until the process ends; the handle is not needed any more.
		if err := errors.Join(err, windows.CloseHandle(windows.Handle(c.Job))); err != nil {
			return err
		}
	}
	if l.Cgroup != nil {
		return l.Cgroup.Add(pid)
	}
	return nil
}

// startLimited starts cmd with the limits set before its first instruction: its thread is suspended
// until then.
func startLimited(cmd *exec.Cmd, l Limits) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.CreationFlags |= windows.CREATE_SUSPENDED
	if err := cmd.Start(); err != nil {
		return err
	}
	err := l.apply(cmd.Process.Pid)
	if err == nil {
		err = resume(uint32(cmd.Process.Pid))
	}
	if err != nil {
		kill(cmd.Process)
		_ = cmd.Wait() // it was killed here
	}
	return err
}

// resume resumes the threads of a process.
func resume(pid uint32) error {
	all, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return fmt.Errorf("memtest: listing threads: %w", err)
	}
	defer windows.CloseHandle(all)
	e := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	resumed := 0
	for err := windows.Thread32First(all, &e); err == nil; err = windows.Thread32Next(all, &e) {
		if e.OwnerProcessID != pid {
			continue
		}
		h, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, e.ThreadID)
		if err == nil {
			_, err = windows.ResumeThread(h)
			windows.CloseHandle(h)
		}
		if err != nil {
			return fmt.Errorf("memtest: resuming process %d: %w", pid, err)
		}
		resumed++
	}
	if resumed == 0 {
		return fmt.Errorf("memtest: process %d has no thread to resume", pid)
	}
	return nil
}

func (r *Result) addUsage(any) {}

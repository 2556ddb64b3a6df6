package probe

import (
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"golang.org/x/sys/windows"
)

var getSystemTimes = kernel32.DLL.NewProc("GetSystemTimes")

// ProcessorLimit returns the number of processors to which the job object limits this process, such
// as 1.5; false if there is no limit. Of nested jobs the system reports the innermost.
func ProcessorLimit() (float64, bool) {
	var info cpuRateControl
	if !inJob() || queryJob(windows.JobObjectCpuRateControlInformation, unsafe.Pointer(&info), unsafe.Sizeof(info)) != nil {
		return 0, false
	}
	return info.limit(windows.GetActiveProcessorCount(windows.ALL_PROCESSOR_GROUPS))
}

// cpuRateControl is JOBOBJECT_CPU_RATE_CONTROL_INFORMATION. Rates are in hundredths of a percent of
// all processors. After the flags comes one rate, a weight, or a minimum and a maximum of 16 bits
// each.
type cpuRateControl struct{ flags, rate uint32 }

// Flags of cpuRateControl: JOB_OBJECT_CPU_RATE_CONTROL_ENABLE, _HARD_CAP and _MIN_MAX_RATE.
const (
	rateEnable  = 1
	rateHardCap = 4
	rateMinMax  = 16
)

// limit returns the limit of a job on a number of processors. Without a hard cap, or with weights,
// there is none.
func (c cpuRateControl) limit(processors uint32) (float64, bool) {
	rate := c.rate
	switch {
	case c.flags&rateEnable == 0:
		return 0, false
	case c.flags&rateMinMax != 0:
		rate >>= 16
	case c.flags&rateHardCap == 0:
		return 0, false
	}
	if rate == 0 || rate >= 10000 {
		return 0, false
	}
	return float64(rate) / 10000 * float64(processors), true
}

// ReadProcessorTime returns the counters; false if the system does not provide them.
func ReadProcessorTime() (ProcessorTime, bool) {
	var idle, created, exited, kernel, user windows.Filetime
	if getSystemTimes.Find() != nil {
		return ProcessorTime{}, false
	}
	if ok, _, _ := getSystemTimes.Call(uintptr(unsafe.Pointer(&idle)), 0, 0); ok == 0 {
		return ProcessorTime{}, false
	}
	if windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user) != nil {
		return ProcessorTime{}, false
	}
	return ProcessorTime{Idle: length(idle), Own: length(kernel) + length(user)}, true
}

// length converts a time in units of 100 ns.
func length(t windows.Filetime) time.Duration {
	return time.Duration(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) * 100
}

// ReadRunnable returns false: this system does not provide it.
func ReadRunnable() (Runnable, bool) { return Runnable{}, false }

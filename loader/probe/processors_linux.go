package probe

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/cpulist"
)

// ProcessorLimit returns the number of processors to which the control groups limit this process,
// such as 1.5; false if there is no limit.
func ProcessorLimit() (float64, bool) { return cgroupProcessors(os.DirFS("/")) }

// cgroupProcessors returns the smallest limit of the control groups of both versions and their
// visible ancestors.
func cgroupProcessors(root fs.FS) (least float64, limited bool) {
	for dirs, v2 := range controlGroups(root, "cpu") {
		for _, dir := range dirs {
			if n, ok := processorQuota(root, dir, v2); ok && (!limited || n < least) {
				least, limited = n, true
			}
		}
	}
	return least, limited
}

// processorQuota returns a group's quota divided by its period; both are in microseconds.
func processorQuota(root fs.FS, dir string, v2 bool) (float64, bool) {
	var words []string
	names := []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
	if v2 {
		names = []string{"cpu.max"} // both
	}
	for _, name := range names {
		text, err := fs.ReadFile(root, path.Join(dir, name))
		if err != nil {
			return 0, false
		}
		words = append(words, strings.Fields(string(text))...)
	}
	if len(words) != 2 {
		return 0, false
	}
	quota, err := strconv.ParseUint(words[0], 10, 63) // "max" and -1: no limit
	period, err2 := strconv.ParseUint(words[1], 10, 63)
	if err != nil || err2 != nil || quota == 0 || period == 0 {
		return 0, false
	}
	return float64(quota) / float64(period), true
}

// clockTick is the unit of times in /proc, equal on all Linux systems.
const clockTick = time.Second / 100

// ReadProcessorTime returns the counters; false if the system does not provide them.
func ReadProcessorTime() (ProcessorTime, bool) {
	var set unix.CPUSet
	var use unix.Rusage
	if unix.SchedGetaffinity(0, &set) != nil || unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return ProcessorTime{}, false
	}
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ProcessorTime{}, false
	}
	idle, ok := idleTime(string(text), set.IsSet)
	return ProcessorTime{Idle: idle, Own: time.Duration(use.Utime.Nano() + use.Stime.Nano())}, ok
}

// idleTime sums the lines of /proc/stat of allowed processors:
// cpu0 user nice system idle iowait ...
func idleTime(stat string, allowed func(cpu int) bool) (idle time.Duration, ok bool) {
	for line := range strings.Lines(stat) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		cpu, err := strconv.Atoi(f[0][3:])
		if err != nil || !allowed(cpu) { // the first line is the sum
			continue
		}
		for _, ticks := range f[4:6] {
			n, err := strconv.ParseInt(ticks, 10, 64)
			if err != nil {
				return 0, false
			}
			idle += time.Duration(n) * clockTick
		}
		ok = true
	}
	return idle, ok
}

// ReadRunnable returns the numbers; false if the system does not provide them, or includes
// processors that this process may not use.
func ReadRunnable() (Runnable, bool) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return Runnable{}, false
	}
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return Runnable{}, false
	}
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return Runnable{}, false
	}
	n, ok := runnableThreads(string(text))
	processors, known := listedProcessors(string(online), set.IsSet)
	return Runnable{Threads: n, Own: ownRunnable(os.DirFS("/")), Processors: processors}, ok && known
}

// ownRunnable counts this process's runnable threads: those of state R in lines such as
// 42 (a name) R 1 ...
func ownRunnable(root fs.FS) (n int) {
	tasks, _ := fs.ReadDir(root, "proc/self/task") // if it fails, only the caller's thread counts
	for _, task := range tasks {
		stat, _ := fs.ReadFile(root, path.Join("proc/self/task", task.Name(), "stat"))
		if _, rest, ok := bytes.Cut(stat, []byte(") ")); ok && len(rest) > 0 && rest[0] == 'R' {
			n++
		}
	}
	return max(n, 1)
}

// runnableThreads parses /proc/loadavg: three averages, then runnable/all threads.
func runnableThreads(loadavg string) (int, bool) {
	f := strings.Fields(loadavg)
	if len(f) < 4 {
		return 0, false
	}
	running, _, _ := strings.Cut(f[3], "/")
	n, err := strconv.Atoi(running)
	return n, err == nil
}

// listedProcessors counts a list such as 0-3,8; false if one of them is not allowed.
func listedProcessors(list string, allowed func(cpu int) bool) (n int, all bool) {
	processors, ok := cpulist.Parse(list)
	return len(processors), ok && !slices.ContainsFunc(processors, func(cpu int) bool { return !allowed(cpu) })
}

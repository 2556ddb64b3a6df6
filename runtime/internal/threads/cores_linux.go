package threads

import (
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/cpulist"
)

func countCores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0
	}
	return coresIn(os.DirFS("/sys/devices"), set.IsSet)
}

// coresIn counts the cores with a processor that may be used; 0 if the files do not tell. CPUs
// with two kinds of cores list the performance cores in cpu_core/cpus.
func coresIn(devices fs.FS, allowed func(cpu int) bool) int {
	text, _ := fs.ReadFile(devices, "cpu_core/cpus") // missing on other CPUs
	if fast, ok := cpulist.Parse(string(text)); ok {
		if n := countIn(devices, func(cpu int) bool { return allowed(cpu) && slices.Contains(fast, cpu) }); n > 0 {
			return n
		}
	}
	return countIn(devices, allowed)
}

func countIn(devices fs.FS, allowed func(cpu int) bool) int {
	entries, err := fs.ReadDir(devices, "system/cpu")
	if err != nil {
		return 0
	}
	seen := map[string]bool{}
	for _, e := range entries {
		cpu, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "cpu"))
		if err != nil || !allowed(cpu) {
			continue
		}
		siblings, err := fs.ReadFile(devices, "system/cpu/"+e.Name()+"/topology/thread_siblings_list")
		if err != nil {
			return 0
		}
		seen[string(siblings)] = true
	}
	return len(seen)
}

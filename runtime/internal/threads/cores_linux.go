package threads

import (
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func countCores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0
	}
	return coresIn(os.DirFS("/sys/devices"), set.IsSet)
}

// coresIn counts the cores that have a processor that may be used; 0 where the files don't
// tell. Processors with two kinds of cores list the fast ones in cpu_core/cpus.
func coresIn(devices fs.FS, allowed func(cpu int) bool) int {
	fast, err := fs.ReadFile(devices, "cpu_core/cpus")
	if err == nil {
		if n := countIn(devices, func(cpu int) bool { return allowed(cpu) && listed(string(fast), cpu) }); n > 0 {
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

// listed tells whether a list as the kernel writes them, such as 0-3,8, has a number.
func listed(list string, n int) bool {
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		a, err := strconv.Atoi(first)
		b, err2 := strconv.Atoi(last)
		if err == nil && err2 == nil && a <= n && n <= b {
			return true
		}
	}
	return false
}

package serving

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// treeMemory is processMemory for a process and those that it has started.
func treeMemory(pid int) (rss, anon uint64, ok bool) {
	rss, anon, ok = processMemory(pid)
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, t := range threads { // a child belongs to the thread that has started it
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		for child := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(child); err == nil {
				r, a, _ := treeMemory(n)
				rss, anon = rss+r, anon+a
			}
		}
	}
	return rss, anon, ok
}

// processMemory returns the largest resident size of a process so far, and its private memory now.
func processMemory(pid int) (rss, anon uint64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, false
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmHWM":
			rss = n << 10
		case "RssAnon":
			anon = n << 10
		}
	}
	return rss, anon, rss > 0
}

package serving

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

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

package system

import (
	"fmt"
	"os"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// MemoryOf returns the memory of a process's mappings.
func MemoryOf(pid int) (Memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return Memory{}, err
	}
	return parseMappings(string(b)), nil
}

// parseMappings parses the format of /proc/PID/smaps.
func parseMappings(text string) Memory {
	s := memtest.ParseSmaps(text)
	return Memory{Shared: s.Proportional, Commit: s.Commit}
}

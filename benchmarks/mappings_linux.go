package benchmarks

import (
	"fmt"
	"os"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func memoryOf(pid int) (processMemory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return processMemory{}, err
	}
	return parseMappings(string(b)), nil
}

// parseMappings reads smaps.
func parseMappings(text string) processMemory {
	s := memtest.ParseSmaps(text)
	return processMemory{pss: s.Proportional, commit: s.Commit}
}

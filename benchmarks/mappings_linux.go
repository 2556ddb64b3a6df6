package benchmarks

import (
	"fmt"
	"os"
)

func memoryOf(pid int) (processMemory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return processMemory{}, err
	}
	return parseMappings(string(b)), nil
}

package benchmarks

import (
	"fmt"
	"os"
	"strings"
)

func memoryOf(pid int) (processMemory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return processMemory{}, err
	}
	return parseMappings(string(b)), nil
}

// parseMappings reads smaps.
func parseMappings(text string) (p processMemory) {
	var size uint64
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		var kib uint64
		switch name {
		case "Size":
			_, _ = fmt.Sscan(rest, &kib)
			size = kib << 10
		case "Pss":
			_, _ = fmt.Sscan(rest, &kib)
			p.pss += kib << 10
		case "VmFlags":
			for _, flag := range strings.Fields(rest) {
				if flag == "ac" { // accountable
					p.commit += size
				}
			}
		}
	}
	return p
}

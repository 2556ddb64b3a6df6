package memtest

import (
	"fmt"
	"strings"
)

// Smaps are a process's mappings, added up, in bytes.
type Smaps struct {
	Commit       uint64 // what is charged against the commit limit
	Resident     uint64
	Proportional uint64 // resident, shared pages divided by those who share them
}

// ParseSmaps reads what Linux has in /proc/self/smaps.
func ParseSmaps(text string) (s Smaps) {
	var size uint64
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		var kib uint64
		switch name {
		case "Size":
			_, _ = fmt.Sscan(rest, &kib)
			size = kib << 10
		case "Rss":
			_, _ = fmt.Sscan(rest, &kib)
			s.Resident += kib << 10
		case "Pss":
			_, _ = fmt.Sscan(rest, &kib)
			s.Proportional += kib << 10
		case "VmFlags":
			for _, flag := range strings.Fields(rest) {
				if flag == "ac" { // accountable
					s.Commit += size
				}
			}
		}
	}
	return s
}

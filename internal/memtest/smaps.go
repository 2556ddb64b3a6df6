package memtest

import (
	"fmt"
	"strings"
)

// Smaps has the sums over a process's mappings, in bytes.
type Smaps struct {
	Commit       uint64 // charged to the commit limit
	Resident     uint64
	Proportional uint64 // resident; each shared page is divided by the number of processes that share it

	// Heap is the part of [heap], which has the small blocks of the C library.
	Heap struct{ Commit, Resident uint64 }
}

// ParseSmaps sums up the text of /proc/PID/smaps.
func ParseSmaps(text string) (s Smaps) {
	var size uint64
	var heap bool
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(line, ":")
		var kib uint64
		switch name {
		default:
			if first, _, _ := strings.Cut(line, " "); strings.Contains(first, "-") { // a mapping's addresses
				heap = strings.HasSuffix(line, "[heap]\n")
			}
		case "Size":
			_, _ = fmt.Sscan(rest, &kib)
			size = kib << 10
		case "Rss":
			_, _ = fmt.Sscan(rest, &kib)
			s.Resident += kib << 10
			if heap {
				s.Heap.Resident += kib << 10
			}
		case "Pss":
			_, _ = fmt.Sscan(rest, &kib)
			s.Proportional += kib << 10
		case "VmFlags":
			for _, flag := range strings.Fields(rest) {
				if flag == "ac" { // accountable
					s.Commit += size
					if heap {
						s.Heap.Commit += size
					}
				}
			}
		}
	}
	return s
}

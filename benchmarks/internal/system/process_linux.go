package system

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// DiskRead returns the bytes that this process has caused to be read from disks, as the kernel
// counts them.
func DiskRead() (uint64, error) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "read_bytes:"); ok {
			return strconv.ParseUint(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/self/io has no read_bytes")
}

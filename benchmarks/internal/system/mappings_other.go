//go:build !linux

package system

import "github.com/seed7adf6694/infer/internal/memtest"

// MemoryOf is not available on this system.
func MemoryOf(int) (Memory, error) {
	return Memory{}, &memtest.Unsupported{Tool: "memory", Missing: "commit and PSS of a process are read on Linux only"}
}

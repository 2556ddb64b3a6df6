//go:build !linux

package system

import "github.com/seed7adf6694/infer/internal/memtest"

// MemoryOf is that of a process.
func MemoryOf(int) (Memory, error) {
	return Memory{}, &memtest.Unsupported{Tool: "memory", Missing: "commit and shares of a process are read on Linux only"}
}

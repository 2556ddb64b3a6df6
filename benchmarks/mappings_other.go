//go:build !linux

package benchmarks

import "github.com/seed7adf6694/infer/internal/memtest"

func memoryOf(int) (processMemory, error) {
	return processMemory{}, &memtest.Unsupported{Tool: "memory", Missing: "commit and shares of a process are read on Linux only"}
}

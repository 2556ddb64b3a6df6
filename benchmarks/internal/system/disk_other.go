//go:build !linux

package system

import "github.com/seed7adf6694/infer/internal/memtest"

// OpenBlocks is not available on this system.
func OpenBlocks(string, int) (Blocks, error) {
	return nil, &memtest.Unsupported{Tool: "disk", Missing: "reading past the page cache is implemented on Linux only"}
}

//go:build !linux

package system

import "github.com/seed7adf6694/infer/internal/memtest"

// OpenBlocks opens a file to be read in blocks of a size.
func OpenBlocks(string, int) (Blocks, error) {
	return nil, &memtest.Unsupported{Tool: "disk", Missing: "reading past the page cache is implemented on Linux only"}
}

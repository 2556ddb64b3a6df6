//go:build !linux

package benchmarks

import "github.com/seed7adf6694/infer/internal/memtest"

func newBlockReader(string, int) (blockReader, error) {
	return nil, &memtest.Unsupported{Tool: "disk", Missing: "reading past the page cache is implemented on Linux only"}
}

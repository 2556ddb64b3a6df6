package gguf

import (
	"fmt"
	"os"

	"github.com/seed7adf6694/infer/internal/files"
)

// createSkeleton makes a file in memory: it needs no disk space, leaves nothing behind, and its hole
// is not charged. If that is not possible, or the file has no path because /proc is missing or
// hidden, it makes a temporary file.
func createSkeleton() (*skeletonFile, error) {
	f, err := files.NewMemoryFile("infer-skeleton")
	if err != nil {
		return tempSkeleton()
	}
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if again, err := os.Open(path); err != nil || again.Close() != nil {
		f.Close()
		return tempSkeleton()
	}
	return &skeletonFile{File: f, path: path, finish: func() error { return files.Seal(f) }}, nil
}

// Package system queries the operating system for data that only the experiments need: the
// machine's description, the disk's read rate, the memory of a process's mappings. Where a system
// does not provide it, the result is empty or the error a [memtest.Unsupported].
package system

import "os"

// Memory is the memory of a process's mappings, in bytes.
type Memory struct {
	Commit uint64 // size of mappings that are charged
	Shared uint64 // proportional set size: shared pages are divided among processes
}

// OwnMemory returns the memory of this process's mappings.
func OwnMemory() (Memory, error) { return MemoryOf(os.Getpid()) }

// Blocks reads blocks of a file past the page cache into its own buffer. Not safe for concurrent
// use.
type Blocks interface {
	Read(offset int64) (n int, err error)
	Close()
}

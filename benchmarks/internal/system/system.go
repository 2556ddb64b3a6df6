// Package system asks the operating system for what the experiments report and the runtime has
// no need of: what the machine is called, how fast its disk is, what a process's mappings take.
// What a system does not tell is empty, or a [memtest.Unsupported].
package system

import "os"

// Memory is what the system says of a process's mappings, in bytes.
type Memory struct {
	Commit uint64 // of mappings that are charged
	Shared uint64 // resident, what is shared divided
}

// OwnMemory is that of this process.
func OwnMemory() (Memory, error) { return MemoryOf(os.Getpid()) }

// Blocks reads blocks of a file past the page cache, into memory that it owns. Not safe for
// concurrent use.
type Blocks interface {
	Read(offset int64) (n int, err error)
	Close()
}

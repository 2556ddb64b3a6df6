//go:build unix

package gguf

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// makeSparse does nothing: extending a file leaves a hole.
func makeSparse(*os.File) error { return nil }

// extend sets the size of the file without allocating space. It checks the file size limit first, as
// the system reports a violation by a signal.
func extend(f *os.File, size int64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err == nil && uint64(size) > uint64(limit.Cur) {
		return fmt.Errorf("a sparse file of %d bytes exceeds the file size limit of this process of %d bytes (ulimit -f): %w", size, uint64(limit.Cur), unix.EFBIG)
	}
	return f.Truncate(size)
}

//go:build unix

package gguf

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// makeSparse has nothing to do: a hole is what extending a file leaves.
func makeSparse(*os.File) error { return nil }

// extend makes the file larger without giving it space. It looks at the limit first,
// because the system reports its violation by a signal.
func extend(f *os.File, size int64) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err == nil && uint64(size) > uint64(limit.Cur) {
		return fmt.Errorf("a file of %d bytes without content: the limit of this process for files is %d (ulimit -f): %w", size, uint64(limit.Cur), unix.EFBIG)
	}
	return f.Truncate(size)
}

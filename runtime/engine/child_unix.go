//go:build unix

package engine

import (
	"os"
	"syscall"
)

// killed reports whether another process, or the system for lack of memory, has killed a process: no
// fault of what it did.
func killed(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGTERM)
}

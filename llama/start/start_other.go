//go:build !cgo || !unix

package start

import (
	"os"
	"os/signal"
)

// Closed reports whether a descriptor, 0 to 2, was closed when the process started. It is not
// known here.
func Closed(int) bool { return false }

// Prepare has nothing to do.
func Prepare() {}

// LeaveToSystem is [signal.Reset] here.
func LeaveToSystem(signals ...os.Signal) { signal.Reset(signals...) }

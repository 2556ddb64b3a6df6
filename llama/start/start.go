//go:build cgo && unix

package start

// #cgo LDFLAGS: -pthread
// #include "start.h"
import "C"

import (
	"runtime"
	"sync"
)

// Closed reports whether a descriptor, 0 to 2, was closed when the process started. Go opens
// /dev/null in its place.
func Closed(fd int) bool { return C.infer_start_closed&(1<<fd) != 0 }

// heldThreads is the number of threads that Go starts in advance. With GOMAXPROCS=1 it needs no
// more: each call into C and each read of a file occupies one.
const heldThreads = 6

// Prepare must be called first in main. If threads or addresses are short, it sets GOMAXPROCS to 1
// and lets Go start now all threads that it will need: Go ends the process if it cannot start one
// later.
func Prepare() {
	if C.infer_start_threads == 0 {
		return
	}
	runtime.GOMAXPROCS(1)
	var all, up sync.WaitGroup
	up.Add(heldThreads)
	for range heldThreads {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			up.Done()
			up.Wait()
		})
	}
	all.Wait()
}

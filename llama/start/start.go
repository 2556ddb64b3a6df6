//go:build cgo && unix

package start

// #cgo LDFLAGS: -pthread
// #include "start.h"
import "C"

import (
	"runtime"
	"sync"
)

// Closed tells whether a descriptor, 0 to 2, was closed when the process started. Go opens
// /dev/null in its place.
func Closed(fd int) bool { return C.infer_start_closed&(1<<fd) != 0 }

// heldThreads is how many threads Go is given while there are some. With one processor of
// its own it needs no more: each call into C, and each read of a file, holds one.
const heldThreads = 6

// Prepare is called first in main. Where threads or addresses are short, it keeps Go to one
// processor and has it start the threads that it needs now: it ends the process when it
// can't have one later.
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

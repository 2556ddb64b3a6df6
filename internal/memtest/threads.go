package memtest

import (
	"runtime"
	"sync"
)

// StartThreads makes Go start n threads and keep them. Go ends the process if it cannot start a
// thread later, when addresses or processes are limited.
func StartThreads(n int) {
	var started, ended sync.WaitGroup
	started.Add(n)
	for range n {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			started.Wait()
		})
	}
	ended.Wait()
}

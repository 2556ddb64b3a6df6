package memtest

import (
	"runtime"
	"sync"
)

// StartThreads has Go start n threads, which it keeps: where addresses or processes are limited
// later, it needs no new ones, without which it ends the process.
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

package clock

import (
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
)

var (
	queryCounter   = kernel32.DLL.NewProc("QueryPerformanceCounter")
	queryFrequency = kernel32.DLL.NewProc("QueryPerformanceFrequency")
)

// frequency is the number of counts per second. Windows promises that neither call fails
// since Windows XP.
var frequency = sync.OnceValue(func() int64 {
	var n int64
	queryFrequency.Call(uintptr(unsafe.Pointer(&n)))
	return n
})

func now() time.Duration {
	var n int64
	queryCounter.Call(uintptr(unsafe.Pointer(&n)))
	f := frequency()
	return time.Duration(n/f*int64(time.Second) + n%f*int64(time.Second)/f)
}

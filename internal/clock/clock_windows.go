package clock

import (
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
)

// counter has the addresses of functions, so that a reading allocates nothing, and the counts per
// second. Windows promises that neither function fails since Windows XP.
var counter = sync.OnceValue(func() (c struct {
	query     uintptr
	frequency int64
}) {
	c.query = kernel32.DLL.NewProc("QueryPerformanceCounter").Addr()
	syscall.SyscallN(kernel32.DLL.NewProc("QueryPerformanceFrequency").Addr(), uintptr(unsafe.Pointer(&c.frequency)))
	return c
})

func now() time.Duration {
	c := counter()
	var n int64
	syscall.SyscallN(c.query, uintptr(unsafe.Pointer(&n)))
	return time.Duration(n/c.frequency*int64(time.Second) + n%c.frequency*int64(time.Second)/c.frequency)
}

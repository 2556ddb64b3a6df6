//go:build cgo && unix

package start

// #include <signal.h>
//
// static void leave_to_system(int number) { signal(number, SIG_DFL); }
import "C"

import (
	"os"
	"os/signal"
	"syscall"
)

// LeaveToSystem has the system end the process at the next of the signals, at once and with
// no code of the process. [signal.Reset] leaves the handler of Go's runtime in its place, which
// needs a stack of its own, and overflows it when signals come one upon another.
func LeaveToSystem(signals ...os.Signal) {
	for _, s := range signals {
		if number, ok := s.(syscall.Signal); ok {
			C.leave_to_system(C.int(number))
		} else {
			signal.Reset(s)
		}
	}
}

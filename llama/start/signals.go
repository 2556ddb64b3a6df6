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

// LeaveToSystem restores the system's default action for the signals, so that the next one ends the
// process at once. [signal.Reset] keeps the handler of Go's runtime installed, which runs on a
// stack of its own and overflows it when signals arrive in quick succession.
func LeaveToSystem(signals ...os.Signal) {
	for _, s := range signals {
		if number, ok := s.(syscall.Signal); ok {
			C.leave_to_system(C.int(number))
		} else {
			signal.Reset(s)
		}
	}
}

package probe

import (
	"errors"

	"golang.org/x/sys/unix"
)

// eventWait waits for changes of memory.events files (control groups of version 2): the kernel counts
// there how often a group was at its limit, so that it had to evict.
type eventWait struct {
	files []int // descriptors
	stop  int
	done  chan struct{}
}

// awaitEvents calls tell when one of the files has changed. It returns nil if none can be read.
func awaitEvents(files []string, tell func()) *eventWait {
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil
	}
	w := &eventWait{stop: stop, done: make(chan struct{})}
	for _, name := range files {
		if fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil { // a group without a limit may have none
			w.files = append(w.files, fd)
			w.read(fd)
		}
	}
	if len(w.files) == 0 {
		unix.Close(stop)
		return nil
	}
	go w.run(tell)
	return w
}

// read makes the kernel report the next change.
func (w *eventWait) read(fd int) {
	var b [4096]byte
	_, _ = unix.Pread(fd, b[:], 0) // an error is seen by poll
}

func (w *eventWait) run(tell func()) {
	defer close(w.done)
	for w.changed(-1) {
		tell()
	}
}

// changed waits for a change, for some milliseconds or without end (-1). It returns false without a
// change, after close, and for nil.
func (w *eventWait) changed(timeout int) bool {
	if w == nil {
		return false
	}
	fds := []unix.PollFd{{Fd: int32(w.stop), Events: unix.POLLIN}}
	for _, fd := range w.files {
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLPRI})
	}
	n, err := unix.Poll(fds, timeout)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(fds, timeout)
	}
	if n <= 0 || fds[0].Revents != 0 {
		return false
	}
	for i, fd := range w.files {
		if fds[i+1].Revents&unix.POLLPRI != 0 {
			w.read(fd)
		}
	}
	return true
}

// close ends the wait. It does nothing for nil.
func (w *eventWait) close() {
	if w == nil {
		return
	}
	_, _ = unix.Write(w.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-w.done
	for _, fd := range append(w.files, w.stop) {
		unix.Close(fd)
	}
}

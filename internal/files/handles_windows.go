package files

import (
	"os"
	"sync"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"golang.org/x/sys/windows"
)

// handles read a file from several goroutines at once. The system does one thing at a time
// with a handle that is not opened for overlapped reads, and Go's files have a lock for it:
// so each read that finds no idle handle opens one more. Safe for concurrent use.
type handles struct {
	flags uint32 // of those that are opened

	mu     sync.Mutex
	idle   []*os.File
	closed bool
}

// directHandles are those of a file that is open for direct reads.
func directHandles() handles { return handles{flags: directFlags} }

// readAt reads from a file, or from what has been opened of it.
func (h *handles) readAt(f *os.File, b []byte, offset int64) (int, error) {
	own := h.take(f)
	if own == nil {
		return f.ReadAt(b, offset)
	}
	defer h.give(own)
	return own.ReadAt(b, offset)
}

// take is an idle handle, or a new one; nil where none can be opened.
func (h *handles) take(f *os.File) *os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	if n := len(h.idle); n > 0 {
		own := h.idle[n-1]
		h.idle = h.idle[:n-1]
		return own
	}
	own, err := reopen(f, h.flags)
	if err != nil {
		return nil
	}
	return own
}

func (h *handles) give(own *os.File) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		own.Close()
		return
	}
	h.idle = append(h.idle, own)
}

func (h *handles) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	closeAll(h.idle)
	h.idle = nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

var procReOpenFile = kernel32.DLL.NewProc("ReOpenFile")

// reopen opens a file that is open once more, whatever its name is by now.
func reopen(f *os.File, flags uint32) (*os.File, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var again *os.File
	e := c.Control(func(fd uintptr) {
		h, _, callErr := procReOpenFile.Call(fd, windows.GENERIC_READ, shareAll, uintptr(flags))
		if windows.Handle(h) == windows.InvalidHandle {
			err = os.NewSyscallError("ReOpenFile", callErr)
			return
		}
		again = os.NewFile(h, f.Name())
	})
	if e != nil {
		return nil, e
	}
	return again, err
}

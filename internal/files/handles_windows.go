package files

import (
	"os"
	"sync"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"golang.org/x/sys/windows"
)

// handles read a file concurrently. Windows executes one request at a time on a handle that was not
// opened for overlapped I/O, and Go's os.File holds a lock: so a read that finds no idle handle
// opens another. It is safe for concurrent use.
type handles struct {
	flags uint32 // for opening handles

	mu     sync.Mutex
	idle   []*os.File
	closed bool
}

// directHandles are handles for direct reads.
func directHandles() handles { return handles{flags: directFlags} }

// readAt reads from f or one of its further handles.
func (h *handles) readAt(f *os.File, b []byte, offset int64) (int, error) {
	own := h.take(f)
	if own == nil {
		return f.ReadAt(b, offset)
	}
	defer h.give(own)
	return own.ReadAt(b, offset)
}

// take returns an idle handle or opens one; nil if that fails.
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

// reopen opens an open file again, whatever its path is now.
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

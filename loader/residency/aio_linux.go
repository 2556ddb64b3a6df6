package residency

import (
	"cmp"
	"context"
	"errors"
	"os"
	"runtime"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"golang.org/x/sys/unix"
)

// batch executes several reads with one system call and one waiting thread, by Linux's native
// asynchronous I/O. One thread per read would work too, but these threads would preempt the
// engine's, which wait for each other after every operation. io_uring would do as well
// but is forbidden in many containers.
//
// It is not safe for concurrent use.
type batch struct {
	context uintptr
	done    *os.File // an eventfd, signalled when the last request of a submission is complete
	doneFd  uint32
	blocks  []iocb
	events  []ioEvent
	list    []*iocb
}

// iocb is the kernel's struct iocb.
type iocb struct {
	data   uint64
	_      [2]uint32 // key, rw_flags
	_      uint16    // opcode; 0: IOCB_CMD_PREAD
	_      int16     // priority
	fd     uint32
	buf    uint64
	bytes  uint64
	offset int64
	_      uint64
	flags  uint32
	resFd  uint32
}

// ioEvent is the kernel's struct io_event.
type ioEvent struct {
	data, obj uint64
	res, res2 int64
}

// flagResFd is the kernel's IOCB_FLAG_RESFD: signal the eventfd resFd on completion.
const flagResFd = 1

// batchDepth is the largest queue depth: more than a disk needs, and less than the kernel's
// queue of a disk, beyond which io_submit blocks.
const batchDepth = 64

func newBatch() (*batch, error) {
	b := &batch{blocks: make([]iocb, batchDepth), events: make([]ioEvent, batchDepth)}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	b.done = os.NewFile(uintptr(fd), "eventfd")
	b.doneFd = uint32(fd)
	if _, _, e := unix.Syscall(unix.SYS_IO_SETUP, batchDepth, uintptr(unsafe.Pointer(&b.context)), 0); e != 0 {
		b.done.Close()
		return nil, os.NewSyscallError("io_setup", e)
	}
	return b, nil
}

// submission is a list of requests that a batch executes. A batch has one at a time.
type submission struct {
	batch    *batch
	files    []*files.DirectFile // open for direct reads
	mark     bool                // signal the eventfd with the last request of each system call
	list     []request           // not yet submitted
	requests []request           // submitted, by block
	free     []int               // blocks
	flying   int                 // requests in flight
	failed   error               // why requests were not submitted
	upTo     int                 // last group to submit for now
}

func (b *batch) begin(files []*files.DirectFile, list []request, mark bool) *submission {
	s := &submission{batch: b, files: files, mark: mark, list: list, requests: make([]request, batchDepth)}
	for i := range b.blocks {
		s.free = append(s.free, i)
	}
	return s
}

// more reports whether there are requests to submit for now.
func (s *submission) more() bool { return len(s.list) > 0 && s.list[0].group <= s.upTo }

// submit submits what the queue has room for, and nothing after an error. marked: the last request
// signals the eventfd.
func (s *submission) submit(ctx context.Context) (marked bool) {
	b := s.batch
	b.list = b.list[:0]
	if s.failed == nil && len(s.list) > 0 {
		s.failed = ctx.Err()
	}
	for s.failed == nil && s.more() && len(s.free) > 0 {
		i := s.free[len(s.free)-1]
		s.free, s.requests[i], s.list = s.free[:len(s.free)-1], s.list[0], s.list[1:]
		x := &s.requests[i]
		b.blocks[i] = iocb{data: uint64(i), fd: uint32(s.files[x.file].OS.Fd()), buf: uint64(uintptr(x.p)), bytes: x.size, offset: x.offset}
		b.list = append(b.list, &b.blocks[i])
	}
	if n := len(b.list); n > 0 && s.mark {
		b.list[n-1].flags, b.list[n-1].resFd = flagResFd, b.doneFd
	}
	n, err := b.submit()
	s.flying += n
	s.failed = cmp.Or(s.failed, err)
	return s.mark && n > 0 && n == len(b.list)
}

// collect waits until at least least requests are complete, and calls finish for each complete one
// with the number of bytes read, 0 after an error.
func (s *submission) collect(least int, marked bool, finish func(x request, n uint64)) error {
	defer runtime.KeepAlive(s.files)
	events, err := s.batch.wait(least, marked)
	if err != nil {
		return errors.Join(s.failed, err) // io_getevents fails only with bad arguments
	}
	for _, ev := range events {
		i := int(ev.data)
		s.free, s.flying = append(s.free, i), s.flying-1
		finish(s.requests[i], uint64(max(ev.res, 0)))
	}
	return nil
}

// submit submits the list and returns how many of its requests were accepted.
func (b *batch) submit() (n int, err error) {
	for n < len(b.list) {
		k, _, e := unix.Syscall(unix.SYS_IO_SUBMIT, b.context, uintptr(len(b.list)-n), uintptr(unsafe.Pointer(&b.list[n])))
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return n, os.NewSyscallError("io_submit", e)
		}
		n += int(k)
	}
	return n, nil
}

// wait returns at least least completed requests. marked: the last one signals the eventfd, on which
// a goroutine can wait without blocking a thread.
func (b *batch) wait(least int, marked bool) ([]ioEvent, error) {
	var timeout *unix.Timespec
	if marked {
		var count [8]byte
		if _, err := b.done.Read(count[:]); err == nil {
			timeout = &unix.Timespec{}
		}
	}
	for {
		n, _, e := unix.Syscall6(unix.SYS_IO_GETEVENTS, b.context, uintptr(least), uintptr(len(b.events)), uintptr(unsafe.Pointer(&b.events[0])), uintptr(unsafe.Pointer(timeout)), 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return nil, os.NewSyscallError("io_getevents", e)
		}
		return b.events[:n], nil
	}
}

// close destroys the kernel's context. No request may be in flight.
func (b *batch) close() {
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, b.context, 0, 0)
	b.done.Close()
}

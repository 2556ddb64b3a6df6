package residency

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/space"
)

// reader reads ranges of a model's files into native memory. It keeps several requests in flight,
// as a disk is slow at queue depth 1.
//
// Direct reads bypass the page cache. That saves a copy, saves page cache that a control group
// charges to this process, and passes large requests to the disk undivided. If the
// file system has no direct reads, reads go through the page cache and are evicted from it.
//
// It is not safe for concurrent use, and has one [flight] at a time.
type reader struct {
	ix     *gguf.Index
	files  []gguf.FileInfo
	direct []*files.DirectFile // nil if the file system has no direct reads
	batch  *batch              // nil if the system has no asynchronous reads
	method method

	queue  chan func()
	depth  int // number of reading goroutines; 0: batches
	quit   sync.WaitGroup
	closed bool
}

// request is a read of a range of a file to an address. Offset, size and address are multiples of
// [files.DirectUnit]; the range may extend past the end of the file.
type request struct {
	file   int
	offset int64
	size   uint64
	p      unsafe.Pointer
	group  int // requests of group 0 are needed first
}

func newReader(ix *gguf.Index) *reader {
	r := &reader{ix: ix, files: ix.Files(), queue: make(chan func())}
	for i := range r.files {
		d, err := files.OpenDirectFile(ix.File(i))
		if err != nil { // the file system does not support it
			r.closeDirect()
			r.direct = nil
			break
		}
		r.direct = append(r.direct, d)
	}
	if r.direct != nil {
		r.batch, _ = newBatch() // forbidden in some containers
	}
	r.use(r.methods()[0])
	return r
}

// method is a way to read: the size of requests and the number of goroutines; 0 goroutines reads in
// batches.
type method struct {
	size  uint64
	depth int
}

// methods lists the methods to measure, the most likely fastest first.
func (r *reader) methods() (list []method) {
	if r.batch != nil {
		list = append(list, method{4 << 20, 0}, method{1 << 20, 0}, method{2 << 20, 0})
	}
	return append(list, method{4 << 20, 4}, method{1 << 20, 8}, method{2 << 20, 4}, method{8 << 20, 2}, method{1 << 20, 2}, method{256 << 10, 16})
}

func (r *reader) use(m method) {
	r.method = m
	for ; r.depth < m.depth; r.depth++ {
		r.quit.Add(1)
		go func() {
			defer r.quit.Done()
			for f := range r.queue {
				if f == nil {
					return
				}
				f()
			}
		}()
	}
	for ; r.depth > m.depth; r.depth-- {
		r.queue <- nil
	}
}

// String describes the method in use.
func (r *reader) String() string {
	switch {
	case r.direct == nil:
		return fmt.Sprintf("cached reads, %d of %s at once", r.depth, words.Size(r.method.size))
	case r.depth == 0:
		return fmt.Sprintf("direct reads, batches of %s", words.Size(r.method.size))
	}
	return fmt.Sprintf("direct reads, %d of %s at once", r.depth, words.Size(r.method.size))
}

// remaining returns how many bytes the file has from the offset of a request on.
func (r *reader) remaining(x request) uint64 { return uint64(max(r.files[x.file].Size-x.offset, 0)) }

func (r *reader) readOne(x request) error {
	need := min(x.size, r.remaining(x))
	if r.direct == nil {
		err := r.ix.ReadAt(x.file, space.BytesAt(x.p, need), x.offset)
		files.Forget(r.ix.File(x.file), x.offset, x.size)
		if err != nil {
			return r.readError(x.file, err)
		}
		return nil
	}
	b, offset := space.BytesAt(x.p, x.size), x.offset
	for need > 0 {
		n, err := r.direct[x.file].ReadAt(b, offset)
		if uint64(n) >= need {
			break
		}
		if err != nil && !files.Temporary(err) {
			return r.readError(x.file, err)
		}
		n &^= files.DirectUnit - 1
		b, offset, need = b[n:], offset+int64(n), need-uint64(n)
	}
	return nil
}

// readError returns why a read failed. If the file has changed, that is the cause, whatever
// error the system returned (a direct read of a truncated file may fail with EINVAL).
func (r *reader) readError(file int, err error) error {
	if changed := r.ix.FileChanged(file); changed != nil {
		return changed
	}
	return fmt.Errorf("%s: %w", words.QuotePath(r.files[file].Path), err)
}

// calibration limits how long methods are compared.
const calibration = 300 * time.Millisecond

// split divides requests into those of the method's size.
func (r *reader) split(list []request) []request {
	var small []request
	for _, x := range list {
		for off := uint64(0); off < x.size; off += r.method.size {
			small = append(small, request{x.file, x.offset + int64(off), min(r.method.size, x.size-off), space.At(x.p, off), x.group})
		}
	}
	return small
}

// calibrate measures the methods with some requests, within the time limit, and selects the
// fastest. uneven: two runs with that method differed by more than a factor of 2.
func (r *reader) calibrate(ctx context.Context, list []request) (uneven bool, err error) {
	var all uint64
	for _, x := range list {
		all += x.size
	}
	begun := clock.Now()
	best, least := r.method, time.Duration(0)
	for i, m := range r.methods() {
		if i > 0 && (clock.Since(begun)+2*least > calibration || all < m.size) {
			break
		}
		var took [2]time.Duration
		r.use(m)
		for k := range took {
			start := clock.Now()
			if err := r.read(ctx, list); err != nil {
				return false, err
			}
			took[k] = clock.Since(start)
		}
		// The first run of the first method does not count as uneven: it may have woken the disk.
		if t := min(took[0], took[1]); i == 0 || t < least-least/20 {
			best, least = m, t
			uneven = i > 0 && max(took[0], took[1]) > 2*t
		}
	}
	r.use(best)
	return uneven, nil
}

func (r *reader) close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	close(r.queue)
	r.quit.Wait()
	if r.batch != nil {
		r.batch.close()
	}
	r.closeDirect()
	return nil
}

func (r *reader) closeDirect() {
	for _, d := range r.direct {
		d.Close()
	}
}

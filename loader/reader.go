package loader

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"
)

// directUnit is what direct reads begin at and are multiples of: what every disk takes.
const directUnit = 4096

// reader reads pieces of a model's files into native memory, several at once: a disk
// that is asked for one thing at a time waits for the next question.
//
// Direct reads pass the page cache by. That saves a copy and the page cache's memory,
// which counts as this process's in a control group; and a large request is one for the
// disk too. Where the file system has none, the cache is used and told to forget.
type reader struct {
	files  []*file
	direct []*os.File // nil where there is no direct reading
	size   uint64     // of a request
	depth  int        // requests at once

	queue chan func()
	quit  sync.WaitGroup

	mu       sync.Mutex
	inFlight int
	since    time.Time // when it was none last
	spent    time.Duration
	none     *sync.Cond
	closed   bool
}

// request is a piece of a file and where it goes. Both and its size are multiples of
// directUnit; it may reach past the end of the file.
type request struct {
	file   int
	offset int64
	size   uint64
	p      unsafe.Pointer
}

func newReader(ix *Index) *reader {
	r := &reader{files: ix.files, queue: make(chan func())}
	r.none = sync.NewCond(&r.mu)
	for _, f := range ix.files {
		d, err := openDirect(f.f)
		if err != nil { // not on this file system
			closeAll(r.direct)
			r.direct = nil
			break
		}
		r.direct = append(r.direct, d)
	}
	r.use(methods[0])
	return r
}

// method is how to read.
type method struct {
	size  uint64
	depth int
}

// methods are what may be the fastest: the first where there is no time to find out.
var methods = []method{{4 << 20, 4}, {1 << 20, 8}, {2 << 20, 4}, {8 << 20, 2}, {1 << 20, 2}, {256 << 10, 16}}

func (r *reader) use(m method) {
	r.size = m.size
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

// String names what is in use.
func (r *reader) String() string {
	how := "direct"
	if r.direct == nil {
		how = "cached"
	}
	return fmt.Sprintf("%s reads, %d of %s at once", how, r.depth, Size(r.size))
}

// read takes a request as soon as there is room for it and calls done when it is through,
// from another goroutine.
func (r *reader) read(x request, done func(error)) {
	r.mu.Lock()
	if r.inFlight++; r.inFlight == 1 {
		r.since = time.Now()
	}
	r.mu.Unlock()
	r.queue <- func() {
		done(r.now(x))
		r.mu.Lock()
		if r.inFlight--; r.inFlight == 0 {
			r.spent += time.Since(r.since)
			r.none.Broadcast()
		}
		r.mu.Unlock()
	}
}

// busy is for how long anything was being read.
func (r *reader) busy() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inFlight > 0 {
		return r.spent + time.Since(r.since)
	}
	return r.spent
}

// wait waits until nothing is being read.
func (r *reader) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.inFlight > 0 {
		r.none.Wait()
	}
}

func (r *reader) now(x request) error {
	f := r.files[x.file]
	need := min(x.size, uint64(max(f.size-x.offset, 0)))
	if r.direct == nil {
		err := readFull(f.f, bytesAt(x.p, need), x.offset)
		forget(f.f, x.offset, x.size)
		if err != nil {
			return f.readError(err)
		}
		return nil
	}
	b, offset := bytesAt(x.p, x.size), x.offset
	for need > 0 {
		n, err := r.direct[x.file].ReadAt(b, offset)
		if uint64(n) >= need {
			break
		}
		if err != nil && !temporary(err) {
			return f.readError(err)
		}
		n &^= directUnit - 1
		b, offset, need = b[n:], offset+int64(n), need-uint64(n)
	}
	return nil
}

// readError says why a read failed: most often the file is another one now, whatever the
// system minded first (a direct read of a file that was cut short, that it ends at no
// multiple of the unit).
func (f *file) readError(err error) error {
	if changed := f.unchanged(); changed != nil {
		return changed
	}
	return fmt.Errorf("%s: %w", quotePath(f.path), err)
}

// calibration bounds how long the ways of reading are compared for.
const calibration = 300 * time.Millisecond

// split makes requests of the size in use.
func (r *reader) split(list []request) []request {
	var small []request
	for _, x := range list {
		for off := uint64(0); off < x.size; off += r.size {
			small = append(small, request{x.file, x.offset + int64(off), min(r.size, x.size-off), at(x.p, off)})
		}
	}
	return small
}

// calibrate reads some requests in each way that may be the fastest, as long as there is
// time, and uses the one that was. uneven says that the times of one and the same way
// differ much.
func (r *reader) calibrate(ctx context.Context, list []request) (uneven bool, err error) {
	var all uint64
	for _, x := range list {
		all += x.size
	}
	begun := time.Now()
	best, least := methods[0], time.Duration(0)
	for i, m := range methods {
		if i > 0 && (time.Since(begun)+2*least > calibration || all < m.size) {
			break
		}
		var took [2]time.Duration
		r.use(m)
		for k := range took {
			start := time.Now()
			if err := r.all(ctx, list); err != nil {
				return false, err
			}
			took[k] = time.Since(start)
		}
		// The first of all may have woken the disk.
		if t := min(took[0], took[1]); i == 0 || t < least-least/20 {
			best, least = m, t
			uneven = i > 0 && max(took[0], took[1]) > 2*t
		}
	}
	r.use(best)
	return uneven, nil
}

// all reads pieces in requests of the size in use.
func (r *reader) all(ctx context.Context, list []request) error {
	var mu sync.Mutex
	var first error
	for _, x := range r.split(list) {
		if err := ctx.Err(); err != nil {
			r.wait()
			return err
		}
		r.read(x, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	r.wait()
	return first
}

func (r *reader) close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if !closed {
		close(r.queue)
		r.quit.Wait()
		closeAll(r.direct)
	}
	return nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

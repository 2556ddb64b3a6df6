package residency

import (
	"cmp"
	"context"
	"sync"
)

// flight is a list of requests that a reader executes, in groups that are needed one after the other:
// the next group is read while the caller uses the one before. It must be waited for to the end, even
// after an error.
type flight struct {
	reader *reader
	ctx    context.Context
	left   []int // requests of each group that are not complete, of batches
	short  []request
	batch  *submission // nil: goroutines read

	groups []sync.WaitGroup // of goroutines
	mu     sync.Mutex
	err    error // of a goroutine
}

// read executes requests. No read is in flight when it returns.
func (r *reader) read(ctx context.Context, list []request) error {
	return r.begin(ctx, list).wait(allGroups)
}

// allGroups is more than the number of groups.
const allGroups = 1 << 20

// begin starts to execute requests, which are sorted by group. If ctx ends, those that have not been
// submitted are not executed.
func (r *reader) begin(ctx context.Context, list []request) *flight {
	list = r.split(list)
	f := &flight{reader: r, ctx: ctx}
	if len(list) == 0 {
		return f
	}
	groups := list[len(list)-1].group + 1
	if r.depth == 0 {
		f.left = make([]int, groups)
		for _, x := range list {
			f.left[x.group]++
		}
		// An eventfd lets a goroutine wait without a thread, but only for all that is in flight.
		f.batch = r.batch.begin(r.direct, list, groups == 1)
		if groups > 1 {
			f.batch.submit(ctx)
		}
		return f
	}
	f.groups = make([]sync.WaitGroup, groups)
	for _, x := range list {
		f.groups[x.group].Add(1)
	}
	go func() {
		for _, x := range list {
			if err := ctx.Err(); err != nil {
				f.fail(err)
				f.groups[x.group].Done()
				continue
			}
			r.queue <- func() {
				defer f.groups[x.group].Done()
				f.fail(r.readOne(x))
			}
		}
	}()
	return f
}

// wait waits until the requests of the groups up to this one are complete. After an error of any
// request it waits until none is in flight, and returns the error.
func (f *flight) wait(group int) error {
	if f.batch != nil {
		return f.waitBatch(group)
	}
	for i := range f.groups {
		if i <= group || f.failed() != nil {
			f.groups[i].Wait()
		}
	}
	return f.failed()
}

func (f *flight) waitBatch(group int) error {
	s := f.batch
	s.upTo = max(s.upTo, group)
	for s.failed == nil && f.remaining(group) > 0 || s.failed != nil && s.flying > 0 {
		marked := s.submit(f.ctx)
		if s.flying == 0 {
			continue
		}
		least := min(s.flying, max(f.remaining(group), 1))
		if s.more() {
			least = max(1, s.flying/2) // and submit more
		}
		if err := s.collect(least, marked, f.complete); err != nil {
			return err
		}
		for _, x := range f.short {
			if s.failed == nil {
				s.failed = f.reader.readOne(x) // returns the error
			}
		}
		f.short = f.short[:0]
	}
	// Not before: a disk serves all that is in flight at once, so that the first group would be late.
	if s.upTo++; s.failed == nil && s.more() {
		s.submit(f.ctx)
	}
	return s.failed
}

// complete counts a request of a batch of which n bytes were read.
func (f *flight) complete(x request, n uint64) {
	f.left[x.group]--
	if n < min(x.size, f.reader.remaining(x)) {
		f.short = append(f.short, x)
	}
}

// remaining returns how many requests of the groups up to this one are not complete.
func (f *flight) remaining(group int) (sum int) {
	for _, n := range f.left[:min(group+1, len(f.left))] {
		sum += n
	}
	return sum
}

func (f *flight) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = cmp.Or(f.err, err)
}

func (f *flight) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

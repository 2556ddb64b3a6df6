package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/words"
)

// Parameters of the measurement of the disk's rate. The file is read from its beginning,
// repeatedly, past the page cache, with a queue depth of several requests, at which disks are
// fastest. The first part is not counted: the host of a virtual machine caches too, and the cases
// that are compared with the rate read the same file many times.
const (
	diskRequests = 4
	diskBlock    = 4 << 20
	diskWarmUp   = 2 * time.Second // or once through the file
	diskTime     = time.Second
	diskLeast    = 64 << 20 // smallest file, in bytes, for a meaningful rate
)

// measureDisk measures the highest rate at which the model's file can be read from its disk.
func measureDisk(ctx context.Context, j job, r *reporter) error {
	index, err := openIndex(j.Model)
	if err != nil {
		return err
	}
	file := index.Files()[0]
	index.Close()

	readers := make([]system.Blocks, diskRequests)
	for i := range readers {
		if readers[i], err = system.OpenBlocks(file.Path, diskBlock); err != nil {
			return err
		}
		defer readers[i].Close()
	}
	d := disk{readers: readers, size: file.Size}
	if _, err := d.read(ctx, file.Size, diskWarmUp); err != nil {
		return err
	}
	rate, err := d.rate(ctx)
	if err != nil {
		return err
	}
	done := busy(runtime.NumCPU())
	busyRate, err := d.rate(ctx)
	done()
	if err != nil {
		return err
	}
	if file.Size < diskLeast {
		r.note(fmt.Sprintf("the disk's rate was measured with a file of only %s: use a larger model", words.Size(uint64(file.Size))))
	}
	r.metrics(map[string]float64{diskRate: rate, diskBusyRate: busyRate})
	return nil
}

// busy keeps n processors busy until the returned function is called.
func busy(n int) (done func()) {
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(n + diskRequests) // so that the system, not Go, schedules them
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for !stop.Load() {
			}
		})
	}
	return func() {
		stop.Store(true)
		wg.Wait()
		runtime.GOMAXPROCS(before)
	}
}

// disk is a file that is read in a loop.
type disk struct {
	readers []system.Blocks
	size    int64
}

// rate returns the rate in bytes per second.
func (d disk) rate(ctx context.Context) (float64, error) {
	start := clock.Now()
	done, err := d.read(ctx, math.MaxInt64, diskTime)
	return float64(done) / clock.Since(start).Seconds(), err
}

// read reads until either the number of bytes or the duration is reached.
func (d disk) read(ctx context.Context, most int64, longest time.Duration) (done int64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longest, errEnough)
	defer cancel()
	var next, total atomic.Int64
	errs := make([]error, len(d.readers))
	var wg sync.WaitGroup
	for i, reader := range d.readers {
		wg.Go(func() {
			for ctx.Err() == nil {
				offset := next.Add(diskBlock) - diskBlock
				if offset >= most {
					return
				}
				blocks := (d.size + diskBlock - 1) / diskBlock
				offset = offset / diskBlock % blocks * diskBlock
				n, err := reader.Read(offset)
				if err != nil {
					errs[i] = fmt.Errorf("reading %d bytes at %d past the page cache: %w", diskBlock, offset, err)
					cancel()
					return
				}
				total.Add(int64(n))
			}
		})
	}
	wg.Wait()
	err = errors.Join(errs...)
	if err == nil && ctx.Err() != nil && context.Cause(ctx) != errEnough {
		err = context.Cause(ctx)
	}
	return total.Load(), err
}

var errEnough = errors.New("the time of the measurement has passed")

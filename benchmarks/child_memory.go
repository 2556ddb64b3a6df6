package benchmarks

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/benchmarks/internal/system"
	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/probe"
)

// measureMemory generates, and reports the memory used and its course over time.
func measureMemory(ctx context.Context, j job, r *reporter) error {
	settle()
	before, errBefore := system.OwnMemory()
	series := follow()
	err := generateThen(ctx, j, r, func() {
		after, err := system.OwnMemory()
		if err = errors.Join(errBefore, err); err != nil {
			r.note("commit is unknown: " + err.Error())
			return
		}
		r.metrics(map[string]float64{commitBytes: float64(after.Commit - min(before.Commit, after.Commit))})
	})
	r.send(message{Series: series()})
	return err
}

// settle makes Go's runtime allocate in advance what it caches: threads, each charged with a stack
// of 8 MiB, and heap, which grows in steps of at least 4 MiB. Otherwise the commit of a load would
// depend on the moment of these allocations. The memory is not touched.
func settle() {
	const threads, heap = 16, 16 << 20
	runtime.KeepAlive(make([]byte, heap))
	runtime.GC()
	memtest.StartThreads(threads)
}

// seriesPeriod is the initial interval between two measurements of memory; seriesMost is the
// largest number that is kept: above it, every other measurement is dropped and the interval is
// doubled.
const (
	seriesPeriod = 10 * time.Millisecond
	seriesMost   = 400
)

// follow measures the process's memory periodically until the returned function is called.
func follow() func() map[string][]float64 {
	var at, anon, file []float64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	start := clock.Now()
	look := func() {
		if p, err := probe.ProcessMemory(); err == nil {
			at, anon, file = append(at, clock.Since(start).Seconds()), append(anon, float64(p.Anon)), append(file, float64(p.File))
		}
	}
	look()
	wg.Go(func() {
		for period := seriesPeriod; ; {
			select {
			case <-stop:
				return
			case <-time.After(period):
			}
			if look(); len(at) >= seriesMost {
				at, anon, file = halved(at), halved(anon), halved(file)
				period *= 2
			}
		}
	})
	return func() map[string][]float64 {
		close(stop)
		wg.Wait()
		return map[string][]float64{seriesTime: at, seriesAnon: anon, seriesFile: file}
	}
}

func halved(v []float64) []float64 {
	out := v[:0]
	for i := 0; i < len(v); i += 2 {
		out = append(out, v[i])
	}
	return out
}

// measurePair generates in two processes and reports the resident memory of both, with shared pages
// counted once.
func measurePair(ctx context.Context, j job, r *reporter) error {
	var failed error
	err := generateThen(ctx, j, r, func() { failed = besideAnother(ctx, j, r) })
	return errors.Join(err, failed)
}

func besideAnother(ctx context.Context, j job, r *reporter) error {
	j.Do = "hold"
	other, err := startBeside(ctx, j)
	if err != nil {
		return err
	}
	defer other.close()
	if err := other.wait(holding); err != nil {
		return err
	}
	a, err := system.MemoryOf(os.Getpid())
	if err != nil {
		return err
	}
	b, err := system.MemoryOf(other.cmd.Process.Pid)
	if err != nil {
		return err
	}
	r.metrics(map[string]float64{"pss_bytes": float64(a.Shared+b.Shared) / 2, bothPSS: float64(a.Shared + b.Shared)})
	return nil
}

const holding = "holding"

// hold generates and keeps the model open until its input is closed.
func hold(ctx context.Context, j job, r *reporter) error {
	return generateThen(ctx, j, r, func() {
		r.send(message{Phase: holding})
		_, _ = io.Copy(io.Discard, r.in)
	})
}

// Metrics of the memory experiment.
const (
	commitBytes = "commit_bytes"
	bothPSS     = "two_processes_pss_bytes"
	seriesTime  = "seconds"
	seriesAnon  = "anon_bytes"
	seriesFile  = "file_bytes"
)

package models

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/seed7adf6694/infer/loader/gguf"
)

// blockValues is the number of values made at a time, or one row if that is longer. A production needs
// a few MiB for its workers, whatever the size of the model.
const blockValues = 256 << 10

// A production writes the data of synthetic tensors in order, while several goroutines compute the
// next blocks.
type production struct {
	tensors  []blueprint
	seed     uint64
	align    uint64
	quantize Quantizer
	progress func(done, total uint64)
	total    uint64 // bytes, with padding
	done     uint64
}

// A job computes some rows of a tensor.
type job struct {
	tensor      *blueprint
	first, rows uint64
	last        bool // range of rows
	out         []byte
	err         error
	ready       chan struct{} // closed when out and err are set
}

func newProduction(tensors []blueprint, o SynthesizeOptions, align uint64) *production {
	p := &production{tensors: tensors, seed: o.Seed, align: align, quantize: o.Quantize, progress: o.Progress}
	for i := range tensors {
		p.total += pad(tensors[i].bytes(), align)
	}
	return p
}

func pad(n, align uint64) uint64 { return (n + align - 1) / align * align }

// bytes returns the size of a tensor's data.
func (b *blueprint) bytes() uint64 { return b.rows() * b.kind.RowSize(b.rowLength()) }

// write computes all data and writes it to w, whose position must be aligned.
func (p *production) write(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := min(runtime.GOMAXPROCS(0), 8)
	// Each job is sent to the workers and, in file order, to the loop below.
	order, work := make(chan *job, workers), make(chan *job)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { p.hand(ctx, order, work) })
	for range workers {
		group.Go(func() {
			var m maker
			for j := range work {
				j.out, j.err = m.make(p, j)
				close(j.ready)
			}
		})
	}

	p.report(0)
	for j := range order {
		select {
		case <-ctx.Done():
			return stopped(ctx)
		case <-j.ready:
		}
		if j.err != nil {
			return fmt.Errorf("%s: %w", j.tensor.name, j.err)
		}
		if _, err := w.Write(j.out); err != nil {
			return err
		}
		n := uint64(len(j.out))
		if j.last {
			size := j.tensor.bytes()
			padding := pad(size, p.align) - size
			if _, err := w.Write(make([]byte, padding)); err != nil {
				return err
			}
			n += padding
		}
		if !quantised(j.tensor.kind) {
			recycle(j.out) // the quantiser's buffers are not reused
		}
		p.report(n)
	}
	return stopped(ctx)
}

// stopped returns why ctx ended, nil if it did not. The error wraps ctx.Err() and, if there is one,
// the cause.
func stopped(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// hand sends out the jobs until there are no more or ctx ends.
func (p *production) hand(ctx context.Context, order, work chan<- *job) {
	defer close(order)
	defer close(work)
	for i := range p.tensors {
		t := &p.tensors[i]
		all := t.rows()
		step := max(1, blockValues/t.rowLength())
		for first := uint64(0); first < all; first += step {
			j := &job{tensor: t, first: first, rows: min(step, all-first), ready: make(chan struct{})}
			j.last = first+j.rows == all
			for _, to := range []chan<- *job{order, work} {
				select {
				case to <- j:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

func (p *production) report(n uint64) {
	p.done += n
	if p.progress != nil {
		p.progress(p.done, p.total)
	}
}

// A maker computes blocks, one at a time.
type maker struct {
	halves []uint16
	floats []float32
}

func (m *maker) make(p *production, j *job) ([]byte, error) {
	t := j.tensor
	n := int(j.rows * t.rowLength())
	m.halves = sized(m.halves, n)
	m.fill(p.seed, j)
	if t.kind == gguf.TypeF16 {
		out := newOutput(2 * n)
		for i, h := range m.halves {
			binary.LittleEndian.PutUint16(out[2*i:], h)
		}
		return out, nil
	}
	m.floats = sized(m.floats, n)
	for i, h := range m.halves {
		m.floats[i] = fromHalf(h)
	}
	switch t.kind {
	case gguf.TypeF32:
		out := newOutput(4 * n)
		for i, f := range m.floats {
			binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(f))
		}
		return out, nil
	case gguf.TypeBF16:
		out := newOutput(2 * n)
		for i, f := range m.floats {
			binary.LittleEndian.PutUint16(out[2*i:], toBrain(f))
		}
		return out, nil
	}
	out, err := p.quantize(t.kind, m.floats, int(t.rowLength()))
	if err != nil {
		return nil, err
	}
	if want := j.rows * t.kind.RowSize(t.rowLength()); uint64(len(out)) != want {
		return nil, fmt.Errorf("the quantiser made %d bytes of %d rows of %d values as %s, which take %d", len(out), j.rows, t.rowLength(), t.kind, want)
	}
	return out, nil
}

// fill computes the values of a block as f16.
func (m *maker) fill(seed uint64, j *job) {
	t := j.tensor
	if t.deviation == 0 {
		value := toHalf(cmp.Or(t.constant, 1))
		for i := range m.halves {
			m.halves[i] = value
		}
		return
	}
	newStream(seed, t.name, t.deviation).half(m.halves, j.first*t.rowLength())
	if t.scales != nil {
		for i, h := range m.halves {
			m.halves[i] = toHalf(fromHalf(h) * t.scales[j.first+uint64(i)/t.rowLength()])
		}
	}
	if t.role == output && j.first <= tokenEOS {
		// The rows of special tokens are zero, so that none is ever the most likely token and the
		// model does not end its text early.
		special := (tokenEOS + 1 - j.first) * t.rowLength()
		clear(m.halves[:min(special, uint64(len(m.halves)))])
	}
}

// sized returns a slice of n values with unspecified content, reusing s if it is large enough.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// outputs holds buffers of make that have been written.
var outputs sync.Pool

func newOutput(n int) []byte {
	if b, ok := outputs.Get().(*[]byte); ok {
		return sized(*b, n)
	}
	return make([]byte, n)
}

func recycle(b []byte) { outputs.Put(&b) }

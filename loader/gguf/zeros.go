package gguf

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed7adf6694/infer/internal/words"
)

// An interrupted download that preallocated its file leaves zeros: mostly up to the end of the file, in
// several places if it used several connections. The header does not show it, and the engine
// would compute with the zeros.

const (
	zeroWindow = 4 << 10 // bytes that are examined per sample
	// minZeroMatrix is the minimum size of a matrix whose zeros are suspicious; biases and other
	// short tensors may be zero.
	minZeroMatrix = 1 << 10
	// minZeroTail is how much of the end of the last tensor alone must be zero: rows for unused
	// tokens may be zero.
	minZeroTail = 64 << 10

	stoppedDownload = "a download that was stopped leaves such a file: fetch it again"
)

// warnZeros warns of files that end in zeros. It reads a few KiB of the last tensors, and only the
// last 4 KiB if these are not zero.
func (ix *Index) warnZeros() {
	for i, f := range ix.files {
		if ts := ix.tensorsOf(i); len(ts) > 0 {
			f.warnZeros(ix, ts)
		}
	}
}

func (f *file) warnZeros(ix *Index, ts []Tensor) {
	whole, matrices, from := 0, 0, int64(0)
	for i := len(ts) - 1; i >= 0; i-- {
		t := ts[i]
		if start := f.zeroFrom(t); start != t.Offset {
			if size := t.Offset + int64(t.Size) - start; whole == 0 && size >= minZeroTail && size >= int64(t.Size/8) {
				ix.warn("tensor %s holds nothing but zeros from about byte %d of the file on, %s to its end: %s", words.Literal(t.Name), start, words.Size(uint64(size)), stoppedDownload)
			}
			break
		}
		whole++
		from = t.Offset
		if t.isMatrix() {
			matrices++
		}
	}
	switch {
	case matrices == 0:
	case whole == len(ts):
		ix.warn("all %d tensors of %s hold nothing but zeros where they were looked at: %s", whole, words.QuotePath(f.Path), stoppedDownload)
	default:
		ix.warn("the last %d of %d tensors of %s, from %s at byte %d on, hold nothing but zeros where they were looked at: %s",
			whole, len(ts), words.QuotePath(f.Path), words.Literal(ts[len(ts)-whole].Name), from, stoppedDownload)
	}
}

// isMatrix reports whether zeros in a tensor are suspicious.
func (t Tensor) isMatrix() bool {
	return t.Size >= minZeroMatrix && len(t.Shape) > 1 && t.Shape[1] > 1
}

// zeroFrom returns approximately where the zeros at the end of a tensor begin: its beginning if all
// samples are zero, its end if the last bytes are not.
func (f *file) zeroFrom(t Tensor) int64 {
	end := t.Offset + int64(t.Size)
	low, high := t.Offset, end // zero from high on; unknown below
	at := max(low, end-zeroWindow)
	if !f.isZero(at, end-at) {
		return end
	}
	// Find the last sample that is not zero, then bisect between it and the next.
	for high = at; high > low; high = at {
		at = max(low, high-max(zeroWindow, int64(t.Size/8)))
		if !f.isZero(at, min(zeroWindow, high-at)) {
			low = at
			break
		}
	}
	for high-low > zeroWindow {
		middle := low + (high-low)/2
		if f.isZero(middle, min(zeroWindow, high-middle)) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// isZero reports whether a range of the file is all zero; false if it cannot be read.
func (f *file) isZero(at, size int64) bool {
	b := make([]byte, size)
	if _, err := f.OS.ReadAt(b, at); err != nil {
		return false
	}
	return allZero(b)
}

var zeroBytes [zeroWindow]byte

// allZero examines at most one window.
func allZero(b []byte) bool { return bytes.Equal(b, zeroBytes[:len(b)]) }

// tensorsOf returns the tensors of a file, in the order of their offsets.
func (ix *Index) tensorsOf(file int) []Tensor {
	first, last := 0, 0
	for i, t := range ix.tensors {
		if t.File < file {
			first = i + 1
		}
		if t.File <= file {
			last = i + 1
		}
	}
	return ix.tensors[first:last]
}

// CheckZeros samples each tensor and returns the names of matrices that are zero in all samples, in
// file order. If all tensors of a file from such a matrix on are zero, the error is a
// [*FormatError]: the download was interrupted. For a file without any weight it returns no
// error, as [Index.Warnings] reports that.
func (ix *Index) CheckZeros(ctx context.Context) (names []string, err error) {
	for i, f := range ix.files {
		ts := ix.tensorsOf(i)
		begin, matrices := len(ts), 0 // of the zeros at the end
		for j, t := range ts {
			zero, err := f.sampledZero(ctx, t)
			switch {
			case err != nil:
				return nil, err
			case !zero:
				begin, matrices = len(ts), 0
				continue
			}
			begin = min(begin, j)
			if t.isMatrix() {
				matrices++
				names = append(names, t.Name)
			}
		}
		switch {
		case matrices == 0:
		case begin == 0:
			names = names[:len(names)-matrices]
		default:
			t := ts[begin]
			e := &FormatError{File: f.Path, Offset: t.Offset, Field: "tensor " + words.Literal(t.Name), Value: "all zero", Reason: stoppedDownload}
			if n := len(ts) - begin - 1; n > 0 {
				e.Reason = fmt.Sprintf("and so are the %d tensors behind it, to the end of the file: %s", n, stoppedDownload)
			}
			return names, e
		}
	}
	return names, nil
}

// sampledZero reports whether a tensor is zero at evenly spaced samples, its beginning and end
// included.
func (f *file) sampledZero(ctx context.Context, t Tensor) (bool, error) {
	const samples = 64
	step := max(zeroWindow, t.Size/samples)
	b := make([]byte, zeroWindow)
	for at := uint64(0); at < t.Size; at += step {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		if left := t.Size - at; left < 2*step && left > zeroWindow && step > zeroWindow {
			at = t.Size - zeroWindow // the last one
		}
		b = b[:min(zeroWindow, t.Size-at)]
		if _, err := f.OS.ReadAt(b, t.Offset+int64(at)); err != nil {
			return false, &FormatError{File: f.Path, Offset: t.Offset, Field: "tensor " + words.Literal(t.Name), Reason: "can't be read", Err: err}
		}
		if !allZero(b) {
			return false, nil
		}
	}
	return true, nil
}

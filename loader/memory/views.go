package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// FileRange is a range of a file to map. Its offset is a multiple of the granularity, and so is
// its size unless it is the last of several.
type FileRange struct {
	File   *os.File
	Offset int64
	Size   uint64 // bytes
}

// Views are file ranges mapped read-only at contiguous addresses. They are not charged as commit and
// can be evicted.
type Views struct{ s *reservation }

// MapFiles maps file ranges side by side, each as one mapping in the ledger (nil: none). If it
// fails, nothing stays mapped; the error is an [*Error] if memory or addresses are lacking, wraps
// [ErrPurpose], or is the system's.
func MapFiles(ledger *Ledger, purpose Purpose, ranges []FileRange) (*Views, error) {
	if err := purpose.check(); err != nil {
		return nil, err
	}
	size, phase := uint64(0), uint64(0)
	for _, x := range ranges {
		size += x.Size
	}
	if len(ranges) > 0 {
		phase = uint64(ranges[0].Offset)
	}
	s, err := newViews(space.Current, ledger, purpose, size, phase, func(s *reservation) error {
		next := uint64(0)
		for _, x := range ranges {
			if err := ledger.admit(purpose, x.Size); err != nil {
				return err
			}
			if err := s.sys.MapFile(space.At(s.base, next), x.Size, x.File, x.Offset); err != nil {
				return refused(probe.Mapping, purpose, x.Size, err)
			}
			next += x.Size
			s.grant(x.Size)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Views{s}, nil
}

// Base returns the first address.
func (v *Views) Base() unsafe.Pointer { return v.s.base }

// Size returns the size of all ranges in bytes.
func (v *Views) Size() uint64 { return v.s.size }

// Close unmaps the ranges and releases the addresses. Call it once.
func (v *Views) Close() error { return v.s.close() }

package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// FilePiece is a piece of a file to be mapped. Its offset is a multiple of the granularity,
// and so is its size, but for the last of some pieces.
type FilePiece struct {
	File   *os.File
	Offset int64
	Size   uint64 // bytes
}

// Views is a range of contiguous addresses to which pieces of files are mapped, read-only. It
// is not charged as commit and can be evicted.
type Views struct{ s *span }

// MapFiles maps pieces of files side by side. Each is one mapping, looked at by the ledger
// (nil: none). Where it fails nothing stays mapped: the error is a [*Error] where memory
// or addresses are lacking, an [ErrPurpose], or the system's.
func MapFiles(ledger *Ledger, purpose Purpose, pieces []FilePiece) (*Views, error) {
	if err := purpose.check(); err != nil {
		return nil, err
	}
	size, phase := uint64(0), uint64(0)
	for _, x := range pieces {
		size += x.Size
	}
	if len(pieces) > 0 {
		phase = uint64(pieces[0].Offset)
	}
	s, err := newViews(space.Current, ledger, purpose, size, phase, func(s *span) error {
		next := uint64(0)
		for _, x := range pieces {
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

// Base is the first address.
func (v *Views) Base() unsafe.Pointer { return v.s.base }

// Size is what all pieces take, in bytes.
func (v *Views) Size() uint64 { return v.s.size }

// Close gives the range back. It is to be called once.
func (v *Views) Close() error { return v.s.close() }
